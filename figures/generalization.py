"""PAC-Bayes bounds and risk over the number of training prompts, how often they fail, and bounds over the distance
between domains.
"""

from pathlib import Path
from typing import Any

import numpy as np

from figures.style import DOUBLE, LINES, MARKERS, PALETTE, panels, save
from figures.tables import load

SOURCE, COMMAND = "generalization/table.csv", "tamdp run generalization"
FLOOR = 1e-8  # probabilities below are drawn here
_SAMPLES = ("T3.kl", "T3.mcallester", "T3.catoni", "T3.bernstein")
_SHIFTS = ("T3.shift", "T3.shift.loss", "T3.shift.chi", "T3.shift.pinsker")


def draw(source: Path, out: Path) -> list[Path]:
    """Draw from the study's table; returns the files written."""
    numbers = ("n", "inverse_temperature", "bound", "risk", "empirical", "distance", "failure", "delta")
    table = load(source, ("part", "claim"), numbers, COMMAND)
    rows = [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
    warmth = sorted({row["inverse_temperature"] for row in rows if row["part"] == "search"})[:3]
    figure, axes = panels(2, 3, DOUBLE, 5.0)
    for column in range(3):
        if column < len(warmth):
            _samples(
                axes[0, column],
                [row for row in rows if row["part"] == "search" and row["inverse_temperature"] == warmth[column]],
            )
            axes[0, column].set_title(f"search, Gibbs β = {warmth[column]:g}", fontsize=8)
        axes[0, column].set_ylim(0, 1.05)
    axes[0, 0].set_ylabel("risk and its bounds")
    _failures(axes[1, 0], [row for row in rows if row["part"] in ("search", "quiz")])
    shift = [row for row in rows if row["part"] == "shift"]
    _shift(axes[1, 1], shift, [(name, None, name) for name in _SHIFTS])
    _shift(
        axes[1, 2], shift, [("T3.printed", n, f"printed, n = {n:.0f}") for n in sorted({row["n"] for row in shift})[:4]]
    )
    axes[1, 1].set_ylabel("target risk and its bounds")
    axes[1, 1].set_title("bounds without n", fontsize=8)
    axes[1, 2].set_title("printed: shift term over √n", fontsize=8)
    for ax in axes.ravel():
        ax.grid(linewidth=0.3, alpha=0.5)
    handles = dict(zip(*reversed(axes[0, 0].get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=6, frameon=False, fontsize=7)
    lower: dict[str, Any] = {}
    for ax in axes[1]:
        lower |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    if "target risk" in lower:
        lower["target risk"] = lower.pop("target risk")  # last, so that each panel has a column
    figure.legend(lower.values(), lower.keys(), loc="outside lower center", ncols=3, frameon=False, fontsize=7)
    sizes = sorted({row["n"] for row in rows if row["part"] != "shift"}) or [0.0]
    delta = f"{rows[0]['delta']:g}"
    caption = (
        f"Top: mean bound (dashed, open), risk and empirical risk (solid, filled) of Gibbs posteriors over n = "
        f"{sizes[0]:.0f} to {sizes[-1]:.0f} training "
        f"prompts, exact over all training sets, at up to three inverse temperatures; δ = {delta}; risks are losses in "
        f"[0, 1], no unit. Bottom left: exact "
        "probability that a bound fails, the largest over temperatures, log scale, for search and for a quiz with "
        "losses 0 or 1; below "
        f"{FLOOR:g} it is drawn there; dotted: δ. Bottom, middle and right: target risk (solid) over the total "
        f"variation TV between source and target of "
        "the search task, and its bounds (dashed); crosses: printed bound below the risk that it is to bound. Bounds "
        "of 1 say nothing."
    )
    return save(figure, out / "generalization", caption)


def _style(i: int, bound: bool) -> dict[str, Any]:
    colour = PALETTE[i]
    return {
        "color": colour,
        "marker": MARKERS[i],
        "markersize": 3.5,
        "linewidth": 1.1,
        "linestyle": LINES[1] if bound else LINES[0],
        "markerfacecolor": "white" if bound else colour,
    }


def _columns(pairs: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in pairs], [y for _, y in pairs]


def _samples(ax: Any, rows: list[dict[str, Any]]) -> None:
    for i, claim in enumerate(_SAMPLES):
        own = sorted((row["n"], row["bound"]) for row in rows if row["claim"] == claim)
        ax.plot(*_columns(own), label=f"bound {claim}", **_style(i, True))
    for i, (name, label) in enumerate((("risk", "risk"), ("empirical", "empirical risk")), len(_SAMPLES)):
        own = sorted((row["n"], row[name]) for row in rows if row["claim"] == _SAMPLES[0])
        ax.plot(*_columns(own), label=label, **_style(i, False))
    ax.axhline(1.0, color="black", linewidth=0.6, linestyle=":")
    ax.set_xscale("log")
    ax.set_xlabel("training prompts n")


def _failures(ax: Any, rows: list[dict[str, Any]]) -> None:
    """The largest over temperatures: by claim for the quiz, over all claims for search."""
    series = [
        ([row for row in rows if row["part"] == "quiz" and row["claim"] == claim], f"failure of {claim}, quiz")
        for claim in _SAMPLES
    ]
    series.append(([row for row in rows if row["part"] == "search"], "failure of any of them, search"))
    for i, (own, label) in enumerate(series):
        sizes = sorted({row["n"] for row in own})
        if not own:
            continue
        worst = [max(max(row["failure"] for row in own if row["n"] == n), FLOOR) for n in sizes]
        ax.plot(sizes, worst, **(_style(i, False) | {"linestyle": LINES[0] if i < 3 else LINES[2]}), label=label)
    if rows:
        ax.axhline(rows[0]["delta"], color="black", linewidth=0.8, linestyle=":")
        ax.annotate(
            "δ",
            (1.0, rows[0]["delta"]),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            xytext=(-8, 2),
            fontsize=7,
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylim(FLOOR / 3, 1)
    ax.set_xlabel("training prompts n")
    ax.set_ylabel("probability that a bound fails")
    ax.set_title("exact coverage", fontsize=8)


def _shift(ax: Any, rows: list[dict[str, Any]], series: list[tuple[str, float | None, str]]) -> None:
    for i, (claim, n, label) in enumerate(series):
        own = sorted(
            {
                (row["distance"], row["bound"], row["risk"])
                for row in rows
                if row["claim"] == claim and n in (None, row["n"])
            }
        )
        if not own:
            continue
        distance, bound, risk = (np.array(values) for values in zip(*own, strict=True))
        ax.plot(distance, bound, label=label, **_style(i, True))
        below = bound < risk - 1e-12
        ax.plot(distance[below], bound[below], linestyle="none", marker="x", markersize=4.5, color="black", zorder=4)
        if i == 0:
            ax.plot(
                distance, risk, color="black", linewidth=1.4, marker="o", markersize=3, label="target risk", zorder=3
            )
    ax.set_xlabel("distance between domains, TV")
    ax.set_ylim(0, 1.05)
