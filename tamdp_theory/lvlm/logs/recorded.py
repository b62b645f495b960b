"""A run recorded by this package's Recorder: its folder of parquet files (``lvlm.trl.columns``)."""

from collections.abc import Sequence
from pathlib import Path

from tamdp_theory.errors import InputError
from tamdp_theory.lvlm.extra import require
from tamdp_theory.lvlm.logs.base import Log, LoggedStep, Options
from tamdp_theory.lvlm.logs.lines import Lines
from tamdp_theory.lvlm.trl.records import record_files

FORMAT = "a folder that a Recorder or TheoryCheck wrote: step-*.parquet"


def recognizes(path: Path) -> bool:
    """Whether a path is such a folder, by the names of its files."""
    return path.is_dir() and bool(record_files(path))


def read(paths: Sequence[Path], options: Options, lines: Lines) -> Log:
    """The steps of recorded runs. Group size, components and weights are in the files: InputError where others are
    asked for.
    """
    asked = {name: value for name, value in vars(options).items() if value}
    if asked:
        raise InputError(f"{paths[0]}: {', '.join(asked)} are in the records themselves; leave them out")
    require(("pyarrow",), "records of a run")
    from tamdp_theory.lvlm.trl.columns import load_records

    found = [
        LoggedStep(path, step, record.groups, record.advantages)
        for path in paths
        for step, record in load_records(path).steps.items()
        if record.groups is not None
    ]
    if not found:
        raise InputError(f"{paths[0]}: no groups were recorded; train with the Recorder attached")
    return Log(tuple(found), lines.dropped)
