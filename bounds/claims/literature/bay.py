"""GRPO's update as the group's deviation, its silent groups, and what finite groups lose (Bay & Yearick 2026)."""

from dataclasses import replace

import numpy as np
import sympy as sp

from bounds import cost
from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.claim import Assumption, Claim, Grouped
from bounds.claims.assumptions import JOINT
from bounds.claims.decomposition import groups
from bounds.claims.literature.rloo import BITS, measure_square
from bounds.claims.literature.success import UNMET, on_one_reward, right_or_wrong, slope_at, success
from bounds.claims.slopes import ZERO_ONE
from bounds.comparison import Measured
from bounds.enclosed.literature import bay as enclosed
from bounds.enclosed.objectives import is_zero_one
from bounds.instance import Instance
from bounds.structure import is_plain
from bounds.verdicts import Standing
from tamdp_theory import exact
from tamdp_theory.exact import Scheme

DIVIDED = Assumption("plain", "eps = 0 and ddof = 0", lambda i: is_plain(i.scheme), groups=True)
_REFERENCE = "Bay & Yearick 2026, arXiv 2607.00152"
_SIZES = tuple(Scheme(size, "sum_then_normalize") for size in (2, 5, 16, 64))
_spread = s.G * s.p * (1 - s.p)
_attenuation = s.slope * sp.sqrt(s.p * (1 - s.p))


def measure_magnitude(instance: Grouped) -> Measured:
    """Advantages and the deviation of the composite of every group."""
    found = measure_square(instance)
    if not found.numbers:
        return found
    spread = np.concatenate([table.composite.spread(0) for table in groups(instance)])
    return Measured(numbers={**found.numbers, s.sigma_c: spread}, assumptions=found.assumptions)


def _silent(instance: Instance) -> Measured:
    if not is_zero_one(instance.env):
        return UNMET
    p, size = success(instance), instance.scheme.group_size
    law = np.stack([1 - p, p], axis=-1)
    active = exact.group_moments(law, [[0], [1]], [1], size, "sum_then_normalize").second
    return Measured(numbers={ls.silent_share: 1 - (law * active).sum(axis=-1), s.p: p, s.G: size}, error=1e-12)


def _attenuated(instance: Instance) -> Measured:
    if not is_zero_one(instance.env):
        return UNMET
    p, size = success(instance), instance.scheme.group_size
    p = p[(p > 0) & (p < 1)]  # floats may be sure of an answer: the remainder is not bounded then
    if not len(p):
        return Measured(numbers={}, empty="in floats every prompt has one answer")
    first = 1 / (8 * size * p * (1 - p))
    # the attenuation is between 0 and 1 whatever is known
    trivial = np.maximum(np.abs(1 - first), first)
    return Measured(numbers={s.slope: slope_at(instance.scheme, p), s.p: p, s.G: size}, trivial=trivial)


def _below(instance: Instance) -> Measured:
    found = _attenuated(instance)
    return replace(found, trivial=1.0)


CLAIMS = (
    Claim(
        id="P.deviation",
        title="The size of a standardized update is the group's deviation",
        standing=Standing.LITERATURE,
        kind="identity",
        statement=sp.Eq(sp.Sum(sp.Abs(ls.A_of[s.i]), (s.i, 1, s.G)) / s.G, 2 * s.sigma_c),
        measure=measure_magnitude,
        reference=_REFERENCE,
        assumptions=(JOINT, DIVIDED, BITS),
        proof="Above and below the mean the deviations add up to S (G - S)/G each, which is G sigma_c^2; divide.",
        schemes=(Scheme(4, "sum_then_normalize"), Scheme(7, "sum_then_normalize")),
        example=lambda: right_or_wrong(Scheme(4, "sum_then_normalize")),
        weighted=True,
        observe=measure_magnitude,
        enclose=enclosed.magnitude_rows,
        cost=cost.single_groups,
        instances=on_one_reward,
    ),
    Claim(
        id="P.silent",
        title="Share of silent groups",
        standing=Standing.LITERATURE,
        kind="identity",
        statement=sp.Eq(ls.silent_share, s.p**s.G + (1 - s.p) ** s.G),
        measure=_silent,
        reference=_REFERENCE,
        assumptions=(ZERO_ONE,),
        proof="All succeed or all fail; in every other group the mean square of standardized advantages is 1.",
        schemes=_SIZES,
        example=lambda: right_or_wrong(Scheme(5, "sum_then_normalize")),
        enclose=enclosed.silent_rows,
        instances=on_one_reward,
    ),
    Claim(
        id="P.attenuation",
        title="What finite groups take from the update, with a remainder",
        standing=Standing.LITERATURE,
        kind="inequality",
        statement=sp.Le(sp.Abs(_attenuation - 1 + 1 / (8 * _spread)), sp.Rational(5, 4) / _spread**2),
        measure=_attenuated,
        reference=f"{_REFERENCE}, who have O(1/G^2) for the right side",
        assumptions=(ZERO_ONE, JOINT, DIVIDED),
        proof=(
            "Left of the expansion stands sqrt(kappa) E sqrt X, X = S (G - S)/(G (G - 1) p (1 - p)) of mean 1. Taylor: "
            "T(x) - 5/16 (x - 1)^4 <= sqrt x <= T(x), T of the third order at 1. With the moments of X, which are "
            "polynomials in 1/G and 1/(p (1 - p)) >= 4, this is the claim where G p (1 - p) >= 1; elsewhere its right "
            "side is above 1 and 1/(8 G p (1 - p))."
        ),
        depends_on=("L7",),
        schemes=_SIZES,
        example=lambda: right_or_wrong(Scheme(64, "sum_then_normalize")),
        enclose=enclosed.attenuation_rows,
        zero_tells=True,
        instances=on_one_reward,
    ),
    Claim(
        id="P.attenuation.upper",
        title="The remainder is small from above",
        standing=Standing.PROVED,
        kind="inequality",
        # that is 1 - 1/(8 z) + 1/(16 z^2), z = G p (1 - p)
        statement=sp.Le(_attenuation, (15 + (1 - 1 / _spread) ** 2) / 16),
        measure=_below,
        reference=f"docs/theory.md; beside {_REFERENCE}",
        assumptions=(ZERO_ONE, JOINT),
        proof=(
            "As P.attenuation, from sqrt x <= T(x) where G p (1 - p) >= 1/2; below that the right side is at least 1. "
            "eps and ddof = 1 only lower the left side."
        ),
        depends_on=("P.attenuation",),
        schemes=_SIZES,
        example=lambda: right_or_wrong(Scheme(16, "sum_then_normalize")),
        enclose=enclosed.below_rows,
        instances=on_one_reward,
    ),
)
