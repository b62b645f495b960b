"""Every policy against finite differences and against what a softmax must do."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamdp_theory import TAMDP, InputError, LogLinear, Network, Policy, TabularSoftmax, exact, families
from tamdp_theory.exact import NORMALIZATIONS
from tamdp_theory.policies.base import log_softmax, softmax, to_table
from tamdp_theory.strategies import policies, tamdps

TREE = families.random_tree(seed=4, prompts=2, tools=1, answers=2, max_tool_depth=1, components=2)
SEARCH = families.search(prompts=2, max_tool_depth=1)

Make = Callable[[TAMDP], Policy]
MAKERS: dict[str, Make] = {
    "tabular": lambda env: TabularSoftmax.random(env, np.random.default_rng(1), 1.5),
    "log-linear": lambda env: LogLinear(
        env, np.random.default_rng(2).standard_normal((env.n_pairs, 4)), np.random.default_rng(3).standard_normal(4)
    ),
    "network": lambda env: Network(env, hidden=3, generator=np.random.default_rng(4)),
}
each = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
on_each = pytest.mark.parametrize("env", [TREE, SEARCH], ids=["tree", "search"])


def legal(env: TAMDP) -> np.ndarray:
    """(n_nodes, n_actions): whether there is such an action."""
    return np.arange(env.n_actions)[None, :] < env.pair_count[:, None]


def differences(function: Callable[[np.ndarray], np.ndarray], at: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """Central differences: (len(function(at)), len(at))."""
    columns = []
    for j in range(len(at)):
        move = np.zeros_like(at)
        move[j] = step
        columns.append((function(at + move) - function(at - move)) / (2 * step))
    return np.stack(columns, axis=1)


# -- softmax -----------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.data(), tamdps())
def test_probabilities(data: st.DataObject, env: TAMDP) -> None:
    policy = data.draw(policies(env))
    table, logarithms, allowed = policy.probabilities(), policy.log_probabilities(), legal(env)
    assert table.shape == logarithms.shape == (env.n_nodes, env.n_actions)
    np.testing.assert_allclose(table.sum(axis=1), 1.0, rtol=1e-14)
    assert (table[~allowed] == 0).all()
    assert (table[allowed] > 0).all()
    assert (logarithms[~allowed] == -np.inf).all()
    np.testing.assert_allclose(np.exp(logarithms[allowed]), table[allowed], rtol=1e-14)
    np.testing.assert_array_equal(policy.pair_probability, table[env.pair_node, env.pair_action])
    logits = policy.pair_logits(policy.parameters[:, None])[:, 0]
    for x in range(env.n_nodes):
        own = logits[env.pair_node == x]
        np.testing.assert_allclose(table[x, : len(own)], np.exp(own) / np.exp(own).sum(), rtol=1e-12)


def test_uniform_by_default() -> None:
    expected = np.where(legal(SEARCH), 1 / SEARCH.pair_count[:, None], 0)
    for policy in (TabularSoftmax(SEARCH), LogLinear(SEARCH)):
        np.testing.assert_allclose(policy.probabilities(), expected, rtol=1e-15)
        assert not policy.parameters.any()


@on_each
def test_a_constant_per_node_changes_nothing(env: TAMDP) -> None:
    generator = np.random.default_rng(0)
    logits, shift = (
        generator.standard_normal((env.n_nodes, env.n_actions)),
        100 * generator.standard_normal((env.n_nodes, 1)),
    )
    np.testing.assert_allclose(
        TabularSoftmax(env, logits + shift).log_probabilities(),
        TabularSoftmax(env, logits).log_probabilities(),
        rtol=1e-12,
        atol=1e-12,
    )


def test_illegal_logits_are_ignored() -> None:
    logits = np.random.default_rng(0).standard_normal((SEARCH.n_nodes, SEARCH.n_actions))
    noise = np.where(legal(SEARCH), logits, np.nan)
    policy = TabularSoftmax(SEARCH, noise)
    np.testing.assert_array_equal(policy.probabilities(), TabularSoftmax(SEARCH, logits).probabilities())
    assert (policy.logits[~legal(SEARCH)] == 0).all()
    assert not legal(SEARCH).all(), "the process has nodes with fewer actions"


@pytest.mark.parametrize("size", [1e3, 1e15, 1e300])
def test_large_logits_neither_overflow_nor_lose_the_sum(size: float) -> None:
    policy = TabularSoftmax(
        SEARCH, size * np.sign(np.random.default_rng(5).standard_normal((SEARCH.n_nodes, SEARCH.n_actions)))
    )
    np.testing.assert_allclose(policy.probabilities().sum(axis=1), 1.0, rtol=1e-14)
    assert np.isfinite(policy.pair_log_probability).all()


def test_softmax_and_its_logarithm_agree_column_by_column() -> None:
    logits = 3 * np.random.default_rng(6).standard_normal((SEARCH.n_pairs, 4))
    before = logits.copy()
    np.testing.assert_allclose(softmax(SEARCH, logits), np.exp(log_softmax(SEARCH, logits)), rtol=1e-13)
    np.testing.assert_array_equal(logits, before, "the input is left alone")
    for s in range(4):
        np.testing.assert_array_equal(softmax(SEARCH, logits)[:, s], softmax(SEARCH, logits[:, s : s + 1])[:, 0])


def test_tables_put_each_pair_in_its_slot() -> None:
    table = to_table(SEARCH, np.arange(1.0, SEARCH.n_pairs + 1), -5.0)
    for i in range(SEARCH.n_pairs):
        assert table[SEARCH.pair_node[i], SEARCH.pair_action[i]] == i + 1
    assert (table == -5).sum() == SEARCH.n_nodes * SEARCH.n_actions - SEARCH.n_pairs


# -- scores and Jacobians ----------------------------------------------------------------------------------------------


@each
@on_each
def test_scores_are_derivatives_of_log_probabilities(make: Make, env: TAMDP) -> None:
    policy = make(env)

    def logarithms(theta: np.ndarray) -> np.ndarray:
        return policy.with_parameters(theta).log_probabilities()[env.pair_node, env.pair_action]

    scores = policy.scores()
    assert scores.shape == (env.n_pairs, policy.n_parameters)
    np.testing.assert_allclose(scores, differences(logarithms, policy.parameters), atol=2e-8)
    assert np.abs(scores).max() > 0.1


@settings(max_examples=40, deadline=None)
@given(st.data(), tamdps())
def test_scores_are_zero_on_average(data: st.DataObject, env: TAMDP) -> None:
    policy = data.draw(policies(env))
    weighted = policy.pair_probability[:, None] * policy.scores()
    np.testing.assert_allclose(env.node_sum(weighted), 0, atol=1e-13)


@each
@on_each
def test_pull_back_is_the_transposed_jacobian(make: Make, env: TAMDP) -> None:
    policy, generator = make(env), np.random.default_rng(7)
    points = np.stack([policy.parameters, generator.standard_normal(policy.n_parameters)], axis=1)
    sensitivities = generator.standard_normal((env.n_pairs, 2))
    found = policy.pull_back(sensitivities, points)
    assert found.shape == (policy.n_parameters, 2)
    for s in range(2):
        jacobian = differences(lambda theta: policy.pair_logits(theta[:, None])[:, 0], points[:, s])
        np.testing.assert_allclose(found[:, s], jacobian.T @ sensitivities[:, s], atol=1e-7)


@each
@on_each
def test_several_columns_are_one_by_one(make: Make, env: TAMDP) -> None:
    policy, generator = make(env), np.random.default_rng(8)
    points = generator.standard_normal((policy.n_parameters, 5))
    sensitivities = generator.standard_normal((env.n_pairs, 5))
    logits, pulled, own = (
        policy.pair_logits(points),
        policy.pull_back(sensitivities, points),
        policy.pull_back_each(sensitivities),
    )
    assert logits.shape == (env.n_pairs, 5)
    for s in range(5):
        column = slice(s, s + 1)
        np.testing.assert_allclose(logits[:, column], policy.pair_logits(points[:, column]), rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(
            pulled[:, column], policy.pull_back(sensitivities[:, column], points[:, column]), rtol=1e-13, atol=1e-14
        )
        np.testing.assert_allclose(
            own[:, column],
            policy.pull_back(sensitivities[:, column], policy.parameters[:, None]),
            rtol=1e-13,
            atol=1e-14,
        )
        np.testing.assert_allclose(
            policy.with_parameters(points[:, s]).pair_log_probability,
            log_softmax(env, logits)[:, s],
            rtol=1e-12,
            atol=1e-13,
        )


@each
def test_other_parameters_and_read_only(make: Make) -> None:
    policy = make(TREE)
    theta = np.random.default_rng(9).standard_normal(policy.n_parameters)
    other = policy.with_parameters(theta)
    assert type(other) is type(policy)
    assert other.env is TREE
    np.testing.assert_array_equal(other.pair_logits(theta[:, None]), other.pair_logits(other.parameters[:, None]))
    np.testing.assert_array_equal(policy.with_parameters(policy.parameters).parameters, policy.parameters)
    theta[:] = 0
    assert other.parameters.any(), "parameters are copied"
    with pytest.raises(ValueError, match="read-only"):
        policy.parameters[0] = 1.0


# -- log-linear with one feature per pair is tabular -------------------------------------------------------------------


@on_each
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_one_hot_features_are_tabular(env: TAMDP, normalization: exact.Normalization) -> None:
    tabular = TabularSoftmax.random(env, np.random.default_rng(10))
    linear = LogLinear(env, np.eye(env.n_pairs), tabular.parameters[env.pair_parameter])
    np.testing.assert_allclose(linear.probabilities(), tabular.probabilities(), rtol=1e-13)
    assert exact.values(env, linear).total == pytest.approx(exact.values(env, tabular).total, rel=1e-13)
    np.testing.assert_allclose(exact.values(env, linear).per_prompt, exact.values(env, tabular).per_prompt, rtol=1e-12)
    np.testing.assert_allclose(
        exact.policy_gradient(env, linear), exact.policy_gradient(env, tabular)[env.pair_parameter], atol=1e-15
    )
    for one, two in zip(exact.reward_law(env, linear), exact.reward_law(env, tabular), strict=True):
        np.testing.assert_allclose(one.score_energy, two.score_energy, rtol=1e-11)
        np.testing.assert_allclose(one.gradient, two.gradient[:, env.pair_parameter], atol=1e-14)
    one, two = (exact.update_moments(env, policy, 3, normalization) for policy in (linear, tabular))
    np.testing.assert_allclose(one.mean, two.mean[env.pair_parameter], atol=1e-14)
    assert one.second_moment == pytest.approx(two.second_moment, rel=1e-11)
    assert one.variance == pytest.approx(two.variance, rel=1e-11)
    assert two.variance > 1e-3


def test_observation_features_share_parameters() -> None:
    linear = LogLinear(SEARCH)
    labels = {(SEARCH.observations[x], name) for x, name in zip(SEARCH.pair_node, SEARCH.action_names, strict=True)}
    assert linear.features.shape == (SEARCH.n_pairs, len(labels))
    assert len(labels) < SEARCH.n_pairs
    assert (linear.features.sum(axis=1) == 1).all()
    policy = linear.with_parameters(np.random.default_rng(11).standard_normal(len(labels)))
    by_observation: dict[str, np.ndarray] = {}
    for x, row in enumerate(policy.probabilities()):
        np.testing.assert_array_equal(by_observation.setdefault(SEARCH.observations[x], row), row)
    assert not policy.is_tabular


def test_features_by_node_and_slot_or_by_pair() -> None:
    table = np.random.default_rng(12).standard_normal((SEARCH.n_nodes, SEARCH.n_actions, 3))
    table[~legal(SEARCH)] = np.nan
    by_pair = table[SEARCH.pair_node, SEARCH.pair_action]
    np.testing.assert_array_equal(LogLinear(SEARCH, table).features, LogLinear(SEARCH, by_pair).features)
    assert LogLinear(SEARCH, np.zeros((SEARCH.n_nodes, SEARCH.n_actions, 0))).n_parameters == 0


# -- network -----------------------------------------------------------------------------------------------------------


def test_network_is_drawn_from_its_generator() -> None:
    one, two, three = (Network(TREE, hidden=5, generator=np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.parameters, two.parameters)
    np.testing.assert_array_equal(one.probabilities(), two.probabilities())
    assert not np.array_equal(one.parameters, three.parameters)
    state = np.random.default_rng(1)
    Network(TREE, hidden=5, generator=state)
    assert not np.array_equal(Network(TREE, hidden=5, generator=state).parameters, one.parameters), (
        "the generator moves on"
    )


def test_network_against_the_formula() -> None:
    policy = Network(SEARCH, hidden=3, generator=np.random.default_rng(13))
    names = list(dict.fromkeys(SEARCH.action_names))
    parts = np.split(policy.parameters, np.cumsum([3 * policy.encoding.shape[1], 3, 3 * len(names)]))
    hidden = np.tanh(policy.encoding @ parts[0].reshape(3, -1).T + parts[1])
    logits = hidden @ parts[2].reshape(-1, 3).T + parts[3]
    expected = [logits[x, names.index(name)] for x, name in zip(SEARCH.pair_node, SEARCH.action_names, strict=True)]
    np.testing.assert_allclose(policy.pair_logits(policy.parameters[:, None])[:, 0], expected, rtol=1e-13, atol=1e-15)


def test_network_sees_only_its_encoding() -> None:
    policy = Network(SEARCH, hidden=3, encoding=np.ones((SEARCH.n_nodes, 1)), generator=np.random.default_rng(14))
    logits = policy.pair_logits(policy.parameters[:, None])[:, 0]
    by_name: dict[str, float] = {}
    for name, logit in zip(SEARCH.action_names, logits, strict=True):
        assert by_name.setdefault(name, logit) == pytest.approx(logit, rel=1e-14)


# -- what does not fit -------------------------------------------------------------------------------------------------

_SHAPE = (TREE.n_nodes, TREE.n_actions)
_NAN = np.full(_SHAPE, 0.0)
_NAN[1, 0] = np.nan
_INFINITE = np.full(_SHAPE, 0.0)
_INFINITE[0, 1] = -np.inf


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: TabularSoftmax(TREE, np.zeros(3)), f"logits: expected shape {_SHAPE} (n_nodes, n_actions), got (3,)"),
        (
            lambda: TabularSoftmax(TREE, np.zeros(_SHAPE).T),
            f"logits: expected shape {_SHAPE} (n_nodes, n_actions), got {_SHAPE[::-1]}",
        ),
        (
            lambda: TabularSoftmax(TREE, _NAN),
            f"logits[1, 0] ({TREE.node_ids[1]!r}): must be finite; every legal action has positive probability",
        ),
        (
            lambda: TabularSoftmax(TREE, _INFINITE),
            f"logits[0, 1] ({TREE.node_ids[0]!r}): must be finite; every legal action",
        ),
        (
            lambda: TabularSoftmax(TREE).with_parameters(np.zeros(2)),
            f"parameters: expected shape ({_SHAPE[0] * _SHAPE[1]},), got (2,)",
        ),
        (
            lambda: TabularSoftmax(TREE).with_parameters(_NAN.ravel()),
            f"logits[1, 0] ({TREE.node_ids[1]!r}): must be finite",
        ),
        (
            lambda: LogLinear(TREE, np.zeros((2, 2))),
            f"features: expected ({_SHAPE[0]}, {_SHAPE[1]}, d) or ({TREE.n_pairs}, d), got (2, 2)",
        ),
        (lambda: LogLinear(TREE, np.zeros(TREE.n_pairs)), f"features: expected ({_SHAPE[0]}, {_SHAPE[1]}, d) or"),
        (lambda: LogLinear(TREE, np.full((TREE.n_pairs, 1), np.nan)), "features: must be finite at legal actions"),
        (lambda: LogLinear(TREE, np.zeros((TREE.n_pairs, 2)), [0.0]), "parameters: expected shape (2,), got (1,)"),
        (
            lambda: LogLinear(TREE, np.zeros((TREE.n_pairs, 1)), [np.inf]),
            "parameters: must be finite; a policy has full support on legal actions",
        ),
        (
            lambda: LogLinear(TREE, np.zeros((TREE.n_pairs, 2))).with_parameters(np.zeros((2, 1))),
            "parameters: expected shape (2,), got (2, 1)",
        ),
        (
            lambda: Network(TREE),
            "generator: give a numpy Generator to draw the first parameters from, or give parameters",
        ),
        (lambda: Network(TREE, 0, generator=np.random.default_rng(0)), "hidden: must be 1 or more, got 0"),
        (
            lambda: Network(TREE, encoding=np.zeros(4), generator=np.random.default_rng(0)),
            f"encoding: expected finite ({_SHAPE[0]}, f), got shape (4,)",
        ),
        (
            lambda: Network(TREE, encoding=np.full((_SHAPE[0], 1), np.nan), generator=np.random.default_rng(0)),
            "encoding: expected finite",
        ),
        (lambda: Network(TREE, 2, parameters=np.zeros(3)), "parameters: expected shape ("),
        (
            lambda: MAKERS["network"](TREE).with_parameters(np.full(MAKERS["network"](TREE).n_parameters, np.nan)),
            "parameters: must be finite",
        ),
    ],
)
def test_what_does_not_fit(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value).startswith(says)
