"""Terminal output: one console, aligned tables, one-line errors."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tamdp_theory import InputError, storage
from tamdp_theory.errors import printable


class _Terminal(Console):
    """Markup only where it is meant; a reader of a pipe who left is the command line's business."""

    def __init__(self, stderr: bool, width: int | None = None) -> None:
        super().__init__(stderr=stderr, highlight=False, emoji=False, width=width)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console(stderr: bool = False) -> Console:
    """A console that does not squeeze tables when its output goes to a file."""
    out = _Terminal(stderr)
    return out if out.is_terminal else _Terminal(stderr, width=160)


COLOURS = {
    "holds": "green",
    "violated": "bold red",
    "vacuous": "yellow",
    "assumption_unmet": "dim",
    "undecided": "magenta",
}  # of verdicts


def progress_bar() -> Progress:
    """The bar of long work, on the error stream; nothing where that is no terminal. Descriptions are plain text."""
    terminal = console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal)


def plain(text: str) -> str:
    """A text from outside as markup that prints as it is: no tags, no terminal escapes."""
    return escape(printable(text))


def fail(message: str, code: int = 2) -> int:
    """Print a one-line error and return the exit code."""
    console(stderr=True).print(f"[bold red]error:[/] {plain(' '.join(message.split()))}", soft_wrap=True)
    return code


def number(value: float | None) -> str:
    """Four significant digits, or a dash."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    return f"{value:.4g}" if 1e-4 <= abs(value) < 1e5 else f"{value:.3e}"


def write_json(target: str, content: Any) -> None:
    """Write JSON to a file atomically, or to the terminal for "-"."""
    try:
        text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    except ValueError as error:
        raise InputError(
            f"{target}: a number is not finite, and JSON has no infinities; use a smaller learning rate or weights"
        ) from error
    if target == "-":
        sys.stdout.write(text)
    else:
        storage.write_atomically(target, text)
