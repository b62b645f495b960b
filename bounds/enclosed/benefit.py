"""The claims of claims/benefit.py in rationals, square roots and balls."""

from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.quantities import (
    group_estimate,
    objective,
    rho,
    smoothness,
    total_gradient,
    trajectory_groups,
    update_of,
)
from bounds.exact_instance import ExactInstance
from bounds.structure import both
from tamdp_theory import InputError
from tamdp_theory.exact.balls import ZERO, Number, dot, group_of, is_zero, moves, number, order, softmax


def benefit_rows(i: ExactInstance) -> list[Row]:
    """E J(theta + eta g) - J(theta) over every group; tabular logits move by eta rho_q g_q, so pi is multiplied by
    exponentials.
    """
    law, env = i.law, i.env
    smooth = smoothness(env)
    gradient = total_gradient(law)
    rows: list[Row] = []
    for scheme in both(i.scheme):
        mean, variance = update_of(ExactInstance(env, i.policy, scheme), law)
        drift, second = dot(gradient, mean), variance + dot(mean, mean)
        if not (drift > 0 and second > 0 and smooth > 0):
            continue
        eta, gain = drift / (smooth * second), ZERO
        for q in range(env.n_prompts):
            group, scores = group_of(env, q, scheme), {path.taken: law.score(path) for path in law.paths[q]}
            after = ZERO
            for members, p in trajectory_groups(law, q, scheme.group_size):
                g = group_estimate(law, q, group, members, scores)
                after += p * (
                    _objective_after(i, q, [eta * rho(env, q) * v for v in g])
                    if any(not is_zero(v) for v in g)
                    else objective(law, q)
                )
            gain += rho(env, q) * (after - objective(law, q))
        rows.append({s.one_step: gain, s.drift: drift, s.L_J: smooth, s.second_law: second})
    return rows


def _objective_after(i: ExactInstance, q: int, shift: list[Number]) -> Number:
    """J_q at the tabular policy with logits log pi + shift."""
    if not i.policy.is_tabular:
        raise InputError("the gain of one step in shared parameters has no exact form; use a tabular policy")
    env = i.env
    tilt = softmax(env, shift)
    value: list[Number] = [ZERO] * env.n_nodes + [number(c) for c in env.exact_class_composite]
    for x in reversed(order(env)):
        if int(env.node_prompt[x]) == q:
            worth, total = ZERO, ZERO
            for pair, p, target in moves(env, x):
                weight = i.policy.probability[pair] * tilt[pair]
                worth += weight * p * value[target]
            for pair in range(int(env.pair_start[x]), int(env.pair_start[x] + env.pair_count[x])):
                total += i.policy.probability[pair] * tilt[pair]
            value[x] = worth / total
    return value[int(env.prompt_start[q])]
