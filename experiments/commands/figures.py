"""``tamdp figures``: redraw figures from saved results."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from experiments.console import console, plain
from experiments.plots import figure_names, load_figure
from tamdp_theory import InputError


@dataclass(frozen=True)
class Figures:
    """Redraw figures from saved results, as PDF and PNG with captions as .txt and .tex; nothing is computed anew.

    Without an id: every figure whose results are there; the others are named with the command that makes them.

    Example: tamdp figures transfer
    """

    id: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Figures to draw; default: all."""
    results: Path = Path("results")
    """Folder of the results."""
    out: Path | None = None
    """Folder for the figures; default: figures in the folder of the results."""

    def run(self) -> int:
        """Draw and return 0."""
        out, folder = console(), self.out or self.results / "figures"
        for name in self.id or figure_names():
            module = load_figure(name)
            source = self.results / module.SOURCE
            if not source.exists():
                text = f"{name}: no {source}; make it with `{module.COMMAND}`"
                if self.id:
                    raise InputError(text)
                out.print(f"[yellow]left out[/] {plain(text)}", soft_wrap=True)
                continue
            paths = module.draw(source, folder)
            out.print(f"{name}: {plain(', '.join(map(str, paths)) or 'nothing to draw')}", soft_wrap=True)
        return 0


COMMAND = Figures
