"""Variance of the update over the number of components and the group size, with the printed law and the bounds."""

from pathlib import Path
from typing import Any

from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from figures.style import DOUBLE, LINES, MARKERS, PALETTE, panels, save
from figures.tables import load
from tamdp_theory import InputError

SOURCE, COMMAND = "variance/table.csv", "tamdp run variance"
TEXTS, NUMBERS = ("shape", "normalization", "series"), ("components", "group_size", "gap", "value")
_SHAPES = {"comonotone": "all equal", "independent": "independent", "complementary": "complementary"}
_SCHEMES = ("center", "sum_then_normalize", "normalize_then_sum")
_COLOURS = (PALETTE[0], PALETTE[2], PALETTE[3])
_BOUNDS = {"center": "L9.components", "sum_then_normalize": "L9.decomposed", "normalize_then_sum": "L9.decomposed"}


def draw(source: Path, out: Path) -> list[Path]:
    """Draw from the study's table, scores without news; returns the files written."""
    table = load(source, TEXTS, NUMBERS, COMMAND)
    rows = [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
    gap = min((row["gap"] for row in rows), default=0.0)
    rows = [row for row in rows if row["gap"] == gap]
    shapes = [shape for shape in _SHAPES if any(row["shape"] == shape for row in rows)]
    if not shapes:
        raise InputError(f"{source}: no row to draw; make it again with `{COMMAND}`")
    size = max(row["group_size"] for row in rows)
    counts = {row["components"] for row in rows}
    odd = max({k for k in counts if k % 2 == 1} or counts)  # complementary components of even number have no variance
    figure, axes = panels(2, len(shapes), DOUBLE, 4.6, sharex="row", sharey="row")
    floor = min((row["value"] for row in rows if row["series"] == "variance" and row["value"] > 0), default=1e-3) / 4
    for j, shape in enumerate(shapes):
        own = [row for row in rows if row["shape"] == shape]
        _panel(axes[0, j], [row for row in own if row["group_size"] == size], "components", floor)
        _panel(axes[1, j], [row for row in own if row["components"] == odd], "group_size", floor)
        axes[0, j].set_title(_SHAPES[shape], fontsize=8)
        axes[0, j].set_xlabel("components, K")
        axes[1, j].set_xlabel("group size, G")
    axes[0, 0].set_ylabel(f"variance V, G = {size:.0f}")
    axes[1, 0].set_ylabel(f"variance V, K = {odd:.0f}")
    figure.legend(*_legend(), loc="outside lower center", ncols=3, frameon=False, fontsize=7, handlelength=3)
    caption = (
        f"Exact variance of the update for K components of weight one, each a fair coin (one prompt, two arms, "
        f"probability gap {gap:g} between them): "
        "all equal, independent, or alternately a coin and its opposite. "
        "Filled markers: V, with zeros on the lowest line, marked V = 0. Dashed with open markers: L9.components for "
        "center, L9.decomposed for the others, "
        f"where it applies (two-valued). Grey: the printed law K/G, started from the decomposed variance of one "
        f"component at the same G (top, G = {size:.0f}) "
        f"or from K = {odd:.0f} at the smallest G (bottom). Every number is exact, no sampling."
    )
    return save(figure, out / "variance", caption)


def _panel(axes: Any, rows: list[dict[str, Any]], over: str, floor: float) -> None:
    """V, its bounds and the law over one quantity."""

    def of(series: str, scheme: str) -> tuple[list[float], list[float]]:
        found = sorted(
            (row[over], row["value"]) for row in rows if row["series"] == series and row["normalization"] == scheme
        )
        return [x for x, _ in found], [y for _, y in found]

    for scheme, marker, colour in zip(_SCHEMES, MARKERS, _COLOURS, strict=False):
        axes.plot(
            *of(_BOUNDS[scheme], scheme),
            color=colour,
            linestyle=LINES[1],
            marker=marker,
            markersize=4,
            markerfacecolor="none",
            linewidth=0.8,
        )
        x, y = of("variance", scheme)
        line = "none" if 0.0 in y else LINES[0]  # nothing lies between zeros and the rest
        larger = 5.5 if scheme == "sum_then_normalize" else 4  # seen below another mark
        axes.plot(
            x,
            [max(v, floor) for v in y],
            color=colour,
            linestyle=line,
            marker=marker,
            markersize=larger,
            linewidth=1.2,
            zorder=3,
        )
        if 0.0 in y and scheme == _SCHEMES[-1]:
            axes.annotate(
                "V = 0, all three",
                (x[y.index(0.0)], floor),
                xytext=(0, 6),
                textcoords="offset points",
                ha="center",
                fontsize=7,
            )
    x, law = of("law", "normalize_then_sum") if over == "components" else of("variance", "normalize_then_sum")
    if over == "group_size" and x:
        law = [law[0] * x[0] / one for one in x]
    axes.plot(x, law, color="0.6", linestyle=LINES[2], linewidth=2.2, zorder=1)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(sorted({row[over] for row in rows}), [f"{one:.0f}" for one in sorted({row[over] for row in rows})])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(which="major", linewidth=0.3, alpha=0.6)


def _legend() -> tuple[list[Line2D], list[str]]:
    handles = [
        Line2D([], [], color=c, marker=m, markersize=4, linewidth=1.2) for m, c in zip(MARKERS, _COLOURS, strict=False)
    ]
    handles += [
        Line2D(
            [], [], color="black", linestyle=LINES[1], marker="o", markerfacecolor="none", markersize=4, linewidth=0.8
        ),
        Line2D([], [], color="0.6", linestyle=LINES[2], linewidth=2.2),
    ]
    return handles, [*_SCHEMES, "bound of the same normalization", "printed law, K/G"]
