"""The claims of claims/literature/gdpo.py, counted on integers."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations_with_replacement, product
from math import gcd, isqrt

from bounds import literature_symbols as ls
from bounds.decision import Row
from bounds.enclosed.quantities import check_groups
from bounds.exact_instance import ExactInstance
from tamdp_theory import TAMDP

MAX_GROUPS = 20_000  # of reward vectors, looked at one by one


def has_every_vector(env: TAMDP) -> bool:
    """Whether there are two components or more, of equal weight, and the classes of each prompt are all vectors of
    zeros and ones.
    """
    if env.n_components < 2 or len(set(env.exact_weights)) > 1 or env.n_components > 16:
        return False
    cube = set(product((0, 1), repeat=env.n_components))
    return all({env.exact_class_rewards[c] for c in classes} == cube for classes in env.prompt_classes)


def square_free(value: int) -> tuple[int, int]:
    """(n, r) with value = n r^2, n square-free; value >= 1."""
    rest, outside = value, 1
    for factor in range(2, isqrt(value) + 1):
        while rest % (factor * factor) == 0:
            rest, outside = rest // (factor * factor), outside * factor
    return rest, outside


def _centred(column: tuple[int, ...]) -> list[int]:
    """G times the deviations from the mean."""
    total = sum(column)
    return [len(column) * value - total for value in column]


def _split(columns: list[tuple[int, ...]]) -> tuple[tuple[tuple[int, Fraction], ...], ...]:
    """Decomposed advantages of the members, sorted: sums of rationals times roots of square-free numbers, which are
    independent over the rationals.
    """
    size = len(columns[0])
    members: list[dict[int, Fraction]] = [{} for _ in range(size)]
    for column in columns:
        if product_ := sum(column) * (size - sum(column)):
            free, outside = square_free(product_)
            for own, distance in zip(members, _centred(column), strict=True):
                own[free] = own.get(free, Fraction(0)) + Fraction(distance, free * outside)
    return tuple(sorted(tuple(sorted((n, a) for n, a in own.items() if a)) for own in members))


def _vectors(components: int, size: int) -> Iterator[tuple[tuple[int, ...], list[tuple[int, ...]]]]:
    """The sums and the columns of every group."""
    cube = list(product((0, 1), repeat=components))
    check_groups("vectors of zeros and ones", len(cube), size, MAX_GROUPS)
    for group in combinations_with_replacement(cube, size):
        yield tuple(map(sum, group)), list(zip(*group, strict=True))


def counts(components: int, size: int) -> tuple[int, int, int]:
    """Distinct multisets of advantages over all groups of 0/1 vectors of unit weight: joint, centred, decomposed; eps =
    0 (ddof only scales).
    """
    joint, center, split = set(), set(), set()
    for sums, columns in _vectors(components, size):
        centred = sorted(_centred(sums))
        factor = gcd(*centred) or 1
        joint.add(tuple(value // factor for value in centred))
        center.add(tuple(centred))
        split.add(_split(columns))
    return len(joint), len(center), len(split)


def count_rows(i: ExactInstance) -> list[Row]:
    """P.distinct, P.distinct.center."""
    if not has_every_vector(i.env) or i.scheme.eps != 0:
        return []
    joint, center, split = counts(i.env.n_components, i.scheme.group_size)
    return [{ls.n_joint: joint, ls.n_center: center, ls.n_split: split}]
