"""Rewards brought to [0, 1], and their weights with them.

A reward in [low, high] becomes (r - low) / (high - low) and its weight w (high - low); with a weight below 0, 1 - r and
|w|. That changes the composite by a constant, so no advantage.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tamdp_theory.errors import InputError, quote
from tamdp_theory.model import Floats
from tamdp_theory.numbers import fraction

Ranges: TypeAlias = Mapping[str, tuple[Any, Any]]
"""name -> (low, high) of rewards that are not in [0, 1]."""
KNOWN_RANGES = {"soft_overlong_punishment_reward": (-1, 0), "repetition_penalty_reward": (-1, 0)}  # of trl.rewards


@dataclass(frozen=True)
class Scale:
    """What a reward with a range and a weight of any sign becomes: a reward in [0, 1] with a weight of at least 0."""

    low: Fraction
    high: Fraction
    weight: Fraction
    flipped: bool

    @classmethod
    def of(cls, name: str, weight: Fraction, ranges: Ranges) -> Self:
        """By its name: a range that is given, one that is known, or [0, 1]. InputError for an empty range."""
        low, high = (fraction(end, f"range of {name}") for end in ranges.get(name, KNOWN_RANGES.get(name, (0, 1))))
        if low >= high:
            raise InputError(f"ranges: {quote(name)} needs low < high, got {low} and {high}")
        return cls(low, high, abs(weight) * (high - low), weight < 0)

    def outside(self, values: Floats) -> NDArray[np.bool_]:
        """Which values are not in the range; NaN is nowhere."""
        result: NDArray[np.bool_] = (values < float(self.low)) | (values > float(self.high))
        return result

    def __call__(self, values: Floats) -> Floats:
        """The values in [0, 1], each taken as its shortest decimal; NaN stays."""
        if self.low == 0 and self.high == 1 and not self.flipped:
            return values
        there = np.isfinite(values)
        numbers, where = np.unique(values[there], return_inverse=True)
        brought = [(Fraction(repr(float(value))) - self.low) / (self.high - self.low) for value in numbers]
        result = values.copy()
        result[there] = np.array([float(1 - v if self.flipped else v) for v in brought])[where.reshape(-1)]
        return result


def check_names(ranges: Ranges, names: Iterable[str]) -> None:
    """InputError for a range of no reward."""
    known = list(names)
    for name in ranges:
        if name not in known:
            raise InputError(f"ranges: no reward {quote(name)}; there are {', '.join(known)}")
