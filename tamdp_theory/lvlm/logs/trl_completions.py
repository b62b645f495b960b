"""Groups of rollouts from the completions that TRL logs (``log_completions=True``), without the run that wrote them.

TRL writes completions/completions_SSSSS.parquet at every log: columns step, prompt, completion, one per reward
function, extra columns, advantage; G consecutive rows are a group. What to know about these files:

- step is the number of optimizer steps made when the file was written, so with ``logging_steps=1`` its rollouts are
  those of step - 1.
- A file has the latest generation batch only, whatever ``logging_steps``; where a batch serves several steps,
  consecutive files have the same rows (``repeated``): count them once.
- An evaluation at the same step replaces the file by one whose rows are, in part or whole, the evaluation's.
- Rewards are the trainer's float32 numbers, in a column of doubles: 0.1 is there as 0.10000000149011612. A reward
  column whose numbers are all float32 ones is read as the shortest decimals of that type, 0.1 again, so that ties of
  rewards are ties.
- Images are not in the file, so prompts with the same text count as one.
- Weights are not in the file either: TRL's default is 1 for every reward.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tamdp_theory.errors import InputError
from tamdp_theory.lvlm.extra import require
from tamdp_theory.lvlm.logs.base import LoggedStep
from tamdp_theory.numbers import fraction

FORMAT = "completions_*.parquet of TRL's GRPOTrainer with log_completions=True"
PATTERN = "completions_*.parquet"


def recognizes(path: Path) -> bool:
    """Whether a path is a parquet file, or a folder with files of such names."""
    return path.suffix == ".parquet" if path.is_file() else any(path.glob(PATTERN))


def read(
    paths: Sequence[Path],
    group_size: int | None = None,
    components: Sequence[str] | None = None,
    weights: Sequence[Any] | None = None,
) -> list[LoggedStep]:
    """Read files, or all completions_*.parquet of folders, in order of their names within a folder.

    group_size: G; None reads it off advantages that were standardised by group, whose squares sum to G - 1 in every
    group that is not silent. components: reward columns, by default every numeric column between completion and
    advantage; weights: (K,) numbers, default 1 each. Raises InputError, one line naming the file: missing, not parquet,
    cut off, empty, without the columns, rewards missing or outside [0, 1], rows that are no whole groups, a group size
    that the advantages do not tell.
    """
    require(("pyarrow",), "completions of TRL")
    from tamdp_theory.lvlm.logs.completions import Completions, group_size_of

    tables = [Completions.read(path, components) for path in _files(paths)]
    names = tables[0].components
    for table in tables:
        if table.components != names:
            raise InputError(
                f"{table.path}: reward columns {', '.join(table.components)}, elsewhere {', '.join(names)}; name them "
                f"in components"
            )
    shares = tuple(fraction(w, f"weights[{k}]") for k, w in enumerate([1] * len(names) if weights is None else weights))
    if len(shares) != len(names):
        raise InputError(f"weights: {len(shares)} given for {len(names)} reward columns ({', '.join(names)})")
    size = group_size_of(tables) if group_size is None else group_size
    found: list[LoggedStep] = []
    for previous, table in zip([None, *tables], tables, strict=False):
        repeated = previous is not None and table.content == previous.content
        found.append(table.grouped(size, shares, repeated))
    return found


def _files(paths: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        inside = sorted(path.glob(PATTERN)) if path.is_dir() else [path]
        if not inside:
            raise InputError(
                f"{path}: no completions_*.parquet in this folder; point at OUTPUT_DIR/completions of a run with "
                f"log_completions=True"
            )
        for file in inside:
            if not file.is_file():
                raise InputError(f"{file}: no such file; check the path")
        files += inside
    return files
