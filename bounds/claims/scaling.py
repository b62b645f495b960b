"""How the variance depends on group size and number of components (Theorem 1, Assumption 2 of the paper)."""

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from itertools import product

import sympy as sp
from flint import arb

from bounds import cost, structure
from bounds import symbols as s
from bounds.claim import Assumption, Claim
from bounds.claims import variance
from bounds.claims.assumptions import TABULAR
from bounds.claims.drift import update_in_balls
from bounds.comparison import Measured
from bounds.enclosed import scaling as enclosed
from bounds.instance import Instance
from bounds.structure import is_plain
from bounds.suite import Suite
from bounds.verdicts import Evidence, Standing
from tamdp_theory import TAMDP, TabularSoftmax, exact, families
from tamdp_theory.exact import NORMALIZATIONS, Scheme
from tamdp_theory.exact.ball_numbers import nearest

UNINFORMATIVE = Assumption(
    "uninformative scores",
    "one prompt; scores are independent of rewards: at every node all actions have one law of what follows",
    lambda i: structure.uninformed_law(i.env) is not None,
)
INDEPENDENT = Assumption(
    "independent",
    "components are fair, 0 or 1, independent, of weight one; normalize_then_sum, eps = 0, ddof = 0",
    structure.is_independent,
)
COMONOTONE = Assumption(
    "comonotone",
    "components are fair, 0 or 1, all equal, of weight one; normalize_then_sum, eps = 0, ddof = 0",
    structure.is_comonotone,
)
PLAIN_JOINT = Assumption(
    "plain joint",
    "sum_then_normalize, eps = 0, ddof = 0",
    lambda i: is_plain(i.scheme) and i.scheme.normalization == "sum_then_normalize",
    groups=True,
)
UNIT = Assumption(
    "unit weights",
    "all weights are 1 and K >= 2, so that one component can be compared with all",
    lambda i: len(i.exact_weights) >= 2 and all(w == 1 for w in i.exact_weights),
    groups=True,
)


def _variance_in_components(instance: Instance) -> Measured:
    env = instance.env
    count = env.n_components
    everything = update_in_balls(instance).variance
    alone = update_in_balls(instance, (Fraction(1), *[Fraction(0)] * (count - 1))).variance
    if not (alone > 0 and everything > 0):
        return Measured(numbers={}, empty="the variance vanishes")
    ratio = everything / alone
    exponent, error = nearest(ratio.log() / arb(count).log())
    note = f"V grows as K^{exponent:.4g} from one component to K = {count}; {_upper_bound(instance)}"
    return Measured(numbers={s.exponent_K: exponent}, error=error, evidence=Evidence.CERTIFIED, note=note)


def _upper_bound(instance: Instance) -> str:
    """What is true beside the quoted scaling: L9.components on the same process, policy and G, advantages centred."""
    centred = replace(instance, scheme=Scheme(instance.scheme.group_size, "center"))
    found = next(claim for claim in variance.CLAIMS if claim.id == "L9.components").check(centred)
    return f"as an upper bound, centred, L9.components {found.verdict}: V = {found.lhs:.6g} <= {found.rhs:.6g}"


def _law_of_variance(instance: Instance) -> Measured:
    """V and what it is made of, on one prompt."""
    env, policy, scheme = instance.env, instance.policy, instance.scheme
    if env.n_prompts > 1:
        return Measured(numbers={}, assumptions={"uninformative scores": False}, note="speaks of one prompt")
    law = instance.laws[0]
    composite: dict[Fraction, float] = {}
    for c, p in zip(env.exact_class_composite, law.probability.tolist(), strict=True):
        composite[c] = composite.get(c, 0.0) + p
    silent = sum(p**scheme.group_size for p in composite.values())
    noise = exact.update_moments(
        env, policy, scheme.group_size, normalization=scheme.normalization, eps=scheme.eps, ddof=scheme.ddof
    ).variance
    energy = float(law.score_energy.sum())
    return Measured(
        numbers={s.variance: noise, s.energy: energy, s.silent: silent, s.K: env.n_components, s.G: scheme.group_size},
        scale=energy,
    )


def component_bandit(count: int, comonotone: bool, name: str) -> TAMDP:
    """Two arms with one reward law: ``count`` fair 0/1 components, all equal or independent; unit weights; scores carry
    no news.
    """
    if comonotone:
        law = [(Fraction(1, 2), (bit,) * count) for bit in (0, 1)]
    else:
        law = [(Fraction(1, 2**count), bits) for bits in product((0, 1), repeat=count)]
    return families.bandit([law, law], weights=(1,) * count, name=name)


