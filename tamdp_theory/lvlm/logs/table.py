"""A plain table of one's own: CSV, JSON lines, or parquet, with a row for each rollout.

Columns: "group" (rows of a step with equal values are a group), "step" (may be missing), "advantage" (may be missing);
all other columns of numbers are offered as rewards. With more than one of these the rewards have to be named.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tamdp_theory.errors import InputError
from tamdp_theory.lvlm.extra import require
from tamdp_theory.lvlm.logs.base import Rollout
from tamdp_theory.lvlm.logs.lines import Lines, number, whole

FORMAT = "a table (.csv, .jsonl, .parquet) with columns group, step, advantage, and rewards"
DEFAULT = ()  # named, unless there is one alone
_OTHER = ("group", "step", "advantage")


def recognizes(path: Path) -> bool:
    """Whether a path is a table with a column "group"."""
    if not path.is_file() or path.suffix not in (".csv", ".jsonl", ".parquet"):
        return False
    try:
        return "group" in next(_rows(path, Lines()), {})
    except (InputError, UnicodeDecodeError, csv.Error):
        return False


def rows(paths: Sequence[Path], lines: Lines) -> Iterator[Rollout]:
    """Every rollout; without a column "step" all are of step 0."""
    for path in paths:
        for found in _rows(path, lines):
            step = whole(found.get("step", 0))
            if step is None or found.get("group") in (None, ""):
                lines.dropped["without group, or with a step that is no integer"] += 1
                continue
            rewards = {name: number(value) for name, value in found.items() if name not in _OTHER and _is_number(value)}
            yield Rollout(step, str(found["group"]), rewards, number(found.get("advantage")))


def _rows(path: Path, lines: Lines) -> Iterator[dict[str, Any]]:
    if path.suffix == ".jsonl":
        yield from lines.of(path)
    elif path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            for found in csv.DictReader(file):
                yield {str(name): _read(value) for name, value in found.items() if name is not None}
    else:
        require(("pyarrow",), "a parquet table")
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            for batch in pq.ParquetFile(path).iter_batches():
                yield from batch.to_pylist()
        except (OSError, pa.ArrowException, ValueError) as error:
            line = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"{path}: not a readable parquet file ({line})") from error


def _read(text: str | None) -> float | str | None:
    """A cell of a CSV file: a number where it is one; nothing is a missing one."""
    if text is None or not text.strip():
        return None
    try:
        return float(text) if text.isascii() and "_" not in text else text
    except ValueError:
        return text


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, (int, float))
