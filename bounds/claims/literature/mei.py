"""How fast exact gradient ascent finds the best arm (Mei et al. 2020)."""

from collections.abc import Callable

import numpy as np
import sympy as sp

from bounds import cost
from bounds import literature_symbols as ls
from bounds.claim import Assumption, Claim
from bounds.claims.assumptions import ONE_DECISION, TABULAR
from bounds.claims.literature.vojnovic import on_bandits
from bounds.comparison import Measured
from bounds.instance import Instance
from bounds.structure import composites
from bounds.verdicts import Standing
from tamdp_theory import TAMDP, TabularSoftmax, families
from tamdp_theory.exact import Scheme
from tamdp_theory.model import Floats

ETA = 2 / 5
LEAST = 200  # steps: before 5 K^2 of them the bound says nothing
UNIT = Assumption("unit rewards", "every composite reward is at most 1", lambda i: has_unit_rewards(i.env))
_REFERENCE = "Mei et al. 2020, arXiv 2005.06392"


def has_unit_rewards(env: TAMDP) -> bool:
    """Whether no composite reward is above 1."""
    return all(value <= 1 for values in composites(env) for value in values)


def _ascend(rewards: Floats, logits: Floats, steps: int) -> tuple[Floats, Floats]:
    """How far J is from the best arm, and the smallest probability that this arm has had, at theta_1..theta_steps."""
    best, theta = int(rewards.argmax()), logits.copy()
    gaps, chances = np.empty(steps), np.empty(steps)
    for place in range(steps):
        pi = np.exp(theta - theta.max())
        pi /= pi.sum()
        gaps[place], chances[place] = pi @ (rewards[best] - rewards), pi[best]
        theta += ETA * pi * (rewards - pi @ rewards)
    return gaps, np.minimum.accumulate(chances)


def _paths(uniform: bool) -> Callable[[Instance], Measured]:
    def measure(instance: Instance) -> Measured:
        env, policy = instance.env, instance.policy
        conditions = {
            ONE_DECISION.name: env.horizon == 1,
            TABULAR.name: isinstance(policy, TabularSoftmax),
            UNIT.name: has_unit_rewards(env),
        }
        if not conditions[ONE_DECISION.name] or not isinstance(policy, TabularSoftmax):
            return Measured(numbers={}, assumptions=conditions)
        paths, rows, steps = instance.trajectories, [], max(instance.steps, LEAST)
        value = np.bincount(
            paths.pairs[:, 0], paths.kernel * env.class_composite[paths.reward_class], minlength=env.n_pairs
        )
        for x in range(env.n_nodes):
            own = slice(env.pair_start[x], env.pair_start[x] + env.pair_count[x])
            rewards = value[own].astype(float)
            if rewards.max() > rewards.min():
                logits = np.zeros(len(rewards)) if uniform else policy.parameters[env.pair_parameter[own]]
                gaps, chances = _ascend(rewards, logits, steps)
                turns = np.arange(1, steps + 1)
                spread = np.full(steps, rewards.max() - rewards.min())
                rows.append((gaps, chances, turns, np.full(steps, len(rewards)), spread))

        if not rows:
            return Measured(numbers={}, empty="no arm is better than another")
        gaps, chances, turns, arms, spread = np.concatenate(rows, axis=1)
        numbers = {ls.shortfall: gaps, ls.turn: turns, ls.n_arms: arms, ls.c_least: chances}
        return Measured(numbers=numbers, trivial=spread)

    return measure


def _two_arms() -> Instance:
    env = families.bandit([0, 1], name="two-arms")
    return Instance(env, TabularSoftmax(env, [[1.0, 0.0]]), Scheme(8, "center"))


CLAIMS = (
    Claim(
        id="P.ascent",
        title="Exact ascent on a bandit: 5/(c^2 t)",
        standing=Standing.LITERATURE,
        kind="inequality",
        statement=sp.Le(ls.shortfall, 5 / (ls.c_least**2 * ls.turn)),
        measure=_paths(False),
        reference=_REFERENCE,
        assumptions=(ONE_DECISION, TABULAR, UNIT),
        proof=(
            "J is 5/2-smooth, so a step of 2/5 gains ||grad J||^2/5, which is at least (c gap)^2/5 by L4: 1/gap grows "
            "by c^2/5 a step. c may be the smallest probability so far instead of over all time."
        ),
        depends_on=("L4",),
        example=_two_arms,
        cost=cost.nothing,
        instances=on_bandits,
    ),
    Claim(
        id="P.ascent.uniform",
        title="From the uniform policy: 5 K^2/t",
        standing=Standing.LITERATURE,
        kind="inequality",
        statement=sp.Le(ls.shortfall, 5 * ls.n_arms**2 / ls.turn),
        measure=_paths(True),
        reference=_REFERENCE,
        assumptions=(ONE_DECISION, TABULAR, UNIT),
        proof="From the uniform policy the best arm's logit stays the largest, so c = 1/K.",
        depends_on=("P.ascent",),
        example=_two_arms,
        cost=cost.nothing,
        instances=on_bandits,
    ),
)
