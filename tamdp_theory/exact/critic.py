"""PPO's update with an exact critic: advantages of each decision, GAE(lambda) of the policy's own values.

With V the value of a node and c at the end, delta_t = V(x_{t+1}) - V(x_t) (its last V(x_{t+1}) is c), and

    A_t = sum_{k >= t} lambda^(k - t) delta_k,    g = (1/G) sum_i sum_t A_{i,t} grad log pi(a_t | x_t).

Given its past every delta has mean zero, so E[A_t | x, a] = Q(x, a) - V(x) whatever lambda, and the expected update is
grad J: the critic changes the noise alone. Its second moment is one more backward pass: with N = E[A^2 | node],

    E[A_t^2 | x, a] = E[delta_t^2 | x, a] + lambda^2 E[N(x') | x, a],

and scores at distinct nodes are orthogonal, so E||sum_t A_t g_t||^2 sums E[A^2 | x, a] ||g(x, a)||^2 over the pairs
taken. RL4VLM trains so (arXiv 2405.10292), there with a learned critic.
"""

import numpy as np

from tamdp_theory.errors import InputError
from tamdp_theory.exact.passes import backward, forward, score_norm
from tamdp_theory.exact.update import UpdateMoments
from tamdp_theory.exact.values import gradient_from_values
from tamdp_theory.guards import check_integer, check_unit
from tamdp_theory.model import TAMDP, Floats, check_same_process
from tamdp_theory.policies.base import Policy


def critic_moments(env: TAMDP, policy: Policy, group_size: int = 1, gae_lambda: float = 1.0) -> UpdateMoments:
    """Exact mean (it is grad J) and variance of PPO's first step with the exact value function as critic.

    Raises InputError for bad settings, and for policies whose nodes share parameters.

    Args:
        env, policy: the process and a tabular policy.
        group_size: rollouts per prompt, >= 1; all prompts in every step, weighted by their probability.
        gae_lambda: lambda in [0, 1]; 1: the reward less the node's value, 0: one-step differences of values.
    """
    check_same_process(env, policy.env)
    check_integer("group_size", group_size, 1)
    check_unit("gae_lambda", gae_lambda)
    if not policy.is_tabular:
        raise InputError("policy: with parameters shared between nodes scores are not orthogonal; use TabularSoftmax")
    pi = policy.pair_probability[:, None]
    node, pair = backward(env, pi, env.class_composite[:, None, None])
    taken = forward(env, pi)[1]
    squares = _squares(env, pi, node[:, 0, 0], gae_lambda)
    flow = gradient_from_values(env, pi, taken, pair, None)[:, 0, 0]
    second = env.prompt_sum((taken[:, 0] * squares * score_norm(env, pi)[:, 0])[:, None])[:, 0]
    per_prompt = (second - env.prompt_sum((flow**2)[:, None])[:, 0]) / group_size
    mean = policy.pull_back((flow * env.prompt_probability[env.pair_prompt])[:, None], policy.parameters[:, None])[:, 0]
    per_prompt = np.maximum(per_prompt, 0.0)
    variance = float((env.prompt_probability**2 * per_prompt).sum())
    return UpdateMoments(mean, float((mean**2).sum()) + variance, variance, per_prompt)


def _squares(env: TAMDP, pi: Floats, value: Floats, gae_lambda: float) -> Floats:
    """E[A^2 | x, a] of each pair (P,)."""
    ahead = np.concatenate([value, env.class_composite])  # V of each successor, or the reward
    later = np.zeros(env.n_nodes + env.n_classes)  # E[A^2] from each successor on
    squares = np.empty(env.n_pairs)
    for level in reversed(env.levels):
        own = value[env.pair_node[level.pairs]]
        # E(V' - V)^2 from differences: V'^2 less V^2 would cancel
        steps = level.outgoing.tocoo()
        apart = (ahead[steps.coords[1]] - own[steps.coords[0]]) ** 2 * steps.data
        delta = np.bincount(steps.coords[0], weights=apart, minlength=len(level.pairs))
        squares[level.pairs] = delta + gae_lambda**2 * (level.outgoing @ later)
        later[level.nodes] = level.members @ (pi[level.pairs, 0] * squares[level.pairs])
    return squares
