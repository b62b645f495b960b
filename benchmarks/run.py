"""Print the table of benchmarks. Each figure and its peer come from the same run, taken in turns.

python -m benchmarks.run                        everything, about two minutes on two cores
python -m benchmarks.run --quick                small sizes, to see that it works
python -m benchmarks.run --only training import
"""

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks import coverage, rows
from benchmarks.measure import Row

Part = Literal["training", "passes", "moments", "groups", "coverage", "import"]


@dataclass(frozen=True)
class Options:
    """What to measure."""

    only: tuple[Part, ...] = ("training", "passes", "moments", "groups", "coverage", "import")
    """Parts to run."""
    repeats: int = 5
    """Repeats of each timing; the table shows the median and the minimum, ratios are of minima."""
    seeds: int = 256
    """Seeds of the sampled training."""
    steps: int = 200
    """Steps of the sampled training."""
    edges: int = 1_000_000
    """Edges of the exact passes, about."""
    quick: bool = False
    """Small sizes: figures mean nothing, agreement with the peers is still checked."""


def main(options: Options) -> None:
    """Measure and print."""
    seeds, steps, edges = (32, 20, 20_000) if options.quick else (options.seeds, options.steps, options.edges)
    repeats, small = (2, (8, 16, 200)) if options.quick else (options.repeats, (64, 64, 1000))
    parts: dict[Part, Callable[[], list[Row]]] = {
        "training": lambda: rows.training(seeds, steps, repeats),
        "passes": lambda: rows.passes(edges, repeats),
        "moments": lambda: rows.moments(*small, repeats),
        "groups": lambda: rows.groups(16, repeats),
        "coverage": lambda: coverage.coverage(2_000 if options.quick else 100_000, repeats),
        "import": lambda: rows.imports(repeats),
    }
    console = Console(width=None if Console().is_terminal else 200)
    measured = []
    for name in options.only:
        with console.status(name):
            measured.append(parts[name]())
    console.print(_table([row for part in measured for row in part]))


def _table(lines: list[Row]) -> Table:
    title = (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; median (minimum) of the "
        f"repeats"
    )
    table = Table(title=title, show_lines=True)
    for column in ("what", "ours", "peer", "peer / ours", "note"):
        table.add_column(column, justify="right" if column == "peer / ours" else "left")
    for line in lines:
        ratio = "" if line.ratio is None else f"{line.ratio:.3g}"
        table.add_row(*(escape(cell) for cell in (line.what, line.ours, line.peer, ratio, line.note)))
    return table


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
