"""What any estimator climbs where rewards are 0 or 1 (Davis & Recht 2025)."""

import numpy as np
import sympy as sp
from scipy import stats

from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.claim import Claim
from bounds.claims.assumptions import COMPOSITE_ALONE, JOINT
from bounds.claims.literature.success import UNMET, on_one_reward, right_or_wrong, slope_at, success
from bounds.claims.slopes import ZERO_ONE
from bounds.comparison import Measured
from bounds.enclosed import slopes as tables
from bounds.enclosed.literature import davis_recht as enclosed
from bounds.enclosed.objectives import is_zero_one
from bounds.instance import Instance
from bounds.verdicts import Standing
from tamdp_theory.exact import Scheme
from tamdp_theory.model import Floats


def climbed(scheme: Scheme, p: Floats) -> Floats:
    """Integral of h_1 - h_0 from 0 to p (N,): it is a polynomial of degree G - 1, so G Gauss points give it."""
    places, weights = np.polynomial.legendre.leggauss(scheme.group_size)
    found: Floats = (slope_at(scheme, p[:, None] * (places + 1) / 2) * weights).sum(axis=1) * p / 2
    return found


def _potential(instance: Instance) -> Measured:
    if not is_zero_one(instance.env):
        return UNMET
    scheme, p = instance.scheme, success(instance)
    size = scheme.group_size
    right, wrong = (np.repeat(np.array(one)[:, None], len(p), axis=1) for one in tables.float_tables(scheme))
    tail = np.array([stats.binom.sf(np.arange(size), size, one) for one in p]).T
    numbers = {ls.climbed: climbed(scheme, p), s.G: size, s.gain_right: right, s.gain_wrong: wrong, ls.tail: tail}
    return Measured(numbers=numbers, scale=max(1.0, float(np.abs(right).max()), float(np.abs(wrong).max())))


def _arcsine(instance: Instance) -> Measured:
    if not is_zero_one(instance.env):
        return UNMET
    p = success(instance)
    return Measured(numbers={ls.climbed: climbed(instance.scheme, p), s.p: p, s.kappa: instance.scheme.kappa})


CLAIMS = (
    Claim(
        id="P.potential",
        title="0/1 rewards: what any estimator climbs",
        standing=Standing.LITERATURE,
        kind="identity",
        statement=sp.Eq(
            ls.climbed, sp.Sum((s.gain_right[s.k] - s.gain_wrong[s.k]) * ls.tail[s.k], (s.k, 1, s.G)) / s.G
        ),
        measure=_potential,
        reference="Davis & Recht 2025, arXiv 2510.13651",
        assumptions=(ZERO_ONE, COMPOSITE_ALONE),
        proof=(
            "The slope is sum_k Pr(k - 1 of the G - 1 others succeed) (A^1_k - A^0_k) by T4.slopes, and the derivative "
            "of Pr(at least k of G succeed) is G times that probability."
        ),
        depends_on=("T4.slopes",),
        schemes=(
            Scheme(5, "sum_then_normalize"),
            Scheme(4, "sum_then_normalize", 1e-4, 1),
            Scheme(5, "absolute_deviation"),
            Scheme(5, "max_rl"),
            Scheme(5, "sign"),
            Scheme(5, "pass_at_3_training"),
        ),
        example=lambda: right_or_wrong(Scheme(5, "sum_then_normalize")),
        enclose=enclosed.potential_rows,
        instances=on_one_reward,
    ),
    Claim(
        id="P.potential.arcsine",
        title="Standardized: at most the arcsine of the root",
        standing=Standing.LITERATURE,
        kind="inequality",
        statement=sp.Le(ls.climbed, 2 * sp.sqrt(s.kappa) * sp.asin(sp.sqrt(s.p))),
        measure=_arcsine,
        reference="Davis & Recht 2025, arXiv 2510.13651, who have it as the limit of large groups",
        assumptions=(ZERO_ONE, JOINT),
        proof=(
            "h_1 - h_0 <= E sqrt(S (G - S)) / (G p (1 - p)) <= sqrt(kappa / (p (1 - p))) by Jensen; integrate. With "
            "eps = 0, ddof = 0 both sides tend to 2 arcsin sqrt p as G grows, by P.attenuation."
        ),
        depends_on=("P.potential",),
        schemes=(Scheme(2, "sum_then_normalize"), Scheme(5, "sum_then_normalize"), Scheme(16, "sum_then_normalize")),
        example=lambda: right_or_wrong(Scheme(5, "sum_then_normalize")),
        enclose=enclosed.arcsine_rows,
        instances=on_one_reward,
    ),
)
