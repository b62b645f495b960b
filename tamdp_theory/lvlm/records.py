"""What a training run showed, step by step: groups of rollouts, the trainer's advantages, evaluations; and their folder
on disk.

A folder holds ``records.json`` (schema, components, weights, the list of steps and evaluations) and one plain npz file
for each of them. Every file replaces its predecessor whole and ``records.json`` comes last, so a folder is always one
state of the run or the next.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tamdp_theory.errors import InputError
from tamdp_theory.model import Floats, Ints
from tamdp_theory.numbers import exact
from tamdp_theory.sources import RolloutGroups
from tamdp_theory.storage import read_bytes, write_atomically

SCHEMA = "tamdp-records/1"
INDEX = "records.json"


@dataclass(frozen=True, eq=False)
class StepRecord:
    """What one optimizer step was made of.

    step: optimizer steps made before it, so these rollouts were drawn under parameters theta_step; groups: None if no
    group could be kept; advantages (n, G): those that the trainer used, None if not seen; dropped: groups left out
    because a reward was missing.
    """

    step: int
    groups: RolloutGroups | None
    advantages: Floats | None = None
    dropped: int = 0


@dataclass(frozen=True, eq=False)
class Batch:
    """A generation batch of all processes: prompt (n,), rewards (n, G, K) with NaN where there is none."""

    step: int
    training: bool
    prompt: Ints
    rewards: Floats
    advantages: Floats | None = None
    log_probability: Floats | None = None
    scores: Floats | None = None

    def record(self, names: tuple[str, ...], weights: tuple[Fraction, ...]) -> StepRecord:
        whole = np.flatnonzero(np.isfinite(self.rewards).all(axis=(1, 2)))
        dropped = len(self.rewards) - len(whole)
        if not len(whole):
            return StepRecord(self.step, None, None, dropped)
        groups = RolloutGroups(
            names, weights, self.prompt, np.nan_to_num(self.rewards), self.log_probability, self.scores
        ).select(whole)
        return StepRecord(self.step, groups, None if self.advantages is None else self.advantages[whole], dropped)


def joined(first: StepRecord, second: StepRecord) -> StepRecord:
    """Two generation batches of one step."""
    dropped = first.dropped + second.dropped
    if first.groups is None or second.groups is None:
        return replace(first if second.groups is None else second, dropped=dropped)

    def both(name: str) -> Any:
        parts = [getattr(first.groups, name), getattr(second.groups, name)]
        return None if any(part is None for part in parts) else np.concatenate(parts)

    groups = replace(first.groups, **{name: both(name) for name in ("prompt", "rewards", "log_probability", "scores")})
    advantages = (
        None
        if first.advantages is None or second.advantages is None
        else np.concatenate([first.advantages, second.advantages])
    )
    return StepRecord(first.step, groups, advantages, dropped)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One evaluation on held-out prompts.

    step: optimizer steps made before it; prompt (n,): one entry per row evaluated; rewards (n, G, K) in [0, 1], G >= 1
    rollouts of each; dropped: rows left out because a reward was missing; log_probability (n, G) and scores (n, G, d):
    of the last evaluation, if it was scored.
    """

    step: int
    prompt: Ints
    rewards: Floats
    dropped: int = 0
    log_probability: Floats | None = None
    scores: Floats | None = None

    @property
    def mean(self) -> Floats:
        """Mean component rewards of every row, (n, K)."""
        result: Floats = self.rewards.mean(axis=1)
        return result

    @property
    def rollouts(self) -> int:
        """G, rollouts per row."""
        return int(self.rewards.shape[1])


@dataclass(frozen=True)
class Records:
    """A run: components (K,), their weights, records by step, evaluations in order."""

    component_names: tuple[str, ...]
    weights: tuple[Fraction, ...]
    steps: Mapping[int, StepRecord] = field(default_factory=dict)
    evaluations: tuple[Evaluation, ...] = ()

    def before(self, step: int) -> "Records":
        """The run up to theta_step: records of the steps before, evaluations up to it."""
        kept = {t: record for t, record in self.steps.items() if t < step}
        return Records(
            self.component_names, self.weights, kept, tuple(event for event in self.evaluations if event.step <= step)
        )


