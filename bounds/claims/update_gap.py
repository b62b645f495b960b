"""Distance of the joint from the decomposed update (T2.gradient), and where it is nothing (T2.lossless.center)."""

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np
import sympy as sp

from bounds import symbols as s
from bounds.claim import Assumption, Claim
from bounds.claims.assumptions import CENTER, TABULAR
from bounds.claims.schemes import SPLIT_ANY_EPS
from bounds.claims.single_groups import k
from bounds.claims.slope import direction_of
from bounds.claims.update import groups_fit
from bounds.comparison import Measured
from bounds.enclosed import update_gap as enclosed
from bounds.instance import Instance
from bounds.rollouts import measures as observed
from bounds.rounding import QUANTITY
from bounds.structure import both, contrast
from bounds.verdicts import Standing
from tamdp_theory import Policy, exact
from tamdp_theory.exact import GroupPlan, Scheme
from tamdp_theory.exact.law import ClassLaw
from tamdp_theory.model import Floats

Rewards: TypeAlias = tuple[tuple[Fraction, ...], ...]
GAP = Assumption("gap", "on some prompt joint and decomposed advantages differ")


@dataclass(frozen=True)
class _Gap:
    """On one prompt: ||m_joint - lambda m_dec||, Q at this lambda, E||s||^2, and how large advantages are before they
    cancel."""

    prompt: int
    distance: float
    square: float
    energy: float
    size: float


def _gradient_gap(instance: Instance, bound: str) -> Measured:
    """||m_joint - lambda m_dec|| on each prompt for lambda = 1 and the lambda with the smallest Q."""
    env, policy, scheme = instance.env, instance.policy, instance.scheme
    norms = np.full(env.n_prompts, 0.5)
    if bound == "largest":
        norms = instance.once(exact.score_norm_bound, env, policy, instance.think_weight)
    found = instance.once(_gaps, instance.class_law, policy, both(scheme)[0])
    # both are differences of sums of standardized numbers, which are off by a few units of rounding, before anything
    # cancels
    rows = [one for one in found if one.square > 10 * _ROUNDING * one.size]
    # a large eps brings advantages below the floats
    unknown = any(one.size > 0 or scheme.eps > 0 for one in found if one not in rows)
    conditions = {"gap": True if rows else None if unknown else False}
    if not rows:
        return Measured(numbers={}, assumptions=conditions)
    distance, square, total, size = np.array([(one.distance, one.square, one.energy, one.size) for one in rows]).T
    norm = norms[[one.prompt for one in rows]]
    numbers = {s.gap_norm: distance, s.kappa: scheme.kappa, s.Q_gap: square, s.lambda_max: norm, s.energy: total}
    off_distance, off_square = _ROUNDING * np.sqrt(size * np.maximum(total, norm)), _ROUNDING * size
    errors = {s.gap_norm: off_distance + QUANTITY * distance, s.Q_gap: off_square + QUANTITY * square}
    return Measured(numbers=numbers, assumptions=conditions, errors=errors, scale=0.0)


def _gaps(law: ClassLaw, policy: Policy, scheme: Scheme) -> list[_Gap]:
    """Each prompt at lambda = 1 and at the best one."""
    env, energy, found = policy.env, law.energy(policy)[:, 0], []
    for q, classes in enumerate(env.prompt_classes):
        p, table = law.probability[classes, 0], tuple(env.exact_class_rewards[c] for c in classes)
        joint, split = (GroupPlan(table, env.exact_weights, one).moments(p) for one in both(scheme))
        alpha, gamma = float(p @ joint.second), float(p @ split.second)
        parts = _parts(table, env.exact_weights, scheme, p)
        gradient, total = law.gradients(policy, q), float(energy[classes].sum())

        def square(share: float, p: Floats = p, table: Rewards = table) -> float:
            plan = GroupPlan(table, env.exact_weights, contrast(scheme, share))
            return float(p @ plan.moments(p).second)

        one = square(1.0)
        for share in (1.0, *_best_share(alpha, gamma, one, parts)):
            distance = float(np.sqrt((((joint.first - share * split.first) @ gradient) ** 2).sum()))
            size = alpha + share**2 * parts
            found.append(_Gap(q, distance, one if share == 1.0 else square(share), total, size))
    return found


_ROUNDING = 1e-13  # error of expected products of standardized advantages, relative to their size


