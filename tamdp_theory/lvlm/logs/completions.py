"""One parquet file of TRL's completions as arrays, and the group size that its advantages tell; needs pyarrow."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tamdp_theory.errors import InputError, quote
from tamdp_theory.lvlm.logs.base import LoggedStep
from tamdp_theory.model import Floats
from tamdp_theory.numbers import narrow, reals
from tamdp_theory.sources import RolloutGroups

ZERO_SUM = 1e-3  # of a group's advantages in float32, relative to its size
NEAR = 0.25  # of the group's sum of squared advantages to G - 1; another group size is off by 1/2 or more


@dataclass(frozen=True, eq=False)
class Completions:
    """A file's columns: prompt (rows,) digests, rewards (rows, K), advantages (rows,)."""

    path: Path
    step: int
    prompt: Any
    rewards: Floats
    advantages: Floats
    components: tuple[str, ...]
    content: str

    @classmethod
    def read(cls, path: Path, components: Sequence[str] | None) -> "Completions":
        """A file; InputError, one line naming it and the column, for what TRL does not write."""
        try:
            table = pq.ParquetFile(path).read()
        except (OSError, pa.ArrowException, ValueError) as error:
            line = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(
                f"{path}: not a readable parquet file ({line}); point at TRL's completions_*.parquet"
            ) from error
        columns = table.column_names
        missing = [name for name in ("step", "prompt", "completion", "advantage") if name not in columns]
        if missing or len(set(columns)) < len(columns):
            raise InputError(
                f"{path}: no column {', '.join(missing) or '(a name occurs twice)'}; this is not a completions file of "
                f"TRL's GRPOTrainer"
            )
        if not table.num_rows:
            raise InputError(f"{path}: no rows; nothing was generated before this log")
        between = columns[columns.index("completion") + 1 : columns.index("advantage")]
        names = (
            [name for name in between if _numeric(table.schema.field(name).type)]
            if components is None
            else list(components)
        )
        if not names or len(set(names)) < len(names):
            raise InputError(
                f"{path}: no reward columns, or one named twice; columns are {', '.join(columns)}; name the rewards in "
                f"components"
            )
        for name in names:
            if name not in columns or not _numeric(table.schema.field(name).type):
                raise InputError(f"{path}: no numeric column {quote(name)}; columns are {', '.join(columns)}")
        rewards = np.stack([narrow(_floats(path, table, name)) for name in names], axis=1)
        if rewards.min() < 0 or rewards.max() > 1:
            name = names[int(np.argmax((rewards.min(axis=0) < 0) | (rewards.max(axis=0) > 1)))]
            raise InputError(
                f"{path}: column {quote(name)} is not in [0, 1]; name the reward columns in components, or log "
                f"rescaled rewards"
            )
        steps = _floats(path, table, "step")
        if (steps != steps[0]).any() or steps[0] != int(steps[0]):
            raise InputError(f"{path}: column 'step' must be one integer, got {steps.min():g} to {steps.max():g}")
        prompts, completions = (table.column(name).to_pylist() for name in ("prompt", "completion"))
        advantages = _floats(path, table, "advantage")
        content = hashlib.blake2b(
            repr((prompts, completions, rewards.tolist(), advantages.tolist())).encode("utf-8", "surrogatepass")
        ).hexdigest()
        digests = [
            int.from_bytes(hashlib.blake2b(repr(p).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
            >> 1
            for p in prompts
        ]
        return cls(path, int(steps[0]), np.array(digests, dtype=np.int64), rewards, advantages, tuple(names), content)

    def fits(self, size: int) -> bool:
        """Whether blocks of ``size`` rows share prompts and their advantages sum to zero."""
        if len(self.rewards) % size:
            return False
        prompt, advantages = self.prompt.reshape(-1, size), self.advantages.reshape(-1, size)
        return bool((prompt == prompt[:, :1]).all() and (abs(advantages.sum(axis=1)) <= ZERO_SUM * size).all())

    def grouped(self, size: int, weights: tuple[Fraction, ...], repeated: bool) -> LoggedStep:
        """Its rows in groups of ``size``; InputError where they are none."""
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
        groups = RolloutGroups(
            self.components, weights, prompt[:, 0].copy(), self.rewards.reshape(-1, size, len(weights))
        )
        return LoggedStep(self.path, self.step, groups, self.advantages.reshape(-1, size), repeated)


def group_size_of(tables: Sequence[Completions]) -> int:
    """The only G for which all groups sum to zero and the squares of those that are not silent to G - 1."""
    longest = max(len(table.advantages) for table in tables)
    fitting = []
    for size in (g for g in range(2, longest + 1) if all(table.fits(g) for table in tables)):
        squares = np.concatenate([(table.advantages**2).reshape(-1, size).sum(axis=1) for table in tables])
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
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(
            f"{path}: column {quote(name)} has no number in row {row}; leave it out of components, or drop that file"
        )
    return values
