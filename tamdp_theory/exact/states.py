"""The law of group statistics, with equal states merged.

A group's advantages depend on its members only through sums over members: sum v and sum v^2 of each standardized variable
(the composite, or each component). With values on a common grid these sums are integers that take few values, so the law of
n members is built member by member on merged integer states (``GridStates``), at a cost polynomial in n. Values without a
usable grid are kept as multisets of reward classes (``MultisetStates``); their number is a binomial coefficient, checked
before work starts.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import comb, lcm, prod

import numpy as np

from tamdp_theory.errors import CapacityError
from tamdp_theory.model import Floats, Ints

MAX_STATES = 3_000_000  # of one number of members
MAX_TOTAL = 50_000_000  # summed over numbers of members: what building the law passes through
_MAX_KEY = 2**62
_COLUMNS = 32


@dataclass(frozen=True, eq=False)
class GroupStates(ABC):
    """States of up to ``members`` independent members; make one with ``group_states``.

    label (M,) maps reward classes to J merged classes (equal in every variable); values[v] (J,) are the values of variable v
    less their minimum, in ``unit[v]``.
    """

    label: Ints
    values: tuple[Floats, ...]
    unit: tuple[float, ...]
    members: int

    @abstractmethod
    def laws(self, probability: Floats) -> tuple[Floats, Floats]:
        """Law of the state of ``members`` - 1 and of ``members`` members, (S, B) each; probability (M, B)."""

    @abstractmethod
    def totals(self, members: int, extra: Sequence[int], variable: int) -> tuple[Floats, Floats]:
        """Sum of a variable over the group, and n times its deviation with ddof 0, in each state (S,).

        The group is ``members`` members in that state and the merged classes ``extra``. The deviation is 0.0 exactly where all
        agree. Units: ``unit[variable]``.
        """

    def merged(self, probability: Floats) -> Floats:
        """Probabilities (J, B) of the merged classes."""
        result = np.zeros((len(self.values[0]), probability.shape[1]))
        np.add.at(result, self.label, probability)
        return result


@dataclass(frozen=True, eq=False)
class GridStates(GroupStates):
    """Integer sums, packed into one key: ``increments`` (J, F) is what a member adds, ``radix`` (F,) packs the F sums.

    columns[v]: which sums hold sum v and sum v^2 of variable v.
    """

    increments: Ints
    radix: tuple[int, ...]
    columns: tuple[tuple[int, int], ...]

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

    def totals(self, members: int, extra: Sequence[int], variable: int) -> tuple[Floats, Floats]:
        first, second = (self._sum(members, column, extra) for column in self.columns[variable])
        size = members + len(extra)
        return first.astype(float), np.sqrt((size * second - first**2).astype(float))

    def _sum(self, members: int, column: int, extra: Sequence[int]) -> Ints:
        place = prod(self.radix[:column])
        result: Ints = self.keys[members] // place % self.radix[column] + self.increments[list(extra), column].sum()
        return result


@dataclass(frozen=True, eq=False)
class MultisetStates(GroupStates):
    """Sorted sequences of merged classes; each is its parent with one class appended."""

    @cached_property
    def steps(self) -> tuple[tuple[Ints, Ints, Floats], ...]:
        """For n = 1..members: parent state, appended class, and the factor of the multinomial coefficient, each (S_n,)."""
        classes = len(self.values[0])
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

    @cached_property
    def sequences(self) -> tuple[Ints, ...]:
        """The states (S_n, n) of n = 0..members members."""
        result = [np.zeros((1, 0), dtype=np.int64)]
        for parent, appended, _ in self.steps:
            result.append(np.column_stack([result[-1][parent], appended]))
        return tuple(result)

    def laws(self, probability: Floats) -> tuple[Floats, Floats]:
        merged = self.merged(probability)
        law = before = np.ones((1, probability.shape[1]))
        for parent, appended, factor in self.steps:
            before, law = law, law[parent] * merged[appended] * factor[:, None]
        return before, law

    def totals(self, members: int, extra: Sequence[int], variable: int) -> tuple[Floats, Floats]:
        joined = self.values[variable][list(extra)]
        total, squares, low, high = self._summary(members, variable)
        size, mean = members + len(joined), joined.mean()
        # Chan, Golub and LeVeque (1983): a sum of positive terms, so nothing cancels
        squares = squares + ((joined - mean) ** 2).sum()
        if members:
            squares = squares + members * len(joined) / size * (total / members - mean) ** 2
        silent = np.minimum(low, joined.min()) == np.maximum(high, joined.max())
        return total + joined.sum(), np.where(silent, 0.0, np.sqrt(size * squares))

    def _summary(self, members: int, variable: int) -> tuple[Floats, Floats, Floats, Floats]:
        """Sum, centred sum of squares, smallest and largest value of the states (S,) of ``members`` members."""
        if (members, variable) not in self._summaries:
            group = self.values[variable][self.sequences[members]]
            total = group.sum(axis=1)
            squares = ((group - total[:, None] / max(members, 1)) ** 2).sum(axis=1)
            low, high = group.min(axis=1, initial=np.inf), group.max(axis=1, initial=-np.inf)
            self._summaries[members, variable] = total, squares, low, high
        return self._summaries[members, variable]

    @cached_property
    def _summaries(self) -> dict[tuple[int, int], tuple[Floats, Floats, Floats, Floats]]:
        return {}


def group_states(variables: Sequence[Sequence[Fraction]], members: int) -> GroupStates:
    """Plan the states of ``members`` members for variables given by their exact values per reward class (each (M,)).

    Raises CapacityError if more than MAX_STATES states would be needed.
    """
    rows = list(zip(*variables, strict=True))
    # two values already make n + 1 states of n members
    if members * (members + 1) // 2 > MAX_TOTAL:
        raise too_many_states(members * (members + 1) // 2, members + 1, len(set(rows)), "at least ")
    order = {row: j for j, row in enumerate(sorted(set(rows)))}
    label = np.array([order[row] for row in rows])
    shifted = [[value - min(column) for value in column] for column in zip(*order, strict=True)]
    scale = [lcm(*(value.denominator for value in column)) for column in shifted]
    grids = [[int(value * s) for value in column] for column, s in zip(shifted, scale, strict=True)]

    features: list[list[int]] = []
    columns = []
    for grid in grids:
        features.append(grid)
        if max(grid) > 1:
            features.append([value**2 for value in grid])
            columns.append((len(features) - 2, len(features) - 1))
        else:
            columns.append((len(features) - 1, len(features) - 1))
    radix = tuple(members * max(feature) + 1 for feature in features)
    fits = all(((members + 2) * max(grid)) ** 2 * 2 < _MAX_KEY for grid in grids) and prod(radix) < _MAX_KEY
    if fits:
        unit = tuple(1 / s for s in scale)
        values = tuple(np.array(grid, dtype=float) for grid in grids)
        return GridStates(label, values, unit, members, np.array(features).T, radix, tuple(columns))
    if (bound := comb(members + len(order) - 1, members)) > MAX_STATES:
        raise too_many_states(bound, members + 1, len(order), "")
    values = tuple(np.array([float(value) for value in column]) for column in shifted)
    return MultisetStates(label, values, (1.0,) * len(values), members)


def _distinct(keys: Ints, bound: int) -> Ints:
    """Sorted distinct keys, all below ``bound``: by marking where the range is small, else by sorting."""
    if bound > 2**24:
        return np.unique(keys)
    seen = np.zeros(bound, dtype=bool)
    seen[keys] = True
    return np.flatnonzero(seen)


def too_many_states(states: int, group_size: int, classes: int, prefix: str) -> CapacityError:
    """The error for group statistics that do not fit."""
    return CapacityError(
        f"group_size {group_size}: {prefix}{states:,} states of the group statistics ({classes} distinct reward values) exceed the "
        f"limit of {MAX_STATES:,} ({MAX_TOTAL:,} over all member counts); use a smaller group, or weights and "
        "rewards on a common coarse grid such as multiples of 1/10"
    )


def bound_states(variables: Sequence[Sequence[Fraction]], members: int) -> tuple[int, int]:
    """Merged classes J, and a bound on the states of ``members`` members, without making any."""
    distinct = set(zip(*variables, strict=True))
    bound = comb(members + len(distinct) - 1, members) if members < 10**7 else MAX_TOTAL + 1
    grid = 1
    for column in zip(*distinct, strict=True):
        low, scale = min(column), lcm(*(value.denominator for value in column))
        top = int((max(column) - low) * scale)
        grid *= (members * top + 1) * (members * top**2 + 1 if top > 1 else 1)
    return len(distinct), min(bound, grid)
