"""Theorem 1, exactly: sampled training over every path that it may take, and one step from anywhere (T1.exactly,
T1.step).
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from bounds import cost
from bounds import symbols as s
from bounds.claim import Assumption, Claim, unmet
from bounds.claims.assumptions import LISTABLE, PLAIN, POTENTIAL, TABULAR
from bounds.claims.convergence import DRIFT, GUARANTEE, STEP, VARIES
from bounds.comparison import Measured
from bounds.decision import TRIVIAL, Row
from bounds.enclosed import paths as enclosed
from bounds.exact_instance import ExactInstance, exactly
from bounds.exact_sides import evaluate
from bounds.instance import Instance
from bounds.suite import Suite
from bounds.verdicts import Evidence, Standing
from tamdp_theory import CapacityError, TabularSoftmax, families
from tamdp_theory.exact import Scheme, StepPlan, balls
from tamdp_theory.exact.ball_numbers import nearest

_BITS = 128
_ROUNDING = 1e-14  # of evaluating a side in floats, relative
_MAX_GROUPS = 20_000  # of trajectories that a step in floats lists
FEW_PATHS = Assumption("few paths", "the parameters that training may reach are few enough to be listed")


def _in_balls(
    instance: Instance, statement: sp.Rel, rows_of: Callable[[ExactInstance], list[Row]], reason: str
) -> Measured:
    """What exact arithmetic finds, as floats, with what both sides lose by that."""
    try:
        rows = instance.once(_rows, rows_of, instance)
    except CapacityError as refused:
        return Measured(numbers={}, assumptions={"few paths": False}, note=f"not met: few paths: {refused}")
    conditions = {"few paths": True, reason: bool(rows)}
    if not rows:
        return Measured(numbers={}, assumptions=conditions)
    (row,) = rows
    with balls.precision(_BITS):
        values = {name: nearest(_number(value))[0] for name, value in row.items()}
        sides = [evaluate(side, row) for side in (statement.lhs, statement.rhs)]
        rounded = {name: Fraction(value) for name, value in values.items()}
        lost = [side - evaluate(part, rounded) for side, part in zip(sides, statement.args, strict=True)]
        error = sum(float(abs(balls.ball(one)).upper()) for one in lost)
        error += _ROUNDING * sum(float(abs(balls.ball(side)).upper()) for side in sides)
    trivial = values.pop(TRIVIAL)
    return Measured(
        numbers=values,
        assumptions=conditions,
        error=error,
        trivial=trivial,
        scale=0.0,
        evidence=Evidence.CERTIFIED,
        note="every path",
    )


def _rows(rows_of: Callable[[ExactInstance], list[Row]], instance: Instance) -> list[Row]:
    with balls.precision(_BITS):
        return rows_of(exactly(instance))


def _number(value: Any) -> balls.Number:
    return balls.number(value) if isinstance(value, (int, Fraction)) else value


def _guaranteed(instance: Instance, statement: sp.Rel) -> Measured:
    """The mean of ||grad F||^2 over every path."""
    potential = instance.potential
    conditions = {
        "potential": potential is not None,
        "rewards vary": potential is not None and potential.smoothness > 0,
    }
    if potential is None or unmet(instance, conditions):
        return Measured(numbers={}, assumptions=conditions)
    found = _in_balls(instance, statement, enclosed.guaranteed_rows, "step size")
    return replace(found, assumptions={**conditions, **found.assumptions})


def _biased(instance: Instance, statement: sp.Rel) -> Measured:
    """The mean of ||grad J||^2 over every path, and alpha."""
    conditions = {"rewards vary": instance.smoothness > 0}
    if unmet(instance, conditions):
        return Measured(numbers={}, assumptions=conditions)
    found = _in_balls(instance, statement, enclosed.biased_rows, "drift")
    return replace(found, assumptions={**conditions, **found.assumptions})


def _one_step(instance: Instance) -> Measured:
    """The shortfall of F before and after one step, by listing groups."""
    potential, policy = instance.potential, instance.policy
    conditions = {
        "potential": potential is not None,
        "rewards vary": potential is not None and potential.smoothness > 0,
    }
    if potential is None or unmet(instance, conditions):
        return Measured(numbers={}, assumptions=conditions)
    smooth = potential.smoothness
    eta = instance.learning_rate or float(enclosed.on_grid(1 / smooth))
    try:
        after = StepPlan(instance.env, policy, instance.scheme, _MAX_GROUPS).expectation(eta, potential.of_prompt)
    except CapacityError:
        return Measured(numbers={}, assumptions={**conditions, "listable": False})
    update, start, best = instance.update, potential.value(policy), potential.upper
    numbers = {
        s.shortfall_after: best - after,
        s.shortfall: best - start,
        s.grad_F_squared: float(update.mean @ update.mean),
        s.variance: update.variance,
        s.eta: eta,
        s.L: smooth,
    }
    return Measured(
        numbers=numbers,
        assumptions={**conditions, "listable": True},
        error=1e-12 * abs(best),
        trivial=(best - potential.lower) * (1 - 1e-12),
        scale=abs(best),
    )


def _bandits(claim: Claim, suite: Suite) -> Iterable[Instance]:
    """Training on bandits, with and without chance and several rewards, as long as their states stay few."""
    two = families.bandit([["1"], ["0"]], name="two-arms")
    prompts = families.random_tree(
        seed=5, prompts=2, tools=0, answers=2, max_tool_depth=0, components=1, name="two-prompts"
    )
    rewards = families.bandit([("1", "0"), ("0", "1"), ("1", "1")], weights=("1/4", "3/4"), name="two-rewards")
    three = families.bandit([["0"], ["1/3"], ["1"]], name="three-arms")
    center, joint, split = ("center", "sum_then_normalize", "normalize_then_sum")
    for env, scheme, steps in (
        (two, Scheme(8, center), 24),
        (two, Scheme(3, joint), 64),
        (two, Scheme(4, split), 20),
        (families.drift_bandit(), Scheme(4, center), 16),
        (families.drift_bandit(), Scheme(2, joint), 16),
        (three, Scheme(2, center), 14),
        (three, Scheme(2, joint), 12),
        (rewards, Scheme(2, split), 12),
        (rewards, Scheme(2, center), 12),
        (prompts, Scheme(4, center), 24),
        (prompts, Scheme(3, joint), 64),
        (prompts, Scheme(3, split, 0.25, 1), 24),
    ):
        for name, policy in (
            ("uniform", TabularSoftmax(env)),
            ("soft", TabularSoftmax.random(env, np.random.default_rng(1), 0.7)),
            ("sharp", TabularSoftmax.random(env, np.random.default_rng(2), 2.0)),
        ):
            label = f"{env.name} {name} {scheme.normalization} G={scheme.group_size} T={steps}"
            yield Instance(env, policy, scheme, seed=7, steps=steps, label=label, once=suite.once)


_SMALL_GROUPS = (Scheme(4, "center"), Scheme(4, "normalize_then_sum"), Scheme(3, "sum_then_normalize"))
_STEPS = (
    Scheme(2, "center"),
    Scheme(2, "normalize_then_sum"),
    Scheme(3, "sum_then_normalize"),
    Scheme(2, "normalize_then_sum", 0.25, 1),
)

_A_PRIORI = sp.Le(s.mean_grad_F, GUARANTEE + s.L * s.eta * s.variance_bound)
_ON_PATH = sp.Le(s.mean_grad_F, GUARANTEE + s.L * s.eta * s.variance_path)
_BIASED = sp.Le(s.mean_grad_J, ((s.J_star - s.J_0) / (s.eta * s.T) + s.L_J * s.eta * s.second_path / 2) / s.alpha)

CLAIMS = (
    Claim(
        id="T1.exactly",
        title="Convergence to a stationary point, over every path, a priori",
        standing=Standing.PROVED,
        kind="inequality",
        statement=_A_PRIORI,
        measure=lambda i: _guaranteed(i, _A_PRIORI),
        reference="docs/theory.md",
        assumptions=(TABULAR, POTENTIAL, PLAIN, VARIES, STEP, FEW_PATHS),
        proof=(
            r"T1.stationary, whose left side is here a sum over every path: with one decision and advantages that add "
            r"up to zero, $\hat g=\frac{1}{G}\sum_iA_ie_{a_i}$ does not depend on $\theta$, so $\theta_t$ stays on a "
            r"lattice whose points merge exactly."
        ),
        depends_on=("T1.stationary",),
        schemes=_SMALL_GROUPS,
        enclose=enclosed.guaranteed_rows,
        instances=_bandits,
        cost=cost.paths,
        figure="convergence",
    ),
    Claim(
        id="T1.exactly.path",
        title="Convergence to a stationary point, over every path, with its variance",
        standing=Standing.PROVED,
        kind="inequality",
        statement=_ON_PATH,
        measure=lambda i: _guaranteed(i, _ON_PATH),
        reference="docs/theory.md",
        assumptions=(TABULAR, POTENTIAL, VARIES, STEP, FEW_PATHS),
        proof="As T1.exactly, with the exact variance at each point in place of its bound.",
        depends_on=("T1.stationary.path",),
        schemes=_SMALL_GROUPS,
        enclose=enclosed.guaranteed_rows,
        instances=_bandits,
        cost=cost.paths,
        figure="convergence",
    ),
    Claim(
        id="T1.exactly.biased",
        title="Convergence without a potential, over every path",
        standing=Standing.PROVED,
        kind="inequality",
        statement=_BIASED,
        measure=lambda i: _biased(i, _BIASED),
        reference="docs/theory.md",
        assumptions=(TABULAR, VARIES, DRIFT, FEW_PATHS),
        proof=(
            r"The descent lemma for $J$, summed over $t$ and every path; $\sum_t\mathbb{E}\langle\nabla "
            r"J,m\rangle=\alpha\sum_t\mathbb{E}\|\nabla J\|^2$ by definition of $\alpha$."
        ),
        depends_on=("T1.biased",),
        schemes=(*_SMALL_GROUPS, Scheme(3, "normalize_then_sum", 0.25, 1)),
        enclose=enclosed.biased_rows,
        instances=_bandits,
        cost=cost.paths,
        figure="convergence",
    ),
    Claim(
        id="T1.step",
        title="One sampled step",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(
            s.shortfall_after,
            s.shortfall - s.eta * s.grad_F_squared + s.L * s.eta**2 * (s.variance + s.grad_F_squared) / 2,
        ),
        measure=_one_step,
        reference="docs/theory.md",
        assumptions=(TABULAR, POTENTIAL, VARIES, LISTABLE),
        proof=(
            r"The descent lemma at $\theta+\eta\hat g$, averaged over the group: $\mathbb{E}\hat g=\nabla F$ (L7). It "
            r"telescopes to T1.stationary.path."
        ),
        depends_on=("L3.all", "L6", "L7.smooth"),
        schemes=_STEPS,
        enclose=enclosed.step_rows,
        cost=cost.passes,
        figure="convergence",
    ),
)
