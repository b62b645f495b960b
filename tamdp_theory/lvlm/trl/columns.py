"""A recorded run on disk: a folder of parquet files, one for each step and evaluation, one row for each rollout.

Columns: prompt; one for each reward component, "reward NAME"; and where they are known advantage, log_probability and
score (d numbers). G consecutive rows are a group. What else belongs to a file is JSON under the key "tamdp" of its
metadata: schema, what it is ("step" or "evaluation") and of which step, the components and their weights ("a/b"), G,
how many groups were left out, and the step that was recorded before it, so that a missing file shows.

Every file replaces its predecessor whole, the newest comes last, and files of steps that a resumed run makes anew go
first: so a folder is always one state of the run or the next.
"""

import io
import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tamdp_theory.errors import InputError, quote
from tamdp_theory.lvlm.trl.records import EvaluationRecord, Records, StepRecord, record_files
from tamdp_theory.model import Floats
from tamdp_theory.numbers import fraction
from tamdp_theory.sources import RolloutGroups
from tamdp_theory.storage import read_bytes, write_atomically

SCHEMA = "tamdp-rollouts/1"
KEY = b"tamdp"
REWARD = "reward "


def save_records(records: Records, folder: str | Path, known: frozenset[str] = frozenset()) -> frozenset[str]:
    """Write a run to a folder and return the names of its data files; those in ``known`` are there already.

    Files of other steps and evaluations in it are removed. InputError if the folder cannot be written.
    """
    files: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    previous = None
    shared = {"components": list(records.component_names), "weights": [str(w) for w in records.weights]}
    for step, record in sorted(records.steps.items()):
        about = {"kind": "step", "step": step, "previous": previous, "dropped": record.dropped, **shared}
        files[f"step-{step:08d}.parquet"] = about, _columns_of(record.groups, record.advantages)
        previous = step
    for place, event in enumerate(records.evaluations):
        about = {"kind": "evaluation", "step": event.step, "place": place, "dropped": event.dropped, **shared}
        columns = _columns(event.prompt, event.rewards, None, event.log_probability, event.scores)
        files[f"evaluation-{place:06d}-step-{event.step:08d}.parquet"] = about, columns
    for path in record_files(folder):
        if path.name not in files:
            path.unlink()
    for name in sorted(files.keys() - known, key=lambda name: (not name.startswith("evaluation"), name)):
        about, columns = files[name]
        write_atomically(Path(folder) / name, _written(about, columns, records.component_names))
    return frozenset(files)


def load_records(folder: str | Path) -> Records:
    """Read a run from its folder. InputError, naming file and column, for anything that ``save_records`` does not
    write.
    """
    paths = record_files(folder)
    if not paths:
        raise InputError(f"{folder}: no records of a run (step-*.parquet); point at the folder given to the Recorder")
    tables = [_Table(path) for path in paths]
    first, last = tables[0], None
    steps: dict[int, StepRecord] = {}
    evaluations: list[EvaluationRecord] = []
    for table in tables:
        if (table.components, table.weights) != (first.components, first.weights):
            raise InputError(f"{table.path}: components or weights are not those of {first.path.name}")
        if table.about["kind"] == "step":
            record = table.step()
            if table.about.get("previous") != last:
                raise InputError(f"{table.path}: the file of step {table.about.get('previous')} is missing; restore it")
            steps[record.step], last = record, record.step
        else:
            if table.about.get("place") != len(evaluations):
                raise InputError(f"{table.path}: the evaluation before it is missing; restore it from a copy")
            evaluations.append(table.evaluation())
    return Records(first.components, first.weights, steps, tuple(evaluations))


# -- writing ------------------------------------------------------------------------------------------------------


def _columns_of(groups: RolloutGroups | None, advantages: Floats | None) -> dict[str, Any]:
    if groups is None:
        return {}
    return _columns(groups.prompt, groups.rewards, advantages, groups.log_probability, groups.scores)


def _columns(prompt: Any, rewards: Any, advantages: Any, log_probability: Any, scores: Any) -> dict[str, Any]:
    found = {"prompt": prompt, "rewards": rewards, "advantage": advantages}
    found |= {"log_probability": log_probability, "score": scores}
    return {name: values for name, values in found.items() if values is not None}


def _written(about: Mapping[str, Any], columns: Mapping[str, Any], names: tuple[str, ...]) -> bytes:
    """A parquet file of one step or evaluation."""
    arrays: dict[str, Any] = {}
    size = int(columns["rewards"].shape[1]) if columns else 0
    for name, values in columns.items():
        if name == "prompt":
            arrays[name] = pa.array(np.repeat(values, size), pa.int64())
        elif name == "rewards":
            arrays |= {REWARD + one: pa.array(values[:, :, k].ravel()) for k, one in enumerate(names)}
        elif name == "score":
            flat = pa.array(np.ascontiguousarray(values).ravel())
            arrays[name] = pa.FixedSizeListArray.from_arrays(flat, values.shape[2])
        else:
            arrays[name] = pa.array(values.ravel())
    table = pa.table(arrays or {"prompt": pa.array([], pa.int64())})
    text = json.dumps({"schema": SCHEMA, **about, "group_size": size})
    stream = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({KEY: text.encode()}), stream)
    return stream.getvalue()


