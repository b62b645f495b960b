"""How often RL4VLM's games are won after training, by method, weight of thoughts and start; and as published."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from figures.style import DOUBLE, LINES, MARKERS, PALETTE, panels, save
from figures.tables import load
from tamdp_theory import InputError

SOURCE, COMMAND = "rl4vlm/table.csv", "tamdp run rl4vlm"
TEXTS = ("game", "thoughts", "method", "mode", "start")
NUMBERS = (
    "think_weight",
    "group_size",
    "steps",
    "learning_rate",
    "seeds",
    "won",
    "low",
    "high",
    "won_at_start",
    "won_at_best",
)
_GAMES = ("number_line", "ez_points", "points24", "blackjack", "household")
_METHODS = {
    "critic": "critic (policy gradient)",
    "center": "center",
    "sum_then_normalize": "sum, then normalize",
    "normalize_then_sum": "normalize, then sum",
}


def draw(source: Path, out: Path) -> list[Path]:
    """Draw from the study's table; returns the files written."""
    table = load(source, TEXTS, NUMBERS, COMMAND, gaps=("published",))
    rows = [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
    for name in ("steps", "learning_rate", "group_size"):
        if len({row[name] for row in rows}) > 1:
            raise InputError(
                f"{source}: {name} varies, and rates under different settings are no comparison; run one value"
            )
    games, starts = (list(dict.fromkeys(row[name] for row in rows)) for name in ("game", "start"))
    games.sort(key=lambda game: (_GAMES.index(game) if game in _GAMES else len(_GAMES), game))
    weights = sorted({row["think_weight"] for row in rows if row["thoughts"] == "kept"})
    places = [*range(len(weights)), len(weights) + 0.4]
    figure, axes = panels(len(starts), len(games), DOUBLE, 0.9 + 1.9 * len(starts), sharey=True)
    for i, start in enumerate(starts):
        for j, game in enumerate(games):
            panel = axes[i, j]
            own = [row for row in rows if (row["game"], row["start"]) == (game, start)]
            _panel(panel, own, weights, places)
            panel.set_xlim(-0.4, places[-1] + 0.4)
            panel.set_ylim(-3, 103)
            panel.set_xticks(places, [f"{w:g}".replace("0.", ".") for w in weights] + ["none"])
            panel.grid(axis="y", linewidth=0.3, alpha=0.6)
            if i == 0:
                panel.set_title(game.replace("_", " "), fontsize=8)
        axes[i, 0].set_ylabel(f"won, %\n{start} start")
    for panel in axes[-1]:
        panel.set_xlabel("weight of thoughts, λ")
    figure.legend(*_legend(rows), loc="outside lower center", ncols=4, frameon=False, fontsize=7)
    size, steps, rate = (rows[0][name] for name in ("group_size", "steps", "learning_rate"))
    drawn = max((int(row["seeds"]) for row in rows if row["mode"] == "sampled"), default=0)
    sampled = f"; open: groups drawn, mean of n = {drawn} trainings and a 95 % interval (betting)" if drawn else ""
    caption = (
        f"How often a game is won (accuracy 1) after {int(steps)} steps, G = {int(size)}, step size {rate:g}. Filled: "
        f"expected updates, exact{sampled}. λ weighs the thoughts' scores; none: the same game without thoughts. "
        "Lines: the start (dotted) and the best policy (dashed). Crosses: RL4VLM's 7B model as published (arXiv "
        "2405.10292), with and without thoughts; ours are tabular policies with no picture and no language to learn. "
        "Taught: half uniform, half optimal."
    )
    return save(figure, out / "rl4vlm", caption)


def _panel(panel: Any, rows: list[dict[str, Any]], weights: list[float], places: list[float]) -> None:
    def place(row: dict[str, Any]) -> float:
        return places[-1] if row["thoughts"] == "removed" else places[weights.index(row["think_weight"])]

    for kind, at in (("kept", (places[0] - 0.3, places[-2] + 0.3)), ("removed", (places[-1] - 0.3, places[-1] + 0.3))):
        own = [row for row in rows if row["thoughts"] == kind]
        if own:
            panel.plot(at, [100 * own[0]["won_at_start"]] * 2, color="0.3", linestyle=":", linewidth=0.9)
            panel.plot(at, [100 * own[0]["won_at_best"]] * 2, color="0.3", linestyle="--", linewidth=0.9)
            if np.isfinite(own[0]["published"]):
                x = places[weights.index(0.5)] if kind == "kept" and 0.5 in weights else float(np.mean(at))
                panel.plot(
                    x, 100 * own[0]["published"], marker="x", color="black", markersize=6, markeredgewidth=1.4, zorder=5
                )
    methods = [method for method in _METHODS if any(row["method"] == method for row in rows)]
    for m, method in enumerate(methods):
        shift = 0.11 * (m - (len(methods) - 1) / 2)
        style = {"color": PALETTE[m], "marker": MARKERS[m], "markersize": 3.5}
        exact = sorted((place(row), row["won"]) for row in rows if row["method"] == method and row["mode"] == "exact")
        for part in (exact[: len(weights)], exact[len(weights) :]):
            x, y = np.array(part).reshape(-1, 2).T
            panel.plot(x + shift, 100 * y, linewidth=0.8, linestyle=LINES[m], **style)
        for row in (row for row in rows if row["method"] == method and row["mode"] == "sampled"):
            centre = 100 * row["won"]
            panel.errorbar(
                place(row) + shift + 0.055,
                centre,
                [[centre - 100 * row["low"]], [100 * row["high"] - centre]],
                elinewidth=0.6,
                markerfacecolor="white",
                linestyle="none",
                **style,
            )


def _legend(rows: list[dict[str, Any]]) -> tuple[list[Line2D], list[str]]:
    methods = [method for method in _METHODS if any(row["method"] == method for row in rows)]
    handles = [
        Line2D([], [], color=PALETTE[m], marker=MARKERS[m], linestyle=LINES[m], markersize=3.5, linewidth=0.8)
        for m in range(len(methods))
    ]
    handles += [
        Line2D([], [], color="0.3", linestyle="--", linewidth=0.9),
        Line2D([], [], color="0.3", linestyle=":", linewidth=0.9),
        Line2D([], [], color="black", marker="x", linestyle="none", markersize=6, markeredgewidth=1.4),
    ]
    return handles, [*(_METHODS[m] for m in methods), "best policy", "start", "RL4VLM, 7B model"]
