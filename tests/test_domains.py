"""Distances of laws, parts and unions of processes, policies carried over, and risks, each against another route."""

import math
from collections.abc import Callable, Sequence
from dataclasses import fields
from fractions import Fraction as F
from itertools import chain, combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamdp_theory import TAMDP, Domains, LogLinear, Network, Policy, TabularSoftmax, exact, families, grpo, risks
from tamdp_theory.domains import extend, join, part, restrict
from tamdp_theory.strategies import documents, policies
from tests.helpers.domains import BOTH, DEEP, MAKERS, ONLY_SHALLOW, SHALLOW, laws

each = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def by_name(env: TAMDP, policy: Policy) -> dict[tuple[str, str], float]:
    """Probability of each action by node id."""
    assert policy.env is env
    return {
        (env.node_ids[x], name): p
        for x, name, p in zip(env.pair_node, env.action_names, policy.pair_probability, strict=True)
    }


# -- distances ---------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.data(), st.integers(1, 4))
def test_distances_from_their_definitions(data: st.DataObject, size: int) -> None:
    env = families.contextual_bandit([[1, 0]] * size)
    source, target = data.draw(laws(size)), data.draw(laws(size))
    domains = Domains.of(env, source, target)
    events = chain.from_iterable(combinations(range(size), k) for k in range(size + 1))
    assert domains.total_variation == max(sum((target[q] - source[q] for q in event), F(0)) for event in events)
    assert domains.support.tolist() == [q for q in range(size) if source[q] + target[q] > 0]
    if any(s == 0 < t for s, t in zip(source, target, strict=True)):
        assert domains.divergence == domains.chi_squared == math.inf
        return
    pairs = [(s, t) for s, t in zip(source, target, strict=True) if t]
    assert domains.divergence == pytest.approx(sum(float(t) * math.log(t / s) for s, t in pairs), abs=1e-13)
    assert domains.chi_squared == sum(t * t / s for s, t in pairs) - 1
    assert isinstance(domains.chi_squared, F)


@pytest.mark.parametrize("step", [F(1, 10**4), F(1, 10**7)])
def test_nearby_domains_keep_their_digits(step: F) -> None:
    env, source, move = (
        families.contextual_bandit([[1, 0]] * 3),
        [F(1, 2), F(1, 3), F(1, 6)],
        [step, -step / 3, -2 * step / 3],
    )
    domains = Domains.of(env, source, [p + d for p, d in zip(source, move, strict=True)])
    assert domains.divergence == pytest.approx(
        float(sum(d * d / p for p, d in zip(source, move, strict=True)) / 2), rel=20 * float(step), abs=0
    )


def test_extreme_laws() -> None:
    env, least = families.contextual_bandit([[1, 0]] * 2), F(1, 10**300)
    assert Domains.of(env, [1 - least, least], [0, 1]).divergence == pytest.approx(300 * math.log(10))
    assert Domains.of(env, [0, 1], [least, 1 - least]).divergence == math.inf
    assert Domains.of(env, [1 - least, least], [1, 0]).divergence == pytest.approx(0)


def test_numbers_are_read_exactly() -> None:
    domains = Domains.of(families.contextual_bandit([[1, 0]] * 3), [0.1, "2/5", 0.5], [F(1, 3), "1/3", "1/3"])
    assert domains.source == (F(1, 10), F(2, 5), F(1, 2)) and domains.target == (F(1, 3),) * 3


# -- parts and unions --------------------------------------------------------------------------------------------------


def without(data: dict[str, Any], keep: Sequence[F]) -> dict[str, Any]:
    """The file with only the prompts of positive probability, and the nodes they lead to."""
    nodes = {node["id"]: node for node in data["nodes"]}
    left, queue = set(), []
    prompts = [{**prompt, "probability": p} for prompt, p in zip(data["prompts"], keep, strict=True) if p]
    queue = [prompt["start"] for prompt in prompts]
    while queue:
        left.add(node_id := queue.pop())
        queue += [edge["node"] for action in nodes[node_id]["actions"] for edge in action["next"] if "node" in edge]
    return {**data, "prompts": prompts, "nodes": [node for node in data["nodes"] if node["id"] in left]}