_SHAPES = ("independent", "comonotone")


def _over_sizes(claim: Claim, suite: Suite) -> Iterable[Instance]:
    """Bandits whose scores carry no news of the reward, with one to four components, over group sizes."""
    for shape in _SHAPES:
        for count in (1, 2, 3, 4):
            env = component_bandit(count, shape == "comonotone", f"{shape} K={count}")
            for size in suite.sizes:
                scheme = replace(claim.schemes[0], group_size=size)
                yield Instance(env, TabularSoftmax(env), scheme, label=f"{env.name} {scheme.normalization} G={size}")


def _over_schemes(claim: Claim, suite: Suite) -> Iterable[Instance]:
    """Three such components, centred, joint and decomposed."""
    for shape in _SHAPES:
        env = component_bandit(3, shape == "comonotone", f"{shape}-components")
        for normalization in NORMALIZATIONS:
            label = f"{env.name} {normalization}"
            yield Instance(env, TabularSoftmax(env), Scheme(4, normalization), label=label)


def _equal_components() -> Instance:
    env = component_bandit(2, True, "comonotone-components")
    return Instance(env, TabularSoftmax(env), Scheme(4, "normalize_then_sum"))


CLAIMS = (
    Claim(
        id="T1.scaling.joint",
        title="Variance under joint normalization: 1/G, whatever K",
        standing=Standing.PROVED,
        kind="scaling",
        statement=sp.Eq(s.variance, s.energy * (1 - s.silent) / s.G),
        measure=_law_of_variance,
        reference="docs/theory.md",
        assumptions=(UNINFORMATIVE, PLAIN_JOINT),
        proof=(
            "Scores of different members are independent and centred, so V = E[A^2] E||s||^2 / G; a group that is not "
            "silent has mean A^2 = 1."
        ),
        depends_on=("L6",),
        schemes=(Scheme(8, "sum_then_normalize"),),
        enclose=enclosed.scaling_rows,
        instances=_over_sizes,
        figure="variance",
    ),
    Claim(
        id="T1.scaling.independent",
        title="Variance of independent decomposed components: K/G",
        standing=Standing.PROVED,
        kind="scaling",
        statement=sp.Eq(s.variance, s.energy * s.K * (1 - 2 ** (1 - s.G)) / s.G),
        measure=_law_of_variance,
        reference="docs/theory.md",
        assumptions=(UNINFORMATIVE, INDEPENDENT),
        proof=(
            "As T1.scaling.joint; standardized independent components are uncorrelated, each silent with probability "
            "2^(1-G)."
        ),
        depends_on=("L6",),
        schemes=(Scheme(8, "normalize_then_sum"),),
        enclose=enclosed.scaling_rows,
        instances=_over_sizes,
        figure="variance",
    ),
    Claim(
        id="T1.scaling.comonotone",
        title="Variance of equal decomposed components: K^2/G",
        standing=Standing.PROVED,
        kind="scaling",
        statement=sp.Eq(s.variance, s.energy * s.K**2 * (1 - 2 ** (1 - s.G)) / s.G),
        measure=_law_of_variance,
        reference="docs/theory.md",
        assumptions=(UNINFORMATIVE, COMONOTONE),
        proof="The summed advantage is K times one component's.",
        depends_on=("T1.scaling.independent",),
        schemes=(Scheme(8, "normalize_then_sum"),),
        enclose=enclosed.scaling_rows,
        instances=_over_sizes,
        figure="variance",
    ),
    Claim(
        id="T1.assumption2",
        title="The variance scales as K/G",
        standing=Standing.PRINTED,
        kind="scaling",
        statement=sp.Eq(s.exponent_K, 1),
        measure=_variance_in_components,
        reference="the paper's Assumption 2, as quoted in reviews",
        assumptions=(TABULAR, UNIT),
        proof=(
            "False as a scaling, V proportional to K/G: with equal components of weight one the variance grows as "
            "K^2, centred or decomposed; jointly normalized it does not grow. True as an upper bound for centred "
            "advantages: V <= kappa^2 K sum w_k^2 E||s||^2 / G (L9.components)."
        ),
        depends_on=("T1.scaling.joint", "T1.scaling.comonotone", "L9.components"),
        example=_equal_components,
        enclose=enclosed.exponent_rows,
        instances=_over_schemes,
        cost=cost.nothing,
        figure="variance",
    ),
)
