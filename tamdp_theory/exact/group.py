"""Group moments (moments.py, theory.md section 3) and the engine that gives them.

Multiples of c less its mean have closed forms; other functions of a group's sums are summed over the law of the other
members' statistics (states.py), or, where those have many states, written as integrals (integrals.py); what needs to
know how many members have each value is summed over multisets (counted.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from tamdp_theory.errors import CapacityError, InputError
from tamdp_theory.estimators.base import Column
from tamdp_theory.estimators.scheme import Aggregation, Keep, Normalization, Scheme
from tamdp_theory.exact.counted import CountMoments, CountPlan
from tamdp_theory.exact.integrals import IntegralPlan, integral_plan
from tamdp_theory.exact.kept import MixedMoments, ScaledMoments
from tamdp_theory.exact.moments import GroupMoments
from tamdp_theory.exact.multisets import known_lengths
from tamdp_theory.exact.states import GroupStates, bound_states, group_states
from tamdp_theory.model import Floats, Ints
from tamdp_theory.numbers import fraction

FEW_STATES = 5_000  # up to so many, summing over states is faster than integrating
_KEEP = 20_000_000  # floats of a law held at once


@dataclass(frozen=True, eq=False)
class GroupPlan:
    """Everything about group moments that does not depend on P: reuse it for many P with the same reward table.

    rewards: M classes, each K exact rewards; weights: K exact weights; lengths: M, in tokens, where they play a part;
    longest: of any trajectory.
    """

    rewards: tuple[tuple[Fraction, ...], ...]
    weights: tuple[Fraction, ...]
    scheme: Scheme
    lengths: tuple[int, ...] | None = None
    longest: int = 1
    _states: dict[tuple[int, ...], GroupStates] = field(default_factory=dict, init=False, repr=False)
    _integrals: dict[int, IntegralPlan | None] = field(default_factory=dict, init=False, repr=False)
    _tables: dict[tuple[str, tuple[int, ...]], sparse.csr_array] = field(default_factory=dict, init=False, repr=False)

    def moments(self, probability: Floats) -> GroupMoments:
        """Group moments at P (..., M); entries >= 0 that sum to one."""
        moments = self._of_groups(probability)
        if self.scheme.keep == "mixed":
            parts = [(own, plan._of_groups(np.ascontiguousarray(probability[..., own]))) for own, plan in self._silent]
            moments = MixedMoments(moments, parts, self.scheme.group_size)
        return moments if self._factor is None else ScaledMoments(moments, self._factor)

    def _of_groups(self, probability: Floats) -> GroupMoments:
        """Of all groups, before own lengths; P may sum to less than one."""
        scheme = self.scheme
        counts = scheme.estimator.statistics == "counts" or scheme.aggregation == "token_mean" or scheme.filters
        return CountMoments(self.counted, probability) if counts else SumMoments(self, probability)

    @cached_property
    def _silent(self) -> tuple[tuple[Ints, "GroupPlan"], ...]:
        """Classes (m,) with each composite, and the plan of these classes alone."""
        found = []
        for value in sorted(set(self.composite)):
            own = [m for m, c in enumerate(self.composite) if c == value]
            lengths = None if self.lengths is None else tuple(self.lengths[m] for m in own)
            plan = GroupPlan(tuple(self.rewards[m] for m in own), self.weights, self.scheme, lengths, self.longest)
            found.append((np.array(own), plan))
        return tuple(found)

    @cached_property
    def _factor(self) -> Floats | None:
        """What an advantage is multiplied by because of the member's own length (M,)."""
        if self.scheme.aggregation not in ("sequence_mean", "constant"):
            return None
        lengths = np.array(known_lengths(self.scheme, self.lengths, len(self.rewards)), dtype=np.float64)
        return 1 / lengths if self.scheme.aggregation == "sequence_mean" else np.full(len(lengths), 1 / self.longest)

    @cached_property
    def counted(self) -> CountPlan:
        """The same by counting. InputError where lengths play a part and are not known."""
        lengths = known_lengths(self.scheme, self.lengths, len(self.rewards))
        return CountPlan.of(self.columns, lengths, self.scheme, self.composite)

    @cached_property
    def composite(self) -> tuple[Fraction, ...]:
        """c of each class (M,)."""
        return tuple(sum((w * r for w, r in zip(self.weights, row, strict=True)), Fraction(0)) for row in self.rewards)

    @cached_property
    def multiple(self) -> float | None:
        """What c less the group mean is multiplied by, if advantages are nothing else: linear, with closed forms."""
        found = self.scheme.estimator.multiple(self.scheme.group_size)
        return None if found is None else float(found)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The (coefficient, value of each class) that the estimator looks at."""
        return self.scheme.estimator.columns(self.rewards, self.weights)

    @cached_property
    def variables(self) -> tuple[tuple[float, tuple[Fraction, ...]], ...]:
        """The columns in floats, without those that play no part or never vary."""
        return tuple((float(w), values) for w, values in self.columns if w and len(set(values)) > 1)

    def largest(self) -> float:
        """A number that the root mean square of the advantages in a group does not exceed, from every group."""
        if self.scheme.estimator.statistics == "counts" or self.scheme.lengths:
            return self.counted.largest()
        return float(self.summed().max()) if self.variables else 0.0

    def integral(self, variable: int) -> IntegralPlan | None:
        """Integrals for one variable, None where they are not known, or its states are few enough to be summed over."""
        if variable not in self._integrals:
            values, scheme, found = self.variables[variable][1], self.scheme, None
            if scheme.estimator.standard and bound_states([values], scheme.group_size - 1)[1] > FEW_STATES:
                found = integral_plan(values, scheme.group_size, fraction(float(scheme.eps), "eps"), scheme.ddof)
            self._integrals[variable] = found
        return self._integrals[variable]

    def states(self, chosen: tuple[int, ...]) -> GroupStates:
        """States of G - 1 other members for the chosen variables."""
        if chosen not in self._states:
            values = [self.variables[v][1] for v in chosen]
            self._states[chosen] = group_states(values, self.scheme.group_size - 1, self.scheme.estimator.statistics)
        return self._states[chosen]

    def one(self, chosen: tuple[int, ...]) -> sparse.csr_array:
        """A_1, A_1 A_1' of the first and last chosen variable, in each state of G - 1 others (2 J, S)."""
        if ("one", chosen) not in self._tables:
            count = self.states(chosen).classes
            first = [self._advantages(chosen, (j,), 0, j) for j in range(count)]
            last = first if len(chosen) == 1 else [self._advantages(chosen, (j,), -1, j) for j in range(count)]
            self._tables["one", chosen] = _table([*first, *(x * y for x, y in zip(first, last, strict=True))])
        return self._tables["one", chosen]

    def two(self, chosen: tuple[int, ...]) -> sparse.csr_array:
        """A_1 and A_1 A_2' of the first and last chosen variable, in each state of G - 2 others (2 J J, S)."""
        if ("two", chosen) not in self._tables:
            count = self.states(chosen).classes
            pairs = [(m, j) for m in range(count) for j in range(count)]
            first = [self._advantages(chosen, pair, 0, pair[0]) for pair in pairs]
            last = [self._advantages(chosen, pair, -1, pair[1]) for pair in pairs]
            self._tables["two", chosen] = _table([*first, *(x * y for x, y in zip(first, last, strict=True))])
        return self._tables["two", chosen]

    def summed(self) -> sparse.csr_array:
        """max(A_1, 0) and then max(-A_1, 0), all variables summed, in each state of G - 1 others (2 J, S)."""
        chosen = tuple(range(len(self.variables)))
        if ("summed", chosen) not in self._tables:
            count = self.states(chosen).classes
            sums = [
                sum(
                    (w * self._advantages(chosen, (j,), v, j) for v, (w, _) in enumerate(self.variables)), np.float64(0)
                )
                for j in range(count)
            ]
            self._tables["summed", chosen] = _table(
                [np.maximum(sign * total, 0.0) for sign in (1, -1) for total in sums]
            )
        return self._tables["summed", chosen]

    def _advantages(self, chosen: tuple[int, ...], extra: tuple[int, ...], place: int, of: int) -> Floats:
        """A of merged class ``of``, one of the ``extra`` members, in one chosen variable, in each state of the others
        (S,).
        """
        states, variable = self.states(chosen), range(len(chosen))[place]
        centred, spread = states.deviations(self.scheme.group_size - len(extra), extra, variable, of)
        result: Floats = self.scheme.estimator.gain(_Place(self.scheme, centred, spread, states.unit[variable]))
        return result


