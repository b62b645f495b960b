"""Groups as multisets of kinds, for estimators that need to know how many members have each value.

Rewards are integers over a common unit, so comparisons and sums are exact; advantages are quotients of such integers,
each rounded once (``FloatMultiset``; ball_multisets.py has the same in exact numbers).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamdp_theory.errors import InputError
from tamdp_theory.estimators.scheme import Scheme
from tamdp_theory.model import Floats, Ints
from tamdp_theory.numbers import fraction, ratio

_SAFE = 2**62


@dataclass(frozen=True, eq=False)
class Kinds:
    """What members can be: ``value`` (..., J) integers in ``unit`` of reward, ``length`` (..., J) tokens."""

    value: NDArray[Any]
    length: Ints
    unit: Fraction

    @staticmethod
    def of(values: Sequence[Fraction], lengths: Sequence[int], size: int) -> "Kinds":
        """Kinds (J,) with exact values, for groups of ``size``."""
        grid = lcm(*(v.denominator for v in values))
        return Kinds.from_integers(
            np.array([int(v * grid) for v in values], dtype=object), np.array(lengths), Fraction(1, grid), size
        )

    @staticmethod
    def from_integers(value: NDArray[Any], length: Ints, unit: Fraction, size: int) -> "Kinds":
        """Kinds (..., J); as 64-bit integers where no sum of squares over a group can leave them."""
        widest = max((abs(int(v)) for v in (value.max(initial=0), value.min(initial=0))), default=0)
        longest = int(length.max(initial=1))
        narrow = (2 * widest * size * longest) ** 2 * size**2 < _SAFE
        return Kinds(value.astype(np.int64 if narrow else object), length, unit)

    @cached_property
    def difference(self) -> NDArray[Any]:
        """Row less column (..., J, J)."""
        result: NDArray[Any] = self.value[..., :, None] - self.value[..., None, :]
        return result


@dataclass(frozen=True, eq=False)
class Counted(ABC):
    """Groups with ``counts`` (..., J) members of each kind, whose arrays broadcast with those of ``kinds``."""

    kinds: Kinds
    counts: Ints
    scheme: Scheme

    @property
    def size(self) -> int:
        """G."""
        return self.scheme.group_size

    @property
    def ddof(self) -> int:
        """Of the scheme."""
        return self.scheme.ddof

    @property
    def unit(self) -> Fraction:
        """Reward of the integer 1."""
        return self.kinds.unit

    @property
    def value(self) -> NDArray[Any]:
        """(..., J), in units."""
        return self.kinds.value

    @property
    def difference(self) -> NDArray[Any]:
        """(..., J, J), in units."""
        return self.kinds.difference

    @property
    def length(self) -> Ints:
        """(..., J), tokens."""
        return self.kinds.length

    def total(self, kinds: Any) -> Any:
        """Sum over members (...)."""
        return (kinds * self.counts).sum(axis=-1)

    def each(self, pairs: Any) -> Any:
        """Sum over members (..., J) of the columns of (..., J, J)."""
        if pairs.ndim == 2 and pairs.dtype != object:
            return self.counts @ np.asarray(pairs, dtype=np.int64).T
        return (pairs * self.counts[..., None, :]).sum(axis=-1)

    @property
    def eps_in_units(self) -> Fraction:
        """The scheme's eps as the decimal that was written, in units."""
        return fraction(float(self.scheme.eps), "eps") / self.kinds.unit

    @property
    @abstractmethod
    def eps(self) -> Any:
        """The scheme's eps, in units."""

    @abstractmethod
    def quotient(self, numerator: Any, denominator: Any) -> Any:
        """Of integers; 0 where the denominator is."""

    @abstractmethod
    def divide(self, numerator: Any, denominator: Any) -> Any:
        """Of numbers; 0 where the denominator is."""

    @abstractmethod
    def reward(self, integers: Any) -> Any:
        """Integers in units as rewards."""

    @abstractmethod
    def root(self, value: Any) -> Any:
        """Square root."""

    @abstractmethod
    def exp(self, integers: Any, factor: Fraction) -> Any:
        """exp(factor * reward)."""

    @abstractmethod
    def positive_part(self, value: Any) -> Any:
        """max(value, 0)."""

    @abstractmethod
    def times(self, value: Any, factor: Fraction) -> Any:
        """Times a rational."""

    @abstractmethod
    def numbers(self, values: Any) -> Any:
        """Rationals and floats (an array of objects) as numbers."""

    @abstractmethod
    def look_up(self, table: Sequence[Fraction], place: Any) -> Any:
        """Entries of a table."""


