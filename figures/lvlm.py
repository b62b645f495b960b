"""What a vision-language model shows of the three theorems, with its exact twin beside it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator

from experiments.runner import Row
from figures.style import DOUBLE, LINES, MARKERS, PALETTE, panels, save
from figures.tables import load

SOURCE, COMMAND = "lvlm/table.csv", "tamdp lvlm demo"
_LABELS = {
    "center": "centred",
    "sum_then_normalize": "joint",
    "normalize_then_sum": "decomposed",
    "L9": "bound of L9 (centred)",
}
_CAPTIONS = {
    "variance": "variance of GRPO's estimator over the score energy against the group size, with confidence "
    "intervals; lines are the exact twin's, "
    "whose parameters are logits of its own, the dotted line is the bound of L9 for centred advantages",
    "rewards": "mean reward of each component over stretches of training steps with at least 16 groups, with intervals",
    "updates": "unbiased estimate of the squared norm of the expected update, mean over the steps so far, with "
    "its interval",
    "risk": "risk of the run's checkpoints on held-out prompts with intervals, and the PAC-Bayes bound that "
    "holds for all of them at once",
}


def draw(source: Path, out: Path) -> list[Path]:
    """Draw the panels that the table has numbers for; returns the files written (none if it has numbers for none)."""
    table = load(source, ("part", "name"), ("x",), COMMAND, ("value", "low", "high", "twin"))
    series = table.get("series", [""] * len(table["part"]))
    rows: list[Row] = [
        {"series": label, **{name: table[name][i] for name in ("part", "name", "x", "value", "low", "high", "twin")}}
        for i, label in enumerate(series)
    ]
    chosen = [(name, panel, found) for name, panel, pick in _PANELS if (found := [row for row in rows if pick(row)])]
    if not chosen:
        for kind in ("pdf", "png", "txt", "tex"):  # none is better than one of other numbers
            (out / f"lvlm.{kind}").unlink(missing_ok=True)
        return []
    across = min(2, len(chosen))
    down = -(-len(chosen) // across)
    figure, axes = panels(down, across, DOUBLE if across == 2 else DOUBLE / 2, 2.6 * down)
    for place, (_, panel, found) in zip(axes.flat, chosen, strict=False):
        panel(place, found)
    for place in axes.flat[len(chosen) :]:
        place.set_axis_off()
    for letter, place in zip("abcd", axes.flat[: len(chosen)], strict=False):
        place.set_title(f"({letter})", loc="left", fontsize=8)
    caption = "; ".join(f"({letter}) {_CAPTIONS[name]}" for letter, (name, _, _) in zip("abcd", chosen, strict=False))
    return save(figure, out / "lvlm", f"A vision-language model under the checks: {caption}.")


def _variance(axes: Axes, rows: list[Row]) -> None:
    for i, name in enumerate(("center", "sum_then_normalize", "normalize_then_sum")):
        own = [row for row in rows if row["series"] == name]
        shift = 1 + 0.04 * (i - 1)
        _points(axes, own, i, _LABELS[name], shift)
        exact = [row for row in own if row["twin"] == row["twin"]]
        if exact:
            axes.plot(
                [row["x"] for row in exact],
                [row["twin"] for row in exact],
                color=PALETTE[i],
                linestyle=LINES[i],
                linewidth=1,
                zorder=1,
            )
    bound = [row for row in rows if row["series"] == "L9"]
    axes.plot(
        [row["x"] for row in bound],
        [row["value"] for row in bound],
        color="black",
        linestyle=":",
        linewidth=1,
        label=_LABELS["L9"],
    )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    sizes = sorted({row["x"] for row in rows})
    axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.set_xlabel("group size G")
    axes.set_ylabel("variance / score energy")
    axes.legend(frameon=False, fontsize=6)


def _rewards(axes: Axes, rows: list[Row]) -> None:
    for i, name in enumerate(dict.fromkeys(row["name"] for row in rows)):
        own = [{**row, "x": row["x"] + 0.25 * (i - 1)} for row in rows if row["name"] == name]
        _points(axes, own, i, name.removeprefix("component "), 1.0)
        axes.plot(
            [row["x"] for row in own], [row["value"] for row in own], color=PALETTE[i], linestyle=LINES[i], linewidth=1
        )
    axes.set_ylim(-0.02, 1.02)
    _whole(axes, rows)
    axes.set_xlabel("training step")
    axes.set_ylabel("mean reward")
    axes.legend(
        frameon=False, fontsize=6, loc="lower right", bbox_to_anchor=(1, 0.98), ncol=3
    )  # above: points are anywhere between 0 and 1


def _updates(axes: Axes, rows: list[Row]) -> None:
    _band(axes, rows, 0, "")
    axes.axhline(0.0, color="black", linewidth=0.6, linestyle=":")
    ends = [
        rows[-1][end] for end in ("low", "high") if rows[-1][end] == rows[-1][end]
    ]  # the first intervals are endless
    low, high = (pick([0.0, *ends, *(row["value"] for row in rows)]) for pick in (min, max))
    axes.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low) or 1.0)
    _whole(axes, rows)
    axes.set_xlabel("training step")
    axes.set_ylabel("mean ||E g||² so far")


def _risk(axes: Axes, rows: list[Row]) -> None:
    _points(axes, [row for row in rows if row["name"] == "risk"], 0, "risk on held-out prompts", 1.0)
    bound = [row for row in rows if row["name"] == "bound"]
    axes.plot(
        [row["x"] for row in bound],
        [row["value"] for row in bound],
        color=PALETTE[3],
        marker=MARKERS[1],
        markersize=3,
        linewidth=1,
        label="bound",
    )
    axes.axhline(1.0, color="black", linewidth=0.6, linestyle=":")
    _whole(axes, rows)
    axes.set_xlabel("checkpoint")
    axes.set_ylabel("1 - composite reward / W")
    axes.set_ylim(0, max(1.05, *(row["value"] for row in bound)))
    axes.legend(frameon=False, fontsize=6)


def _whole(axes: Axes, rows: list[Row]) -> None:
    """Whole numbers below the axis, even if there is only one."""
    axes.set_xlim(min(row["x"] for row in rows) - 0.5, max(row["x"] for row in rows) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _points(axes: Axes, rows: list[Row], i: int, label: str, shift: float) -> None:
    """Marks with error bars; an interval without an end has none drawn."""
    for row in rows:
        if row["low"] == row["low"] and row["high"] == row["high"]:
            axes.plot([row["x"] * shift] * 2, [row["low"], row["high"]], color=PALETTE[i], linewidth=0.8)
    axes.plot(
        [row["x"] * shift for row in rows],
        [row["value"] for row in rows],
        MARKERS[i],
        color=PALETTE[i],
        markersize=3,
        label=label,
    )


def _band(axes: Axes, rows: list[Row], i: int, label: str) -> None:
    x = [row["x"] for row in rows]
    axes.plot(
        x,
        [row["value"] for row in rows],
        color=PALETTE[i],
        linestyle=LINES[i],
        marker=MARKERS[i],
        markersize=3,
        linewidth=1.2,
        label=label,
    )
    axes.fill_between(
        x, [row["low"] for row in rows], [row["high"] for row in rows], color=PALETTE[i], alpha=0.12, linewidth=0
    )


_PANELS: tuple[tuple[str, Callable[[Axes, list[Row]], None], Callable[[Row], Any]], ...] = (
    ("variance", _variance, lambda row: row["part"] == "variance"),
    ("rewards", _rewards, lambda row: row["part"] == "stretch"),
    ("updates", _updates, lambda row: row["part"] == "step" and row["name"] == "update"),
    ("risk", _risk, lambda row: row["part"] == "evaluation"),
)
