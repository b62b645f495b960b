"""Adversarial instances: where floats, ties and tolerances go wrong. Everything from a generator; numbers are decimals,
read exactly.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from bounds import Generalization, Instance
from bounds.claims.scaling import component_bandit
from tamdp_theory import TAMDP, TabularSoftmax, families
from tamdp_theory.exact import NORMALIZATIONS, Scheme
from tamdp_theory.model import Floats

Generator = np.random.Generator
Rewards = list[tuple[Fraction, ...]]
GRADES = tuple(Fraction(k, 12) for k in range(13))
EPS = (1e-300, 1e-12, 1e-4, 1e-2, 0.25, 1.0, 1e4, 1e12)


def _grade(g: Generator) -> Fraction:
    return GRADES[g.integers(len(GRADES))]


def _power(g: Generator, least: int = 1, most: int = 16) -> Fraction:
    return Fraction(1, 10 ** int(g.integers(least, most + 1)))


def _bandit(g: Generator, rewards: Rewards, weights: Sequence[Fraction] | None = None) -> TAMDP:
    count = len(rewards[0])
    given = weights or (
        [Fraction(1, count)] * count if g.random() < 0.5 else [Fraction(int(g.integers(1, 9)), 8) for _ in range(count)]
    )
    if g.random() < 0.25 and len(rewards) > 1:  # an arm that is a lottery
        p = Fraction(int(g.integers(1, 8)), 8)
        return families.bandit([[(p, rewards[0]), (1 - p, rewards[1])], *rewards[1:]], weights=given, name="lottery")
    return families.bandit(rewards, weights=given, name="bandit")


def _sizes(g: Generator) -> tuple[int, int]:
    return int(g.choice([2, 3, 4], p=[0.4, 0.45, 0.15])), int(g.integers(1, 4))


def ties(g: Generator) -> TAMDP:
    """Rewards on a coarse grid, some moved by 1e-1 to 1e-16."""
    arms, count = _sizes(g)
    rows = [[_grade(g) for _ in range(count)] for _ in range(arms)]
    for _ in range(int(g.integers(1, 3))):
        m, k, step = int(g.integers(arms)), int(g.integers(count)), _power(g)
        source = rows[int(g.integers(arms))][k]
        rows[m][k] = (
            source - step
            if source >= step and (g.random() < 0.5 or source + step > 1)
            else min(source + step, Fraction(1))
        )
    return _bandit(g, [tuple(row) for row in rows])


def close(g: Generator) -> TAMDP:
    """All rewards within 1e-1 to 1e-16 of each other."""
    arms, count = _sizes(g)
    step, base = _power(g), Fraction(int(g.integers(0, 10)), 10)
    return _bandit(g, [tuple(base + step * int(g.integers(0, 6)) / 10 for _ in range(count)) for _ in range(arms)])


def opposed(g: Generator) -> TAMDP:
    """Components that rise and fall together, or against each other, exactly or up to a small step."""
    arms, _ = _sizes(g)
    first = [_grade(g) for _ in range(arms)]
    scale = (Fraction(1), Fraction(1, 2), Fraction(1, 3))[g.integers(3)]
    second = (
        [scale * v if g.random() < 0.5 else scale * (1 - v) for v in first]
        if g.random() < 0.3
        else [scale * (1 - v) for v in first]
    )
    if g.random() < 0.3:
        second = [scale * v for v in first]
    if g.random() < 0.5:
        place = int(g.integers(arms))
        second[place] = max(second[place] - _power(g), Fraction(0))
    return _bandit(g, list(zip(first, second, strict=True)), [Fraction(1, 2)] * 2 if g.random() < 0.5 else None)


def weights(g: Generator) -> TAMDP:
    """Tiny and huge weights in one process."""
    arms, count = int(g.integers(2, 4)), int(g.integers(2, 4))
    rows = [tuple(_grade(g) for _ in range(count)) for _ in range(arms)]
    return families.bandit(
        rows, weights=[Fraction(10) ** int(g.integers(-20, 9)) for _ in range(count)], name="weights"
    )


def constant(g: Generator) -> TAMDP:
    """Constant rewards, silent components, a single action."""
    arms, count = int(g.integers(1, 4)), int(g.integers(1, 4))
    row = [_grade(g) for _ in range(count)]
    rows = [list(row) for _ in range(arms)]
    if g.random() < 0.5:
        for one in rows:
            one[int(g.integers(count))] = _grade(g)
    return families.bandit([tuple(one) for one in rows], weights=[Fraction(1, count)] * count, name="constant")


def bits(g: Generator) -> TAMDP:
    """Zero-one components, where most claims have something to say; fair coins now and then."""
    if g.random() < 0.2:
        return component_bandit(int(g.integers(1, 4)), bool(g.random() < 0.5), "coins")
    arms, count = _sizes(g)
    rows = [tuple(Fraction(int(g.integers(2))) for _ in range(count)) for _ in range(arms)]
    return _bandit(g, rows)


def trees(g: Generator) -> TAMDP:
    """Small trees with tools that fail, graded or not."""
    return families.random_tree(
        seed=int(g.integers(2**31)),
        prompts=int(g.integers(1, 3)),
        tools=1,
        answers=2,
        max_tool_depth=1,
        components=int(g.integers(1, 3)),
        levels=int(g.integers(2, 4)),
    )


def prompts(g: Generator) -> TAMDP:
    """Several prompts of very different probability, rewards equal on some of them."""
    count, components = int(g.integers(2, 4)), int(g.integers(1, 3))
    share = _power(g, 1, 12)
    chances = [share, *[(1 - share) / (count - 1)] * (count - 1)]
    tables = [[tuple(_grade(g) for _ in range(components)) for _ in range(2)] for _ in range(count)]
    if g.random() < 0.5:
        tables[1] = tables[0]
    return families.contextual_bandit(tables, prompt_probability=chances, name="prompts")


def rare(g: Generator) -> TAMDP:
    """Outcomes of probability 1e-1 to 1e-300."""
    arms, count = int(g.integers(2, 4)), int(g.integers(1, 3))
    rows: list[list[tuple[Fraction, tuple[Fraction, ...]]]] = []
    for _ in range(arms):
        p = _power(g, 1, (12, 300)[g.integers(2)])
        rows.append([(p, tuple(_grade(g) for _ in range(count))), (1 - p, tuple(_grade(g) for _ in range(count)))])
    return families.bandit(rows, name="rare")


FAMILIES: dict[str, Callable[[Generator], TAMDP]] = {
    "ties": ties,
    "close": close,
    "opposed": opposed,
    "weights": weights,
    "constant": constant,
    "bits": bits,
    "trees": trees,
    "prompts": prompts,
    "rare": rare,
}


_SHARES = np.array([1 if name == "trees" else 3 for name in FAMILIES]) / (
    3 * len(FAMILIES) - 2
)  # a tree takes as long as ten bandits


def _logits(g: Generator, env: TAMDP) -> Floats:
    """Uniform; small rational probabilities; soft; or saturated, to probabilities of 1e-300."""
    kind = g.integers(4)
    shape = (env.n_nodes, env.n_actions)
    if kind == 0:
        return np.zeros(shape)
    if kind == 1:
        return np.log(g.integers(1, 8, size=shape).astype(float))
    scale = (1.0, 10.0, 100.0, 300.0)[g.integers(4)] if kind == 3 else 1.0
    return np.asarray(np.round(scale * g.standard_normal(shape), 3).clip(-345, 345))


def draw(g: Generator) -> tuple[str, Instance]:
    """The name of a family and an instance of it, with a reference policy and a target domain."""
    names = list(FAMILIES)
    name = names[g.choice(len(names), p=_SHARES)]
    env = FAMILIES[name](g)
    policy = TabularSoftmax(env, _logits(g, env))
    eps = 0.0 if g.random() < 0.6 else EPS[g.integers(len(EPS))]
    size = 2 if env.n_nodes > env.n_prompts else int(g.choice([2, 3, 4], p=[0.4, 0.45, 0.15]))
    scheme = Scheme(size, NORMALIZATIONS[g.integers(3)], eps, int(g.random() < 0.3))
    shares = g.integers(0, 5, env.n_prompts)
    shares[g.integers(env.n_prompts)] += 1
    target = [Fraction(int(v), int(shares.sum())) for v in shares]
    if g.random() < 0.3:
        target = list(env.exact_prompt_probability)
    reference = TabularSoftmax(env, _logits(g, env)) if g.random() < 0.8 else policy
    setting = Generalization(tuple(target), (policy,), n=int(g.integers(1, 40)))
    return name, Instance(
        env,
        policy,
        scheme,
        reference,
        int(g.integers(1000)),
        steps=5,
        runs=2,
        label=f"{name} {env.name}",
        generalization=setting,
    )
