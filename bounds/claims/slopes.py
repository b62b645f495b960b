"""How the expected update weighs difficulty: its slope along the success probability of 0/1 rewards (T4.slopes)."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import sympy as sp
from scipy import stats

from bounds import symbols as s
from bounds.claim import Assumption, Claim
from bounds.claims.assumptions import COMPOSITE_ALONE, NO_EPS
from bounds.comparison import Measured
from bounds.enclosed import slopes as enclosed
from bounds.enclosed.objectives import is_zero_one
from bounds.instance import Instance
from bounds.suite import SEED, Suite
from bounds.verdicts import Standing
from tamdp_theory import TabularSoftmax, exact, families
from tamdp_theory.estimators import Keep
from tamdp_theory.exact import Scheme
from tamdp_theory.model import Floats

SIZES = (2, 3, 5, 8)
SURE = (-6.9, -1.4, 0.0, 2.2)  # logits of success: 1 in 1000, 1 in 5, a half, 9 in 10
ZERO_ONE = Assumption(
    "0/1 reward", "the composite of every prompt takes the values 0 and 1", lambda i: is_zero_one(i.env)
)


def kind(name: str, ddof: int | None = None) -> Assumption:
    """The scheme's estimator is of this kind (and its deviations have this ddof)."""
    return Assumption(
        "estimator",
        f"the estimator is {name}" + ("" if ddof is None else f", ddof = {ddof}"),
        lambda i: enclosed.kind_of(i.scheme) == name and ddof in (None, i.scheme.ddof),
        groups=True,
    )


def _arms() -> Instance:
    env = families.bandit([[0], [1]], name="right-or-wrong")
    return Instance(env, TabularSoftmax(env, [[0.0, -1.0]]), Scheme(5, "center"))


def _example(scheme: Scheme) -> Callable[[], Instance]:
    return lambda: replace(_arms(), scheme=scheme)


def on_success_or_failure(claim: Claim, suite: Suite) -> Iterable[Instance]:
    """One prompt, right or wrong: rare, at times, half of the time and mostly right, in every scheme of the claim."""
    env = _arms().env
    for scheme in claim.schemes:
        for logit in SURE:
            label = f"{env.name} logit {logit:g} {scheme.normalization} G={scheme.group_size}"
            yield Instance(env, TabularSoftmax(env, [[0.0, logit]]), scheme, seed=SEED, label=label, once=suite.once)


def _slopes(instance: Instance, keep: Keep = "all") -> tuple[Floats, Floats]:
    """p and h_1 - h_0 of each prompt, over the groups that are kept."""
    scheme, found = instance.scheme, []
    for classes, law in zip(instance.env.prompt_classes, instance.laws, strict=True):
        moments = exact.group_moments(
            law.probability / law.probability.sum(),
            [instance.env.exact_class_rewards[c] for c in classes],
            instance.exact_weights,
            scheme.group_size,
            scheme.normalization,
            scheme.eps,
            scheme.ddof,
            keep=keep,
        )
        right = instance.env.class_composite[classes] == 1
        found.append((float(law.probability[right].sum()), moments.first[right][0] - moments.first[~right][0]))
    p, slope = np.array(found).T
    return p, slope


def _slope(instance: Instance) -> Measured:
    if not is_zero_one(instance.env):
        return Measured(numbers={}, assumptions={ZERO_ONE.name: False})
    p, slope = instance.once(_slopes, instance)
    numbers = {s.p: p, s.slope: slope, s.G: instance.scheme.group_size, s.kappa: instance.scheme.kappa}
    options = {symbol: float(value) for symbol, value in enclosed.estimator_numbers(instance.scheme).items()}
    return Measured(numbers={**numbers, **options})


def _sum(instance: Instance) -> Measured:
    if not is_zero_one(instance.env):
        return Measured(numbers={}, assumptions={ZERO_ONE.name: False})
    p, slope = instance.once(_slopes, instance)
    size = instance.scheme.group_size
    right, wrong = (np.repeat(np.array(one)[:, None], len(p), axis=1) for one in enclosed.float_tables(instance.scheme))
    law = np.array([stats.binom.pmf(np.arange(size), size - 1, one) for one in p]).T
    numbers = {s.slope: slope, s.G: size, s.gain_right: right, s.gain_wrong: wrong, s.others_right: law}
    return Measured(numbers=numbers, scale=max(1.0, float(np.abs(right).max()), float(np.abs(wrong).max())))


