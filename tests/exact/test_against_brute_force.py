"""Every number of the engine against sums over all trajectories and all ordered groups (tests/helpers/oracle.py)."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tamdp_theory import TAMDP, LogLinear, Network, Policy, TabularSoftmax, exact, families
from tamdp_theory.exact import Scheme, UpdatePlan
from tamdp_theory.strategies import documents, policies, schemes
from tests.helpers import oracle

RELATIVE = 1e-10


def close(found: Any, expected: Any, scale: float = 1.0) -> None:
    """Agreement to 1e-10 relative; ``scale`` is the size of the terms that were added up."""
    found, expected = np.asarray(found), np.asarray(expected)
    size = max(float(np.abs(expected).max(initial=0.0)), 1e-4 * scale)
    np.testing.assert_allclose(found, expected, rtol=0, atol=RELATIVE * size)


def score_table(env: TAMDP, policy: Policy) -> dict[tuple[int, int], np.ndarray]:
    return {(int(x), int(a)): g for x, a, g in zip(env.pair_node, env.pair_action, policy.scores(), strict=True)}


@settings(max_examples=60, deadline=None)
@given(st.data(), documents())
def test_values_gradient_law_and_fisher(data: st.DataObject, content: dict[str, Any]) -> None:
    env = TAMDP.from_dict(content)
    policy = data.draw(policies(env))
    table, scores, rho = policy.probabilities(), score_table(env, policy), oracle.prompt_weights(content)
    everything = oracle.paths(content, table)
    close(exact.values(env, policy).total, oracle.objective(content, table))
    for k in range(env.n_components):
        close(
            exact.values(env, policy).components[k],
            sum(rho[p.prompt] * p.probability * float(p.rewards[k]) for p in everything),
        )
    gradient = sum(
        rho[p.prompt] * p.probability * float(oracle.composite(content, p.rewards)) * oracle.score(p, scores)
        for p in everything
    )
    close(exact.policy_gradient(env, policy), gradient)
    fisher = sum(
        rho[p.prompt] * p.probability * np.outer(oracle.score(p, scores), oracle.score(p, scores)) for p in everything
    )
    close(exact.fisher_information(env, policy), fisher)
    for q, law in enumerate(exact.reward_law(env, policy)):
        classes = sorted({p.rewards for p in everything if p.prompt == q})
        close(law.rewards, [[float(r) for r in rewards] for rewards in classes])
        close(exact.score_energy(env, policy)[q], law.score_energy.sum())
        for m, rewards in enumerate(classes):
            own = [p for p in everything if p.prompt == q and p.rewards == rewards]
            close(law.probability[m], sum(p.probability for p in own))
            close(law.gradient[m], sum(p.probability * oracle.score(p, scores) for p in own))
            close(
                law.score_energy[m],
                sum(p.probability * float(oracle.score(p, scores) @ oracle.score(p, scores)) for p in own),
            )


@settings(max_examples=120, deadline=None)
@given(st.data(), documents(), schemes(), st.sampled_from([1.0, 0.5, 0.0]))
def test_update_moments(data: st.DataObject, content: dict[str, Any], scheme: Scheme, think_weight: float) -> None:
    env = TAMDP.from_dict(content)
    assume(exact.count_trajectories(env) ** scheme.group_size <= 4000)
    policy = data.draw(policies(env))
    found = exact.update_moments(
        env,
        policy,
        scheme.group_size,
        normalization=scheme.normalization,
        eps=scheme.eps,
        ddof=scheme.ddof,
        think_weight=think_weight,
    )
    weight = oracle.think_weights(content, think_weight)
    mean, variance = oracle.update(
        content,
        policy.probabilities(),
        score_table(env, policy),
        group_size=scheme.group_size,
        normalization=scheme.normalization,
        eps=scheme.eps,
        ddof=scheme.ddof,
        weight=weight,
    )
    close(found.mean, mean)
    close(found.variance, variance)
    close(found.second_moment, float(mean @ mean) + variance)


FIXED = {
    "tree": families.random_tree(seed=5, prompts=2, tools=1, answers=2, max_tool_depth=1, components=3),
    "graded": families.random_tree(seed=6, prompts=2, tools=1, answers=1, max_tool_depth=1, components=2, levels=5),
    "unequal": families.random_tree(
        seed=7, prompts=1, tools=1, answers=2, max_tool_depth=1, components=2, weights=("1/7", 0.3141592653589793)
    ),
    "search": families.search(prompts=1, max_tool_depth=0),
    "drift": families.drift_bandit(),
}


@pytest.mark.parametrize("name", FIXED)
@pytest.mark.parametrize("normalization", exact.NORMALIZATIONS)
@pytest.mark.parametrize(("group_size", "eps", "ddof"), [(2, 0.0, 0), (3, 0.0, 0), (3, 0.0, 1), (4, 1e-4, 1)])
def test_update_moments_on_families(
    name: str, normalization: exact.Normalization, group_size: int, eps: float, ddof: int
) -> None:
    env = FIXED[name]
    if exact.count_trajectories(env) ** group_size > 30_000:
        group_size = 2
    policy = TabularSoftmax.random(env, np.random.default_rng(0))
    found = exact.update_moments(env, policy, group_size, normalization=normalization, eps=eps, ddof=ddof)
    table = policy.probabilities()
    mean, variance = oracle.update(
        env.to_dict(), table, oracle.tabular_scores(table), group_size, normalization, eps, ddof
    )
    close(found.mean, mean)
    close(found.variance, variance)


@settings(max_examples=60, deadline=None)
@given(st.data(), documents(), schemes(2), st.sampled_from([(0.2, 0.2), (0.1, 0.5), (1.0, np.inf), (0.0, 0.0)]))
def test_surrogate(data: st.DataObject, content: dict[str, Any], scheme: Scheme, clip: tuple[float, float]) -> None:
    env = TAMDP.from_dict(content)
    policy = data.draw(policies(env))
    old = policy.with_parameters(
        policy.parameters + 0.5 * np.random.default_rng(1).standard_normal(policy.n_parameters)
    )
    found = exact.surrogate(
        env,
        policy,
        old,
        group_size=scheme.group_size,
        normalization=scheme.normalization,
        clip=clip,
        kl_coef=0.3,
        reference=old,
        eps=scheme.eps,
        ddof=scheme.ddof,
    )
    table, before = policy.probabilities(), old.probabilities()
    kl = oracle.divergence(content, table, before)
    expected = oracle.surrogate(
        content, table, before, scheme.group_size, scheme.normalization, clip, scheme.eps, scheme.ddof
    )
    close(found.kl, kl)
    close(found.value, expected - 0.3 * kl)
    close(exact.divergence(env, policy, old).value, kl)


def central(function: Any, at: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """Central differences of a function of parameters, one row per parameter."""
    return np.array(
        [
            (np.asarray(function(at + step * e)) - np.asarray(function(at - step * e))) / (2 * step)
            for e in np.eye(len(at))
        ]
    )


@pytest.mark.parametrize("kind", ["tabular", "log-linear", "network"])
def test_gradients_are_derivatives(kind: str) -> None:
    env = families.random_tree(seed=8, prompts=2, tools=1, answers=2, max_tool_depth=1, components=2)
    generator = np.random.default_rng(3)
    policy: Policy = {
        "tabular": lambda: TabularSoftmax.random(env, generator),
        "log-linear": lambda: LogLinear(env, generator.standard_normal((env.n_pairs, 4)), generator.standard_normal(4)),
        "network": lambda: Network(env, 3, generator=generator),
    }[kind]()
    other = policy.with_parameters(policy.parameters + 0.3 * generator.standard_normal(policy.n_parameters))
    at = policy.parameters

    def gradient_at(theta: np.ndarray) -> np.ndarray:
        return exact.policy_gradient(env, policy.with_parameters(theta))

    np.testing.assert_allclose(
        central(lambda t: exact.values(env, policy.with_parameters(t)).total, at), gradient_at(at), atol=1e-8
    )
    np.testing.assert_allclose(
        central(lambda t: exact.divergence(env, policy.with_parameters(t), other).value, at),
        exact.divergence(env, policy, other).gradient,
        atol=1e-8,
    )
    for normalization in exact.NORMALIZATIONS:

        def objective(theta: np.ndarray, normalization: exact.Normalization = normalization) -> exact.Surrogate:
            return exact.surrogate(env, policy.with_parameters(theta), other, 3, normalization, (0.2, 0.1), 0.5, other)

        np.testing.assert_allclose(central(lambda t: objective(t).value, at), objective(at).gradient, atol=1e-8)
        # at the old policy the surrogate's gradient is the expected update
        here = exact.surrogate(env, policy, policy, 3, normalization)
        np.testing.assert_allclose(here.gradient, exact.update_moments(env, policy, 3, normalization).mean, atol=1e-14)
    for m in range(len(exact.reward_law(env, policy)[0].probability)):
        found = central(lambda t, m=m: exact.reward_law(env, policy.with_parameters(t))[0].probability[m], at)
        np.testing.assert_allclose(found, exact.reward_law(env, policy)[0].gradient[m], atol=1e-8)
    if kind != "network":
        np.testing.assert_allclose(central(gradient_at, at), exact.hessian(env, policy), atol=1e-8)


def test_many_policies_at_once_equal_one_by_one() -> None:
    env = families.random_tree(seed=9, prompts=3, tools=2, answers=2, max_tool_depth=2, components=3)
    plan = UpdatePlan(env, Scheme(5, "sum_then_normalize"))
    several = [TabularSoftmax.random(env, np.random.default_rng(seed)) for seed in range(4)]
    pi = np.stack([policy.pair_probability for policy in several], axis=1)
    variance, mean = plan.tabular_variance(pi), plan.mean_sensitivity(pi)
    for s, policy in enumerate(several):
        one = plan.moments(policy)
        np.testing.assert_allclose(variance[s], one.variance, rtol=1e-13)
        np.testing.assert_allclose(mean[:, s], one.mean[env.pair_parameter], atol=1e-15)
