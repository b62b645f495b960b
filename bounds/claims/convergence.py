"""Theorem 1 of the paper, convergence, as theory.md section 5 states and proves it."""

from collections.abc import Iterable
from dataclasses import replace

import sympy as sp

from bounds import cost
from bounds import symbols as s
from bounds.claim import Assumption, Claim
from bounds.claims.assumptions import PLAIN, POTENTIAL, TABULAR
from bounds.claims.schemes import WITH_POTENTIAL
from bounds.claims.training import biased, exact_path, stationary
from bounds.instance import Instance
from bounds.rollouts import measures as observed
from bounds.suite import TRAINED, Suite, each
from bounds.verdicts import Standing
from tamdp_theory.exact import Scheme

VARIES = Assumption("rewards vary", "some prompt has two composite rewards, so that L > 0")
STEP = Assumption("step size", "eta <= 1/L")
DRIFT = Assumption("drift", "alpha > 0 is shown: the expected update points uphill on average along the path")
MAX_TRAINED = 600  # pairs of a process
GUARANTEE = 2 * (s.F_star - s.F_0) / (s.eta * s.T)


def _runs(claim: Claim, suite: Suite) -> Iterable[Instance]:
    """Training from one policy on each process that is not too large to train on."""
    return (i for i in each(claim, suite, only=(TRAINED,)) if i.env.n_pairs <= MAX_TRAINED)


def _short_runs(claim: Claim, suite: Suite) -> Iterable[Instance]:
    """Fewer steps and more runs: a drift is seen while there is one, before training has nearly ended."""
    steps = suite.smallest.steps
    return (replace(i, steps=steps, runs=max(128, i.runs)) for i in _runs(claim, suite))


CLAIMS = (
    Claim(
        id="T1.stationary",
        title="Convergence to a stationary point of the potential, a priori",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.mean_grad_F, GUARANTEE + s.L * s.eta * s.variance_bound),
        measure=lambda i: stationary(i, False),
        reference="docs/theory.md",
        assumptions=(TABULAR, POTENTIAL, PLAIN, VARIES, STEP),
        proof="Descent lemma for F with E g = grad F, telescoped; constants from L2, L3, L7 and L9.",
        depends_on=("L2.bound", "L3.all", "L7.smooth", "L9", "L9.decomposed"),
        schemes=WITH_POTENTIAL,
        observe=observed.convergence,
        cost=cost.potential_training,
        instances=_runs,
        shown_on="training",
        figure="convergence",
    ),
    Claim(
        id="T1.stationary.path",
        title="Convergence to a stationary point of the potential, along the path",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.mean_grad_F, GUARANTEE + s.L * s.eta * s.variance_path),
        measure=lambda i: stationary(i, True),
        reference="docs/theory.md",
        assumptions=(TABULAR, POTENTIAL, PLAIN, VARIES, STEP),
        proof="As a priori, with the exact variance at each visited point in place of its bound.",
        depends_on=("L3.all", "L6", "L7.smooth"),
        schemes=WITH_POTENTIAL,
        observe=observed.convergence,
        cost=cost.potential_training,
        instances=_runs,
        figure="convergence",
    ),
    Claim(
        id="T1.exact",
        title="Rate of the expected update, from the progress made",
        standing=Standing.LITERATURE,
        kind="inequality",
        statement=sp.Le(s.min_grad_F, 4 * s.L * (s.F_T - s.F_0) / (3 * s.T)),
        measure=exact_path,
        reference="tight for L-smooth functions; PEPit's non-convex gradient descent",
        assumptions=(TABULAR, POTENTIAL, PLAIN, VARIES),
        proof="Interpolation of L-smooth functions, summed with the multipliers of the tight proof.",
        depends_on=("L3.all", "L7.smooth"),
        schemes=WITH_POTENTIAL,
        observe=observed.convergence,
        cost=cost.exact_training,
        instances=_runs,
        figure="convergence",
    ),
    Claim(
        id="T1.exact.start",
        title="Rate of the expected update, from the start",
        standing=Standing.LITERATURE,
        kind="inequality",
        statement=sp.Le(s.min_grad_F, 4 * s.L * (s.F_star - s.F_0) / (3 * s.T + 2)),
        measure=exact_path,
        reference="tight for L-smooth functions; PEPit's non-convex gradient descent",
        assumptions=(TABULAR, POTENTIAL, PLAIN, VARIES),
        proof="As T1.exact with F* - F_T >= ||grad F_T||^2 / (2L).",
        depends_on=("T1.exact",),
        schemes=WITH_POTENTIAL,
        observe=observed.convergence,
        cost=cost.exact_training,
        instances=_runs,
        figure="convergence",
    ),
    Claim(
        id="T1.biased",
        title="Convergence without a potential",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(
            s.mean_grad_J, (s.J_star - s.J_0) / (s.alpha * s.eta * s.T) + s.L_J * s.eta * s.M_2 / (2 * s.alpha)
        ),
        measure=biased,
        reference="docs/theory.md",
        assumptions=(TABULAR, VARIES, DRIFT),
        proof="Descent lemma for J; replace <grad J, m> by alpha ||grad J||^2 in the sum; M_2 by L2 or by L9.eps.",
        depends_on=("L3.all", "L9.eps"),
        schemes=(Scheme(8, "sum_then_normalize"),),
        observe=observed.convergence,
        cost=cost.training,
        instances=_short_runs,
        shown_on="training",
        figure="convergence",
    ),
)
