"""The claims of claims/update_gap.py in rationals, square roots and balls."""

from fractions import Fraction

import numpy as np

from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.quantities import norm, probabilities, reward, rho, spectral_norm, update_of
from bounds.enclosed.single_groups import joint_and_split
from bounds.enclosed.suboptimality import FAR
from bounds.exact_instance import ExactInstance
from bounds.structure import contrast
from tamdp_theory import CapacityError
from tamdp_theory.exact.balls import ZERO, BallGroup, BallLaw, Number, ball, combine, dot, group_of, largest, number


def gradient_gap_rows(i: ExactInstance) -> list[Row]:
    """T2.gradient: each prompt at lambda = 1 and near the best one."""
    law = i.law
    rows: list[Row] = []
    for q, terms in enumerate(law.classes):
        p = probabilities(terms)
        joint, split = ([*group.first(p)] for group in joint_and_split(i, q))
        gamma = sum((x * y for x, y in zip(p, split[1], strict=True)), ZERO)
        alpha = sum((x * y for x, y in zip(p, joint[1], strict=True)), ZERO)
        one = _mean_square(group_of(i.env, q, contrast(i.scheme)), p)
        shares = [Fraction(1)]
        if gamma * FAR > alpha:  # any share is allowed: one beyond reach is left out
            shares.append(Fraction(float(ball((alpha + gamma - one) / 2 / gamma).mid())).limit_denominator(10**9))
        energy = sum((t.energy for t in terms), ZERO)
        top = _top(law, q)
        for share in shares:
            gap = _mean_square(group_of(i.env, q, contrast(i.scheme, share)), p)
            if gap > 0:
                distance = combine(
                    [x - number(share) * y for x, y in zip(joint[0], split[0], strict=True)], terms, i.policy.size
                )
                rows.append(
                    {s.gap_norm: norm(distance), s.kappa: i.kappa, s.Q_gap: gap, s.lambda_max: top, s.energy: energy}
                )
    return rows


def _mean_square(group: BallGroup, p: list[Number]) -> Number:
    return sum((x * y for x, y in zip(p, group.first(p)[1], strict=True)), ZERO)


def _top(law: BallLaw, q: int) -> Number:
    """Largest eigenvalue of E[s s^T | q]; increments at distinct nodes are orthogonal in the mean, so tabular scores
    have a block for each node.
    """
    size, env, pi = law.policy.size, law.env, law.policy.probability
    if law.policy.is_tabular and law.think_weight == 1:
        norms = []
        for x in np.flatnonzero(env.node_prompt == q).tolist():
            own = range(int(env.pair_start[x]), int(env.pair_start[x] + env.pair_count[x]))
            norms.append(
                law.visits[x] * spectral_norm([[(pi[a] if a == b else ZERO) - pi[a] * pi[b] for b in own] for a in own])
            )
        return largest(norms)
    if size > 40:
        raise CapacityError(
            f"{law.env.name}: a matrix of {size} parameters is too large to enclose; use a smaller instance"
        )
    total = [[ZERO] * size for _ in range(size)]
    for path in law.paths[q]:
        score = law.score(path)
        for a in range(size):
            for b in range(size):
                total[a][b] += path.probability * score[a] * score[b]
    return spectral_norm(total)


def center_is_linear_rows(i: ExactInstance) -> list[Row]:
    """The composite's update by its group moments, the components' by policy gradients: kappa E[s (R_k - J_k)]."""
    law, count = i.law, i.env.n_components
    parts = [[ZERO] * i.policy.size for _ in range(count)]
    for q, terms in enumerate(law.classes):
        for k in range(count):
            values = [number(v) for v in reward(i.env, q, k)]
            mean = dot(values, probabilities(terms))
            step = combine([v - mean for v in values], terms, i.policy.size)
            parts[k] = [x + rho(i.env, q) * i.kappa * g for x, g in zip(parts[k], step, strict=True)]
    whole = update_of(i, law)[0]
    return [
        {s.mean_center: x, s.mean_center_of: [part[j] for part in parts], s.w: i.env.exact_weights, s.K: count}
        for j, x in enumerate(whole)
    ]
