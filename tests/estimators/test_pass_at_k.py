"""Advantages for pass@k against subsets counted one by one, and the gradient that they estimate."""

import itertools
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from tamdp_theory import InputError, TabularSoftmax, exact, families, grpo
from tamdp_theory.estimators import Scheme, resolve
from tests.helpers.estimators import BINARY, GRADED, Rule, through_every_route


def share_of_subsets_with_success(right: list[bool], k: int) -> Fraction:
    subsets = list(itertools.combinations(right, k))
    return Fraction(sum(any(chosen) for chosen in subsets), len(subsets))


def pass_at(k: int) -> Rule:
    def rule(group: list[tuple[Fraction, ...]], weights: Sequence[Fraction]) -> list[float]:
        scores = [sum(w * r for w, r in zip(weights, row, strict=True)) for row in group]
        right = [score == max(scores) and min(scores) < max(scores) for score in scores]
        whole = share_of_subsets_with_success(right, k)
        without = [share_of_subsets_with_success(right[:i] + right[i + 1 :], k) for i in range(len(right))]
        return [float((whole - rest) * len(right) / k) for rest in without]

    return rule


@pytest.mark.parametrize(("size", "k"), [(2, 1), (3, 1), (3, 2), (4, 2), (5, 3)])
def test_every_route(size: int, k: int) -> None:
    through_every_route(Scheme(size, f"pass_at_{k}"), pass_at(k), BINARY, tensors=False)


@pytest.mark.parametrize(("size", "k"), [(4, 2), (16, 4), (64, 8)])
def test_the_expected_update_is_the_gradient_of_pass_at_k(size: int, k: int) -> None:
    """grad pass@k / k = (1 - p)^(k-1) grad p, p the probability of success (theory.md, T4.slopes)."""
    env = families.bandit([(0,), (1,), ([("1/3", (1,)), ("2/3", (0,))])], name="answers")
    policy = TabularSoftmax(env, np.log([[0.5, 0.2, 0.3]]))
    p = exact.values(env, policy).total
    found = exact.update_moments(env, policy, size, f"pass_at_{k}").mean
    np.testing.assert_allclose(found, (1 - p) ** (k - 1) * exact.policy_gradient(env, policy), rtol=1e-10, atol=1e-15)


def test_one_is_leave_one_out() -> None:
    rewards = np.random.default_rng(0).integers(0, 2, (200, 6, 1)).astype(float)
    one, other = (grpo.advantages(rewards, [1.0], name) for name in ("pass_at_1", "leave_one_out"))
    np.testing.assert_allclose(one, other, rtol=1e-14, atol=1e-15)


def test_training_raises_pass_at_k() -> None:
    env = families.bandit([(0,), (1,)], name="rare")
    config = grpo.Config(mode="sampled", steps=60, group_size=6, normalization="pass_at_3", learning_rate=1.0)
    history = grpo.train(env, TabularSoftmax(env, [[2.0, 0.0]]), config, seeds=range(4))
    assert (history.total[:, -1] > 2 * history.total[:, 0]).all()


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(InputError, match="pass_at_4 needs groups of at least 5, got 4"):
        Scheme(4, "pass_at_4")
    table, weights = GRADED[0]
    with pytest.raises(InputError, match="pass_at_2: needs a composite reward of at most two values"):
        exact.group_moments([0.2, 0.3, 0.5], table, weights, 4, "pass_at_2")
    with pytest.raises(InputError, match="needs a composite reward of at most two values"):
        grpo.advantages([[[0.0], [0.5], [1.0]]], [1.0], "pass_at_2")
    for name in ("pass_at_", "pass_at_0", "pass_at_02", "pass_at_-1", "pass_at_2 "):
        with pytest.raises(InputError, match="normalization: must be one of"):
            resolve(name)
