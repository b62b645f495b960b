"""Sources of rollouts: the listed one against brute force, the sampled one against the engine, and what
groups refuse.
"""

from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from bounds import Observation
from tamdp_theory import TAMDP, CapacityError, InputError, LogLinear, Policy, TabularSoftmax, exact, families
from tamdp_theory.sources import ExactSource, RolloutGroups, SampledSource
from tests.helpers import oracle


def small(shared: bool = False) -> tuple[TAMDP, Policy]:
    """Stochastic tools, two prompts; a tabular policy, or one with parameters shared between nodes."""
    env, generator = families.search(prompts=2, max_tool_depth=1), np.random.default_rng(0)
    if shared:
        features = generator.standard_normal((env.n_nodes, env.n_actions, 3))
        return env, LogLinear(env, features, generator.standard_normal(3))
    return env, TabularSoftmax.random(env, generator)


def test_listed_groups_are_the_product_law() -> None:
    env, policy = small()
    groups, table = ExactSource(env, policy).rollouts(2), policy.probabilities()
    assert groups.weight is not None and groups.log_probability is not None and groups.scores is not None
    paths, scores = oracle.paths(env.to_dict(), table), oracle.tabular_scores(table)

    def signature(prompt: int, members: Any) -> tuple[Any, ...]:
        return prompt, tuple(sorted(tuple(round(float(x), 9) for x in row) for row in members))

    law: dict[tuple[Any, ...], float] = {}
    for one, two in product(paths, repeat=2):
        if one.prompt == two.prompt:
            rows = [
                [*path.rewards, sum(np.log(table[d]) for d in path.decisions), *oracle.score(path, scores)]
                for path in (one, two)
            ]
            key = signature(one.prompt, rows)
            law[key] = law.get(key, 0.0) + float(env.prompt_probability[one.prompt]) * one.probability * two.probability
    found: dict[tuple[Any, ...], float] = {}
    rows = np.concatenate([groups.rewards, groups.log_probability[..., None], groups.scores], axis=-1)
    for q, row, weight in zip(groups.prompt.tolist(), rows, groups.weight.tolist(), strict=True):
        key = signature(q, row)
        found[key] = found.get(key, 0.0) + weight
    assert len(found) > 100
    assert found.keys() == law.keys()
    assert all(found[key] == pytest.approx(law[key], abs=1e-13) for key in law)


