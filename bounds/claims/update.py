"""The expected update and its second moment, from the law of rewards and from listed groups (L5, L6)."""

import numpy as np
import sympy as sp

from bounds import cost
from bounds import symbols as s
from bounds.claim import Claim, unmet
from bounds.claims.assumptions import LISTABLE
from bounds.claims.schemes import EVERY
from bounds.claims.slope import direction_of
from bounds.comparison import Measured
from bounds.enclosed import update as enclosed
from bounds.instance import Instance
from bounds.verdicts import Standing
from tamdp_theory.grpo.enumeration import MAX_GROUPS, count_groups


def groups_fit(instance: Instance) -> bool:
    """Whether groups of trajectories are few enough to be listed."""
    groups = count_groups(instance.env, instance.scheme.group_size)
    return groups <= MAX_GROUPS // 10 and groups * instance.policy.n_parameters <= 10**6


def _effective_reward(instance: Instance) -> Measured:
    env = instance.env
    if failed := unmet(instance, {"listable": groups_fit(instance)}):
        return failed
    direction = direction_of(instance)
    plan = instance.plan
    laws = instance.laws
    law = np.concatenate([one.probability for one in laws])[:, None]
    h = plan.effective_reward(law)[:, 0]
    along = sum(
        rho * float(h[classes] @ (one.gradient @ direction))
        for rho, classes, one in zip(env.prompt_probability, env.prompt_classes, laws, strict=True)
    )
    direct = float(instance.listed_update.mean @ direction)
    return Measured(
        numbers={s.mean_direct: direct, s.mean_law: along}, assumptions={"listable": True}, scale=env.total_weight
    )


def _second_moment(instance: Instance) -> Measured:
    env = instance.env
    if failed := unmet(instance, {"listable": groups_fit(instance)}):
        return failed
    direct = instance.listed_update.second_moment
    law = instance.update.second_moment
    return Measured(
        numbers={s.second_direct: direct, s.second_law: law}, assumptions={"listable": True}, scale=env.total_weight**2
    )


CLAIMS = (
    Claim(
        id="L5",
        title="Effective reward",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.mean_direct, s.mean_law),
        measure=_effective_reward,
        reference="docs/theory.md",
        assumptions=(LISTABLE,),
        proof="Members are exchangeable; condition on the class of member 1.",
        schemes=EVERY,
        weighted=True,
        enclose=enclosed.effective_reward_rows,
        cost=cost.listed_updates,
    ),
    Claim(
        id="L6",
        title="Second moment",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.second_direct, s.second_law),
        measure=_second_moment,
        reference="docs/theory.md",
        assumptions=(LISTABLE,),
        proof=(
            "Split the double sum over members into equal and distinct ones; condition on their classes. Prompts "
            "add in variance."
        ),
        depends_on=("L5",),
        schemes=EVERY,
        weighted=True,
        enclose=enclosed.second_moment_rows,
        cost=cost.listed_updates,
    ),
)
