"""The law of group statistics, with equal states merged.

A group's advantages depend on its members only through sums over members: sum v and sum v^2 of each standardized
variable (the composite, or each component). With values on a common grid these sums are integers that take few values,
so the law of n members is built member by member on merged integer states (``GridStates``), at a cost polynomial in n.
Values without a usable grid are kept as multisets of reward classes (``MultisetStates``); their number is a binomial
coefficient, checked before work starts.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import comb, gcd, lcm, prod

import numpy as np

from tamdp_theory.errors import CapacityError
from tamdp_theory.estimators.base import Statistics
from tamdp_theory.model import Floats, Ints

MAX_STATES = 3_000_000  # of one number of members
MAX_TOTAL = 50_000_000  # summed over numbers of members: what building the law passes through
_MAX_KEY = 2**62
_COLUMNS = 32
_CLOSEST = Fraction(1, 10**290)


@dataclass(frozen=True, eq=False)
class GroupStates(ABC):
    """States of up to ``members`` independent members; make one with ``group_states``.

    label (M,) maps reward classes to J merged classes (equal in every variable); ``unit[v]`` is what variable v is
    measured in.
    """

    label: Ints
    classes: int
    unit: tuple[float, ...]
    members: int

    @abstractmethod
    def laws(self, probability: Floats) -> tuple[Floats, Floats]:
        """Law of the state of ``members`` - 1 and of ``members`` members, (S, B) each; probability (M, B)."""

    @abstractmethod
    def deviations(self, members: int, extra: Sequence[int], variable: int, of: int) -> tuple[Floats, Floats]:
        """n times the distance of class ``of`` from the group mean, and n times the group's deviation with ddof 0, in
        each state (S,).

        The group is ``members`` members in that state and the merged classes ``extra``, of which ``of`` is one. The
        deviation is 0.0 exactly where all agree, and else accurate to about n roundings, however close the values.
        Units: ``unit[variable]``.
        """

    def merged(self, probability: Floats) -> Floats:
        """Probabilities (J, B) of the merged classes."""
        result = np.zeros((self.classes, probability.shape[1]))
        np.add.at(result, self.label, probability)
        return result


@dataclass(frozen=True, eq=False)
class GridStates(GroupStates):
    """Integer sums, packed into one key: ``increments`` (J, F) is what a member adds, ``radix`` (F,) packs the F sums.

    columns[v]: which sums hold sum v and sum v^2 of variable v (None: not kept); values[v] (J,): the integers of
    variable v, from 0 up. ``group_states`` sees to it that no sum leaves 64 bits.
    """

    values: tuple[Ints, ...]
    increments: Ints
    radix: tuple[int, ...]
    columns: tuple[tuple[int, int | None], ...]

    @cached_property
    def weight(self) -> Ints:
        """What one member of each merged class adds to the key (J,)."""
        return self.increments @ np.cumprod((1, *self.radix[:-1]))

    @cached_property
    def keys(self) -> tuple[Ints, ...]:
        """Keys (S_n,) of the states of n = 0..members members, ascending."""
        keys, total = [np.zeros(1, dtype=np.int64)], 0
        for n in range(self.members):
            keys.append(_distinct(keys[-1][:, None] + self.weight, prod(self.radix)))
            # more members never have fewer states, so this many at least are still to come
            least = total + len(keys[-1]) * (self.members - n)
            total += len(keys[-1])
            if len(keys[-1]) > MAX_STATES or least > MAX_TOTAL:
                raise too_many_states(least, self.members + 1, len(self.weight), "at least ")
        return tuple(keys)

    def laws(self, probability: Floats) -> tuple[Floats, Floats]:
        # a few columns at a time stay in the cache
        parts = [self._laws(probability[:, i : i + _COLUMNS]) for i in range(0, probability.shape[1], _COLUMNS)]
        before, law = (np.concatenate(part, axis=1) for part in zip(*parts, strict=True))
        return before, law

    def _laws(self, probability: Floats) -> tuple[Floats, Floats]:
        merged = self.merged(probability)
        law = before = np.ones((1, probability.shape[1]))
        for keys, new_keys in pairwise(self.keys):
            padded = np.concatenate([law, np.zeros((1, law.shape[1]))])  # the last row: a state that was not there
            before, law = law, np.zeros((len(new_keys), law.shape[1]))
            term = np.empty_like(law)
            for weight, one in zip(self.weight, merged, strict=True):
                source = np.full(len(new_keys), len(keys))
                source[np.searchsorted(new_keys, keys + weight)] = np.arange(len(keys))
                np.take(padded, source, axis=0, out=term, mode="clip")
                term *= one
                law += term
        return before, law

    def deviations(self, members: int, extra: Sequence[int], variable: int, of: int) -> tuple[Floats, Floats]:
        total, squared = self.columns[variable]
        first, size = self._sum(members, total, extra), members + len(extra)
        centred = (size * self.values[variable][of] - first).astype(float)
        if squared is None:
            return centred, np.full(len(first), np.nan)
        second = self._sum(members, squared, extra)
        return centred, np.sqrt((size * second - first**2).astype(float))

    def _sum(self, members: int, column: int, extra: Sequence[int]) -> Ints:
        place = prod(self.radix[:column])
        result: Ints = self.keys[members] // place % self.radix[column] + self.increments[list(extra), column].sum()
        return result


@dataclass(frozen=True, eq=False)
class MultisetStates(GroupStates):
    """Sorted sequences of merged classes; each is its parent with one class appended.

    differences[v] (J, J): value of the row's class less that of the column's, each rounded once from exact numbers, so
    that classes that are close to one another and far from zero, or from a third, keep their distances.
    """

    differences: tuple[Floats, ...]

    @cached_property
    def steps(self) -> tuple[tuple[Ints, Ints, Floats], ...]:
        """For n = 1..members: parent state, appended class, and the factor of the multinomial coefficient,
        each (S_n,).
        """
        classes = self.classes
        last, run = np.zeros(1, dtype=np.int64), np.zeros(1)
        steps = []
        for n in range(1, self.members + 1):
            choices = classes - last
            parent = np.repeat(np.arange(len(last)), choices)
            appended = np.arange(len(parent)) - np.repeat(np.cumsum(choices) - choices, choices) + last[parent]
            run = np.where(appended == last[parent], run[parent] + 1, 1.0)
            last = appended
            steps.append((parent, appended, n / run))
        return tuple(steps)

    def laws(self, probability: Floats) -> tuple[Floats, Floats]:
        merged = self.merged(probability)
        law = before = np.ones((1, probability.shape[1]))
        for parent, appended, factor in self.steps:
            before, law = law, law[parent] * merged[appended] * factor[:, None]
        return before, law

    def deviations(self, members: int, extra: Sequence[int], variable: int, of: int) -> tuple[Floats, Floats]:
        # distances from the member ``of``, in units of the largest one in the group: 0 and 1 are among them, so their
        # deviation is no difference of large numbers, and no square is too small for a float
        joined = self.differences[variable][list(extra), of]
        own = np.abs(joined).max()
        scale, total, squares = self._summary(members, variable, of)
        largest = np.maximum(scale, own)
        unit = np.where(largest > 0, largest, 1.0)
        scaled = joined / unit[:, None]
        size, more = members + len(joined), len(joined)
        mean = scaled.sum(axis=1) / more
        share = scale / unit
        # Chan, Golub and LeVeque (1983): a sum of positive terms, so nothing cancels
        squares = squares * share**2 + ((scaled - mean[:, None]) ** 2).sum(axis=1)
        if members:
            squares = squares + members * more / size * (total * share / members - mean) ** 2
        centred = -(total * share + scaled.sum(axis=1))
        return centred * unit, np.where(largest > 0, np.sqrt(size * squares) * unit, 0.0)

    def _summary(self, members: int, variable: int, of: int) -> tuple[Floats, Floats, Floats]:
        """Largest distance from class ``of`` in the states (S,) of ``members`` members; in units of it the distances'
        sum and centred squares.
        """
        if (members, variable, of) not in self._summaries:
            distance = self.differences[variable][:, of]
            scale, total, squares = np.zeros(1), np.zeros(1), np.zeros(1)
            for n, (parent, appended, _) in enumerate(self.steps[:members]):
                # Welford (1962), in units of the largest distance so far: positive terms again
                old, value = scale[parent], distance[appended]
                scale = np.maximum(old, np.abs(value))
                unit = np.where(scale > 0, scale, 1.0)
                share, value = old / unit, value / unit
                total, squares = total[parent] * share, squares[parent] * share**2
                if n:
                    squares += n / (n + 1) * (value - total / n) ** 2
                total += value
            self._summaries[members, variable, of] = scale, total, squares
        return self._summaries[members, variable, of]

    @cached_property
    def _summaries(self) -> dict[tuple[int, int, int], tuple[Floats, Floats, Floats]]:
        return {}


def difference_table(values: Sequence[Fraction]) -> Floats:
    """values[row] - values[column], each rounded once. CapacityError where two different values are closer than floats
    can tell.
    """
    table = np.zeros((len(values), len(values)))
    for i, one in enumerate(values):
        for j, other in enumerate(values[:i]):
            if gap := one - other:
                if abs(gap) < _CLOSEST:
                    raise CapacityError("rewards differ by less than 1e-290, which floats cannot hold; round them")
                table[i, j] = float(gap)
    result: Floats = table - table.T
    return result


def group_states(
    variables: Sequence[Sequence[Fraction]], members: int, statistics: Statistics = "squares"
) -> GroupStates:
    """Plan the states of ``members`` members for variables given by their exact values per reward class (each (M,)).

    statistics: "total" where sums of values are enough; deviations then have no spread (NaN).

    Raises CapacityError if more than MAX_STATES states would be needed.
    """
    rows = list(zip(*variables, strict=True))
    # two values already make n + 1 states of n members
    if members * (members + 1) // 2 > MAX_TOTAL:
        raise too_many_states(members * (members + 1) // 2, members + 1, len(set(rows)), "at least ")
    order = {row: j for j, row in enumerate(sorted(set(rows)))}
    label = np.array([order[row] for row in rows])
    shifted = [[value - min(column) for value in column] for column in zip(*order, strict=True)]
    scale = [_per_unit(column) for column in shifted]
    grids = [[int(value * s) for value in column] for column, s in zip(shifted, scale, strict=True)]

    features: list[list[int]] = []
    columns: list[tuple[int, int | None]] = []
    for grid in grids:
        features.append(grid)
        first = len(features) - 1
        if statistics == "total":
            columns.append((first, None))
        elif max(grid) > 1:
            features.append([value**2 for value in grid])
            columns.append((first, first + 1))
        else:
            columns.append((first, first))
    radix = tuple(members * max(feature) + 1 for feature in features)
    fits = all(((members + 2) * max(grid)) ** 2 * 2 < _MAX_KEY for grid in grids) and prod(radix) < _MAX_KEY
    if fits:
        unit = tuple(float(1 / s) for s in scale)
        values = tuple(np.array(grid, dtype=np.int64) for grid in grids)
        return GridStates(
            label, len(order), unit, members, values, np.array(features, dtype=np.int64).T, radix, tuple(columns)
        )
    if (bound := comb(members + len(order) - 1, members)) > MAX_STATES:
        raise too_many_states(bound, members + 1, len(order), "")
    return MultisetStates(
        label, len(order), (1.0,) * len(shifted), members, tuple(difference_table(column) for column in shifted)
    )


def _per_unit(values: Sequence[Fraction]) -> Fraction:
    """One over the largest number of which every value is a multiple: the coarsest grid."""
    return Fraction(lcm(*(v.denominator for v in values)), gcd(*(v.numerator for v in values)) or 1)


def _distinct(keys: Ints, bound: int) -> Ints:
    """Sorted distinct keys, all below ``bound``: by marking where the range is small, else by sorting."""
    if bound > 2**24:
        return np.unique(keys)
    seen = np.zeros(bound, dtype=bool)
    seen[keys] = True
    return np.flatnonzero(seen)


def too_many_states(states: int, group_size: int, classes: int, prefix: str) -> CapacityError:
    """The error for group statistics that do not fit.

    Args:
        states: how many there would be.
        group_size: G.
        classes: distinct reward values.
        prefix: "at least ", where the count is a bound.
    """
    return CapacityError(
        f"group_size {group_size}: {prefix}{states:,} states of the group statistics ({classes} distinct reward "
        f"values) exceed the "
        f"limit of {MAX_STATES:,} ({MAX_TOTAL:,} over all member counts); use a smaller group, or weights and "
        "rewards on a common coarse grid such as multiples of 1/10"
    )


def bound_states(variables: Sequence[Sequence[Fraction]], members: int) -> tuple[int, int]:
    """Merged classes J, and a bound on the states of ``members`` members, without making any."""
    distinct = set(zip(*variables, strict=True))
    bound = comb(members + len(distinct) - 1, members) if members < 10**7 else MAX_TOTAL + 1
    grid = 1
    for column in zip(*distinct, strict=True):
        shifted = [value - min(column) for value in column]
        top = int(max(shifted) * _per_unit(shifted))
        grid *= (members * top + 1) * (members * top**2 + 1 if top > 1 else 1)
    return len(distinct), min(bound, grid)
