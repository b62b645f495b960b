"""Joint and decomposed advantages in every single group (T2.identity, T2.advantage, T2.cancel)."""

import numpy as np
import sympy as sp

from bounds import cost, structure
from bounds import symbols as s
from bounds.claim import Assumption, Claim, Grouped
from bounds.claims.assumptions import ACTIVE, EQUAL, NO_EPS
from bounds.claims.decomposition import are_listed, groups, vary, weights_of
from bounds.claims.schemes import SPLIT
from bounds.comparison import Measured
from bounds.enclosed import single_groups as enclosed
from bounds.instance import Instance
from bounds.structure import both, weighted_columns
from bounds.suite import nowhere
from bounds.verdicts import Evidence, Standing
from tamdp_theory import CapacityError, TabularSoftmax, families
from tamdp_theory.exact import Scheme, balls
from tamdp_theory.exact.ball_numbers import nearest


def measure_identity(instance: Grouped) -> Measured:
    """A^joint and the components' advantages of every member of every active group."""
    scheme, alone = instance.scheme, both(instance.scheme)[0]
    joint, parts, spreads, totals = [], [], [], []
    for table in groups(instance):
        active = table.composite.squares != 0
        size = table.size
        joint.append(table.composite.advantages(alone)[active].ravel())
        parts.append(np.stack([column.advantages(alone)[active].ravel() for column in table.components]))
        spreads.append(np.stack([np.repeat(column.spread(scheme.ddof)[active], size) for column in table.components]))
        totals.append(np.repeat(table.composite.spread(scheme.ddof)[active], size))
    conditions = {"active group": any(len(part) for part in joint)}
    if not conditions["active group"]:
        return Measured(numbers={}, assumptions=conditions)
    numbers = {
        s.A_joint: np.concatenate(joint),
        s.A_part: np.concatenate(parts, axis=1),
        s.sigma: np.concatenate(spreads, axis=1),
        s.sigma_c: np.concatenate(totals),
        s.w: weights_of(instance),
        s.K: len(instance.exact_weights),
    }
    return Measured(numbers=numbers, assumptions=conditions)


def measure_spread(instance: Grouped) -> Measured:
    """sigma_c and what it is made of."""
    ddof, tables = instance.scheme.ddof, list(groups(instance))
    weights = weights_of(instance)
    conditions = vary(instance, tables)
    numbers = {
        s.sigma_c: np.concatenate([table.composite.spread(ddof) for table in tables]),
        s.sigma: np.concatenate(
            [np.stack([column.spread(ddof) for column in table.components]) for table in tables], axis=1
        ),
        s.corr: np.moveaxis(np.concatenate([table.correlation for table in tables]), 0, -1),
        s.w: weights,
        s.K: len(weights),
    }
    return Measured(numbers=numbers, assumptions=conditions, scale=weights.sum() ** 2)


def measure_advantage_gap(instance: Grouped) -> Measured:
    """Both kinds of advantages, z and C of every group."""
    scheme, tables = instance.scheme, list(groups(instance))
    conditions = vary(instance, tables)
    joint, split = (np.concatenate([table.advantages(one) for table in tables]) for one in both(scheme))
    numbers = {
        s.A_joint_of: joint.T,
        s.A_sum_of: split.T,
        s.z: np.concatenate([table.gap() for table in tables]).T,
        s.corr: np.moveaxis(np.concatenate([table.correlation for table in tables]), 0, -1),
        s.K: len(instance.exact_weights),
        s.G: scheme.group_size,
        s.kappa_ddof: scheme.kappa if scheme.ddof else 1.0,
    }
    return Measured(numbers=numbers, assumptions=conditions, scale=max(weights_of(instance).sum(), 1.0) ** 2)


def measure_cancel(instance: Instance) -> Measured:
    """The largest decomposed advantage in any group, certified."""
    one = both(instance.scheme)[1]
    largest = balls.ZERO
    for table in groups(instance, MAX_CANCELLING):
        if len(table.members) == MAX_CANCELLING and not are_listed(instance, MAX_CANCELLING):
            raise CapacityError(
                f"{instance.env.name}: more than {MAX_CANCELLING:,} groups on a prompt, each to be looked at; use a "
                f"smaller group or process"
            )
        # floats propose where an advantage is left; only if none is, every group must be looked at
        order = np.argsort(-np.abs(table.advantages(one)).max(axis=1), kind="stable").tolist()
        found = balls.group_advantages(table, one, order[0])
        if balls.is_zero(found):
            found = balls.largest([balls.group_advantages(table, one, row) for row in order])
        largest = balls.largest([largest, found])
    value, error = nearest(largest)
    if not any(len(set(values)) > 1 for values in weighted_columns(instance.env)):
        return Measured(numbers={}, empty="no component varies")
    return Measured(numbers={s.A_largest: value}, error=error, evidence=Evidence.CERTIFIED)