@dataclass(frozen=True, eq=False)
class _Place:
    """A class of a group in each state of the others (S,), in units of unit / G: G times the distance from the mean,
    and the group's deviation with ddof 0."""

    scheme: Scheme
    deviation: Floats
    root: Floats
    unit: float

    @property
    def size(self) -> int:
        return self.scheme.group_size

    @property
    def distance(self) -> Floats:
        return self.deviation * self.unit / self.size

    @property
    def spread(self) -> Floats:
        result: Floats = self.root * np.sqrt(self.size / (self.size - self.scheme.ddof))
        return result

    @property
    def eps(self) -> float:
        if not self.scheme.eps:
            return 0.0
        # unit 0: rewards below what a float can hold
        return self.size * self.scheme.eps / self.unit if self.unit else np.inf

    def ratio(self, numerator: Floats, denominator: Floats) -> Floats:
        result: Floats = np.divide(numerator, denominator, out=np.zeros_like(numerator), where=self.root > 0)
        return result

    def times(self, value: Floats, factor: Fraction) -> Floats:
        return value * float(factor)

    def positive_part(self, value: Floats) -> Floats:
        return np.maximum(value, 0.0)

    def look_up(self, table: Sequence[Fraction]) -> Floats:
        return entries(table, self.distance, self.size)


