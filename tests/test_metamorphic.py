"""Changes that must change nothing: order of the file, relabelling, split edges, useless nodes, scale and shift of
rewards.
"""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamdp_theory import TAMDP, TabularSoftmax, exact
from tamdp_theory.exact import Scheme
from tamdp_theory.strategies import documents, schemes


def numbers(env: TAMDP, logits: dict[str, dict[str, float]], scheme: Scheme) -> dict[str, Any]:
    """What does not depend on names or order; gradients by (node, action)."""
    table = np.zeros((env.n_nodes, env.n_actions))
    for i in range(env.n_pairs):
        x, a = env.pair_node[i], env.pair_action[i]
        table[x, a] = logits[env.node_ids[x]][env.action_names[i]]
    policy = TabularSoftmax(env, table)
    update = exact.update_moments(
        env, policy, scheme.group_size, normalization=scheme.normalization, eps=scheme.eps, ddof=scheme.ddof
    )

    def by_name(flat: np.ndarray) -> dict[tuple[str, str], float]:
        return {
            (env.node_ids[env.pair_node[i]], env.action_names[i]): flat[env.pair_parameter[i]]
            for i in range(env.n_pairs)
        }

    gradient = exact.policy_gradient(env, policy)
    return {
        "J": exact.values(env, policy).total,
        "V": update.variance,
        "m": by_name(update.mean),
        "gradient": by_name(gradient),
    }


def draw_logits(content: dict[str, Any], seed: int) -> dict[str, dict[str, float]]:
    generator = np.random.default_rng(seed)
    return {
        node["id"]: {action["name"]: float(generator.standard_normal()) for action in node["actions"]}
        for node in content["nodes"]
    }


def assert_same(one: dict[str, Any], two: dict[str, Any]) -> None:
    assert one["J"] == pytest.approx(two["J"], abs=1e-13)
    assert one["V"] == pytest.approx(two["V"], rel=1e-9, abs=1e-13)
    for name in ("m", "gradient"):
        shared = set(one[name]) & set(two[name])
        assert shared
        for key in shared:
            assert one[name][key] == pytest.approx(two[name][key], abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(documents(), schemes(), st.randoms(use_true_random=False))
def test_order_of_the_file(content: dict[str, Any], scheme: Scheme, random: Any) -> None:
    logits = draw_logits(content, 0)
    before = numbers(TAMDP.from_dict(content), logits, scheme)
    for items in (content["nodes"], content["prompts"]):
        random.shuffle(items)
    for node in content["nodes"]:
        random.shuffle(node["actions"])
        for action in node["actions"]:
            random.shuffle(action["next"])
    assert_same(before, numbers(TAMDP.from_dict(content), logits, scheme))


@settings(max_examples=40, deadline=None)
@given(documents(), schemes())
def test_splitting_an_edge(content: dict[str, Any], scheme: Scheme) -> None:
    """One successor written as two halves."""
    logits = draw_logits(content, 1)
    before = numbers(TAMDP.from_dict(content), logits, scheme)
    for node in content["nodes"]:
        for action in node["actions"]:
            edge = action["next"][0]
            edge["probability"] = edge["probability"] / 2
            action["next"].append(dict(edge))
    assert_same(before, numbers(TAMDP.from_dict(content), logits, scheme))


@settings(max_examples=40, deadline=None)
@given(documents(), schemes())
def test_a_node_without_a_choice(content: dict[str, Any], scheme: Scheme) -> None:
    """A forced think step before every start: no score, no change."""
    logits = draw_logits(content, 2)
    before = numbers(TAMDP.from_dict(content), logits, scheme)
    for prompt in content["prompts"]:
        forced = {"name": "ponder", "kind": "think", "next": [{"probability": 1, "node": prompt["start"]}]}
        content["nodes"].append({"id": prompt["start"] + "-before", "depth": 0, "actions": [forced]})
        logits[prompt["start"] + "-before"] = {"ponder": 0.3}
        prompt["start"] += "-before"
    assert_same(before, numbers(TAMDP.from_dict(content), logits, scheme))


@settings(max_examples=40, deadline=None)
@given(documents(shape="two_valued"), st.integers(2, 4), st.sampled_from(["sum_then_normalize", "normalize_then_sum"]))
def test_scale_and_shift_of_rewards(
    content: dict[str, Any], group_size: int, normalization: exact.Normalization
) -> None:
    """With eps = 0 the standardized update sees neither the scale nor the offset that all components share."""
    scheme, logits = Scheme(group_size, normalization), draw_logits(content, 3)
    before = numbers(TAMDP.from_dict(content), logits, scheme)
    for node in content["nodes"]:
        for action in node["actions"]:
            for edge in action["next"]:
                if "rewards" in edge:
                    edge["rewards"] = [r / 3 + Fraction(1, 5) for r in edge["rewards"]]
    after = numbers(TAMDP.from_dict(content), logits, scheme)
    after["J"], after["gradient"] = before["J"], before["gradient"]
    assert_same(before, after)


@settings(max_examples=30, deadline=None)
@given(documents(), st.integers(2, 4))
def test_center_is_kappa_times_the_gradient(content: dict[str, Any], group_size: int) -> None:
    found = numbers(TAMDP.from_dict(content), draw_logits(content, 4), Scheme(group_size, "center"))
    for key, value in found["gradient"].items():
        assert found["m"][key] == pytest.approx((group_size - 1) / group_size * value, abs=1e-14)


@settings(max_examples=30, deadline=None)
@given(documents(max_components=1), schemes())
def test_one_component_leaves_nothing_to_decompose(content: dict[str, Any], scheme: Scheme) -> None:
    """K = 1, weight 1: joint and decomposed are the same update."""
    content["components"][0]["weight"] = 1
    env, logits = TAMDP.from_dict(content), draw_logits(content, 5)
    joint, decomposed = (
        numbers(env, logits, Scheme(scheme.group_size, n, scheme.eps, scheme.ddof))
        for n in ("sum_then_normalize", "normalize_then_sum")
    )
    assert_same(joint, decomposed)
