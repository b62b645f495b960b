"""The shortfall of a policy against the norm of its expected update (T2.suboptimality)."""

from dataclasses import dataclass
from math import frexp, ldexp

import numpy as np
import sympy as sp

from bounds import structure
from bounds import symbols as s
from bounds.claim import Assumption, Claim
from bounds.claims.assumptions import DECOMPOSED, TABULAR
from bounds.claims.shortfall import Shortfall, best_scale, shortfalls
from bounds.claims.single_groups import k
from bounds.comparison import Bools, Measured, Quantity
from bounds.enclosed import suboptimality as enclosed
from bounds.instance import Instance
from bounds.verdicts import Standing
from tamdp_theory import exact
from tamdp_theory.exact import Scheme
from tamdp_theory.model import Floats

SILENT = (
    "h does not enter: on every prompt the least right side is at mu = 0, osc(c) TV, or the update is zero; true "
    "whatever the update"
)
BEYOND = "C or the norm of the update leaves the range of floats"
_LARGE = 2.0**300
_STANDS_STILL = 1e-12  # an update that small, relative to the components' own, is nothing but rounding
_EQUAL = 1e-12  # probabilities nearer than this are not told apart
_SMALLEST = 1e-290  # below, numbers near the end of the floats have lost digits


@dataclass(frozen=True, eq=False)
class Rows:
    """One row a prompt: numbers of the statement, whether h enters the row (N,), and the value that says
    nothing (N,).
    """

    numbers: dict[Quantity, Floats]
    telling: Bools
    trivial: Floats


def in_range(one: Shortfall) -> bool:
    """Whether C and the norm of the update are floats with all their digits."""
    return bool(np.isfinite(one.constant)) and (
        one.update_norm >= _SMALLEST or (one.update_norm == 0 and one.constant < 1 / _SMALLEST)
    )


def balanced(constant: float, norm: float) -> tuple[float, float]:
    """Factors of the same product: powers of two move from a huge constant to the norm, so that no third factor
    overflows on the way.
    """
    if constant < _LARGE:
        return constant, norm
    power = frexp(constant)[1]
    return ldexp(constant, -power), ldexp(norm, power)


def suboptimality_rows(instance: Instance, found: list[Shortfall], split: bool) -> Rows:
    """T2.suboptimality on each prompt, by components where ``split``, at the mu with the least right side.

    A row at mu = 0 is osc(c) TV, which bounds J* - J for any h; so is any row without an update.
    """
    env, rows, parts = instance.env, [], []
    for one in found:
        rewards, effective, weights = one.composite[:, None], one.effective[:, None], np.ones(1)
        if split:
            rewards, effective, weights = one.rewards, one.effective_of, env.weights
        mu, constant, norm = (
            0.0,
            0.0,
            0.0,
        )  # any mu is allowed: 0 where C or the norm is beyond floats, and then their product plays no part
        if in_range(one):
            mu = best_scale(rewards, effective, weights, one.total_variation, one.constant * one.update_norm)
            constant, norm = balanced(one.constant, one.update_norm)
        rows.append((one.optimum, one.value, one.total_variation, mu, constant, norm, np.ptp(one.composite)))
        parts.append(np.ptp(rewards - mu * effective, axis=0))
    optimum, value, tv, scale, constants, norms, spread = np.array(rows).T
    numbers = {s.J_star: optimum, s.J: value, s.tv: tv, s.mu: scale, s.C_star: constants, s.m_norm: norms}
    residual = np.array(parts).T
    numbers |= {s.osc_residual_of: residual} if split else {s.osc_residual: residual[0]}
    # at mu = 0 the right side is osc(c) TV, or the components' sum of it: a row no better than that is true whatever
    # the update
    weight, ranges = (
        (env.weights, np.array([np.ptp(one.rewards, axis=0) for one in found]))
        if split
        else (np.ones(1), spread[:, None])
    )
    better = np.array([part @ weight for part in parts]) * tv + scale * constants * norms < ranges @ weight * tv * (
        1 - 1e-9
    )
    moves = np.array([one.update_norm > _STANDS_STILL * one.update_size for one in found])
    return Rows(numbers, (scale > 0) & moves & better, spread * (1 - 1e-12))


def measure_suboptimality(instance: Instance, split: bool = False) -> Measured:
    """The rows that h enters; where there is none, all of them, as a check that says nothing."""
    env = instance.env
    rows = suboptimality_rows(instance, instance.once(shortfalls, env, instance.policy, instance.scheme), split)
    extra = {s.w: env.weights, s.K: env.n_components} if split else {}
    if not rows.telling.any():
        return Measured(numbers=rows.numbers | extra, trivial=-np.inf, scale=env.total_weight, note=SILENT)
    chosen = {symbol: column[..., rows.telling] for symbol, column in rows.numbers.items()}
    return Measured(numbers=chosen | extra, trivial=rows.trivial[rows.telling], scale=env.total_weight)


