"""Nearly deterministic policies, light weights, constant rewards: where rounding would make a wrong number
or verdict.
"""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from bounds import CLAIMS, Instance, Verdict
from tamdp_theory import TAMDP, LogLinear, TabularSoftmax, exact, families, grpo
from tamdp_theory.exact import Scheme

TWO = families.bandit([["0"], ["1"]])
THREE = families.bandit([["0"], ["1/3"], ["1"]])


def bandit_policy(env: TAMDP, logits: list[float]) -> TabularSoftmax:
    return TabularSoftmax(env, [logits])


@pytest.mark.parametrize("logit", [14.0, 25.0, 38.0, 300.0])
def test_gradient_and_energy_of_a_saturated_policy(logit: float) -> None:
    """Two arms, rewards 0 and 1: grad J = q (1 - q) (-1, 1), E||s||^2 = 2 q (1 - q), q = e^-logit / (1 + e^-logit)."""
    policy = bandit_policy(TWO, [0.0, logit])
    product = np.exp(-logit) / (1 + np.exp(-logit)) ** 2
    np.testing.assert_allclose(exact.policy_gradient(TWO, policy), [-product, product], rtol=1e-12)
    assert exact.score_energy(TWO, policy)[0] == pytest.approx(2 * product, rel=1e-12)
    law = exact.reward_law(TWO, policy)[0]
    np.testing.assert_allclose(law.gradient, [[product, -product], [-product, product]], rtol=1e-12)
    assert law.score_energy.sum() == pytest.approx(2 * product, rel=1e-12)


@pytest.mark.parametrize("logit", [2.0, 25.0, 300.0])
def test_weighted_scores_of_a_saturated_policy(logit: float) -> None:
    """A thought (weight 1/4) with reward 1 against an answer (weight 1) with reward 1/4: w r is 1/4 for both, so E[s r]
    = 0 exactly as far as floats go; with reward 1/2 for the answer it is q (1 - q) (1/4 - 1/2) for the thought. Both
    rewards are sure, d(x) = 1."""
    for reward, factor in (("1/4", 0.0), ("1/2", 0.25)):
        env = TAMDP.from_dict(
            {
                "schema": "tamdp/1",
                "name": "weighted",
                "max_tool_depth": 0,
                "components": [{"name": "r", "weight": 1}],
                "prompts": [{"name": "q", "probability": 1, "start": "a"}],
                "nodes": [
                    {
                        "id": "a",
                        "depth": 0,
                        "actions": [
                            {"name": "think", "kind": "think", "next": [{"probability": 1, "node": "b"}]},
                            {"name": "stop", "kind": "answer", "next": [{"probability": 1, "rewards": [reward]}]},
                        ],
                    },
                    {
                        "id": "b",
                        "depth": 0,
                        "actions": [{"name": "go", "kind": "answer", "next": [{"probability": 1, "rewards": [1]}]}],
                    },
                ],
            }
        )
        product = np.exp(-logit) / (1 + np.exp(-logit)) ** 2
        for sign in (1, -1):
            found = exact.policy_gradient(
                env, TabularSoftmax(env, np.array([[0.0, sign * logit], [0.0, 0.0]])), think_weight=0.25
            )
            np.testing.assert_allclose(found[:2], [-factor * product, factor * product], rtol=1e-12, atol=0)


def test_comparator_is_optimal_however_unlikely() -> None:
    found = exact.gradient_domination(TWO, bandit_policy(TWO, [0.0, -360.0]))
    assert found.optimum == 1
    assert found.gap == pytest.approx(1)
    assert found.constant == pytest.approx(np.exp(360.0), rel=1e-12)
    light = families.bandit([["0"], ["1"]], weights=("1/1000000000000",))
    assert exact.gradient_domination(light, bandit_policy(light, [3.0, -3.0])).comparator.tolist() == [1]
    assert CLAIMS["L4"].check(light, bandit_policy(light, [3.0, -3.0])).verdict is not Verdict.VIOLATED
    assert CLAIMS["L4"].check(TWO, bandit_policy(TWO, [0.0, -360.0])).verdict is Verdict.VACUOUS


@pytest.mark.parametrize("logit", [14.0, 40.0, 300.0])
def test_scores_of_a_saturated_shared_policy(logit: float) -> None:
    """The same two arms with one feature each: E||s||^2 = 2 q (1 - q); the likely arm's own score q (1, -1) does not
    vanish.
    """
    policy = LogLinear(TWO, np.eye(2)[None], [0.0, logit])
    q = np.exp(-logit) / (1 + np.exp(-logit))
    np.testing.assert_allclose(policy.scores(), [[1 - q, q - 1], [-q, q]], rtol=1e-12)
    assert exact.score_energy(TWO, policy)[0] == pytest.approx(2 * q * (1 - q), rel=1e-12)


