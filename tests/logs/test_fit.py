"""Which estimator wrote the advantages, and with which weights: told from logs that it did write."""

from pathlib import Path

import numpy as np
import pytest

from tamdp_theory import grpo
from tamdp_theory.lvlm.logs.base import LoggedStep
from tamdp_theory.lvlm.logs.fit import candidates, fit, hold
from tamdp_theory.lvlm.logs.weights import infer_weights
from tamdp_theory.model import Floats
from tamdp_theory.sources import RolloutGroups


def drawn(levels: int, components: int = 2, groups: int = 60, size: int = 6, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).integers(0, levels, (groups, size, components)) / (levels - 1)


def step(rewards: Floats, weights: list[float], advantages: Floats) -> LoggedStep:
    """Advantages as a trainer has them, in float32."""
    names = tuple("abcd"[: len(weights)])
    groups = RolloutGroups(names, tuple(weights), np.arange(len(rewards)), rewards)  # type: ignore[arg-type]
    return LoggedStep(Path("log"), 1, groups, advantages.astype(np.float32).astype(np.float64))


@pytest.mark.parametrize(
    ("normalization", "eps", "ddof"),
    [
        ("sum_then_normalize", 1e-4, 1),
        ("sum_then_normalize", 1e-6, 1),
        ("sum_then_normalize", 1e-6, 0),
        ("sum_then_normalize", 0.0, 1),
        ("normalize_then_sum", 1e-4, 1),
        ("center", 0.0, 0),
        ("leave_one_out", 0.0, 0),
        ("rank", 0.0, 0),
        ("max_rl", 0.0, 0),
        ("mad", 0.0, 0),
        ("range", 0.0, 0),
    ],
)
@pytest.mark.parametrize("levels", [2, 5])
def test_the_estimator_is_told(normalization: str, eps: float, ddof: int, levels: int) -> None:
    rewards = drawn(levels)
    advantages = grpo.advantages(rewards, [1.0, 0.5], normalization, eps, ddof)
    best, *others = fit([step(rewards, [1.0, 0.5], advantages)])
    assert (best.scheme.normalization, best.scheme.eps, best.scheme.ddof) == (normalization, eps, ddof)
    assert best.holds and best.groups == 60 and best.worst < 1e-6 and best.factor == 1
    for other in others:  # not told apart by any group of these
        again = grpo.advantages(rewards, [1.0, 0.5], other.scheme.normalization, other.scheme.eps, other.scheme.ddof)
        np.testing.assert_allclose(again, advantages, atol=1e-5)


def test_no_estimator_fits_what_none_made() -> None:
    rewards = drawn(5)
    advantages = grpo.advantages(rewards, [1.0, 0.5], "sum_then_normalize", 1e-4, 1)
    whitened = advantages / advantages.std() * 1.3
    best = fit([step(rewards, [1.0, 0.5], whitened)])[0]
    assert not best.holds and best.agree < 30
    swapped = fit([step(rewards, [0.5, 1.0], advantages)])[0]
    assert not swapped.holds
    assert fit([LoggedStep(Path("log"), 1, step(rewards, [1, 1], advantages).groups, None)]) == []


def test_one_wrong_group_is_seen() -> None:
    rewards = drawn(3, groups=500)
    advantages = grpo.advantages(rewards, [1.0, 1.0], "center")
    advantages[450] *= 1.001  # beyond the groups that estimators are tried on
    best = fit([step(rewards[:300], [1, 1], advantages[:300]), step(rewards[300:], [1, 1], advantages[300:])])[0]
    assert best.scheme.normalization == "center"
    assert (best.agree, best.groups) == (499, 500)


@pytest.mark.parametrize("weights", [[1.0, 0.5], [0.2, 1.0], [1.0, 1.0], [1.0, -0.25], [1.0, 0.3, 0.6]])
@pytest.mark.parametrize("normalization", ["center", "sum_then_normalize", "leave_one_out"])
def test_weights_are_read_off_the_advantages(weights: list[float], normalization: str) -> None:
    rewards = drawn(4, len(weights))
    advantages = grpo.advantages(rewards, weights, normalization, 1e-4 if normalization == "sum_then_normalize" else 0)
    found = infer_weights(rewards, advantages.astype(np.float32).astype(np.float64))
    assert found is not None
    assert [float(w) for w in found] == pytest.approx(weights, abs=1e-3)


def test_a_column_that_is_no_reward_has_weight_zero() -> None:
    rewards = drawn(4, 3)
    advantages = grpo.advantages(rewards[..., :2], [1.0, 0.5], "sum_then_normalize", 1e-4, 1)
    assert infer_weights(rewards, advantages) == [1, 1 / 2, 0]


@pytest.mark.parametrize("reason", ["decomposed", "ranks", "constant", "one group", "not centred"])
def test_weights_that_are_not_told(reason: str) -> None:
    rewards = drawn(4)
    if reason == "constant":
        rewards[..., 1] = 0.5
    if reason == "one group":  # a single direction of three, and two weights: many fit
        rewards = np.repeat(rewards[:1], 9, axis=0)
        rewards[..., 1] = rewards[..., 0]
    rule = {"decomposed": "normalize_then_sum", "ranks": "rank"}.get(reason, "center")
    advantages = grpo.advantages(rewards, [1.0, 0.5], rule)
    assert infer_weights(rewards, advantages + (reason == "not centred")) is None


def test_weights_known_up_to_a_factor_leave_a_factor() -> None:
    rewards = drawn(5)
    advantages = grpo.advantages(rewards, [0.2, 0.6], "center")
    best = fit([step(rewards, [1 / 3, 1.0], advantages)], free=True)[0]
    assert best.scheme.normalization == "center" and best.holds
    assert best.factor == pytest.approx(0.6, rel=1e-6)
    assert not fit([step(rewards, [1 / 3, 1.0], advantages)])[0].holds


def test_candidates_are_what_needs_no_more_than_rewards() -> None:
    found = candidates(4)
    assert len(found) == len({(one.normalization, one.eps, one.ddof) for one in found})
    assert {one.ddof for one in found if not one.estimator.scales} == {0}
    only = candidates(4, "sum_then_normalize")
    assert {one.normalization for one in only} == {"sum_then_normalize"} and len(only) == 8
    rewards = drawn(5)
    mixed = hold([step(rewards, [1, 1], grpo.advantages(rewards, [1, 1], "center"))], candidates(6, "center")[0])
    assert mixed.holds
