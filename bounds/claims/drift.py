"""The expected update can lower the objective (T1.drift)."""

from fractions import Fraction

import sympy as sp

from bounds import cost
from bounds import symbols as s
from bounds.claim import Assumption, Claim, unmet
from bounds.claims.assumptions import DECOMPOSED, TABULAR
from bounds.comparison import Measured
from bounds.enclosed import drift as enclosed
from bounds.instance import Instance
from bounds.rollouts import measures as observed
from bounds.suite import nowhere
from bounds.verdicts import Evidence, Standing
from tamdp_theory import TabularSoftmax, families
from tamdp_theory.exact import Scheme, balls
from tamdp_theory.exact.ball_numbers import nearest

WITNESS = Assumption("witness", "the instance shows it; other instances say nothing about existence")


def update_in_balls(instance: Instance, weights: tuple[Fraction, ...] | None = None) -> balls.BallUpdate:
    """m, V and the drift as balls, under other weights where they are given."""
    env, scheme = instance.env, instance.scheme
    process = env if weights is None else env.with_weights(weights)
    return balls.update(process, instance.policy, scheme.group_size, scheme.normalization, scheme.eps, scheme.ddof)


def measure_drift(instance: Instance) -> Measured:
    """<grad J, m> in balls, where it is below zero."""
    enclosure = update_in_balls(instance).drift
    conditions = {"witness": bool(enclosure < 0)}
    if failed := unmet(instance, conditions):
        return failed
    value, error = nearest(enclosure)
    return Measured(
        numbers={s.drift: value}, assumptions=conditions, error=error, scale=0.0, evidence=Evidence.CERTIFIED
    )


def _risky_or_safe() -> Instance:
    env = families.drift_bandit()
    return Instance(env, TabularSoftmax(env), Scheme(2, "sum_then_normalize"))


def _decomposed_drift() -> Instance:
    """Arm a: R_1 = 1 with probability 3/4, R_2 = 0. Arm b: R_1 = 1 with 1/4, R_2 = 1 with 1/40, independent; w = (1/20,
    19/20).
    """
    first = [("3/4", (1, 0)), ("1/4", (0, 0))]
    second = [("1/160", (1, 1)), ("39/160", (1, 0)), ("3/160", (0, 1)), ("117/160", (0, 0))]
    env = families.bandit([first, second], weights=("1/20", "19/20"), name="bandit-drift-decomposed")
    return Instance(env, TabularSoftmax(env), Scheme(4, "normalize_then_sum"))


CLAIMS = (
    Claim(
        id="T1.drift",
        title="The expected update can lower the objective",
        standing=Standing.PROVED,
        kind="example",
        statement=sp.Lt(s.drift, 0),
        measure=measure_drift,
        reference="docs/theory.md",
        assumptions=(TABULAR, WITNESS),
        proof="One prompt, arms 1 with probability 2/5 and 1/4 surely, pi = 1/2, G = 2: <grad J, m> = -3/800.",
        depends_on=("L5",),
        example=_risky_or_safe,
        observe=observed.drift,
        enclose=enclosed.drift_rows,
        cost=cost.nothing,
        instances=nowhere,
        shown_on="scores",
    ),
    Claim(
        id="T1.drift.decomposed",
        title="So can the decomposed one",
        standing=Standing.PROVED,
        kind="example",
        statement=sp.Lt(s.drift, 0),
        measure=measure_drift,
        reference="docs/theory.md",
        assumptions=(TABULAR, DECOMPOSED, WITNESS),
        proof="psi_G differs between components, and reweights a sum of opposed gradients.",
        depends_on=("L5", "L7"),
        example=_decomposed_drift,
        observe=lambda o: observed.drift(o, True),
        enclose=enclosed.drift_rows,
        cost=cost.nothing,
        instances=nowhere,
    ),
)
