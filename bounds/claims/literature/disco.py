"""GRPO as a contrast of right and wrong answers, weighted by difficulty (DisCO, 2025)."""

import numpy as np
import sympy as sp

from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.claim import Claim, unmet
from bounds.claims.assumptions import COMPOSITE_ALONE, LISTABLE
from bounds.claims.divergence import few_trajectories
from bounds.claims.literature.success import UNMET, gradients, on_one_reward, right_or_wrong, slope_at, success
from bounds.claims.slope import direction_of
from bounds.claims.slopes import ZERO_ONE
from bounds.comparison import Measured
from bounds.enclosed.literature import disco as enclosed
from bounds.enclosed.objectives import is_zero_one
from bounds.instance import Instance
from bounds.verdicts import Standing
from tamdp_theory.exact import Scheme
from tamdp_theory.exact.surrogate import path_gradient
from tamdp_theory.model import Floats

_REFERENCE = "Li et al. 2025, arXiv 2505.12366"


def mean_scores(instance: Instance) -> tuple[Floats, Floats]:
    """Mean scores of successes and of failures along the direction, each (N,), by listing trajectories."""
    env, policy, paths = instance.env, instance.policy, instance.trajectories
    right = env.class_composite[paths.reward_class] == 1
    weight = paths.probability(policy.pair_log_probability[:, None])[:, 0]
    found = []
    for kind in (right, ~right):
        chosen = (kind[:, None] & (paths.prompt[:, None] == np.arange(env.n_prompts))) * weight[:, None]
        found.append(direction_of(instance) @ path_gradient(paths, chosen, policy) / chosen.sum(axis=0))
    return found[0], found[1]


def _contrast(instance: Instance) -> Measured:
    conditions = {ZERO_ONE.name: is_zero_one(instance.env), LISTABLE.name: few_trajectories(instance)}
    if not conditions[ZERO_ONE.name]:
        return UNMET
    if failed := unmet(instance, conditions):
        return failed
    p, direction = success(instance), direction_of(instance)
    with np.errstate(divide="ignore", invalid="ignore"):  # floats may be sure of an answer
        right, wrong = mean_scores(instance)
        population = [
            float(((one - chance) / np.sqrt(chance * (1 - chance))) @ (gradient @ direction))
            for chance, (gradient, one) in zip(p, gradients(instance), strict=True)
        ]
    slope = slope_at(instance.scheme, p)
    law = np.concatenate([one.probability for one in instance.laws])[:, None]
    effective = instance.plan.effective_reward(law)[:, 0]  # of every class: that there are two values is not used
    along = [
        float(effective[classes] @ (gradient @ direction))
        for classes, (gradient, _) in zip(instance.env.prompt_classes, gradients(instance), strict=True)
    ]
    numbers = {
        ls.slope_population: np.array(population),
        ls.mean_along: np.array(along),
        ls.score_right: right,
        ls.score_wrong: wrong,
        s.p: p,
        s.slope: slope,
    }
    return Measured(numbers=numbers, assumptions={LISTABLE.name: True})


_contrasted = s.p * (1 - s.p) * (ls.score_right - ls.score_wrong)


CLAIMS = (
    Claim(
        id="P.contrast",
        title="The population update contrasts right and wrong answers",
        standing=Standing.LITERATURE,
        kind="identity",
        statement=sp.Eq(ls.slope_population, sp.sqrt(s.p * (1 - s.p)) * (ls.score_right - ls.score_wrong)),
        measure=_contrast,
        reference=_REFERENCE,
        assumptions=(ZERO_ONE, LISTABLE),
        proof=(
            "p s_+ + (1 - p) s_- = 0 and p s_+ = grad p, so grad p = p (1 - p) (s_+ - s_-); the population update is "
            "grad p over sqrt(p (1 - p))."
        ),
        example=lambda: right_or_wrong(Scheme(4, "sum_then_normalize")),
        enclose=enclosed.contrast_rows,
        instances=on_one_reward,
    ),
    Claim(
        id="P.contrast.group",
        title="A group of G weighs the contrast by its own slope",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(ls.mean_along, s.slope * _contrasted),
        measure=_contrast,
        reference=f"docs/theory.md; beside {_REFERENCE}",
        assumptions=(ZERO_ONE, LISTABLE, COMPOSITE_ALONE),
        proof="The update is (h_1 - h_0) grad p. Standardized, the weight stays below sqrt(p (1 - p)): P.attenuation.",
        depends_on=("P.contrast", "L5"),
        schemes=(Scheme(4, "sum_then_normalize"), Scheme(4, "sum_then_normalize", 1e-4, 1), Scheme(4, "center")),
        example=lambda: right_or_wrong(Scheme(4, "sum_then_normalize")),
        enclose=enclosed.group_rows,
        instances=on_one_reward,
    ),
)
