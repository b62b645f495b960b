"""Length and which groups count: against ordered groups of trajectories, with a rule for one group."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from bounds import CLAIMS
from tamdp_theory import TAMDP, InputError, TabularSoftmax, exact, families, grpo
from tamdp_theory.estimators import AGGREGATIONS, KeepRule, Scheme
from tamdp_theory.exact.ball_groups import BallGroup
from tamdp_theory.grpo.enumeration import enumerate_update
from tamdp_theory.lengths import node_lengths
from tests.helpers import oracle
from tests.helpers.seeds import moved

F = Fraction
Rule = Callable[[list[tuple[Fraction, ...]], list[Fraction], list[int]], list[float]]


def process() -> dict[str, Any]:
    """Two prompts, a stochastic tool, graded components, and trajectories of 1 to 11 tokens."""
    env = families.random_tree(seed=moved(3), prompts=2, tools=1, answers=2, max_tool_depth=1, components=2, levels=3)
    content = env.to_dict()
    tokens = itertools.cycle([1, 4, 2, 7, 3])
    for node in content["nodes"]:
        for action in node["actions"]:
            action["tokens"] = next(tokens)
    return content


CONTENT = process()
ENV = TAMDP.from_dict(CONTENT)
POLICY = TabularSoftmax.random(ENV, np.random.default_rng(1))


def tokens_of(path: oracle.Path) -> int:
    return sum(CONTENT["nodes"][x]["actions"][a]["tokens"] for x, a in path.decisions)


def standardized(values: list[Fraction]) -> list[float]:
    mean = sum(values, F(0)) / len(values)
    spread = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
    return [float(v - mean) / spread if spread else 0.0 for v in values]


def composites(group: list[tuple[Fraction, ...]], weights: list[Fraction]) -> list[Fraction]:
    return [sum((w * r for w, r in zip(weights, row, strict=True)), F(0)) for row in group]


def decomposed(group: list[tuple[Fraction, ...]], weights: list[Fraction], lengths: list[int]) -> list[float]:
    parts = [[float(w) * a for a in standardized([row[k] for row in group])] for k, w in enumerate(weights)]
    return [sum(own) for own in zip(*parts, strict=True)]


def ranks(group: list[tuple[Fraction, ...]], weights: list[Fraction], lengths: list[int]) -> list[float]:
    c = composites(group, weights)
    return [sum((a > b) - (a < b) for b in c) / len(c) for a in c]


def over_tokens(group: list[tuple[Fraction, ...]], weights: list[Fraction], lengths: list[int]) -> list[float]:
    c = composites(group, weights)
    base = sum((n * a for n, a in zip(lengths, c, strict=True)), F(0)) / sum(lengths)
    return [float(a - base) for a in c]


RULES: dict[str, Rule] = {
    "sum_then_normalize": lambda group, weights, lengths: standardized(composites(group, weights)),
    "normalize_then_sum": decomposed,
    "leave_one_out": lambda group, weights, lengths: [
        float(a - (sum(c) - a) / (len(c) - 1)) for c in [composites(group, weights)] for a in c
    ],
    "rank": ranks,
    "length_baseline": over_tokens,
}


def squared_spread(c: list[Fraction]) -> Fraction:
    mean = sum(c, F(0)) / len(c)
    return sum(((a - mean) ** 2 for a in c), F(0)) / (len(c) - 1)


KEPT: dict[str, Callable[[list[Fraction]], bool]] = {
    "all": lambda c: True,
    "mixed": lambda c: len(set(c)) > 1,
    "mean_in(low=1/5, high=1/2)": lambda c: F(1, 5) < sum(c, F(0)) / len(c) < F(1, 2),
    "std_above(least=1/4)": lambda c: squared_spread(c) > F(1, 16),
    "std_above": lambda c: squared_spread(c) > F(1, 10**12),
}


WINDOW = "mean_in(low=1/5, high=1/2)"


def brute(scheme: Scheme, rule: Rule) -> tuple[Any, float]:
    """m and V by every ordered group of trajectories of each prompt."""
    table = POLICY.probabilities()
    weights = [oracle.rational(c["weight"]) for c in CONTENT["components"]]
    scores = oracle.tabular_scores(table)
    paths = oracle.paths(CONTENT, table)
    longest = max(tokens_of(path) for path in paths)
    mean, variance = 0.0, 0.0
    for q, rho in enumerate(oracle.prompt_weights(CONTENT)):
        own = [(path, tokens_of(path), oracle.score(path, scores)) for path in paths if path.prompt == q]
        first, second, mass = 0.0, 0.0, 0.0
        for group in itertools.product(own, repeat=scheme.group_size):
            rewards, lengths = [path.rewards for path, _, _ in group], [n for _, n, _ in group]
            if not KEPT[str(scheme.keep)](composites(rewards, weights)):
                continue
            factors = {
                "trajectory": [1.0] * len(group),
                "sequence_mean": [1 / n for n in lengths],
                "token_mean": [len(group) / sum(lengths)] * len(group),
                "constant": [1 / longest] * len(group),
            }[scheme.aggregation]
            gains = [a * f for a, f in zip(rule(rewards, weights, lengths), factors, strict=True)]
            g = sum(a * s for a, (_, _, s) in zip(gains, group, strict=True)) / len(group)
            chance = math.prod(path.probability for path, _, _ in group)
            mass, first, second = mass + chance, first + chance * g, second + chance * float(g @ g)
        first, second = first / mass, second / mass
        mean, variance = mean + rho * first, variance + rho**2 * (second - float(first @ first))
    return mean, variance


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize(("keep", "size"), [*((keep, 2) for keep in KEPT), ("all", 3), ("mixed", 3), (WINDOW, 3)])
def test_the_expected_update_and_its_variance(name: str, aggregation: Any, keep: Any, size: int) -> None:
    scheme = Scheme(size, name, aggregation=aggregation, keep=keep)
    mean, variance = brute(scheme, RULES[name])
    found = exact.update_moments(ENV, POLICY, size, name, aggregation=aggregation, keep=keep)
    near = {"rtol": 1e-10, "atol": 1e-13}
    np.testing.assert_allclose(found.mean, mean, **near)
    np.testing.assert_allclose(found.variance, variance, **near)
    listed = enumerate_update(ENV, POLICY, scheme)
    np.testing.assert_allclose(listed.mean, mean, **near)
    np.testing.assert_allclose(listed.variance, variance, **near)
    step = exact.surrogate(ENV, POLICY, POLICY, size, name, aggregation=aggregation, keep=keep)
    np.testing.assert_allclose(step.gradient, mean, **near)


@pytest.mark.parametrize("name", ["sum_then_normalize", "length_baseline"])
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_sampled_training_follows_the_expected_update(name: str, aggregation: Any) -> None:
    """The mean of one step of many seeds, within five standard errors."""
    settings: dict[str, Any] = {"group_size": 4, "normalization": name, "aggregation": aggregation, "steps": 1}
    history = grpo.train(ENV, POLICY, grpo.Config(mode="sampled", learning_rate=1.0, **settings), seeds=range(4000))
    exactly = grpo.train(ENV, POLICY, grpo.Config(mode="exact", learning_rate=1.0, **settings))
    moved_by = history.parameters - POLICY.parameters
    expected = exactly.parameters[0] - POLICY.parameters
    error = moved_by.std(axis=0, ddof=1) / math.sqrt(len(moved_by))
    assert (np.abs(moved_by.mean(axis=0) - expected) <= 5 * error + 1e-12).all()
    assert np.abs(expected).max() > 20 * error.max() / 5


def test_exact_numbers_know_lengths() -> None:
    """Fractions of a group of two, by hand: lengths 1 and 3, rewards 0 and 1, centred."""
    columns = ((F(1), (F(0), F(1))),)
    for aggregation, expected in (
        ("trajectory", (F(-1, 2), F(1, 2))),
        ("sequence_mean", (F(-1, 2), F(1, 6))),
        ("token_mean", (F(-1, 4), F(1, 4))),
        ("constant", (F(-1, 6), F(1, 6))),
    ):
        scheme = Scheme(2, "center", aggregation=aggregation)
        found = BallGroup(columns, scheme, (1, 3)).of_counts((1, 1))
        assert tuple(F(int(v.p), int(v.q)) for v in found.values()) == expected


def test_mixed_groups_where_nothing_else_happens() -> None:
    """A rare success: what is kept does not vanish with it, and has no cancellation."""
    for p in (1e-3, 1e-12, 1e-100):
        law = [1 - p, p]
        kept = exact.group_moments(law, [[0], [1]], [1], 8, "center", keep="mixed")
        # one success in eight, up to order p
        assert kept.first[1] * p == pytest.approx(7 / 8 / 8, rel=10 * p + 1e-12)
    never = exact.group_moments([1.0, 0.0], [[0], [1]], [1], 8, "center", keep="mixed")
    assert not never.first.any()


def test_lengths_are_read_and_written() -> None:
    again = TAMDP.from_dict(ENV.to_dict())
    assert again.to_dict() == ENV.to_dict() and (again.pair_tokens == ENV.pair_tokens).all()
    assert set(ENV.pair_tokens.tolist()) == {1, 4, 2, 7, 3}
    assert "tokens" not in str(families.bandit([(0,), (1,)]).to_dict())
    for bad in (0, -1, 1.5, True, "2", 10**7):
        content = process()
        content["nodes"][0]["actions"][0]["tokens"] = bad
        with pytest.raises(InputError, match=r"nodes\[0\].actions\[0\].tokens"):
            TAMDP.from_dict(content)


def test_split_classes_keep_the_law() -> None:
    whole = ENV.by_length
    assert whole.by_length is whole and whole.n_classes > ENV.n_classes
    law, split = exact.reward_law(ENV, POLICY), exact.reward_law(whole, TabularSoftmax(whole, POLICY.logits))
    for one, other in zip(law, split, strict=True):
        assert other.probability.sum() == pytest.approx(1.0)
        for row, p in zip(one.rewards, one.probability, strict=True):
            assert p == pytest.approx(other.probability[(other.rewards == row).all(axis=1)].sum())


def test_what_has_no_length_is_refused() -> None:
    meeting = {
        "schema": "tamdp/1",
        "name": "meeting",
        "max_tool_depth": 0,
        "components": [{"name": "c", "weight": 1}],
        "prompts": [{"name": "q", "probability": 1, "start": "q"}],
        "nodes": [
            {
                "id": "q",
                "depth": 0,
                "actions": [
                    {"name": "short", "kind": "think", "next": [{"probability": 1, "node": "end"}]},
                    {"name": "long", "kind": "think", "tokens": 2, "next": [{"probability": 1, "node": "end"}]},
                ],
            },
            {
                "id": "end",
                "depth": 0,
                "actions": [{"name": "a", "kind": "answer", "next": [{"probability": 1, "rewards": [1]}]}],
            },
        ],
    }
    env = TAMDP.from_dict(meeting)
    with pytest.raises(InputError, match=r"nodes\[1\] \('end'\): ways of 1 and 2 tokens lead to it"):
        node_lengths(env)
    assert exact.update_moments(env, TabularSoftmax(env), 2, "center").variance >= 0
    for call in (
        lambda: exact.group_moments([0.5, 0.5], [[0], [1]], [1], 2, "center", aggregation="token_mean"),
        lambda: exact.group_moments([0.5, 0.5], [[0], [1]], [1], 2, "center", aggregation="mean"),
        lambda: exact.group_moments([0.5, 0.5], [[0], [1]], [1], 2, "center", keep="some"),
        lambda: exact.group_moments([0.5, 0.5], [[0], [1]], [1], 2, "center", lengths=[1, 0]),
        lambda: grpo.Config(mode="sampled", keep="mixed"),
        lambda: CLAIMS["L5"].check(ENV, POLICY, group_size=3, normalization="length_baseline"),
    ):
        with pytest.raises(InputError):
            call()


def test_filters_are_decided_exactly() -> None:
    """Thresholds that floats miss: the mean of .1, .2, .3 is .2, and a group of three .1 has no spread."""
    law, rows = [0.2, 0.3, 0.5], [["1/10"], ["2/10"], ["3/10"]]
    settings = (law, rows, [1], 3, "center")
    # of all groups with mean above .2, none is .1, .2, .3 in any order, nor three of .2
    above = exact.group_moments(*settings, keep="mean_in(low=1/5, high=1)")
    groups = [g for g in itertools.product(range(3), repeat=3) if sum(g) > 3]
    mass = sum(math.prod(law[i] for i in g) for g in groups)
    first = sum(math.prod(law[i] for i in g) * (2 - sum(g) / 3) / 10 for g in groups if g[0] == 2) / law[2] / mass
    assert above.first[2] == pytest.approx(first, rel=1e-12)
    silent = exact.group_moments(*settings, keep="std_above(least=0)")
    mixed = exact.group_moments(*settings, keep="mixed")
    for name in ("first", "second", "cross", "positive", "given_pair"):
        np.testing.assert_allclose(getattr(silent, name), getattr(mixed, name), rtol=1e-12, atol=1e-15)
    never = exact.group_moments(*settings, keep="mean_in(low=3/10, high=1)")
    assert not never.first.any() and not never.cross.any()
    for keep, says in (
        ("mean_in(low=1, high=0)", "mean_in.* needs low < high"),
        ("std_above(least=-1)", "needs least >= 0"),
        ("mean_in(least=1)", "no option 'least'"),
        ("mixd", "did you mean 'mixed'"),
    ):
        with pytest.raises(InputError, match=says):
            exact.group_moments(*settings, keep=keep)
    assert (
        Scheme(3, "center", keep="mean_in(low=0)").keep == "mean_in" and not Scheme(3, "center", keep="mixed").filters
    )


@dataclass(frozen=True, kw_only=True)
class BestOf(KeepRule):
    """A rule that nobody has registered: groups whose total is more than so many units."""

    name: str = "best of"

    def keeps(self, size: int, total: Any, squares: Any, unit: Fraction) -> Any:
        return np.array([int(n) * unit > F(1) for n in total])


def test_a_rule_of_ones_own() -> None:
    found = exact.group_moments([0.25, 0.75], [[0], [1]], [1], 2, "center", keep=BestOf())
    assert (
        not found.first.any()
        and exact.group_moments([0.2, 0.8], [[0], [1]], [1], 3, "center", keep=BestOf()).first.any()
    )
