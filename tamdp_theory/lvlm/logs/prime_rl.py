"""prime-rl's traces (rollouts/step_N/KIND/SUBSET/traces.jsonl): an episode a line, rewards by name with weights.

Keys: id, group.id, run.work.step, traces[].rewards.NAME.{score, weight} (null: not scored), traces[].nodes[].advantages
(in the subset "effective" alone). Of the two subsets "all" is read: "effective" lacks what has no advantage. Of KIND
"train" is read, where both are there.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tamdp_theory.lvlm.logs.base import Rollout
from tamdp_theory.lvlm.logs.lines import Lines, number, whole

FORMAT = "traces.jsonl of prime-rl, in rollouts/step_N/train/all"
_STEP = re.compile(r"step_(\d{1,18})", re.ASCII)


def recognizes(path: Path) -> bool:
    """Whether a path is such a file, or a folder with step_N folders that have some."""
    return bool(files(path))


def files(path: Path) -> list[Path]:
    """The files of a log, by step: of all traces, of training if there are any."""
    found = [path] if path.is_file() else list(path.glob("**/step_*/**/traces.jsonl"))
    found = [one for one in found if one.name == "traces.jsonl" and _step(one) is not None]
    for part in ("all", "train"):
        found = [one for one in found if part in one.parts] or found
    return sorted(found, key=lambda one: (_step(one) or 0, str(one)))


def _step(path: Path) -> int | None:
    steps = [int(found[1]) for part in path.parts if (found := _STEP.fullmatch(part))]
    return steps[-1] if steps else None


def rows(paths: Sequence[Path], lines: Lines) -> Iterator[Rollout]:
    """Every rollout."""
    for path in (file for one in paths for file in files(one)):
        for found in lines.of(path, once=True):
            group = _at(found, "group", "id")
            if group is None:
                lines.dropped["without group.id"] += 1
                continue
            step = whole(_at(found, "run", "work", "step"))
            for trace in found.get("traces") or []:
                scores, weights = scored(_at(trace, "rewards"))
                yield Rollout(_step(path) or 0 if step is None else step, str(group), scores, weights=weights)


def scored(rewards: Any) -> tuple[dict[str, float | None], dict[str, float]]:
    """Scores and weights of the rewards of a trace, by name: {score, weight}, or a bare number."""
    scores: dict[str, float | None] = {}
    weights: dict[str, float] = {}
    for name, value in rewards.items() if isinstance(rewards, Mapping) else ():
        scores[name] = number(_at(value, "score") if isinstance(value, Mapping) else value)
        if (weight := number(_at(value, "weight"))) is not None:
            weights[name] = weight
    return scores, weights


def _at(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
