"""Objectives J and J_k, the policy gradient, divergence from a reference: one pass or two over the nodes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tamdp_theory.errors import InputError
from tamdp_theory.exact.passes import backward, best, forward
from tamdp_theory.guards import check_unit
from tamdp_theory.model import TAMDP, THINK, Floats, check_same_process
from tamdp_theory.policies.base import Policy, most_likely


@dataclass(frozen=True)
class Values:
    """total J in [0, W]; components J_k (K,) in [0, 1]; per_prompt E[R_k | q] (N, K) in [0, 1]."""

    total: float
    components: Floats
    per_prompt: Floats


def values(env: TAMDP, policy: Policy) -> Values:
    """Objectives of theory.md section 1 under ``policy``."""
    check_same_process(env, policy.env)
    node, _ = backward(env, policy.pair_probability[:, None], env.class_rewards[:, :, None])
    return _values(env, node[env.prompt_start, :, 0])


def optimal_values(env: TAMDP) -> Values:
    """Each objective maximized over policies on its own: total is J*, components and per_prompt are suprema of J_k."""
    terminal = np.column_stack([env.class_composite, env.class_rewards])
    start = best(env, terminal)[0][env.prompt_start]
    return Values(
        float((env.prompt_probability * start[:, 0]).sum()),
        (env.prompt_probability[:, None] * start[:, 1:]).sum(axis=0),
        start[:, 1:],
    )


def _values(env: TAMDP, per_prompt: Floats) -> Values:
    components = (env.prompt_probability[:, None] * per_prompt).sum(axis=0)
    return Values(float((components * env.weights).sum()), components, per_prompt)


def occupancy(env: TAMDP, policy: Policy) -> Floats:
    """d(x) (n_nodes,): probability, over prompts too, that a trajectory visits x."""
    check_same_process(env, policy.env)
    visits = forward(env, policy.pair_probability[:, None])[0][:, 0]
    return visits * env.prompt_probability[env.node_prompt]


def policy_gradient(
    env: TAMDP, policy: Policy, class_reward: ArrayLike | None = None, think_weight: float = 1.0
) -> Floats:
    """grad J (d,); or the gradient of the mean of any ``class_reward`` (C,), with think scores weighted by
    ``think_weight``.

    With think_weight < 1 this is E[s_lambda r], which is the gradient of nothing in general (theory.md section 2).
    """
    check_same_process(env, policy.env)
    reward = env.class_composite if class_reward is None else class_rewards_of(env, class_reward)
    pi = policy.pair_probability[:, None]
    sensitivity = logit_gradient(env, pi, reward[:, None, None], score_weight(env, think_weight))[:, 0]
    sensitivity = sensitivity * env.prompt_probability[env.pair_prompt, None]
    return policy.pull_back(sensitivity, policy.parameters[:, None])[:, 0]


def logit_gradient(env: TAMDP, pi: Floats, terminal: Floats, weight: Floats | None = None) -> Floats:
    """E[s r | q] with respect to logits (P, F, S), for each pair's own prompt, of terminal rewards r (C, F, S or 1).

    pi (P, S); weight (P,) multiplies the score of each pair (None: one), see ``score_weight``.
    """
    return gradient_from_values(env, pi, forward(env, pi)[1], backward(env, pi, terminal)[1], weight)


def gradient_from_values(env: TAMDP, pi: Floats, taken: Floats, pair: Floats, weight: Floats | None) -> Floats:
    """``logit_gradient`` when both passes are at hand: pi (P, S), probability of each pair, taken (P, S), how
    often it is taken, pair (P, F, S), its Q values, weight (P,) of its score, None for one each.
    """
    if weight is not None:
        pair = weight[:, None, None] * pair  # the score of a pair, times its weight, times Q
    # relative to the most likely action, whose own advantage is then summed from the others: Q - V would cancel
    leader = np.take_along_axis(pair, most_likely(env, pi)[:, None], axis=0)
    gain = pair - env.spread_to_pairs(leader)
    return taken[:, None] * (gain - env.spread_to_pairs(env.node_sum(pi[:, None] * gain)))


def score_weight(env: TAMDP, think_weight: float) -> Floats | None:
    """Weight of each pair's score (P,): ``think_weight`` in [0, 1] at think actions, else one. None if all are one."""
    check_unit("think_weight", think_weight)
    is_think = env.pair_kind == THINK
    if think_weight == 1 or not is_think.any():
        return None
    return np.where(is_think, think_weight, 1.0)


def class_rewards_of(env: TAMDP, class_reward: ArrayLike) -> Floats:
    """Check a reward per class (C,)."""
    reward = np.asarray(class_reward, dtype=np.float64)
    if reward.shape != (env.n_classes,) or not np.isfinite(reward).all():
        raise InputError(
            f"class_reward: expected finite ({env.n_classes},), one per reward class, got shape {reward.shape}"
        )
    return reward


@dataclass(frozen=True)
class Divergence:
    """KL(P_theta || P_ref) over trajectories: value >= 0 (prompts averaged), per_prompt (N,), gradient (d,)."""

    value: float
    per_prompt: Floats
    gradient: Floats


def divergence(env: TAMDP, policy: Policy, reference: Policy) -> Divergence:
    """Trajectory KL by the chain rule (L1): the tool kernel cancels."""
    check_same_process(env, policy.env)
    check_same_process(env, reference.env)
    log_ratio = (policy.pair_log_probability - reference.pair_log_probability)[:, None]
    per_prompt, flow = divergence_sensitivity(env, policy.pair_probability[:, None], log_ratio)
    per_prompt = per_prompt[:, 0]
    gradient = policy.pull_back(flow, policy.parameters[:, None])[:, 0]
    return Divergence(float((env.prompt_probability * per_prompt).sum()), per_prompt, gradient)


def divergence_sensitivity(env: TAMDP, pi: Floats, log_ratio: Floats) -> tuple[Floats, Floats]:
    """KL to a reference on each prompt (N, S), and the gradient of its mean with respect to logits (P, S).

    pi (P, S); log_ratio (P, S) = log pi - log pi_ref, the running reward whose expected sum is the divergence.
    """
    node, pair = backward(env, pi, np.zeros((env.n_classes, 1, 1)), running=log_ratio)
    flow = gradient_from_values(env, pi, forward(env, pi)[1], pair, None)[:, 0]
    return node[env.prompt_start, 0], flow * env.prompt_probability[env.pair_prompt, None]
