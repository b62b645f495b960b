"""Groups of reward classes in exact numbers: advantages of a multiset of classes, and group moments as sums over
multisets.

A multiset is kept as counts (M,), so a group of 2,000 out of two classes costs no more than a group of two.
Probabilities that are rational go over one denominator first: sums are then of integers, and the denominator's power is
divided out once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import combinations
from math import comb, factorial, lcm, prod

import numpy as np
from flint import arb, ctx, fmpq, fmpz

from tamdp_theory.errors import CapacityError, InputError
from tamdp_theory.estimators.base import Column
from tamdp_theory.estimators.scheme import Scheme
from tamdp_theory.exact.ball_multisets import ExactMultiset
from tamdp_theory.exact.ball_numbers import (
    ONE,
    ZERO,
    Number,
    absolute,
    bits_of,
    check_effort,
    effort,
    is_zero,
    largest,
    number,
    positive_part,
    root,
)
from tamdp_theory.exact.listing import Groups
from tamdp_theory.exact.multisets import Kinds, known_lengths
from tamdp_theory.exact.surds import Total
from tamdp_theory.lengths import class_lengths
from tamdp_theory.model import TAMDP
from tamdp_theory.numbers import fraction, short_count

MAX_TERMS = 200_000
MAX_MEMBERS = 10_000_000  # of all groups of classes together
Counts = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class BallGroup:
    """Advantages in exact numbers: an estimator's columns, (coefficient, value of each class) each, under a scheme;
    lengths of the classes in tokens, and the longest of any trajectory (0: of these), where they play a part.
    """

    columns: tuple[Column, ...]
    scheme: Scheme
    lengths: tuple[int, ...] | None = None
    longest: int = 0

    @property
    def size(self) -> int:
        """G."""
        return self.scheme.group_size

    @cached_property
    def eps(self) -> Fraction:
        """eps as the decimal that was written."""
        return fraction(float(self.scheme.eps), "eps")

    @cached_property
    def _known(self) -> dict[Counts, dict[int, Number]]:
        return {}

    @cached_property
    def _grids(self) -> tuple[tuple[Fraction, int, tuple[int, ...]], ...]:
        """Coefficient, unit and integers of each column: value = first value + integer / unit."""
        found = []
        for coefficient, values in self.columns:
            shifted = [v - values[0] for v in values]
            unit = lcm(*(v.denominator for v in shifted))
            found.append((coefficient, unit, tuple(int(v * unit) for v in shifted)))
        return tuple(found)

    @property
    def classes(self) -> int:
        """M."""
        return len(self.columns[0][1])

    def advantages(self, group: Sequence[int]) -> dict[int, Number]:
        """A of each class in a group, a sequence of classes."""
        counts = [0] * self.classes
        for m in group:
            counts[m] += 1
        return self.of_counts(tuple(counts))

    def of_counts(self, counts: Counts) -> dict[int, Number]:
        """A of each class in a group that has counts[m] members of class m."""
        if counts not in self._known:
            if self.scheme.estimator.statistics == "counts":
                found = self._counted(counts)
            else:
                found = self._gains([(m, k) for m, k in enumerate(counts) if k])
            self._known[counts] = self._aggregated(found, counts)
        return self._known[counts]

    def _aggregated(self, gains: dict[int, Number], counts: Counts) -> dict[int, Number]:
        """Times what the scheme's aggregation multiplies advantages by."""
        if self.scheme.aggregation == "trajectory":
            return gains
        lengths = known_lengths(self.scheme, self.lengths, self.classes)
        whole = sum(k * n for k, n in zip(counts, lengths, strict=True))
        if self.scheme.aggregation == "sequence_mean":
            return {m: gain / lengths[m] for m, gain in gains.items()}
        factor = (
            Fraction(self.size, whole)
            if self.scheme.aggregation == "token_mean"
            else Fraction(1, self.longest or max(lengths))
        )
        return {m: gain * number(factor) for m, gain in gains.items()}

    def _counted(self, counts: Counts) -> dict[int, Number]:
        group = ExactMultiset(self._kinds, np.array([counts]), self.scheme)
        (gains,) = np.broadcast_to(self.scheme.estimator.gains(group), (1, self.classes))
        return {m: number(0) + gains[m] for m, k in enumerate(counts) if k}

    @cached_property
    def _kinds(self) -> Kinds:
        lengths = known_lengths(self.scheme, self.lengths, self.classes)
        return Kinds.of(self.columns[0][1], lengths, self.size)

    def _gains(self, members: list[tuple[int, int]]) -> dict[int, Number]:
        result: dict[int, Number] = {m: ZERO for m, _ in members}
        for coefficient, seen, distances in self._seen(members):
            for m, value in distances.items():
                gain = self.scheme.estimator.gain(_Place(seen, value))
                if not is_zero(gain):
                    result[m] = result[m] + (gain if coefficient == 1 else number(coefficient) * gain)
        return result

    def _seen(self, members: list[tuple[int, int]]) -> Iterator[tuple[Fraction, "_Seen", dict[int, Fraction]]]:
        """Coefficient, spread, and distance of each class from the mean, of each column that varies in the group.

        Where the estimator is linear, columns of one spread are added up before any root is taken, so that what cancels
        cancels exactly.
        """
        merged: dict[Fraction, dict[int, Fraction]] = {}
        for coefficient, unit, values in self._grids:
            total = sum(k * values[m] for m, k in members)
            spread = self.size * sum(k * values[m] ** 2 for m, k in members) - total**2
            if not spread:
                continue
            variance = Fraction(spread, self.size * unit**2 * (self.size - self.scheme.ddof))
            distance = {m: Fraction(self.size * values[m] - total, self.size * unit) for m, _ in members}
            if not self.scheme.estimator.linear:
                yield coefficient, _Seen(self, variance), distance
                continue
            own = merged.setdefault(variance if self.scheme.estimator.scales else Fraction(1), {})
            for m, value in distance.items():
                own[m] = own.get(m, Fraction(0)) + coefficient * value
        for variance, distance in merged.items():
            yield Fraction(1), _Seen(self, variance), distance

    def moments(self, probability: Sequence[Number]) -> tuple[list[Number], list[Number], list[list[Number]]]:
        """h, a and b (theory.md section 3)."""
        h, second = self.first(probability)
        law, classes = _Law(self, probability, self.size - 2), range(self.classes)
        cross = [[Total() for _ in classes] for _ in classes]
        for others, p in law.weights():
            for m in classes:
                for n in classes[m:]:
                    found = self.of_counts(_joined(others, m, n))
                    cross[m][n].add(p * (found[m] * found[n]))
        table = [[law.share * cross[min(m, n)][max(m, n)].value for n in classes] for m in classes]
        return h, second, table

    def first(self, probability: Sequence[Number]) -> tuple[list[Number], list[Number]]:
        """h and a."""
        law, classes = _Law(self, probability, self.size - 1), range(self.classes)
        h, second = [Total() for _ in classes], [Total() for _ in classes]
        for others, p in law.weights():
            for m in classes:
                value = self.of_counts(_joined(others, m))[m]
                h[m].add(p * value)
                second[m].add(p * (value * value))  # a power of a ball around 0 is undefined
        return [law.share * one.value for one in h], [law.share * one.value for one in second]

    def given_pair(self, probability: Sequence[Number]) -> list[list[Number]]:
        """E[A_1 | m, l]; dh_m/dP_l = (G - 1) times it."""
        law, classes = _Law(self, probability, self.size - 2), range(self.classes)
        result = [[Total() for _ in classes] for _ in classes]
        for others, p in law.weights():
            for m in classes:
                for n in classes:
                    result[m][n].add(p * self.of_counts(_joined(others, m, n))[m])
        return [[law.share * one.value for one in row] for row in result]


