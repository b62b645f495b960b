"""The clipped surrogate with a KL penalty (theory.md sections 2 and 3), exactly, over the groups of the old policy."""

from dataclasses import dataclass

import numpy as np

from tamdp_theory.errors import InputError
from tamdp_theory.estimators.scheme import Aggregation, Keep, Normalization, Scheme
from tamdp_theory.exact.trajectories import Trajectories, enumerate_trajectories
from tamdp_theory.exact.update import UpdatePlan
from tamdp_theory.exact.values import divergence, score_weight
from tamdp_theory.model import TAMDP, Floats, Ints, check_same_process
from tamdp_theory.policies.base import Policy


@dataclass(frozen=True)
class Surrogate:
    """value of the expected objective, its gradient (d,), the kl term before kl_coef, per_prompt clipped parts (N,)."""

    value: float
    gradient: Floats
    kl: float
    per_prompt: Floats

    def __float__(self) -> float:
        return self.value


def surrogate(
    env: TAMDP,
    policy: Policy,
    old_policy: Policy,
    group_size: int,
    normalization: Normalization,
    clip: tuple[float, float] = (0.2, 0.2),
    kl_coef: float = 0.0,
    reference: Policy | None = None,
    eps: float = 0.0,
    ddof: int = 0,
    think_weight: float = 1.0,
    aggregation: Aggregation = "trajectory",
    keep: Keep = "all",
) -> Surrogate:
    """Expected clipped surrogate at ``policy`` when groups are drawn from ``old_policy``.

    clip (eps_lo, eps_hi): ratios are clipped to [1 - eps_lo, 1 + eps_hi]; eps_lo in [0, 1], eps_hi >= 0, inf for none.
    kl_coef beta >= 0 needs a ``reference``. think_weight scales think scores in the gradient.
    aggregation, keep: as in ``update_moments``. Lists all trajectories:
    CapacityError where they are too many.
    """
    check_clip(clip, kl_coef, reference)
    check_same_process(env, policy.env)
    check_same_process(env, old_policy.env)
    plan = UpdatePlan(env, Scheme(group_size, normalization, eps, ddof, aggregation, keep), think_weight)
    env = plan.env
    paths = enumerate_trajectories(env)
    old = paths.probability(old_policy.pair_log_probability[:, None])[:, 0]
    law = _total(paths.reward_class, old, env.n_classes)[:, None]
    positive, negative = (h[paths.reward_class, 0] for h in plan.signed_rewards(law))
    new = paths.probability(policy.pair_log_probability[:, None])[:, 0]
    log_ratio = paths.log_policy((policy.pair_log_probability - old_policy.pair_log_probability)[:, None])[:, 0]
    low, high = 1 - clip[0], 1 + clip[1]
    below = log_ratio <= np.log(high)
    above = log_ratio >= (np.log(low) if low > 0 else -np.inf)
    # old * ratio is the new law: ratios themselves may overflow
    capped = new if np.isinf(high) else np.where(below, new, high * old)
    gain = capped * positive - np.where(above, new, low * old) * negative
    per_prompt = _total(paths.prompt, gain, env.n_prompts)
    slope = new * (positive * below - negative * above) * env.prompt_probability[paths.prompt]
    gradient = path_gradient(paths, slope[:, None], policy, think_weight)[:, 0]
    value, kl = float((env.prompt_probability * per_prompt).sum()), 0.0
    if reference is not None:
        penalty = divergence(env, policy, reference)
        kl = penalty.value
        value, gradient = value - kl_coef * kl, gradient - kl_coef * penalty.gradient
    return Surrogate(value, gradient, kl, per_prompt)


def path_gradient(paths: Trajectories, coefficient: Floats, policy: Policy, think_weight: float = 1.0) -> Floats:
    """sum_tau coefficient_tau s_lambda(tau) (d, S) at ``policy``; coefficient (T, S)."""
    env = paths.env
    flow = paths.visits_transposed @ coefficient
    weight = score_weight(env, think_weight)
    if weight is not None:
        flow = flow * weight[:, None]
    flow = flow - policy.pair_probability[:, None] * env.spread_to_pairs(env.node_sum(flow))
    return policy.pull_back_each(flow)


def _total(labels: Ints, values: Floats, count: int) -> Floats:
    return np.bincount(labels, weights=values, minlength=count).astype(np.float64, copy=False)


def check_clip(clip: tuple[float, float], kl_coef: float, reference: Policy | None) -> None:
    """Raise InputError unless the clip range and the KL coefficient make sense."""
    low, high = clip
    if not (0 <= low <= 1 and high >= 0):
        raise InputError(f"clip: need 0 <= eps_lo <= 1 and eps_hi >= 0, got {clip}")
    if not (np.isfinite(kl_coef) and kl_coef >= 0):
        raise InputError(f"kl_coef: must be finite and not negative, got {kl_coef}")
    if kl_coef > 0 and reference is None:
        raise InputError("kl_coef: a KL penalty needs a reference policy; pass reference=")
