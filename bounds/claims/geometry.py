"""Scores and the objective as a function of the parameters: energy, smoothness, gradient domination (L2, L3, L4)."""

import numpy as np
import sympy as sp

from bounds import cost
from bounds import symbols as s
from bounds.claim import Claim
from bounds.claims.assumptions import ONE_DECISION, TABULAR, TREE
from bounds.comparison import Measured
from bounds.enclosed import geometry as enclosed
from bounds.instance import Instance
from bounds.structure import composites
from bounds.verdicts import Standing
from tamdp_theory import exact


def _score_energy(instance: Instance) -> Measured:
    env, policy = instance.env, instance.policy
    visits = exact.occupancy(env, policy)
    spread = 1 - env.node_sum(policy.pair_probability[:, None] ** 2)[:, 0]
    law = sum(rho * one.score_energy.sum() for rho, one in zip(env.prompt_probability, instance.laws, strict=True))
    numbers = {s.energy: float(law), s.energy_nodes: float(visits @ spread), s.H: env.horizon, s.A_max: env.n_actions}
    return Measured(numbers=numbers, scale=env.horizon)


def hessian_of(instance: Instance) -> Measured:
    """The norm of the Hessian of J against the range of the composite."""
    env = instance.env
    norm = float(np.linalg.norm(instance.hessian, 2))
    osc = float((env.prompt_probability * instance.reward_range).max())
    if not any(len(set(values)) > 1 for values in composites(env)):
        return Measured(numbers={}, empty="no reward varies")
    return Measured(numbers={s.hessian: float(norm), s.osc: osc}, scale=env.total_weight)


def _domination(instance: Instance) -> Measured:
    env = instance.env
    result = instance.domination
    gradient = instance.gradient
    numbers = {
        s.J_star: instance.optimum.total,
        s.J: instance.values.total,
        s.C_theta: result.constant,
        s.grad_J: float(np.sqrt((gradient**2).sum())),
    }
    ceiling = float((env.prompt_probability * instance.reward_range).sum())
    return Measured(numbers=numbers, trivial=ceiling * (1 - 1e-12), scale=env.total_weight)


CLAIMS = (
    Claim(
        id="L2",
        title="Score energy, node by node",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.energy, s.energy_nodes),
        measure=_score_energy,
        reference="docs/theory.md",
        assumptions=(TABULAR,),
        proof="Scores at distinct nodes are orthogonal; at one node E||e_a - pi||^2 = 1 - sum pi^2.",
        enclose=enclosed.energy_rows,
        cost=cost.passes,
    ),
    Claim(
        id="L2.bound",
        title="Score energy bound",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.energy, s.H * (1 - 1 / s.A_max)),
        measure=_score_energy,
        reference="docs/theory.md",
        assumptions=(TABULAR,),
        proof="sum pi^2 >= 1/A at every node, and occupancies sum to at most H.",
        depends_on=("L2",),
        enclose=enclosed.energy_rows,
        cost=cost.passes,
    ),
    Claim(
        id="L3",
        title="Smoothness of the objective",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.hessian, s.osc / 2),
        measure=hessian_of,
        reference="docs/theory.md",
        assumptions=(TABULAR,),
        proof=(
            "Centre c; the Hessian is E[(c - W/2)(s s^T + grad s)]; both terms are block diagonal with blocks of "
            "norm at most d(x)/2."
        ),
        enclose=enclosed.hessian_rows,
        cost=cost.hessian,
        figure="tightness",
    ),
    Claim(
        id="L3.bandit",
        title="Smoothness with one decision",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.hessian, s.osc / (3 * sp.sqrt(3))),
        measure=hessian_of,
        reference="docs/theory.md",
        assumptions=(TABULAR, ONE_DECISION),
        proof=(
            "The quadratic form is Cov(c, (v - mean v)^2), linear in c; reduce to two values of c and two actions; "
            "maximize the cubic."
        ),
        depends_on=("L3",),
        enclose=enclosed.hessian_rows,
        cost=cost.hessian,
        figure="tightness",
    ),
    Claim(
        id="L3.tree",
        title="Smoothness of trees, sharp constant",
        standing=Standing.CONJECTURED,
        kind="inequality",
        statement=sp.Le(s.hessian, sp.Rational(27, 128) * s.osc),
        measure=hessian_of,
        reference="docs/theory.md",
        assumptions=(TABULAR, TREE),
        proof="No proof; 27/128 = max 2 p^3 (1 - p) is attained by a chain of two nodes with p = 3/4.",
        depends_on=("L3",),
        enclose=enclosed.hessian_rows,
        cost=cost.hessian,
        figure="tightness",
    ),
    Claim(
        id="L4",
        title="Gradient domination",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.J_star - s.J, s.C_theta * s.grad_J),
        measure=_domination,
        reference="docs/theory.md",
        assumptions=(TABULAR,),
        proof="Performance difference lemma for the comparator, then Cauchy-Schwarz with grad_xa = d pi A.",
        enclose=enclosed.domination_rows,
        cost=cost.passes,
    ),
)
