"""Standardizing drawn groups, member axis first, for many groups at once: ties and closeness of rewards decided by
exact numbers.

A group's members are classes with exact values. Their distances from the group's first member come from tables that are
made once: integers where values are on a common grid, else their binary digits in chunks; either way differences of
entries are exact. So a group is silent exactly if all distances are 0.0, and where rewards are close their differences
are as accurate as where they are not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import lcm

import numpy as np

from tamdp_theory.errors import CapacityError
from tamdp_theory.estimators.scheme import Scheme
from tamdp_theory.exact.group import entries
from tamdp_theory.exact.multisets import Kinds, members_gains
from tamdp_theory.model import Floats, Ints

_CHUNK = 50  # binary digits: sums and differences of a few such integers are exact in floats
_CLOSEST = Fraction(1, 10**290)
_TINY = Fraction(1, 10**140)  # squares of smaller distances leave the range of floats
_ROUNDING = 64 * np.finfo(np.float64).eps


@dataclass(frozen=True, eq=False)
class Distances:
    """Distances between values of classes.

    chunks: tables (C,) that sum to the values, up to a constant per prompt, in ``unit``; tiny: rescale each group.
    """

    chunks: tuple[Floats, ...]
    unit: float
    tiny: bool

    @staticmethod
    def of(values: Sequence[Fraction], prompts: Sequence[Ints]) -> "Distances":
        """Tables for exact values (C,) of classes; prompts: the classes of each. CapacityError where values are closer
        than floats can tell.
        """
        shifted = list(values)
        least: Fraction | None = None
        for own in prompts:
            low = min(values[c] for c in own)
            for c in own:
                shifted[c] = values[c] - low
            gaps = [b - a for a, b in pairwise(sorted({shifted[c] for c in own}))]
            least = min([*gaps, *([] if least is None else [least])], default=None)
        if least is None:
            return Distances((np.zeros(len(shifted)),), 1.0, False)
        if least < _CLOSEST:
            raise CapacityError("rewards of a prompt differ by less than 1e-290, which floats cannot hold; round them")
        grid = lcm(*(v.denominator for v in shifted))
        if max(shifted) * grid < 2**_CHUNK:
            return Distances((np.array([float(v * grid) for v in shifted]),), float(Fraction(1, grid)), False)
        chunks, power = [], -_exponent(max(shifted))
        while Fraction(2) ** -power * 2**_CHUNK > least:
            power += _CHUNK
            quantum = Fraction(2) ** -power
            digits = [v // quantum for v in shifted]
            chunks.append(np.array([float(d * quantum) for d in digits]))
            shifted = [v - d * quantum for v, d in zip(shifted, digits, strict=True)]
        return Distances(tuple(chunks), 1.0, least < _TINY)

    def within(self, classes: Ints) -> Floats:
        """Distance of each member (G, ...) from the first one in ``unit``, given the members' classes."""
        total: Floats | None = None
        for table in self.chunks:
            part = table[classes]
            part -= part[0].copy()
            total = part if total is None else total + part
        assert total is not None
        return total

    def advantages(self, classes: Ints, scheme: Scheme) -> Floats:
        """Advantages of the members (G, ...) as seen through these values; 0 where all agree."""
        result: Floats = scheme.estimator.gain(_Place(self, classes, scheme))
        return result


@dataclass(frozen=True, eq=False)
class _Place:
    """All members of drawn groups (G, ...). Arrays are made once: ``ratio`` and ``times`` overwrite their argument."""

    values: Distances
    classes: Ints
    scheme: Scheme

    @property
    def size(self) -> int:
        return len(self.classes)

    @property
    def distance(self) -> Floats:
        distance = self.values.within(self.classes)
        distance -= distance.sum(axis=0) / len(distance)
        distance *= self.values.unit
        return distance

    @cached_property
    def _scaled(self) -> tuple[Floats, Floats | float]:
        """Distances from the first member, and eps: in the values' unit, or where that is tiny in the group's range."""
        distance, eps = self.values.within(self.classes), self.scheme.eps / self.values.unit
        if not self.values.tiny:
            return distance, eps
        unit = np.abs(distance).max(axis=0)
        unit[unit == 0] = 1.0
        return distance / unit, eps / unit

    @cached_property
    def deviation(self) -> Floats:
        distance = self._scaled[0]
        distance -= distance.sum(axis=0) / len(distance)
        return distance

    @cached_property
    def squares(self) -> Floats:
        """Sum of squared deviations (...): 0.0 exactly in silent groups."""
        result: Floats = (self.deviation**2).sum(axis=0)
        return result

    @property
    def spread(self) -> Floats:
        return np.sqrt(self.squares / (self.size - self.scheme.ddof))

    @property
    def eps(self) -> Floats | float:
        return self._scaled[1]

    def ratio(self, numerator: Floats, denominator: Floats) -> Floats:
        numerator *= np.divide(1.0, denominator, out=np.zeros_like(denominator), where=self.squares > 0)
        return numerator

    def times(self, value: Floats, factor: Fraction) -> Floats:
        value *= float(factor)
        return value

    def positive_part(self, value: Floats) -> Floats:
        return np.maximum(value, 0.0)

    def look_up(self, table: Sequence[Fraction]) -> Floats:
        return entries(table, self.distance, self.size)


@dataclass(frozen=True, eq=False)
class Members:
    """Values and lengths of classes (C,), for estimators that know a group by how many members have each value."""

    kinds: Kinds

    @staticmethod
    def of(values: Sequence[Fraction], lengths: Sequence[int], size: int) -> "Members":
        """Exact values (C,) of classes, for groups of ``size``."""
        return Members(Kinds.of(values, lengths, size))

    def advantages(self, classes: Ints, scheme: Scheme) -> Floats:
        """Advantages of the members (G, ...), given their classes."""
        last, kinds = np.moveaxis(classes, 0, -1), self.kinds
        gains = members_gains(Kinds(kinds.value[last], kinds.length[last], kinds.unit), scheme)
        return np.ascontiguousarray(np.moveaxis(gains, -1, 0))


def whiten(batch: Floats, scheme: Scheme, magnitude: float) -> Floats:
    """(v - mean) / (deviation + eps) along the first axis; 0 where all agree up to rounding of values of that
    magnitude.
    """
    size = len(batch)
    centred = batch - batch.sum(axis=0) / size
    scale = np.sqrt((centred**2).sum(axis=0) / (size - scheme.ddof)) + scheme.eps
    active = batch.max(axis=0) - batch.min(axis=0) > _ROUNDING * magnitude
    result: Floats = centred * np.divide(1.0, scale, out=np.zeros_like(scale), where=active)
    return result


def _exponent(value: Fraction) -> int:
    """e with 2^e > value > 0."""
    return value.numerator.bit_length() - value.denominator.bit_length() + 1
