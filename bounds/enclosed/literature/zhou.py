"""The claims of claims/literature/zhou.py in rationals, square roots and balls."""

from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.quantities import rho, total_gradient
from bounds.enclosed.variance import leave_one_out_rows
from bounds.exact_instance import ExactInstance
from tamdp_theory.exact.balls import ZERO, dot, gradient_of, number


def budget_rows(i: ExactInstance) -> list[Row]:
    """P.budget, P.budget.best."""
    mean, size = total_gradient(i.law), i.scheme.group_size
    between = within = paired = noise = ZERO
    for q, row in enumerate(leave_one_out_rows(i)):
        away = [x - y for x, y in zip(gradient_of(i.law, q), mean, strict=True)]
        share = rho(i.env, q)
        between += share * dot(away, away)
        within += share * row[s.trace_projection]
        paired += share * (2 * row[s.trace_kernel] - row[s.trace_projection])
        noise += share * row[s.variance]
    found = {ls.between: between, ls.within: within, ls.paired: paired, s.G: number(size)}
    return [{ls.error_budget: size * (between + noise), **found}]
