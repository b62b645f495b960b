"""Advantages against TRL's formulas written in torch, the oracle in Fractions, and ties that are only rounding."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tamdp_theory import InputError, grpo
from tamdp_theory.exact import Scheme
from tamdp_theory.strategies import TableShape, reward_tables, schemes
from tamdp_theory.strategies import weights as drawn_weights
from tests.helpers import oracle


@settings(max_examples=100, deadline=None)
@given(st.data(), schemes(6), st.integers(1, 3))
def test_against_the_oracle(data: st.DataObject, scheme: Scheme, components: int) -> None:
    shape: TableShape = data.draw(st.sampled_from(["free", "ties"]))
    group = [tuple(row) for row in data.draw(reward_tables(scheme.group_size, components, shape))]
    weights = data.draw(drawn_weights(components))
    content = {"components": [{"weight": w} for w in weights]}
    expected = oracle.advantages(content, group, scheme.normalization, scheme.eps, scheme.ddof)
    rewards = [[float(r) for r in row] for row in group]
    found = grpo.advantages(rewards, [float(w) for w in weights], scheme.normalization, scheme.eps, scheme.ddof)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_against_the_formulas_of_trl() -> None:
    """TRL 1.16: (r - mean) / (std + 1e-4), torch's unbiased std; and its sum of per-reward standardized rewards."""
    generator = np.random.default_rng(0)
    rewards, weights = generator.random((5, 8, 3)), np.array([0.5, 1.0, 2.0])
    r, w = torch.tensor(rewards), torch.tensor(weights)
    total = (r * w).sum(-1)
    joint = (total - total.mean(1, keepdim=True)) / (total.std(1, keepdim=True) + 1e-4)
    np.testing.assert_allclose(
        grpo.advantages(rewards, weights, "sum_then_normalize", 1e-4, 1), joint.numpy(), atol=1e-13
    )
    np.testing.assert_allclose(
        grpo.advantages(rewards, weights, "center"), (total - total.mean(1, keepdim=True)).numpy(), atol=1e-13
    )
    each = (r - r.mean(1, keepdim=True)) / (r.std(1, keepdim=True) + 1e-4)
    np.testing.assert_allclose(
        grpo.advantages(rewards, weights, "normalize_then_sum", 1e-4, 1), (each * w).sum(-1).numpy(), atol=1e-13
    )


def test_rounding_is_no_reward() -> None:
    """0.1 + 0.2 against 0.3: the composite is the same number, so the group is silent."""
    found = grpo.advantages([[1, 1, 0], [0, 0, 1], [1, 1, 0]], [0.1, 0.2, 0.3], "sum_then_normalize")
    assert np.array_equal(found, np.zeros(3))
    assert np.array_equal(grpo.advantages(np.full((7, 1), 0.1), [1.0], "normalize_then_sum"), np.zeros(7))


def test_complementary_components_cancel() -> None:
    """theory.md T2.cancel: equal weights, R_2 = 1 - R_1."""
    r = np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    np.testing.assert_allclose(
        grpo.advantages(np.stack([r, 1 - r], axis=-1), [1, 1], "normalize_then_sum"), 0, atol=1e-15
    )


