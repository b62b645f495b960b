"""The variance of graded rewards: bounds with and without eps, against brute force, and where none can fall with G."""

import numpy as np
import pytest

from bounds import CLAIMS, Evidence, Instance, Verdict
from bounds import symbols as s
from bounds.claims.training import second_moment_ceiling
from bounds.claims.variance import far_and_near
from tamdp_theory import TabularSoftmax, exact, families
from tamdp_theory.exact import Scheme

GRADED = families.random_tree(seed=3, prompts=2, tools=1, answers=2, max_tool_depth=1, components=2, levels=5)
THREE = families.bandit([["0"], ["1/3"], ["1"]])


@pytest.mark.parametrize(("eps", "ddof"), [(0.5, 0), (2.0, 1)])
def test_sides_by_listing(eps: float, ddof: int) -> None:
    """V by the tests' own groups; e, lambda and sigma by trajectories."""
    scheme = Scheme(3, "sum_then_normalize", eps, ddof)
    policy = TabularSoftmax.random(THREE, np.random.default_rng(1), 0.7)
    numbers = CLAIMS["L9.eps"].measure(Instance(THREE, policy, scheme)).numbers
    pi, rewards = policy.pair_probability, np.array([0, 1 / 3, 1])
    scores = np.eye(3) - pi
    mean, second = np.zeros(3), 0.0
    for group in np.ndindex(3, 3, 3):
        c = rewards[list(group)]
        spread = np.sqrt(((c - c.mean()) ** 2).sum() / (3 - ddof))
        g = ((c - c.mean()) / (spread + eps)) @ scores[list(group)] / 3
        chance = pi[list(group)].prod()
        mean, second = mean + chance * g, second + chance * g @ g
    assert numbers[s.variance_prompt][0] == pytest.approx(second - mean @ mean, rel=1e-11)
    assert numbers[s.energy_prompt][0] == pytest.approx(pi @ (scores**2).sum(axis=1), rel=1e-12)
    square = (scores.T * pi) @ scores
    assert numbers[s.energy_direction][0] == pytest.approx(np.linalg.eigvalsh(square)[-1], rel=1e-12)
    assert numbers[s.sd_prompt][0] == pytest.approx(np.sqrt(pi @ (rewards - pi @ rewards) ** 2), rel=1e-12)
    assert numbers[s.osc_prompt][0] == 1


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("size", [2, 3, 5])
def test_the_deviation_of_a_group_is_near_that_of_the_law(size: int, ddof: int) -> None:
    """E (sigma^2 - sigma_q^2)^2 <= osc^2 sigma_q^2 / G, the step of L9.eps, on laws drawn at random."""
    generator, worst = np.random.default_rng([size, ddof]), 0.0
    for _ in range(60):
        p, c = generator.dirichlet(np.full(3, 0.3)), np.array([0.0, generator.random(), 1.0])
        variance = p @ (c - p @ c) ** 2
        total = sum(
            p[list(g)].prod() * (c[list(g)].var() * size / (size - ddof) - variance) ** 2
            for g in np.ndindex(*(3,) * size)
        )
        worst = max(worst, total * size / variance)
    assert 0.2 < worst <= 1


def test_larger_groups_and_larger_eps_bound_more() -> None:
    policy = TabularSoftmax.random(GRADED, np.random.default_rng(2), 0.7)
    sides = {}
    for size, eps in ((4, 1.0), (16, 1.0), (16, 0.25)):
        check = CLAIMS["L9.eps"].check(Instance(GRADED, policy, Scheme(size, "sum_then_normalize", eps)))
        assert check.verdict in (Verdict.HOLDS, Verdict.VACUOUS)
        sides[size, eps] = check.rhs
    assert sides[16, 1.0] == pytest.approx(sides[4, 1.0] / 4 * (225 / 256) / (9 / 16), rel=1e-9)
    assert sides[16, 0.25] > sides[16, 1.0]


@pytest.mark.parametrize(("size", "value"), [(2, 0.211), (16, 0.136)])
def test_far_and_near(size: int, value: float) -> None:
    """The variance stays, by the ordered brute force and by the claim."""
    instance = far_and_near(size)
    check = CLAIMS["L9.graded.none"].check(instance)
    assert (check.verdict, check.evidence) == (Verdict.HOLDS, Evidence.CERTIFIED)
    assert check.lhs == pytest.approx(value, abs=6e-4)
    if size == 2:
        env, policy = instance.env, instance.policy
        scores = np.eye(3) - policy.pair_probability
        pi, second, mean = policy.pair_probability, 0.0, np.zeros(3)
        for group in np.ndindex(3, 3):
            c = np.array([float(env.exact_class_composite[m]) for m in group])
            if c[0] != c[1]:
                g = np.sign(c - c.mean()) @ scores[list(group)] / 2
                mean, second = mean + pi[list(group)].prod() * g, second + pi[list(group)].prod() * g @ g
        assert check.lhs == pytest.approx(second - mean @ mean, rel=1e-12)


def test_it_says_nothing_elsewhere() -> None:
    check = CLAIMS["L9.graded.none"].check(
        Instance(THREE, TabularSoftmax(THREE, np.array([[9.0, 0, 0]])), Scheme(64, "sum_then_normalize"))
    )
    assert check.verdict is Verdict.ASSUMPTION_UNMET and check.assumptions["witness"] is False


@pytest.mark.parametrize("eps", [0.0, 0.5, 3.0])
def test_the_second_moment_stays_below_its_ceiling(eps: float) -> None:
    """At policies from uniform to sharp; with a large eps L9.eps is the better bound."""
    scheme = Scheme(64, "sum_then_normalize", eps)
    plain = second_moment_ceiling(Instance(THREE, TabularSoftmax(THREE), Scheme(64, "sum_then_normalize")))
    for seed in range(20):
        policy = TabularSoftmax.random(THREE, np.random.default_rng(seed), 0.2 * seed)
        instance = Instance(THREE, policy, scheme)
        assert exact.UpdatePlan(THREE, scheme).moments(policy).second_moment <= second_moment_ceiling(instance)
    assert (second_moment_ceiling(instance) < plain) == (eps == 3.0)
