"""Where the expected update is a gradient and where it is not (L8, T2.closed, T2.open)."""

import numpy as np
import sympy as sp

from bounds import cost
from bounds import symbols as s
from bounds.claim import Claim, unmet
from bounds.claims.assumptions import DECOMPOSED, JOINT, PAIRS, TABULAR, THREE_VALUES, TWO_VALUED_COMPONENTS
from bounds.comparison import Measured
from bounds.enclosed import closedness as enclosed
from bounds.enclosed.closedness import closed_rows
from bounds.instance import Instance
from bounds.structure import composites
from bounds.suite import nowhere
from bounds.verdicts import Evidence, Standing
from tamdp_theory import TabularSoftmax, exact, families
from tamdp_theory.exact import Normalization, Scheme, balls
from tamdp_theory.exact.ball_numbers import nearest


def _closed(instance: Instance) -> Measured:
    """Whether the one-form of L8 is closed, against the number of values, on each prompt whose composite varies; both
    decided exactly.
    """
    rows = instance.once(closed_rows, instance.env, instance.scheme)
    if not rows:
        return Measured(numbers={}, empty="no composite reward varies")
    closed, two = np.array([(one[s.closed], one[s.two_valued]) for one in rows], dtype=float).T
    return Measured(numbers={s.closed: closed, s.two_valued: two}, evidence=Evidence.CERTIFIED)


def _curl_pair(instance: Instance) -> Measured:
    env, scheme = instance.env, instance.scheme
    values = next((v for v in (sorted(set(found)) for found in composites(env)) if len(v) >= 3), None)
    conditions = {"three values": values is not None}
    if values is None:
        return Measured(numbers={}, assumptions=conditions)
    chosen = [values[0], values[len(values) // 2], values[-1]]
    p = np.random.default_rng(instance.seed).dirichlet(np.ones(3), size=8)
    twist = exact.curl(
        p,
        [[v] for v in chosen],
        [1],
        group_size=scheme.group_size,
        normalization=scheme.normalization,
        eps=scheme.eps,
        ddof=scheme.ddof,
    )
    low, mid, top = np.eye(3)
    return Measured(numbers={s.curl_pair: np.einsum("i,pij,j->p", mid - low, twist, top - low)}, assumptions=conditions)


def _single_three_arm() -> Instance:
    env = families.bandit([["0"], ["1/3"], ["1"]], name="three-arms")
    return Instance(env, TabularSoftmax(env), Scheme(2, "sum_then_normalize"))


def _is_closed_everywhere(instance: Instance) -> Measured:
    rows = instance.once(closed_rows, instance.env, instance.scheme)
    if not rows:
        return Measured(numbers={}, empty="no component with weight varies")
    return Measured(
        numbers={s.closed: np.array([one[s.closed] for one in rows], dtype=float)}, evidence=Evidence.CERTIFIED
    )


def _open(instance: Instance) -> Measured:
    env, scheme = instance.env, instance.scheme
    values = [len({env.exact_class_composite[c] for c in classes}) for classes in env.prompt_classes]
    conditions = {"three values": values[0] >= 3}
    if failed := unmet(instance, conditions):
        return failed
    with balls.precision(128):
        law = [terms.probability for terms in balls.BallLaw(balls.policy_of(instance.policy)).classes[0]]
        norm = balls.curl_norm(balls.group_of(env, 0, scheme), law)
        value, error = nearest(norm)
    return Measured(
        numbers={s.curl_norm: value}, assumptions=conditions, error=error, scale=0.0, evidence=Evidence.CERTIFIED
    )


def two_bits(normalization: Normalization) -> Instance:
    """Two 0/1 components of equal weight, free to be 0 or 1: the composite takes three values."""
    env = families.bandit([(0, 0), (1, 0), (0, 1), (1, 1)], weights=("1/2", "1/2"), name="two-bits")
    return Instance(env, TabularSoftmax(env), Scheme(4, normalization))


CLAIMS = (
    Claim(
        id="L8",
        title="No potential beyond two values",
        standing=Standing.PROVED,
        kind="equivalence",
        statement=sp.Eq(s.closed, s.two_valued),
        measure=_closed,
        reference="docs/theory.md",
        assumptions=(JOINT,),
        proof=(
            "The curl is a polynomial in P; at a vertex of the face of three values it is an explicit non-zero number."
        ),
        depends_on=("L5",),
        schemes=(Scheme(3, "sum_then_normalize"), Scheme(4, "sum_then_normalize", 1e-2, 1)),
        example=_single_three_arm,
        enclose=lambda i: closed_rows(i.env, i.scheme),
        zero_tells=True,
        cost=cost.nothing,
        figure="field",
    ),
    Claim(
        id="L8.pair",
        title="Curl of pairs",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.curl_pair, 2),
        measure=_curl_pair,
        reference="docs/theory.md",
        assumptions=(PAIRS, JOINT, THREE_VALUES),
        proof="With G = 2 advantages are signs, h is linear in P, and the derivative is sign(c_m - c_l).",
        depends_on=("L8",),
        schemes=(Scheme(2, "sum_then_normalize"),),
        example=_single_three_arm,
        enclose=enclosed.curl_pair_rows,
        figure="field",
    ),
    Claim(
        id="T2.closed",
        title="Decomposed, two-valued components: there is a potential",
        standing=Standing.PROVED,
        kind="equivalence",
        statement=sp.Eq(s.closed, 1),
        measure=_is_closed_everywhere,
        reference="docs/theory.md",
        assumptions=(DECOMPOSED, TWO_VALUED_COMPONENTS),
        proof="L7 (b): each component's update is psi_G(p_k) grad p_k.",
        depends_on=("L7",),
        schemes=(Scheme(3, "normalize_then_sum"), Scheme(4, "normalize_then_sum", 1e-2, 1)),
        example=lambda: two_bits("normalize_then_sum"),
        enclose=lambda i: closed_rows(i.env, i.scheme),
        cost=cost.nothing,
        figure="field",
    ),
    Claim(
        id="T2.open",
        title="Joint, the same components: there is none",
        standing=Standing.PROVED,
        kind="example",
        statement=sp.Gt(s.curl_norm, 0),
        measure=_open,
        reference="docs/theory.md",
        assumptions=(JOINT, THREE_VALUES, TABULAR),
        proof="Two bits of equal weight add up to three values; the curl at the uniform policy is not zero.",
        depends_on=("L8",),
        example=lambda: two_bits("sum_then_normalize"),
        enclose=enclosed.open_rows,
        cost=cost.nothing,
        instances=nowhere,
        figure="field",
    ),
)
