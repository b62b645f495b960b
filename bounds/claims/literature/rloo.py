"""How large leave-one-out advantages of 0/1 rewards are (2026)."""

from fractions import Fraction

import numpy as np
import sympy as sp

from bounds import cost
from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.claim import Assumption, Claim, Grouped
from bounds.claims.decomposition import groups
from bounds.claims.literature.success import UNMET, on_one_reward, right_or_wrong, success
from bounds.claims.slopes import ZERO_ONE, kind
from bounds.comparison import Measured
from bounds.enclosed.literature import rloo as enclosed
from bounds.enclosed.objectives import is_zero_one
from bounds.instance import Instance
from bounds.verdicts import Standing
from tamdp_theory import exact
from tamdp_theory.exact import Groups, Scheme

BITS = Assumption("0/1 groups", "every composite reward of the groups is 0 or 1, and some group is mixed")
LEFT_OUT = kind("leave_one_out")
_SIZES = (Scheme(2, "leave_one_out"), Scheme(4, "leave_one_out"), Scheme(8, "leave_one_out"))
_REFERENCE = "arXiv 2605.05112"


def values_of(table: Groups) -> list[Fraction]:
    """c of the classes of a table."""
    rows = (zip(table.weights, row, strict=True) for row in table.rewards)
    return [sum((w * r for w, r in row), Fraction(0)) for row in rows]


def measure_square(instance: Grouped) -> Measured:
    """Advantages and successes of every group."""
    tables = list(groups(instance))
    values = [values_of(table) for table in tables]
    if not {c for own in values for c in own} <= {0, 1}:
        return Measured(numbers={}, assumptions={BITS.name: False})
    right = [np.array(own, dtype=float)[table.members].sum(axis=1) for own, table in zip(values, tables, strict=True)]
    successes, size = np.concatenate(right), instance.scheme.group_size
    advantages = np.concatenate([table.advantages(instance.scheme) for table in tables])
    mixed = bool((successes % size > 0).any())
    return Measured(numbers={ls.A_of: advantages.T, ls.S: successes, s.G: size}, assumptions={BITS.name: mixed})


def _mean_square(instance: Instance) -> Measured:
    if not is_zero_one(instance.env):
        return UNMET
    scheme, p = instance.scheme, success(instance)
    law = np.stack([1 - p, p], axis=-1)
    moments = exact.group_moments(
        law, [[0], [1]], [1], scheme.group_size, scheme.normalization, scheme.eps, scheme.ddof
    )
    square = (law * moments.second).sum(axis=-1)
    return Measured(numbers={ls.square_mean: square, s.p: p, s.G: scheme.group_size})


CLAIMS = (
    Claim(
        id="P.rloo.square",
        title="Mean squared leave-one-out advantage of a group",
        standing=Standing.LITERATURE,
        kind="identity",
        statement=sp.Eq(sp.Sum(ls.A_of[s.i] ** 2, (s.i, 1, s.G)) / s.G, ls.S * (s.G - ls.S) / (s.G - 1) ** 2),
        measure=measure_square,
        reference=_REFERENCE,
        assumptions=(LEFT_OUT, BITS),
        proof="S members have (G - S)/(G - 1), the others -S/(G - 1).",
        schemes=_SIZES,
        example=lambda: right_or_wrong(Scheme(4, "leave_one_out")),
        weighted=True,
        observe=measure_square,
        enclose=enclosed.square_rows,
        cost=cost.single_groups,
        instances=on_one_reward,
    ),
    Claim(
        id="P.rloo.square.mean",
        title="And on average",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(ls.square_mean, s.p * (1 - s.p) * s.G / (s.G - 1)),
        measure=_mean_square,
        reference=f"docs/theory.md; beside {_REFERENCE}",
        assumptions=(ZERO_ONE, LEFT_OUT),
        proof="E[S (G - S)] = G (G - 1) p (1 - p). So hard prompts have small advantages, not only rare ones.",
        depends_on=("P.rloo.square",),
        schemes=_SIZES,
        example=lambda: right_or_wrong(Scheme(4, "leave_one_out")),
        enclose=enclosed.mean_square_rows,
        instances=on_one_reward,
    ),
)
