"""Climbing pass@k can lower pass@1, where prompts share parameters (Barakat et al. 2026)."""

import numpy as np
import sympy as sp

from bounds import cost
from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.claim import Claim
from bounds.claims.assumptions import TABULAR
from bounds.claims.drift import WITNESS, measure_drift
from bounds.claims.literature.success import UNMET, on_one_reward, right_or_wrong, success
from bounds.claims.slopes import ZERO_ONE, kind
from bounds.comparison import Measured
from bounds.enclosed import drift
from bounds.enclosed.literature import barakat as enclosed
from bounds.enclosed.objectives import is_zero_one
from bounds.enclosed.slopes import estimator_numbers
from bounds.instance import Instance
from bounds.suite import nowhere
from bounds.verdicts import Standing
from tamdp_theory import LogLinear, families
from tamdp_theory.exact import Scheme

_REFERENCE = "Barakat et al. 2026, arXiv 2602.21189"


def _conflict() -> Instance:
    """One answer of two is right on the easy prompt, one of five on the hard one; one parameter, which makes the first
    likelier and the second rarer.
    """
    env = families.contextual_bandit([[1, 0], [1, 0, 0, 0, 0]], name="prompts-in-conflict")
    features = np.zeros((env.n_pairs, 1))
    features[0], features[2] = 1, -1
    return Instance(env, LogLinear(env, features, [0.0]), Scheme(4, "pass_at_3"))


def _drift(instance: Instance) -> Measured:
    if not is_zero_one(instance.env):
        return UNMET
    if not (instance.policy.is_tabular or isinstance(instance.policy, LogLinear)):  # no exact form
        return Measured(numbers={}, assumptions={WITNESS.name: False})
    return measure_drift(instance)


def _apart(instance: Instance) -> Measured:
    options = estimator_numbers(instance.scheme)
    if not is_zero_one(instance.env) or s.k_best not in options:
        return Measured(numbers={}, assumptions={**UNMET.assumptions, "estimator": s.k_best in options})
    gradient = instance.gradient
    numbers = {
        s.drift: float(instance.update.mean @ gradient),
        s.grad_J: float(np.linalg.norm(gradient)),
        ls.p_most: float(success(instance).max()),
        s.k_best: int(options[s.k_best]),
    }
    return Measured(numbers=numbers, attained=instance.env.n_prompts == 1)


CLAIMS = (
    Claim(
        id="P.pass_at_k.conflict",
        title="Climbing pass@k can lower pass@1",
        standing=Standing.LITERATURE,
        kind="example",
        statement=sp.Lt(s.drift, 0),
        measure=_drift,
        reference=_REFERENCE,
        assumptions=(ZERO_ONE, kind("pass_at_"), WITNESS),
        proof=(
            "Each prompt weighs (1 - p)^(k-1). Slopes of p along the one parameter: 1/4 at p = 1/2, -4/25 at p = 1/5; "
            "k = 3: their mean is 9/200, the weighted one (1/16 - 64/625)/2 = -399/20000: of opposite signs."
        ),
        depends_on=("T4.slopes.pass_at_k",),
        schemes=(Scheme(4, "pass_at_3"),),
        example=_conflict,
        enclose=drift.drift_rows,
        cost=cost.nothing,
        instances=nowhere,
    ),
    Claim(
        id="P.pass_at_k.apart",
        title="Not where each prompt has parameters of its own",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le((1 - ls.p_most) ** (s.k_best - 1) * s.grad_J**2, s.drift),
        measure=_apart,
        reference=f"docs/theory.md; beside {_REFERENCE}",
        assumptions=(ZERO_ONE, kind("pass_at_"), TABULAR),
        proof=(
            "Gradients of different prompts are orthogonal, so <grad J, m> is the sum over prompts of rho^2 "
            "(1 - p)^(k-1) ||grad p||^2, and each weight is at least that of the easiest prompt."
        ),
        depends_on=("T4.slopes.pass_at_k",),
        schemes=(Scheme(3, "pass_at_2"), Scheme(4, "pass_at_3")),
        example=lambda: right_or_wrong(Scheme(5, "pass_at_3")),
        enclose=enclosed.apart_rows,
        instances=on_one_reward,
    ),
)