class SumMoments(GroupMoments):
    """Group moments of an estimator that knows a group by its sums."""

    def __init__(self, plan: GroupPlan, probability: Floats) -> None:
        self.plan, self.probability = plan, probability
        self._columns = probability.reshape(-1, probability.shape[-1]).T
        self._laws: dict[tuple[int, ...], tuple[Floats, Floats]] = {}

    @cached_property
    def first(self) -> Floats:
        """h (..., M): the effective reward of L5."""
        if self.plan.multiple is not None:
            return self.plan.multiple * self.plan.scheme.kappa * self._deviation[0]
        return self._sum(weight * self._one((v,))[0] for v, (weight, _) in enumerate(self.plan.variables))

    @property
    def positive(self) -> Floats:
        """h+ (..., M), >= 0."""
        return self._signed[0]

    @property
    def negative(self) -> Floats:
        """h- (..., M), >= 0; h = h+ - h-."""
        return self._signed[1]

    @cached_property
    def _signed(self) -> tuple[Floats, Floats]:
        chosen = tuple(range(len(self.plan.variables)))
        if not chosen:
            return np.zeros(self.probability.shape), np.zeros(self.probability.shape)
        try:
            expected = self._expect(chosen, self.plan.summed(), 1).reshape(*self.probability.shape[:-1], 2, -1)
        except CapacityError:  # signs do not factor: look at every multiset
            counted = CountMoments(self.plan.counted, self.probability)
            return counted.positive, counted.negative
        expected = expected[..., self.plan.states(chosen).label]
        return expected[..., 0, :], expected[..., 1, :]

    @cached_property
    def second(self) -> Floats:
        """a (..., M), >= 0."""
        scheme = self.plan.scheme
        if self.plan.multiple is not None:
            deviation, variance = self._deviation
            centred = scheme.kappa**2 * deviation**2 + (scheme.group_size - 1) / scheme.group_size**2 * variance
            return self.plan.multiple**2 * centred
        return self._sum(
            (1 + (u != v)) * weight * other * self._one((u, v) if u != v else (v,))[1]
            for v, (weight, _) in enumerate(self.plan.variables)
            for u, (other, _) in enumerate(self.plan.variables[: v + 1])
        )

    @cached_property
    def cross(self) -> Floats:
        """b (..., M, M), symmetric."""
        if self.plan.multiple is not None:
            size, given = self.plan.scheme.group_size, self.given_pair
            rest = self.plan.multiple**2 * ((size - 2) / size**2 * self._deviation[1][..., None])
            return given * np.swapaxes(given, -1, -2) + rest
        half = self._sum(
            (
                weight * other * (1 + (u != v)) / 2 * self._two((u, v) if u != v else (v,))[1]
                for v, (weight, _) in enumerate(self.plan.variables)
                for u, (other, _) in enumerate(self.plan.variables[: v + 1])
            ),
            self.probability.shape[-1],
        )
        return half + np.swapaxes(half, -1, -2)

    @cached_property
    def given_pair(self) -> Floats:
        """E[A_1 | m, l] (..., M, M); dh_m/dP_l = (G - 1) times it."""
        if self.plan.multiple is not None:
            deviation, size = self._deviation[0], self.plan.scheme.group_size
            centred = deviation[..., :, None] - (deviation[..., :, None] + deviation[..., None, :]) / size
            return self.plan.multiple * centred
        terms = (weight * self._two((v,))[0] for v, (weight, _) in enumerate(self.plan.variables))
        return self._sum(terms, self.probability.shape[-1])

    @cached_property
    def _deviation(self) -> tuple[Floats, Floats]:
        """c_m - J (..., M) and Var c (..., 1), from exact differences of c so that likely classes keep
        their accuracy.
        """
        ((_, values),) = self.plan.columns
        difference = np.array([[float(c - other) for other in values] for c in values])
        deviation = (self.probability[..., None, :] * difference).sum(-1)
        return deviation, (self.probability * deviation**2).sum(-1, keepdims=True)

    def _one(self, chosen: tuple[int, ...]) -> tuple[Floats, Floats]:
        if len(chosen) == 1 and (plan := self.plan.integral(chosen[0])) is not None:
            h, a = plan.one(plan.merged(self._columns))
            shape = self.probability.shape
            return h[:, plan.label].reshape(shape), a[:, plan.label].reshape(shape)
        expected = self._expect(chosen, self.plan.one(chosen), 1).reshape(*self.probability.shape[:-1], 2, -1)
        expected = expected[..., self.plan.states(chosen).label]
        return expected[..., 0, :], expected[..., 1, :]

    def _two(self, chosen: tuple[int, ...]) -> tuple[Floats, Floats]:
        if len(chosen) == 1 and (plan := self.plan.integral(chosen[0])) is not None:
            shape = (*self.probability.shape, self.probability.shape[-1])
            given, cross = (part[:, plan.label][:, :, plan.label] for part in plan.two(plan.merged(self._columns)))
            return given.reshape(shape), cross.reshape(shape)
        states = self.plan.states(chosen)
        count = states.classes
        expected = self._expect(chosen, self.plan.two(chosen), 0).reshape(*self.probability.shape[:-1], 2, count, count)
        expected = expected[..., states.label, :][..., states.label]
        return expected[..., 0, :, :], expected[..., 1, :, :]

    def _expect(self, chosen: tuple[int, ...], table: sparse.csr_array, which: int) -> Floats:
        """Expectation of functions of the state (F, S) under the law of G - 2 (which = 0) or G - 1 others: (..., F)."""
        states, batch = self.plan.states(chosen), self._columns.shape[1]
        if table.shape[1] * batch <= _KEEP:
            if chosen not in self._laws:
                self._laws[chosen] = states.laws(self._columns)
            expected = table @ self._laws[chosen][which]
        else:
            chunk = max(1, _KEEP // table.shape[1])
            starts = range(0, batch, chunk)
            expected = np.concatenate(
                [table @ states.laws(self._columns[:, i : i + chunk])[which] for i in starts], axis=1
            )
        return np.ascontiguousarray(expected.T).reshape(*self.probability.shape[:-1], -1)

    def _sum(self, terms: Iterable[Floats], *more: int) -> Floats:
        return sum(terms, np.zeros((*self.probability.shape, *more)))


def group_moments(
    probability: ArrayLike,
    rewards: Iterable[Iterable[Any]],
    weights: Iterable[Any],
    group_size: int,
    normalization: Normalization,
    eps: float = 0.0,
    ddof: int = 0,
    lengths: Iterable[int] | None = None,
    aggregation: Aggregation = "trajectory",
    keep: Keep = "all",
) -> GroupMoments:
    """Exact group moments of GRPO (theory.md section 3), each computed when first read.

    probability (..., M) sums to one; rewards (M, K) and weights (K,) may hold floats (read as their shortest decimals),
    Fractions or "a/b". Raises InputError for bad input, CapacityError where the group statistics have too many states.

    Args:
        probability: class law, or a batch of them, (..., M).
        rewards: M classes of K rewards.
        weights: K, none negative.
        group_size: G >= 2.
        normalization: an estimator or its name.
        eps, ddof: of deviations, where the estimator scales.
        lengths: M lengths in tokens, for estimators and aggregations that look at them.
        aggregation: what advantages are multiplied by (``estimators.AGGREGATIONS``); the longest of ``lengths`` is the
            constant.
        keep: which groups count, as in ``Scheme``.
    """
    scheme = Scheme(group_size, normalization, eps, ddof, aggregation, keep)
    exact_weights = tuple(fraction(_plain(w), f"weights[{k}]") for k, w in enumerate(weights))
    table = tuple(
        tuple(fraction(_plain(r), f"rewards[{m}][{k}]") for k, r in enumerate(row)) for m, row in enumerate(rewards)
    )
    p = np.array(probability, dtype=np.float64)
    if p.ndim < 1 or p.shape[-1] != len(table) or any(len(row) != len(exact_weights) for row in table):
        raise InputError(f"probability {p.shape}, rewards and weights do not fit: need (..., M), (M, K) and (K,)")
    if not (np.isfinite(p).all() and (p >= 0).all() and np.allclose(p.sum(-1), 1, rtol=0, atol=1e-9)):
        raise InputError("probability: entries must be >= 0 and sum to 1")
    if any(w < 0 for w in exact_weights):
        raise InputError("weights: must not be negative")
    tokens = None if lengths is None else tuple(int(n) for n in lengths)
    if tokens is not None and (len(tokens) != len(table) or min(tokens) < 1):
        raise InputError(f"lengths: must be {len(table)} integers from 1 up, one for each class")
    plan = GroupPlan(table, exact_weights, scheme, tokens, max(tokens or (1,)))
    _ = plan.columns  # which refuses what the estimator has no meaning for
    known_lengths(scheme, tokens, len(table))
    return plan.moments(p)


def entries(table: Sequence[Fraction], distance: Floats, size: int) -> Floats:
    """Entries of a table at G - 1 + G distance, for distances in a column of zeros and ones."""
    numbers = np.array([float(v) for v in table])
    result: Floats = numbers[size - 1 + np.rint(size * distance).astype(np.int64)]
    return result


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _table(rows: Sequence[Floats]) -> sparse.csr_array:
    """Functions of the state (F, S), stored so that expectations add up in one order whatever the library's threads."""
    return sparse.csr_array(np.stack(rows))
