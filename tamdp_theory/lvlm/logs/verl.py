"""verl's rollouts (trainer.rollout_data_dir, or validation_data_dir): STEP.jsonl, one row a line.

Keys: input, output, gts, score, step, and uid (the current trainer; uid is {group}_{session}_{output}), or the numbers
of reward_extra_info (the legacy trainer and validation, where rows of a group share input and gts). The reward is
"score"; extras are offered as components, and counted only if they are named.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tamdp_theory.lvlm.logs.base import Rollout
from tamdp_theory.lvlm.logs.lines import Lines, key, number, whole

FORMAT = "STEP.jsonl of verl, in trainer.rollout_data_dir"
DEFAULT = ("score",)
_TEXTS = ("input", "output", "gts", "step", "uid", "request_id")


def recognizes(path: Path) -> bool:
    """Whether a path is a file called STEP.jsonl, or a folder of such files."""
    return bool(files(path))


def files(path: Path) -> list[Path]:
    """The files of a log, by step."""
    found = [path] if path.is_file() else path.glob("*.jsonl")
    return sorted(
        (one for one in found if one.suffix == ".jsonl" and one.stem.isdigit()), key=lambda one: int(one.stem)
    )


def rows(paths: Sequence[Path], lines: Lines) -> Iterator[Rollout]:
    """Every rollout."""
    for path in (file for one in paths for file in files(one)):
        for found in lines.of(path):
            if "score" not in found or "input" not in found:
                lines.dropped["without score or input"] += 1
                continue
            step = whole(found.get("step", path.stem))
            yield Rollout(int(path.stem) if step is None else step, _group(found), _rewards(found))


def _group(found: dict[str, Any]) -> Any:
    uid = found.get("uid")
    if isinstance(uid, str) and uid.count("_") >= 2:
        return uid.rsplit("_", 2)[0]
    return key(found["input"], found.get("gts"))


def _rewards(found: dict[str, Any]) -> dict[str, float | None]:
    extras = {name: number(value) for name, value in found.items() if name not in _TEXTS and name != "score"}
    return {"score": number(found["score"])} | {name: value for name, value in extras.items() if value is not None}
