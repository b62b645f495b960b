"""Trajectory divergence, horizon, smoothness and PAC-Bayes risk over tool depth, each beside its bound."""

from pathlib import Path

import numpy as np
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from figures.style import DOUBLE, LINES, MARKERS, PALETTE, panels, save
from figures.tables import load

SOURCE, COMMAND = "depth/table.csv", "tamdp run depth"
_PANELS = (  # measured, bound, title, log axis
    ("kl", "kl_bound", "KL of trajectories, nats; bound T3.depth", True),
    ("horizon", "horizon_bound", "decisions H; bound D + (D+1)B", False),
    ("hessian", "smoothness", "norm of the Hessian; bound L3", True),
    ("risk", "risk_bound", "risk; PAC-Bayes bound T3.kl", False),
)
_LABELS = {"search": "search", "coding": "coding", "chain": "chain of thoughts (D = 0)"}


def draw(source: Path, out: Path) -> list[Path]:
    """Draw from the study's table; returns the files written."""
    columns = [name for one in _PANELS for name in one[:2] if name != "hessian"]
    table = load(source, ("task",), ("depth", "seed", "n", "delta", *columns), COMMAND, gaps=("hessian",))
    figure, axes = panels(2, 2, DOUBLE, 4.6, sharex=True)
    tasks = list(dict.fromkeys(table["task"]))
    depths = sorted(set(table["depth"]))
    for ax, (measured, bound, title, log) in zip(axes.ravel(), _PANELS, strict=True):
        for i, task in enumerate(tasks):
            for column, line, face in ((measured, LINES[0], PALETTE[i]), (bound, LINES[1], "white")):
                own = [
                    [
                        v
                        for v, t, d in zip(table[column], table["task"], table["depth"], strict=True)
                        if (t, d) == (task, depth)
                    ]
                    for depth in depths
                ]
                found = [
                    (depth, *np.quantile(values, (0.25, 0.75)), np.mean(values))
                    for depth, values in zip(depths, own, strict=True)
                    if values
                ]
                at, low, high, mean = np.array(found).T
                at = at + 0.05 * (i - (len(tasks) - 1) / 2)  # side by side where they agree
                ax.vlines(at, low, high, color=PALETTE[i], linewidth=0.8, alpha=0.7)
                ax.plot(
                    at,
                    mean,
                    color=PALETTE[i],
                    linestyle=line,
                    marker=MARKERS[i],
                    markersize=4.5,
                    markerfacecolor=face,
                    linewidth=1.1,
                    label=f"{_LABELS.get(task, task)}, {'measured' if column == measured else 'bound'}",
                )
        ax.set_title(title, fontsize=8)
        ax.grid(linewidth=0.3, alpha=0.5)
        if log:
            ax.set_yscale("log")
            ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.yaxis.set_major_formatter(FormatStrFormatter("%g"))
            ax.yaxis.set_minor_formatter(NullFormatter())
        else:
            ax.set_ylim(0, 1 if measured == "risk" else None)
    for ax in axes[1]:
        ax.set_xlabel("tool calls allowed, D (chain: thoughts)")
        ax.set_xticks(depths, [f"{depth:.0f}" for depth in depths])
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(tasks), frameon=False, fontsize=7)
    caption = (
        f"Over tool depth, or over thoughts where no tool is called: measured (solid, filled) and bound (dashed, "
        f"open), mean over "
        f"{len(set(table['seed']))} random tabular policies on three prompts, bars from the lower to the upper "
        f"quartile. KL between a policy and one at unit "
        f"deviation; the largest eigenvalue of the Hessian of J in absolute value against osc/2 of L3; risk of a Gibbs "
        f"posterior on 16 policies and its mean "
        f"PAC-Bayes bound on n = {int(table['n'][0])} training prompts, δ = {table['delta'][0]:g}. Log scale for KL "
        f"and Hessian."
    )
    return save(figure, out / "depth", caption)
