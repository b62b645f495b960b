"""verifiers' results: traces.jsonl (outputs/RUN), or results.jsonl with metadata.json (legacy); no steps.

Current: a trace a line, with task.key or task.hash and rewards as in prime-rl. Legacy: example_id, reward (the total),
metrics (also beside them); metrics are offered as components, and counted only if they are named.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tamdp_theory.lvlm.logs import prime_rl
from tamdp_theory.lvlm.logs.base import Rollout
from tamdp_theory.lvlm.logs.lines import Lines, number

FORMAT = "traces.jsonl or results.jsonl of verifiers"
DEFAULT = ("reward",)


def recognizes(path: Path) -> bool:
    """Whether a path is such a file that is not in a step of prime-rl, or a folder with one."""
    return bool(files(path))


def files(path: Path) -> list[Path]:
    """The files of a log."""
    inside = [path] if path.is_file() else [path / "traces.jsonl", path / "results.jsonl"]
    found = [one for one in inside if one.name in ("traces.jsonl", "results.jsonl") and one.is_file()]
    return [one for one in found if not prime_rl.recognizes(one)]


def rows(paths: Sequence[Path], lines: Lines) -> Iterator[Rollout]:
    """Every rollout, all of step 0."""
    for path in (file for one in paths for file in files(one)):
        for found in lines.of(path):
            group, rewards, weights = _legacy(found) if path.name == "results.jsonl" else _current(found)
            if group is None:
                lines.dropped["without a task or example_id"] += 1
            else:
                yield Rollout(0, str(group), rewards, weights=weights)


def _legacy(found: dict[str, Any]) -> tuple[Any, dict[str, float | None], dict[str, float]]:
    metrics = found.get("metrics")
    extras = {name: number(value) for name, value in metrics.items()} if isinstance(metrics, Mapping) else {}
    return found.get("example_id"), {"reward": number(found.get("reward")), **extras}, {}


def _current(found: dict[str, Any]) -> tuple[Any, dict[str, float | None], dict[str, float]]:
    task = found.get("task")
    key = (task.get("key") or task.get("hash")) if isinstance(task, Mapping) else None
    return key, *prime_rl.scored(found.get("rewards"))
