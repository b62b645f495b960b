"""The claims of claims/potential.py in rationals, square roots and balls."""

from fractions import Fraction

from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.quantities import curvature_of_potential, rho, slope_of_potential, two_valued_terms, update_of
from bounds.exact_instance import ExactInstance
from tamdp_theory.exact.balls import ONE, ZERO, absolute, combine, gradient_of, is_zero, number


def all_terms(i: ExactInstance) -> list[tuple[int, list[int]]]:
    """(prompt, 1 where a class has the larger value) of each standardized reward; none if one of them has
    three values.
    """
    found = [two_valued_terms(i, q) for q in range(i.env.n_prompts)]
    return (
        []
        if any(one is None for one in found)
        else [(q, high) for q, one in enumerate(found) for _, high, _ in one or []]
    )


def potential_rows(i: ExactInstance) -> list[Row]:
    """L7: the gradient of the potential against the expected update, one row a parameter."""
    law, scheme = i.policy.law(), i.scheme  # the potential knows nothing of how the estimator weighs actions
    slope = [ZERO] * i.policy.size
    for q, terms in enumerate(law.classes):
        if scheme.normalization == "center":
            slope = [x + i.kappa * rho(i.env, q) * g for x, g in zip(slope, gradient_of(law, q), strict=True)]
            continue
        found = two_valued_terms(i, q)
        if found is None:
            return []
        for weight, high, spread in found:
            p = sum((one.probability for one, h in zip(terms, high, strict=True) if h), ZERO)
            psi = slope_of_potential(p, scheme.group_size, i.eps, scheme.ddof, spread)
            rise = combine([number(h) for h in high], terms, i.policy.size)
            slope = [x + rho(i.env, q) * weight * psi * g for x, g in zip(slope, rise, strict=True)]
    return [{s.slope_potential: x, s.mean_law: y} for x, y in zip(slope, update_of(i)[0], strict=True)]


def slopes_rows(i: ExactInstance) -> list[Row]:
    """L7.upper, L7.lower: the slope of the potential of each standardized reward."""
    rows: list[Row] = []
    law, size = i.law, i.scheme.group_size
    half = slope_of_potential(number(Fraction(1, 2)), size, Fraction(0), 0, ONE)
    for q, high in all_terms(i):
        p = sum((one.probability for one, h in zip(law.classes[q], high, strict=True) if h), ZERO)
        rows.append({s.psi: slope_of_potential(p, size, Fraction(0), 0, ONE), s.psi_half: half, s.G: size})
    return rows


def growth_rows(i: ExactInstance) -> list[Row]:
    """L7.monotone, L7.limit and their bends, at the probability of each standardized reward."""
    rows: list[Row] = []
    size = i.scheme.group_size
    for q, high in all_terms(i):
        p = sum((one.probability for one, h in zip(i.law.classes[q], high, strict=True) if h), ZERO)
        if is_zero(p) or is_zero(1 - p):
            continue
        slope, bend = (
            [of(p, one, Fraction(0), 0, ONE) for one in (size, size + 1)]
            for of in (slope_of_potential, curvature_of_potential)
        )
        rows.append(
            {
                s.psi: slope[0],
                s.psi_next: slope[1],
                s.psi_bend: absolute(bend[0]),
                s.psi_bend_next: absolute(bend[1]),
                s.p: p,
            }
        )
    return rows
