"""The claims of claims/update.py in rationals, square roots and balls."""

from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.quantities import group_estimate, rho, trajectory_groups, update_of
from bounds.exact_instance import ExactInstance
from tamdp_theory.exact.balls import ZERO, Number, dot, group_of


def _direct(i: ExactInstance) -> tuple[list[Number], Number]:
    """m and E||g||^2 by listing groups of trajectories."""
    law = i.law
    mean, variance = [ZERO] * i.policy.size, ZERO
    for q in range(i.env.n_prompts):
        group = group_of(i.env, q, i.scheme)
        scores = {path.taken: law.score(path) for path in law.paths[q]}
        first, second = [ZERO] * i.policy.size, ZERO
        for members, p in trajectory_groups(law, q, i.scheme.group_size):
            g = group_estimate(law, q, group, members, scores)
            first = [x + p * v for x, v in zip(first, g, strict=True)]
            second += p * dot(g, g)
        mean = [x + rho(i.env, q) * v for x, v in zip(mean, first, strict=True)]
        variance += rho(i.env, q) * rho(i.env, q) * (second - dot(first, first))
    return mean, variance + dot(mean, mean)


def effective_reward_rows(i: ExactInstance) -> list[Row]:
    """L5: the expected update by listing and from the law, one row a parameter."""
    direct, law = _direct(i)[0], update_of(i)[0]
    return [{s.mean_direct: x, s.mean_law: y} for x, y in zip(direct, law, strict=True)]


def second_moment_rows(i: ExactInstance) -> list[Row]:
    """L6: E||g||^2 by listing and from the law."""
    mean, variance = update_of(i)
    return [{s.second_direct: _direct(i)[1], s.second_law: variance + dot(mean, mean)}]
