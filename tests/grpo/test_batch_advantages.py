"""Advantages of a batch at hand, against the rules of tests/estimators/test_batch.py, and what is refused."""

from typing import Any

import numpy as np
import pytest

from tamdp_theory import InputError, grpo
from tests.estimators.test_batch import RULES
from tests.helpers.seeds import moved


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize(("eps", "ddof"), [(0.0, 0), (1e-4, 1)])
def test_every_estimator_is_its_rule(name: str, eps: float, ddof: int) -> None:
    generator = np.random.default_rng(moved(1))
    weights = np.array([1.0, 0.5])
    for batch, size in ((1, 2), (2, 3), (7, 5)):
        rewards = generator.integers(0, 5, (batch, size, 2)) / 4
        lengths = generator.integers(1, 9, (batch, size))
        expected = RULES[name](eps, ddof)(rewards, weights, lengths)
        found = grpo.batch_advantages(rewards, weights, name, eps, ddof, lengths)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def test_a_group_estimator_within_groups() -> None:
    rewards = np.random.default_rng(moved(2)).integers(0, 5, (6, 4, 1)) / 4
    found = grpo.batch_advantages(rewards, [1], "sum_then_normalize", 1e-4, 1)
    np.testing.assert_array_equal(found, grpo.advantages(rewards, [1], "sum_then_normalize", 1e-4, 1))


@pytest.mark.parametrize("name", ["batch_std", "reinforce_plus_plus(over=sequences)", "batch_normalize", "gdpo_batch"])
def test_silent_batches_are_silent(name: str) -> None:
    """Composites that agree as rationals, whatever floats make of them: .1 + .2 and .3 + 0, in float32 too."""
    rewards = np.array([[[0.1, 0.2], [0.3, 0.0]]] * 3, dtype=np.float32)
    if name != "gdpo_batch":  # whose components differ
        assert not grpo.batch_advantages(rewards, [1, 1], name).any()
    assert not grpo.batch_advantages(np.full((3, 7, 1), 0.1), [1], name).any()


def test_components_that_cancel_are_silent() -> None:
    """Standardized, three components in line add up to 0, though not in floats, which whitening would blow up."""
    n = np.array([[1, 7, 22], [7, 22, 32]])
    rewards = np.stack([3 * n, 100 - 7 * n, n], axis=-1) / 100  # decimals of two places
    assert not grpo.batch_advantages(rewards, [1, 2, 1], "gdpo_batch", 0.0, 1).any()
    assert grpo.batch_advantages(rewards, [1, 1, 1], "gdpo_batch", 0.0, 1).all()


