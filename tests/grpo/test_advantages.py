"""Advantages against TRL's formulas written in torch, the oracle in Fractions, and ties that are only rounding."""


import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tamdp_theory import InputError, grpo
from tamdp_theory.exact import Scheme
from tamdp_theory.strategies import TableShape, reward_tables, schemes
from tamdp_theory.strategies import weights as drawn_weights
from tests import oracle


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
    np.testing.assert_allclose(grpo.advantages(rewards, weights, "sum_then_normalize", 1e-4, 1), joint.numpy(), atol=1e-13)
    np.testing.assert_allclose(grpo.advantages(rewards, weights, "center"), (total - total.mean(1, keepdim=True)).numpy(), atol=1e-13)
    each = (r - r.mean(1, keepdim=True)) / (r.std(1, keepdim=True) + 1e-4)
    np.testing.assert_allclose(grpo.advantages(rewards, weights, "normalize_then_sum", 1e-4, 1), (each * w).sum(-1).numpy(), atol=1e-13)


def test_rounding_is_no_reward() -> None:
    """0.1 + 0.2 against 0.3: the composite is the same number, so the group is silent."""
    found = grpo.advantages([[1, 1, 0], [0, 0, 1], [1, 1, 0]], [0.1, 0.2, 0.3], "sum_then_normalize")
    assert np.array_equal(found, np.zeros(3))
    assert np.array_equal(grpo.advantages(np.full((7, 1), 0.1), [1.0], "normalize_then_sum"), np.zeros(7))


def test_complementary_components_cancel() -> None:
    """theory.md T2.cancel: equal weights, R_2 = 1 - R_1."""
    r = np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    np.testing.assert_allclose(grpo.advantages(np.stack([r, 1 - r], axis=-1), [1, 1], "normalize_then_sum"), 0, atol=1e-15)


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
