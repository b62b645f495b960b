"""The claims of claims/literature/mroueh.py in balls. The reference is the instance's policy."""

from collections.abc import Sequence
from fractions import Fraction

from flint import arb

from bounds import literature_symbols as ls
from bounds.decision import Row
from bounds.enclosed.literature.success import successes
from bounds.exact_instance import ExactInstance
from tamdp_theory.exact.balls import Number, ball, number, root

# (beta, eps), eps > 0
SETTINGS = ((Fraction(1), Fraction(1, 100)), (Fraction(1, 2), Fraction(1, 100)), (Fraction(2), Fraction(1, 10_000)))
HALVINGS = 200
WARM_UP = 2000  # steps until a cycle has settled


def step(p: Number, reference: Number, beta: Fraction, eps: Fraction) -> arb:
    """h(p): log-odds of the reference, plus 1 / (beta sqrt(p (1 - p) + eps))."""
    increment = 1 / (ball(number(beta)) * ball(root(p * (1 - p) + number(eps))))
    return 1 / (1 + ball((1 - reference) / reference) * (-increment).exp())


def fixed_point(reference: Number, beta: Fraction, eps: Fraction) -> arb:
    """A ball with a fixed point: h(p) > p at the reference and h(p) < p at 1, halved while the sign is certain."""
    low, high = ball(reference), arb(1)
    for _ in range(HALVINGS):
        middle = arb(((low + high) / 2).mid())
        gap = step(middle, reference, beta, eps) - middle
        if gap > 0:
            low = middle
        elif gap < 0:
            high = middle
        else:
            break
    return low.union(high)


def fixed_rows(i: ExactInstance) -> list[Row]:
    """P.iterate.fixed, P.iterate.gain: each prompt and setting."""
    return fixed_from([one.p for one in successes(i)])


def fixed_from(references: Sequence[Number]) -> list[Row]:
    """The same from success probabilities of the reference."""
    return [
        {ls.p_fixed: fixed_point(p, beta, eps), ls.p_reference: p, ls.beta: number(beta), ls.eps: number(eps)}
        for p in references
        for beta, eps in SETTINGS
    ]


def cycle_rows(i: ExactInstance) -> list[Row]:
    """P.iterate.cycle: the first prompt and setting that show it."""
    return cycle_from([one.p for one in successes(i)])


def cycle_from(references: Sequence[Number]) -> list[Row]:
    """The same from success probabilities of the reference: two points below 1/2, found by following the step in
    floats, with h(p) > p at the larger one (h falls below 1/2, so everywhere between); none where h(h(p)) - p does not
    change its sign between them.
    """
    for reference in references:
        for beta, eps in SETTINGS:
            p = arb(ball(reference).mid())
            for _ in range(WARM_UP):
                p = arb(step(p, reference, beta, eps).mid())
            other = arb(step(p, reference, beta, eps).mid())
            bottom = Fraction(float(p if p < other else other)).limit_denominator(10**6)
            if not 0 < bottom < Fraction(49, 100):
                continue
            points = [number(bottom * (1 + sign * Fraction(1, 100))) for sign in (-1, 1)]
            once = [step(x, reference, beta, eps) for x in points]
            if not once[1] > ball(points[1]):
                continue
            turns = [step(y, reference, beta, eps) - ball(x) for x, y in zip(points, once, strict=True)]
            if turns[0] * turns[1] < 0:
                return [{ls.turn_low: turns[0], ls.turn_high: turns[1]}]
    return []
