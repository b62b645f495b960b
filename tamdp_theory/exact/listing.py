"""Groups listed one by one, as multisets of reward classes, with ties decided on integers.

Where a statement is about every single group (theory.md section 6) there is nothing to convolve: this module lists the
groups and standardizes each component and the composite in them. Whether a component is silent in a group, or two of
them are perfectly correlated, is a question about equality; it is answered in integers, never with a tolerance.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import combinations_with_replacement
from math import comb, factorial, lcm, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamdp_theory.errors import CapacityError
from tamdp_theory.estimators.scheme import Scheme
from tamdp_theory.exact.group import entries
from tamdp_theory.exact.multisets import Kinds, aggregation_factor, known_lengths, members_gains
from tamdp_theory.model import Floats, Ints
from tamdp_theory.numbers import ratio, short_count, sign

MAX_GROUPS = 100_000
_EXACT = 2**62
_WIDEST = 10**2000  # integers beyond take too long in every group


@dataclass(frozen=True, eq=False)
class Column:
    """One reward in every group: deviation (S, G) integers, over ``denominator`` the distance from the group mean.

    Deviations are int64 where their squares cannot wrap around, else Python integers; sums of products are Python
    integers always, so whatever is computed of them is exact. Floats are rounded once or twice, whatever the size of
    the integers.
    """

    deviation: NDArray[Any]
    denominator: int

    @cached_property
    def squares(self) -> NDArray[Any]:
        """Sum of squared deviations (S,), Python integers: zero exactly where the group is silent."""
        result: NDArray[Any] = (self.deviation * self.deviation).sum(axis=1).astype(object)
        return result

    def spread(self, ddof: int) -> Floats:
        """sigma (S,) in reward units; 0 where it is below what a float can hold."""
        unit = (self.deviation.shape[1] - ddof) * self.denominator**2
        return np.array([root_of_ratio(n, unit) for n in self.squares])

    def advantages(self, scheme: Scheme) -> Floats:
        """A (S, G) as seen through this column, before its coefficient; 0 where silent."""
        result: Floats = scheme.estimator.gain(_Place(self, scheme))
        return result


@dataclass(frozen=True, eq=False)
class _Place:
    """All members of the groups of a column (S, G): each row in units of a power of two near its spread, so that
    nothing is too large or too small for a float."""

    column: Column
    scheme: Scheme

    @property
    def size(self) -> int:
        return int(self.column.deviation.shape[1])

    @property
    def distance(self) -> Floats:
        return np.array([[ratio(int(d), self.column.denominator) for d in row] for row in self.column.deviation])

    @cached_property
    def power(self) -> list[int]:
        """Exponent of each row's unit (S,)."""
        return [max(int(n).bit_length() // 2, 1) for n in self.column.squares]

    @property
    def deviation(self) -> Floats:
        deviation = self.column.deviation
        if deviation.dtype == object:
            rows = zip(deviation, self.power, strict=True)
            return np.array([[ratio(d, 1 << k) for d in row] for row, k in rows])
        result: Floats = np.ldexp(deviation.astype(np.float64), -np.array(self.power)[:, None])
        return result

    @property
    def spread(self) -> Floats:
        free = self.size - self.scheme.ddof
        rows = zip(self.column.squares, self.power, strict=True)
        return np.array([root_of_ratio(n, free << 2 * k) for n, k in rows])[:, None]

    @property
    def eps(self) -> Floats | float:
        if not self.scheme.eps:
            return 0.0
        return np.array([self.scheme.eps * ratio(self.column.denominator, 1 << k) for k in self.power])[:, None]

    def ratio(self, numerator: Floats, denominator: Floats) -> Floats:
        return numerator / np.where((self.column.squares != 0)[:, None], denominator, 1.0)

    def times(self, value: Floats, factor: Fraction) -> Floats:
        return value * float(factor)

    def positive_part(self, value: Floats) -> Floats:
        return np.maximum(value, 0.0)

    def look_up(self, table: Sequence[Fraction]) -> Floats:
        return entries(table, self.distance, self.size)


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of one prompt: members (S, G) are places in ``rewards`` (M classes, K components, exact); lengths (M,) of
    the classes in tokens, and the longest of any trajectory, where they play a part.
    """

    members: Ints
    rewards: tuple[tuple[Fraction, ...], ...]
    weights: tuple[Fraction, ...]
    lengths: tuple[int, ...] | None = None
    longest: int = 1

    @cached_property
    def components(self) -> tuple[Column, ...]:
        """Each reward component in every group."""
        return tuple(self._column(tuple(row[k] for row in self.rewards)) for k in range(len(self.weights)))

    @cached_property
    def composite(self) -> Column:
        """c = sum_k w_k R_k in every group."""
        rows = (zip(self.weights, row, strict=True) for row in self.rewards)
        return self._column(tuple(sum((w * r for w, r in row), Fraction(0)) for row in rows))

    @property
    def size(self) -> int:
        """G."""
        return int(self.members.shape[1])

    def covariance(self, k: int, m: int) -> NDArray[Any]:
        """Sum of products of the integer deviations of two components (S,), Python integers."""
        result: NDArray[Any] = (self.components[k].deviation * self.components[m].deviation).sum(axis=1).astype(object)
        return result

    @cached_property
    def correlation(self) -> Floats:
        """C (S, K, K), 0 in rows and columns of silent components; exactly 1 or -1 where two components are in line."""
        count = len(self.weights)
        result = np.zeros((len(self.members), count, count))
        for k in range(count):
            for m in range(k + 1):
                products = self.components[k].squares * self.components[m].squares
                value = [
                    sign(c) * root_of_ratio(c * c, p) if p else 0.0
                    for c, p in zip(self.covariance(k, m), products, strict=True)
                ]
                result[:, k, m] = result[:, m, k] = value
        return result

    def advantages(self, scheme: Scheme) -> Floats:
        """A (S, G) under a scheme (theory.md section 2), with what its aggregation multiplies it by."""
        gains = self._gains(scheme)
        if scheme.aggregation == "trajectory":
            return gains
        lengths = np.array(known_lengths(scheme, self.lengths, len(self.rewards)))[self.members]
        return gains * aggregation_factor(scheme, lengths, self.longest)

    def _gains(self, scheme: Scheme) -> Floats:
        columns = scheme.estimator.columns(self.rewards, self.weights)
        if scheme.estimator.statistics == "counts":
            lengths = known_lengths(scheme, self.lengths, len(self.rewards))
            own = Kinds.of(columns[0][1], lengths, scheme.group_size)
            return members_gains(Kinds(own.value[self.members], own.length[self.members], own.unit), scheme)
        parts = (float(w) * self._column(values).advantages(scheme) for w, values in columns)
        return sum(parts, np.zeros(self.members.shape))

    def gap(self) -> Floats:
        """z (S, K): w_k (sigma_k / sigma_c - 1), -w_k where the composite is silent (theory.md section 6); ddof
        cancels.
        """
        total = self.composite.squares
        columns = []
        for w, column in zip(self.weights, self.components, strict=True):
            own, other = self.composite.denominator**2, column.denominator**2
            columns.append(
                [
                    float(w) * (_root_less_one(n * own, t * other) if t else -1.0)
                    for n, t in zip(column.squares, total, strict=True)
                ]
            )
        return np.array(columns).T.reshape(len(self.members), len(self.weights))

    @cached_property
    def _known(self) -> dict[tuple[Fraction, ...], Column]:
        return {}

    def _column(self, values: tuple[Fraction, ...]) -> Column:
        if values not in self._known:
            self._known[values] = self._centred(values)
        return self._known[values]

    def _centred(self, values: tuple[Fraction, ...]) -> Column:
        size, unit = self.size, lcm(*(v.denominator for v in values))
        integers = [int(v * unit) for v in values]
        wide = max(max(integers) - min(integers), 1) * size
        if max(wide, unit) > _WIDEST:
            raise CapacityError("listing groups: rewards need too many digits for a common denominator; round them")
        # squares and products of deviations must not wrap around
        table = np.array(
            integers, dtype=np.int64 if wide**2 * size < _EXACT and max(map(abs, integers)) * size < _EXACT else object
        )
        group = table[self.members]
        return Column(size * group - group.sum(axis=1, keepdims=True), size * unit)


def root_of_ratio(numerator: int, denominator: int) -> float:
    """sqrt(numerator / denominator) of integers >= 0 and > 0 to a unit in the last place, whatever their size."""
    half = (numerator.bit_length() - denominator.bit_length()) // 2
    near = (
        numerator / (denominator << 2 * half) if half >= 0 else (numerator << -2 * half) / denominator
    )  # between 1/4 and 8, or 0
    try:
        return math.ldexp(math.sqrt(near), half)
    except OverflowError:
        return math.inf


def _root_less_one(numerator: int, denominator: int) -> float:
    """sqrt(numerator / denominator) - 1 without cancellation."""
    root = root_of_ratio(numerator, denominator)
    return root - 1 if root > 2 else ratio(numerator - denominator, denominator) / (root + 1)


def count_multisets(kinds: int, size: int) -> int:
    """Number of multisets of ``size`` out of ``kinds``."""
    return comb(kinds + size - 1, size)


def list_multisets(kinds: int, size: int) -> tuple[Ints, Floats]:
    """Every multiset (S, size) and the number of its orders (S,). CapacityError beyond MAX_GROUPS."""
    if (count := count_multisets(kinds, size)) > MAX_GROUPS:
        raise CapacityError(
            f"{short_count(count)} groups of {size} out of {kinds} exceed the limit of {MAX_GROUPS:,}; use a smaller "
            f"group or instance"
        )
    found = list(combinations_with_replacement(range(kinds), size))
    ways = [factorial(size) // prod(factorial(group.count(kind)) for kind in set(group)) for group in found]
    return np.array(found, dtype=np.int64).reshape(len(found), size), np.array(ways, dtype=np.float64)
