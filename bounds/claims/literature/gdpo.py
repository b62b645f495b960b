"""How many distinct advantages groups can have, joint and decomposed (GDPO, 2026)."""

from collections.abc import Iterable

import sympy as sp

from bounds import cost
from bounds import literature_symbols as ls
from bounds.claim import Assumption, Claim
from bounds.claims.assumptions import NO_EPS
from bounds.claims.scaling import component_bandit
from bounds.comparison import Measured
from bounds.enclosed.literature import gdpo as enclosed
from bounds.instance import Instance
from bounds.suite import SEED, Suite
from bounds.verdicts import Evidence, Standing
from tamdp_theory import TabularSoftmax
from tamdp_theory.exact import Scheme

EVERY_VECTOR = Assumption(
    "every vector",
    "two components or more of equal weight; on each prompt every vector of zeros and ones is a reward",
    lambda i: enclosed.has_every_vector(i.env),
)
_REFERENCE = "GDPO 2026, arXiv 2601.05242"
_SIZES = tuple(Scheme(size, "normalize_then_sum") for size in (2, 3, 4, 5))


def on_cubes(claim: Claim, suite: Suite) -> Iterable[Instance]:
    """Two and three components that are 0 or 1 on their own."""
    for components in (2, 3):
        env = component_bandit(components, False, f"{components}-components")
        for scheme in claim.schemes:
            label = f"{env.name} G={scheme.group_size}"
            yield Instance(env, TabularSoftmax(env), scheme, seed=SEED, label=label, once=suite.once)


def _counts(instance: Instance) -> Measured:
    if not enclosed.has_every_vector(instance.env):
        return Measured(numbers={}, assumptions={EVERY_VECTOR.name: False})
    if instance.scheme.eps != 0:  # with eps the joint advantages keep the scale
        return Measured(numbers={}, assumptions={NO_EPS.name: False})
    found = instance.once(enclosed.counts, instance.env.n_components, instance.scheme.group_size)
    numbers = dict(zip((ls.n_joint, ls.n_center, ls.n_split), map(float, found), strict=True))
    return Measured(numbers=numbers, evidence=Evidence.CERTIFIED)


def _cube() -> Instance:
    env = component_bandit(2, False, "2-components")
    return Instance(env, TabularSoftmax(env), Scheme(4, "normalize_then_sum"))


CLAIMS = (
    Claim(
        id="P.distinct",
        title="Decomposed advantages tell more groups apart",
        standing=Standing.LITERATURE,
        kind="inequality",
        statement=sp.Lt(ls.n_joint, ls.n_split),
        measure=_counts,
        reference=_REFERENCE,
        assumptions=(EVERY_VECTOR, NO_EPS),
        proof=(
            "Groups whose components are nested, R_k = [c >= k], show every pattern of differences of c, and their "
            "decomposed advantages give it back: the gap between neighbours is 1/sigma of their split times their "
            "difference. Joint ones lose the scale: (0, 1) and (0, 2). Two components, G = 2: 2 against 3."
        ),
        schemes=_SIZES,
        example=_cube,
        weighted=True,
        enclose=enclosed.count_rows,
        cost=cost.nothing,
        instances=on_cubes,
    ),
    Claim(
        id="P.distinct.center",
        title="At least as many as centred ones",
        standing=Standing.LITERATURE,
        kind="inequality",
        statement=sp.Le(ls.n_center, ls.n_split),
        measure=_counts,
        reference=_REFERENCE,
        assumptions=(EVERY_VECTOR, NO_EPS),
        proof="As P.distinct: centred advantages show the differences of c and nothing else. As many up to G = 3.",
        depends_on=("P.distinct",),
        schemes=_SIZES,
        example=_cube,
        weighted=True,
        enclose=enclosed.count_rows,
        cost=cost.nothing,
        instances=on_cubes,
    ),
)
