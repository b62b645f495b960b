"""How every estimator weighs prompts by difficulty: a plate of small multiples, one panel each."""

from pathlib import Path

import numpy as np

from figures.style import DOUBLE, LINES, PALETTE, panels, save
from figures.tables import load

SOURCE, COMMAND = "atlas/table.csv", "tamdp run atlas"
_COLUMNS = ("group_size", "p", "slope", "even", "potential", "height")
_ACROSS = 5


def draw(source: Path, out: Path) -> list[Path]:
    """Draw from the study's table; returns the files written."""
    table = load(source, ("estimator",), _COLUMNS, COMMAND)
    names = list(dict.fromkeys(table["estimator"]))
    data = {name: np.array(table[name]) for name in _COLUMNS}
    sizes = np.unique(data["group_size"])[:2]
    rows = -(-len(names) // _ACROSS)
    figure, axes = panels(rows, _ACROSS, DOUBLE, 1.35 * rows + 0.5, sharex=True, sharey=True)
    own = np.array(table["estimator"])
    for axis, name in zip(axes.ravel(), names, strict=False):
        axis.axhline(1, color="0.8", linewidth=3, zorder=1)
        for size, line, colour in zip(sizes, (LINES[1], LINES[0]), (PALETTE[1], PALETTE[0]), strict=False):
            chosen = (own == name) & (data["group_size"] == size)
            slope = data["slope"][chosen] / data["even"][chosen]
            axis.plot(data["p"][chosen], slope, color=colour, linestyle=line, linewidth=1.2, label=f"G = {size:.0f}")
        axis.set_title(name.replace("(", "\n("), fontsize=6.5, pad=2)
    for place in range(len(names), axes.size):
        axes.ravel()[place].set_visible(False)
        axes.ravel()[place - _ACROSS].tick_params(labelbottom=True)
    for axis in axes.ravel():
        axis.set_yscale("log")
        axis.set_ylim(0.02, 50)
        axis.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
        axis.set_yticks([], minor=True)
        axis.set_xlim(0, 1)
        axis.set_xticks([0, 0.5, 1], ["0", "½", "1"])
    figure.supxlabel("success probability $p$", fontsize=8)
    figure.supylabel(r"weight of a prompt, $\psi(p)/\psi(\frac{1}{2})$, log scale", fontsize=8)
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False, fontsize=7
    )
    caption = (
        f"0/1 rewards, exact, no sampling: the expected update of every estimator is ψ(p) ∇p (T4.slopes); shown is ψ "
        f"over its value at one half, log scale, n = {len(names)} estimators in groups of "
        f"{' and '.join(f'{size:.0f}' for size in sizes)}. "
        f"Grey: every prompt weighs alike, as with leave-one-out. Up on the left: hard prompts weigh more."
    )
    return save(figure, out / "atlas", caption)
