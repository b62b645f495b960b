"""Groups listed one by one, as multisets of reward classes, with ties decided on integers.

Where a statement is about every single group (theory.md section 6) there is nothing to convolve: this module lists the groups and
standardizes each component and the composite in them. Whether a component is silent in a group, or two of them are perfectly
correlated, is a question about equality; it is answered in integers, never with a tolerance.
"""

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
from tamdp_theory.exact.group import Scheme
from tamdp_theory.model import Floats, Ints
from tamdp_theory.numbers import short_count

MAX_GROUPS = 100_000
_EXACT = 2**62
_WIDEST = 10**300  # integers beyond do not fit a float


@dataclass(frozen=True, eq=False)
class Column:
    """One reward in every group: deviation (S, G) integers, over ``denominator`` the distance from the group mean."""

    deviation: NDArray[Any]
    denominator: int

    @cached_property
    def squares(self) -> NDArray[Any]:
        """Sum of squared deviations (S,), integers: zero exactly where the group is silent."""
        result: NDArray[Any] = (self.deviation * self.deviation).sum(axis=1)
        return result

    def spread(self, ddof: int) -> Floats:
        """sigma (S,) in reward units."""
        size = self.deviation.shape[1]
        result: Floats = np.sqrt(self.squares.astype(np.float64) / (size - ddof)) / self.denominator
        return result

    def advantages(self, eps: float, ddof: int) -> Floats:
        """Standardized deviations (S, G); 0 where silent."""
        active = self.squares != 0
        scale = np.divide(1 / self.denominator, self.spread(ddof) + eps, out=np.zeros(len(active)), where=active)
        result: Floats = self.deviation.astype(np.float64) * scale[:, None]
        return result


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of one prompt: members (S, G) are places in ``rewards`` (M classes, K components, exact)."""

    members: Ints
    rewards: tuple[tuple[Fraction, ...], ...]
    weights: tuple[Fraction, ...]

    @cached_property
    def components(self) -> tuple[Column, ...]:
        """Each reward component in every group."""
        return tuple(self._column([row[k] for row in self.rewards]) for k in range(len(self.weights)))

    @cached_property
    def composite(self) -> Column:
        """c = sum_k w_k R_k in every group."""
        return self._column([sum((w * r for w, r in zip(self.weights, row, strict=True)), Fraction(0)) for row in self.rewards])

    @property
    def size(self) -> int:
        """G."""
        return int(self.members.shape[1])

    def covariance(self, k: int, m: int) -> NDArray[Any]:
        """Sum of products of the integer deviations of two components (S,)."""
        result: NDArray[Any] = (self.components[k].deviation * self.components[m].deviation).sum(axis=1)
        return result

    @cached_property
    def correlation(self) -> Floats:
        """C (S, K, K), 0 in rows and columns of silent components."""
        count = len(self.weights)
        result = np.zeros((len(self.members), count, count))
        for k in range(count):
            for m in range(k + 1):
                scale = np.sqrt(self.components[k].squares.astype(np.float64)) * np.sqrt(self.components[m].squares.astype(np.float64))
                value = np.divide(self.covariance(k, m).astype(np.float64), scale, out=np.zeros(len(scale)), where=scale > 0)
                result[:, k, m] = result[:, m, k] = value
        return result

    def advantages(self, scheme: Scheme) -> Floats:
        """A (S, G) under a scheme (theory.md section 2)."""
        if scheme.normalization == "center":
            return self.composite.deviation.astype(np.float64) / self.composite.denominator
        if scheme.normalization == "sum_then_normalize":
            return self.composite.advantages(scheme.eps, scheme.ddof)
        parts = (float(w) * column.advantages(scheme.eps, scheme.ddof) for w, column in zip(self.weights, self.components, strict=True))
        return sum(parts, np.zeros(self.members.shape))

    def gap(self, ddof: int) -> Floats:
        """z (S, K): w_k (sigma_k / sigma_c - 1), -w_k where the composite is silent (theory.md section 6)."""
        total = self.composite.spread(ddof)
        shares = [np.divide(column.spread(ddof), total, out=np.zeros(len(total)), where=total > 0) for column in self.components]
        return np.stack([float(w) * (share - 1) for w, share in zip(self.weights, shares, strict=True)], axis=1)

    def _column(self, values: Sequence[Fraction]) -> Column:
        size, unit = self.size, lcm(*(v.denominator for v in values))
        integers = [int(v * unit) for v in values]
        wide = max(max(integers) - min(integers), 1) * size
        if max(wide**2, unit) * size > _WIDEST:
            raise CapacityError("listing groups: rewards need too many digits for a common denominator; round them")
        # squares and products of deviations must not wrap around
        table = np.array(integers, dtype=np.int64 if wide**2 * size < _EXACT and max(map(abs, integers)) * size < _EXACT else object)
        group = table[self.members]
        return Column(size * group - group.sum(axis=1, keepdims=True), size * unit)


def count_multisets(kinds: int, size: int) -> int:
    """Number of multisets of ``size`` out of ``kinds``."""
    return comb(kinds + size - 1, size)


def list_multisets(kinds: int, size: int) -> tuple[Ints, Floats]:
    """Every multiset (S, size) and the number of its orders (S,). CapacityError beyond MAX_GROUPS."""
    if (count := count_multisets(kinds, size)) > MAX_GROUPS:
        raise CapacityError(f"{short_count(count)} groups of {size} out of {kinds} exceed the limit of {MAX_GROUPS:,}; use a smaller group or instance")
    found = list(combinations_with_replacement(range(kinds), size))
    ways = [factorial(size) // prod(factorial(group.count(kind)) for kind in set(group)) for group in found]
    return np.array(found, dtype=np.int64).reshape(len(found), size), np.array(ways, dtype=np.float64)