@pytest.mark.parametrize(
    ("rewards", "weights", "message"),
    [
        (np.zeros(3), [1.0], "do not fit"),
        (np.zeros((4, 2)), [1.0], "do not fit"),
        (np.zeros((1, 1)), [1.0], "group_size"),
        (np.full((2, 1), np.nan), [1.0], "finite"),
    ],
)
def test_bad_input(rewards: np.ndarray, weights: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        grpo.advantages(rewards, weights, "center")


KINDS: list[Any] = [np.float64, np.float32, np.float16, torch.float64, torch.float32, torch.float16, torch.bfloat16]


def make(values: Any, kind: Any) -> Any:
    return torch.tensor(values, dtype=kind) if isinstance(kind, torch.dtype) else np.array(values, dtype=kind)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_ties_are_ties_in_every_precision(kind: Any) -> None:
    """Components .1 + .2 against .3 + 0: the decimals agree, no float type's numbers do."""
    rewards = make([[0.1, 0.2], [0.3, 0.0], [0.1, 0.2]], kind)
    for form in ("sum_then_normalize", "center"):
        found = grpo.advantages(rewards, make([1.0, 1.0], kind), form)  # type: ignore[arg-type]
        assert found.dtype == np.float64 and np.array_equal(found, np.zeros(3))
    # alone they vary: .1, .3, .1 has deviations (-1, 2, -1) / 15 and sigma sqrt(2)/15, and the second component is its
    # mirror image
    np.testing.assert_allclose(
        grpo.advantages(rewards, [1, 0], "normalize_then_sum"), np.array([-1, 2, -1]) / 2**0.5, rtol=1e-14
    )
    np.testing.assert_allclose(grpo.advantages(rewards, [1, 1], "normalize_then_sum"), 0, atol=1e-15)
    # .1, .2, .3 are equally far apart: sqrt(3/2) (-1, 0, 1), the middle one exactly the mean
    found = grpo.advantages(make([[0.1], [0.2], [0.3]], kind), [1], "sum_then_normalize")
    np.testing.assert_allclose(found, np.array([-1, 0, 1]) * 1.5**0.5, rtol=1e-15, atol=0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1e308, -1e308], [1, -1]),
        ([1e-200, 0.0], [1, -1]),
        ([5e-324, 0.0], [1, -1]),
        ([0.0, 1e-16, 1.0], [-(0.5**0.5), -(0.5**0.5), 2**0.5]),
        ([1.0, 1.0 - 2**-53, 1.0], [0.5**0.5, -(2**0.5), 0.5**0.5]),
        ([1e308, 0.0, 1e-308], [2**0.5, -(0.5**0.5), -(0.5**0.5)]),
        ([0.5, 0.50000001, 0.50000003], [-4 / 42**0.5 * 3**0.5, -1 / 42**0.5 * 3**0.5, 5 / 42**0.5 * 3**0.5]),
    ],
)
def test_any_size_of_rewards(values: list[float], expected: list[float]) -> None:
    """Standardized values do not depend on scale: v - mean over the root of the mean square, by hand; 0, 1, 3: (-4, -1,
    5)/3 over sqrt(42)/3/sqrt(3).
    """
    for form in ("sum_then_normalize", "normalize_then_sum"):
        np.testing.assert_allclose(grpo.advantages(np.array(values)[:, None], [1], form), expected, rtol=2e-15)  # type: ignore[arg-type]
    centred = grpo.advantages(np.array(values)[:, None], [1], "center")
    exact = [Fraction(repr(v)) for v in values]
    np.testing.assert_allclose(centred, [float(v - sum(exact) / len(exact)) for v in exact], rtol=2e-15, atol=5e-324)


@pytest.mark.parametrize("power", range(1, 17))
@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("eps", [0.0, 1e-4])
def test_close_composites_against_fractions(power: int, ddof: int, eps: float) -> None:
    """Composites that differ by 10^-power only after components of size one cancel; two groups at once, one of them
    silent.
    """
    step = 10.0**-power
    one = [[0.3, 0.7], [0.7, 0.3], [0.3 + step, 0.7], [0.5, 0.5]]
    two = [[0.3, 0.7], [0.7, 0.3], [0.4, 0.6], [0.5, 0.5]]
    found = grpo.advantages([one, two], [1, 1], "sum_then_normalize", eps, ddof)
    rows = [tuple(Fraction(repr(v)) for v in row) for row in one]
    content = {"components": [{"weight": Fraction(1)}] * 2}
    np.testing.assert_allclose(
        found[0], oracle.advantages(content, rows, "sum_then_normalize", eps, ddof), rtol=1e-14, atol=1e-15
    )
    assert np.array_equal(found[1], np.zeros(4))


def test_many_different_rewards() -> None:
    """Continuous rewards, more than a table could hold, against numpy."""
    rewards = np.random.default_rng(1).random((2000, 8, 2))
    total = rewards @ [0.3, 0.7]
    expected = (total - total.mean(1, keepdims=True)) / total.std(1, keepdims=True)
    np.testing.assert_allclose(grpo.advantages(rewards, [0.3, 0.7], "sum_then_normalize"), expected, atol=1e-13)


@pytest.mark.parametrize("rewards", [[[1.0, 2.0], [3.0]], "abc", [["a"], ["b"]], None, [[None], [1.0]]])
def test_no_numbers(rewards: Any) -> None:
    with pytest.raises(InputError, match="rewards"):
        grpo.advantages(rewards, [1], "center")
