"""Terminal output: one console, aligned tables, one-line errors."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape

from tamdp_theory import storage


def console(stderr: bool = False) -> Console:
    """A console that does not squeeze tables when its output goes to a file."""
    out = Console(stderr=stderr, highlight=False)
    return out if out.is_terminal else Console(stderr=stderr, highlight=False, width=160)


def fail(message: str, code: int = 2) -> int:
    """Print a one-line error and return the exit code."""
    console(stderr=True).print(f"[bold red]error:[/] {escape(' '.join(message.split()))}", soft_wrap=True)
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
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    if target == "-":
        sys.stdout.write(text)
    else:
        storage.write_atomically(target, text)
