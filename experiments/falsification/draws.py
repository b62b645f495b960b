"""Random candidates: bandits, chains, trees, and what Hypothesis draws; everything from a seed."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import product

import numpy as np

from bounds import Assumption, Claim, Instance
from bounds.claims.scaling import component_bandit
from tamdp_theory import TAMDP, LogLinear, Policy, TabularSoftmax, families
from tamdp_theory.exact import NORMALIZATIONS, Scheme

_GRADES = (Fraction(0), Fraction(1), Fraction(1, 2), Fraction(1, 4), Fraction(3, 4))
_OTHERS = ("leave_one_out", "max_rl", "sign")  # estimators of other kinds


def draw_instances(claim: Claim, without: tuple[str, ...], generator: np.random.Generator) -> Iterator[Instance]:
    """An endless stream of small instances, of the kinds that the claim speaks of and some that it does not."""
    while True:
        env = draw_process(generator, one_decision="one decision" not in without and generator.random() < 0.5)
        if generator.random() < 0.3 and "weights sum to one" not in without:
            env = env.with_weights(tuple(w / sum(env.exact_weights) for w in env.exact_weights))
        policy = draw_policy(env, "tabular" in without, generator)
        think = 0.5 if "full score" in without or (claim.weighted and generator.random() < 0.1) else 1.0
        reference = policy.with_parameters(policy.parameters + generator.normal(size=policy.n_parameters))
        yield Instance(
            env,
            policy,
            draw_scheme(claim, without, generator),
            reference,
            int(generator.integers(100)),
            steps=20,
            runs=64,
            without=without,
            think_weight=think,
        )


def draw_scheme(claim: Claim, without: tuple[str, ...], generator: np.random.Generator) -> Scheme:
    """A scheme of the claim, often with another group size; any scheme where an assumption that may be about schemes is
    dropped or none is named.
    """
    free = any(a.name in without and _may_be_of_schemes(a) for a in claim.assumptions)
    size = int(generator.integers(2, 7))
    if free and claim.schemes and generator.random() < 0.3:  # what a claim asks for may be needed in large groups alone
        size = claim.schemes[generator.integers(len(claim.schemes))].group_size
    if claim.schemes and not (free and generator.random() < 0.8):
        scheme = claim.schemes[generator.integers(len(claim.schemes))]
        pairs_only = any(a.name == "pairs" for a in claim.assumptions)
        if pairs_only or generator.random() < 0.5 or size < scheme.estimator.smallest:
            return scheme
        return Scheme(size, scheme.normalization, scheme.eps, scheme.ddof)
    eps, ddof = ((0.0, 0), (0.0, 1), (0.25, 0), (1.0, 0))[generator.integers(4)] if free else (0.0, 0)
    names = (*NORMALIZATIONS, *_OTHERS) if free else NORMALIZATIONS
    return Scheme(size, names[generator.integers(len(names))], eps, ddof)


def _may_be_of_schemes(assumption: Assumption) -> bool:
    """Whether another scheme on one process can decide it otherwise, or only a claim's numbers show it."""
    if assumption.met is None:
        return True
    env = families.bandit([["0", "0"], ["1", "0"], ["1", "1"]], weights=("1/2", "1/2"))
    names = (*NORMALIZATIONS, *_OTHERS)
    schemes = [Scheme(size, name, eps, size % 2) for name in names for size in (2, 3) for eps in (0.0, 1.0)]
    return len({assumption.met(Instance(env, TabularSoftmax(env), scheme)) for scheme in schemes}) > 1


def draw_process(generator: np.random.Generator, one_decision: bool) -> TAMDP:
    """A bandit with deterministic or random arms, a bandit of fair components, or a small tree."""
    components = int(generator.integers(1, 4))
    if not one_decision and generator.random() < 0.6:
        levels = 2 if generator.random() < 0.6 else 3
        seed, prompts, depth = (
            int(generator.integers(2**31)),
            int(generator.integers(1, 3)),
            int(generator.integers(1, 3)),
        )
        return families.random_tree(
            seed=seed, prompts=prompts, tools=1, answers=2, max_tool_depth=depth, components=components, levels=levels
        )
    if generator.random() < 0.15:
        return component_bandit(max(components, 2), bool(generator.random() < 0.5), "components")
    grades = _GRADES[:2] if generator.random() < 0.6 else _GRADES
    arms = [_draw_arm(components, grades, generator) for _ in range(generator.integers(2, 5))]
    weights = [Fraction(int(generator.integers(1, 9)), 8) for _ in range(components)]
    if generator.random() < 0.4:
        weights = [Fraction(1, components)] * components
    return families.bandit(arms, weights=weights, name="bandit")


def _draw_arm(
    components: int, grades: tuple[Fraction, ...], generator: np.random.Generator
) -> list[tuple[Fraction, tuple[Fraction, ...]]]:
    kind = generator.integers(3)
    if kind == 0:
        chances = [Fraction(int(generator.integers(0, 9)), 8) for _ in range(components)]
        law = []
        for bits in product((0, 1), repeat=components):
            p = Fraction(1)
            for bit, chance in zip(bits, chances, strict=True):
                p *= chance if bit else 1 - chance
            if p:
                law.append((p, tuple(Fraction(bit) for bit in bits)))
        return law
    outcomes = {tuple(grades[generator.integers(len(grades))] for _ in range(components)) for _ in range(kind)}
    parts = [int(generator.integers(1, 9)) for _ in outcomes]
    return [(Fraction(part, sum(parts)), rewards) for part, rewards in zip(parts, sorted(outcomes), strict=True)]


def draw_policy(env: TAMDP, shared: bool, generator: np.random.Generator) -> Policy:
    """Uniform, soft or sharp; with shared parameters and large features if ``shared``."""
    if shared:
        scale = float(generator.choice([1.0, 3.0, 8.0]))
        features = np.round(scale * generator.standard_normal((env.n_pairs, int(generator.integers(1, 4)))), 1)
        return LogLinear(env, features, np.round(generator.normal(scale=0.5, size=features.shape[1]), 1))
    return TabularSoftmax.random(env, generator, float(generator.choice([0.0, 0.7, 1.5, 3.0])))
