"""Scripted policies played through text: mean rewards, classes, silent groups and scores against the twin's exact
numbers.
"""

import math
from typing import Any

import numpy as np
import pytest

from tamdp_theory import CapacityError, InputError, LogLinear, TabularSoftmax, exact
from tamdp_theory.environments import (
    Blackjack,
    Coding,
    Decision,
    Environment,
    EZPoints,
    Household,
    ImageRepair,
    NumberLine,
    Points24,
    ScriptedSource,
    Search,
)
from tamdp_theory.sources import MAX_NUMBERS, SampledSource

LEVEL = 1e-6
ENVIRONMENTS = {
    "line": (NumberLine(6, 6, 3), 600),
    "one step": (NumberLine(6, 1, 1), 900),
    "cards": (Blackjack([6, 10, 1], [(12, False), (16, False), (18, True)]), 600),
    "all cards": (Blackjack(), 400),
    "formulas": (EZPoints([(6, 6), (10, 2), (3, 4)], pixels=32), 400),
    "twenty-four": (
        Points24([(6, 6, 6, 6), (1, 1, 2, 2), (2, 2, 4, 8), (1, 1, 1, 1), (3, 3, 3, 3)], 5, pixels=32),
        300,
    ),
    "household": (Household(max_steps=6, pixels=32), 600),
    "coding": (Coding(4, 2, mended=True, pixels=32), 400),
    "search": (Search(4, 2, pixels=32), 600),
    "repair": (ImageRepair(8, 2, pixels=32), 500),
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_means_classes_and_silent_groups(name: str) -> None:
    """Bernstein's inequality with the exact variances, at level 1e-6 over all that is compared."""
    environment, count = ENVIRONMENTS[name]
    twin, size = environment.twin, 8
    policy = TabularSoftmax.random(twin, np.random.default_rng(7))
    groups = ScriptedSource(environment, policy, with_scores=False).rollouts(size, count, np.random.default_rng(11))
    assert groups.scores is None and groups.rewards.shape == (count, size, twin.n_components)
    laws = exact.reward_law(twin, policy)
    compared: list[tuple[np.ndarray, float, float]] = []
    for prompt, law in enumerate(laws):
        own = groups.rewards[groups.prompt == prompt].reshape(-1, twin.n_components)
        if len(own) < 200:
            continue
        mean = law.probability @ law.rewards
        np.testing.assert_allclose(mean, exact.values(twin, policy).per_prompt[prompt], atol=1e-12)
        for k in range(twin.n_components):
            compared.append((own[:, k], mean[k], law.probability @ law.rewards[:, k] ** 2 - mean[k] ** 2))
        for rewards, p in zip(law.rewards, law.probability, strict=True):
            compared.append(((own == rewards).all(axis=1), p, p * (1 - p)))
        silent = groups.rewards[groups.prompt == prompt]
        p = float((law.probability**size).sum())
        compared.append(((silent == silent[:, :1]).all(axis=(1, 2)), p, p * (1 - p)))
    every = groups.rewards.mean(axis=1)  # the members of a group share a prompt, so groups are what is independent
    for k, value in enumerate(exact.values(twin, policy).components):
        compared.append((every[:, k], value, 0.25))
    for seen, expected, variance in compared:
        t = math.log(2 * len(compared) / LEVEL)
        within = math.sqrt(2 * max(variance, 0.0) * t / len(seen)) + t / (3 * len(seen))
        assert abs(np.mean(seen) - expected) <= within + 1e-12
    assert len(compared) >= (3 if name == "all cards" else 30)


@pytest.mark.parametrize(
    "environment",
    [NumberLine(5, 3, 2), Blackjack([9], [(17, False), (20, False)]), ImageRepair(2, 1, pixels=32)],
    ids=lambda e: e.name,
)
@pytest.mark.parametrize("kind", ["tabular", "loglinear"])
def test_log_probability_and_scores(environment: Environment, kind: str) -> None:
    twin, generator = environment.twin, np.random.default_rng(3)
    policy: Any = TabularSoftmax.random(twin, generator)
    if kind == "loglinear":
        policy = LogLinear(twin, generator.standard_normal((twin.n_pairs, 5)), generator.standard_normal(5))
    source = ScriptedSource(environment, policy)
    groups = source.rollouts(3, 12, np.random.default_rng(4))
    again = source.rollouts(3, 12, np.random.default_rng(4))
    assert groups.scores is not None and groups.log_probability is not None and again.scores is not None
    assert groups.scores.tobytes() == again.scores.tobytes() and groups.rewards.tobytes() == again.rewards.tobytes()

    generator = np.random.default_rng(4)
    prompts = generator.choice(twin.n_prompts, size=12, p=twin.prompt_probability)
    np.testing.assert_array_equal(prompts, groups.prompt)
    rows, pairs = policy.scores(), list(zip((twin.node_ids[x] for x in twin.pair_node), twin.action_names, strict=True))
    table = policy.log_probabilities()
    for n, prompt in enumerate(prompts):
        for member in range(3):
            played = source.play(int(prompt), generator)
            path = [pairs.index((d.node, d.action)) for d in played.episode.decisions]
            assert path == list(played.pairs) and played.episode.rewards == tuple(groups.rewards[n, member])
            log_p = sum(table[twin.pair_node[i], twin.pair_action[i]] for i in path)
            assert groups.log_probability[n, member] == pytest.approx(log_p, abs=1e-12)
            np.testing.assert_allclose(groups.scores[n, member], rows[path].sum(axis=0), atol=1e-12)


def test_a_sampled_source_looks_the_same() -> None:
    environment = NumberLine(6, 1, 1)
    policy = TabularSoftmax.random(environment.twin, np.random.default_rng(0))
    sources = ScriptedSource(environment, policy), SampledSource(environment.twin, policy)
    played, sampled = (source.rollouts(4, 20, np.random.default_rng(1)) for source in sources)
    assert (
        played.component_names == sampled.component_names and played.weights == sampled.weights and not played.is_exact
    )
    assert played.scores is not None and sampled.scores is not None and played.scores.shape == sampled.scores.shape


class Mumbling(NumberLine):
    def phrase(self, action: str, generator: np.random.Generator) -> str:
        return '{"action": "+"}' if action == "-1" else super().phrase(action, generator)


class Lost(NumberLine):
    def start(self, prompt: int, generator: np.random.Generator) -> Any:
        episode = super().start(prompt, generator)
        episode.prompt = "nowhere"
        return episode


def test_what_does_not_fit_is_refused() -> None:
    generator = np.random.default_rng(0)
    mumbling = Mumbling(6, 3)
    with pytest.raises(InputError, match=r"for '-1' was taken for .*mend the wording or the parser"):
        ScriptedSource(mumbling, TabularSoftmax(mumbling.twin)).rollouts(8, 4, generator)
    lost = Lost(6, 3)
    with pytest.raises(InputError, match="the twin has no node 'nowhere'"):
        ScriptedSource(lost, TabularSoftmax(lost.twin)).rollouts(2, 1, generator)
    with pytest.raises(InputError, match="the policy belongs to"):
        ScriptedSource(NumberLine(6, 3), TabularSoftmax(NumberLine(6, 4).twin))
    large = NumberLine(6, 10)
    source = ScriptedSource(large, TabularSoftmax(large.twin))
    count = MAX_NUMBERS // (8 * source.policy.n_parameters) + 1
    with pytest.raises(CapacityError, match="ask for fewer, or with_scores=False"):
        source.rollouts(8, count, generator)
    assert isinstance(source.play(0, generator).episode.decisions[0], Decision)
