"""The likelihood of success as a sum over pass@k, and where a group ends it (MaxRL, 2026)."""

import numpy as np
import sympy as sp

from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.claim import Claim
from bounds.claims.literature.davis_recht import climbed
from bounds.claims.literature.success import UNMET, on_one_reward, right_or_wrong, success
from bounds.claims.slope import central_slope, direction_of
from bounds.claims.slopes import ZERO_ONE, kind
from bounds.comparison import Measured
from bounds.enclosed.literature import max_rl as enclosed
from bounds.enclosed.objectives import is_zero_one
from bounds.instance import Instance
from bounds.verdicts import Standing
from tamdp_theory.exact import Scheme
from tamdp_theory.model import Floats

_TRIES = np.arange(1, enclosed.TRIES + 1)[:, None]


def _series(instance: Instance) -> Measured:
    """Derivatives of log p and of pass@k by differences, at moved parameters: nothing that the claim says is used."""
    if not is_zero_one(instance.env):
        return UNMET
    policy, direction = instance.policy, direction_of(instance)

    def values(step: float) -> Floats:
        p = success(instance, policy.with_parameters(policy.parameters + step * direction))
        # where p is small, 1 - (1 - p)^k would cancel
        return np.concatenate([np.log(p)[None], -np.expm1(_TRIES * np.log1p(-p))])

    with np.errstate(divide="ignore", invalid="ignore"):  # floats may be sure of an answer: then no derivative is seen
        coarse, fine = (central_slope(values, step) for step in (0.04, 0.02))
    error = np.abs(fine - coarse) / 16 + 1e-12
    numbers = {ls.slope_log: fine[0], ls.slope_pass: fine[1:], s.p: success(instance), ls.N_tries: enclosed.TRIES}
    return Measured(numbers=numbers, errors={ls.slope_log: error[0], ls.slope_pass: error[1:]})


def _potential(instance: Instance) -> Measured:
    if not is_zero_one(instance.env):
        return UNMET
    p = success(instance)
    return Measured(numbers={ls.climbed: climbed(instance.scheme, p), s.p: p, s.G: instance.scheme.group_size})


_k = (s.k, 1, ls.N_tries)
_REFERENCE = "MaxRL 2026, arXiv 2602.02710"


CLAIMS = (
    Claim(
        id="P.likelihood",
        title="The likelihood of success is pass@k over k, summed",
        standing=Standing.LITERATURE,
        kind="identity",
        statement=sp.Eq((1 - (1 - s.p) ** ls.N_tries) * ls.slope_log, sp.Sum(ls.slope_pass[s.k] / s.k, _k)),
        measure=_series,
        reference=f"{_REFERENCE}, who have it for N to infinity",
        assumptions=(ZERO_ONE,),
        proof=(
            "The derivative of pass@k = 1 - (1 - p)^k is k (1 - p)^(k-1) that of p; a geometric sum. As N grows the "
            "factor tends to 1: grad log p = sum_k grad pass@k / k."
        ),
        example=lambda: right_or_wrong(Scheme(8, "center")),
        enclose=enclosed.series_rows,
        instances=on_one_reward,
    ),
    Claim(
        id="P.likelihood.group",
        title="Over the mean, a group of G climbs that sum to G - 1",
        standing=Standing.LITERATURE,
        kind="identity",
        statement=sp.Eq(ls.climbed, sp.Sum((1 - (1 - s.p) ** s.k) / s.k, (s.k, 1, s.G - 1))),
        measure=_potential,
        reference=f"{_REFERENCE}; centred over the mean the order is G - 1, not G",
        assumptions=(ZERO_ONE, kind("max_rl")),
        proof="Integrate the slope (1 - (1 - p)^(G-1))/p of T4.slopes.max_rl = sum_(k<G) (1 - p)^(k-1).",
        depends_on=("T4.slopes.max_rl", "P.potential"),
        schemes=(Scheme(2, "max_rl"), Scheme(5, "max_rl"), Scheme(16, "max_rl")),
        example=lambda: right_or_wrong(Scheme(5, "max_rl")),
        enclose=enclosed.potential_rows,
        instances=on_one_reward,
    ),
)
