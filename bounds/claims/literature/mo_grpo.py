"""How much of each component an advantage carries (MO-GRPO, 2025)."""

from collections.abc import Callable

import numpy as np
import sympy as sp

from bounds import cost, structure
from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.claim import Assumption, Claim, Grouped
from bounds.claims.assumptions import NO_EPS
from bounds.claims.decomposition import groups, weights_of
from bounds.claims.schemes import SPLIT, SPLIT_ANY_EPS
from bounds.comparison import Measured
from bounds.enclosed.literature import mo_grpo as enclosed
from bounds.instance import Instance
from bounds.verdicts import Standing
from tamdp_theory import TabularSoftmax, families
from tamdp_theory.exact import Scheme

LIVE = Assumption("live group", "in some group a component varies, and so does the advantage")
_REFERENCE = "MO-GRPO 2025, arXiv 2509.22047"


def _correlations(joint: bool) -> Callable[[Grouped], Measured]:
    def measure(instance: Grouped) -> Measured:
        scheme, weights = structure.both(instance.scheme)[0 if joint else 1], weights_of(instance)
        found: list[list[np.ndarray]] = [[] for _ in range(5)]
        for table in groups(instance):
            advantages = table.advantages(scheme)
            size = np.sqrt((advantages**2).sum(axis=1))
            matrix = table.correlation
            spread = np.stack([column.spread(0) for column in table.components], axis=1)
            for k, column in enumerate(table.components):
                # what cancels to nothing but rounding has no correlation
                live = (column.squares != 0) & (size > 1e-9 * weights.sum())
                if joint:
                    live &= table.composite.squares != 0
                own = np.asarray(column.deviation[live], dtype=float)
                length = np.sqrt((own**2).sum(axis=1))
                found[0].append((own * advantages[live]).sum(axis=1) / (length * size[live]))
                found[1].append(matrix[live, k])
                found[2].append(spread[live])
                found[3].append(table.composite.spread(0)[live])
                found[4].append(matrix[live])
        corr, own_row, spreads, total, every = (np.concatenate(one) for one in found)
        conditions = {LIVE.name: bool(len(corr))}
        if not len(corr):
            return Measured(numbers={}, assumptions=conditions)
        numbers = {
            **({ls.corr_joint: corr} if joint else {ls.corr_split: corr * np.abs(corr)}),
            ls.corr_own: own_row.T,
            s.sigma: spreads.T,
            s.sigma_c: total,
            s.corr: np.moveaxis(every, 0, -1),
            s.w: weights,
            s.K: len(weights),
        }
        return Measured(numbers=numbers, assumptions=conditions, error=1e-11)

    return measure


measure_joint, measure_split = _correlations(True), _correlations(False)


def _even() -> Instance:
    env = families.bandit([(0, 0), (1, 0), (0, "1/2"), (1, 1)], weights=("1/3", "2/3"), name="two-components")
    return Instance(env, TabularSoftmax(env), Scheme(4, "normalize_then_sum"))


_k, _l = (s.k, 1, s.K), (s.l, 1, s.K)
_shares = sp.Sum(s.w[s.k] * ls.corr_own[s.k], _k)
_square = sp.Sum(s.w[s.k] * s.w[s.l] * s.corr[s.k, s.l], _k, _l)

CLAIMS = (
    Claim(
        id="P.share.joint",
        title="A joint advantage carries components by their spread",
        standing=Standing.LITERATURE,
        kind="identity",
        statement=sp.Eq(ls.corr_joint, sp.Sum(s.w[s.k] * s.sigma[s.k] * ls.corr_own[s.k], _k) / s.sigma_c),
        measure=measure_joint,
        reference=_REFERENCE,
        assumptions=(LIVE,),
        proof=(
            "The advantage is the composite, shifted and scaled. Uncorrelated components: w_k sigma_k over the root of "
            "sum w^2 sigma^2, so the one that varies most is followed."
        ),
        depends_on=("T2.identity.spread",),
        schemes=SPLIT_ANY_EPS,
        example=_even,
        weighted=True,
        observe=measure_joint,
        enclose=enclosed.joint_rows,
        zero_tells=True,
        cost=cost.single_groups,
    ),
    Claim(
        id="P.share.split",
        title="A decomposed advantage by their weight",
        standing=Standing.LITERATURE,
        kind="identity",
        statement=sp.Eq(ls.corr_split * _square, _shares * sp.Abs(_shares)),
        measure=measure_split,
        reference=_REFERENCE,
        assumptions=(NO_EPS, LIVE),
        proof=(
            "Its second moment is sum w_k w_l C_kl, its product with the standardized component sum w_l C_kl. "
            "Uncorrelated components of one weight: 1/sqrt K each."
        ),
        depends_on=("T2.advantage",),
        schemes=SPLIT,
        example=_even,
        weighted=True,
        observe=measure_split,
        enclose=enclosed.split_rows,
        zero_tells=True,
        cost=cost.single_groups,
    ),
)
