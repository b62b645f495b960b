"""Which policy's gradient the loss estimates off policy, by token and by trajectory ratios (Pang, Luo & Jin 2025)."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import sympy as sp

from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.claim import Claim, unmet
from bounds.claims.assumptions import CENTER, LISTABLE, ONE_DECISION
from bounds.claims.divergence import drawn_near, few_trajectories, reference_of
from bounds.claims.literature.vojnovic import on_bandits
from bounds.claims.slope import direction_of
from bounds.comparison import Measured
from bounds.enclosed.literature import pang as enclosed
from bounds.instance import Instance
from bounds.structure import composite_varies
from bounds.suite import everywhere, nowhere
from bounds.verdicts import Standing
from tamdp_theory import TabularSoftmax, exact, families
from tamdp_theory.exact import Scheme, UpdatePlan
from tamdp_theory.model import Floats

_REFERENCE = "Pang, Luo & Jin 2025, arXiv 2508.02833"
_CENTERED = (Scheme(4, "center"),)


def _near(instances: Iterable[Instance]) -> Iterable[Instance]:
    """With an old policy drawn near the current one."""
    return (replace(i, reference=drawn_near(i.policy, i.seed)) for i in instances)


def _off_policy(instance: Instance) -> Measured:
    """Groups drawn by the old policy, the instance's reference; slopes at the current one."""
    env, policy, scheme = instance.env, instance.policy, instance.scheme
    conditions = {LISTABLE.name: few_trajectories(instance)}
    if failed := unmet(instance, conditions):
        return failed
    if not composite_varies(env):
        return Measured(numbers={}, empty="no composite reward varies")
    old, direction = reference_of(instance), direction_of(instance)
    surrogate = exact.surrogate(
        env, policy, old, scheme.group_size, scheme.normalization, (1.0, float("inf")), eps=scheme.eps, ddof=scheme.ddof
    )
    numbers = {
        ls.slope_trajectory: float(surrogate.gradient @ direction),
        ls.slope_here: float(instance.gradient @ direction),
        ls.slope_old: float(exact.policy_gradient(env, old) @ direction),
        s.kappa: scheme.kappa,
    }
    numbers[ls.slope_token] = float(_by_tokens(instance, old.pair_log_probability) @ direction)
    return Measured(numbers=numbers, assumptions=conditions, scale=env.total_weight)


def _by_tokens(instance: Instance, old: Floats) -> Floats:
    """Mean of advantage times ratio times score, decision by decision (d,)."""
    env, policy, paths = instance.env, instance.policy, instance.trajectories
    law = paths.probability(old[:, None])[:, 0]
    classes = np.bincount(paths.reward_class, law, minlength=env.n_classes).astype(np.float64)
    h = UpdatePlan(env, instance.scheme).effective_reward(classes[:, None])[:, 0][paths.reward_class]
    weight = env.prompt_probability[paths.prompt] * law * h
    flow = (paths.visits_transposed @ weight * np.exp(policy.pair_log_probability - old))[:, None]
    flow = flow - policy.pair_probability[:, None] * env.spread_to_pairs(env.node_sum(flow))
    found: Floats = policy.pull_back_each(flow)[:, 0]
    return found


def _two_arms() -> Instance:
    """Arms 0 and 1; groups were drawn evenly, the policy has moved to (1/4, 3/4)."""
    env = families.bandit([0, 1], name="two-arms")
    policy = TabularSoftmax(env, np.log([[1.0, 3.0]]))
    return Instance(env, policy, Scheme(4, "center"), TabularSoftmax(env))


CLAIMS = (
    Claim(
        id="P.ratio.trajectory",
        title="Trajectory ratios estimate the current gradient",
        standing=Standing.LITERATURE,
        kind="identity",
        statement=sp.Eq(ls.slope_trajectory, s.kappa * ls.slope_here),
        measure=_off_policy,
        reference=_REFERENCE,
        assumptions=(CENTER, LISTABLE),
        proof="E_old[r A s] = sum_m h_m grad P_m with h = kappa (c - J(old)), and constants have no gradient.",
        depends_on=("L5",),
        schemes=_CENTERED,
        example=_two_arms,
        enclose=enclosed.off_policy_rows,
        instances=lambda claim, suite: _near(everywhere(claim, suite.smallest)),
        needs_reference=True,
    ),
    Claim(
        id="P.ratio.token",
        title="Token ratios estimate the gradient at the old policy",
        standing=Standing.PRINTED,
        kind="identity",
        statement=sp.Eq(ls.slope_token, s.kappa * ls.slope_old),
        measure=_off_policy,
        reference=f"{_REFERENCE}, abstract",
        assumptions=(CENTER, LISTABLE),
        proof="Two arms, drawn evenly, now at 3/4: with one decision it is the gradient at 3/4, which is smaller.",
        depends_on=("P.ratio.once",),
        schemes=_CENTERED,
        example=_two_arms,
        enclose=enclosed.off_policy_rows,
        instances=nowhere,
        needs_reference=True,
    ),
    Claim(
        id="P.ratio.once",
        title="With one decision token ratios estimate the current gradient",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(ls.slope_token, s.kappa * ls.slope_here),
        measure=_off_policy,
        reference=f"docs/theory.md; beside {_REFERENCE}",
        assumptions=(CENTER, LISTABLE, ONE_DECISION),
        proof="The one ratio is the trajectory's: P.ratio.trajectory. With more decisions it is neither gradient.",
        depends_on=("P.ratio.trajectory",),
        schemes=_CENTERED,
        example=_two_arms,
        enclose=enclosed.off_policy_rows,
        instances=lambda claim, suite: _near(on_bandits(claim, suite)),
        needs_reference=True,
    ),
)
