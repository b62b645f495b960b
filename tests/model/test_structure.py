"""The compiled arrays against a plain reading of the dictionary."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from tamdp_theory import TAMDP, InputError, TabularSoftmax, families
from tamdp_theory.model import KINDS, check_same_process
from tamdp_theory.strategies import documents
from tests.helpers.sound import put, sound


def pairs(content: dict[str, Any]) -> list[tuple[int, int, dict[str, Any]]]:
    """(node, slot, action) in file order."""
    return [(x, a, action) for x, node in enumerate(content["nodes"]) for a, action in enumerate(node["actions"])]


def owners(content: dict[str, Any]) -> dict[str, int]:
    """The prompt of each node, by walking from every start."""
    nodes = {node["id"]: node for node in content["nodes"]}
    found: dict[str, int] = {}

    def walk(node_id: str, q: int) -> None:
        found[node_id] = q
        for action in nodes[node_id]["actions"]:
            for edge in action["next"]:
                if "node" in edge:
                    walk(edge["node"], q)

    for q, prompt in enumerate(content["prompts"]):
        walk(prompt["start"], q)
    return found


def longest(content: dict[str, Any]) -> dict[str, int]:
    """The length of the longest path that leads to each node, by walking every path."""
    nodes = {node["id"]: node for node in content["nodes"]}
    found: dict[str, int] = {}

    def walk(node_id: str, length: int) -> None:
        found[node_id] = max(found.get(node_id, 0), length)
        for action in nodes[node_id]["actions"]:
            for edge in action["next"]:
                if "node" in edge:
                    walk(edge["node"], length + 1)

    for prompt in content["prompts"]:
        walk(prompt["start"], 0)
    return found


@settings(max_examples=80, deadline=None)
@given(documents(max_nodes=6))
def test_arrays_say_what_the_dictionary_says(content: dict[str, Any]) -> None:
    env, nodes, read = TAMDP.from_dict(content), content["nodes"], pairs(content)
    owner, rank = owners(content), longest(content)
    assert env.node_ids == tuple(node["id"] for node in nodes)
    assert env.observations == tuple(node["observation"] for node in nodes)
    assert env.node_depth.tolist() == [node["depth"] for node in nodes]
    assert env.node_prompt.tolist() == [owner[node["id"]] for node in nodes]
    assert env.node_rank.tolist() == [rank[node["id"]] for node in nodes]
    assert env.horizon == max(rank.values()) + 1
    assert env.n_actions == max(len(node["actions"]) for node in nodes)
    assert env.prompt_names == tuple(prompt["name"] for prompt in content["prompts"])
    assert [env.node_ids[x] for x in env.prompt_start] == [prompt["start"] for prompt in content["prompts"]]
    assert list(env.exact_prompt_probability) == [prompt["probability"] for prompt in content["prompts"]]
    assert list(env.exact_weights) == [component["weight"] for component in content["components"]]
    np.testing.assert_array_equal(env.weights, [float(w) for w in env.exact_weights])
    assert env.total_weight == float(sum(env.exact_weights))
    assert (env.n_prompts, env.n_nodes, env.n_components) == (
        len(content["prompts"]),
        len(nodes),
        len(content["components"]),
    )

    assert list(zip(env.pair_node.tolist(), env.pair_action.tolist(), strict=True)) == [(x, a) for x, a, _ in read]
    assert env.action_names == tuple(action["name"] for _, _, action in read)
    assert [KINDS[kind] for kind in env.pair_kind] == [action["kind"] for _, _, action in read]
    assert env.pair_parameter.tolist() == [x * env.n_actions + a for x, a, _ in read]
    assert env.pair_prompt.tolist() == [owner[nodes[x]["id"]] for x, _, _ in read]
    assert env.pair_count.tolist() == [len(node["actions"]) for node in nodes]
    assert env.pair_start.tolist() == [i for i, (_, a, _) in enumerate(read) if a == 0]

    edges = [(i, edge) for i, (_, _, action) in enumerate(read) for edge in action["next"]]
    assert env.edge_pair.tolist() == [i for i, _ in edges]
    assert [env.numbers[n] for n in env.edge_number] == [edge["probability"] for _, edge in edges]
    np.testing.assert_array_equal(env.edge_probability, [float(edge["probability"]) for _, edge in edges])
    for target, (i, edge) in zip(env.edge_target.tolist(), edges, strict=True):
        if "node" in edge:
            assert env.node_ids[target] == edge["node"]
        else:
            c = target - env.n_nodes
            assert env.class_prompt[c] == env.pair_prompt[i]
            assert list(env.exact_class_rewards[c]) == edge["rewards"]


@settings(max_examples=60, deadline=None)
@given(documents(max_nodes=5))
def test_classes_are_the_distinct_reward_vectors_of_each_prompt_in_order(content: dict[str, Any]) -> None:
    env, owner = TAMDP.from_dict(content), owners(content)
    expected: list[tuple[int, tuple[Fraction, ...]]] = sorted(
        {
            (owner[content["nodes"][x]["id"]], tuple(edge["rewards"]))
            for x, _, action in pairs(content)
            for edge in action["next"]
            if "rewards" in edge
        }
    )
    assert list(zip(env.class_prompt.tolist(), env.exact_class_rewards, strict=True)) == expected
    assert env.n_classes == len(expected)
    np.testing.assert_array_equal(env.class_rewards, [[float(r) for r in rewards] for _, rewards in expected])
    weights = [component["weight"] for component in content["components"]]
    composite = [sum(w * r for w, r in zip(weights, rewards, strict=True)) for _, rewards in expected]
    assert list(env.exact_class_composite) == composite
    np.testing.assert_array_equal(env.class_composite, [float(c) for c in composite])
    for q, classes in enumerate(env.prompt_classes):
        assert classes.tolist() == [c for c, (owner_of_class, _) in enumerate(expected) if owner_of_class == q]
        assert env.class_slot[classes].tolist() == list(range(len(classes)))
        assert env.prompt_pairs[q].tolist() == [i for i in range(env.n_pairs) if env.pair_prompt[i] == q]
    assert env.n_slots == max(len(classes) for classes in env.prompt_classes)


@settings(max_examples=60, deadline=None)
@given(documents(max_nodes=5))
def test_kernel_and_levels(content: dict[str, Any]) -> None:
    env = TAMDP.from_dict(content)
    kernel = np.zeros((env.n_pairs, env.n_nodes + env.n_classes))
    for e in range(env.n_edges):
        kernel[env.edge_pair[e], env.edge_target[e]] += env.edge_probability[e]
    np.testing.assert_allclose(env.kernel.toarray(), kernel, rtol=1e-15, atol=0)
    np.testing.assert_allclose(kernel.sum(axis=1), 1.0, rtol=1e-14)
    assert sorted(x for level in env.levels for x in level.nodes) == list(range(env.n_nodes))
    assert len(env.levels) == env.horizon
    for rank, level in enumerate(env.levels):
        assert (env.node_rank[level.nodes] == rank).all()
        assert level.pairs.tolist() == [i for x in level.nodes for i in range(env.n_pairs) if env.pair_node[i] == x]
        assert env.pair_node[level.pairs[level.starts]].tolist() == level.nodes.tolist()
        np.testing.assert_array_equal(
            level.members.toarray(), level.nodes[:, None] == env.pair_node[level.pairs][None, :]
        )
        np.testing.assert_allclose(level.outgoing.toarray(), kernel[level.pairs], rtol=1e-15, atol=0)
        np.testing.assert_allclose(level.incoming.toarray(), kernel[:, level.nodes].T, rtol=1e-15, atol=0)
        reached = np.flatnonzero(kernel[level.pairs, : env.n_nodes].sum(axis=0))
        assert (env.node_rank[reached] > rank).all(), "edges only go forward"


@settings(max_examples=40, deadline=None)
@given(documents(max_nodes=4))
def test_sums_within_nodes_and_prompts(content: dict[str, Any]) -> None:
    env = TAMDP.from_dict(content)
    values = np.random.default_rng(env.n_pairs).standard_normal((env.n_pairs, 2))
    own = [np.flatnonzero(env.pair_node == x) for x in range(env.n_nodes)]
    np.testing.assert_allclose(env.node_sum(values), [values[i].sum(axis=0) for i in own], rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(env.node_sum(values[:, 0]), [values[i, 0].sum() for i in own], rtol=1e-13, atol=1e-14)
    np.testing.assert_array_equal(env.node_max(values), [values[i].max(axis=0) for i in own])
    np.testing.assert_allclose(
        env.prompt_sum(values),
        [values[env.pair_prompt == q].sum(axis=0) for q in range(env.n_prompts)],
        rtol=1e-12,
        atol=1e-13,
    )
    nodes = np.arange(2.0 * env.n_nodes).reshape(env.n_nodes, 2)
    np.testing.assert_array_equal(env.spread_to_pairs(nodes), nodes[env.pair_node])


def test_shared_nodes_rank_by_the_longest_path() -> None:
    env = TAMDP.from_dict(sound())
    assert dict(zip(env.node_ids, env.node_rank.tolist(), strict=True)) == {"q0": 0, "q0/hit": 2, "q0/plan": 1, "q1": 0}
    assert env.horizon == 3


@pytest.mark.parametrize("count", [2, 256])
def test_parallel_edges_are_one_transition(count: int) -> None:
    content = sound()
    put("nodes.2.actions.0.next", [{"probability": f"1/{count}", "node": "q0/hit"}] * count)(content)
    env = TAMDP.from_dict(content)
    assert env.node_rank.tolist() == [0, 2, 1, 0]
    assert env.kernel[env.pair_start[2], 1] == pytest.approx(1.0)
    assert env.to_dict()["nodes"][2]["actions"][0]["next"] == [{"probability": 1 / count, "node": "q0/hit"}] * count


def test_a_long_chain() -> None:
    content = sound()
    length = 3000
    nodes = [
        {
            "id": f"n{x}",
            "depth": 0,
            "observation": "",
            "actions": [{"name": "a", "kind": "think", "next": [{"probability": 1, "node": f"n{x + 1}"}]}],
        }
        for x in range(length)
    ]
    content["nodes"][3]["actions"].append({"name": "walk", "kind": "think", "next": [{"probability": 1, "node": "n0"}]})
    content["nodes"] += nodes
    content["nodes"].append({**content["nodes"][3], "id": f"n{length}", "actions": content["nodes"][3]["actions"][:1]})
    env = TAMDP.from_dict(content)
    assert env.horizon == length + 2
    assert env.node_rank[4:].tolist() == list(range(1, length + 2))


def test_arrays_are_read_only() -> None:
    env = families.drift_bandit()
    for name in (
        "prompt_start",
        "node_depth",
        "pair_kind",
        "edge_target",
        "edge_probability",
        "class_rewards",
        "weights",
        "pair_start",
        "node_rank",
    ):
        with pytest.raises(ValueError, match="read-only"):
            getattr(env, name)[0] = 0
    with pytest.raises(AttributeError, match="cannot assign"):
        env.name = "other"  # type: ignore[misc]


# -- other weights, other processes ------------------------------------------------------------------------------------


def test_with_weights() -> None:
    env = TAMDP.from_dict(sound())
    other = env.with_weights((0, "1/3", Fraction(2)))
    assert other.exact_weights == (0, Fraction(1, 3), 2)
    assert other.total_weight == float(Fraction(7, 3))
    assert list(other.exact_class_composite) == [r[1] / 3 + 2 * r[2] for r in env.exact_class_rewards]
    assert env.exact_weights == (Fraction(1, 5), Fraction(3, 5), Fraction(1, 5)), "the original stays"
    content = other.to_dict()
    assert [component["weight"] for component in content["components"]] == [0, "1/3", 2]
    assert {**content, "components": None} == {**env.to_dict(), "components": None}
    check_same_process(other, env)


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ((1, 1), "weights: 2 given for 3 components"),
        ((1, 1, 1, 1), "weights: 4 given for 3 components"),
        ((), "weights: 0 given for 3 components"),
        ((1, -1, 1), "components[1].weight: must not be negative, got -1"),
        ((0, 0, 0), "components: the weights sum to 0; at least one must be positive"),
        ((1, float("nan"), 1), "components[1].weight: expected a finite number, got nan"),
        ((1, True, 1), "components[1].weight: expected a number, got the boolean true"),
        ((1, "x", 1), "components[1].weight: 'x' is not a number; write 0.25 or \"1/4\""),
        ((1e200, 0, 0), "components: the weights sum to 1" + "0" * 36 + "..., beyond float64; rescale them"),
    ],
)
def test_with_bad_weights(weights: tuple[Any, ...], says: str) -> None:
    with pytest.raises(InputError) as caught:
        TAMDP.from_dict(sound()).with_weights(weights)
    assert str(caught.value) == says


def test_a_policy_of_another_process_is_refused() -> None:
    one, two = TAMDP.from_dict(sound()), families.drift_bandit()
    with pytest.raises(
        InputError, match=r"^the policy belongs to 'bandit-drift', not to 'sound'; make it with that environment$"
    ):
        check_same_process(one, TabularSoftmax(two).env)
    check_same_process(one, TAMDP.from_dict(sound()))


def test_repr_names_the_sizes() -> None:
    assert (
        repr(TAMDP.from_dict(sound()))
        == "TAMDP('sound': 2 prompts, 4 nodes, 10 edges, 3 components, tool depth 1, horizon 3)"
    )
