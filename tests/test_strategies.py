"""Public strategies: what they draw is valid, covers the special cases that claims turn on, and shrinks to small
processes.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from tamdp_theory import TAMDP, InputError, LogLinear, Network, Policy, TabularSoftmax, families
from tamdp_theory.exact import NORMALIZATIONS, Scheme
from tamdp_theory.strategies import (
    SHAPES,
    Shape,
    distributions,
    documents,
    policies,
    reward_tables,
    schemes,
    tabular_policies,
    tamdps,
    weights,
)

DRAWS = settings(max_examples=400, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
SEARCH = settings(max_examples=2000, deadline=None, database=None, derandomize=True)
GRADES = {Fraction(0), Fraction(1), Fraction(1, 2), Fraction(1, 4), Fraction(1, 3)}


# -- predicates on the content of a file -------------------------------------------------------------------------------


def actions(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [action for node in content["nodes"] for action in node["actions"]]


def edges(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [edge for action in actions(content) for edge in action["next"]]


def vectors(content: dict[str, Any]) -> list[list[Fraction]]:
    return [edge["rewards"] for edge in edges(content) if "rewards" in edge]


def vary(content: dict[str, Any]) -> bool:
    """Several components, and no vector at all outcomes."""
    return len(content["components"]) > 1 and len(set(map(tuple, vectors(content)))) > 1


def comonotone(content: dict[str, Any]) -> bool:
    return vary(content) and all(len(set(vector)) == 1 for vector in vectors(content))


def complementary(content: dict[str, Any]) -> bool:
    """Each component is the first or its opposite, and the second is the opposite."""
    columns = list(zip(*vectors(content), strict=True))
    opposite = tuple(1 - value for value in columns[0])
    return vary(content) and columns[1] == opposite and set(columns) == {columns[0], opposite}


def independent(content: dict[str, Any], constant: bool = False) -> bool:
    """At every action that can end, the law of the vector is the product of its components' laws, none constant unless
    allowed.
    """
    laws = []
    for action in actions(content):
        law: Counter[tuple[Fraction, ...]] = Counter()
        for edge in action["next"]:
            if "rewards" in edge:
                law[tuple(edge["rewards"])] += edge["probability"]
        total = sum(law.values())
        if law:
            chances = [
                sum(p for vector, p in law.items() if vector[k]) / total for k in range(len(content["components"]))
            ]
            expected = {
                bits: prod(chance if bit else 1 - chance for bit, chance in zip(bits, chances, strict=True))
                for bits in product((0, 1), repeat=len(chances))
            }
            possible = {bits: p for bits, p in expected.items() if p}
            laws.append(
                (constant or all(0 < chance < 1 for chance in chances))
                and {vector: p / total for vector, p in law.items()} == possible
            )
    return len(content["components"]) > 1 and all(laws)


def ties(env: TAMDP) -> bool:
    """On some prompt two reward vectors have one composite sum."""
    return any(len({env.exact_class_composite[c] for c in classes}) < len(classes) for classes in env.prompt_classes)


def silent(env: TAMDP) -> bool:
    """On some prompt with several reward vectors, one of them ends two trajectories that differ: a group can be silent
    and yet mixed.
    """
    ends = Counter(env.edge_target[env.edge_target >= env.n_nodes].tolist())
    return any(len(classes) > 1 and any(ends[c + env.n_nodes] > 1 for c in classes) for classes in env.prompt_classes)


def nearly_deterministic(policy: Policy) -> bool:
    """At some node with a choice, every action but one is less likely than 1e-6."""
    table = policy.probabilities()
    return any(
        count > 1 and 0 < np.sort(row[:count])[-2] < 1e-6
        for row, count in zip(table, policy.env.pair_count, strict=True)
    )


# -- what is drawn is valid --------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(documents())
def test_documents_compile_within_the_limits(content: dict[str, Any]) -> None:
    env = TAMDP.from_dict(content)
    assert env.n_prompts <= 2
    assert max(len(pairs) for pairs in env.prompt_pairs) <= 9
    assert np.bincount(env.node_prompt).max() <= 3
    assert env.n_components <= 3
    assert env.n_actions <= 3
    assert env.max_tool_depth <= 2
    assert (env.pair_count[env.prompt_start] >= 2).all()
    assert set(map(Fraction, env.class_rewards.ravel().tolist())) <= set(map(Fraction, map(float, GRADES)))
    again = TAMDP.from_dict(env.to_dict())
    assert again.exact_class_rewards == env.exact_class_rewards


def two_valued(content: dict[str, Any]) -> bool:
    return {value for vector in vectors(content) for value in vector} <= {0, 1}


def constant_or(relation: Callable[[dict[str, Any]], bool]) -> Callable[[dict[str, Any]], bool]:
    return lambda content: relation(content) or not vary(content)


HAVE: dict[Shape, Callable[[dict[str, Any]], bool]] = {
    "two_valued": two_valued,
    "free": lambda content: {value for vector in vectors(content) for value in vector} <= GRADES,
    "ties": lambda content: len({tuple(sorted(vector)) for vector in vectors(content)}) <= 2,
    "comonotone": lambda content: two_valued(content) and constant_or(comonotone)(content),
    "complementary": lambda content: two_valued(content) and constant_or(complementary)(content),
    "independent": lambda content: two_valued(content) and independent(content, constant=True),
}


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_shape_is_kept(shape: Shape, data: st.DataObject) -> None:
    content = data.draw(documents(max_prompts=1, max_nodes=2, max_components=2, shape=shape))
    assert HAVE[shape](content)
    env = TAMDP.from_dict(content)
    assert (env.n_prompts, env.n_nodes <= 2) == (1, True)
    assert env.n_components == 2 or shape in ("two_valued", "free")


def test_every_shape_is_known() -> None:
    assert set(HAVE) == set(SHAPES)


@settings(max_examples=40, deadline=None)
@given(
    tamdps(one_decision=True, max_nodes=3),
    tamdps(max_components=1, shape="complementary"),
    tamdps(max_components=5, shape="independent"),
)
def test_arguments(bandit: TAMDP, single: TAMDP, few: TAMDP) -> None:
    assert bandit.horizon == 1
    assert single.n_components == 1
    assert 2 <= few.n_components <= 3


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(1, 4))
def test_distributions_and_weights(data: st.DataObject, size: int) -> None:
    probability = data.draw(distributions(size))
    assert len(probability) == size
    assert sum(probability) == 1
    assert min(probability) > 0
    drawn = data.draw(weights(size))
    assert len(drawn) == size
    assert min(drawn) >= 0
    assert drawn.count(Fraction(0)) <= (size > 1)


@settings(max_examples=60, deadline=None)
@given(
    st.data(),
    st.integers(1, 5),
    st.integers(1, 4),
    st.sampled_from(["two_valued", "free", "ties", "comonotone", "complementary"]),
)
def test_reward_tables(data: st.DataObject, rows: int, components: int, shape: Any) -> None:
    table = data.draw(reward_tables(rows, components, shape))
    assert [len(row) for row in table] == [components] * rows
    assert {value for row in table for value in row} <= (GRADES if shape in ("free", "ties") else {0, 1})
    if shape == "ties":
        assert len({tuple(sorted(row)) for row in table}) <= 2
    if shape == "comonotone":
        assert all(len(set(row)) == 1 for row in table)
    if shape == "complementary" and components > 1:
        assert all(row[1] == 1 - row[0] for row in table)
        assert all(len({row[k] == row[0] for row in table}) == 1 for k in range(components))


@settings(max_examples=60, deadline=None)
@given(st.data(), tamdps(), schemes(3))
def test_policies_and_schemes(data: st.DataObject, env: TAMDP, scheme: Scheme) -> None:
    policy = data.draw(policies(env))
    assert policy.env is env
    assert (policy.pair_probability > 0).all()
    assert np.abs(data.draw(tabular_policies(env)).parameters).max() <= 30
    assert scheme.group_size in (2, 3)


# -- what claims turn on occurs ----------------------------------------------------------------------------------------


def test_special_cases_occur() -> None:
    """Within 400 draws; most occur ten times as often as asked for."""
    seen: Counter[str] = Counter()

    @DRAWS
    @given(st.data(), documents(), schemes())
    def run(data: st.DataObject, content: dict[str, Any], scheme: Scheme) -> None:
        env = TAMDP.from_dict(content)
        policy = data.draw(policies(env))
        targets = Counter(
            (edge["node"], id(action)) for action in actions(content) for edge in action["next"] if "node" in edge
        )
        w = env.exact_weights
        found = {
            "ties": ties(env),
            "silent": silent(env),
            "always silent": min(map(len, env.prompt_classes)) == 1,
            "comonotone": comonotone(content),
            "complementary": complementary(content),
            "independent": independent(content),
            "two-valued": vary(content) and two_valued(content),
            "graded": not two_valued(content),
            "one component": env.n_components == 1,
            "two prompts": env.n_prompts == 2,
            "longer": env.horizon > 1,
            "stochastic tool": any(action["kind"] == "tool" and len(action["next"]) > 1 for action in actions(content)),
            "thinking": "think" in {action["kind"] for action in actions(content)},
            "dag": len({node for node, _ in targets}) < len(targets),
            "rare": min(edge["probability"] for edge in edges(content)) < Fraction(1, 900),
            "equal weights": len(w) > 1 and len(set(w)) == 1 and sum(w) == 1,
            "unit weights": len(w) > 1 and set(w) == {1},
            "unequal weights": len(set(w) - {0}) > 1,
            "a zero weight": 0 in w,
            "nearly deterministic": nearly_deterministic(policy),
            "uniform": policy.is_tabular and not policy.parameters.any(),
            "log-linear": isinstance(policy, LogLinear),
            "network": isinstance(policy, Network),
            "ddof": scheme.ddof == 1,
            "eps": scheme.eps > 0,
            "group of four": scheme.group_size == 4,
            **{name: scheme.normalization == name for name in NORMALIZATIONS},
        }
        seen.update({name: int(occurs) for name, occurs in found.items()})

    run()
    assert {name: count for name, count in seen.items() if count < 5} == {}, dict(seen)


def test_tied_rewards_tie_often() -> None:
    """Equal composite sums of vectors that differ: in a fifth of what the shape draws, and wherever it rotates a vector
    and weights are equal.
    """
    seen: Counter[bool] = Counter()

    @DRAWS
    @given(tamdps(max_prompts=1, shape="ties"))
    def run(env: TAMDP) -> None:
        rotated = len({tuple(sorted(vector)) for vector in env.exact_class_rewards}) < env.n_classes
        seen[ties(env)] += 1
        assert ties(env) or not rotated or len(set(env.exact_weights)) > 1

    run()
    assert seen[True] > 80, seen


# -- shrinking ---------------------------------------------------------------------------------------------------------


def sizes(env: TAMDP) -> tuple[int, ...]:
    """Numbers of prompts, nodes, actions, edges, components."""
    return env.n_prompts, env.n_nodes, env.n_pairs, env.n_edges, env.n_components


@pytest.mark.parametrize(
    ("condition", "limits"),
    [
        (lambda env: True, (1, 1, 2, 2, 1)),
        (lambda env: env.n_classes == 2, (1, 1, 2, 2, 1)),
        (
            lambda env: (
                max(len({env.exact_class_composite[c] for c in classes}) for classes in env.prompt_classes) >= 3
            ),
            (1, 1, 3, 3, 2),
        ),
        (lambda env: env.exact_class_rewards == ((0, 1), (1, 0)), (1, 1, 2, 2, 2)),
        (lambda env: env.n_components == 3, (1, 1, 2, 2, 3)),
        (lambda env: env.horizon == 2, (1, 2, 3, 3, 1)),
        (lambda env: env.n_prompts == 2, (2, 2, 4, 4, 1)),
        (lambda env: 2 in env.pair_kind and 0 in env.pair_kind, (1, 1, 2, 2, 1)),
    ],
    ids=[
        "any",
        "two classes",
        "three composite values",
        "opposite components",
        "three components",
        "two decisions",
        "two prompts",
        "a tool",
    ],
)
def test_processes_shrink(condition: Callable[[TAMDP], bool], limits: tuple[int, ...]) -> None:
    env = find(tamdps(), condition, settings=SEARCH)
    assert all(found <= limit for found, limit in zip(sizes(env), limits, strict=True)), sizes(env)
    assert len(set(env.exact_weights)) == 1
    assert sum(env.exact_weights) == 1
    assert set(env.exact_prompt_probability) == {Fraction(1, env.n_prompts)}


def test_the_simplest_of_everything() -> None:
    env = find(tamdps(), lambda env: True, settings=SEARCH)
    assert [action["kind"] for action in env.to_dict()["nodes"][0]["actions"]] == ["answer", "answer"]
    assert env.exact_weights == (1,)
    assert set(env.class_rewards.ravel()) <= {0.0, 1.0}
    assert find(schemes(), lambda scheme: True, settings=SEARCH) == Scheme(2, "center")
    other = schemes(4, ("pass_at_2", "rank"))
    assert find(other, lambda scheme: True, settings=SEARCH) == Scheme(3, "pass_at_2")
    assert find(other, lambda scheme: scheme.group_size == 2, settings=SEARCH) == Scheme(2, "rank")
    with pytest.raises(InputError, match="pass_at_4 needs groups of at least 5"):
        schemes(4, ("pass_at_4",))
    assert find(distributions(3), lambda p: True, settings=SEARCH) == [Fraction(1, 3)] * 3
    assert find(weights(2), lambda w: True, settings=SEARCH) == [Fraction(1, 2)] * 2
    assert find(reward_tables(2, 2, "free"), lambda table: True, settings=SEARCH) == [[0, 0], [0, 0]]
    tree = families.random_tree(seed=0, prompts=1, tools=1, answers=2, max_tool_depth=1)
    for strategy in (policies(tree), tabular_policies(tree)):
        policy = find(strategy, lambda policy: True, settings=SEARCH)
        assert isinstance(policy, TabularSoftmax)
        assert not policy.parameters.any()


def test_hypothesis_loads_only_when_asked_for() -> None:
    code = "import sys, tamdp_theory, bounds, experiments.cli; sys.exit('hypothesis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