def assert_same_arrays(one: TAMDP, two: TAMDP) -> None:
    """Every compiled field but the order in which rationals are numbered."""
    for field in fields(TAMDP):
        if field.name not in ("numbers", "edge_number"):
            first, second = getattr(one, field.name), getattr(two, field.name)
            np.testing.assert_array_equal(first, second, err_msg=field.name)
            assert type(first) is type(second)
            if isinstance(first, np.ndarray):
                assert first.dtype == second.dtype and not first.flags.writeable, field.name
    assert [one.numbers[i] for i in one.edge_number] == [two.numbers[i] for i in two.edge_number]


@settings(max_examples=40, deadline=None)
@given(st.data(), documents(max_prompts=4), st.randoms(use_true_random=False))
def test_a_part_is_the_file_with_prompts_deleted(data: st.DataObject, content: dict[str, Any], random: Any) -> None:
    random.shuffle(content["nodes"])
    env = TAMDP.from_dict(content)
    law = data.draw(laws(env.n_prompts))
    expected = TAMDP.from_dict(without(content, law))
    found = part(env, law)
    assert found.to_dict() == expected.to_dict()
    assert_same_arrays(found, expected)
    policy = TabularSoftmax(found)
    np.testing.assert_array_equal(
        exact.values(found, policy).per_prompt, exact.values(expected, TabularSoftmax(expected)).per_prompt
    )


def test_processes_of_the_domains() -> None:
    domains = Domains.of(BOTH, [0, "1/5", "4/5", 0], ONLY_SHALLOW)
    content = BOTH.to_dict()
    for found, name, law in (
        (domains.source_process, "source", domains.source),
        (domains.target_process, "target", domains.target),
    ):
        assert_same_arrays(found, TAMDP.from_dict({**without(content, law), "name": f"{BOTH.name}, {name}"}))
    assert domains.source_process is domains.source_process
    assert part(BOTH, ONLY_SHALLOW, "mine").name == "mine"


def test_a_union_holds_each_process_unchanged() -> None:
    assert (BOTH.name, BOTH.max_tool_depth) == ("deep+shallow", 1)
    assert BOTH.exact_prompt_probability == (F(1, 6), F(1, 6), F(1, 3), F(1, 3))
    for key, env, law in (("deep", DEEP, ["1/2", "1/2", 0, 0]), ("shallow", SHALLOW, [0, 0, "1/2", "1/2"])):
        content = part(BOTH, law).to_dict()
        named = [
            *content["prompts"],
            *content["nodes"],
            *(e for n in content["nodes"] for a in n["actions"] for e in a["next"]),
        ]
        for item in named:
            for place in {"name", "start", "id", "node"} & set(item):
                assert item[place].startswith(f"{key}/")
                item[place] = item[place].removeprefix(f"{key}/")
        assert content == {**env.to_dict(), "name": BOTH.name, "max_tool_depth": 1}


@settings(max_examples=30, deadline=None)
@given(st.data(), documents())
def test_joining_a_process_with_itself_changes_nothing(data: st.DataObject, content: dict[str, Any]) -> None:
    env = TAMDP.from_dict(content)
    twice = join({"a": env, "b": env}, ["1/3", "2/3"], "twice")
    policy = data.draw(policies(env))
    logits = policy.pair_logits(policy.parameters[:, None])[:, 0]
    table = np.zeros(twice.n_nodes * twice.n_actions)
    table[twice.pair_parameter] = np.concatenate([logits, logits])
    one, two = exact.values(env, policy), exact.values(twice, TabularSoftmax(twice).with_parameters(table))
    assert two.total == pytest.approx(one.total, abs=1e-14)
    np.testing.assert_allclose(two.per_prompt, np.concatenate([one.per_prompt, one.per_prompt]), atol=1e-14)
    assert LogLinear(twice).n_parameters == LogLinear(env).n_parameters, "observations and action names are shared"


