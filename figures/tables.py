"""Reading a study's table for a figure, with one clear error for what it lacks."""

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from experiments.runner import read_table
from tamdp_theory import InputError


def load(
    source: Path, texts: Sequence[str], numbers: Sequence[str], command: str, gaps: Sequence[str] = ()
) -> dict[str, list[Any]]:
    """The table's columns, those named checked: texts, finite numbers, and numbers with ``gaps`` (empty entries, given
    as nan).
    """
    table = read_table(source, command)
    if missing := [name for name in (*texts, *numbers, *gaps) if name not in table]:
        raise InputError(f"{source}: no column {', '.join(missing)}; make it again with `{command}`")
    for name in gaps:
        table[name] = [float("nan") if value == "" else value for value in table[name]]
    for name in (*texts, *numbers, *gaps):
        for i, value in enumerate(table[name]):
            good = (
                isinstance(value, str) and value != ""
                if name in texts
                else isinstance(value, float) and (isfinite(value) or name in gaps)
            )
            if not good:
                raise InputError(
                    f"{source}: damaged, {name} of row {i + 1} is {value!r}; make it again with `{command}`"
                )
    return table
