"""One parquet file of TRL's completions as arrays, and the group size that its advantages tell; needs pyarrow."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tamdp_theory.errors import InputError, quote
from tamdp_theory.lvlm.logs.base import Rollout
from tamdp_theory.model import Floats
from tamdp_theory.numbers import narrow, reals

ZERO_SUM = 1e-3  # of a group's advantages in float32, relative to its size
NEAR = 0.25  # of the group's sum of squared advantages to G - 1; another group size is off by 1/2 or more


@dataclass(frozen=True, eq=False)
class Completions:
    """A file's columns: prompt (rows,) digests, rewards (rows, K), nan where there is none, advantages (rows,), None in
    old files.
    """

    path: Path
    step: int
    prompt: Any
    rewards: Floats
    advantages: Floats | None
    components: tuple[str, ...]
    content: str

    @classmethod
    def read(cls, path: Path, components: Sequence[str] | None, ignore: Sequence[str] = ()) -> "Completions":
        """A file; InputError, one line naming it and the column, for what TRL does not write."""
        try:
            table = pq.ParquetFile(path).read()
        except (OSError, pa.ArrowException, ValueError) as error:
            line = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(
                f"{path}: not a readable parquet file ({line}); point at TRL's completions_*.parquet"
            ) from error
        columns = table.column_names
        missing = [name for name in ("step", "prompt", "completion") if name not in columns]
        if missing or len(set(columns)) < len(columns):
            raise InputError(
                f"{path}: no column {', '.join(missing) or '(a name occurs twice)'}; this is not a completions file of "
                f"TRL's GRPOTrainer"
            )
        if not table.num_rows:
            raise InputError(f"{path}: no rows; nothing was generated before this log")
        end = columns.index("advantage") if "advantage" in columns else len(columns)
        between = [name for name in columns[columns.index("completion") + 1 : end] if name not in ignore]
        offered = [name for name in between if _numeric(table.schema.field(name).type)]
        total = "reward" in offered and len(offered) > 1  # of old files: the sum
        names = (
            [name for name in offered if not (total and name == "reward")] if components is None else list(components)
        )
        if not names or len(set(names)) < len(names):
            raise InputError(
                f"{path}: no reward columns, or one named twice; columns are {', '.join(columns)}; name the rewards in "
                f"components"
            )
        for name in (*names, *ignore):
            if name not in columns or (name in names and not _numeric(table.schema.field(name).type)):
                raise InputError(f"{path}: no numeric column {quote(name)}; columns are {', '.join(columns)}")
        rewards = np.stack([narrow(_floats(path, table, name)) for name in names], axis=1)
        steps = _floats(path, table, "step")
        if not np.isfinite(steps).all() or (steps != steps[0]).any() or steps[0] != int(steps[0]):
            raise InputError(f"{path}: column 'step' must be one integer, got {steps.min():g} to {steps.max():g}")
        prompts, completions = (table.column(name).to_pylist() for name in ("prompt", "completion"))
        advantages = _floats(path, table, "advantage") if "advantage" in columns else None
        if advantages is not None and not np.isfinite(advantages).all():
            row = int(np.flatnonzero(~np.isfinite(advantages))[0])
            raise InputError(
                f"{path}: column 'advantage' has no number in row {row}; the training diverged, or the file"
            )
        content = hashlib.blake2b(
            repr((prompts, completions, rewards.tolist(), None if advantages is None else advantages.tolist())).encode(
                "utf-8", "surrogatepass"
            )
        ).hexdigest()
        digests = [
            int.from_bytes(hashlib.blake2b(repr(p).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
            >> 1
            for p in prompts
        ]
        return cls(path, int(steps[0]), np.array(digests, dtype=np.int64), rewards, advantages, tuple(names), content)

    def fits(self, size: int) -> bool:
        """Whether blocks of ``size`` rows share prompts and their advantages, if any, sum to zero."""
        if len(self.rewards) % size:
            return False
        prompt = self.prompt.reshape(-1, size)
        if self.advantages is None:
            return bool((prompt == prompt[:, :1]).all())
        sums = abs(self.advantages.reshape(-1, size).sum(axis=1))
        return bool((prompt == prompt[:, :1]).all() and (sums <= ZERO_SUM * size).all())

    def check(self, size: int) -> None:
        """InputError if its rows are no groups of ``size``."""
        rows = len(self.rewards)
        if rows % size:
            raise InputError(
                f"{self.path}: {rows} rows are no whole groups of {size}; rows of an evaluation may be among them"
            )
        prompt = self.prompt.reshape(-1, size)
        if (prompt != prompt[:, :1]).any():
            raise InputError(
                f"{self.path}: {size} consecutive rows have different prompts; the group size is another, or rows of "
                f"an evaluation are among them"
            )

    def rollouts(self, size: int) -> Iterator[Rollout]:
        """Its rows, in groups of ``size``."""
        for i, rewards in enumerate(self.rewards.tolist()):
            found = {
                name: None if value != value else value for name, value in zip(self.components, rewards, strict=True)
            }
            advantage = None if self.advantages is None else float(self.advantages[i])
            yield Rollout(self.step, (str(self.path), i // size), found, advantage, prompt=int(self.prompt[i]))


def group_size_of(tables: Sequence[Completions]) -> int:
    """The only G for which all groups sum to zero and the squares of those that are not silent to G - 1; without
    advantages, the length of every run of equal prompts.
    """
    longest = max(len(table.rewards) for table in tables)
    fitting = []
    advantages = [table.advantages for table in tables if table.advantages is not None]
    if len(advantages) < len(tables):
        runs = {
            int(run)
            for table in tables
            for run in np.diff(np.flatnonzero(np.diff(table.prompt, prepend=-1, append=-1)))
        }
        if len(runs) == 1 and runs != {1}:
            return runs.pop()
        longest = 0
    for size in (g for g in range(2, longest + 1) if all(table.fits(g) for table in tables)):
        squares = np.concatenate([(own**2).reshape(-1, size).sum(axis=1) for own in advantages])
        loud = squares[squares > 1e-6]
        if loud.size and abs(loud.mean() - (size - 1)) < NEAR:
            fitting.append(size)
    if len(fitting) != 1:
        raise InputError(
            f"{tables[0].path}: the advantages do not tell the group size; pass group_size, the run's num_generations"
        )
    return fitting[0]


def _numeric(kind: Any) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _floats(path: Path, table: Any, name: str) -> Floats:
    if not _numeric(table.schema.field(name).type):
        raise InputError(f"{path}: column {quote(name)} must have numbers, got {table.schema.field(name).type}")
    width = table.schema.field(name).type.bit_width
    kind = f"float{width}" if pa.types.is_floating(table.schema.field(name).type) else "float64"
    values = reals(
        np.array([np.nan if value is None else value for value in table.column(name).to_pylist()], dtype=kind), name
    )
    return values
