"""One sampled step, the score's second moment, and the contrast of two normalizations, by brute force
(tests/helpers/oracle.py).
"""

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tamdp_theory import TAMDP, CapacityError, InputError, LogLinear, TabularSoftmax, exact, families
from tamdp_theory.estimators import Contrast
from tamdp_theory.exact import GroupPlan, Scheme, StepPlan
from tamdp_theory.strategies import documents, policies, reward_tables, schemes, tabular_policies
from tamdp_theory.strategies import weights as drawn_weights
from tests.helpers import oracle
from tests.helpers.steps import few, score_table, stepped

STEPS = (0.0, 0.3, -0.7, 5.0)


# -- one step -----------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.data(), documents(max_nodes=2), schemes(3))
def test_tabular_steps(data: st.DataObject, content: dict[str, Any], scheme: Scheme) -> None:
    assume(few(content, scheme.group_size, 700))
    env = TAMDP.from_dict(content)
    policy = data.draw(tabular_policies(env))
    found = StepPlan(env, policy, scheme).objective(STEPS)
    assert found.shape == (len(STEPS),)
    for value, step in zip(found, STEPS, strict=True):
        assert value == pytest.approx(stepped(content, policy, scheme, step), rel=1e-11, abs=1e-12 * env.total_weight)
    assert found[0] == pytest.approx(oracle.objective(content, policy.probabilities()), rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.data(), documents(max_prompts=1, max_nodes=3), schemes(3))
def test_steps_with_shared_parameters(data: st.DataObject, content: dict[str, Any], scheme: Scheme) -> None:
    assume(few(content, scheme.group_size, 700))
    env = TAMDP.from_dict(content)
    width = data.draw(st.integers(1, 3))
    generator = np.random.default_rng(data.draw(st.integers(0, 100)))
    policy = LogLinear(env, generator.standard_normal((env.n_pairs, width)), generator.standard_normal(width))
    found = StepPlan(env, policy, scheme).objective(STEPS)
    for value, step in zip(found, STEPS, strict=True):
        assert value == pytest.approx(stepped(content, policy, scheme, step), rel=1e-11, abs=1e-12 * env.total_weight)


@settings(max_examples=40, deadline=None)
@given(st.data(), documents(max_nodes=2), schemes(4))
def test_slope_at_zero(data: st.DataObject, content: dict[str, Any], scheme: Scheme) -> None:
    """d/d eta E J(theta + eta g) = <grad J, m> at 0, by a difference of order six."""
    env = TAMDP.from_dict(content)
    policy = data.draw(tabular_policies(env))
    plan, h = StepPlan(env, policy, scheme), 0.01
    try:
        low3, low2, low1, high1, high2, high3 = plan.objective([h * k for k in (-3, -2, -1, 1, 2, 3)])
    except CapacityError:
        return
    slope = (high3 - low3 - 9 * (high2 - low2) + 45 * (high1 - low1)) / (60 * h)
    scores = oracle.tabular_scores(policy.probabilities())
    gradient = exact.policy_gradient(env, policy)
    if few(content, scheme.group_size, 300):
        mean = oracle.update(
            content, policy.probabilities(), scores, scheme.group_size, scheme.normalization, scheme.eps, scheme.ddof
        )[0]
    else:
        mean = exact.UpdatePlan(env, scheme).moments(policy).mean
    assert slope == pytest.approx(
        float(gradient @ mean), rel=1e-7, abs=1e-9 * max(env.total_weight, env.total_weight**2)
    )


def test_a_step_in_closed_form() -> None:
    """Two arms, rewards 0 and 1, pi = 1/2, G = 2: half of the groups move theta by (-1, 1)/4 eta (center) or (-1, 1)/2
    eta.
    """
    env = families.bandit([["0"], ["1"]])
    for normalization, push in (("center", 0.25), ("sum_then_normalize", 0.5)):
        plan = StepPlan(env, TabularSoftmax(env), Scheme(2, normalization))  # type: ignore[arg-type]
        for eta in (0.0, 0.5, 3.0, 1e4):
            expected = 0.5 * 0.5 + 0.5 / (1 + math.exp(-2 * push * eta))
            assert plan.objective(eta)[0] == pytest.approx(expected, rel=1e-14)