@dataclass(frozen=True, eq=False)
class _Seen:
    """A column in a group in which it varies: its variance with the scheme's ddof."""

    group: BallGroup
    variance: Fraction

    @cached_property
    def spread(self) -> Number:
        """The deviation."""
        return root(number(self.variance))


@dataclass(frozen=True, eq=False)
class _Place:
    """A member's exact distance from the mean of a group that is not silent."""

    seen: _Seen
    value: Fraction

    @property
    def size(self) -> int:
        return self.seen.group.size

    @property
    def distance(self) -> Number:
        return number(self.value)

    deviation = distance

    @property
    def spread(self) -> Number:
        return self.seen.spread

    @property
    def eps(self) -> Number:
        return number(self.seen.group.eps)

    def ratio(self, numerator: Number, denominator: Number) -> Number:
        return ZERO if is_zero(numerator) else numerator / denominator

    def times(self, value: Number, factor: Fraction) -> Number:
        return value * number(factor)

    def positive_part(self, value: Number) -> Number:
        return positive_part(value)

    def look_up(self, table: Sequence[Fraction]) -> Number:
        return number(table[self.size - 1 + int(self.size * self.value)])


@dataclass(frozen=True, eq=False)
class _Law:
    """The law of ``count`` members at class probabilities. CapacityError where summing over it would take too long."""

    group: BallGroup
    probability: Sequence[Number]
    count: int

    def __post_init__(self) -> None:
        classes = self.group.classes
        _check_states(self.group.size - 2, classes, "group moments")
        terms = comb(self.count + classes - 1, classes - 1) * classes**2 * len(self.group.columns)
        bits = self.count * bits_of(self.probability) if self._rational else int(ctx.prec)
        what = f"moments of groups of {self.group.size} out of {classes} classes"
        check_effort(effort(terms, bits), what, "use a smaller group or probabilities of fewer digits")

    @cached_property
    def _rational(self) -> bool:
        return all(isinstance(p, fmpq) for p in self.probability)

    @cached_property
    def _unit(self) -> int:
        return lcm(*(int(p.q) for p in self.probability)) if self._rational else 1

    @property
    def share(self) -> Number:
        """What all weights are multiplied by."""
        return fmpq(1, fmpz(self._unit) ** self.count)

    def weights(self) -> Iterator[tuple[Counts, Number]]:
        """Each multiset and its probability over ``share``; those of probability zero are left out."""
        bases = [p * self._unit for p in self.probability]
        powers = [_powers(base, self.count) for base in bases]
        ways = factorial(self.count)
        for counts in multisets(self.group.classes, self.count):
            weight = fmpq(ways // prod(factorial(k) for k in counts))
            for k, own in zip(counts, powers, strict=True):
                if k:
                    weight = weight * own[k]
            if isinstance(weight, arb) or weight != 0:
                yield counts, weight


def multisets(classes: int, count: int) -> Iterator[Counts]:
    """Counts (M,) of every multiset of ``count`` out of ``classes``, by stars and bars."""
    last = count + classes - 1
    for bars in combinations(range(last), classes - 1):
        ends = (-1, *bars, last)
        yield tuple(ends[m + 1] - ends[m] - 1 for m in range(classes))


def group_of(env: TAMDP, prompt: int, scheme: Scheme) -> BallGroup:
    """The advantages of a prompt's classes under a scheme. CapacityError as ``check_terms``."""
    if scheme.keep != "all":
        raise InputError("keep: exact numbers of a process are for all groups")
    check_terms(env, prompt, scheme.group_size)
    own = env.prompt_classes[prompt].tolist()
    rows, lengths = [env.exact_class_rewards[c] for c in own], class_lengths(env)
    if scheme.lengths and lengths is None:
        raise InputError("lengths: needs a process whose classes are split by length, env.by_length")
    tokens = None if lengths is None else tuple(lengths[c] for c in own)
    return BallGroup(scheme.estimator.columns(rows, env.exact_weights), scheme, tokens, max(lengths or (1,)))


def check_terms(env: TAMDP, prompt: int, size: int) -> None:
    """CapacityError where groups of a prompt's classes are too many, too long, or have rewards of too many digits,
    before any is made.
    """
    own = env.prompt_classes[prompt].tolist()
    _check_states(size - 2, len(own), env.name)
    states = comb(size + len(own) - 1, len(own) - 1)
    if states * size > MAX_MEMBERS:
        members = short_count(states * size)
        raise CapacityError(
            f"{env.name}: {members} members of groups exceed the limit of {MAX_MEMBERS:,} for enclosures; use a "
            f"smaller group"
        )
    units = {r.denominator for c in own for r in env.exact_class_rewards[c]} | {
        w.denominator for w in env.exact_weights
    }
    bits = 2 * bits_of(fmpq(1, unit) for unit in units)
    # a product of two advantages has a term for every pair of components
    work = effort(comb(size + len(own) - 2, len(own) - 1) * len(own) ** 2 * (1 + env.n_components**2 / 4), bits)
    check_effort(
        work,
        f"{env.name}: groups of {size} out of {len(own)} reward classes",
        "use a smaller instance or rewards of fewer digits",
    )


def _check_states(count: int, classes: int, what: str) -> None:
    terms = comb(count + classes, classes - 1) * classes**2
    if terms > MAX_TERMS:
        raise CapacityError(
            f"{what}: {short_count(terms)} terms exceed the limit of {MAX_TERMS:,} for enclosures; use a smaller "
            f"instance"
        )


def group_advantages(table: Groups, scheme: Scheme, row: int) -> Number:
    """Largest |A_i| of one listed group."""
    group = BallGroup(scheme.estimator.columns(table.rewards, table.weights), scheme)
    return largest([absolute(a) for a in group.advantages(tuple(table.members[row].tolist())).values()])


def curl_norm(group: BallGroup, probability: Sequence[Number]) -> Number:
    """Frobenius norm of the curl of L8 at class probabilities."""
    given, count = group.given_pair(probability), len(probability)
    skew = [[(given[n][m] - given[m][n]) * (group.size - 1) for n in range(count)] for m in range(count)]
    rows = [sum(row, ZERO) / count for row in skew]  # the matrix is antisymmetric, so column means are minus these
    return root(
        sum(
            (
                (skew[m][n] - rows[m] + rows[n]) * (skew[m][n] - rows[m] + rows[n])
                for m in range(count)
                for n in range(count)
            ),
            ZERO,
        )
    )


def _joined(others: Counts, *more: int) -> Counts:
    counts = list(others)
    for m in more:
        counts[m] += 1
    return tuple(counts)


def _powers(base: Number, count: int) -> list[Number]:
    found = [ONE]
    for _ in range(count):
        found.append(found[-1] * base)
    return found