def measure_signed(instance: Instance, solvable: bool) -> Measured:
    """The rows with signs: mu the reciprocal of the largest psi, and without ``solvable`` also of the smallest."""
    env, scheme = instance.env, instance.scheme
    rows, slopes, before, after, trivial = [], [], [], [], []
    least_gain = np.inf
    for one in instance.once(shortfalls, env, instance.policy, scheme):
        p, best = one.law @ one.rewards, one.law_star @ one.rewards
        varies = (np.ptp(one.rewards, axis=0) > 0) & (env.weights > 0)
        if not varies.any():
            continue
        psi = np.where(varies, exact.potential_slope(np.clip(p, 0, 1), scheme.group_size, scheme.eps, scheme.ddof), 0.0)
        least_gain = min(least_gain, float((best - p)[varies].min()))
        least, most = psi[varies].min(), psi[varies].max()
        for mu in (1 / most,) if solvable else (1 / most, 1 / least):
            # no number where floats end: undecided
            factors = balanced(one.constant, one.update_norm) if in_range(one) else (np.nan, np.nan)
            rows.append((one.optimum, one.value, mu, *factors, least))
            slopes.append(psi)
            before.append(p)
            after.append(best)
            trivial.append(np.ptp(one.composite) * (1 - 1e-12))
    conditions: dict[str, bool | None] = {"rewards vary": bool(rows)}
    if solvable:
        # probabilities that floats take for equal may be, or not
        conditions["solvable"] = None if abs(least_gain) <= _EQUAL else least_gain > 0
    if not all(met or name in instance.without for name, met in conditions.items()):
        return Measured(numbers={}, assumptions=conditions)
    optimum, value, scale, constant, norm, least_of = np.array(rows).T
    numbers = {s.J_star: optimum, s.J: value, s.C_star: constant, s.m_norm: norm}
    numbers |= (
        {s.psi_min: least_of}
        if solvable
        else {
            s.mu: scale,
            s.psi_of: np.array(slopes).T,
            s.p_of: np.array(before).T,
            s.p_star_of: np.array(after).T,
            s.w: env.weights,
            s.K: env.n_components,
        }
    )
    note = BEYOND if np.isnan(constant).any() else ""
    return Measured(
        numbers=numbers, assumptions=conditions, trivial=np.array(trivial), scale=env.total_weight, note=note
    )


ZERO_ONE = Assumption("zero-one", "components with weight are 0 or 1", lambda i: structure.is_zero_one(i.env))
SOLVABLE = Assumption("solvable", "no component is less likely to be 1 under the optimal policy")
_JOINT_AND_SPLIT = (Scheme(4, "sum_then_normalize"), Scheme(4, "normalize_then_sum"), Scheme(8, "center"))


CLAIMS = (
    Claim(
        id="T2.suboptimality",
        title="Shortfall of a nearly stationary policy",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.J_star - s.J, s.osc_residual * s.tv + s.mu * s.C_star * s.m_norm),
        measure=measure_suboptimality,
        reference="docs/theory.md",
        assumptions=(TABULAR,),
        proof=(
            "Split c = (c - mu h) + mu h; the first part moves by at most osc TV, the second by L4 for the reward "
            "h. mu = 0 is allowed: never above W."
        ),
        depends_on=("L4", "L5"),
        schemes=_JOINT_AND_SPLIT,
        enclose=enclosed.suboptimality_rows,
    ),
    Claim(
        id="T2.suboptimality.components",
        title="The same, split over components",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(
            s.J_star - s.J, sp.Sum(s.w[s.k] * s.osc_residual_of[s.k], k) * s.tv + s.mu * s.C_star * s.m_norm
        ),
        measure=lambda i: measure_suboptimality(i, split=True),
        reference="docs/theory.md",
        assumptions=(TABULAR, DECOMPOSED),
        proof="Triangle inequality for the range.",
        depends_on=("T2.suboptimality",),
        schemes=(Scheme(4, "normalize_then_sum"), Scheme(8, "normalize_then_sum", 1e-2, 1)),
        enclose=lambda i: enclosed.suboptimality_rows(i, split=True),
    ),
    Claim(
        id="T2.suboptimality.signed",
        title="The same for 0/1 components, with signs",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(
            s.J_star - s.J,
            sp.Sum(s.w[s.k] * (1 - s.mu * s.psi_of[s.k]) * (s.p_star_of[s.k] - s.p_of[s.k]), k)
            + s.mu * s.C_star * s.m_norm,
        ),
        measure=lambda i: measure_signed(i, False),
        reference="docs/theory.md",
        assumptions=(TABULAR, DECOMPOSED, ZERO_ONE, Assumption("rewards vary", "a component with weight varies")),
        proof="h differs by psi_G(p_k) between the two values of component k.",
        depends_on=("T2.suboptimality", "L7"),
        schemes=(Scheme(4, "normalize_then_sum"), Scheme(8, "normalize_then_sum", 1e-2, 1)),
        enclose=lambda i: enclosed.signed_rows(i, False),
    ),
    Claim(
        id="T2.suboptimality.solvable",
        title="No gap term where everything can be solved together",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.J_star - s.J, s.C_star * s.m_norm / s.psi_min),
        measure=lambda i: measure_signed(i, True),
        reference="docs/theory.md",
        assumptions=(
            TABULAR,
            DECOMPOSED,
            ZERO_ONE,
            Assumption("rewards vary", "a component with weight varies"),
            SOLVABLE,
        ),
        proof="With 1/mu the smallest psi every term of the gap is at most zero.",
        depends_on=("T2.suboptimality.signed",),
        schemes=(Scheme(4, "normalize_then_sum"), Scheme(8, "normalize_then_sum", 1e-2, 1)),
        enclose=lambda i: enclosed.signed_rows(i, True),
    ),
)
