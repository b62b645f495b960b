"""NeMo-RL's train_data_stepN.jsonl: a row a line, every field but idx a list of one element; total reward alone.

Consecutive rows (by idx) are a group, so the group size has to be given. Under dynamic sampling "filtered_rewards" are
the rewards of these rows, and "rewards" are those of the batch before the filter.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tamdp_theory.lvlm.logs.base import Rollout
from tamdp_theory.lvlm.logs.lines import Lines, number, whole

FORMAT = "train_data_stepN.jsonl of NeMo-RL"
_NAME = re.compile(r"train_data_step(\d{1,18})\.jsonl", re.ASCII)


def recognizes(path: Path) -> bool:
    """Whether a path is a file of this name, or a folder of such files."""
    return bool(files(path))


def files(path: Path) -> list[Path]:
    """The files of a log, by step."""
    found = [path] if path.is_file() else list(path.glob("train_data_step*.jsonl"))
    return sorted((one for one in found if _NAME.fullmatch(one.name)), key=_step)


def _step(path: Path) -> int:
    found = _NAME.fullmatch(path.name)
    return int(found[1]) if found else 0


def rows(paths: Sequence[Path], lines: Lines) -> Iterator[Rollout]:
    """Every rollout."""
    for path in (file for one in paths for file in files(one)):
        found = list(lines.of(path))
        places = [place for row in found if (place := whole(row.get("idx"))) is not None]
        if len(places) == len(found):
            found = [found[i] for i in sorted(range(len(found)), key=places.__getitem__)]
        for row in found:
            reward = _only(row.get("filtered_rewards", row.get("rewards")))
            yield Rollout(_step(path), None, {"reward": number(reward)}, number(_only(row.get("advantages"))))


def _only(value: Any) -> Any:
    """The element of a list of one (of tokens: the first that is not 0)."""
    while isinstance(value, list) and value:
        value = next((one for one in value if one), value[0]) if len(value) > 1 else value[0]
    return value
