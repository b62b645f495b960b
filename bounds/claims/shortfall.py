"""Effective rewards on single prompts against an optimal policy: the numbers of T2.suboptimality."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import hypot

import numpy as np

from tamdp_theory import TAMDP, Policy, TabularSoftmax, exact
from tamdp_theory.exact import GroupPlan, Scheme
from tamdp_theory.exact.law import ClassLaw
from tamdp_theory.exact.passes import backward
from tamdp_theory.model import Floats


@dataclass(frozen=True, eq=False)
class Shortfall:
    """One prompt of T2.suboptimality: composite and effective reward of its classes (M,), component rewards (M, K),
    their own effective rewards (M, K), class laws under theta and under an optimal policy (M,), its constant C,
    ||m_q||, and how large the update is before components cancel."""

    composite: Floats
    effective: Floats
    rewards: Floats
    effective_of: Floats
    law: Floats
    law_star: Floats
    optimum: float
    value: float
    constant: float
    update_norm: float
    update_size: float

    @cached_property
    def total_variation(self) -> float:
        """TV between the two class laws, in [0, 1]."""
        return float(np.abs(self.law_star - self.law).sum() / 2)


def shortfalls(env: TAMDP, policy: Policy, scheme: Scheme) -> list[Shortfall]:
    """The numbers of T2.suboptimality on each prompt; the comparator is optimal for c with the smallest C."""
    pi = policy.pair_probability[:, None]
    # the constant needs the probabilities alone
    domination = exact.gradient_domination(env, policy if policy.is_tabular else TabularSoftmax.like(policy))
    chosen = np.zeros((env.n_pairs, 1))
    chosen[domination.comparator] = 1.0
    slots = np.zeros((env.n_classes, env.n_slots, 1))
    slots[np.arange(env.n_classes), env.class_slot] = 1.0
    best = backward(env, chosen, slots)[0][env.prompt_start[env.class_prompt], env.class_slot, 0]
    law = ClassLaw.of(env, pi)
    found = []
    for q, classes in enumerate(env.prompt_classes):
        p = law.probability[classes, 0]
        rows = tuple(env.exact_class_rewards[c] for c in classes)
        effective = GroupPlan(rows, env.exact_weights, scheme).moments(p).first
        gradient = law.gradients(policy, q)
        norm = hypot(*(effective @ gradient).tolist())  # squares of tiny entries would vanish
        alone = component_rewards(rows, p, scheme)
        size = (
            float(env.weights @ np.linalg.norm(alone.T @ gradient, axis=1))
            if scheme.normalization == "normalize_then_sum"
            else norm
        )
        found.append(
            Shortfall(
                env.class_composite[classes],
                effective,
                env.class_rewards[classes],
                effective_of=alone,
                law=p,
                law_star=best[classes],
                optimum=float(domination.prompt_optimum[q]),
                value=float(domination.prompt_value[q]),
                constant=float(domination.prompt_constant[q]),
                update_norm=norm,
                update_size=size,
            )
        )
    return found


def component_rewards(rows: tuple[tuple[Fraction, ...], ...], probability: Floats, scheme: Scheme) -> Floats:
    """Effective reward of each component standardized alone (M, K), before weights."""
    alone = Scheme(scheme.group_size, "sum_then_normalize", scheme.eps, scheme.ddof)
    columns = [
        GroupPlan(tuple((row[k],) for row in rows), (Fraction(1),), alone).moments(probability).first
        for k in range(len(rows[0]))
    ]
    return np.stack(columns, axis=1)


def best_scale(rewards: Floats, effective: Floats, weights: Floats, total_variation: float, slope: float) -> float:
    """mu >= 0 that minimizes TV sum_k w_k osc(R_k - mu h_k) + mu slope: convex and piecewise linear, so one of its
    kinks or 0.

    rewards, effective (M, K). A kink needs two classes at the top, or two at the bottom, of one component.
    """
    difference = effective[:, None] - effective[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        kinks = ((rewards[:, None] - rewards[None, :]) / difference).ravel()
    if not np.isfinite(slope):
        return 0.0
    found = np.unique(np.append(kinks[np.isfinite(kinks) & (kinks > 0)], 0.0))
    # kinks that differ by rounding would make the search below compare rounding errors
    found = found[np.append(True, np.diff(found) > 1e-9 * found[1:])]

    def value(i: int) -> float:
        return float(total_variation * np.ptp(rewards - found[i] * effective, axis=0) @ weights + found[i] * slope)

    low, high = 0, len(found) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if value(middle) <= value(middle + 1) else (middle + 1, high)
    return float(found[low])