@dataclass(frozen=True, eq=False)
class _Place:
    """Members of each kind (..., J) as an estimator of sums sees them, in units."""

    group: Counted

    @property
    def size(self) -> int:
        return self.group.size

    @cached_property
    def _centred(self) -> Any:
        """G times the distance from the mean, integers; 0 of kinds without members."""
        return self.group.each(self.group.difference) * (self.group.counts > 0)

    @cached_property
    def _squares(self) -> Any:
        return self.group.total(self._centred**2)

    @property
    def distance(self) -> Any:
        return self.group.reward(self._centred) * self.group.quotient(1, self.size)

    @property
    def deviation(self) -> Any:
        return self.group.quotient(self._centred, self.size)

    @property
    def spread(self) -> Any:
        free = self.size**2 * (self.size - self.group.ddof)
        return self.group.root(self.group.quotient(self._squares, free))[..., None]

    @property
    def eps(self) -> Any:
        return self.group.eps

    def ratio(self, numerator: Any, denominator: Any) -> Any:
        return self.group.divide(numerator * (self._squares != 0)[..., None], denominator)

    def times(self, value: Any, factor: Fraction) -> Any:
        return self.group.times(value, factor)

    def positive_part(self, value: Any) -> Any:
        return self.group.positive_part(value)

    def look_up(self, table: Sequence[Fraction]) -> Any:
        return self.group.look_up(table, self.size - 1 + self._centred)


def gains_of(group: Counted) -> Any:
    """A (..., J) of a member of each kind as seen through one column, by the scheme's estimator, whatever it needs."""
    estimator = group.scheme.estimator
    return estimator.gains(group) if estimator.statistics == "counts" else estimator.gain(_Place(group))


class FloatMultiset(Counted):
    """In floats, each quotient rounded once."""

    @property
    def eps(self) -> float:
        return ratio(self.eps_in_units.numerator, self.eps_in_units.denominator)

    def quotient(self, numerator: Any, denominator: Any) -> Floats:
        above, below = np.broadcast_arrays(numerator, denominator)
        if above.dtype == object or below.dtype == object:
            pairs = zip(above.ravel().tolist(), below.ravel().tolist(), strict=True)
            values = [_ratio(int(n), int(d)) for n, d in pairs]
            return np.array(values, dtype=np.float64).reshape(above.shape)
        result: Floats = np.divide(above, below, out=np.zeros(above.shape), where=below != 0)
        return result

    def divide(self, numerator: Any, denominator: Any) -> Floats:
        above, below = np.broadcast_arrays(numerator, denominator)
        result: Floats = np.divide(above, below, out=np.zeros(above.shape), where=below != 0)
        return result

    def reward(self, integers: Any) -> Floats:
        unit = self.kinds.unit
        if np.asarray(integers).dtype == object:
            return self.quotient(np.asarray(integers) * unit.numerator, np.asarray(unit.denominator, dtype=object))
        result: Floats = np.asarray(integers) * ratio(unit.numerator, unit.denominator)
        return result

    def root(self, value: Any) -> Floats:
        result: Floats = np.sqrt(value)
        return result

    def exp(self, integers: Any, factor: Fraction) -> Floats:
        result: Floats = np.exp(np.minimum(float(factor) * self.reward(integers), 700.0))
        return result

    def positive_part(self, value: Any) -> Floats:
        result: Floats = np.maximum(value, 0.0)
        return result

    def times(self, value: Any, factor: Fraction) -> Floats:
        result: Floats = value * float(factor)
        return result

    def numbers(self, values: Any) -> Floats:
        return np.asarray(values).astype(np.float64)

    def look_up(self, table: Sequence[Fraction], place: Any) -> Floats:
        result: Floats = np.array([float(v) for v in table])[np.asarray(place, dtype=np.int64)]
        return result


def _ratio(numerator: int, denominator: int) -> float:
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    return ratio(numerator, denominator) if denominator else 0.0


def members_gains(kinds: Kinds, scheme: Scheme) -> Floats:
    """A (..., G) of groups whose members are the kinds (..., G)."""
    counts = np.ones(np.broadcast_shapes(kinds.value.shape, kinds.length.shape), dtype=np.int64)
    gains = gains_of(FloatMultiset(kinds, counts, scheme))
    return np.array(np.broadcast_to(gains, counts.shape), dtype=np.float64)


def aggregation_factor(scheme: Scheme, lengths: Ints, longest: int) -> Floats | float:
    """What the advantages of groups are multiplied by, given lengths (..., G) of their members."""
    if scheme.aggregation == "sequence_mean":
        result: Floats = 1 / lengths
        return result
    if scheme.aggregation == "token_mean":
        whole: Floats = lengths.shape[-1] / lengths.sum(axis=-1, keepdims=True)
        return whole
    return 1 / longest if scheme.aggregation == "constant" else 1.0


def known_lengths(scheme: Scheme, lengths: Sequence[int] | None, count: int) -> Sequence[int]:
    """Lengths of ``count`` classes, 1 where they play no part. InputError where they do and are not known."""
    if not scheme.lengths:
        return (1,) * count
    if lengths is None:
        what = str(scheme.estimator) if scheme.estimator.lengths else f"aggregation {scheme.aggregation}"
        raise InputError(f"{what}: needs the lengths of the classes, in tokens")
    return lengths
