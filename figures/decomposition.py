"""Where decomposed rewards help: decomposed over joint, over the correlation of the components, for several spreads."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from experiments.studies.decomposition import best_pairs
from figures.style import DOUBLE, LINES, MARKERS, PALETTE, panels, save
from figures.tables import load
from tamdp_theory import InputError

SOURCE, COMMAND = "decomposition/table.csv", "tamdp run decomposition"
_NUMBERS = (
    "spread",
    "coupling",
    "correlation",
    "group_size",
    "runs",
    "budget",
    "best",
    "guaranteed",
    "best_gain",
    "rollouts",
    "rollouts_error",
    "closed",
    "closed_error",
)
_LINES: tuple[Any, ...] = (LINES[0], *LINES[2:])  # dashed lines are bounds
_TEXTS = ("task", "carrier", "side")
_LABELS = (
    "gain of one step,\ndecomposed / joint",
    "rollouts to 90%,\njoint / decomposed",
    "gap closed at the end,\ndifference (points)",
)


def draw(source: Path, out: Path) -> list[Path]:
    """Draw from the study's table; returns the files written."""
    table = load(source, _TEXTS, _NUMBERS, COMMAND)
    try:
        pairs = best_pairs(table)
    except KeyError as error:
        raise InputError(
            f"{source}: a cell has no {error} row at its best step size; make it again with `{COMMAND}`"
        ) from error
    if not pairs:
        raise InputError(f"{source}: no row is marked as best; make it again with `{COMMAND}`")
    kinds = list(dict.fromkeys((joint["task"], joint["carrier"]) for joint, _ in pairs))
    spreads = sorted({joint["spread"] for joint, _ in pairs}, reverse=True)
    figure, axes = panels(3, len(kinds), DOUBLE, 5.2, sharex=True, sharey="row")
    for column, (task, carrier) in enumerate(kinds):
        for spread, marker, colour, line in zip(spreads, MARKERS, PALETTE, _LINES, strict=False):
            # with spread 1 there is nothing to carry
            own = [
                pair
                for pair in pairs
                if pair[0]["task"] == task
                and pair[0]["spread"] == spread
                and (pair[0]["carrier"] == carrier or spread == 1)
            ]
            if own:
                _line(axes[:, column], sorted(own, key=lambda pair: pair[0]["correlation"]), marker, colour, line)
        axes[0, column].set_title(f"{task}\nspread in the {carrier}", fontsize=8)
        axes[2, column].set_xlabel("correlation at the start")
    for row, (label, neutral, ticks) in enumerate(
        zip(_LABELS, (1.0, 1.0, 0.0), ((0.5, 1, 2, 4), (0.1, 0.2, 0.5, 1, 2, 4), ()), strict=True)
    ):
        axes[row, 0].set_ylabel(label)
        if ticks:
            axes[row, 0].set_yscale("log")
        low, high = axes[row, 0].get_ylim()
        low, high = min(low, neutral / 1.1 if ticks else -5), max(high, neutral * 1.1 if ticks else 5)
        for axis in axes[row]:
            axis.axhspan(low, neutral, color="0.93", zorder=0)
            axis.axhline(neutral, color="black", linewidth=0.6, zorder=1)
        axes[row, 0].set_ylim(low, high)
        if ticks:
            axes[row, 0].set_yticks([t for t in ticks if low < t < high], [f"{t:g}" for t in ticks if low < t < high])
            axes[row, 0].set_yticks([], minor=True)
    axes[0, 0].set_xlim(-1.05, 1.05)
    axes[0, 0].set_xticks([-1, 0, 1], ["−1", "0", "1"])
    handles = [
        Line2D([], [], color=colour, linestyle=line, marker=marker, markersize=4, label=f"spread r = {spread:g}")
        for spread, marker, colour, line in zip(spreads, MARKERS, PALETTE, _LINES, strict=False)
    ]
    handles += [
        Line2D([], [], color="black", marker="o", markersize=4, label="exact or measured"),
        Line2D(
            [],
            [],
            color="black",
            linestyle="--",
            linewidth=0.8,
            marker="o",
            markersize=4,
            markerfacecolor="white",
            label="guaranteed (T2.benefit)",
        ),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=7)
    first = pairs[0][0]
    caption = (
        f"Decomposed (normalize_then_sum) against joint (sum_then_normalize) GRPO, two components that are 0 or "
        f"positive, three arms, groups of "
        f"{first['group_size']:.0f}; above the shaded half decomposition helps. Top (log scale): gain of one step at "
        f"the start, T2.benefit's guarantee "
        f"(dashed, open) and the exact gain of the best step (filled). Middle (log scale): rollouts until J has closed "
        f"90% of its gap to the optimum, at each "
        f"side's best step size (mean of n = {first['runs']:.0f} seeds; a run that does not get there counts with the "
        f"budget of {first['budget']:.0f} "
        f"rollouts; bars: 95%). Bottom: share of the gap closed at the end, decomposed less joint, in percentage "
        f"points. Spread r: range of component 2 in "
        f"the composite over that of component 1, carried by the reward or by the weight."
    )
    return save(figure, out / "decomposition", caption)


def _line(axes: Any, pairs: list[tuple[dict[str, Any], dict[str, Any]]], marker: str, colour: str, line: Any) -> None:
    def of(side: int, name: str) -> Any:
        return np.array([pair[side][name] for pair in pairs])

    x = of(0, "correlation")
    filled = {"color": colour, "linestyle": line, "linewidth": 1.1, "marker": marker, "markersize": 3.5}
    for name in ("guaranteed", "best_gain"):
        joint, split = of(0, name), of(1, name)
        shown = (joint > 0) & (split > 0)  # no ratio where one side promises nothing
        look = (
            filled
            if name == "best_gain"
            else filled | {"linestyle": LINES[1], "linewidth": 0.8, "markerfacecolor": "white"}
        )
        axes[0].plot(x[shown], split[shown] / joint[shown], **look)
    joint, split = of(0, "rollouts"), of(1, "rollouts")
    log_error = np.hypot(of(0, "rollouts_error") / joint, of(1, "rollouts_error") / split) * 1.96
    ratio = joint / split
    axes[1].errorbar(
        x, ratio, yerr=[ratio * (1 - np.exp(-log_error)), ratio * (np.exp(log_error) - 1)], elinewidth=0.6, **filled
    )
    error = np.hypot(of(0, "closed_error"), of(1, "closed_error")) * 196
    axes[2].errorbar(x, (of(1, "closed") - of(0, "closed")) * 100, yerr=error, elinewidth=0.6, **filled)
