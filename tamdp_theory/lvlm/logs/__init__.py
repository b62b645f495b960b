"""Logs of training runs, one file per format.

A format is a module with ``FORMAT`` (what it is, in a line), ``recognizes(path)`` and ``read(paths, group_size,
components, weights)``; it is found by itself, and nothing lists it elsewhere.
"""

from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from tamdp_theory.discovery import modules_with
from tamdp_theory.errors import InputError
from tamdp_theory.guards import check_integer
from tamdp_theory.lvlm.logs.base import LoggedStep

__all__ = ["LoggedStep", "formats", "read"]


def formats() -> dict[str, ModuleType]:
    """Every log format by name."""
    return {name: import_module(f"{__name__}.{name}") for name in modules_with(__name__, "FORMAT")}


def read(
    paths: str | Path | Iterable[str | Path],
    group_size: int | None = None,
    components: Sequence[str] | None = None,
    weights: Sequence[Any] | None = None,
) -> list[LoggedStep]:
    """The steps of a log, whichever format recognizes it.

    paths: files or folders of one format. group_size: G, components: names of the reward columns, weights: (K,)
    numbers, default 1 each; None: what the log says. Raises InputError, naming the file, for what cannot be read, and
    with the known formats for what none recognizes.
    """
    if group_size is not None:
        check_integer("group_size", group_size, 2)
    given = [Path(paths)] if isinstance(paths, (str, Path)) else [Path(path) for path in paths]
    if not given:
        raise InputError("paths: none given; name files or folders of a log")
    for path in given:
        if not path.exists():
            raise InputError(f"{path}: no such file; check the path")
    known = formats()
    chosen = {next((name for name, one in known.items() if one.recognizes(path)), "") for path in given}
    if len(chosen) > 1:
        raise InputError(f"{given[0]}: the paths are of different formats; read them one by one")
    if chosen == {""}:
        texts = "; ".join(one.FORMAT for one in known.values())
        raise InputError(f"{given[0]}: no log that is known by its name; known are: {texts}")
    found: list[LoggedStep] = known[chosen.pop()].read(given, group_size, components, weights)
    return found