def save_records(records: Records, folder: str | Path, known: frozenset[str] = frozenset()) -> frozenset[str]:
    """Write a run to a folder and return the names of its data files; those in ``known`` are there already. InputError
    if it cannot be written.
    """
    steps, evaluations = [], []
    files: dict[str, dict[str, Any]] = {}
    for step, record in sorted(records.steps.items()):
        name = f"step-{step:08d}.npz"
        steps.append({"step": step, "file": name, "dropped": record.dropped})
        files[name] = _step_arrays(record)
    for place, event in enumerate(records.evaluations):
        name = f"evaluation-{place:06d}-step-{event.step:08d}.npz"
        evaluations.append({"step": event.step, "file": name, "dropped": event.dropped})
        arrays = {
            "prompt": event.prompt,
            "rewards": event.rewards,
            "log_probability": event.log_probability,
            "scores": event.scores,
        }
        files[name] = {key: values for key, values in arrays.items() if values is not None}
    for name in files.keys() - known:
        stream = io.BytesIO()
        np.savez(stream, **files[name])
        write_atomically(Path(folder) / name, stream.getvalue())
    index = {
        "schema": SCHEMA,
        "component_names": list(records.component_names),
        "weights": [str(w) for w in records.weights],
        "steps": steps,
        "evaluations": evaluations,
    }
    write_atomically(Path(folder) / INDEX, json.dumps(index, indent=1))
    return frozenset(files)


def load_records(folder: str | Path) -> Records:
    """Read a run from its folder. InputError, naming the file, for anything that is not what
    ``save_records`` writes.
    """
    index = Path(folder) / INDEX
    try:
        content = json.loads(read_bytes(index))
        if content["schema"] != SCHEMA:
            raise InputError(f"{index}: schema {content['schema']!r}, expected {SCHEMA!r}")
        names = tuple(str(name) for name in content["component_names"])
        weights = tuple(exact(weight, f"{index}: weights[{k}]") for k, weight in enumerate(content["weights"]))
        steps = {int(entry["step"]): _read_step(Path(folder), entry, names, weights) for entry in content["steps"]}
        evaluations = tuple(_read_evaluation(Path(folder), entry, len(names)) for entry in content["evaluations"])
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{index}: not an index of records ({type(error).__name__}: {error}); write it with Recorder.save"
        ) from error
    return Records(names, weights, steps, evaluations)


def _step_arrays(record: StepRecord) -> dict[str, Any]:
    groups = record.groups
    if groups is None:
        return {}
    arrays = {
        "prompt": groups.prompt,
        "rewards": groups.rewards,
        "log_probability": groups.log_probability,
        "scores": groups.scores,
    }
    return {name: values for name, values in (arrays | {"advantages": record.advantages}).items() if values is not None}


def _read_step(
    folder: Path, entry: dict[str, Any], names: tuple[str, ...], weights: tuple[Fraction, ...]
) -> StepRecord:
    path, arrays = _read(folder, entry)
    step, dropped = int(entry["step"]), int(entry["dropped"])
    if not arrays:
        return StepRecord(step, None, None, dropped)
    try:
        groups = RolloutGroups(
            names, weights, arrays["prompt"], arrays["rewards"], arrays.get("log_probability"), arrays.get("scores")
        )
    except (KeyError, InputError) as error:
        raise InputError(f"{path}: {error}") from error
    advantages = arrays.get("advantages")
    if advantages is not None and advantages.shape != groups.rewards.shape[:2]:
        raise InputError(f"{path}: advantages have shape {advantages.shape}, expected {groups.rewards.shape[:2]}")
    return StepRecord(step, groups, advantages, dropped)


def _read_evaluation(folder: Path, entry: dict[str, Any], components: int) -> Evaluation:
    path, arrays = _read(folder, entry)
    if not {"prompt", "rewards"} <= set(arrays):
        raise InputError(f"{path}: expected the arrays prompt and rewards, got {sorted(arrays)}")
    rewards, prompt = arrays["rewards"], arrays["prompt"]
    if rewards.ndim != 3 or rewards.shape[2] != components or prompt.shape != rewards.shape[:1]:
        raise InputError(
            f"{path}: expected prompt (n,) and rewards (n, G, {components}), got {prompt.shape} and {rewards.shape}"
        )
    log_probability, scores = arrays.get("log_probability"), arrays.get("scores")
    if any(values is not None and values.shape[:2] != rewards.shape[:2] for values in (log_probability, scores)):
        raise InputError(
            f"{path}: log_probability and scores must have one entry for each of the {rewards.shape[:2]} rollouts"
        )
    return Evaluation(int(entry["step"]), prompt, rewards, int(entry["dropped"]), log_probability, scores)


def _read(folder: Path, entry: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """The arrays of a data file, which lies in the folder itself."""
    name = str(entry["file"])
    if Path(name).name != name:
        raise InputError(f"{folder / INDEX}: file {name!r} must be a name inside the folder")
    path = folder / name
    try:
        with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
    except (ValueError, EOFError, OSError, KeyError, NotImplementedError, zipfile.BadZipFile, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not a readable npz file ({error}); restore it from a copy") from error
    for key, values in arrays.items():
        if values.dtype.kind not in ("i" if key == "prompt" else "f"):
            raise InputError(
                f"{path}: array {key} has type {values.dtype}, expected numbers as Recorder.save writes them"
            )
    return path, arrays
