"""The claims of claims/literature/davis_recht.py in rationals, square roots and balls."""

from fractions import Fraction
from functools import cache

from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.literature.success import binomial, slope_at, successes
from bounds.enclosed.slopes import gain_tables
from bounds.exact_instance import ExactInstance
from tamdp_theory import CapacityError
from tamdp_theory.exact.balls import ZERO, BallGroup, Number, number

MAX_SIZE = 32  # of groups whose polynomial is integrated


@cache
def _weights(count: int) -> tuple[Fraction, ...]:
    """Weights of the nodes j / (count - 1), 0 <= j < count, that integrate every polynomial of degree below count over
    [0, 1].
    """
    nodes = [Fraction(j, count - 1) for j in range(count)]
    found = []
    for j, own in enumerate(nodes):
        factor, rest = Fraction(1), [Fraction(1)]  # coefficients, lowest first
        for k, other in enumerate(nodes):
            if k != j:
                factor /= own - other
                rest = [a - other * b for a, b in zip([Fraction(0), *rest], [*rest, Fraction(0)], strict=True)]
        found.append(factor * sum((c / (power + 1) for power, c in enumerate(rest)), Fraction(0)))
    return tuple(found)


def climbed(group: BallGroup, p: Number) -> Number:
    """Integral of h_1 - h_0 from 0 to p."""
    size = group.size
    if size > MAX_SIZE:
        raise CapacityError(f"groups of {size}: at most {MAX_SIZE} are integrated exactly; use a smaller group")
    places = (p * number(Fraction(j, size - 1)) for j in range(size))
    return p * sum((number(w) * slope_at(group, t) for w, t in zip(_weights(size), places, strict=True)), ZERO)


def potential_rows(i: ExactInstance) -> list[Row]:
    """P.potential: each prompt."""
    rows: list[Row] = []
    for one in successes(i):
        right, wrong = gain_tables(one.group)
        law = binomial(one.group.size, one.p)
        tail = [sum(law[k:], ZERO) for k in range(1, len(law))]
        rows.append(
            {
                ls.climbed: climbed(one.group, one.p),
                s.G: one.group.size,
                s.gain_right: right,
                s.gain_wrong: wrong,
                ls.tail: tail,
            }
        )
    return rows


def arcsine_rows(i: ExactInstance) -> list[Row]:
    """P.potential.arcsine: each prompt."""
    return [{ls.climbed: climbed(one.group, one.p), s.p: one.p, s.kappa: i.kappa} for one in successes(i)]