def test_domination_of_what_is_hardly_reached() -> None:
    """A tool that succeeds with probability 10^-250, then an arm of probability e^-150 / (1 + e^-150): the product is
    below what a float64 holds in full, but the constant is a ratio of visits in which the tool cancels: sqrt(1 +
    (10^-250 ...)) = 1/pi at each node reached."""
    env = TAMDP.from_dict(
        {
            "schema": "tamdp/1",
            "name": "rare",
            "max_tool_depth": 1,
            "components": [{"name": "r", "weight": 1}],
            "prompts": [{"name": "q", "probability": 1, "start": "a"}],
            "nodes": [
                {
                    "id": "a",
                    "depth": 0,
                    "actions": [
                        {
                            "name": "try",
                            "kind": "tool",
                            "next": [
                                {"probability": Fraction(1, 10**250), "node": "b"},
                                {"probability": 1 - Fraction(1, 10**250), "rewards": [0]},
                            ],
                        }
                    ],
                },
                {
                    "id": "b",
                    "depth": 1,
                    "actions": [
                        {"name": "go", "kind": "answer", "next": [{"probability": 1, "rewards": [1]}]},
                        {"name": "stop", "kind": "answer", "next": [{"probability": 1, "rewards": [0]}]},
                    ],
                },
            ],
        }
    )
    found = exact.gradient_domination(env, TabularSoftmax(env, np.array([[0.0, 0.0], [-150.0, 0.0]])))
    assert found.constant == pytest.approx(np.exp(150.0), rel=1e-12)
    assert exact.gradient_domination(TWO, bandit_policy(TWO, [0.0, -350.0])).constant == pytest.approx(
        np.exp(350.0), rel=1e-12
    )
    assert exact.gradient_domination(TWO, bandit_policy(TWO, [0.0, -705.0])).constant == pytest.approx(
        np.exp(705.0), rel=1e-11
    )
    assert exact.gradient_domination(TWO, bandit_policy(TWO, [0.0, -720.0])).constant == np.inf  # e^720 > 1.8e308


def test_domination_is_vacuous_beyond_the_range_of_rewards() -> None:
    env = families.bandit([["9/20"], ["11/20"]])
    assert CLAIMS["L4"].check(env, bandit_policy(env, [2.3, 0.0])).verdict is Verdict.VACUOUS


@pytest.mark.parametrize(
    ("new", "old"), [([0, 0, 0], [0, 0, 720]), ([0, 0, 0], [800, 0, 0]), ([0, 0, 800], [800, 0, 0])]
)
@pytest.mark.parametrize("clip", [(0.2, 0.2), (1.0, np.inf), (0.0, 0.0)])
def test_surrogate_of_far_policies_is_finite(new: list[float], old: list[float], clip: tuple[float, float]) -> None:
    found = exact.surrogate(THREE, bandit_policy(THREE, new), bandit_policy(THREE, old), 4, "sum_then_normalize", clip)
    assert np.isfinite(found.value)
    assert np.isfinite(found.gradient).all()


def test_logits_beyond_the_range_of_exp() -> None:
    """pi is (1, 2e-22, 0): no sampled step can move it."""
    env = families.bandit([["1"], ["0"], ["0"]])
    policy = bandit_policy(env, [0.0, -50.0, -2400.0])
    config = grpo.Config(mode="sampled", steps=1, learning_rate=1.0, group_size=2, normalization="center")
    moved = np.abs(grpo.train(env, policy, config, range(100)).parameters - policy.parameters).max()
    assert moved < 1e-9


@pytest.mark.parametrize("claim_id", [c for c in CLAIMS if CLAIMS[c].standing.value != "printed"])
@pytest.mark.parametrize("weight", ["1", "1/1000000", "1000000"])
def test_no_claim_fails_on_extreme_instances(claim_id: str, weight: str) -> None:
    """Saturated policies, weights from 1e-6 to 1e6, constant rewards, large eps: never violated, never an exception."""
    claim = CLAIMS[claim_id]
    arms: list[Any] = [[["0"], ["1"]], [["1/2"], ["1/2"]], [["0"], ["1/3"], ["1"]]]
    for rewards in arms:
        env = families.bandit(rewards, weights=(weight,))
        for logit in (0.0, 5.0, 20.0, 40.0, 300.0):
            policy = bandit_policy(env, [0.0] * (len(rewards) - 1) + [logit])
            for scheme in (
                *claim.schemes[:2],
                *(Scheme(s.group_size, s.normalization, 1e5, 1) for s in claim.schemes[:2]),
            ) or (Scheme(4, "center"),):
                check = claim.check(Instance(env, policy, scheme, steps=20, runs=4))
                assert check.verdict is not Verdict.VIOLATED, (rewards, logit, scheme, check)


def test_constant_rewards_are_out_of_scope_of_theorem_1() -> None:
    env = families.bandit([["1/2"], ["1/2"]])
    for claim_id in ("T1.stationary", "T1.stationary.path", "T1.exact", "T1.exact.start", "T1.biased"):
        check = CLAIMS[claim_id].check(env)
        assert check.verdict is Verdict.ASSUMPTION_UNMET
        assert check.assumptions["rewards vary"] is False
    assert CLAIMS["L3"].check(env).verdict is Verdict.VACUOUS


def test_a_slightly_wrong_identity_does_not_hold() -> None:
    """L7 with a factor of 1.001 on one side, at a sharp policy where both sides are small."""
    from dataclasses import replace

    import sympy as sp

    from bounds import symbols

    env = families.random_tree(seed=2, prompts=4, tools=2, answers=3, max_tool_depth=2, components=3)
    claim = replace(CLAIMS["L7"], statement=sp.Eq(symbols.slope_potential, sp.Rational(1001, 1000) * symbols.mean_law))
    for scheme in (Scheme(4, "center"), Scheme(4, "normalize_then_sum")):
        policy = TabularSoftmax.random(env, np.random.default_rng(2), 3.0)
        assert CLAIMS["L7"].check(Instance(env, policy, scheme, seed=7)).verdict is Verdict.HOLDS
        assert claim.check(Instance(env, policy, scheme, seed=7)).verdict is Verdict.VIOLATED


def test_inputs_are_copied() -> None:
    p = np.array([0.3, 0.7])
    moments = exact.group_moments(p, [[0], [1]], [1], 3, "center")
    features = np.ones((TWO.n_pairs, 1))
    policy = LogLinear(TWO, features)
    p[:], features[:] = [0.9, 0.1], 5.0
    np.testing.assert_allclose(moments.first, [-0.7 * 2 / 3, 0.3 * 2 / 3])
    assert policy.features.max() == 1
