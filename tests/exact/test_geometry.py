"""Smoothness and gradient domination: attained constants, optimal comparators by exhaustion."""

import itertools
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamdp_theory import TAMDP, CapacityError, InputError, LogLinear, Network, TabularSoftmax, exact, families
from tamdp_theory.strategies import tabular_policies, tamdps
from tests.helpers import oracle
from tests.helpers.chains import chain


def test_bandit_constant_is_attained() -> None:
    """Two arms, rewards 0 and 1: sigma'' peaks at 1/(6 sqrt 3), and the Hessian's norm is twice that."""
    env = families.bandit([["0"], ["1"]])
    p = 0.5 + sqrt(3) / 6
    policy = TabularSoftmax(env, [[0.0, np.log(p / (1 - p))]])
    assert np.linalg.norm(exact.hessian(env, policy), 2) == pytest.approx(1 / (3 * sqrt(3)), rel=1e-12)


def test_tree_constant_is_attained() -> None:
    env = chain()
    policy = TabularSoftmax(env, np.log([[3.0, 1.0], [3.0, 1.0]]))
    assert np.linalg.norm(exact.hessian(env, policy), 2) == pytest.approx(27 / 128, rel=1e-12)


@settings(max_examples=80, deadline=None)
@given(st.data(), tamdps())
def test_hessian_is_below_the_smoothness_constant(data: st.DataObject, env: TAMDP) -> None:
    policy = data.draw(tabular_policies(env))
    norm = np.linalg.norm(exact.hessian(env, policy), 2)
    assert norm <= exact.smoothness(env) + 1e-14


@settings(max_examples=60, deadline=None)
@given(st.data(), tamdps(max_nodes=2))
def test_gradient_domination(data: st.DataObject, env: TAMDP) -> None:
    """J* by trying every deterministic policy; the inequality; and no optimal comparator with a smaller constant on
    trees.
    """
    policy = data.draw(tabular_policies(env))
    found = exact.gradient_domination(env, policy)
    content, counts = env.to_dict(), env.pair_count
    tables = []
    for choice in itertools.product(*(range(c) for c in counts)):
        table = np.zeros(policy.probabilities().shape)
        table[np.arange(len(choice)), choice] = 1.0
        tables.append(table)
    best = max(oracle.objective(content, table) for table in tables)
    assert found.optimum == pytest.approx(best, abs=1e-12)
    assert exact.optimal_values(env).total == pytest.approx(best, abs=1e-12)
    gap = best - oracle.objective(content, policy.probabilities())
    assert found.gap == pytest.approx(gap, abs=1e-12)
    assert gap <= found.constant * np.linalg.norm(exact.policy_gradient(env, policy)) + 1e-12


def test_comparator_has_the_smallest_constant_on_a_tree() -> None:
    """Every optimal deterministic policy by exhaustion, C from its definition."""
    env = families.bandit([["1"], ["1"], ["0"]])
    policy = TabularSoftmax(env, [[0.0, 1.0, 2.0]])
    p = policy.probabilities()[0]
    assert exact.gradient_domination(env, policy).constant == pytest.approx(min(1 / p[0], 1 / p[1]), rel=1e-12)


def test_smoothness_counts_only_a_prompts_own_range() -> None:
    env = families.contextual_bandit([[["0"], ["1/2"]], [["1/2"], ["1"]]], prompt_probability=("1/4", "3/4"))
    assert exact.smoothness(env) == pytest.approx(0.75 * 0.5 / (3 * np.sqrt(3)))


def test_errors() -> None:
    env = families.drift_bandit()
    network = Network(env, 2, generator=np.random.default_rng(0))
    with pytest.raises(InputError, match="not linear in its parameters"):
        exact.hessian(env, network)
    with pytest.raises(InputError, match="tabular"):
        exact.gradient_domination(env, LogLinear(env))
    with pytest.raises(InputError, match="one per reward class"):
        exact.hessian(env, TabularSoftmax(env), [1.0])
    with pytest.raises(InputError, match="belongs to"):
        exact.values(env, TabularSoftmax(families.search()))
    large = families.random_tree(seed=0, prompts=600)
    with pytest.raises(CapacityError, match="dense matrix over the limit"):
        exact.hessian(large, TabularSoftmax(large))
    with pytest.raises(CapacityError, match="trajectories exceed"):
        exact.enumerate_trajectories(families.blackjack())
