"""How long a step along the gradient gap may be (Suk & Duan 2025)."""

import math

import numpy as np
import sympy as sp

from bounds import literature_symbols as ls
from bounds.claim import Claim, unmet
from bounds.claims.assumptions import LISTABLE, TABULAR
from bounds.claims.divergence import few_trajectories
from bounds.claims.literature.disco import mean_scores
from bounds.claims.literature.success import UNMET, on_one_reward, right_or_wrong, success
from bounds.claims.slope import direction_of
from bounds.claims.slopes import ZERO_ONE
from bounds.comparison import Measured
from bounds.enclosed.objectives import is_zero_one
from bounds.instance import Instance
from bounds.verdicts import Standing
from tamdp_theory.exact import Scheme

CURVATURE = 0.5


def _gain(instance: Instance) -> Measured:
    """Along a drawn unit vector of each prompt's parameters, turned uphill: the longest step for each prompt."""
    env, policy = instance.env, instance.policy
    conditions = {
        ZERO_ONE.name: is_zero_one(env),
        TABULAR.name: bool(policy.is_tabular),
        LISTABLE.name: few_trajectories(instance),
    }
    if not conditions[ZERO_ONE.name]:
        return UNMET
    if failed := unmet(instance, conditions):
        return failed
    bound = math.sqrt(2 * env.horizon)
    p = success(instance)
    if not ((p > 0) & (p < 1)).all():
        return Measured(numbers={}, empty="in floats some prompt has one answer")
    right, wrong = mean_scores(instance)
    gaps, direction = right - wrong, direction_of(instance)
    gains = []
    for q, slope in enumerate(gaps):
        step = abs(slope) / (2 * CURVATURE + 8 * bound**2)
        moved = policy.with_parameters(policy.parameters + math.copysign(step, slope) * direction)
        after = success(instance, moved)[q]
        gains.append(_log_odds(after) - _log_odds(p[q]))
    numbers = {ls.gap_gain: np.array(gains), ls.gap: np.abs(gaps), ls.curvature: CURVATURE, ls.score_bound: bound}
    return Measured(numbers=numbers, errors={ls.gap_gain: 1e-11 * np.maximum(1 / p, 1 / (1 - p))})


def _log_odds(p: float) -> float:
    return math.log(p) - math.log1p(-p)


CLAIMS = (
    Claim(
        id="P.gap",
        title="A step along the gradient gap that is short enough gains half of its slope",
        standing=Standing.LITERATURE,
        kind="inequality",
        statement=sp.Le(ls.gap**2 / (2 * (2 * ls.curvature + 8 * ls.score_bound**2)), ls.gap_gain),
        measure=_gain,
        reference="Suk & Duan 2025, arXiv 2510.08539",
        assumptions=(ZERO_ONE, TABULAR, LISTABLE),
        proof=(
            "The log-odds have the slope gap along w, and a second derivative of at most 2 L_o + 2 G_o^2 in size: "
            "differences of conditional means and variances. Tabular: L_o = 1/2, as nodes are visited once and each "
            "has at most half its part of ||w||^2; G_o^2 = 2 H, each decision's score having norm sqrt 2 at most."
        ),
        depends_on=("P.contrast",),
        example=lambda: right_or_wrong(Scheme(4, "center")),
        instances=on_one_reward,
    ),
)