def test_many_steps_at_once_are_the_same_steps() -> None:
    env = families.random_tree(seed=3, prompts=2, tools=1, answers=2, max_tool_depth=1, components=2)
    plan = StepPlan(env, TabularSoftmax.random(env, np.random.default_rng(0)), Scheme(3, "normalize_then_sum"))
    sizes = np.linspace(0, 4, 60)
    np.testing.assert_allclose(plan.objective(sizes), [plan.objective(size)[0] for size in sizes], rtol=1e-14)
    for chance, estimate in plan.estimates:
        assert chance.sum() == pytest.approx(1, rel=1e-12)
        assert not estimate[:, -1].any()


def test_silent_groups_do_not_move() -> None:
    env = families.bandit([["1/3"], ["1/3"]])
    ((chance, estimate),) = StepPlan(env, TabularSoftmax(env), Scheme(3, "sum_then_normalize")).estimates
    assert chance.tolist() == [1.0]
    assert not estimate.any()
    assert StepPlan(env, TabularSoftmax(env), Scheme(3, "center")).objective(9.0)[0] == pytest.approx(1 / 3, rel=1e-15)


def test_what_does_not_fit() -> None:
    env = families.search(prompts=2, max_tool_depth=1)
    scheme = Scheme(3, "center")
    with pytest.raises(InputError, match="one prompt only; use TabularSoftmax"):
        StepPlan(env, LogLinear(env), scheme)
    with pytest.raises(InputError, match="the policy belongs to"):
        StepPlan(env, TabularSoftmax(families.drift_bandit()), scheme)
    with pytest.raises(CapacityError, match="trajectories exceed the limit of 2;"):
        StepPlan(env, TabularSoftmax(env), scheme, 2).objective(1.0)
    bandit = families.bandit([["0"], ["1/2"], ["1"]])
    with pytest.raises(
        CapacityError, match=r"bandit: 10 groups exceed the limit of 9; use a smaller instance or group"
    ):
        StepPlan(bandit, TabularSoftmax(bandit), scheme, 9).objective(1.0)
    assert StepPlan(bandit, TabularSoftmax(bandit), scheme, 10).objective(0.0)[0] == pytest.approx(0.5)


# -- the score ----------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(st.data(), documents(), st.sampled_from([1.0, 0.5, 0.0]))
def test_score_norm_bound(data: st.DataObject, content: dict[str, Any], think_weight: float) -> None:
    env = TAMDP.from_dict(content)
    policy = data.draw(policies(env))
    weight, scores = oracle.think_weights(content, think_weight), score_table(env, policy)
    everything, found = oracle.paths(content, policy.probabilities()), exact.score_norm_bound(env, policy, think_weight)
    for q in range(env.n_prompts):
        vectors = [(p.probability, oracle.score(p, scores, weight)) for p in everything if p.prompt == q]
        second = sum(p * np.outer(v, v) for p, v in vectors)
        assert found[q] == pytest.approx(np.linalg.norm(np.asarray(second), 2), rel=1e-10, abs=1e-14)
    if policy.is_tabular and think_weight == 1:
        assert (found <= 0.5 + 1e-15).all()


def mixed_nodes() -> TAMDP:
    """Node a: tool u ends in A, tool v leads to b. Node b: think ends in B, answer ends in C."""

    def end(reward: int, fraction: str = "1") -> list[dict[str, Any]]:
        return [{"probability": fraction, "rewards": [reward, 1]}]

    return TAMDP.from_dict(
        {
            "schema": "tamdp/1",
            "name": "mixed",
            "max_tool_depth": 1,
            "components": [{"name": "r0", "weight": "1/2"}, {"name": "r1", "weight": "1/2"}],
            "prompts": [{"name": "q", "probability": 1, "start": "a"}],
            "nodes": [
                {
                    "id": "a",
                    "depth": 0,
                    "actions": [
                        {"name": "u", "kind": "tool", "next": end(0)},
                        {"name": "v", "kind": "tool", "next": [{"probability": 1, "node": "b"}]},
                    ],
                },
                {
                    "id": "b",
                    "depth": 1,
                    "actions": [
                        {"name": "t", "kind": "think", "next": end(1)},
                        {"name": "c", "kind": "answer", "next": end(0)},
                    ],
                },
            ],
        }
    )


