"""The claims of claims/literature/bay.py in rationals, square roots and balls."""

from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.decision import TRIVIAL, Row
from bounds.enclosed.literature.rloo import square_rows
from bounds.enclosed.literature.success import RIGHT, slope_at, successes
from bounds.enclosed.objectives import group_on
from bounds.exact_instance import ExactInstance
from tamdp_theory.exact import Scheme
from tamdp_theory.exact.balls import ONE, ZERO, absolute, largest, number, root


def magnitude_rows(i: ExactInstance) -> list[Row]:
    """P.deviation: every group."""
    size = i.scheme.group_size
    return [{**row, s.sigma_c: root(number(row[ls.S] * (size - row[ls.S]))) / size} for row in square_rows(i)]


def silent_rows(i: ExactInstance) -> list[Row]:
    """P.silent: each prompt."""
    rows: list[Row] = []
    size = i.scheme.group_size
    for one in successes(i):
        law = [1 - one.p, one.p]
        second = group_on(RIGHT, Scheme(size, "sum_then_normalize")).moments(law)[1]
        active = sum((x * a for x, a in zip(law, second, strict=True)), ZERO)
        rows.append({ls.silent_share: ONE - active, s.p: one.p, s.G: number(size)})
    return rows


def attenuation_rows(i: ExactInstance) -> list[Row]:
    """P.attenuation: each prompt."""
    rows: list[Row] = []
    size = i.scheme.group_size
    for one in successes(i):
        first = ONE / (8 * size * one.p * (1 - one.p))
        rows.append(
            {
                s.slope: slope_at(one.group, one.p),
                s.p: one.p,
                s.G: number(size),
                TRIVIAL: largest([absolute(1 - first), first]),
            }
        )
    return rows


def below_rows(i: ExactInstance) -> list[Row]:
    """P.attenuation.upper: each prompt."""
    return [{**row, TRIVIAL: ONE} for row in attenuation_rows(i)]
