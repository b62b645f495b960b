"""AReaL's rollouts (rollout/VERSION/TASK.jsonl): task_id, sample_idx, reward, prompt, completion; the total alone."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tamdp_theory.lvlm.logs.base import Rollout
from tamdp_theory.lvlm.logs.lines import Lines, number

FORMAT = "rollout/VERSION/TASK.jsonl of AReaL"


def recognizes(path: Path) -> bool:
    """Whether a path is a folder with numbered folders of such files, or one of these, in a folder called rollout."""
    return bool(files(path))


def files(path: Path) -> list[Path]:
    """The files of a log, by version."""
    if path.is_file():
        found = [path]
    else:
        found = [*path.glob("*/*.jsonl"), *path.glob("rollout/*/*.jsonl"), *path.glob("*.jsonl")]
    found = [
        one
        for one in found
        if one.suffix == ".jsonl" and one.parent.name.isdigit() and one.parent.parent.name == "rollout"
    ]
    return sorted(found, key=lambda one: (int(one.parent.name), str(one)))


def rows(paths: Sequence[Path], lines: Lines) -> Iterator[Rollout]:
    """Every rollout; the version of the policy is the step."""
    for path in (file for one in paths for file in files(one)):
        for found in lines.of(path, tail=2):
            if "task_id" not in found:
                lines.dropped["without task_id"] += 1
                continue
            yield Rollout(int(path.parent.name), str(found["task_id"]), {"reward": number(found.get("reward"))})