def test_uneven_weights_at_one_node_exceed_one_half() -> None:
    """pi = 1/2, think scores dropped: A (1, -1)/2 half the time, B (-1, 1)/2, C (-1, 1; -1, 1)/2 a quarter each.

    In the unit directions (-1, 1)/sqrt 2 of a and b the second moment is ((1/2, 1/8), (1/8, 1/8)), largest eigenvalue
    (5 + sqrt 13)/16.
    """
    env = mixed_nodes()
    found = [float(exact.score_norm_bound(env, TabularSoftmax(env), weight)[0]) for weight in (0.0, 1.0)]
    assert found == pytest.approx([(5 + math.sqrt(13)) / 16, 0.5], rel=1e-14)


def test_score_matrix_that_does_not_fit() -> None:
    env = families.number_line(size=6, max_steps=10, think=True)
    assert env.n_nodes * env.n_actions > exact.geometry.MAX_DENSE
    assert exact.score_norm_bound(env, TabularSoftmax(env))[0] <= 0.5
    with pytest.raises(CapacityError, match="make a dense matrix over the limit"):
        exact.score_norm_bound(env, TabularSoftmax(env), 0.5)


# -- the contrast -------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.data(), schemes(4), st.integers(1, 3), st.integers(1, 3), st.sampled_from([1.0, 0.0, 0.3, -1.5]))
def test_contrast_of_the_normalizations(
    data: st.DataObject, scheme: Scheme, components: int, classes: int, share: float
) -> None:
    """E[A_1 | m] and E[A_1^2 | m] of A = A^joint - share A^decomposed, over every ordered group."""
    shape = data.draw(st.sampled_from(["free", "ties", "two_valued", "complementary", "comonotone"]))
    rows, weights = data.draw(reward_tables(classes, components, shape)), data.draw(drawn_weights(components))
    probability = np.random.default_rng(data.draw(st.integers(0, 9))).dirichlet(np.ones(classes))
    table = tuple(map(tuple, rows))
    contrast = scheme.under(Contrast(share=Fraction(share)))
    found = GroupPlan(table, tuple(weights), contrast).moments(probability)
    content = {"components": [{"weight": w} for w in weights]}
    first, second = np.zeros(classes), np.zeros(classes)
    for group in itertools.product(range(classes), repeat=scheme.group_size):
        chosen = [table[m] for m in group]
        joint, split = (
            oracle.advantages(content, chosen, name, scheme.eps, scheme.ddof)[0]
            for name in ("sum_then_normalize", "normalize_then_sum")
        )
        others = math.prod(probability[m] for m in group[1:])
        first[group[0]] += others * (joint - share * split)
        second[group[0]] += others * (joint - share * split) ** 2
    scale = max(1.0, float(sum(weights))) * max(1.0, abs(share))
    np.testing.assert_allclose(found.first, first, rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(found.second, second, rtol=0, atol=1e-12 * scale**2)
    if share == 0:
        joint_plan = GroupPlan(
            table, tuple(weights), Scheme(scheme.group_size, "sum_then_normalize", scheme.eps, scheme.ddof)
        )
        np.testing.assert_allclose(found.second, joint_plan.moments(probability).second, atol=1e-13)


def test_contrast_of_opposite_advantages() -> None:
    """R = (0, 1), (1, 1), w = (1/200, 1/200), G = 2: A^joint is (-1, 1) in half of the groups, A^dec 1/200 of it."""
    table = ((Fraction(0), Fraction(1)), (Fraction(1), Fraction(1)))
    found = GroupPlan(table, (Fraction(1, 200),) * 2, Scheme(2, Contrast())).moments(np.array([0.5, 0.5]))
    np.testing.assert_allclose(found.first, [-0.5 * 199 / 200, 0.5 * 199 / 200], rtol=1e-14)
    np.testing.assert_allclose(found.second, [0.5 * (199 / 200) ** 2] * 2, rtol=1e-14)
