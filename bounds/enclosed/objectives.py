"""The claims of claims/objectives.py in rationals, square roots and balls."""

import itertools
from fractions import Fraction
from functools import lru_cache
from math import comb

from flint import ctx

from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.closedness import fixed_laws, is_closed
from bounds.enclosed.quantities import composite
from tamdp_theory import TAMDP, CapacityError
from tamdp_theory.exact import Scheme
from tamdp_theory.exact.balls import ZERO, BallGroup, vanishes

MAX_GROUPS = 20_000  # that a condition on every group is decided on


def composites_of(env: TAMDP) -> list[tuple[Fraction, ...]]:
    """The distinct composites of each prompt, ascending."""
    return [tuple(sorted(set(composite(env, q)))) for q in range(env.n_prompts)]


def group_on(values: tuple[Fraction, ...], scheme: Scheme) -> BallGroup:
    """Groups out of these composites, under a scheme; what they know is kept for each working precision."""
    return _group_at(values, scheme, int(ctx.prec))


@lru_cache(maxsize=4096)
def _group_at(values: tuple[Fraction, ...], scheme: Scheme, bits: int) -> BallGroup:
    return BallGroup(scheme.estimator.columns([(v,) for v in values], (Fraction(1),)), scheme)


def exchange_rows(env: TAMDP, scheme: Scheme) -> list[Row]:
    """[curl = 0], at fixed laws, and [gaps add up to zero], of each prompt with at least two composites."""
    rows: list[Row] = []
    for values in composites_of(env):
        if len(values) > 1:
            group = group_on(values, scheme)
            rows.append({s.closed: int(_curls_vanish(group)), s.exchange: int(is_closed(group))})
    return rows


def _curls_vanish(group: BallGroup) -> bool:
    """Whether the one-form is closed at laws in general position: for polynomials of these degrees, everywhere."""
    for law in fixed_laws(group.classes):
        given = group.given_pair(law)
        for m in range(1, group.classes):
            for n in range(1, m):
                # around the triangle of the classes 0, n and m
                turn = [given[a][b] - given[b][a] for a, b in ((0, n), (n, m), (m, 0))]
                zero = vanishes(sum(turn, ZERO))
                if zero is None:
                    raise CapacityError("closedness: a ball around zero, which no finite precision decides")
                if not zero:
                    return False
    return True


def triple(env: TAMDP) -> tuple[Fraction, Fraction, Fraction] | None:
    """The ends and one value between of the first prompt with three composites; None if there is none."""
    values = next((v for v in composites_of(env) if len(v) >= 3), None)
    return None if values is None else (values[0], values[len(values) // 2], values[-1])


def open_rows(env: TAMDP, scheme: Scheme) -> list[Row]:
    """[gaps add up to zero] on the triple."""
    values = triple(env)
    return [] if values is None else [{s.exchange: int(is_closed(group_on(values, scheme)))}]


def ends_alike(env: TAMDP, scheme: Scheme) -> bool:
    """Whether a lone larger member among smallest ones gets the same, whichever of two larger values it has."""
    values, size = triple(env), scheme.group_size
    if values is None:
        return False
    group = group_on(values, scheme)
    one, other = group.of_counts((size - 1, 1, 0)), group.of_counts((size - 1, 0, 1))
    return vanishes((one[1] - one[0]) - (other[2] - other[0])) is True


def top_wins(env: TAMDP, scheme: Scheme) -> bool:
    """Whether the largest of three values gets more than the middle one, the rest being smallest."""
    values = triple(env)
    if values is None:
        return False
    found = group_on(values, scheme).of_counts((scheme.group_size - 2, 1, 1))
    return bool(found[2] - found[1] > 0)


def affine_invariant(env: TAMDP, scheme: Scheme) -> bool:
    """Whether groups of two values get the same, whichever two of the triple they are."""
    values, size = triple(env), scheme.group_size
    if values is None:
        return False
    group = group_on(values, scheme)
    pairs = ((0, 1), (0, 2), (1, 2))
    for high in range(size + 1):
        found = [group.of_counts(_two_kinds(low, top, high, size)) for low, top in pairs]
        for place in (0, 1):
            gains = [one[pair[place]] for one, pair in zip(found, pairs, strict=True) if pair[place] in one]
            if any(vanishes(gain - gains[0]) is not True for gain in gains[1:]):
                return False
    return True


def _two_kinds(low: int, top: int, high: int, size: int) -> tuple[int, ...]:
    return tuple(size - high if m == low else high if m == top else 0 for m in range(3))


def keeps_order(env: TAMDP, scheme: Scheme) -> bool:
    """Whether in every group of the triple a larger reward never gets less; False where that is not decided."""
    values, size = triple(env), scheme.group_size
    if values is None or comb(size + 2, 2) > MAX_GROUPS:
        return False
    group = group_on(values, scheme)
    for first in range(size + 1):
        for second in range(size + 1 - first):
            found = group.of_counts((first, second, size - first - second))
            kinds = sorted(found)
            for low, high in itertools.pairwise(kinds):
                gap = found[high] - found[low]
                if vanishes(gap) is not True and not gap > 0:
                    return False
    return True


def separates(env: TAMDP, scheme: Scheme) -> bool:
    """Whether two members of some group of two values of the triple get different advantages."""
    values, size = triple(env), scheme.group_size
    if values is None:
        return False
    group = group_on(values, scheme)
    return any(
        vanishes(found[1] - found[0]) is False
        for found in (group.of_counts((size - high, high, 0)) for high in range(1, size))
    )


def is_zero_one(env: TAMDP) -> bool:
    """Whether the composite of every prompt takes the values 0 and 1, both."""
    return all(values == (Fraction(0), Fraction(1)) for values in composites_of(env))
