"""When nothing is lost by decomposing (T2.lossless, T2.scale)."""

import numpy as np
import sympy as sp

from bounds import cost
from bounds import symbols as s
from bounds.claim import Assumption, Claim, Grouped, unmet
from bounds.claims.assumptions import ACTIVE, NO_EPS, UNIT_TOTAL
from bounds.claims.closedness import two_bits
from bounds.claims.decomposition import agree, are_listed, groups, in_kernel, vary
from bounds.claims.schemes import SPLIT
from bounds.claims.single_groups import complements
from bounds.comparison import Bools, Measured
from bounds.enclosed import lossless as enclosed
from bounds.structure import both
from bounds.verdicts import Evidence, Standing
from tamdp_theory.exact import Groups
from tamdp_theory.model import Floats

_SINGLE = 200  # groups of a prompt that are looked at in exact arithmetic


def _of_groups(instance: Grouped) -> Evidence:
    """Exact decisions on every group are certified; on a sample of them they are not."""
    return Evidence.CERTIFIED if are_listed(instance, _SINGLE) else Evidence.EXACT


def measure_lossless(instance: Grouped) -> Measured:
    """Agreement against the kernel of C, in groups in which something varies."""
    rows = []
    for table in groups(instance, _SINGLE):
        varies = np.any([column.squares != 0 for column in table.components], axis=0)
        rows += [(agree(table, row, instance.scheme), in_kernel(table, row)) for row in np.flatnonzero(varies).tolist()]
    if not rows:
        return Measured(numbers={}, assumptions=vary(instance, []), empty="no reward varies in any group")
    zero, kernel = np.array(rows, dtype=float).T
    return Measured(numbers={s.gap_zero: zero, s.kernel_zero: kernel}, evidence=_of_groups(instance))


def measure_lossless_exactly(instance: Grouped) -> Measured:
    """Agreement against moving together, in groups whose composite varies."""
    rows = []
    for table in groups(instance, _SINGLE):
        chosen = _comonotone_groups(table)
        rows += [
            (agree(table, row, instance.scheme), chosen[row])
            for row in np.flatnonzero(table.composite.squares != 0).tolist()
        ]
    conditions = {"active group": bool(rows)}
    if not rows:
        return Measured(numbers={}, assumptions=conditions)
    zero, moving = np.array(rows, dtype=float).T
    return Measured(
        numbers={s.gap_zero: zero, s.together: moving}, assumptions=conditions, evidence=_of_groups(instance)
    )


def _chosen_groups(instance: Grouped, name: str) -> tuple[dict[str, bool], Floats, Floats]:
    """Advantages (n,) of the members of the groups that a special case speaks of, or of all if it is dropped."""
    scheme = instance.scheme
    joint: list[Floats] = []
    split: list[Floats] = []
    seen = False
    for table in list(groups(instance)):
        chosen = _SPECIAL[name](table)
        seen = seen or bool(chosen.any())
        if name in instance.without:
            chosen = np.ones(len(chosen), dtype=bool)
        joint.append(table.advantages(both(scheme)[0])[chosen].ravel())
        split.append(table.advantages(both(scheme)[1])[chosen].ravel())
    equal = name != "uncorrelated groups" or len(set(instance.exact_weights)) == 1
    return {name: seen and equal}, np.concatenate(joint), np.concatenate(split)


def _comonotone_groups(table: Groups) -> Bools:
    chosen: Bools = np.ones(len(table.members), dtype=bool)
    weighted = [k for k, w in enumerate(table.weights) if w]
    for k in weighted:
        one = table.components[k]
        for m in weighted:
            other = table.components[m]
            chosen &= (
                (one.squares != 0)
                & (table.covariance(k, m) > 0)
                & (table.covariance(k, m) ** 2 == one.squares * other.squares)
            )
    return chosen


def _uncorrelated_groups(table: Groups) -> Bools:
    first = table.components[0]
    chosen: Bools = first.squares != 0
    for k, one in enumerate(table.components):
        chosen = chosen & (one.squares * first.denominator**2 == first.squares * one.denominator**2)
        for m in range(k):
            chosen = chosen & (table.covariance(k, m) == 0)
    return chosen


_SPECIAL = {"comonotone groups": _comonotone_groups, "uncorrelated groups": _uncorrelated_groups}


