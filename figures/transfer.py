"""What explains transfer: risks before and after training over tool depth, and whose oscillation the shift term is made
of.
"""

from pathlib import Path

import numpy as np

from figures.style import DOUBLE, LINES, MARKERS, PALETTE, panels, save
from figures.tables import load

SOURCE, COMMAND = "transfer/table.csv", "tamdp run transfer"
_PARTS = (
    ("share_format", "format", ""),
    ("share_accuracy", "accuracy", "//"),
    ("share_executability", "executability", ".."),
)
_TEXTS = ("task", "differ")
_NUMBERS = (
    "depth",
    "overlap",
    "n",
    "seed",
    "bound_target",
    "bound",
    "target_start",
    "target",
    "source",
    *(name for name, _, _ in _PARTS),
)


def draw(source: Path, out: Path) -> list[Path]:
    """Draw from the study's table; returns the files written."""
    table = load(source, _TEXTS, _NUMBERS, COMMAND)
    pairs = list(zip(table["task"], table["differ"], strict=True))
    kinds = list(dict.fromkeys(pairs))
    depths = sorted(set(table["depth"]))
    figure, axes = panels(2, len(kinds), DOUBLE, 4.0, sharex=True, sharey="row")

    def mean(kind: tuple[str, str], column: str) -> np.ndarray:
        chosen = [
            [v for v, own, d in zip(table[column], pairs, table["depth"], strict=True) if own == kind and d == depth]
            for depth in depths
        ]
        return np.array([np.mean(values) if values else np.nan for values in chosen])

    series = (
        ("bound_target", "bound, target", PALETTE[3], LINES[1], "none"),
        ("bound", "bound, source", PALETTE[0], LINES[1], "none"),
        ("target_start", "target, untrained", "0.6", LINES[3], "none"),
        ("target", "target risk", PALETTE[3], LINES[0], PALETTE[3]),
        ("source", "source risk", PALETTE[0], LINES[0], PALETTE[0]),
    )
    for column, kind in enumerate(kinds):
        top, bottom = axes[0, column], axes[1, column]
        for (name, label, colour, line, face), marker in zip(series, MARKERS, strict=False):
            top.plot(
                depths,
                mean(kind, name),
                color=colour,
                linestyle=line,
                marker=marker,
                markersize=4,
                markerfacecolor=face,
                linewidth=1.1,
                label=label,
            )
        top.set_title(f"{kind[0]}, {kind[1]} differs", fontsize=8)
        top.set_ylim(0, 1)
        below = np.zeros(len(depths))
        for (name, label, hatch), colour in zip(_PARTS, (PALETTE[2], PALETTE[1], PALETTE[5]), strict=True):
            share = mean(kind, name)
            bottom.bar(
                depths,
                share,
                0.6,
                bottom=below,
                color=colour,
                edgecolor="black",
                linewidth=0.5,
                hatch=hatch,
                label=label,
            )
            below += np.nan_to_num(share)
        bottom.set_xlabel("tool calls allowed, D")
        bottom.set_xticks(depths, [f"{depth:.0f}" for depth in depths])
    axes[0, 0].set_ylabel("risk")
    axes[1, 0].set_ylabel("share of the shift term")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    more, texts = axes[1, 0].get_legend_handles_labels()
    figure.legend(handles + more, labels + texts, loc="outside lower center", ncols=4, frameon=False, fontsize=7)
    n, sets = int(table["n"][0]), len(set(table["seed"]))
    caption = (
        f"Training by exact GRPO on n = {n} prompts drawn from the source, mean over {sets} "
        f"set{'s' if sets > 1 else ''} of training "
        f"prompts. Top: exact risk on source and target over the tool depth D, and "
        f"the PAC-Bayes bounds of a Gaussian posterior (T3.kl.sampled; plus T3.shift for the target), "
        f"overlap of the domains {table['overlap'][0]:g}. Bottom: share of each component in the shift term; one that "
        f"is equal in both domains has none."
    )
    return save(figure, out / "transfer", caption)
