"""How many rollouts a prompt should get, under a fixed budget (Zhou et al. 2026)."""

import numpy as np
import sympy as sp

from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.claim import Claim
from bounds.claims.assumptions import CENTER
from bounds.claims.schemes import CENTERED
from bounds.claims.variance import leave_one_out
from bounds.comparison import Measured
from bounds.enclosed.literature import zhou as enclosed
from bounds.instance import Instance
from bounds.verdicts import Standing
from tamdp_theory import TabularSoftmax, families
from tamdp_theory.exact import Scheme

_REFERENCE = "Zhou et al. 2026, arXiv 2603.01162"


def _budget(instance: Instance) -> Measured:
    """The error of B prompts drawn from rho, and what it is made of."""
    env, size, rho = instance.env, instance.scheme.group_size, instance.env.prompt_probability
    numbers = leave_one_out(instance).numbers
    own = zip(env.prompt_classes, instance.laws, strict=True)
    gradients = np.array([env.class_composite[classes] @ law.gradient for classes, law in own])
    between = float(rho @ ((gradients - rho @ gradients) ** 2).sum(axis=1))
    within = float(rho @ numbers[s.trace_projection])
    # never negative; where rounding says so it is zero
    paired = max(float(rho @ (2 * numbers[s.trace_kernel] - numbers[s.trace_projection])), 0.0)
    found = {ls.between: between, ls.within: within, ls.paired: paired, s.G: size}
    error = size * (between + float(rho @ numbers[s.variance]))
    return Measured(numbers={ls.error_budget: error, **found}, scale=size * env.total_weight**2)


def _two_prompts() -> Instance:
    env = families.contextual_bandit([[0, 1], ["1/4", "1/2", 1]], name="two-prompts")
    return Instance(env, TabularSoftmax(env), Scheme(4, "center"))


CLAIMS = (
    Claim(
        id="P.budget",
        title="The error of a fixed budget, by group size",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(ls.error_budget, ls.between * s.G + ls.within + ls.paired / (s.G - 1)),
        measure=_budget,
        reference=f"docs/theory.md; {_REFERENCE} has G for G - 1, to leading order",
        assumptions=(CENTER,),
        proof=(
            "E||error||^2 = (c_1 + E V)/B over drawn prompts, and G V = tr Sigma_1 + (2 tr Cov - tr Sigma_1)/(G - 1) "
            "by L9x."
        ),
        depends_on=("L9x",),
        schemes=CENTERED,
        example=_two_prompts,
        enclose=enclosed.budget_rows,
    ),
    Claim(
        id="P.budget.best",
        title="No group size does better than 1 + sqrt(c_3/c_1)",
        standing=Standing.LITERATURE,
        kind="inequality",
        statement=sp.Le(ls.between + ls.within + 2 * sp.sqrt(ls.between * ls.paired), ls.error_budget),
        measure=_budget,
        reference=f"{_REFERENCE}, who have sqrt(c_3/c_1), to leading order",
        assumptions=(CENTER,),
        proof=(
            "c_1 (G - 1) + c_3/(G - 1) >= 2 sqrt(c_1 c_3), with equality where (G - 1)^2 = c_3/c_1. The best size "
            "does not depend on the budget."
        ),
        depends_on=("P.budget",),
        schemes=CENTERED,
        example=_two_prompts,
        enclose=enclosed.budget_rows,
    ),
)
