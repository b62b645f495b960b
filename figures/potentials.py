"""The potentials that GRPO climbs for two-valued rewards, their slopes, and how the limit of large groups
is reached.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from figures.style import DOUBLE, LINES, MARKERS, PALETTE, panels, save
from figures.tables import load

SOURCE, COMMAND = "potentials/table.csv", "tamdp run potentials"
_SHOWN = (2, 4, 16, 64)
_COLUMNS = (
    "group_size",
    "p",
    "potential",
    "slope",
    "measured_slope",
    "limit_potential",
    "limit_slope",
    "center_potential",
    "center_slope",
    "slope_lower",
    "slope_upper",
    "total",
)


def draw(source: Path, out: Path) -> list[Path]:
    """Draw from the study's table; returns the files written."""
    table = load(source, (), _COLUMNS, COMMAND)
    data = {name: np.array(table[name]) for name in _COLUMNS}
    sizes = np.unique(data["group_size"])
    shown = [size for size in sizes if size in _SHOWN] or list(sizes[:4])
    figure, axes = panels(1, 3, DOUBLE, 3.1)
    left, middle, right = axes[0]
    for size, marker, line, colour in zip(shown, MARKERS, LINES[:1] + LINES[2:], PALETTE, strict=False):
        rows = {name: values[data["group_size"] == size] for name, values in data.items()}
        look = {"color": colour, "linestyle": line, "linewidth": 1.2, "label": f"G = {size:.0f}"}
        every = slice(len(rows["p"]) // 16, None, max(1, len(rows["p"]) // 8))
        left.plot(rows["p"], rows["potential"], marker=marker, markersize=3.5, markevery=every, **look)
        middle.plot(rows["p"], rows["slope"], **look)
        middle.plot(
            rows["p"][every],
            rows["measured_slope"][every],
            color=colour,
            linestyle="none",
            marker=marker,
            markersize=3.5,
        )
        ends = {"markersize": 5, "markerfacecolor": "white", "clip_on": False, "zorder": 5}
        middle.plot([0, 1], rows["slope_upper"][:2], color=colour, linestyle="none", marker=marker, **ends)
    last = data["group_size"] == shown[-1]
    left.plot(
        data["p"][last], data["limit_potential"][last], color="black", linestyle=LINES[1], linewidth=1, label="limit"
    )
    left.plot(
        data["p"][last],
        data["center_potential"][last],
        color="0.75",
        linewidth=4,
        label=f"center, G = {shown[-1]:.0f}",
        zorder=1,
    )
    middle.plot(data["p"][last], data["limit_slope"][last], color="black", linestyle=LINES[1], linewidth=1)
    middle.axhline(data["center_slope"][last][0], color="0.75", linewidth=4, zorder=1)
    left.set_ylabel(r"potential $\Psi_G(p)$ (advantage)")
    middle.set_ylabel(r"slope $\psi_G(p)$ (advantage per unit of $p$)")
    for axis in (left, middle):
        axis.set_xlabel("success probability $p$")
        axis.set_xlim(0, 1)
    left.set_ylim(0, np.pi * 1.02)
    left.set_yticks([0, 1, 2, 3])
    middle.set_yscale("log")
    middle.set_ylim(0.4, 20)
    _ticks(middle.yaxis, [0.5, 1, 2, 4, 8, 16])
    _rates(right, data, sizes)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False, fontsize=7)
    caption = (
        f"Two-valued rewards, exact, no sampling. Left: the potential Ψ_G of the success probability whose gradient "
        f"the expected update is (L7), its limit "
        f"2 arcsin √p (dashed), and the potential κp of center (grey), n = {int(last.sum())} probabilities a curve. "
        f"Middle: its slope ψ_G, log scale; filled "
        f"marks: the same number from the law of the group; open marks at the sides: the upper end √(G−1) (L7.upper). "
        f"Right: relative distance from the limit "
        f"over the group size G, log axes; thin dashed lines fall as 1/√G and 1/G."
    )
    return save(figure, out / "potentials", caption)


def _rates(axis: Axes, data: dict[str, Any], sizes: Any) -> None:
    """Relative distance from the limit: of the whole height, and of the slope at one half and at 0.05."""
    first = [int(np.flatnonzero(data["group_size"] == size)[0]) for size in sizes]
    rows = [(r"height $\Psi_G(1)$", 1 - data["total"][first] / np.pi, -0.5)]
    for at in (0.05, 0.5):
        gaps = []
        for size in sizes:
            own = np.flatnonzero(data["group_size"] == size)
            i = own[np.argmin(np.abs(data["p"][own] - at))]
            gaps.append(1 - data["slope"][i] / data["limit_slope"][i])
        rows.append((rf"slope at $p$ ≈ {at:g}", np.array(gaps), -1.0))
    for (label, gap, power), marker, line, colour in zip(
        rows, MARKERS, (LINES[0], LINES[2], LINES[4]), ("black", PALETTE[3], PALETTE[0]), strict=False
    ):
        axis.plot(sizes, gap, color=colour, linestyle=line, linewidth=1.1, marker=marker, markersize=3.5, label=label)
        axis.plot(
            sizes, gap[-1] * (sizes / sizes[-1]) ** power, color="0.5", linestyle=LINES[1], linewidth=0.7, zorder=1
        )
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_ylim(0.004, 12)
    _ticks(axis.xaxis, [size for size in sizes if size in (2, 4, 8, 16, 32, 64)] or list(sizes))
    axis.set_xlabel("group size $G$")
    axis.set_ylabel("distance from the limit (relative)")
    axis.legend(loc="upper right", frameon=False, fontsize=7)


def _ticks(axis: Any, values: list[float]) -> None:
    axis.set_ticks(values, [f"{value:g}" for value in values])
    axis.set_ticks([], minor=True)
