"""The claims of claims/variance.py in rationals, square roots and balls."""

from fractions import Fraction

from bounds import symbols as s
from bounds.decision import TRIVIAL, Row
from bounds.enclosed.potential import all_terms
from bounds.enclosed.quantities import (
    composite,
    objective,
    probabilities,
    rho,
    spectral_norm,
    spread,
    two_valued_terms,
    update_of,
)
from bounds.exact_instance import ExactInstance
from tamdp_theory.estimators import Scheme
from tamdp_theory.exact.ball_numbers import bits_of, check_effort, effort
from tamdp_theory.exact.balls import ZERO, BallGroup, Number, dot, gradient_of, is_zero, number, prompt_update, root


def variance_rows(i: ExactInstance) -> list[Row]:
    """L9, L9.components: the variance and what bounds it."""
    law = i.law
    energy = sum((rho(i.env, q) ** 2 * one.energy for q in range(i.env.n_prompts) for one in law.classes[q]), ZERO)
    squares = sum((w * w for w in i.env.exact_weights), Fraction(0))
    return [
        {
            s.variance: update_of(i, law)[1],
            s.kappa: i.kappa,
            s.W: i.total_weight,
            s.G: i.scheme.group_size,
            s.K: i.env.n_components,
            s.w_squares: squares,
            s.energy_squared_rho: energy,
        }
    ]


def variance_component_rows(i: ExactInstance) -> list[Row]:
    """L9.two-valued: each standardized reward alone."""
    law, size = i.law, i.scheme.group_size
    rows: list[Row] = []
    for q, high in all_terms(i):
        terms = law.classes[q]
        group = BallGroup(((Fraction(1), tuple(Fraction(h) for h in high)),), Scheme(size, "sum_then_normalize"))
        h, second, cross = group.moments(probabilities(terms))
        noise = sum((a * one.energy for a, one in zip(second, terms, strict=True)), ZERO) / size
        for m, left in enumerate(terms):
            for n, right in enumerate(terms):
                noise += (i.kappa * cross[m][n] - h[m] * h[n]) * dot(left.gradient, right.gradient)
        p = sum((one.probability for one, up in zip(terms, high, strict=True) if up), ZERO)
        above = sum((one.energy for one, up in zip(terms, high, strict=True) if up), ZERO)
        below = sum((one.energy for one, up in zip(terms, high, strict=True) if not up), ZERO)
        rows.append({s.variance_k: noise, s.p: p, s.energy_high: above / p, s.energy_low: below / (1 - p), s.G: size})
    return rows


def variance_decomposed_rows(i: ExactInstance) -> list[Row]:
    """L9.decomposed: each prompt; none where a standardized reward has three values."""
    if any(two_valued_terms(i, q) is None for q in range(i.env.n_prompts)):
        return []
    law = i.law
    total = number(i.scheme.estimator.total(i.env.exact_weights))
    return [
        {s.variance: prompt_update(law, q, i.scheme)[1], s.H: i.env.horizon, s.W: total, s.G: i.scheme.group_size}
        for q in range(i.env.n_prompts)
    ]


def leave_one_out_rows(i: ExactInstance) -> list[Row]:
    """L9x: each prompt."""
    law = i.law
    rows: list[Row] = []
    for q, terms in enumerate(law.classes):
        c = [number(v) for v in composite(i.env, q)]
        bits = 2 * bits_of(c) + 2 * bits_of(one.probability for one in terms)
        check_effort(
            effort(len(terms) ** 2 * i.policy.size, bits),
            f"pairs of {len(terms)} rewards",
            "use fewer rewards, or of fewer digits",
        )
        mean, gradient = objective(law, q), gradient_of(law, q)
        projection = sum(((v - mean) * (v - mean) * one.energy for v, one in zip(c, terms, strict=True)), ZERO) - dot(
            gradient, gradient
        )
        kernel = -dot(gradient, gradient)
        for a, left in zip(c, terms, strict=True):
            for b, right in zip(c, terms, strict=True):
                cross = (
                    left.energy * right.probability
                    + right.energy * left.probability
                    - 2 * dot(left.gradient, right.gradient)
                )
                kernel += (a - b) ** 2 * cross / 4
        noise = prompt_update(law, q, i.scheme)[1] / i.kappa**2
        rows.append(
            {s.variance: noise, s.trace_projection: projection, s.trace_kernel: kernel, s.G: i.scheme.group_size}
        )
    return rows


def graded_rows(i: ExactInstance) -> list[Row]:
    """L9.eps, L9.graded: each prompt on which the composite varies."""
    rows: list[Row] = []
    size = i.policy.size
    for q, terms in enumerate(i.law.classes):
        if is_zero(spread(i.env, q)):
            continue
        c, mean = [number(v) for v in composite(i.env, q)], objective(i.law, q)
        variance = sum((one.probability * (v - mean) * (v - mean) for v, one in zip(c, terms, strict=True)), ZERO)
        energy = sum((one.energy for one in terms), ZERO)
        rows.append(
            {
                s.variance_prompt: prompt_update(i.law, q, i.scheme)[1],
                s.energy_prompt: energy,
                s.energy_direction: spectral_norm(_mean_square(i, q, size)),
                s.sd_prompt: root(variance),
                s.osc_prompt: spread(i.env, q),
                s.kappa: i.kappa,
                s.eps: i.eps,
                s.G: i.scheme.group_size,
                s.H: i.env.horizon,
                TRIVIAL: energy * i.kappa * number(Fraction(i.scheme.group_size - i.scheme.ddof, i.scheme.group_size)),
            }
        )
    return rows


def _mean_square(i: ExactInstance, q: int, size: int) -> list[list[Number]]:
    """E_q[s s^T]."""
    total = [[ZERO] * size for _ in range(size)]
    for path in i.law.paths[q]:
        score = {a: v for a, v in enumerate(i.law.score(path)) if not is_zero(v)}
        for a, u in score.items():
            for b, v in score.items():
                total[a][b] += path.probability * u * v
    return total


def unbounded_rows(i: ExactInstance) -> list[Row]:
    """L9.graded.none: V; none where it is below 3/128, unless "witness" is dropped."""
    noise = update_of(i)[1]
    return [] if not noise >= number(Fraction(3, 128)) and "witness" not in i.without else [{s.variance: noise}]
