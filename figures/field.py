"""The expected update on the triangle of three arms: arrows, and their curl as shading; blank where there is none."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm

from figures.style import DOUBLE, panels, save
from figures.tables import load
from tamdp_theory import InputError

SOURCE, COMMAND = "field/table.csv", "tamdp run field"
_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3) / 2]])  # worst, middle, best arm
_SHADES = LinearSegmentedColormap.from_list(
    "curl", ["#fdf3dc", "#f3c57c", "#d9812b", "#8a3d0c"]
)  # lightness falls throughout
_NUMBERS = ("p_0", "p_1", "p_2", "h_0", "h_1", "h_2", "curl", "circulation")
_KINDS = {"center": "centred", "sum_then_normalize": "joint", "normalize_then_sum": "decomposed"}
_ARMS = {
    "stairs": ("(0,0)", "(1,0)", "(1,1)"),
    "trade-off": ("(0,0)", "(1,0)", "(0,1)"),
    "graded": ("(0,0)", "(0,1)", "(1,½)"),
}


def draw(source: Path, out: Path) -> list[Path]:
    """Draw from the study's table; returns the files written."""
    table = load(source, ("rewards", "normalization"), ("group_size", *_NUMBERS), COMMAND)
    sizes = sorted(set(table["group_size"]))
    size = min(sizes, key=lambda g: abs(g - 8))
    names = [name for name in _ARMS if name in table["rewards"]]
    kinds = [kind for kind in _KINDS if kind in table["normalization"]]
    keys = list(zip(table["rewards"], table["normalization"], table["group_size"], strict=True))
    data = np.column_stack([np.array(table[name]) for name in _NUMBERS])
    chosen = {(n, k): data[[i for i, key in enumerate(keys) if key == (n, k, size)]] for n in names for k in kinds}
    if not chosen or min(len(rows) for rows in chosen.values()) < 10:
        raise InputError(f"{source}: cells of G = {size:.0f} are missing; make it again with `{COMMAND}`")
    sizes_of = np.abs(np.concatenate([rows[:, 6] for rows in chosen.values()]))
    norm = LogNorm(*_range(sizes_of[sizes_of > 0]))
    figure, axes = panels(len(names), len(kinds), DOUBLE, 0.4 + 1.95 * len(names))
    for (name, kind), rows in chosen.items():
        axis = axes[names.index(name), kinds.index(kind)]
        _panel(axis, rows, norm, _ARMS[name])
        if name == names[0]:
            axis.set_title(f"{_KINDS[kind]}\n{kind}", fontsize=8)
        if kind == kinds[0]:
            axis.text(-0.16, 0.45, name, fontsize=8, rotation=90, va="center", ha="center")
    bar = figure.colorbar(ScalarMappable(norm, _SHADES), ax=axes, shrink=0.6, aspect=30, pad=0.02)
    bar.set_label("size of the curl of h (advantage per unit of probability)", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    one_sign = all((rows[:, 6] * rows[:, 7] >= 0).all() for rows in chosen.values())
    caption = (
        f"Expected update of GRPO on three arms, groups of G = {size:.0f}, exact, at n = "
        f"{len(next(iter(chosen.values())))} points a panel; each corner is an "
        f"arm with its rewards (R_1, R_2), the one with the best composite on top. Arrows: the one-form h (advantage) "
        f"in the plane of the triangle, one scale "
        f"per panel, length as its square root. Shading: size of its curl, log scale; blank: zero, the update has a "
        f"potential. The number is the circulation "
        f"along the border, counter-clockwise{'; the curl has its sign everywhere' if one_sign else ''}."
    )
    return save(figure, out / "field", caption)


def _range(values: Any) -> tuple[float, float]:
    if not len(values):
        return 0.1, 1.0
    low, high = float(np.quantile(values, 0.01)), float(values.max())
    return (low, high) if high > 1.01 * low else (low / 2, high * 2)


def _ends(norm: LogNorm) -> Any:
    """Smallest and largest value that has a shade."""
    return norm.vmin, norm.vmax


def _panel(axis: Axes, rows: Any, norm: LogNorm, labels: tuple[str, ...]) -> None:
    place, curl = rows[:, :3] @ _CORNERS, rows[:, 6]
    if len(rows) > 2 and curl.any():
        x, y = place.T
        axis.tripcolor(x, y, np.clip(np.abs(curl), *_ends(norm)), norm=norm, cmap=_SHADES, shading="gouraud", zorder=0)
    axis.fill(*_CORNERS.T, facecolor="none", edgecolor="black", linewidth=0.8, zorder=2)
    steps = round(1 / rows[rows[:, 1] > 0, 1].min())
    every = max(1, round(steps / 8))
    index = np.rint(rows[:, :3] * steps).astype(int)
    kept = (index[:, 1] % every == every // 2) & (index[:, 2] % every == every // 2) & (index[:, 0] > 0)
    arrow = rows[kept, 3:6] @ (_CORNERS - _CORNERS.mean(0))
    length = np.sqrt(np.hypot(*arrow.T))  # arrows grow as the square root
    arrow /= np.maximum(length, 1e-300)[:, None]
    axis.quiver(
        *place[kept].T,
        *arrow.T,
        pivot="mid",
        angles="xy",
        scale_units="xy",
        scale=max(length.max(initial=0.0), 1e-300) * 8,
        width=0.009,
        zorder=3,
    )
    ends = ((-0.02, -0.03, "right", "top"), (1.02, -0.03, "left", "top"), (0.5, 0.9, "center", "bottom"))
    for label, (x, y, horizontal, vertical) in zip(labels, ends, strict=True):
        axis.text(x, y, label, fontsize=7, ha=horizontal, va=vertical)
    around = float(rows[0, 7])
    text = f"circulation {around:+.2f}".replace("-", "−") if curl.any() else "no curl"
    axis.text(0.5, -0.06, text, fontsize=7, ha="center", va="top")
    axis.set_xlim(-0.2, 1.2)
    axis.set_ylim(-0.15, 0.98)
    axis.set_aspect("equal")
    axis.axis("off")