# -- policies on a part ------------------------------------------------------------------------------------------------


@each
@pytest.mark.parametrize("law", [ONLY_SHALLOW, (0, "1/2", "1/2", 0)], ids=["shallow", "one of each"])
def test_a_restricted_policy_acts_the_same(make: Callable[[TAMDP], Policy], law: Sequence[Any]) -> None:
    policy, env = make(BOTH), part(BOTH, law)
    found = restrict(policy, env)
    assert type(found) is type(policy)
    whole = by_name(BOTH, policy)
    probabilities = by_name(env, found)
    assert probabilities == pytest.approx({key: whole[key] for key in probabilities}, rel=1e-13)
    if not policy.is_tabular:
        np.testing.assert_array_equal(found.parameters, policy.parameters)
        assert by_name(env, found.with_parameters(found.parameters)) == pytest.approx(probabilities, rel=1e-13)


@each
def test_a_trained_policy_comes_back(make: Callable[[TAMDP], Policy]) -> None:
    """Trained on the source alone, brought back to all prompts: there it is worth what it was."""
    domains = Domains.of(BOTH, ONLY_SHALLOW, ["1/4"] * 4)
    source, before = domains.source_process, make(BOTH)
    start = restrict(before, source)
    history = grpo.train(source, start, grpo.Config(steps=5, group_size=3, learning_rate=2.0))
    trained = start.with_parameters(history.parameters[0])
    after = extend(trained, before)
    assert type(after) is type(before) and after.env is BOTH
    np.testing.assert_allclose(
        exact.values(BOTH, after).per_prompt[2:], exact.values(source, trained).per_prompt, rtol=1e-13
    )
    assert 1 - risks(domains, after).source == pytest.approx(history.total[0, -1], abs=1e-13)
    assert history.total[0, -1] > history.total[0, 0] + 1e-3
    old, new, own = by_name(BOTH, before), by_name(BOTH, after), by_name(source, trained)
    for key, p in new.items():
        if key in own:
            assert p == pytest.approx(own[key], rel=1e-13)
        elif before.is_tabular:
            assert p == old[key]
    assert before.is_tabular or any(new[key] != old[key] for key in new if key not in own), (
        "shared parameters act elsewhere too"
    )


@each
def test_there_and_back(make: Callable[[TAMDP], Policy]) -> None:
    policy = make(BOTH)
    back = extend(restrict(policy, part(BOTH, ONLY_SHALLOW)), policy)
    np.testing.assert_array_equal(back.parameters, policy.parameters)


def test_nodes_are_found_by_their_id() -> None:
    content = BOTH.to_dict()
    content["nodes"].reverse()
    turned, policy = TAMDP.from_dict(content), MAKERS["tabular"](BOTH)
    assert by_name(turned, restrict(policy, turned)) == pytest.approx(by_name(BOTH, policy), rel=1e-13)


def test_outputs_of_a_network() -> None:
    env = part(BOTH, ONLY_SHALLOW)
    assert set(env.action_names) < set(BOTH.action_names)
    network = MAKERS["network"](BOTH)
    assert isinstance(network, Network) and network.outputs == tuple(dict.fromkeys(BOTH.action_names))
    turned = Network(
        env,
        3,
        encoding=np.ones((env.n_nodes, 1)),
        outputs=reversed(network.outputs),
        generator=np.random.default_rng(0),
    )
    logits = turned.pair_logits(turned.parameters[:, None])[:, 0]
    last = turned.parameters[-len(network.outputs) :]  # biases
    shifted = turned.with_parameters(
        turned.parameters + np.concatenate([np.zeros(turned.n_parameters - len(last)), np.arange(len(last))])
    )
    moved = shifted.pair_logits(shifted.parameters[:, None])[:, 0] - logits
    np.testing.assert_allclose(moved, [network.outputs[::-1].index(name) for name in env.action_names], atol=1e-12)
