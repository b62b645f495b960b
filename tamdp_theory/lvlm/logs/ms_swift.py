"""ms-swift's completions.jsonl: a line holds the columns of a whole batch; of Ray and Megatron, one row.

Keys: step (a text; Megatron: gen_step), prompt, completion, one list for each reward function, advantages. NaN is a
missing reward. Rows of a step with equal prompts are a group.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tamdp_theory.lvlm.logs.base import Rollout
from tamdp_theory.lvlm.logs.lines import Lines, key, number, whole

FORMAT = "completions.jsonl of ms-swift"
_OTHER = ("step", "gen_step", "prompt", "completion", "advantages", "images", "solution", "request_id")


def recognizes(path: Path) -> bool:
    """Whether a path is a file called completions.jsonl, or a folder with one."""
    return bool(files(path))


def files(path: Path) -> list[Path]:
    """The file of a log."""
    file = path if path.is_file() else path / "completions.jsonl"
    return [file] if file.name == "completions.jsonl" and file.is_file() else []


def rows(paths: Sequence[Path], lines: Lines) -> Iterator[Rollout]:
    """Every rollout."""
    for path in (file for one in paths for file in files(one)):
        for found in lines.of(path, once=True):
            step = whole(found.get("step", found.get("gen_step")))
            if step is None or "prompt" not in found:
                lines.dropped["without step or prompt"] += 1
                continue
            batch = {name: value if isinstance(value, list) else [value] for name, value in found.items()}
            count = len(batch["prompt"])
            rewards = {name: values for name, values in batch.items() if name not in _OTHER and _numeric(values)}
            if any(len(values) != count for values in rewards.values()):
                lines.dropped["in lines whose columns differ in length"] += count
                continue
            advantages = batch.get("advantages", [])
            for i, prompt in enumerate(batch["prompt"]):
                own = {name: number(values[i]) for name, values in rewards.items()}
                yield Rollout(step, key(prompt), own, number(advantages[i]) if len(advantages) == count else None)


def _numeric(values: list[Any]) -> bool:
    """Numbers, NaN, null and booleans only, and at least one number."""
    return all(value is None or isinstance(value, (int, float)) for value in values) and any(
        number(value) is not None for value in values
    )
