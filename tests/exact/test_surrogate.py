"""Surrogates of every ratio level against ordered groups written out one by one, and against each other."""

import itertools
import math
from typing import Any

import numpy as np
import pytest

from tamdp_theory import TAMDP, InputError, TabularSoftmax, exact, families, grpo
from tamdp_theory.exact import Scheme
from tamdp_theory.exact.surrogate import Ratio

TREE = families.random_tree(seed=4, prompts=2, tools=1, answers=2, max_tool_depth=1, components=2)
LONG = TAMDP.from_dict(
    {
        "schema": "tamdp/1",
        "name": "two-lengths",
        "max_tool_depth": 0,
        "components": [{"name": "r", "weight": 1}],
        "prompts": [{"name": "q", "probability": 1, "start": "a"}],
        "nodes": [
            {
                "id": "a",
                "depth": 0,
                "actions": [
                    {"name": "on", "kind": "think", "tokens": 2, "next": [{"probability": 1, "node": "b"}]},
                    {"name": "no", "kind": "answer", "tokens": 1, "next": [{"probability": 1, "rewards": ["1/2"]}]},
                ],
            },
            {
                "id": "b",
                "depth": 0,
                "actions": [
                    {"name": "yes", "kind": "answer", "tokens": 3, "next": [{"probability": 1, "rewards": [1]}]},
                    {"name": "no", "kind": "answer", "tokens": 3, "next": [{"probability": 1, "rewards": [0]}]},
                ],
            },
        ],
    }
)


def by_groups(
    env: TAMDP, new: TabularSoftmax, old: TabularSoftmax, scheme: Scheme, ratio: Ratio, **options: Any
) -> float:
    """The expected objective over ordered groups: clipped terms written as min and max, in plain Python."""
    low, high = 1 - options["clip"][0], 1 + options["clip"][1]
    dual, total = options.get("dual_clip"), 0.0
    paths = exact.enumerate_trajectories(env)
    law = paths.probability(old.pair_log_probability[:, None])[:, 0]
    tokens = [sum(TOKENS.get((env.name, int(p)), 1) for p in row if p >= 0) for row in paths.pairs]
    for q in range(env.n_prompts):
        own = np.flatnonzero(paths.prompt == q).tolist()
        for group in itertools.product(own, repeat=scheme.group_size):
            rewards = env.class_rewards[paths.reward_class[list(group)]]
            gains = grpo.advantages(rewards[None], env.weights, scheme.normalization, scheme.eps, scheme.ddof)[0]
            found = 0.0
            for member, gain in zip(group, gains.tolist(), strict=True):
                if scheme.aggregation == "sequence_mean":
                    gain /= tokens[member]
                pairs = [int(p) for p in paths.pairs[member] if p >= 0]
                logs = [new.pair_log_probability[p] - old.pair_log_probability[p] for p in pairs]
                count = tokens[member] if scheme.lengths else len(pairs)
                units = {
                    "trajectory": [(math.exp(sum(logs)), 1)],
                    "decision": [(math.exp(x), 1) for x in logs],
                    "sequence": [(math.exp(sum(logs) / count), count)],
                }[ratio]
                for value, times in units:
                    term = min(value * gain, min(max(value, low), high) * gain)
                    if dual is not None and gain < 0:
                        term = max(term, dual * gain)
                    found += times * term
            total += float(env.prompt_probability[q]) * math.prod(law[m] for m in group) * found / scheme.group_size
    return total


TOKENS = {("two-lengths", 0): 2, ("two-lengths", 1): 1, ("two-lengths", 2): 3, ("two-lengths", 3): 3}
CLIPS = [(0.2, 0.2), (0.1, 0.4), (1.0, math.inf)]


def policies(env: TAMDP) -> tuple[TabularSoftmax, TabularSoftmax]:
    old = TabularSoftmax.random(env, np.random.default_rng(1), 0.7)
    return old.with_parameters(old.parameters + np.random.default_rng(2).normal(size=old.n_parameters) / 2), old


