"""The exact engine: everything that is a finite sum is computed as one. See theory.md sections 2 to 4."""

from tamdp_theory.exact.geometry import (
    GradientDomination,
    fisher_information,
    gradient_domination,
    hessian,
    reward_range,
    score_energy,
    smoothness,
)
from tamdp_theory.exact.group import NORMALIZATIONS, GroupMoments, Normalization, Scheme, group_moments
from tamdp_theory.exact.law import PromptLaw, reward_law
from tamdp_theory.exact.potential import curl, potential, potential_slope
from tamdp_theory.exact.surrogate import Surrogate, surrogate
from tamdp_theory.exact.trajectories import Trajectories, count_trajectories, enumerate_trajectories
from tamdp_theory.exact.update import UpdateMoments, UpdatePlan, update_moments
from tamdp_theory.exact.values import Divergence, Values, divergence, occupancy, optimal_values, policy_gradient, values

__all__ = [
    "NORMALIZATIONS",
    "Divergence",
    "GradientDomination",
    "GroupMoments",
    "Normalization",
    "PromptLaw",
    "Scheme",
    "Surrogate",
    "Trajectories",
    "UpdateMoments",
    "UpdatePlan",
    "Values",
    "count_trajectories",
    "curl",
    "divergence",
    "enumerate_trajectories",
    "fisher_information",
    "gradient_domination",
    "group_moments",
    "hessian",
    "occupancy",
    "optimal_values",
    "policy_gradient",
    "potential",
    "potential_slope",
    "reward_law",
    "reward_range",
    "score_energy",
    "smoothness",
    "surrogate",
    "update_moments",
    "values",
]
