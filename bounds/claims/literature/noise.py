"""What a noisy verifier does to the update: the slope at the rate that it accepts, times how well it tells apart."""

from math import comb

import numpy as np
import sympy as sp

from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.claim import Assumption, Claim
from bounds.claims.assumptions import TABULAR
from bounds.claims.literature.success import gradients, on_one_reward, right_or_wrong, success
from bounds.claims.slope import direction_of
from bounds.comparison import Measured
from bounds.enclosed import slopes as tables
from bounds.enclosed.literature import noise as enclosed
from bounds.enclosed.literature.success import only_reward
from bounds.instance import Instance
from bounds.verdicts import Standing
from tamdp_theory import TabularSoftmax, exact
from tamdp_theory.exact import Scheme, UpdatePlan

ONE_REWARD = Assumption(
    "one 0/1 reward",
    "one component has weight, and it is 1; the component is 0 or 1, and both on every prompt",
    lambda i: only_reward(i.env) is not None,
)


def _noisy(instance: Instance) -> Measured:
    """The update on the process of each verifier, as the engine has it there."""
    env, scheme, policy = instance.env, instance.scheme, instance.policy
    component, direction = only_reward(env), direction_of(instance)
    conditions = {ONE_REWARD.name: component is not None, TABULAR.name: isinstance(policy, TabularSoftmax)}
    if component is None or not isinstance(policy, TabularSoftmax):
        return Measured(numbers={}, assumptions=conditions)
    p, size = success(instance), scheme.group_size
    found = []
    for right, wrong in enclosed.VERIFIERS:
        other = enclosed.noisy(env, component, right, wrong)
        laws = exact.reward_law(other, TabularSoftmax(other, policy.logits))
        law = np.concatenate([one.probability for one in laws])[:, None]
        h = UpdatePlan(other, scheme).effective_reward(law)[:, 0]
        found += [
            (float(h[classes] @ (own.gradient @ direction)), float(kind @ (gradient @ direction)), chance, right, wrong)
            for classes, own, (gradient, kind), chance in zip(
                other.prompt_classes, laws, gradients(instance), p, strict=True
            )
        ]
    names = (ls.mean_noisy, ls.slope_p, s.p, ls.TPR, ls.FPR)
    numbers = dict(zip(names, np.array(found, dtype=float).T, strict=True))
    right_gain, wrong_gain = (
        np.repeat(np.array(one)[:, None], len(found), axis=1) for one in tables.float_tables(scheme)
    )
    choose = np.repeat(np.array([[float(comb(size - 1, k))] for k in range(size)]), len(found), axis=1)
    return Measured(
        numbers={**numbers, s.gain_right: right_gain, s.gain_wrong: wrong_gain, ls.choose: choose, s.G: size}
    )


_accepted = ls.FPR + (ls.TPR - ls.FPR) * s.p
_terms = (
    ls.choose[s.k] * _accepted ** (s.k - 1) * (1 - _accepted) ** (s.G - s.k) * (s.gain_right[s.k] - s.gain_wrong[s.k])
)


CLAIMS = (
    Claim(
        id="P.noise",
        title="A noisy verifier: the slope at what it accepts",
        standing=Standing.LITERATURE,
        kind="identity",
        statement=sp.Eq(ls.mean_noisy, (ls.TPR - ls.FPR) * ls.slope_p * sp.Sum(_terms, (s.k, 1, s.G))),
        measure=_noisy,
        reference="a consequence of Davis & Recht 2025, arXiv 2510.13651",
        assumptions=(ONE_REWARD, TABULAR),
        proof=(
            "The verifier accepts with probability FPR + (TPR - FPR) p; the update is the slope there times the "
            "gradient of that. Where TPR < FPR it points downhill, whatever the estimator of positive slope."
        ),
        depends_on=("T4.slopes",),
        schemes=(
            Scheme(4, "sum_then_normalize"),
            Scheme(4, "sum_then_normalize", 1e-4, 1),
            Scheme(4, "leave_one_out"),
            Scheme(4, "max_rl"),
        ),
        example=lambda: right_or_wrong(Scheme(4, "sum_then_normalize")),
        enclose=enclosed.noisy_rows,
        instances=on_one_reward,
    ),
)
