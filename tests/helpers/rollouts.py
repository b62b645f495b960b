"""Rollouts that the tests of claims on groups share."""

from dataclasses import replace
from typing import Any

import numpy as np

import bounds
from tamdp_theory import TAMDP, Policy, TabularSoftmax, exact, families
from tamdp_theory.estimators import Contrast
from tamdp_theory.exact import GroupPlan, Normalization, Scheme, UpdatePlan
from tamdp_theory.sources import RolloutGroups, SampledSource

NORMALIZATIONS: tuple[Normalization, ...] = ("center", "sum_then_normalize", "normalize_then_sum")


def process() -> tuple[TAMDP, Policy]:
    """Two prompts, stochastic tools, three graded or 0/1 components."""
    env = families.search(prompts=2, max_tool_depth=1)
    return env, TabularSoftmax.random(env, np.random.default_rng(0))


def truth(env: TAMDP, policy: Policy, scheme: Scheme) -> dict[str, float]:
    """The same numbers from the exact engine, which lists no groups."""
    plan = UpdatePlan(env, scheme)
    moments, gradient = plan.moments(policy), exact.policy_gradient(env, policy)
    joint, split = (UpdatePlan(env, replace(scheme, normalization=n)).moments(policy).mean for n in NORMALIZATIONS[1:])
    law, rho = exact.reward_law(env, policy), env.prompt_probability
    silent, gap, second = 0.0, 0.0, np.zeros((policy.n_parameters, policy.n_parameters))
    for q, classes in enumerate(env.prompt_classes):
        rows, p = tuple(env.exact_class_rewards[c] for c in classes), law[q].probability
        gap += rho[q] * float(p @ GroupPlan(rows, env.exact_weights, scheme.under(Contrast())).moments(p).second)
        if (
            scheme.normalization == "normalize_then_sum"
        ):  # of two members, each component says which is better, and they may cancel
            assert scheme.group_size == 2
            voices = [
                [
                    sum(w * ((a > b) - (a < b)) for w, a, b in zip(env.exact_weights, x, y, strict=True)) == 0
                    for x in rows
                ]
                for y in rows
            ]
            silent += rho[q] * float(p @ np.array(voices) @ p)
            continue
        keys = tuple(env.exact_class_composite[c] for c in classes)
        silent += rho[q] * sum(
            sum(x for x, k in zip(p, keys, strict=True) if k == key) ** scheme.group_size for key in set(keys)
        )
    paths = exact.enumerate_trajectories(env)
    chance = paths.probability(policy.pair_log_probability[:, None])[:, 0] * rho[paths.prompt]
    scores = paths.visits @ policy.scores()
    second = (scores.T * chance) @ scores
    values = exact.values(env, policy)
    return {
        "objective": values.total,
        "gap": gap,
        "silent": silent,
        "score_energy": float(np.trace(second)),
        "score_mean": 0.0,
        "update": float(moments.mean @ moments.mean),
        "update_gap": float((joint - split) @ (joint - split)),
        "gradient": float(gradient @ gradient),
        "drift": float(gradient @ moments.mean),
        "variance": float(rho @ moments.prompt_variance),
        "leading_energy": float(np.linalg.eigvalsh(second)[-1]),
        **{f"J{k}": float(v) for k, v in enumerate(values.components)},
    }


OBSERVABLE = [name for name, claim in bounds.CLAIMS.items() if claim.observe is not None]


def broken(**change: Any) -> RolloutGroups:
    env, policy = process()
    return replace(SampledSource(env, policy).rollouts(4, 200, np.random.default_rng(0)), **change)
