"""How tight each inequality is: the distribution of larger over smaller side, claim by claim."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bounds import CLAIMS
from figures.style import LINES, MARKERS, PALETTE, save, subplots
from figures.tables import load
from tamdp_theory import InputError

SOURCE, COMMAND = "tightness/table.csv", "tamdp run tightness"
_NAMES = {
    "own": "",
    "bandit": " with 5/2 (bandit)",
    "one reward": " with 8H²−2H",
    "discounted": " with 8H³ (discounted)",
}


def draw(source: Path, out: Path) -> list[Path]:
    """Draw from the study's table; returns the files written."""
    table = load(source, ("claim", "constant", "family", "standing"), ("ratio",), COMMAND)
    if not (set(table["constant"]) <= set(_NAMES) and set(table["claim"]) <= set(CLAIMS)):
        raise InputError(f"{source}: damaged, a claim or a constant that is unknown; make it again with `{COMMAND}`")
    keys = list(zip(table["claim"], table["constant"], strict=True))
    found = [key for claim in CLAIMS for key in ((claim, constant) for constant in _NAMES) if key in set(keys)][::-1]
    figure, axes = subplots(height=1.1 + 0.175 * len(found))
    families = list(dict.fromkeys(table["family"]))
    for y, key in enumerate(found):
        rows = [i for i, own in enumerate(keys) if own == key]
        _row(axes, y, table, rows=rows, families=families, own=key[1] == "own")
        axes.annotate(f"{len(rows)}", (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=6)
    axes.annotate("checks", (1.01, len(found) - 0.2), xycoords=("axes fraction", "data"), va="center", fontsize=6)
    printed = {
        claim for claim, standing in zip(table["claim"], table["standing"], strict=True) if standing == "printed"
    }
    axes.set_xscale("log")
    axes.set_xlim(0.5, None)
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_yticks(
        range(len(found)),
        [f"{claim}{' (printed)' if claim in printed else ''}{_NAMES[constant]}" for claim, constant in found],
        fontsize=6.5,
    )
    axes.set_ylim(-0.7, len(found) - 0.3)
    axes.set_xlabel("larger / smaller side of the inequality (1 is equality)")
    axes.grid(axis="x", linewidth=0.4, alpha=0.5)
    handles: list[Any] = [
        Patch(facecolor="0.75", edgecolor="0.3"),
        Patch(facecolor="white", edgecolor="0.3", linestyle="--"),
        Line2D([], [], color="0.4", linewidth=0.8),
        Line2D([], [], linestyle="none", marker="|", markersize=7, markeredgewidth=1.4, color="black"),
        *(
            Line2D([], [], linestyle="none", marker=m, markersize=4, color=c)
            for m, c, _ in zip(MARKERS, PALETTE, families, strict=False)
        ),
    ]
    labels = [
        "quartiles",
        "quartiles, literature",
        "least to largest",
        "median",
        *(f"median, {name}" for name in families),
    ]
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=7)
    caption = (
        f"Ratio of the larger to the smaller side of every inequality with an exact check, log scale, no unit; n = "
        f"{len(keys)} checks on random bandits, "
        "trees and search tasks with random tabular policies, the number for each row at the right. Box: quartiles; "
        "bar: median; line: least to largest; "
        "markers: median of each family. Dashed boxes, open markers: L3's smoothness osc/2 replaced by constants of "
        "the literature (the 5/2 of bandits "
        "where H = 1 only). Left of 1 the inequality is violated, at the arrow by a right side of zero; printed claims "
        "are known to fail."
    )
    return save(figure, out / "tightness", caption)


def _row(axes: Any, y: int, table: dict[str, list[Any]], rows: list[int], families: list[str], own: bool) -> None:
    """Quartiles, extremes and the median of each family."""
    ratios = np.array([table["ratio"][i] for i in rows])
    least, low, middle, high, most = np.quantile(ratios, (0, 0.25, 0.5, 0.75, 1))
    if low < 0.5:
        axes.plot([0.53], [y], marker="<", color=PALETTE[3], markersize=5, linestyle="none", zorder=4)
        if most < 0.5:
            return
    line = LINES[0] if own else LINES[1]
    axes.plot([max(least, 0.5), most], [y, y], color="0.4", linewidth=0.8, linestyle=line, zorder=1)
    axes.barh(
        y,
        max(high - low, 1e-9),
        left=low,
        height=0.62,
        color="0.8" if own else "white",
        edgecolor="0.3",
        linewidth=0.6,
        linestyle=line,
        zorder=2,
    )
    axes.plot([middle, middle], [y - 0.42, y + 0.42], color="black", linewidth=1.4, zorder=5)
    for name, marker, colour in zip(families, MARKERS, PALETTE, strict=False):
        chosen = [table["ratio"][i] for i in rows if table["family"][i] == name]
        if chosen:
            face = colour if own else "white"
            axes.plot(
                [np.median(chosen)],
                [y],
                linestyle="none",
                marker=marker,
                markersize=3.5,
                color=colour,
                markerfacecolor=face,
                zorder=3,
            )
