"""Whether an estimator optimises anything (theory.md section 10: T4.potential, T4.affine, T4.scale)."""

import numpy as np
import sympy as sp

from bounds import cost
from bounds import symbols as s
from bounds.claim import Assumption, Claim
from bounds.comparison import Measured
from bounds.enclosed import objectives as enclosed
from bounds.instance import Instance
from bounds.verdicts import Evidence, Standing
from tamdp_theory import TabularSoftmax, families
from tamdp_theory.exact import Scheme

COMPARED = (
    Scheme(3, "center"),
    Scheme(3, "sum_then_normalize"),
    Scheme(3, "median"),
    Scheme(3, "max_at_2"),
    Scheme(3, "best_minus_second"),
    Scheme(3, "rank"),
    Scheme(3, "max_rl"),
    Scheme(3, "softmax"),
    Scheme(4, "leave_one_out_normalize"),
)
AFFINE = (
    Scheme(3, "sum_then_normalize"),
    Scheme(3, "absolute_deviation"),
    Scheme(3, "range"),
    Scheme(3, "rank"),
    Scheme(3, "best_minus_second(std=True)", 0.0, 1),
    Scheme(4, "mad"),
)
ORDERED = (
    Scheme(3, "sum_then_normalize"),
    Scheme(3, "sign"),
    Scheme(3, "rank"),
    Scheme(4, "range"),
    Scheme(5, "absolute_deviation"),
)
THREE = Assumption(
    "three composites", "some prompt's composite takes three values", lambda i: enclosed.triple(i.env) is not None
)
ALIKE = Assumption(
    "ends alike",
    "a lone larger member among smallest ones gets the same, whichever of two larger values it has",
    lambda i: enclosed.ends_alike(i.env, i.scheme),
)
TOP_WINS = Assumption(
    "top wins",
    "next to smallest members, the largest value gets more than the middle one",
    lambda i: enclosed.top_wins(i.env, i.scheme),
)
INVARIANT = Assumption(
    "affine",
    "groups of two values get the same, whichever two of the three they are",
    lambda i: enclosed.affine_invariant(i.env, i.scheme),
)
MONOTONE = Assumption(
    "order", "in every group a larger reward never gets less", lambda i: enclosed.keeps_order(i.env, i.scheme)
)
SEPARATES = Assumption(
    "separates", "two members of some group get different advantages", lambda i: enclosed.separates(i.env, i.scheme)
)


def _exchange(instance: Instance) -> Measured:
    rows = instance.once(enclosed.exchange_rows, instance.env, instance.scheme)
    if not rows:
        return Measured(numbers={}, empty="no composite reward varies")
    closed, exchange = np.array([(one[s.closed], one[s.exchange]) for one in rows], dtype=float).T
    return Measured(numbers={s.closed: closed, s.exchange: exchange}, evidence=Evidence.CERTIFIED)


def _open(instance: Instance) -> Measured:
    rows = instance.once(enclosed.open_rows, instance.env, instance.scheme)
    if not rows:
        return Measured(numbers={}, assumptions={THREE.name: False})
    return Measured(numbers={s.exchange: float(rows[0][s.exchange])}, evidence=Evidence.CERTIFIED)


def three_arms(scheme: Scheme) -> Instance:
    """One prompt with the rewards 0, 2/5 and 1."""
    env = families.bandit([["0"], ["2/5"], ["1"]], name="three-arms-uneven")
    return Instance(env, TabularSoftmax(env), scheme)


CLAIMS = (
    Claim(
        id="T4.potential",
        title="A gradient exactly if gaps add up to zero",
        standing=Standing.PROVED,
        kind="equivalence",
        statement=sp.Eq(s.closed, s.exchange),
        measure=_exchange,
        reference="docs/theory.md; two classes: Davis & Recht 2025, arXiv 2510.13651",
        proof=(
            "h is a homogeneous polynomial in P, and its curl in the plane of three classes is (G - 1) times the "
            "expected sum of gaps over G - 2 others: zero on the simplex exactly if every coefficient is. Then A = "
            "phi(group) - b(others), and the potential is E phi / G."
        ),
        depends_on=("L5",),
        schemes=COMPARED,
        example=lambda: three_arms(Scheme(3, "max_at_2")),
        enclose=lambda i: enclosed.exchange_rows(i.env, i.scheme),
        zero_tells=True,
        cost=cost.nothing,
    ),
    Claim(
        id="T4.affine",
        title="Standardized three-valued rewards: no potential",
        standing=Standing.PROVED,
        kind="equivalence",
        statement=sp.Eq(s.exchange, 0),
        measure=_open,
        reference="docs/theory.md",
        assumptions=(THREE, ALIKE, TOP_WINS),
        proof=(
            "Next to smallest members the gaps to the middle and to the largest value are equal, so the sum around the "
            "triple is the gap between these two, which is positive."
        ),
        depends_on=("T4.potential",),
        schemes=AFFINE,
        example=lambda: three_arms(Scheme(4, "range")),
        enclose=lambda i: enclosed.open_rows(i.env, i.scheme),
        zero_tells=True,
        cost=cost.nothing,
    ),
    Claim(
        id="T4.scale",
        title="Affine-invariant and order-preserving: no potential beyond two values",
        standing=Standing.PROVED,
        kind="equivalence",
        statement=sp.Eq(s.exchange, 0),
        measure=_open,
        reference="docs/theory.md",
        assumptions=(THREE, INVARIANT, MONOTONE, SEPARATES),
        proof=(
            "With a potential, gaps are increments of the baseline b, which then never falls in any argument. Groups "
            "of two values have the same gaps whichever they are, so b rises by their sum from the smallest to the "
            "middle, from the middle to the largest, and from the smallest to the largest: the sum is 0, and so is "
            "every gap."
        ),
        depends_on=("T4.potential",),
        schemes=ORDERED,
        example=lambda: three_arms(Scheme(5, "sign")),
        enclose=lambda i: enclosed.open_rows(i.env, i.scheme),
        zero_tells=True,
        cost=cost.nothing,
    ),
)
