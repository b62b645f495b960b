"""The group's mean as a baseline, given that the group is mixed (Yang et al. 2026)."""

import numpy as np
import sympy as sp
from scipy import stats

from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.claim import Claim
from bounds.claims.literature.success import UNMET, on_one_reward, right_or_wrong, success
from bounds.claims.slopes import ZERO_ONE
from bounds.comparison import Measured
from bounds.enclosed.literature import yang as enclosed
from bounds.enclosed.objectives import is_zero_one
from bounds.instance import Instance
from bounds.verdicts import Standing
from tamdp_theory.exact import Scheme

_p, _q, _G = s.p, 1 - s.p, s.G
_REFERENCE = "Yang et al. 2026, arXiv 2601.08521"
_SIZES = (Scheme(2, "center"), Scheme(3, "center"), Scheme(8, "center"))


def _bias(instance: Instance) -> Measured:
    """The mean of S/G over the counts of a mixed group."""
    if not is_zero_one(instance.env):
        return UNMET
    p, size = success(instance), instance.scheme.group_size
    counts = np.arange(1, size)
    law = stats.binom.pmf(counts, size, p[:, None])
    with np.errstate(invalid="ignore"):  # a group may never be mixed in floats
        mean = law @ counts / (size * law.sum(axis=1))
    return Measured(numbers={ls.mean_mixed: mean, s.p: p, s.G: size})


CLAIMS = (
    Claim(
        id="P.baseline.bias",
        title="In mixed groups the group's mean is a biased baseline",
        standing=Standing.LITERATURE,
        kind="identity",
        statement=sp.Eq(ls.mean_mixed - _p, _p * _q * (_q ** (_G - 1) - _p ** (_G - 1)) / (1 - _p**_G - _q**_G)),
        measure=_bias,
        reference=_REFERENCE,
        assumptions=(ZERO_ONE,),
        proof="Over all groups the mean is p; the silent ones take p^G from it, and leave the share 1 - p^G - (1-p)^G.",
        schemes=_SIZES,
        example=lambda: right_or_wrong(Scheme(5, "center")),
        enclose=enclosed.bias_rows,
        zero_tells=True,
        instances=on_one_reward,
    ),
    Claim(
        id="P.baseline.side",
        title="It is too high on hard prompts, too low on easy ones",
        standing=Standing.LITERATURE,
        kind="sign",
        statement=sp.Le(0, (ls.mean_mixed - _p) * (1 - 2 * _p)),
        measure=_bias,
        reference=_REFERENCE,
        assumptions=(ZERO_ONE,),
        proof="By P.baseline.bias its sign is that of (1-p)^(G-1) - p^(G-1); advantages of hard prompts come out low.",
        depends_on=("P.baseline.bias",),
        schemes=_SIZES,
        example=lambda: right_or_wrong(Scheme(5, "center")),
        enclose=enclosed.bias_rows,
        zero_tells=True,
        instances=on_one_reward,
    ),
)
