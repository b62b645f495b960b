"""PPO with an exact critic: by every trajectory, with values found by another route, and what it is good for."""

import math

import numpy as np
import pytest

from tamdp_theory import InputError, LogLinear, TabularSoftmax, exact, families
from tamdp_theory.exact import critic_moments
from tests.helpers import oracle
from tests.helpers.seeds import moved

MAKERS = {
    "tree": lambda: families.random_tree(seed=5, prompts=2, tools=2, answers=2, max_tool_depth=2, components=2),
    "walk": lambda: families.number_line(4, 3),
    "cards": lambda: families.blackjack(),
    "bandit": lambda: families.drift_bandit(),
}


def listed(env: object, policy: TabularSoftmax, size: int, gae_lambda: float) -> tuple[np.ndarray, float]:
    """m and V from every trajectory; values of nodes by averaging the rewards of the trajectories through them."""
    content, table = env.to_dict(), policy.probabilities()  # type: ignore[attr-defined]
    paths, scores = oracle.paths(content, table), oracle.tabular_scores(table)
    mass, total = {}, {}
    for path in paths:
        reward = float(oracle.composite(content, path.rewards))
        for x, _ in path.decisions:
            mass[x] = mass.get(x, 0.0) + path.probability
            total[x] = total.get(x, 0.0) + path.probability * reward
    value = {x: total[x] / mass[x] for x in mass}
    mean, variance = 0.0, 0.0
    for q, rho in enumerate(oracle.prompt_weights(content)):
        first, second = 0.0, 0.0
        for path in paths:
            if path.prompt != q:
                continue
            ahead = [value[x] for x, _ in path.decisions[1:]] + [float(oracle.composite(content, path.rewards))]
            delta = [b - value[x] for b, (x, _) in zip(ahead, path.decisions, strict=True)]
            estimate = sum(
                sum(gae_lambda ** (k - t) * delta[k] for k in range(t, len(delta))) * scores[decision]
                for t, decision in enumerate(path.decisions)
            )
            first, second = first + path.probability * estimate, second + path.probability * float(estimate @ estimate)
        mean = mean + rho * first
        variance += rho**2 * (second - float(first @ first)) / size
    return mean, variance


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "cards"])
@pytest.mark.parametrize(("size", "gae_lambda"), [(1, 1.0), (3, 0.0), (8, 0.95)])
def test_against_every_trajectory(name: str, size: int, gae_lambda: float) -> None:
    env = MAKERS[name]()
    policy = TabularSoftmax.random(env, np.random.default_rng(moved(2)))
    found = critic_moments(env, policy, size, gae_lambda)
    mean, variance = listed(env, policy, size, gae_lambda)
    np.testing.assert_allclose(found.mean, mean, rtol=1e-10, atol=1e-14)
    assert found.variance == pytest.approx(variance, rel=1e-9, abs=1e-15)
    assert found.second_moment == pytest.approx(float(mean @ mean) + variance, rel=1e-9)


@pytest.mark.parametrize("name", MAKERS)
def test_the_expected_update_is_the_gradient_whatever_lambda(name: str) -> None:
    env = MAKERS[name]()
    policy = TabularSoftmax.random(env, np.random.default_rng(moved(3)))
    gradient = exact.policy_gradient(env, policy)
    variances = []
    for gae_lambda in (0.0, 0.5, 1.0):
        found = critic_moments(env, policy, 4, gae_lambda)
        np.testing.assert_allclose(found.mean, gradient, rtol=1e-11, atol=1e-14)
        variances.append(found.variance)
    assert variances == sorted(variances)  # exact values: looking less far ahead only removes noise
    assert critic_moments(env, policy, 8).variance == pytest.approx(variances[-1] / 2)


def test_one_decision_is_reinforce_with_the_mean_as_baseline() -> None:
    """A bandit: A = c - J, and E||A s||^2 by hand."""
    env = families.bandit([0, "1/4", 1])
    policy = TabularSoftmax(env, np.log([[0.5, 0.3, 0.2]]))
    p, c = np.array([0.5, 0.3, 0.2]), np.array([0.0, 0.25, 1.0])
    advantage, scores = c - p @ c, np.eye(3) - p
    second = float(p @ (advantage**2 * (scores**2).sum(axis=1)))
    first = (p * advantage) @ scores
    assert critic_moments(env, policy).variance == pytest.approx(second - float(first @ first), rel=1e-12)


def test_a_critic_is_worth_what_leaving_one_out_costs() -> None:
    """Large groups: the mean of the others is a critic of the prompt, so on a bandit both have one variance."""
    env = families.bandit([0, "1/4", 1])
    policy = TabularSoftmax(env, np.log([[0.5, 0.3, 0.2]]))
    ratios = [
        exact.update_moments(env, policy, size, "leave_one_out").variance / critic_moments(env, policy, size).variance
        for size in (4, 64, 1024)
    ]
    assert ratios[0] > ratios[1] > ratios[2] > 1 and math.isclose(ratios[2], 1, rel_tol=2e-3)


def test_what_is_refused() -> None:
    env = families.bandit([0, 1])
    policy = TabularSoftmax(env)
    for settings, says in (({"gae_lambda": 1.1}, "gae_lambda"), ({"group_size": 0}, "group_size")):
        with pytest.raises(InputError, match=says):
            critic_moments(env, policy, **settings)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not orthogonal"):
        critic_moments(env, LogLinear(env, np.ones((env.n_pairs, 1)), [0.0]))
