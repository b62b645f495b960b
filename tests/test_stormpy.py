"""Storm as an independent oracle: values, class probabilities and optimal values by its model checker.

Policies enter as exact rationals, so Storm's answers are exact; only the float64 of the engine is left in the
difference.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tamdp_theory import TAMDP, TabularSoftmax, exact, families
from tamdp_theory.policies.base import Policy

stormpy = pytest.importorskip("stormpy")

TOLERANCE = 1e-12
ENVIRONMENTS = [
    families.random_tree(seed=0, prompts=3),
    families.random_tree(seed=1, prompts=2, tools=1, answers=2, max_tool_depth=4, levels=4),
    families.random_tree(seed=2, prompts=5, tools=3, answers=1, max_tool_depth=1, components=2, weights=("1/3", 2)),
    families.search(),
    families.coding(),
]
Row = dict[int, Fraction]


def policies(env: TAMDP) -> Iterator[Policy]:
    yield TabularSoftmax(env)
    for seed, scale in ((0, 0.5), (1, 2.0), (2, 8.0)):
        yield TabularSoftmax.random(env, np.random.default_rng(seed), scale)


def action_rows(env: TAMDP) -> list[list[Row]]:
    """Successor law of each legal action of each node, read from the file format; class c is state n_nodes + c."""
    index = {node: x for x, node in enumerate(env.node_ids)}
    known = zip(env.class_prompt.tolist(), env.exact_class_rewards, strict=True)
    classes = {key: env.n_nodes + c for c, key in enumerate(known)}
    rows: list[list[Row]] = []
    for x, node in enumerate(env.to_dict()["nodes"]):
        rows.append([])
        for action in node["actions"]:
            row: Row = {}
            for edge in action["next"]:
                reward = tuple(Fraction(str(r)) for r in edge.get("rewards", ()))
                state = index[edge["node"]] if "node" in edge else classes[int(env.node_prompt[x]), reward]
                row[state] = row.get(state, Fraction(0)) + Fraction(str(edge["probability"]))
            rows[-1].append(row)
    return rows


def mixed(env: TAMDP, policy: Policy) -> list[list[Row]]:
    """One row per node: the chain that the policy makes of the process, with rational action probabilities."""
    result = []
    for choices, probabilities in zip(action_rows(env), policy.probabilities(), strict=True):
        shares = [Fraction(p) for p in probabilities[: len(choices)]]
        row: Row = {}
        for share, choice in zip(shares, choices, strict=True):
            for state, p in choice.items():
                row[state] = row.get(state, Fraction(0)) + share / sum(shares) * p
        result.append([row])
    return result


def model(env: TAMDP, rows: Sequence[Sequence[Row]], mdp: bool) -> Any:
    """A model with states nodes, classes, end; class c has label c{c} and gives the rewards R_1..R_K and composite
    once.
    """
    end = env.n_nodes + env.n_classes
    everything = [*rows, *([{end: Fraction(1)}] for _ in range(env.n_classes + 1))]
    builder = stormpy.datastructures.SparseMatrixBuilder[stormpy.Rational](has_custom_row_grouping=mdp)
    line = 0
    for choices in everything:
        if mdp:
            builder.new_row_group(line)
        for choice in choices:
            for state, p in sorted(choice.items()):
                builder.add_next_value(line, state, stormpy.Rational(p))
            line += 1
    labels = stormpy.models.StateLabeling(end + 1)
    marked = {"init": int(env.prompt_start[0]), "end": end, **{f"c{c}": env.n_nodes + c for c in range(env.n_classes)}}
    for label, state in marked.items():
        labels.add_label(label)
        labels.add_label_to_state(label, state)
    columns = {"composite": env.exact_class_composite}
    columns |= {f"R{k}": column for k, column in enumerate(zip(*env.exact_class_rewards, strict=True))}
    rewards = {}
    for name, column in columns.items():
        vector = [Fraction(0)] * env.n_nodes + list(column) + [Fraction(0)]
        rewards[name] = stormpy.models.SparseRewardModel[stormpy.Rational](
            optional_state_reward_vector=[stormpy.Rational(r) for r in vector]
        )
    components = stormpy.models.SparseModelComponents[stormpy.Rational](builder.build(), labels, rewards)
    return (stormpy.models.SparseMdp if mdp else stormpy.models.SparseDtmc)[stormpy.Rational](components)


def check(env: TAMDP, checked: Any, formula: str) -> np.ndarray:
    """The answer at the start node of each prompt (N,)."""
    result = stormpy.model_checking(checked, stormpy.parse_property(formula), only_initial_states=False)
    vector = result.get_value_vector()
    return np.array([float(vector[x]) for x in env.prompt_start])


@pytest.mark.parametrize("env", ENVIRONMENTS, ids=lambda env: env.name)
def test_values_and_reward_law(env: TAMDP) -> None:
    for policy in policies(env):
        chain = model(env, mixed(env, policy), mdp=False)
        found = exact.values(env, policy)
        composite = check(env, chain, 'R{"composite"}=? [F "end"]')
        assert abs(env.prompt_probability @ composite - found.total) < TOLERANCE
        for k in range(env.n_components):
            component = check(env, chain, f'R{{"R{k}"}}=? [F "end"]')
            np.testing.assert_allclose(found.per_prompt[:, k], component, rtol=0, atol=TOLERANCE)
            assert abs(env.prompt_probability @ component - found.components[k]) < TOLERANCE
        reached = np.array([check(env, chain, f'P=? [F "c{c}"]')[env.class_prompt[c]] for c in range(env.n_classes)])
        law = np.concatenate([prompt.probability for prompt in exact.reward_law(env, policy)])
        np.testing.assert_allclose(law, reached[np.concatenate(env.prompt_classes)], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("env", ENVIRONMENTS, ids=lambda env: env.name)
def test_optimal_values(env: TAMDP) -> None:
    process = model(env, action_rows(env), mdp=True)
    found = exact.optimal_values(env)
    assert abs(env.prompt_probability @ check(env, process, 'R{"composite"}max=? [F "end"]') - found.total) < TOLERANCE
    for k in range(env.n_components):
        component = check(env, process, f'R{{"R{k}"}}max=? [F "end"]')
        np.testing.assert_allclose(found.per_prompt[:, k], component, rtol=0, atol=TOLERANCE)


def test_best_class_probability() -> None:
    env = ENVIRONMENTS[0]
    process = model(env, action_rows(env), mdp=True)
    for c in range(env.n_classes):
        indicator = np.eye(env.n_classes)[c]
        best = exact.gradient_domination(env, TabularSoftmax(env), indicator).optimum
        assert abs(best - env.prompt_probability @ check(env, process, f'Pmax=? [F "c{c}"]')) < TOLERANCE


def test_the_oracle_can_fail() -> None:
    env = ENVIRONMENTS[0]
    policy, other = TabularSoftmax(env), TabularSoftmax.random(env, np.random.default_rng(3))
    chain = model(env, mixed(env, policy), mdp=False)
    composite = check(env, chain, 'R{"composite"}=? [F "end"]')
    assert abs(env.prompt_probability @ composite - exact.values(env, other).total) > 1e-3
