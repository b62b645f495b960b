"""When decomposition helps: both sides of T2.benefit and the exact expected gain of one sampled step."""

from dataclasses import dataclass

import numpy as np

from bounds.decomposition import both
from tamdp_theory import TAMDP, Policy, exact
from tamdp_theory.exact import Scheme, StepPlan


@dataclass(frozen=True)
class Progress:
    """One update of T2.benefit: drift <grad J, m>, second_moment E||g||^2, the guaranteed gain and its step size, the
    exact expected gain at that step, and the best step size found with its exact expected gain (``StepPlan``)."""

    drift: float
    second_moment: float
    guaranteed: float
    step: float
    gain: float
    best_step: float
    best_gain: float


@dataclass(frozen=True)
class Benefit:
    """T2.benefit at one policy, joint against decomposed."""

    joint: Progress
    decomposed: Progress

    @property
    def promised(self) -> bool:
        """Whether the criterion says that decomposition helps: its guaranteed gain is larger."""
        return self.decomposed.guaranteed > self.joint.guaranteed

    @property
    def realized(self) -> bool:
        """Whether the exact expected gain at the best step is larger decomposed."""
        return self.decomposed.best_gain > self.joint.best_gain


def benefit(
    env: TAMDP, policy: Policy, group_size: int = 4, eps: float = 0.0, ddof: int = 0, max_groups: int = 20_000
) -> Benefit:
    """Both sides of T2.benefit and the exact expected one-step gains of the joint and the decomposed update.

    Tabular policies, or one prompt. Raises CapacityError beyond ``max_groups`` groups of trajectories on a prompt.
    """
    joint, split = (progress(env, policy, one, max_groups) for one in both(Scheme(group_size, "center", eps, ddof)))
    return Benefit(joint, split)


def progress(env: TAMDP, policy: Policy, scheme: Scheme, max_groups: int = 20_000) -> Progress:
    """``Progress`` of one scheme; the best step is searched between 1/100 and 1000 over L_J."""
    moments = exact.UpdatePlan(env, scheme).moments(policy)
    drift = float(exact.policy_gradient(env, policy) @ moments.mean)
    smooth, second, start = exact.smoothness(env), moments.second_moment, exact.values(env, policy).total
    plan = StepPlan(env, policy, scheme, max_groups)
    if smooth == 0 or second == 0:
        return Progress(drift, second, 0.0, 0.0, 0.0, 0.0, 0.0)
    step = max(drift, 0.0) / (smooth * second)
    sizes = np.geomspace(1e-2, 1e3, 26) / smooth
    for _ in range(2):
        gains = plan.objective(sizes) - start
        top = int(np.argmax(gains))
        best, found = float(sizes[top]), float(gains[top])
        sizes = np.geomspace(sizes[max(top - 1, 0)], sizes[min(top + 1, len(sizes) - 1)], 13)
    gain = float(plan.objective(step)[0]) - start
    guaranteed = max(drift, 0.0) ** 2 / (2 * smooth * second)
    if found <= 0:  # no step helps: stay
        best, found = 0.0, 0.0
    return Progress(drift, second, guaranteed, step, gain, best, found)
