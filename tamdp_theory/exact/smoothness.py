"""Smoothness constants that hold at every tabular policy: what is proved of a process's graph (L3, L7.smooth)."""

from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from tamdp_theory.exact.geometry import reward_range
from tamdp_theory.exact.shape import objective_claims, trees
from tamdp_theory.model import TAMDP, Floats

# ||Hessian of J_q|| <= constant * osc_q(c), by the claim that states it, for ever wider sets of processes
OF_OBJECTIVE = {"L3.bandit": 1 / (3 * sqrt(3)), "L3.trees": 9 / 40, "L3.all": 57 / 200}


def smoothness(env: TAMDP, class_reward: ArrayLike | None = None) -> float:
    """L_J for tabular policies: max_q rho_q C_q osc_q(c), an upper bound on the norm of the Hessian everywhere.

    C_q is 1/(3 sqrt 3) with one decision, 9/40 on trees, else 57/200, the least that is proved (L3.bandit, L3.trees,
    L3.all). class_reward (C,) in place of the composite.
    """
    constant = np.array([OF_OBJECTIVE[claim] for claim in objective_claims(env)])
    return float((env.prompt_probability * constant * reward_range(env, class_reward)).max())


def deciding_claim(env: TAMDP, class_reward: ArrayLike | None = None) -> str:
    """The claim that gives ``smoothness`` its constant: that of the prompt where the bound is largest."""
    claims = objective_claims(env)
    constant = np.array([OF_OBJECTIVE[claim] for claim in claims])
    return claims[int(np.argmax(env.prompt_probability * constant * reward_range(env, class_reward)))]


def potential_constants(env: TAMDP, group_size: int) -> Floats:
    """C_q (N,) with ||Hessian of Psi_G(p)|| <= C_q for an event of probability p on prompt q, whatever eps and ddof
    (L7.smooth).

    For G = 2 and 3 the potential is linear, and ``OF_OBJECTIVE`` times its slope 1 or sqrt 2; else 1/2 on trees and at
    most 1/sqrt 2 elsewhere.
    """
    linear = np.array([OF_OBJECTIVE[claim] for claim in objective_claims(env)])
    if group_size <= 3:
        return linear * sqrt(group_size - 1)
    bent = max(1 / 2, min(sqrt(group_size - 1) * OF_OBJECTIVE["L3.all"], 1 / sqrt(2)))
    return np.where(trees(env), 1 / 2, bent)
