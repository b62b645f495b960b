"""Groups of rollouts from the completions that TRL logs (``log_completions=True``), without the run that wrote them.

TRL writes completions/completions_SSSSS.parquet at every log: columns step, prompt, completion, one per reward
function, extra columns, advantage; G consecutive rows are a group. What to know about these files:

- step is the number of optimizer steps made when the file was written, so with ``logging_steps=1`` its rollouts are
  those of step - 1.
- A file has the latest generation batch only, whatever ``logging_steps``; where a batch serves several steps,
  consecutive files have the same rows: they are counted once.
- An evaluation at the same step replaces the file by one whose rows are, in part or whole, the evaluation's.
- Rewards are the trainer's float32 numbers, in a column of doubles: 0.1 is there as 0.10000000149011612. A reward
  column whose numbers are all float32 ones is read as the shortest decimals of that type, 0.1 again, so that ties of
  rewards are ties.
- Images are not in the file, so prompts with the same text count as one.
- Weights are not in the file either; the advantages tell them, up to a factor. TRL's default is 1 for every reward.
- Old files have no advantage, or a column "reward" with the sum.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from tamdp_theory.errors import InputError
from tamdp_theory.lvlm.extra import require
from tamdp_theory.lvlm.logs.base import Log, Options
from tamdp_theory.lvlm.logs.gather import gather
from tamdp_theory.lvlm.logs.lines import Lines

FORMAT = "completions_*.parquet of TRL's GRPOTrainer with log_completions=True"
PATTERN = "completions_*.parquet"


def recognizes(path: Path) -> bool:
    """Whether a path is a parquet file, or a folder with files of such names."""
    return path.suffix == ".parquet" if path.is_file() else any(path.glob(PATTERN))


def read(paths: Sequence[Path], options: Options, lines: Lines) -> Log:
    """Read files, or all completions_*.parquet of folders, in order of their names within a folder; a file that repeats
    the one before is left out and counted.

    Group size: if it is not given, read off advantages that were standardised by group, whose squares sum to G - 1 in
    every group that is not silent. Components: by default every numeric column between completion and advantage.
    Raises InputError, one line naming the file: missing, not parquet, cut off, empty, without the columns, rows that
    are no whole groups, a group size that the advantages do not tell.
    """
    require(("pyarrow",), "completions of TRL")
    from tamdp_theory.lvlm.logs.completions import Completions, group_size_of

    tables = [Completions.read(path, options.components, options.ignore) for path in _files(paths)]
    names = tables[0].components
    for table in tables:
        if table.components != names:
            raise InputError(
                f"{table.path}: reward columns {', '.join(table.components)}, elsewhere {', '.join(names)}; name them "
                f"in components"
            )
    repeats = [one.content == previous.content for previous, one in pairwise(tables)]
    fresh = [one for one, again in zip(tables, [False, *repeats], strict=True) if not again]
    size = group_size_of(fresh) if options.group_size is None else options.group_size
    for table in fresh:
        table.check(size)
    if repeated := sum(len(table.rewards) for table in tables) - sum(len(table.rewards) for table in fresh):
        lines.dropped["in files that repeat the one before"] += repeated
    chosen = replace(options, group_size=size, ignore=())
    return gather(paths[0], (row for table in fresh for row in table.rollouts(size)), chosen, lines.dropped)


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