def test_listed_groups_have_the_prompts_share() -> None:
    env = families.random_tree(5, prompts=3, tools=0, answers=2, max_tool_depth=0)
    groups = ExactSource(env, TabularSoftmax(env)).rollouts(3)
    assert groups.weight is not None and len(set(env.prompt_probability.tolist())) > 1
    assert [groups.weight[groups.prompt == q].sum() for q in range(3)] == pytest.approx(
        env.prompt_probability.tolist(), rel=1e-12
    )


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("listed", [True, False])
def test_sampled_rollouts_have_the_law(shared: bool, listed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frequencies of reward vectors, E log pi, E s = 0 and E||s||^2 against the engine, through both samplers."""
    env, policy = small(shared)
    if not listed:
        monkeypatch.setattr("tamdp_theory.grpo.rollouts.count_trajectories", lambda env: 10**9)
    groups = SampledSource(env, policy).rollouts(4, 4000, np.random.default_rng(1))
    assert groups.log_probability is not None and groups.scores is not None
    law = exact.reward_law(env, policy)
    for q in range(env.n_prompts):
        own = groups.prompt == q
        assert stats.binomtest(int(own.sum()), 4000, float(env.prompt_probability[q])).pvalue > 1e-6
        rewards = groups.rewards[own].reshape(-1, env.n_components)
        counts = [(rewards == row).all(axis=1).sum() for row in law[q].rewards]
        assert sum(counts) == len(rewards)
        expected = law[q].probability * len(rewards)
        assert stats.chisquare(counts, expected).pvalue > 1e-6
        scores = groups.scores[own].reshape(len(rewards), -1)
        # along random directions, since a single rare action is far from normal; five standard errors: one in two
        # million a comparison
        along = scores @ np.random.default_rng(2).standard_normal((scores.shape[1], 20))
        assert (np.abs(along.mean(axis=0)) <= 5 * along.std(axis=0) / len(scores) ** 0.5).all()
        squares = (scores**2).sum(axis=1)
        assert abs(squares.mean() - law[q].score_energy.sum()) <= 5 * squares.std() / len(squares) ** 0.5
        # the score is along the same rollout as the reward: E[c s] = grad of the prompt's J
        gradient = law[q].gradient.T @ (law[q].rewards @ env.weights)
        directions = np.random.default_rng(3).standard_normal((scores.shape[1], 20))
        moved = (rewards @ env.weights)[:, None] * (scores @ directions)
        assert (np.abs(moved.mean(axis=0) - gradient @ directions) <= 5 * moved.std(axis=0) / len(scores) ** 0.5).all()
    paths = exact.enumerate_trajectories(env)
    log_pi = paths.log_policy(policy.pair_log_probability[:, None])[:, 0]
    mean = float(
        (paths.probability(policy.pair_log_probability[:, None])[:, 0] * log_pi) @ env.prompt_probability[paths.prompt]
    )
    values = groups.log_probability.ravel()
    assert abs(values.mean() - mean) <= 5 * values.std() / len(values) ** 0.5


def test_one_seed_one_stream() -> None:
    env, policy = small()
    first, second = (SampledSource(env, policy).rollouts(4, 50, np.random.default_rng(3)) for _ in range(2))
    assert (first.rewards == second.rewards).all() and (first.scores == second.scores).all()
    assert (SampledSource(env, policy).rollouts(4, 50, np.random.default_rng(4)).rewards != first.rewards).any()


def test_cutting_keeps_rollouts_together() -> None:
    env, policy = small()
    groups = SampledSource(env, policy).rollouts(7, 5, np.random.default_rng(0))
    parts = groups.split(3)
    assert parts.rewards.shape == (10, 3, env.n_components) and parts.draw is not None
    assert parts.draw.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert (parts.prompt == np.repeat(groups.prompt, 2)).all()
    for i in range(5):
        for name in ("rewards", "log_probability", "scores"):
            whole, cut = getattr(groups, name)[i], getattr(parts, name)
            assert (np.concatenate([cut[2 * i], cut[2 * i + 1]]) == whole[:6]).all()
    again = parts.split(2)
    assert again.draw is not None and again.draw.tolist() == parts.draw.tolist()
    some = parts.select(np.array([9, 0]))
    assert (some.rewards == parts.rewards[[9, 0]]).all() and some.draw is not None and some.draw.tolist() == [4, 0]
    with pytest.raises(InputError, match="between 2 and 7"):
        groups.split(8)
    with pytest.raises(InputError, match="listed, not drawn"):
        ExactSource(env, policy).rollouts(2).split(2)


def test_too_many_groups_to_list() -> None:
    env = families.number_line()
    with pytest.raises(CapacityError, match=r"sample instead|exceed the limit"):
        ExactSource(env, TabularSoftmax(env)).rollouts(8)


@pytest.mark.parametrize("shared", [False, True])
def test_no_score_is_larger_than_the_bound(shared: bool) -> None:
    """Against every trajectory: in the tabular case the bound is the largest, and at most sqrt(2 H) by L2."""
    env, policy = small(shared)
    listed, sampled = (
        ExactSource(env, policy).rollouts(2),
        SampledSource(env, policy).rollouts(2, 5, np.random.default_rng(0)),
    )
    assert listed.scores is not None and listed.score_bound is not None
    largest = np.linalg.norm(listed.scores, axis=-1).max()
    assert listed.score_bound == sampled.score_bound and largest <= listed.score_bound
    if not shared:
        assert largest == pytest.approx(listed.score_bound, rel=1e-9) and listed.score_bound <= np.sqrt(2 * env.horizon)
    assert sampled.split(2).score_bound == sampled.select(np.arange(2)).score_bound == listed.score_bound


GOOD = RolloutGroups(
    ("a", "b"),
    (Fraction(1, 2), Fraction(1, 2)),
    np.zeros(3, dtype=int),
    rewards=np.zeros((3, 2, 2)),
    log_probability=np.zeros((3, 2)),
    scores=np.zeros((3, 2, 4)),
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rewards": np.zeros((3, 2, 3))}, r"rewards: expected \(n, G, 2\)"),
        ({"rewards": np.zeros((3, 1, 2))}, "at least two rollouts"),
        ({"rewards": np.full((3, 2, 2), 1.5)}, r"must be in \[0, 1\], got 1.5"),
        ({"rewards": np.full((3, 2, 2), np.nan)}, r"rewards\[0, 0, 0\]: not finite"),
        ({"log_probability": np.full((3, 2), np.nan)}, r"log_probability\[0, 0\]: not finite"),
        ({"log_probability": np.full((3, 2), -np.inf)}, r"log_probability\[0, 0\]: not finite"),
        ({"scores": np.full((3, 2, 4), np.inf)}, r"scores\[0, 0, 0\]: not finite"),
        ({"scores": np.zeros((3, 1, 4))}, r"scores: expected \(3, 2, d\)"),
        ({"scores": np.zeros((3, 2, 0))}, r"scores: expected \(3, 2, d\)"),
        ({"prompt": np.zeros(2, dtype=int)}, r"prompt: expected shape \(3,\)"),
        ({"draw": np.zeros(2, dtype=int)}, r"draw: expected shape \(3,\)"),
        ({"weight": np.array([0.5, 0.5, 0.5])}, "must sum to 1"),
        ({"weights": (Fraction(-1), Fraction(2))}, "must not be negative"),
        ({"weights": (Fraction(0), Fraction(0))}, "some must be positive"),
        ({"component_names": ("a",)}, "one column per component"),
        ({"score_bound": -1.0}, "score_bound: must be a finite number"),
        ({"scores": np.ones((3, 2, 4)), "score_bound": 1.9}, "score_bound: 1.9 is exceeded by a score of norm 2;"),
    ],
)
def test_groups_refuse(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(GOOD, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rewards": [[[0.0, 0.0], [1.0, 1.0]], [[0.0, 0.0]], [[1.0, 1.0]] * 3]}, "rewards: rows of different shapes"),
        ({"rewards": "none"}, "rewards: expected"),
        ({"rewards": [[[None, 1.0], [0.0, 1.0]]]}, "rewards: expected"),
        ({"log_probability": [[0.0, 1.0], [0.0]]}, "log_probability: expected an array of numbers"),
        ({"scores": "abc"}, "scores: expected an array of numbers"),
        ({"prompt": [0.5, 1.0, 2.0]}, "prompt: expected integers"),
        ({"prompt": [[0], [1, 2]]}, "prompt: expected integers"),
        ({"weights": ("a", 1)}, r"weights\[0\]"),
    ],
)
def test_wrong_types_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(GOOD, **change)


@pytest.mark.parametrize("kind", [np.float32, np.float16, torch.float32, torch.bfloat16, None], ids=str)
def test_low_precision_is_read_as_decimals(kind: Any) -> None:
    """.1 + .2 against .3 + 0 in the type's own numbers; lists and tensors come out as float64 arrays."""
    rewards: Any = [[[0.1, 0.2], [0.3, 0.0]], [[0.1, 0.0], [0.7, 1.0]]]
    scores: Any = [[[1.0], [2.0]], [[3.0], [4.0]]]
    if kind is not None:
        make = (
            (lambda values: torch.tensor(values, dtype=kind))
            if isinstance(kind, torch.dtype)
            else (lambda values: np.array(values, dtype=kind))
        )
        found = RolloutGroups(
            ("a", "b"), (Fraction(1), Fraction(1)), torch.tensor([0, 1]), make(rewards), scores=make(scores)
        )  # type: ignore[arg-type]
    else:
        found = RolloutGroups(("a", "b"), (Fraction(1), Fraction(1)), [0, 1], rewards, scores=scores)  # type: ignore[arg-type]
    assert found.rewards.dtype == np.float64 and found.rewards.tolist() == rewards
    assert found.scores is not None and found.scores.dtype == np.float64 and found.scores.tolist() == scores
    assert found.prompt.tolist() == [0, 1] and found.select(np.array([1])).rewards.tolist() == rewards[1:]
    table = Observation(found, exact.Scheme(2, "sum_then_normalize")).table(10)
    assert (table.composite.squares == 0).tolist() == [True, False]
    assert [(column.squares == 0).tolist() for column in table.components] == [[False, False], [False, False]]
