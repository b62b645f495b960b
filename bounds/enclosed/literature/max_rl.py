"""The claims of claims/literature/max_rl.py in rationals, square roots and balls."""

from math import comb

from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.literature.davis_recht import climbed
from bounds.enclosed.literature.success import successes
from bounds.enclosed.quantities import pow
from bounds.exact_instance import ExactInstance
from tamdp_theory.exact.balls import ZERO, Number, is_zero

TRIES = 6  # pass@k up to this


def _slope_of_pass(p: Number, up: Number, tries: int) -> Number:
    """Derivative of pass@k where p has the derivative ``up``: mean of [a success] times the tries' scores, over how
    many succeed.
    """
    total = ZERO
    for right in range(1, tries + 1):
        wrong = tries - right
        term = right * pow(p, right - 1) * pow(1 - p, wrong) * up
        if wrong:
            term -= wrong * pow(p, right) * pow(1 - p, wrong - 1) * up
        total += comb(tries, right) * term
    return total


def series_rows(i: ExactInstance) -> list[Row]:
    """P.likelihood: each prompt and parameter that moves p."""
    return [
        {
            s.p: one.p,
            ls.slope_log: up / one.p,
            ls.slope_pass: [_slope_of_pass(one.p, up, k) for k in range(1, TRIES + 1)],
            ls.N_tries: TRIES,
        }
        for one in successes(i)
        for up in one.gradient
        if not is_zero(up)
    ]


def potential_rows(i: ExactInstance) -> list[Row]:
    """P.likelihood.group: each prompt."""
    return [{ls.climbed: climbed(one.group, one.p), s.p: one.p, s.G: one.group.size} for one in successes(i)]
