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

from tamdp_theory import (
    TAMDP,
    Domains,
    InputError,
    LogLinear,
    Network,
    Policy,
    TabularSoftmax,
    exact,
    families,
    grpo,
    risks,
)
from tamdp_theory.domains import extend, join, part, prompt_values, restrict
from tamdp_theory.policies.base import Floats
from tamdp_theory.strategies import documents, policies
from tests.helpers.oracle import paths

SHALLOW, DEEP = families.search(2, 0, difficulties=[0, 1]), families.search(2, 1, difficulties=[1, 2])
# the shallow nodes have fewer actions, and those come last among the names of the whole
BOTH = join({"deep": DEEP, "shallow": SHALLOW}, ("1/3", "2/3"))
ONLY_SHALLOW = ("0", "0", "1/4", "3/4")
MAKERS: dict[str, Callable[[TAMDP], Policy]] = {
    "tabular": lambda env: TabularSoftmax.random(env, np.random.default_rng(1)),
    "log-linear": lambda env: LogLinear(
        env, np.random.default_rng(2).standard_normal((env.n_pairs, 4)), np.random.default_rng(3).standard_normal(4)
    ),
    "names": lambda env: (p := LogLinear(env)).with_parameters(
        np.random.default_rng(4).standard_normal(p.n_parameters)
    ),
    "network": lambda env: Network(env, hidden=3, generator=np.random.default_rng(5)),
}
each = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def by_name(env: TAMDP, policy: Policy) -> dict[tuple[str, str], float]:
    """Probability of each action by node id."""
    assert policy.env is env
    return {
        (env.node_ids[x], name): p
        for x, name, p in zip(env.pair_node, env.action_names, policy.pair_probability, strict=True)
    }


def laws(size: int) -> st.SearchStrategy[list[F]]:
    parts = st.lists(st.sampled_from([0, 1, 2, 5, 1000]), min_size=size, max_size=size).filter(any)
    return parts.map(lambda drawn: [F(p, sum(drawn)) for p in drawn])


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


# -- risks -------------------------------------------------------------------------------------------------------------


def brute(
    content: dict[str, Any],
    tables: Sequence[Floats],
    posterior: Sequence[float],
    source: Sequence[F],
    target: Sequence[F],
) -> dict[str, Any]:
    """Risks by listing every trajectory."""
    weights = [F(c["weight"]) for c in content["components"]]
    value = [[0.0] * len(weights) for _ in content["prompts"]]
    for table, share in zip(tables, posterior, strict=True):
        for path in paths(content, table):
            for k, r in enumerate(path.rewards):
                value[path.prompt][k] += share * path.probability * float(r)
    loss = [1 - sum(float(w) * v for w, v in zip(weights, row, strict=True)) / float(sum(weights)) for row in value]
    seen = [row for row, s, t in zip(value, source, target, strict=True) if s or t]

    def mean(law: Sequence[F], k: int) -> float:
        return sum(float(p) * (1 - row[k]) for p, row in zip(law, value, strict=True))

    return {
        "source": sum(float(s) * x for s, x in zip(source, loss, strict=True)),
        "target": sum(float(t) * x for t, x in zip(target, loss, strict=True)),
        "source_components": [mean(source, k) for k in range(len(weights))],
        "target_components": [mean(target, k) for k in range(len(weights))],
        "oscillation": [max(row[k] for row in seen) - min(row[k] for row in seen) for k in range(len(weights))],
        "per_prompt": loss,
    }


@settings(max_examples=50, deadline=None)
@given(st.data(), documents(max_prompts=3))
def test_risks_by_listing_every_trajectory(data: st.DataObject, content: dict[str, Any]) -> None:
    env = TAMDP.from_dict(content)
    source, target = data.draw(laws(env.n_prompts)), data.draw(laws(env.n_prompts))
    members = data.draw(st.lists(policies(env), min_size=1, max_size=3))
    posterior = [float(p) for p in data.draw(laws(len(members)))]
    tables = [policy.probabilities() for policy in members]
    domains = Domains.of(env, source, target)
    cases = [
        (members, posterior, brute(content, tables, posterior, source, target)),
        (members[0], None, brute(content, tables[:1], [1.0], source, target)),
    ]
    cases.append((members, None, brute(content, tables, [1 / len(members)] * len(members), source, target)))
    for chosen, shares, expected in cases:
        found = risks(domains, chosen, shares)
        for name, numbers in expected.items():
            np.testing.assert_allclose(getattr(found, name), numbers, atol=1e-13, err_msg=name)
            assert (np.asarray(getattr(found, name)) >= 0).all() and (np.asarray(getattr(found, name)) <= 1).all()
    values = prompt_values(env, members)
    assert values.shape == (len(members), env.n_prompts, env.n_components)
    for s, policy in enumerate(members):
        np.testing.assert_allclose(values[s], exact.values(env, policy).per_prompt, atol=1e-14)


