"""The claims of claims/suboptimality.py in rationals, square roots and balls."""

from fractions import Fraction
from math import inf

from bounds import symbols as s
from bounds.decision import TRIVIAL, Row
from bounds.enclosed.geometry import comparator
from bounds.enclosed.quantities import composite, norm, objective, probabilities, reward, slope_of_potential, spread
from bounds.exact_instance import ExactInstance
from bounds.structure import both
from tamdp_theory.exact.balls import (
    ONE,
    ZERO,
    BallGroup,
    BallLaw,
    Number,
    absolute,
    ball,
    combine,
    dot,
    group_of,
    is_zero,
    largest,
    moves,
    number,
    order,
)

FAR = 10**12  # factors beyond this help no bound


def _star(i: ExactInstance, law: BallLaw) -> tuple[list[list[Number]], list[Number], list[Number]]:
    """Class laws under the comparator, J*_q and C_q."""
    chosen, optimum, constants = comparator(law)
    return best_laws(i, chosen), optimum, constants


def best_laws(i: ExactInstance, chosen: list[int]) -> list[list[Number]]:
    """Law of the classes of each prompt under a deterministic policy."""
    env = i.env
    reach = [ZERO] * (env.n_nodes + env.n_classes)
    for x in env.prompt_start.tolist():
        reach[x] = ONE
    for x in order(env):
        for pair, p, target in moves(env, x):
            if pair == chosen[x]:
                reach[target] += reach[x] * p
    return [[reach[env.n_nodes + c] for c in classes.tolist()] for classes in env.prompt_classes]


def _scale(
    columns: list[tuple[Number, list[Number], list[Number]]], tv: Number, slope: Number
) -> tuple[Fraction, list[Number]]:
    """A rational mu near the best one, and the range of R - mu h of each column (weight, R, h): any mu is allowed."""
    kinks = {Fraction(0)}
    for _, values, effective in columns:
        for a in range(len(values)):
            for b in range(a):
                change = float(ball(effective[a] - effective[b]).mid())
                if change:
                    kink = float(ball(values[a] - values[b]).mid()) / change
                    if 0 < kink < inf:
                        kinks.add(Fraction(kink).limit_denominator(10**12) if kink > 1e-3 else Fraction(kink))

    def ranges(mu: Fraction) -> list[Number]:
        residual = [
            [v - number(mu) * h for v, h in zip(values, effective, strict=True)] for _, values, effective in columns
        ]
        return [largest(one) + largest([-v for v in one]) for one in residual]

    def value(mu: Fraction) -> float:
        return float(
            ball(
                tv * sum((w * r for (w, _, _), r in zip(columns, ranges(mu), strict=True)), ZERO) + number(mu) * slope
            ).mid()
        )

    best = min(kinks, key=value)
    return best, ranges(best)


def suboptimality_rows(i: ExactInstance, split: bool = False) -> list[Row]:
    """T2.suboptimality on each prompt at a rational mu near the best, by components where ``split``."""
    law = i.law
    stars, optimum, constants = _star(i, law)
    rows: list[Row] = []
    for q, terms in enumerate(law.classes):
        p, star = probabilities(terms), stars[q]
        tv = sum((absolute(a - b) for a, b in zip(p, star, strict=True)), ZERO) / 2
        h = group_of(i.env, q, i.scheme).first(p)[0]
        step = norm(combine(h, terms, i.policy.size))
        columns = [(ONE, [number(c) for c in composite(i.env, q)], h)]
        if split:
            columns = [
                (number(w), [number(v) for v in reward(i.env, q, k)], _alone(i, q, k).first(p)[0])
                for k, w in enumerate(i.env.exact_weights)
            ]
        mu, ranges = _scale(columns, tv, constants[q] * step)
        row = {
            s.J_star: optimum[q],
            s.J: objective(law, q),
            s.tv: tv,
            s.mu: mu,
            s.C_star: constants[q],
            s.m_norm: step,
            s.K: i.env.n_components,
        }
        # at mu = 0, or without an update, the row is osc(c) TV, or the sum of it over components: no better, it is true
        # whatever the update
        free = tv * sum((w * (largest(values) + largest([-v for v in values])) for w, values, _ in columns), ZERO)
        bound = (
            tv * sum((w * r for (w, _, _), r in zip(columns, ranges, strict=True)), ZERO)
            + number(mu) * constants[q] * step
        )
        useless = spread(i.env, q) if mu != 0 and not is_zero(step) and bound < free else ZERO
        rows.append(
            {**row, s.osc_residual: ranges[0], s.osc_residual_of: ranges, s.w: i.env.exact_weights, TRIVIAL: useless}
        )
    return [row for row in rows if row[TRIVIAL] != 0] or rows


def _alone(i: ExactInstance, q: int, k: int) -> BallGroup:
    return BallGroup(((Fraction(1), tuple(reward(i.env, q, k))),), both(i.scheme)[0])


def signed_rows(i: ExactInstance, solvable: bool) -> list[Row]:
    """T2.suboptimality.signed, and where ``solvable`` T2.suboptimality.solvable."""
    law, env = i.law, i.env
    stars, optimum, constants = _star(i, law)
    rows: list[Row] = []
    for q, terms in enumerate(law.classes):
        p = probabilities(terms)
        varies = [k for k, w in enumerate(env.exact_weights) if w and len(set(reward(env, q, k))) > 1]
        if not varies:
            continue
        now, best = (
            [dot([number(v) for v in reward(env, q, k)], one) for k in range(env.n_components)] for one in (p, stars[q])
        )
        if solvable and "solvable" not in i.without and not all(best[k] >= now[k] for k in varies):
            return []
        psi = [
            slope_of_potential(now[k], i.scheme.group_size, i.eps, i.scheme.ddof, ONE) if k in varies else ZERO
            for k in range(env.n_components)
        ]
        step = norm(combine(group_of(env, q, i.scheme).first(p)[0], terms, i.policy.size))
        active = [psi[k] for k in varies]
        least = -largest([-v for v in active])
        for extreme in (largest(active),) if solvable else (largest(active), least):
            rows.append(
                {
                    s.J_star: optimum[q],
                    s.J: objective(law, q),
                    s.C_star: constants[q],
                    s.m_norm: step,
                    s.psi_min: least,
                    s.psi_of: psi,
                    s.p_of: now,
                    s.p_star_of: best,
                    s.w: env.exact_weights,
                    s.K: env.n_components,
                    s.mu: ONE / extreme,
                    TRIVIAL: spread(env, q),
                }
            )
    return rows
