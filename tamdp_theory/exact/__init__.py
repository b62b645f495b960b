"""The exact engine: everything that is a finite sum is computed as one. See theory.md sections 2 to 4."""

from tamdp_theory.estimators.scheme import NORMALIZATIONS, Normalization, Scheme
from tamdp_theory.exact.batch_update import BatchPlan, BatchUpdate, batch_update
from tamdp_theory.exact.critic import critic_moments
from tamdp_theory.exact.geometry import (
    GradientDomination,
    fisher_information,
    gradient_domination,
    hessian,
    reward_range,
    score_energy,
    score_norm_bound,
)
from tamdp_theory.exact.group import GroupPlan, group_moments
from tamdp_theory.exact.law import PromptLaw, reward_law
from tamdp_theory.exact.listing import Groups, count_multisets, list_multisets
from tamdp_theory.exact.moments import GroupMoments
from tamdp_theory.exact.potential import curl, potential, potential_curvature, potential_slope
from tamdp_theory.exact.smoothness import smoothness
from tamdp_theory.exact.step import StepPlan
from tamdp_theory.exact.surrogate import Surrogate, surrogate
from tamdp_theory.exact.trajectories import Trajectories, count_trajectories, enumerate_trajectories
from tamdp_theory.exact.update import UpdateMoments, UpdatePlan, update_moments
from tamdp_theory.exact.values import Divergence, Values, divergence, occupancy, optimal_values, policy_gradient, values

__all__ = [
    "NORMALIZATIONS",
    "BatchPlan",
    "BatchUpdate",
    "Divergence",
    "GradientDomination",
    "GroupMoments",
    "GroupPlan",
    "Groups",
    "Normalization",
    "PromptLaw",
    "Scheme",
    "StepPlan",
    "Surrogate",
    "Trajectories",
    "UpdateMoments",
    "UpdatePlan",
    "Values",
    "batch_update",
    "count_multisets",
    "count_trajectories",
    "critic_moments",
    "curl",
    "divergence",
    "enumerate_trajectories",
    "fisher_information",
    "gradient_domination",
    "group_moments",
    "hessian",
    "list_multisets",
    "occupancy",
    "optimal_values",
    "policy_gradient",
    "potential",
    "potential_curvature",
    "potential_slope",
    "reward_law",
    "reward_range",
    "score_energy",
    "score_norm_bound",
    "smoothness",
    "surrogate",
    "update_moments",
    "values",
]