@pytest.mark.parametrize("ratio", ["trajectory", "decision", "sequence"])
@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("dual", [None, 1.3])
@pytest.mark.parametrize(
    ("env", "scheme"),
    [
        (TREE, Scheme(2, "normalize_then_sum")),
        (TREE, Scheme(3, "center")),
        (LONG, Scheme(3, "sum_then_normalize", 0.1, 1, "sequence_mean")),
        (LONG, Scheme(2, "center")),
    ],
    ids=str,
)
def test_every_group_one_by_one(
    env: TAMDP, scheme: Scheme, ratio: Ratio, clip: tuple[float, float], dual: float | None
) -> None:
    new, old = policies(env)
    settings = (scheme.group_size, scheme.normalization)
    options = {"clip": clip, "eps": scheme.eps, "ddof": scheme.ddof, "aggregation": scheme.aggregation}
    options |= {"ratio": ratio, "dual_clip": dual}
    found = exact.surrogate(env, new, old, *settings, **options)  # type: ignore[arg-type]
    expected = by_groups(env, new, old, scheme, ratio, clip=clip, dual_clip=dual)
    assert found.value == pytest.approx(expected, rel=1e-11, abs=1e-13)
    slopes = []
    for e in np.eye(new.n_parameters):
        up, down = (new.with_parameters(new.parameters + 1e-5 * sign * e) for sign in (1, -1))
        sides = [exact.surrogate(env, one, old, *settings, **options).value for one in (up, down)]  # type: ignore[arg-type]
        slopes.append((sides[0] - sides[1]) / 2e-5)
    np.testing.assert_allclose(found.gradient, slopes, atol=2e-9)


@pytest.mark.parametrize("ratio", ["trajectory", "decision", "sequence"])
@pytest.mark.parametrize("cispo", [False, True])
@pytest.mark.parametrize("aggregation", ["trajectory", "sequence_mean"])
def test_on_policy_every_level_is_the_expected_update(ratio: Ratio, cispo: bool, aggregation: Any) -> None:
    _, old = policies(LONG)
    options = {"aggregation": aggregation}
    found = exact.surrogate(LONG, old, old, 3, "center", ratio=ratio, cispo=cispo, **options)
    mean = exact.update_moments(LONG, old, 3, "center", **options).mean
    np.testing.assert_allclose(found.gradient, mean, atol=1e-14)


def test_one_decision_makes_all_levels_one() -> None:
    env = families.bandit([["0"], ["1/3"], ["1"]])
    new, old = policies(env)
    one, two, three = (
        exact.surrogate(env, new, old, 3, "sum_then_normalize", ratio=ratio)
        for ratio in ("trajectory", "decision", "sequence")
    )
    assert one.value == pytest.approx(two.value, rel=1e-14) and one.value == pytest.approx(three.value, rel=1e-14)
    np.testing.assert_allclose(one.gradient, two.gradient, atol=1e-15)
    np.testing.assert_allclose(one.gradient, three.gradient, atol=1e-15)


def test_cispo_keeps_the_gradient_that_clipping_loses() -> None:
    """Far beyond the clip PPO's gradient is one-sided; CISPO's is (1 + eps) A score, at the cap."""
    env = families.bandit([["1"], ["0"]])
    old = TabularSoftmax(env)
    new = old.with_parameters(np.array([2.0, 0.0]))  # ratios 1.76 and 0.24
    plain = exact.surrogate(env, new, old, 2, "center", clip=(0.2, 0.3))
    cut = exact.surrogate(env, new, old, 2, "center", clip=(0.2, 0.3), cispo=True)
    np.testing.assert_allclose(plain.gradient, 0, atol=1e-15)
    p = new.pair_probability[0]
    # h = +-1/4, P_old = 1/2: (1/2)(1/4)[1.3 (1 - p) + 0.8 p]
    assert cut.gradient[0] == pytest.approx((1.3 * (1 - p) + 0.8 * p) / 8, rel=1e-13)


def test_training_follows_the_level() -> None:
    new, old = policies(TREE)
    base = {"mode": "exact", "steps": 1, "group_size": 3, "normalization": "center", "inner_epochs": 2}
    ends = {
        level: grpo.train(TREE, old, grpo.Config(**base, learning_rate=3.0, ratio=level)).parameters[0]  # type: ignore[arg-type]
        for level in ("trajectory", "decision", "sequence")
    }
    first = old.with_parameters(old.parameters + 3.0 * exact.update_moments(TREE, old, 3, "center").mean)
    for level, end in ends.items():
        step = exact.surrogate(TREE, first, old, 3, "center", ratio=level).gradient  # type: ignore[arg-type]
        np.testing.assert_allclose(end, first.parameters + 3.0 * step, atol=1e-12)
    assert np.abs(ends["trajectory"] - ends["decision"]).max() > 1e-4
    assert new.n_parameters == len(ends["sequence"])


def test_what_does_not_go_together() -> None:
    new, old = policies(TREE)
    for options, message in (
        ({"ratio": "token"}, "ratio: must be one of trajectory, decision, sequence"),
        ({"dual_clip": 1.0}, "dual_clip: must be above 1"),
        ({"dual_clip": 3.0, "cispo": True}, "leave it out"),
    ):
        with pytest.raises(InputError, match=message):
            exact.surrogate(TREE, new, old, 2, "center", **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="use mode exact"):
        grpo.Config(mode="sampled", ratio="decision")