def _mixed(instance: Instance) -> Measured:
    if not is_zero_one(instance.env):
        return Measured(numbers={}, assumptions={ZERO_ONE.name: False})
    p, slope = instance.once(_slopes, instance)
    kept = _slopes(instance, "mixed")[1]
    return Measured(numbers={s.p: p, s.slope: slope, s.slope_mixed: kept, s.G: instance.scheme.group_size})


def _sizes(name: str, ddof: int = 0, sizes: tuple[int, ...] = SIZES) -> tuple[Scheme, ...]:
    return tuple(Scheme(size, name, 0.0, ddof) for size in sizes)


_p, _q, _G = s.p, 1 - s.p, s.G
_REFERENCE = "docs/theory.md; compare Davis & Recht 2025, arXiv 2510.13651"


CLAIMS = (
    Claim(
        id="T4.slopes",
        title="0/1 rewards: the slope of any estimator",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.slope, sp.Sum(s.others_right[s.k] * (s.gain_right[s.k] - s.gain_wrong[s.k]), (s.k, 1, s.G))),
        measure=_sum,
        reference=_REFERENCE,
        assumptions=(ZERO_ONE, COMPOSITE_ALONE),
        proof="The other members' successes are binomial; m = (h_1 - h_0) grad p, since h takes two values.",
        depends_on=("L5",),
        schemes=(
            Scheme(5, "sum_then_normalize"),
            Scheme(5, "sum_then_normalize", 1e-4, 1),
            Scheme(5, "absolute_deviation"),
            Scheme(5, "leave_one_out_normalize", 0.0, 1),
            Scheme(5, "softmax"),
            Scheme(5, "pass_at_3_training"),
        ),
        example=_example(Scheme(5, "absolute_deviation")),
        enclose=enclosed.gain_rows,
        zero_tells=True,
        instances=on_success_or_failure,
    ),
    Claim(
        id="T4.slopes.loo",
        title="Leave-one-out climbs the success probability",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.slope, 1),
        measure=_slope,
        reference=_REFERENCE,
        assumptions=(ZERO_ONE, kind("leave_one_out")),
        proof="Every gap is G/(G - 1), and zero-sum maps have the slope kappa times the expected gap.",
        depends_on=("T4.slopes",),
        schemes=_sizes("leave_one_out"),
        example=_example(Scheme(5, "leave_one_out")),
        enclose=enclosed.slope_rows,
        instances=on_success_or_failure,
    ),
    Claim(
        id="T4.slopes.rank",
        title="So do ranks, as centred rewards do",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.slope, s.kappa),
        measure=_slope,
        reference=_REFERENCE,
        assumptions=(ZERO_ONE, kind("rank")),
        proof="A success beats every failure: ranks of 0/1 rewards are the centred rewards.",
        depends_on=("T4.slopes",),
        schemes=_sizes("rank"),
        example=_example(Scheme(5, "rank")),
        enclose=enclosed.slope_rows,
        instances=on_success_or_failure,
    ),
    Claim(
        id="T4.slopes.sign",
        title="Signs favour no middle",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.slope, 2 - _p ** (_G - 1) - _q ** (_G - 1)),
        measure=_slope,
        reference=_REFERENCE,
        assumptions=(ZERO_ONE, kind("sign")),
        proof="A success gets 1 unless all are successes, a failure -1 unless all are failures.",
        depends_on=("T4.slopes",),
        schemes=_sizes("sign"),
        example=_example(Scheme(5, "sign")),
        enclose=enclosed.slope_rows,
        instances=on_success_or_failure,
    ),
    Claim(
        id="T4.slopes.pass_at_k",
        title="pass@k by leaving one out climbs pass@k",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.slope, _q ** (s.k_best - 1)),
        measure=_slope,
        reference="docs/theory.md; Walder & Karkhanis 2025, arXiv 2505.15201",
        assumptions=(ZERO_ONE, kind("pass_at_")),
        proof="The set objective estimates pass@k = 1 - (1 - p)^k without bias; 1/k of its gradient is left.",
        depends_on=("T4.slopes",),
        schemes=(*_sizes("pass_at_2", sizes=(3, 5, 8)), Scheme(8, "pass_at_3")),
        example=_example(Scheme(5, "pass_at_3")),
        enclose=enclosed.slope_rows,
        instances=on_success_or_failure,
    ),
    Claim(
        id="T4.slopes.best",
        title="The best member alone climbs pass@G",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.slope, _q ** (_G - 1)),
        measure=_slope,
        reference="docs/theory.md; verl's grpo_passk, undivided",
        assumptions=(ZERO_ONE, kind("best_minus_second")),
        proof="A lone success gets 1, everybody else nothing: phi is the largest reward, E phi / G = pass@G / G.",
        depends_on=("T4.slopes",),
        schemes=_sizes("best_minus_second"),
        example=_example(Scheme(5, "best_minus_second")),
        enclose=enclosed.slope_rows,
        instances=on_success_or_failure,
    ),
    Claim(
        id="T4.slopes.best.std",
        title="Divided by the deviation, sqrt G times that",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.slope, sp.sqrt(_G) * _q ** (_G - 1)),
        measure=_slope,
        reference="docs/theory.md; verl's grpo_passk",
        assumptions=(ZERO_ONE, kind("best_minus_second(std=True)", 1), NO_EPS),
        proof="One success among G has the ddof-1 deviation 1 / sqrt G.",
        depends_on=("T4.slopes.best",),
        schemes=_sizes("best_minus_second(std=True)", 1),
        example=_example(Scheme(5, "best_minus_second(std=True)", 0.0, 1)),
        enclose=enclosed.slope_rows,
        instances=on_success_or_failure,
    ),
    Claim(
        id="T4.slopes.max_rl",
        title="Over the mean: the log-likelihood of success, to order G - 1",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.slope * _p, 1 - _q ** (_G - 1)),
        measure=_slope,
        reference="docs/theory.md; Prime-RL's max_rl, arXiv 2602.02710",
        assumptions=(ZERO_ONE, kind("max_rl")),
        proof=(
            "A success among s has G/s - 1, a failure -1 unless all fail. E[G/s] given a success is (1 - (1-p)^G)/p. "
            "The potential is sum_{k<G} pass@k / k: log p up to a constant as G grows."
        ),
        depends_on=("T4.slopes",),
        schemes=_sizes("max_rl"),
        example=_example(Scheme(5, "max_rl")),
        enclose=enclosed.slope_rows,
        instances=on_success_or_failure,
    ),
    Claim(
        id="T4.slopes.signed",
        title="Weights of the signs tilt towards hard or easy prompts",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.slope, (s.alpha_plus * _q + s.alpha_minus * _p) * s.kappa),
        measure=_slope,
        reference="docs/theory.md; positive and negative samples: arXiv 2506.01347",
        assumptions=(ZERO_ONE, kind("signed")),
        proof="p h_1 + (1-p) h_0 = 0 and h_1 - h_0 = kappa give h_1 = (1-p) kappa, h_0 = -p kappa; A_1 >= 0 >= A_0.",
        depends_on=("T4.slopes",),
        schemes=(
            *_sizes("signed(negative=0)"),
            Scheme(5, "signed(positive=0)"),
            Scheme(5, "signed(positive=1/10, negative=1)"),
        ),
        example=_example(Scheme(5, "signed(positive=2, negative=1/3)")),
        enclose=enclosed.slope_rows,
        instances=on_success_or_failure,
    ),
    Claim(
        id="T4.slopes.mixed",
        title="A prompt's slope in its mixed groups is divided by their share",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.slope_mixed, s.slope / (1 - _p**_G - _q**_G)),
        measure=_mixed,
        reference="docs/theory.md; DAPO, arXiv 2503.14476",
        assumptions=(ZERO_ONE, COMPOSITE_ALONE),
        proof=(
            "Advantages vanish in the other groups; what is left is divided by the probability of being mixed. Where "
            "every prompt is drawn until it has a mixed group, each is divided by its own share; dynamic sampling as "
            "DAPO does it, which drops the others and draws new prompts, divides all prompts by one common share."
        ),
        depends_on=("T4.slopes",),
        schemes=(Scheme(3, "sum_then_normalize"), Scheme(8, "sum_then_normalize"), Scheme(5, "center")),
        example=_example(Scheme(3, "sum_then_normalize")),
        enclose=enclosed.mixed_rows,
        instances=on_success_or_failure,
    ),
)