@pytest.mark.parametrize("cells", [1, 600])
def test_blocks_of_policies_change_nothing(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    members = [TabularSoftmax.random(DEEP, np.random.default_rng(seed)) for seed in range(7)]
    together = prompt_values(DEEP, members)
    monkeypatch.setattr("tamdp_theory.domains.CELLS", cells)
    np.testing.assert_array_equal(prompt_values(DEEP, members), together)


def test_the_oscillation_is_of_averages_and_over_the_support() -> None:
    """Two policies, each good on one prompt: their average is the same on both; the third prompt is in
    neither domain.
    """
    env = families.contextual_bandit([[1, 0], [1, 0], ["1/2"]])
    far = 1e4
    first, second = (TabularSoftmax(env, [[0, side], [side, 0], [0, 0]]) for side in (-far, far))
    third_unseen = Domains.of(env, ["1/2", "1/2", 0], ["3/4", "1/4", 0])
    assert risks(third_unseen, [first, second]).oscillation == pytest.approx([0])
    assert risks(third_unseen, [first, second], [0.75, 0.25]).oscillation == pytest.approx([0.5])
    assert risks(third_unseen, first).oscillation == pytest.approx([1])
    assert risks(Domains.of(env, ["1/2", "1/2", 0], ["3/4", 0, "1/4"]), first).oscillation == pytest.approx([1])
    assert risks(Domains.of(env, [1, 0, 0], [0, 0, 1]), first).oscillation == pytest.approx([0.5])


def test_rounding_leads_nowhere_out_of_the_unit_interval() -> None:
    env = families.contextual_bandit([[1] * 7] * 3)
    members = [TabularSoftmax.random(env, np.random.default_rng(seed)) for seed in range(100)]
    assert prompt_values(env, members).max() > 1
    domains = Domains.of(env, ["1/3"] * 3, ["1/2", "1/4", "1/4"])
    for found in (risks(domains, policy) for policy in members):
        numbers = [found.source, found.target, *found.source_components, *found.target_components, *found.per_prompt]
        assert min(numbers) >= 0


def test_source_and_target_are_not_mixed_up() -> None:
    """T3.printed's instance: V = (0, 1), D_S = (1/2, 1/2), D_T = (3/4, 1/4)."""
    env = families.contextual_bandit([[0], [1]])
    found = risks(Domains.of(env, ["1/2", "1/2"], ["3/4", "1/4"]), TabularSoftmax(env))
    assert (found.source, found.target) == (0.5, 0.75)
    assert found.per_prompt.tolist() == [1, 0] and found.oscillation.tolist() == [1]


@settings(max_examples=30, deadline=None)
@given(st.data(), documents(max_prompts=3), st.randoms(use_true_random=False))
def test_order_of_the_prompts(data: st.DataObject, content: dict[str, Any], random: Any) -> None:
    env = TAMDP.from_dict(content)
    source, target = data.draw(laws(env.n_prompts)), data.draw(laws(env.n_prompts))
    order = list(range(env.n_prompts))
    random.shuffle(order)
    content["prompts"] = [content["prompts"][q] for q in order]
    turned, policy = TAMDP.from_dict(content), data.draw(policies(env))
    one = risks(Domains.of(env, source, target), policy)
    two = risks(Domains.of(turned, [source[q] for q in order], [target[q] for q in order]), restrict(policy, turned))
    for name in ("source", "target", "source_components", "target_components", "oscillation"):
        np.testing.assert_allclose(getattr(two, name), getattr(one, name), atol=1e-14, err_msg=name)
    np.testing.assert_allclose(two.per_prompt, one.per_prompt[order], atol=1e-14)


# -- what does not fit -------------------------------------------------------------------------------------------------

_TABULAR, _SHALLOW = TabularSoftmax(BOTH), part(BOTH, ONLY_SHALLOW, "shallow")
_HEAVY = SHALLOW.with_weights((1, 1, 1))
_PAIR = Domains.of(BOTH, ONLY_SHALLOW, ["1/4"] * 4)


def _network(hidden: int = 2, **parts: Any) -> Network:
    return Network(SHALLOW, hidden, generator=np.random.default_rng(0), **parts)


class _Odd(Policy):
    """A kind of policy that ``restrict`` does not know."""

    def __init__(self, env: TAMDP) -> None:
        self.env, self.parameters = env, np.zeros(0)

    def with_parameters(self, parameters: Floats) -> "_Odd":
        return self

    def pair_logits(self, parameters: Floats) -> Floats:
        return np.zeros((self.env.n_pairs, 1))

    def pull_back(self, sensitivities: Floats, parameters: Floats) -> Floats:
        return np.zeros((0, 1))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Domains.of(BOTH, [1], ["1/4"] * 4), "source: 1 given for 4 prompts"),
        (
            lambda: Domains.of(BOTH, ONLY_SHALLOW, [0.5, 0.5, 0.5, -0.5]),
            "target[3]: -0.5 must be 0 or between 1e-300 and 1",
        ),
        (lambda: Domains.of(BOTH, ONLY_SHALLOW, [F(1, 10**301), 1, 0, 0]), "target[0]: 1e-301 must be 0 or between"),
        (
            lambda: Domains.of(BOTH, [1 / 3, 1 / 3, 1 / 3, 0], ONLY_SHALLOW),
            "source: sums to one minus 1e-16, not to one exactly; write thirds as",
        ),
        (lambda: Domains.of(BOTH, [1, 1, 0, 0], ONLY_SHALLOW), "source: sums to one plus 1, not to one exactly"),
        (lambda: Domains.of(BOTH, ONLY_SHALLOW, [1, 0, "x", 0]), "target[2]: 'x' is not a number"),
        (lambda: Domains.of(BOTH, ONLY_SHALLOW, [1, 0, math.nan, 0]), "target[2]: expected a finite number, got nan"),
        (lambda: Domains.of(BOTH, "1000", ONLY_SHALLOW), "source: expected a sequence of 4 numbers, got '1000'"),
        (lambda: Domains(BOTH, (F(1),), (F(1),)), "source: 1 given for 4 prompts"),
        (lambda: part(BOTH, ["1/2", "1/4", 0, 0]), "probability: sums to one minus 0.25"),
        (lambda: join({}, []), "processes: empty"),
        (lambda: join({"a": SHALLOW}, ["1/2", "1/2"]), "probability: 2 given for 1 processes"),
        (lambda: join({"a": SHALLOW, "b": DEEP}, [1, 0]), "probability[1]: 0; leave process 'b' out"),
        (
            lambda: join({"a": SHALLOW, "b": _HEAVY}, [0.5, 0.5]),
            "processes['b']: components or weights differ from those of 'a'; see with_weights",
        ),
        (lambda: join({"a": SHALLOW, "b": families.coding()}, [0.5, 0.6]), "probability: sums to one plus 0.1"),
        (
            lambda: restrict(TabularSoftmax(SHALLOW), BOTH),
            "'search-2x0' has no node 'deep/q0'; 'deep+shallow' must be a part of it",
        ),
        (
            lambda: restrict(TabularSoftmax(DEEP), SHALLOW),
            "node 'q0': has other actions in 'search-2x0' than in 'search-2x1'; make it with part",
        ),
        (
            lambda: restrict(_Odd(SHALLOW), SHALLOW),
            "policy: cannot carry a _Odd; only tabular, log-linear and network policies",
        ),
        (lambda: extend(TabularSoftmax(SHALLOW), _TABULAR), "'deep+shallow' has no node 'q0'"),
        (
            lambda: extend(LogLinear(_SHALLOW), _TABULAR),
            "policy: not of the kind, features, encoding, outputs or width of ``like``",
        ),
        (lambda: extend(LogLinear(_SHALLOW), LogLinear(BOTH)), "policy: not of the kind, features"),
        (
            lambda: extend(Network(_SHALLOW, 3, generator=np.random.default_rng(0)), MAKERS["network"](BOTH)),
            "policy: not of the kind, features",
        ),
        (
            lambda: extend(_network(encoding=np.eye(2)), _network(encoding=np.ones((2, 2)))),
            "policy: not of the kind, features",
        ),
        (
            lambda: extend(
                _network(outputs=["x", *SHALLOW.action_names[:3]]), _network(outputs=[*SHALLOW.action_names[:3], "x"])
            ),
            "policy: not of the kind",
        ),
        (lambda: extend(_network(hidden=2), _network(hidden=3)), "policy: not of the kind, features"),
        (lambda: risks(_PAIR, TabularSoftmax(_SHALLOW)), "the policy belongs to 'shallow', not to 'deep+shallow'"),
        (lambda: risks(_PAIR, []), "policies: empty; give at least one"),
        (lambda: risks(_PAIR, [_TABULAR], [0.5, 0.5]), "posterior: expected 1 probabilities, got shape (2,)"),
        (
            lambda: risks(_PAIR, [_TABULAR], [[1.0]]),
            "posterior: expected one number for each of 1 policies, got shape (1, 1)",
        ),
        (lambda: risks(_PAIR, [_TABULAR, _TABULAR], [0.5, 0.6]), "posterior: probabilities must sum to 1"),
        (
            lambda: Network(BOTH, outputs=["careful"], generator=np.random.default_rng(0)),
            "outputs: no logit for action 'search+' of 'deep+shallow'; add it",
        ),
        (
            lambda: Network(SHALLOW, outputs=["a", "a"], generator=np.random.default_rng(0)),
            "outputs: an action name appears twice",
        ),
    ],
)
def test_what_does_not_fit(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value).startswith(says)
