"""When decomposition helps: both sides of T2.benefit and the exact expected gain of one sampled step."""

from dataclasses import dataclass, replace

import numpy as np
import sympy as sp

from bounds import symbols as s
from bounds.claim import Assumption, Claim, unmet
from bounds.claims.assumptions import TABULAR
from bounds.comparison import Measured
from bounds.enclosed import benefit as enclosed
from bounds.instance import Instance
from bounds.structure import both
from bounds.verdicts import Standing
from tamdp_theory import TAMDP, CapacityError, Policy, exact
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


def benefit(
    env: TAMDP, policy: Policy, group_size: int = 4, eps: float = 0.0, ddof: int = 0, max_groups: int = 20_000
) -> Benefit:
    """Both sides of T2.benefit and the exact expected one-step gains of the joint and the decomposed update.

    Tabular policies, or one prompt. Raises CapacityError beyond ``max_groups`` groups of trajectories on a prompt.

    Args:
        env, policy: the process and where the step begins.
        group_size, eps, ddof: of both schemes.
        max_groups: of trajectories on one prompt.
    """
    joint, split = (progress(env, policy, one, max_groups) for one in both(Scheme(group_size, "center", eps, ddof)))
    return Benefit(joint, split)


def progress(env: TAMDP, policy: Policy, scheme: Scheme, max_groups: int = 20_000) -> Progress:
    """``Progress`` of one scheme; the best step is searched between 1/100 and 1000 over L_J.

    Args:
        env, policy: the process and where the step begins.
        scheme: of the update.
        max_groups: of trajectories on one prompt; CapacityError beyond.
    """
    moments = exact.UpdatePlan(env, scheme).moments(policy)
    drift = float(exact.policy_gradient(env, policy) @ moments.mean)
    smooth, second, start = exact.smoothness(env), moments.second_moment, exact.values(env, policy).total
    plan = StepPlan(env, policy, scheme, max_groups)
    if smooth == 0 or second == 0:
        return Progress(drift, second, 0.0, step=0.0, gain=0.0, best_step=0.0, best_gain=0.0)
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
    return Progress(drift, second, guaranteed, step=step, gain=gain, best_step=best, best_gain=found)


INFORMATIVE = Assumption("informative", "some group moves the policy: E||g||^2 > 0")
LISTABLE_GROUPS = Assumption(
    "listable", "groups of trajectories are few enough to be listed; one prompt if parameters are shared", capacity=True
)
MAX_STEPS_LISTED = 3000  # groups of trajectories whose steps a check follows


def _benefit(instance: Instance) -> Measured:
    env, policy = instance.env, instance.policy
    conditions = {"listable": policy.is_tabular or env.n_prompts == 1}
    if failed := unmet(instance, conditions):
        return failed
    rows, unknown = [], False
    for scheme in both(instance.scheme):
        moments = replace(instance, scheme=scheme).update
        drift = float(instance.gradient @ moments.mean)
        smooth, second = instance.smoothness, moments.second_moment
        unknown = unknown or 0 < second <= 1e-14 * env.total_weight**2
        if smooth > 0 and second > 1e-14 * env.total_weight**2 and drift > 0:
            try:
                after = StepPlan(env, policy, scheme, MAX_STEPS_LISTED).objective(drift / (smooth * second))[0]
            except CapacityError:
                return Measured(numbers={}, assumptions={**conditions, "listable": False})
            rows.append((float(after) - instance.values.total, drift, smooth, second))
    if not rows:
        return Measured(numbers={}, assumptions={"listable": True, "informative": None if unknown else False})
    conditions["informative"] = True
    gain, drift_of, smooth_of, second_of = np.array(rows).T
    return Measured(
        numbers={s.one_step: gain, s.drift: drift_of, s.L_J: smooth_of, s.second_law: second_of},
        assumptions=conditions,
        scale=env.total_weight,
    )


_GUARANTEED_PROGRESS = sp.Max(s.drift, 0) ** 2 / (2 * s.L_J * s.second_law)


CLAIMS = (
    Claim(
        id="T2.benefit",
        title="Guaranteed progress of one step",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(_GUARANTEED_PROGRESS, s.one_step),
        measure=_benefit,
        reference="docs/theory.md",
        assumptions=(TABULAR, LISTABLE_GROUPS, INFORMATIVE),
        proof=(
            "Descent lemma for J with L_J of L3 at the step <grad J, m> / (L_J E||g||^2). Compare the right sides: "
            "benefit()."
        ),
        depends_on=("L3.all", "L6"),
        schemes=(Scheme(3, "normalize_then_sum"), Scheme(4, "normalize_then_sum", 1e-2, 1)),
        enclose=enclosed.benefit_rows,
        figure="decomposition",
    ),
)
