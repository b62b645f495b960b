"""Running mean of the squared gradient against the number of steps, with the bounds of Theorem 1."""

from pathlib import Path
from typing import Any

from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from figures.style import DOUBLE, LINES, MARKERS, PALETTE, panels, save
from figures.tables import load
from tamdp_theory import InputError

SOURCE, COMMAND = "convergence/table.csv", "tamdp run convergence"
TEXTS, NUMBERS = ("reward", "normalization", "schedule", "series"), ("group_size", "runs", "T", "value", "half")
_ROWS = (("tuned", "sampled, step tuned to T"), ("largest", "sampled, step 1/L"), ("exact", "exact, step 1/L"))
_TITLES = {
    ("composite", "center"): "center",
    ("composite", "normalize_then_sum"): "normalize_then_sum",
    ("accuracy", "sum_then_normalize"): "sum_then_normalize,\naccuracy alone",
    ("composite", "sum_then_normalize"): "sum_then_normalize,\nno potential",
}
_COLOURS = (PALETTE[0], PALETTE[3], PALETTE[2], PALETTE[4], PALETTE[5])
_PRIOR, _PATH = ("T1.stationary",), ("T1.stationary.path", "T1.biased")


def draw(source: Path, out: Path) -> list[Path]:
    """Draw from the study's table; returns the files written."""
    table = load(source, TEXTS, NUMBERS, COMMAND)
    rows = [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
    cases = [case for case in _TITLES if any((row["reward"], row["normalization"]) == case for row in rows)]
    kinds = [kind for kind in _ROWS if any(row["schedule"] == kind[0] for row in rows)]
    sizes = sorted({row["group_size"] for row in rows})
    if not cases or not kinds:
        raise InputError(f"{source}: no row to draw; make it again with `{COMMAND}`")
    figure, axes = panels(len(kinds), len(cases), DOUBLE, 1.2 + 1.75 * len(kinds), sharex=True, sharey="row")
    for i, (schedule, label) in enumerate(kinds):
        for j, case in enumerate(cases):
            own = [row for row in rows if (row["reward"], row["normalization"]) == case and row["schedule"] == schedule]
            for size, marker, colour in zip(sizes, MARKERS, _COLOURS, strict=False):
                _lines(axes[i, j], [row for row in own if row["group_size"] == size], marker, colour)
            slopes = [
                f"{row['value']:.2f}".replace("-", "−")
                for size in sizes
                for row in own
                if row["series"] == "rate" and row["group_size"] == size
            ]
            axes[i, j].annotate("slope " + ", ".join(slopes), (0.03, 0.03), xycoords="axes fraction", fontsize=7)
            axes[i, j].set_xscale("log")
            axes[i, j].set_yscale("log")
            axes[i, j].xaxis.set_major_locator(LogLocator(10))
            axes[i, j].xaxis.set_minor_formatter(NullFormatter())
            axes[i, j].grid(which="major", linewidth=0.3, alpha=0.6)
            if i == 0:
                axes[i, j].set_title(_TITLES[case], fontsize=8)
        axes[i, 0].set_ylim(bottom=axes[i, 0].get_ylim()[0] / 2)  # room for the slopes
        axes[i, 0].set_ylabel(f"{label}\nmean squared gradient")
    for j in range(len(cases)):
        axes[-1, j].set_xlabel("steps, T")
    figure.legend(*_legend(sizes), loc="outside lower center", ncols=5, frameon=False, fontsize=7)
    runs = int(max(row["runs"] for row in rows))
    caption = (
        f"Mean over the first T steps of ‖∇F‖², and of ‖∇J‖² where there is no potential (right column), on the number "
        f"line (three numbers, two steps); "
        "F depends on G, so heights of different G compare with their own bounds only. "
        f"Filled markers: measured, mean over n = {runs} runs where sampled, bars: 95 % t intervals over runs. Dashed: "
        f"the bound a priori "
        "(T1.stationary). Dotted: the bound with the exact variance along the path (T1.stationary.path; without "
        "variance for exact updates), "
        "or with the drift constant of the path (T1.biased), absent where that is not positive. "
        "Numbers: fitted slope of the measured line for each G, in the order of the legend."
    )
    return save(figure, out / "convergence", caption)


def _lines(axes: Any, rows: list[dict[str, Any]], marker: Any, colour: str) -> None:
    """Measured and bounds of one group size."""

    def of(*series: str) -> list[dict[str, Any]]:
        return sorted((row for row in rows if row["series"] in series), key=lambda row: float(row["T"]))

    for names, line, symbol in ((_PRIOR, LINES[1], marker), (_PATH, LINES[3], "")):
        if found := of(*names):
            axes.plot(
                [r["T"] for r in found],
                [r["value"] for r in found],
                color=colour,
                linestyle=line,
                marker=symbol,
                markersize=3.5,
                markerfacecolor="none",
                linewidth=0.9,
            )
    if found := of("mean"):
        axes.errorbar(
            [r["T"] for r in found],
            [r["value"] for r in found],
            [r["half"] for r in found],
            color=colour,
            linestyle=LINES[0],
            marker=marker,
            markersize=3.5,
            linewidth=1.2,
            elinewidth=0.8,
        )


def _legend(sizes: list[float]) -> tuple[list[Line2D], list[str]]:
    handles = [
        Line2D([], [], color=c, marker=m, markersize=3.5, linewidth=1.2)
        for _, m, c in zip(sizes, MARKERS, _COLOURS, strict=False)
    ]
    labels = [f"measured, G = {size:.0f}" for size in sizes[: len(handles)]]
    handles += [
        Line2D(
            [], [], color="black", linestyle=LINES[1], marker="o", markerfacecolor="none", markersize=3.5, linewidth=0.9
        ),
        Line2D([], [], color="black", linestyle=LINES[3], linewidth=0.9),
    ]
    return handles, [*labels, "bound a priori", "bound along the path"]
