"""What a group-relative estimator optimises, if anything (theory.md section 10, T4.potential).

For classes 1..M the expected update is a gradient whatever the process iff for every multiset S of G - 2 members and
classes l, m, r the gaps gap_S(x -> y) = A_y - A_x in the group S + {x, y} add up to zero around the triple. Then
A_i = phi(group) - b(the others), and what is climbed is E phi / G. All of it is decided on exact numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, combinations_with_replacement
from math import comb
from typing import Any

from tamdp_theory.errors import CapacityError, InputError
from tamdp_theory.estimators.scheme import Normalization, Scheme
from tamdp_theory.exact.ball_groups import BallGroup, multisets
from tamdp_theory.exact.ball_numbers import ZERO, Number, vanishes
from tamdp_theory.numbers import fraction, short_count

MAX_EXCHANGES = 200_000
Group = tuple[int, ...]


@dataclass(frozen=True)
class Exchange:
    """Two members of a group, exchanged around a triple next to ``others`` (G - 2 classes), and the sum of the three
    gaps: unless it is zero, there is no objective.
    """

    others: Group
    triple: tuple[int, int, int]
    total: Number


@dataclass(frozen=True)
class Objective:
    """What an estimator optimises on M classes in groups of G.

    closed: True, False, or None where exact arithmetic could not decide. objective: phi of every multiset of G classes
    (counts (M,)), 0 at the group of the first class alone; the estimator climbs E phi / G; None unless closed. witness:
    an exchange that does not close; None if closed. checked: how many exchanges were looked at.
    """

    closed: bool | None
    objective: Mapping[Group, Number] | None
    witness: Exchange | None
    checked: int


def objective(
    normalization: Normalization,
    values: Sequence[Any],
    group_size: int,
    eps: float = 0.0,
    ddof: int = 0,
    lengths: Sequence[int] | None = None,
    aggregation: Any = "trajectory",
) -> Objective:
    """Decide whether an estimator optimises something on rewards ``values``, and say what, or show that it does not.

    InputError for bad input, CapacityError where there are too many groups to look at.

    Args:
        normalization: an estimator or its name; ``estimators.from_function`` makes one of a function.
        values: M composite rewards (int, float, Fraction or "a/b"); pairs of equal value and length are one class.
        group_size: G >= 2.
        eps, ddof: of deviations, where the estimator scales.
        lengths: M lengths in tokens, where they play a part.
        aggregation: what advantages are multiplied by (``estimators.AGGREGATIONS``).
    """
    scheme = Scheme(group_size, normalization, eps, ddof, aggregation)
    exact = [fraction(v, f"values[{m}]") for m, v in enumerate(values)]
    tokens = [1] * len(exact) if lengths is None else list(lengths)
    if len(tokens) != len(exact) or not exact:
        raise InputError(f"values, lengths: need as many of one as of the other, got {len(exact)} and {len(tokens)}")
    if scheme.lengths and lengths is None:
        raise InputError(f"lengths: {scheme.estimator} with aggregation {aggregation} needs them")
    kinds = sorted(set(zip(exact, tokens if scheme.lengths else [1] * len(exact), strict=True)))
    columns = scheme.estimator.columns([(v,) for v, _ in kinds], (Fraction(1),))
    return decide(BallGroup(columns, scheme, tuple(n for _, n in kinds)))


def decide(group: BallGroup) -> Objective:
    """The objective of the classes of a group, from its exact advantages."""
    classes, checked, undecided = range(group.classes), 0, False
    for others, triple in _exchanges(group.size, group.classes):
        found = exchange(group, others, triple)
        checked += 1
        zero = vanishes(found.total)
        if zero is False:
            return Objective(False, None, found, checked)
        undecided = undecided or zero is None
    if undecided:
        return Objective(None, None, None, checked)
    return Objective(True, _potential(group, len(classes)), None, checked)


def exchange(group: BallGroup, others: Sequence[int], triple: tuple[int, int, int]) -> Exchange:
    """The sum of the gaps around a triple, next to ``others`` (G - 2 classes)."""

    def gap(x: int, y: int) -> Number:
        found = group.advantages((*others, x, y))
        return found[y] - found[x]

    low, middle, high = triple
    return Exchange(tuple(others), triple, gap(low, middle) + gap(middle, high) + gap(high, low))


def _exchanges(size: int, count: int) -> Iterator[tuple[Group, tuple[int, int, int]]]:
    """What to look at: first groups of one class, where it mostly fails, then, for every multiset, the triples with the
    first class, which generate all. CapacityError where those are too many.
    """
    for middle in range(1, count - 1):
        for one in (0, count - 1, middle):
            yield (one,) * (size - 2), (0, middle, count - 1)
    total = comb(count + size - 3, size - 2) * comb(max(count - 1, 0), 2)
    if total > MAX_EXCHANGES:
        raise CapacityError(
            f"closedness: {short_count(total)} exchanges exceed the limit of {MAX_EXCHANGES:,}; use a smaller group or "
            "fewer rewards"
        )
    for middle, high in combinations(range(1, count), 2):
        for others in combinations_with_replacement(range(count), size - 2):
            yield others, (0, middle, high)


def _potential(group: BallGroup, count: int) -> dict[Group, Number]:
    """phi of every multiset of G: A_i + b(the others of i), b by exchanging members for the first class one by one."""
    first = (group.size - 1, *(0,) * (count - 1))
    known = {first: ZERO}

    def moved(counts: Group, place: int, by: int) -> Group:
        return tuple(n + (by if m == place else 0) for m, n in enumerate(counts))

    def baseline(counts: Group) -> Number:
        if counts not in known:
            last = max(m for m in range(1, count) if counts[m])
            rest = moved(counts, last, -1)
            gains = group.of_counts(moved(moved(rest, 0, 1), last, 1))
            known[counts] = baseline(moved(rest, 0, 1)) + gains[last] - gains[0]
        return known[counts]

    start = group.of_counts(moved(first, 0, 1))[0]
    result: dict[Group, Number] = {}
    for counts in sorted(multisets(count, group.size), reverse=True):
        own = next(m for m in range(count) if counts[m])
        result[counts] = group.of_counts(counts)[own] + baseline(moved(counts, own, -1)) - start
    return result
