"""The clipped surrogate with a KL penalty (theory.md sections 2 and 3), exactly, over the groups of the old policy."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from tamdp_theory.errors import InputError
from tamdp_theory.estimators.scheme import Aggregation, Keep, Normalization, Scheme
from tamdp_theory.exact.trajectories import Trajectories, enumerate_trajectories
from tamdp_theory.exact.update import UpdatePlan
from tamdp_theory.exact.values import divergence, score_weight
from tamdp_theory.lengths import class_lengths
from tamdp_theory.model import TAMDP, Floats, Ints, check_same_process
from tamdp_theory.policies.base import Policy

Ratio: TypeAlias = Literal["trajectory", "decision", "sequence"]


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
    ratio: Ratio = "trajectory",
    dual_clip: float | None = None,
    cispo: bool = False,
) -> Surrogate:
    """Expected clipped surrogate at ``policy`` when groups are drawn from ``old_policy``.

    clip (eps_lo, eps_hi): ratios are clipped to [1 - eps_lo, 1 + eps_hi]; eps_lo in [0, 1], eps_hi >= 0, inf for none.
    kl_coef beta >= 0 needs a ``reference``. think_weight scales think scores in the gradient.
    aggregation, keep: as in ``update_moments``. ratio: of whole trajectories; of each "decision", added up (PPO, if a
    decision is a token); or of a "sequence", the geometric mean over its tokens where lengths are known, else over its
    decisions, times their number (GSPO with aggregation sequence_mean). dual_clip c > 1: a ratio beyond it pays no more
    for a negative advantage (c A). cispo: the clipped ratio multiplies A log pi and is not differentiated (CISPO).
    Lists all trajectories: CapacityError where they are too many.
    """
    check_clip(clip, kl_coef, reference)
    check_ratio(ratio, dual_clip, cispo)
    check_same_process(env, policy.env)
    check_same_process(env, old_policy.env)
    plan = UpdatePlan(env, Scheme(group_size, normalization, eps, ddof, aggregation, keep), think_weight)
    env = plan.env
    paths = enumerate_trajectories(env)
    old = paths.probability(old_policy.pair_log_probability[:, None])[:, 0]
    law = _total(paths.reward_class, old, env.n_classes)[:, None]
    signed = tuple(h[paths.reward_class, 0] for h in plan.signed_rewards(law))
    units = _Units.of(paths, policy, old_policy, ratio)
    if cispo:
        gain, slope = units.weighted(old, signed, clip)
    else:
        gain, slope = units.clipped(old, signed, clip, np.inf if dual_clip is None else dual_clip)
    per_prompt = _total(paths.prompt, gain.sum(axis=1), env.n_prompts)
    gradient = units.gradient(slope * env.prompt_probability[paths.prompt, None], policy, think_weight)
    value, kl = float((env.prompt_probability * per_prompt).sum()), 0.0
    if reference is not None:
        penalty = divergence(env, policy, reference)
        kl = penalty.value
        value, gradient = value - kl_coef * kl, gradient - kl_coef * penalty.gradient
    return Surrogate(value, gradient, kl, per_prompt)


@dataclass(frozen=True, eq=False)
class _Units:
    """What is clipped: log_ratio (T, U) of each unit of a trajectory, log pi (T, U) at the new policy, present (T, U),
    and count (T, 1), what a unit's contribution is multiplied by.
    """

    paths: Trajectories
    log_ratio: Floats
    log_new: Floats
    present: NDArray[np.bool_]
    count: Floats
    ratio: Ratio

    @classmethod
    def of(cls, paths: Trajectories, policy: Policy, old_policy: Policy, ratio: Ratio) -> "_Units":
        apart = policy.pair_log_probability - old_policy.pair_log_probability
        one = np.ones((len(paths.prompt), 1))
        if ratio == "decision":
            present, pairs = paths.pairs >= 0, np.maximum(paths.pairs, 0)
            moved, log_pi = (np.where(present, v[pairs], 0.0) for v in (apart, policy.pair_log_probability))
            return cls(paths, moved, log_pi, present, one, ratio)
        whole = (paths.log_policy(values[:, None]) for values in (apart, policy.pair_log_probability))
        log_ratio, log_new = whole
        if ratio == "sequence":
            lengths = class_lengths(paths.env)
            taken = (paths.pairs >= 0).sum(axis=1) if lengths is None else np.array(lengths)[paths.reward_class]
            count = taken[:, None].astype(np.float64)
            return cls(paths, log_ratio / count, log_new / count, one > 0, count, ratio)
        return cls(paths, log_ratio, log_new, one > 0, one, ratio)

    def clipped(
        self, old: Floats, signed: tuple[Floats, ...], clip: tuple[float, float], dual: float
    ) -> tuple[Floats, Floats]:
        """Contribution (T, U) of each unit and its derivative by the log ratio of what it is a ratio of."""
        positive, negative = (h[:, None] for h in signed)
        mass, low, high = old[:, None], 1 - clip[0], 1 + clip[1]
        with np.errstate(divide="ignore", over="ignore"):
            moved = np.exp(np.log(mass) + self.log_ratio)  # ratios themselves may overflow
        below = self.log_ratio <= np.log(high)
        above = self.log_ratio >= (np.log(low) if low > 0 else -np.inf)
        inside = self.log_ratio <= np.log(dual)
        capped = moved if np.isinf(high) else np.where(below, moved, high * mass)
        paid = np.where(above, moved, low * mass)
        paid = paid if np.isinf(dual) else np.where(inside, paid, dual * mass)
        gain = (capped * positive - paid * negative) * self.count * self.present
        slope = moved * (positive * below - negative * (above & inside)) * self.present
        return gain, slope

    def weighted(self, old: Floats, signed: tuple[Floats, ...], clip: tuple[float, float]) -> tuple[Floats, Floats]:
        """The same where the clipped ratio is a constant."""
        positive, negative = (h[:, None] for h in signed)
        factor = np.exp(np.clip(self.log_ratio, np.log(max(1 - clip[0], 1e-300)), np.log(1 + clip[1])))
        slope = old[:, None] * factor * (positive - negative) * self.present
        return slope * self.log_new * self.count, slope

    def gradient(self, slope: Floats, policy: Policy, think_weight: float) -> Floats:
        """sum of slope times the score of what a unit is made of (d,)."""
        if self.ratio != "decision":
            return path_gradient(self.paths, slope, policy, think_weight)[:, 0]
        env, rows, steps = self.paths.env, *np.nonzero(self.present)
        flow = np.bincount(self.paths.pairs[rows, steps], weights=slope[rows, steps], minlength=env.n_pairs)
        return _score_sum(env, flow[:, None].astype(np.float64), policy, think_weight)[:, 0]


def path_gradient(paths: Trajectories, coefficient: Floats, policy: Policy, think_weight: float = 1.0) -> Floats:
    """sum_tau coefficient_tau s_lambda(tau) (d, S) at ``policy``; coefficient (T, S)."""
    return _score_sum(paths.env, paths.visits_transposed @ coefficient, policy, think_weight)


def _score_sum(env: TAMDP, flow: Floats, policy: Policy, think_weight: float) -> Floats:
    """sum of flow (P, S) times the score of each pair (d, S)."""
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


def check_ratio(ratio: Ratio, dual_clip: float | None, cispo: bool) -> None:
    """Raise InputError unless what is clipped, and how, make sense together."""
    if ratio not in get_args(Ratio):
        raise InputError(f"ratio: must be one of {', '.join(get_args(Ratio))}; got {ratio!r}")
    if dual_clip is not None and not dual_clip > 1:
        raise InputError(f"dual_clip: must be above 1, or None, got {dual_clip}")
    if cispo and dual_clip is not None:
        raise InputError("dual_clip: with cispo every ratio is clipped on both sides already; leave it out")