# -- reading ------------------------------------------------------------------------------------------------------


class _Table:
    """A data file: what its metadata says, and its columns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # without memory maps or threads: a damaged file must raise, not crash
            self.table = pq.ParquetFile(io.BytesIO(read_bytes(path))).read()
        except (OSError, pa.ArrowException, ValueError, MemoryError) as error:
            if isinstance(error, InputError):
                raise
            line = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"{path}: not a readable parquet file ({line}); restore it from a copy") from error
        self.about = self._about()
        self.components = tuple(str(name) for name in self.about["components"])
        self.weights: tuple[Fraction, ...] = tuple(
            fraction(weight, f"{path}: weights[{k}]") for k, weight in enumerate(self.about["weights"])
        )
        if len(self.weights) != len(self.components):
            raise InputError(f"{path}: {len(self.weights)} weights for {len(self.components)} components")

    def _about(self) -> dict[str, Any]:
        try:
            found = json.loads((self.table.schema.metadata or {})[KEY])
            if found["schema"] != SCHEMA:
                raise InputError(f"{self.path}: schema {found['schema']!r}, expected {SCHEMA!r}")
            numbers = {name: int(found[name]) for name in ("step", "dropped", "group_size")}
            if found["kind"] not in ("step", "evaluation") or min(numbers.values()) < 0:
                raise ValueError(f"kind {found['kind']!r}, {numbers}")
            if not isinstance(found["components"], list) or not isinstance(found["weights"], list):
                raise TypeError("components and weights must be lists")
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{self.path}: not of a recorded run ({type(error).__name__}: {error}); write it with a Recorder"
            ) from error
        return {**found, **numbers}

    def step(self) -> StepRecord:
        """The step that it holds."""
        step, dropped = self.about["step"], self.about["dropped"]
        if not self.table.num_rows:
            return StepRecord(step, None, None, dropped)
        rewards, advantages = self._rewards(), self._numbers("advantage")
        try:
            groups = RolloutGroups(
                self.components,
                self.weights,
                self._prompt(),
                rewards=rewards,
                log_probability=self._numbers("log_probability"),
                scores=self._scores(),
            )
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from error
        return StepRecord(step, groups, advantages, dropped)

    def evaluation(self) -> EvaluationRecord:
        """The evaluation that it holds."""
        return EvaluationRecord(
            step=self.about["step"],
            prompt=self._prompt(),
            rewards=self._rewards(),
            dropped=self.about["dropped"],
            log_probability=self._numbers("log_probability"),
            scores=self._scores(),
        )

    @property
    def _size(self) -> int:
        size = self.about["group_size"]
        if size < 1 or self.table.num_rows % size:
            raise InputError(f"{self.path}: {self.table.num_rows} rows are no whole groups of {size}")
        return int(size)

    def _column(self, name: str, kind: Any) -> Any:
        if name not in self.table.column_names:
            raise InputError(f"{self.path}: no column {quote(name)}; columns are {', '.join(self.table.column_names)}")
        column = self.table.column(name)
        if column.type != kind or column.null_count:
            raise InputError(f"{self.path}: column {quote(name)} has type {column.type}, expected {kind} without gaps")
        return column.combine_chunks()

    def _prompt(self) -> Any:
        prompt = self._column("prompt", pa.int64()).to_numpy(zero_copy_only=False).reshape(-1, self._size)
        if (prompt != prompt[:, :1]).any():
            raise InputError(f"{self.path}: column 'prompt' differs within a group of {self._size}")
        return prompt[:, 0].copy()

    def _rewards(self) -> Floats:
        columns = [self._column(REWARD + name, pa.float64()) for name in self.components]
        stacked = np.stack([column.to_numpy(zero_copy_only=False) for column in columns], axis=-1)
        return stacked.reshape(-1, self._size, len(columns))

    def _numbers(self, name: str) -> Floats | None:
        if name not in self.table.column_names:
            return None
        result: Floats = self._column(name, pa.float64()).to_numpy(zero_copy_only=False).reshape(-1, self._size)
        return result

    def _scores(self) -> Floats | None:
        if "score" not in self.table.column_names:
            return None
        kind = self.table.column("score").type
        length = kind.list_size if pa.types.is_fixed_size_list(kind) else 0
        column = self._column("score", pa.list_(pa.float64(), length) if length else pa.float64())
        result: Floats = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, self._size, length)
        return result
