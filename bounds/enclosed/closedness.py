"""The claims of claims/closedness.py in rationals, square roots and balls."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations, combinations_with_replacement
from math import comb

from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.quantities import composite, probabilities
from bounds.exact_instance import ExactInstance
from tamdp_theory import TAMDP, CapacityError
from tamdp_theory.exact import Scheme
from tamdp_theory.exact.balls import BallGroup, Number, curl_norm, group_of, number, vanishes

MAX_EXCHANGES = 200_000


def closed_rows(env: TAMDP, scheme: Scheme) -> list[Row]:
    """[curl = 0] and [two values] of each prompt on which a standardized reward varies. CapacityError where the test
    does not fit.
    """
    rows: list[Row] = []
    for classes in env.prompt_classes:
        rows_of = [env.exact_class_rewards[c] for c in classes]
        columns = [(w, values) for w, values in scheme.estimator.columns(rows_of, env.exact_weights) if w]
        # classes that agree in every column have equal advantages: one of each stands for all
        distinct = sorted(set(zip(*(values for _, values in columns), strict=True)))
        if len(distinct) > 1:
            chosen = zip((w for w, _ in columns), zip(*distinct, strict=True), strict=True)
            group = BallGroup(tuple(chosen), scheme)
            two = len({env.exact_class_composite[c] for c in classes}) <= 2
            rows.append({s.closed: int(is_closed(group, list(range(len(distinct))))), s.two_valued: int(two)})
    return rows


def is_closed(group: BallGroup, classes: list[int]) -> bool:
    """Whether the exchange condition holds for every group and triple of these classes; CapacityError beyond
    MAX_EXCHANGES or at a ball around zero."""
    for others, low, m, high in _witnesses(group.size, classes):
        if not _vanishes(_exchange(group, others, low, m, high)):
            return False
    total = comb(len(classes) + group.size - 3, group.size - 2) * comb(len(classes) - 1, 2)
    if total > MAX_EXCHANGES:
        raise CapacityError(
            f"closedness: {total:,} exchanges exceed the limit of {MAX_EXCHANGES:,}; use a smaller group or fewer "
            f"reward vectors"
        )
    low = classes[0]
    return all(
        _vanishes(_exchange(group, others, low, m, r))
        for m, r in combinations(classes[1:], 2)
        for others in combinations_with_replacement(classes, group.size - 2)
    )


def _witnesses(size: int, classes: list[int]) -> Iterator[tuple[tuple[int, ...], int, int, int]]:
    """Groups of one class, where the condition fails first, with triples of the ends and one class between."""
    if len(classes) > 2:
        for m in classes[1:-1]:
            for one in (classes[0], classes[-1], m):
                yield (one,) * (size - 2), classes[0], m, classes[-1]


def _exchange(group: BallGroup, others: tuple[int, ...], l: int, m: int, r: int) -> Number:  # noqa: E741
    def gap(x: int, y: int) -> Number:
        found = group.advantages(tuple(sorted((*others, x, y))))
        return found[y] - found[x]

    return gap(l, m) + gap(m, r) + gap(r, l)


def _vanishes(value: Number) -> bool:
    if (found := vanishes(value)) is None:
        raise CapacityError("closedness: a ball around zero, which no finite precision decides")
    return found


FIXED_LAWS = (
    (1, 1, 1, 1, 1, 1, 1, 1),
    (1, 2, 3, 5, 7, 11, 13, 17),
    (8, 1, 5, 2, 9, 3, 4, 7),
)  # weights of class laws to look at


def _fixed_laws(count: int) -> list[list[Number]]:
    rows = [[FIXED_LAWS[j][m % 8] + m // 8 for m in range(count)] for j in range(len(FIXED_LAWS))]
    return [[number(Fraction(v, sum(row))) for v in row] for row in rows]


def curl_pair_rows(i: ExactInstance) -> list[Row]:
    """L8.pair: the curl at fixed laws on three values of the first composite that has them."""
    values = next((v for v in (sorted(set(composite(i.env, q))) for q in range(i.env.n_prompts)) if len(v) >= 3), None)
    if values is None:
        return []
    chosen = (values[0], values[len(values) // 2], values[-1])
    group = BallGroup(((Fraction(1), chosen),), i.scheme)
    rows: list[Row] = []
    for law in _fixed_laws(3):
        given = group.given_pair(law)
        skew = [[(given[n][m] - given[m][n]) * (group.size - 1) for n in range(3)] for m in range(3)]
        # (e_mid - e_low)' skew (e_top - e_low)
        rows.append({s.curl_pair: skew[1][2] - skew[1][0] - skew[0][2] + skew[0][0]})
    return rows


def open_rows(i: ExactInstance) -> list[Row]:
    """T2.open: the norm of the curl on the first prompt."""
    if len(set(composite(i.env, 0))) < 3:
        return []
    return [{s.curl_norm: curl_norm(group_of(i.env, 0, i.scheme), probabilities(i.law.classes[0]))}]