def measure_same_in_comonotone(instance: Grouped) -> Measured:
    """Advantages in the groups that move together."""
    conditions, joint, split = _chosen_groups(instance, "comonotone groups")
    if failed := unmet(instance, conditions):
        return failed
    return Measured(numbers={s.A_joint: joint, s.A_sum: split}, assumptions=conditions)


def measure_scaled_if_uncorrelated(instance: Grouped) -> Measured:
    """Advantages in the groups with uncorrelated components of one spread."""
    conditions, joint, split = _chosen_groups(instance, "uncorrelated groups")
    if failed := unmet(instance, conditions):
        return failed
    return Measured(
        numbers={
            s.A_joint: joint,
            s.A_sum: split,
            s.K: len(instance.exact_weights),
            s.W: float(sum(instance.exact_weights)),
        },
        assumptions=conditions,
    )


COMONOTONE_GROUPS = Assumption(
    "comonotone groups",
    "the groups in which every component with weight varies and all of them are perfectly positively correlated",
)
UNCORRELATED_GROUPS = Assumption(
    "uncorrelated groups", "the groups in which components are uncorrelated and have one spread; equal weights"
)


CLAIMS = (
    Claim(
        id="T2.lossless",
        title="Nothing is lost exactly where z is in the kernel of C",
        standing=Standing.PROVED,
        kind="equivalence",
        statement=sp.Eq(s.gap_zero, s.kernel_zero),
        measure=measure_lossless,
        reference="docs/theory.md",
        assumptions=(NO_EPS,),
        proof="C is positive semidefinite, so z'Cz = 0 iff Cz = 0; by T2.advantage z'Cz is the squared difference.",
        depends_on=("T2.advantage",),
        schemes=SPLIT,
        example=complements,
        weighted=True,
        observe=measure_lossless,
        enclose=enclosed.lossless_rows,
        zero_tells=True,
        cost=cost.single_groups,
    ),
    Claim(
        id="T2.lossless.exactly",
        title="Nothing is lost exactly where all components move together",
        standing=Standing.PROVED,
        kind="equivalence",
        statement=sp.Eq(s.gap_zero, s.together),
        measure=measure_lossless_exactly,
        reference="docs/theory.md",
        assumptions=(NO_EPS, UNIT_TOTAL, ACTIVE),
        proof=(
            "||sum w_k Z_k|| <= sum w_k = 1 for standardized Z_k, with equality iff all are equal; the joint "
            "advantage has norm 1."
        ),
        depends_on=("T2.lossless",),
        schemes=SPLIT,
        example=lambda: two_bits("normalize_then_sum"),
        weighted=True,
        observe=measure_lossless_exactly,
        enclose=enclosed.lossless_exactly_rows,
        zero_tells=True,
        cost=cost.single_groups,
        shown_on="groups",
    ),
    Claim(
        id="T2.lossless.comonotone",
        title="Nothing is lost where all components move together",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.A_joint, s.A_sum),
        measure=measure_same_in_comonotone,
        reference="docs/theory.md",
        assumptions=(COMONOTONE_GROUPS, UNIT_TOTAL, NO_EPS),
        proof="All A^k are one A, and sum w_k sigma_k = sigma_c, so both sides are A. A silent component breaks it.",
        depends_on=("T2.identity",),
        schemes=SPLIT,
        weighted=True,
        observe=measure_same_in_comonotone,
        enclose=lambda i: enclosed.chosen_rows(i, "comonotone groups", enclosed.moves_together),
        cost=cost.single_groups,
    ),
    Claim(
        id="T2.scale",
        title="Uncorrelated components of one spread differ by a factor",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.A_joint, sp.sqrt(s.K) / s.W * s.A_sum),
        measure=measure_scaled_if_uncorrelated,
        reference="docs/theory.md",
        assumptions=(UNCORRELATED_GROUPS, NO_EPS),
        proof="sigma_c = (W/K) sigma sqrt K in T2.identity.",
        depends_on=("T2.identity",),
        schemes=SPLIT,
        example=lambda: two_bits("normalize_then_sum"),
        weighted=True,
        observe=measure_scaled_if_uncorrelated,
        enclose=lambda i: enclosed.chosen_rows(i, "uncorrelated groups", enclosed.uncorrelated),
        cost=cost.single_groups,
    ),
)
