"""The law of a batch's sums, group by group, with equal states merged.

On a grid the sums are integers, told apart exactly. Off it a state is (weight, tokens, mean, spread), combined by the
formula of Chan, Golub and LeVeque (1983), in which nothing cancels and silent batches keep a spread of exactly 0;
states that agree to rounding are merged.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import comb, gcd

import numpy as np

from tamdp_theory.errors import CapacityError
from tamdp_theory.estimators.batch.base import Sums
from tamdp_theory.exact.batch_types import Array, GroupTypes, rounded, summed
from tamdp_theory.model import Floats
from tamdp_theory.numbers import short_count

MAX_WORK = 200_000_000  # states times types, over all groups
_FITS = 2**62
Laws = Sequence[tuple[Floats, int]]  # laws of types (D,), and how many groups have each


@dataclass(frozen=True, eq=False)
class Totals(ABC):
    """How sums of groups of these types add up; columns (4, ...) hold a state. Make one with ``totals``."""

    types: GroupTypes

    @abstractmethod
    def start(self) -> Array:
        """Columns (4, D) of each type."""

    @abstractmethod
    def plus(self, one: Array, other: Array) -> Array:
        """Columns of two sums together; their shapes broadcast."""

    @abstractmethod
    def merge(self, states: Array, probability: Floats) -> tuple[Array, Floats]:
        """States (4, S), equal ones merged, and their probabilities (S,)."""

    @abstractmethod
    def sums(self, states: Array, lost: float) -> tuple[Sums, Floats]:
        """Of y, and the tokens."""

    @abstractmethod
    def bound(self, groups: int) -> int:
        """How many states so many groups have at most."""

    def work(self, groups: int) -> int:
        """States times types that the law of so many groups passes through, at most; counted until it is too many."""
        total = 0
        for n in range(groups + 1):
            total += self.bound(n) * self.types.count
            if total > MAX_WORK:
                break
        return total

    def law(self, laws: Laws) -> tuple[Array, Floats]:
        """States (4, S) of independent groups, and their probabilities (S,)."""
        start = self.start()
        states, probability = self.nothing(), np.ones(1)
        for law, groups in laws:
            seen = np.flatnonzero(law)
            for _ in range(groups):
                both = self.plus(states[:, :, None], start[:, None, seen]).reshape(4, -1)
                states, probability = self.merge(both, (probability[:, None] * law[seen]).ravel())
        return states, probability

    def nothing(self) -> Array:
        """The state (4, 1) of no groups."""
        return np.zeros((4, 1), dtype=self.start().dtype)


@dataclass(frozen=True, eq=False)
class GridTotals(Totals):
    """Integers (weight, tokens, sum of y, sum of y^2)."""

    columns: Array
    unit: float

    @cached_property
    def _steps(self) -> Array:
        """Each column less its least, over the greatest common divisor (C, D); equal ones, as are sums and
        squares of 0 and 1, once.
        """
        less = self.columns - self.columns.min(axis=1, keepdims=True)
        steps = less // np.array([[gcd(*row) or 1] for row in less.tolist()])
        result: Array = np.unique(steps, axis=0)
        return result

    def start(self) -> Array:
        return self.columns

    def plus(self, one: Array, other: Array) -> Array:
        return one + other

    def law(self, laws: Laws) -> tuple[Array, Floats]:
        if self.types.count == 1:
            return self.columns * sum(groups for _, groups in laws), np.ones(1)
        return super().law(laws)

    def merge(self, states: Array, probability: Floats) -> tuple[Array, Floats]:
        low = states.min(axis=1, keepdims=True)
        widths = (states - low).max(axis=1) + 1
        if float(np.prod(widths.astype(np.float64))) < _FITS:
            keys = np.ravel_multi_index(tuple(states - low), tuple(widths))
            _, first, place = np.unique(keys, return_index=True, return_inverse=True)
        else:
            _, first, place = np.unique(states.T, axis=0, return_index=True, return_inverse=True)
        return states[:, first], summed(place.ravel(), probability, len(first))

    def sums(self, states: Array, lost: float) -> tuple[Sums, Floats]:
        weight, tokens, total, squares = states
        spread = (weight * squares - total * total) / weight * self.unit**2
        return Sums(weight.astype(np.float64), total / weight * self.unit, spread, lost), tokens.astype(np.float64)

    def bound(self, groups: int) -> int:
        widest = 1
        for row in self._steps.max(axis=1).tolist():
            widest *= groups * row + 1
        return min(widest, comb(groups + self.types.count - 1, groups))


@dataclass(frozen=True, eq=False)
class RealTotals(Totals):
    """Floats (weight, tokens, mean, spread)."""

    def start(self) -> Array:
        return np.stack([self.types.weight, self.types.tokens, self.types.mean, self.types.spread])

    def plus(self, one: Array, other: Array) -> Array:
        weight = one[0] + other[0]
        share = np.divide(other[0], weight, out=np.zeros(weight.shape), where=weight > 0)
        gap = other[2] - one[2]
        # equal means stay what they are, to the bit
        mean = np.where(one[0] > 0, one[2] + gap * share, other[2])
        return np.stack([weight, one[1] + other[1], mean, one[3] + other[3] + one[0] * share * gap**2])

    def merge(self, states: Array, probability: Floats) -> tuple[Array, Floats]:
        keys = np.stack([rounded(column) for column in states], axis=1)
        _, first, place = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        return states[:, first], summed(place.ravel(), probability, len(first))

    def sums(self, states: Array, lost: float) -> tuple[Sums, Floats]:
        return Sums(states[0], states[2], states[3], lost), states[1]

    def bound(self, groups: int) -> int:
        return comb(groups + self.types.count - 1, groups)


def totals(types: GroupTypes, batch: int) -> Totals:
    """How sums over a batch of so many groups add up: in 64-bit integers where they fit."""
    if types.exact is not None:
        columns, unit = types.exact
        weight, _, _, squares = (max(map(abs, row)) for row in columns.tolist())
        if weight * squares * batch**2 < _FITS:
            return GridTotals(types, columns.astype(np.int64), float(unit))
    return RealTotals(types)


def check_work(found: Totals, batch: int, more: str) -> None:
    """CapacityError where the sums of all but one of the groups have too many states."""
    if (work := found.work(batch - 1)) <= MAX_WORK:
        return
    fits = 1
    while found.work(fits) <= MAX_WORK:
        fits += 1
    raise CapacityError(
        f"batch {batch}: {short_count(work)} sums or more of {found.types.count} types of groups exceed the limit of "
        f"{MAX_WORK:,}; batches of up to {fits} groups fit{more}, and batch=math.inf gives the limit of many prompts"
    )