MAX_CANCELLING = 100_000  # groups of a prompt
COMPLEMENTARY = Assumption(
    "complementary", "two components that add up to one", lambda i: structure.is_complementary(i.env)
)
OPPOSITE = Assumption(
    "opposite",
    "two components; on each prompt one falls linearly as the other rises",
    lambda i: structure.is_opposite(i.env),
)
COMPOSITE_VARIES = Assumption(
    "composite varies",
    "the composite is not constant, so there is something to learn",
    lambda i: structure.composite_varies(i.env),
)


def complements() -> Instance:
    """Two complementary components of equal weight: the stored example of T2.cancel."""
    env = families.bandit([(0, 1), (1, 0)], weights=("1/2", "1/2"), name="complements")
    return Instance(env, TabularSoftmax(env), Scheme(2, "normalize_then_sum"))


def _opposites() -> Instance:
    env = families.bandit([(0, "1/2"), (1, 0)], weights=("1/2", "1/2"), name="opposites")
    return Instance(env, TabularSoftmax(env), Scheme(3, "normalize_then_sum"))


_i = (s.i, 1, s.G)
k = (s.k, 1, s.K)
_l = (s.l, 1, s.K)


CLAIMS = (
    Claim(
        id="T2.identity",
        title="The joint advantage is a reweighted sum of the components'",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.A_joint, sp.Sum(s.w[s.k] * s.sigma[s.k] * s.A_part[s.k], k) / s.sigma_c),
        measure=measure_identity,
        reference="docs/theory.md",
        assumptions=(NO_EPS, ACTIVE),
        proof=(
            "c - mean c = sum w_k (R_k - mean R_k), divided by sigma_c. The paper's Delta is this identity, so "
            "always 0: it measures nothing."
        ),
        schemes=SPLIT,
        weighted=True,
        observe=measure_identity,
        enclose=enclosed.identity_rows,
        cost=cost.single_groups,
        shown_on="groups",
    ),
    Claim(
        id="T2.identity.spread",
        title="The composite's deviation",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(
            s.sigma_c**2, sp.Sum(s.w[s.k] * s.w[s.l] * s.sigma[s.k] * s.sigma[s.l] * s.corr[s.k, s.l], k, _l)
        ),
        measure=measure_spread,
        reference="docs/theory.md",
        proof="Variance of a sum.",
        depends_on=("T2.identity",),
        schemes=SPLIT,
        weighted=True,
        observe=measure_spread,
        enclose=enclosed.spread_rows,
        cost=cost.single_groups,
        shown_on="groups",
    ),
    Claim(
        id="T2.advantage",
        title="Mean squared difference of joint and decomposed advantages",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(
            sp.Sum((s.A_joint_of[s.i] - s.A_sum_of[s.i]) ** 2, _i) / s.G,
            s.kappa_ddof * sp.Sum(s.z[s.k] * s.corr[s.k, s.l] * s.z[s.l], k, _l),
        ),
        measure=measure_advantage_gap,
        reference="docs/theory.md",
        assumptions=(NO_EPS,),
        proof="By T2.identity the difference is sum z_k A^k, and the standardized components have second moments C.",
        depends_on=("T2.identity",),
        schemes=SPLIT,
        weighted=True,
        observe=measure_advantage_gap,
        enclose=enclosed.advantage_gap_rows,
        cost=cost.single_groups,
        shown_on="groups",
    ),
    Claim(
        id="T2.cancel",
        title="Complementary components cancel",
        standing=Standing.PROVED,
        kind="example",
        statement=sp.Eq(s.A_largest, 0),
        measure=measure_cancel,
        reference="docs/theory.md",
        assumptions=(COMPLEMENTARY, EQUAL),
        proof=(
            "R_2 = 1 - R_1 has the opposite deviations and the same spread. Here the composite is constant: nothing is "
            "lost."
        ),
        example=complements,
        weighted=True,
        enclose=enclosed.cancel_rows,
        zero_tells=True,
        cost=cost.nothing,
        instances=nowhere,
    ),
    Claim(
        id="T2.cancel.lossy",
        title="Opposite components cancel though the composite varies",
        standing=Standing.PROVED,
        kind="example",
        statement=sp.Eq(s.A_largest, 0),
        measure=measure_cancel,
        reference="docs/theory.md",
        assumptions=(OPPOSITE, EQUAL, NO_EPS, COMPOSITE_VARIES),
        proof="R_2 = (1 - R_1)/2 standardizes to minus R_1: the decomposed update stands still while J* - J = 1/8.",
        depends_on=("T2.cancel",),
        example=_opposites,
        weighted=True,
        enclose=enclosed.cancel_rows,
        zero_tells=True,
        cost=cost.nothing,
        instances=nowhere,
    ),
)
