"""Logs of training runs, one file per format.

A format is a module with ``FORMAT`` (what it is, in a line), ``recognizes(path)`` and ``rows(paths, lines)``, an
iterator of ``Rollout``; ``gather`` makes groups of them. ``DEFAULT``: which rewards are counted where none are named;
missing: all. A format that is not read row by row has ``read(paths, options, lines)`` instead and returns a ``Log``. It
is found by itself, and nothing lists it elsewhere.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from tamdp_theory.discovery import modules_with
from tamdp_theory.errors import InputError
from tamdp_theory.guards import check_integer
from tamdp_theory.lvlm.logs.base import Log, LoggedStep, Options, Rollout
from tamdp_theory.lvlm.logs.gather import gather
from tamdp_theory.lvlm.logs.lines import Lines

__all__ = ["Log", "LoggedStep", "Rollout", "formats", "read"]

NOTHING = (
    "OpenRLHF, EasyR1, R1-V and Visual-RFT leave no rewards of single rollouts on disk: write a table with the columns "
    "step, group and one for each reward"
)


def formats() -> dict[str, ModuleType]:
    """Every log format by name."""
    return {name: import_module(f"{__name__}.{name}") for name in modules_with(__name__, "FORMAT")}


def read(
    paths: str | Path | Iterable[str | Path],
    group_size: int | None = None,
    components: Sequence[str] | None = None,
    weights: Sequence[Any] | None = None,
    *,
    ignore: Sequence[str] = (),
    ranges: Mapping[str, tuple[Any, Any]] | None = None,
    format: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Log:
    """A log, in whichever format recognizes it.

    Raises InputError, naming the file, for what cannot be read, and with the known formats for what none recognizes.

    Args:
        paths: files or folders of one format; what is named twice is read once.
        group_size: G.
        components: names of the reward columns.
        weights: (K,) numbers. None, of these three: what the log says.
        ignore: columns that are no rewards.
        ranges: name -> (low, high), of rewards that are not in [0, 1].
        format: a name of ``formats()``, instead of what recognizes the paths.
        progress: is told how many bytes have been read, now and then.
    """
    if group_size is not None:
        check_integer("group_size", group_size, 2)
    given = [Path(paths)] if isinstance(paths, (str, Path)) else [Path(path) for path in paths]
    if not given:
        raise InputError("paths: none given; name files or folders of a log")
    for path in given:
        if not path.exists():
            raise InputError(f"{path}: no such file; check the path")
    chosen = _format(given, format)
    options = Options(group_size, components, weights, ignore, ranges or {})
    distinct, lines = list({path.resolve(): path for path in given}.values()), Lines(progress)
    if len(distinct) < len(given):
        lines.dropped["paths named twice, read once"] += len(given) - len(distinct)
    if hasattr(chosen, "read"):
        log: Log = chosen.read(distinct, options, lines)
        return log
    return gather(distinct[0], chosen.rows(distinct, lines), options, lines.dropped, getattr(chosen, "DEFAULT", None))


def _format(paths: Sequence[Path], name: str | None) -> ModuleType:
    known = formats()
    if name is not None:
        if name not in known:
            raise InputError(f"format: no format {name!r}; there are {', '.join(known)}")
        return known[name]
    chosen = {next((name for name, one in known.items() if one.recognizes(path)), "") for path in paths}
    if len(chosen) > 1:
        raise InputError(f"{paths[0]}: the paths are of different formats; read them one by one")
    if chosen == {""}:
        texts = "; ".join(one.FORMAT for one in known.values())
        raise InputError(f"{paths[0]}: no log that is known by its name; known are: {texts}. {NOTHING}")
    return known[chosen.pop()]