def trl(rewards: Any, weights: Any, name: str) -> Any:
    """TRL 1.16, transcribed: rewards (B G, K) with NaN where a function gave None."""
    size, eps = rewards.shape[1], 1e-4
    flat = rewards.reshape(-1, rewards.shape[2])
    unscorable = np.isnan(flat).all(axis=1)

    def deviation(values: Any, axis: Any) -> Any:
        mean = np.nanmean(values, axis=axis, keepdims=True)
        count = (~np.isnan(values)).sum(axis=axis, keepdims=True)
        correction = np.where(count > 1, count / np.where(count > 1, count - 1, 1), np.nan)
        return np.sqrt(np.nanmean((values - mean) ** 2, axis=axis, keepdims=True) * correction)

    if name in ("normalize_then_sum", "gdpo_batch(eps_in=1e-4)"):
        grouped = flat.reshape(-1, size, flat.shape[1])
        scaled = (grouped - np.nanmean(grouped, axis=1, keepdims=True)) / (deviation(grouped, 1) + eps)
        x = np.nansum(scaled.reshape(flat.shape) * weights, axis=1)
        x[unscorable] = np.nan
        if name.startswith("gdpo"):
            x = (x - np.nanmean(x)) / (deviation(x, None) + eps)
        return np.nan_to_num(x, nan=0.0).reshape(-1, size)
    c = np.nansum(flat * weights, axis=1)
    c[unscorable] = np.nan
    grouped = c.reshape(-1, size)
    x = grouped - np.nanmean(grouped, axis=1, keepdims=True)
    if name == "sum_then_normalize":
        x = x / (deviation(grouped, 1) + eps)
    if name == "batch_std":
        x = x / (deviation(c, None) + eps)
    return np.nan_to_num(x, nan=0.0)


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
@pytest.mark.parametrize(
    "name", ["sum_then_normalize", "center", "batch_std", "normalize_then_sum", "gdpo_batch(eps_in=1e-4)"]
)
def test_missing_rewards_by_the_rule_of_trl(name: str) -> None:
    generator = np.random.default_rng(moved(6))
    for size in (2, 4, 6):
        rewards = generator.integers(0, 5, (9, size, 2)) / 4
        rewards[generator.random(rewards.shape) < 0.4] = np.nan
        rewards[0] = np.nan  # nobody
        rewards[1, 1:] = np.nan  # one alone
        expected = trl(rewards, np.array([1.0, 0.5]), name)
        found = grpo.batch_advantages(rewards, [1, 0.5], name, 1e-4, 1, missing=True)
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
        assert not found[:2].any() or name == "gdpo_batch(eps_in=1e-4)"
    # nothing missing: the option changes nothing
    whole = generator.integers(0, 5, (3, 4, 2)) / 4
    np.testing.assert_array_equal(
        grpo.batch_advantages(whole, [1, 0.5], name, 1e-4, 1, missing=True),
        grpo.batch_advantages(whole, [1, 0.5], name, 1e-4, 1),
    )


def test_missing_rewards_over_tokens_and_levels() -> None:
    """A member without rewards has no part in any sum, so the rest is a batch of its own."""
    rewards = np.array([[[0.0], [1.0], [np.nan]], [[0.25], [0.5], [np.nan]]])
    lengths = np.array([[1, 2, 9], [3, 1, 9]])
    for name in ("reinforce_plus_plus", "reinforce_plus_plus_baseline", "batch_normalize(std_level=group)"):
        found = grpo.batch_advantages(rewards, [1], name, 1e-4, 1, lengths, missing=True)
        rest = grpo.batch_advantages(rewards[:, :2], [1], name, 1e-4, 1, lengths[:, :2])
        np.testing.assert_allclose(found, np.pad(rest, ((0, 0), (0, 1))), rtol=1e-12, atol=1e-15)
    nobody = grpo.batch_advantages(np.full((2, 2, 1), np.nan), [1], "batch_std", 0.0, 1, missing=True)
    assert not nobody.any()


@pytest.mark.parametrize(
    ("rewards", "options", "says"),
    [
        (np.zeros((2, 3)), {}, "rewards .2, 3. and weights .1,. do not fit"),
        (np.zeros((2, 3, 2)), {}, "do not fit"),
        (np.full((2, 3, 1), np.nan), {}, "must be finite; NaN is a missing reward with"),
        (np.full((2, 3, 1), np.inf), {"missing": True}, "must be finite"),
        (np.zeros((2, 1, 1)), {}, "group_size: must be an integer of at least 2"),
        (np.zeros((0, 2, 1)), {}, "batch: must be an integer of at least 1"),
        (np.zeros((2, 2, 1)), {"estimator": "reinforce_plus_plus"}, "needs lengths .2, 2., the tokens"),
        (np.zeros((2, 2, 1)), {"estimator": "reinforce_plus_plus", "lengths": [[1, 0], [1, 1]]}, "integers from 1 up"),
        (np.zeros((2, 2, 1)), {"estimator": "reinforce_plus_plus", "lengths": [[1.0, 2], [1, 1]]}, "integers from 1"),
    ],
)
def test_what_makes_no_sense_is_refused(rewards: Any, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        grpo.batch_advantages(rewards, [1.0], **{"estimator": "batch_std", **options})
