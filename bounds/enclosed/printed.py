"""The claims of claims/printed.py in rationals, square roots and balls."""

from fractions import Fraction

from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.quantities import trajectory_groups
from bounds.enclosed.single_groups import Single, joint_and_split
from bounds.exact_instance import ExactInstance
from tamdp_theory import CapacityError
from tamdp_theory.exact.balls import ONE, ZERO, Number, number


def printed_rows(i: ExactInstance) -> list[Row]:
    """T2.printed: both surrogates, Delta and the factor of every group of trajectories."""
    if i.reference is None:
        raise CapacityError(
            "this claim compares with the policy that drew the group; the instance names none as reference"
        )
    law, env = i.law, i.env
    rows: list[Row] = []
    for q in range(env.n_prompts):
        joint, split = joint_and_split(i, q)
        first = int(env.prompt_classes[q][0])
        ratios = {}
        for path in law.paths[q]:
            ratio = ONE
            for pair in path.taken:
                ratio = ratio * i.policy.probability[pair] / i.reference.probability[pair]
            ratios[path.taken] = ratio
        for members, _ in trajectory_groups(law, q, i.scheme.group_size):
            group = tuple(sorted(path.reward_class - first for path in members))
            sides = [
                sum((ratios[path.taken] * found.advantages(group)[path.reward_class - first] for path in members), ZERO)
                / i.scheme.group_size
                for found in (joint, split)
            ]
            factor = sum((ratios[path.taken] for path in members), ZERO) / i.scheme.group_size
            rows.append(
                {
                    s.S_joint: sides[0],
                    s.S_dec: sides[1],
                    s.Delta: printed_delta(Single(i, q, group)),
                    s.printed_factor: factor,
                }
            )
    return rows


def printed_delta(one: Single) -> Number:
    """The paper's Delta of a group: the largest |(c_i - mean c) - sum_k w_k (R_ki - mean R_k)| / sigma_c, 0 where
    nothing is left to divide.
    """
    rest = [
        c - sum((w * part[j] for w, part in zip(one.weights, one.deviations, strict=True)), Fraction(0))
        for j, c in enumerate(one.joint_deviation)
    ]
    return number(max(map(abs, rest))) / one.sigma_c if any(rest) else ZERO
