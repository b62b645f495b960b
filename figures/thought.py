"""Success and drift along exact GRPO training for several weights of thoughts, and without thoughts."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from figures.style import DOUBLE, LINES, MARKERS, PALETTE, panels, save
from figures.tables import load
from tamdp_theory import InputError

SOURCE, COMMAND = "thought/table.csv", "tamdp run thought"
TEXTS, NUMBERS = (
    ("task", "thoughts", "normalization"),
    ("think_weight", "group_size", "seed", "t", "success", "drift", "cosine"),
)
_TASKS = {"number_line": "number line", "ez_points": "EZPoints", "household": "household", "blackjack": "blackjack"}
_COLOURS = (PALETTE[3], PALETTE[1], PALETTE[2], PALETTE[0], PALETTE[4])
_LINES = (LINES[3], LINES[2], LINES[4], LINES[0])
_SCHEMES = ("sum_then_normalize", "normalize_then_sum", "center")


def draw(source: Path, out: Path) -> list[Path]:
    """Draw from the study's table; returns the files written."""
    table = load(source, TEXTS, NUMBERS, COMMAND)
    rows = [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
    tasks = [task for task in _TASKS if any(row["task"] == task for row in rows)]
    schemes = [scheme for scheme in _SCHEMES if any(row["normalization"] == scheme for row in rows)]
    weights = sorted({row["think_weight"] for row in rows if row["thoughts"] == "kept"})
    if not tasks or not schemes:
        raise InputError(f"{source}: no row to draw; make it again with `{COMMAND}`")
    figure, axes = panels(len(tasks), 4, DOUBLE, 0.8 + 1.9 * len(tasks))
    for i, task in enumerate(tasks):
        own = [row for row in rows if row["task"] == task]
        main = [row for row in own if row["normalization"] == schemes[0]]
        for weight, colour, line, marker in [
            *zip(weights, _COLOURS, _LINES, MARKERS, strict=False),
            (None, _COLOURS[4], LINES[1], MARKERS[4]),
        ]:
            chosen = [
                row
                for row in main
                if row["thoughts"] == ("removed" if weight is None else "kept")
                and weight in (None, row["think_weight"])
            ]
            for panel, name in zip(axes[i, :3], ("success", "drift", "cosine"), strict=True):
                _path(panel, chosen, name, colour=colour, line=line, marker=marker)
        _ends(axes[i, 3], own, schemes, weights)
        axes[i, 0].set_ylabel(_TASKS[task])
        if all(row["drift"] > 0 for row in main):
            axes[i, 1].set_yscale("log")
    for panel, title in zip(
        axes[0], ("success", "drift ⟨∇J, m⟩", "cosine of ∇J and m", "success at the end"), strict=True
    ):
        panel.set_title(title, fontsize=8)
    for panel in axes[:, :3].ravel():
        panel.set_xscale("symlog", linthresh=1, linscale=0.4)
        panel.set_xlim(-0.3, 1.3 * max(row["t"] for row in rows))
        panel.set_xticks([0, 1, 10, 100], ["0", "1", "10", "100"])
    for panel, text in zip(axes[-1], ("steps, t", "steps, t", "steps, t", "weight of thoughts, λ"), strict=True):
        panel.set_xlabel(text)
    figure.legend(*_legend(weights, schemes), loc="outside lower center", ncols=5, frameon=False, fontsize=7)
    n, size = len({row["seed"] for row in rows}), int(rows[0]["group_size"])
    starts = (
        "from the uniform policy"
        if n == 1
        else f"mean over n = {n} starts (uniform and random), band and bars: least to largest"
    )
    caption = (
        f"Exact GRPO, G = {size}, {starts}, thoughts weighted by λ in the score. First three columns, under "
        f"{schemes[0]}: probability of success (draws "
        "in blackjack count one half); the drift, the first-order change of J by one expected step of size one; and "
        "the cosine of update and gradient. "
        "Removed: the same game without thoughts and parse failures. Last column: success after training, by "
        "normalization. No sampling."
    )
    return save(figure, out / "thought", caption)


def _spread(rows: list[dict[str, Any]], over: str, name: str) -> tuple[Any, Any, Any, Any]:
    """Values of ``over``, and mean, least and largest of ``name`` over starts at each."""
    groups: dict[float, list[float]] = {}
    for row in rows:
        groups.setdefault(row[over], []).append(row[name])
    x = sorted(groups)
    return (
        np.array(x),
        np.array([np.mean(groups[v]) for v in x]),
        np.array([min(groups[v]) for v in x]),
        np.array([max(groups[v]) for v in x]),
    )


def _path(axes: Any, rows: list[dict[str, Any]], name: str, colour: str, line: Any, marker: Any) -> None:
    if not rows:
        return
    t, mean, low, high = _spread(rows, "t", name)
    axes.fill_between(t, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.plot(
        t,
        mean,
        color=colour,
        linestyle=line,
        marker=marker,
        markersize=3.5,
        markevery=max(1, len(t) // 7),
        linewidth=1.2,
    )
    axes.grid(which="major", linewidth=0.3, alpha=0.6)


def _ends(axes: Any, rows: list[dict[str, Any]], schemes: list[str], weights: list[float]) -> None:
    """Success after training over the weight, and at the right end without thoughts."""
    last = max(row["t"] for row in rows)
    places = [*weights, max(weights, default=0.0) + 0.45]
    for scheme, marker, shift in zip(schemes, ("o", "s", "^"), (-0.02, 0.0, 0.02), strict=False):
        own = [
            row | {"x": row["think_weight"] if row["thoughts"] == "kept" else places[-1]}
            for row in rows
            if row["normalization"] == scheme
        ]
        x, mean, low, high = _spread([row for row in own if row["t"] == last], "x", "success")
        kept = x < places[-1]
        axes.plot(x[kept] + shift, mean[kept], color="0.35", linewidth=0.8)
        axes.errorbar(
            x + shift,
            mean,
            [mean - low, high - mean],
            color="black",
            linestyle="none",
            marker=marker,
            markersize=4,
            elinewidth=0.7,
        )
    axes.set_xticks(places, [f"{one:g}".replace("0.", ".") for one in weights] + ["removed"])
    axes.set_xlim(-0.15, places[-1] + 0.3)
    axes.grid(which="major", linewidth=0.3, alpha=0.6)


def _legend(weights: list[float], schemes: list[str]) -> tuple[list[Line2D], list[str]]:
    styles = [*list(zip(_COLOURS, _LINES, MARKERS, strict=False))[: len(weights)], (_COLOURS[4], LINES[1], MARKERS[4])]
    handles = [
        Line2D([], [], color=c, linestyle=line, marker=m, markersize=3.5, linewidth=1.2) for c, line, m in styles
    ]
    handles += [
        Line2D([], [], color="black", linestyle="none", marker=m, markersize=4)
        for m, _ in zip(("o", "s", "^"), schemes, strict=False)
    ]
    return handles, [*(f"λ = {weight:g}" for weight in weights), "thoughts removed", *schemes]