def _best_share(alpha: float, gamma: float, one: float, parts: float) -> tuple[float, ...]:
    """The lambda with the smallest Q, where decomposed advantages do not vanish: any lambda is allowed, so this one may
    be rounded.
    """
    if gamma <= 10 * _ROUNDING * max(parts, alpha):
        return ()
    share = float(Fraction((alpha + gamma - one) / (2 * gamma)).limit_denominator(10**9))
    return () if share == 1.0 else (share,)


def _parts(rewards: Rewards, weights: tuple[Fraction, ...], scheme: Scheme, p: Floats) -> float:
    """(sum_k w_k sqrt E[(A^k)^2])^2: how large the decomposed advantages are before components cancel."""
    alone = both(scheme)[0]
    columns = [(float(w), tuple((row[k],) for row in rewards)) for k, w in enumerate(weights) if w]
    total: float = (
        sum(
            w * np.sqrt(max(float(p @ GroupPlan(column, (Fraction(1),), alone).moments(p).second), 0.0))
            for w, column in columns
        )
        ** 2
    )
    return total


def _center_is_linear(instance: Instance) -> Measured:
    """Two routes: the composite's update by listing groups (from the group moments where they are too many), the
    components' by policy gradients.
    """
    env, policy, scheme = instance.env, instance.policy, instance.scheme
    direction, listed = direction_of(instance), groups_fit(instance)
    found = instance.listed_update if listed else instance.update
    whole = float(found.mean @ direction)
    # h_m = kappa (R_k - J_k) given the prompt; the baseline matters where think scores are weighted, as they then have
    # a mean
    means = instance.values.per_prompt[env.class_prompt]
    parts = [
        scheme.kappa
        * exact.policy_gradient(env, policy, env.class_rewards[:, k] - means[:, k], instance.think_weight)
        @ direction
        for k in range(env.n_components)
    ]
    numbers = {s.mean_center: whole, s.mean_center_of: np.array(parts), s.w: env.weights, s.K: env.n_components}
    note = f"composite by {'listing groups' if listed else 'group moments'}, components by policy gradients"
    return Measured(numbers=numbers, scale=env.total_weight, note=note)


CLAIMS = (
    Claim(
        id="T2.gradient",
        title="Distance of the joint from the decomposed update",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.gap_norm, sp.sqrt(s.kappa * s.Q_gap * s.lambda_max)),
        measure=lambda i: _gradient_gap(i, "largest"),
        reference="docs/theory.md",
        assumptions=(GAP,),
        proof=(
            "Advantages sum to zero, so scores may be centred in the group; then Cauchy-Schwarz along every direction. "
            "Attained at G = 2 and 3."
        ),
        depends_on=("L5", "T2.advantage"),
        schemes=SPLIT_ANY_EPS,
        weighted=True,
        observe=lambda o: observed.gradient_gap(o, "largest"),
        enclose=enclosed.gradient_gap_rows,
        shown_on="scores",
    ),
    Claim(
        id="T2.gradient.energy",
        title="The same by the score energy",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.gap_norm, sp.sqrt(s.kappa * s.Q_gap * s.energy)),
        measure=lambda i: _gradient_gap(i, "energy"),
        reference="docs/theory.md",
        assumptions=(GAP,),
        proof="The largest eigenvalue is at most the trace.",
        depends_on=("T2.gradient",),
        schemes=SPLIT_ANY_EPS,
        weighted=True,
        observe=lambda o: observed.gradient_gap(o, "energy"),
        enclose=enclosed.gradient_gap_rows,
        shown_on="scores",
    ),
    Claim(
        id="T2.gradient.tabular",
        title="The same without looking at the scores",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.gap_norm, sp.sqrt(s.kappa * s.Q_gap / 2)),
        measure=lambda i: _gradient_gap(i, "tabular"),
        reference="docs/theory.md",
        assumptions=(TABULAR, GAP),
        proof="Blocks d(x) (diag pi - pi pi') have norm at most 1/2.",
        depends_on=("T2.gradient",),
        schemes=SPLIT_ANY_EPS,
        enclose=enclosed.gradient_gap_rows,
    ),
    Claim(
        id="T2.lossless.center",
        title="Centred advantages decompose",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.mean_center, sp.Sum(s.w[s.k] * s.mean_center_of[s.k], k)),
        measure=_center_is_linear,
        reference="docs/theory.md",
        assumptions=(CENTER,),
        proof="c - mean c is linear in the components, and the centred update of R_k is kappa grad J_k (L7).",
        depends_on=("L5", "L7"),
        schemes=(Scheme(2, "center"), Scheme(8, "center")),
        weighted=True,
        enclose=enclosed.center_is_linear_rows,
    ),
)
