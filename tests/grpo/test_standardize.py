"""Drawn groups standardized from tables of classes, against fractions."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from tamdp_theory import CapacityError, TabularSoftmax, exact, families, grpo
from tamdp_theory.exact import Scheme
from tamdp_theory.grpo.enumeration import enumerate_update
from tamdp_theory.grpo.standardize import Distances, whiten
from tests.helpers import oracle

HALF = Fraction(1, 2)
TABLES = [
    *[
        [HALF, HALF + Fraction(1, 10**k), HALF + Fraction(3, 10**k), Fraction(1)]
        for k in (1, 4, 8, 12, 16, 17, 40, 200)
    ],
    [Fraction(0), Fraction(1, 10**16), Fraction(1), 1 - Fraction(1, 10**16)],
    [Fraction(1, 3), Fraction(1, 3) + Fraction(1, 2**50), Fraction(1, 3) - Fraction(1, 3 * 2**51), Fraction(1)],
    # on either side of where the first chunk of digits ends, so that chunks cancel
    [HALF, HALF - Fraction(1, 2**90), HALF + Fraction(1, 3 * 2**90), Fraction(1)],
    [Fraction(1, 7), Fraction(2, 7), Fraction(1, 7), Fraction(4, 7)],
    [HALF] * 4,
]


@pytest.mark.parametrize("values", TABLES, ids=lambda values: " ".join(f"{float(v):.4g}" for v in values))
@pytest.mark.parametrize(("eps", "ddof"), [(0.0, 0), (1e-4, 1)])
def test_against_fractions(values: list[Fraction], eps: float, ddof: int) -> None:
    """Every group of three of four classes; a second prompt with values of its own must not matter."""
    scheme = Scheme(3, "sum_then_normalize", eps, ddof)
    both = [*values, Fraction(1, 3), Fraction(1, 5)]
    distances = Distances.of(both, [np.arange(4), np.arange(4, 6)])
    groups = np.array(list(itertools.product(range(4), repeat=3))).T
    found, centred = distances.advantages(groups, scheme), distances.advantages(groups, scheme.under("center"))
    for row, group in enumerate(groups.T):
        chosen = [values[m] for m in group]
        np.testing.assert_allclose(found[:, row], oracle.standardize(chosen, eps, ddof), rtol=1e-14, atol=2e-15)
        assert found[:, row].any() == (len(set(chosen)) > 1)
        mean = sum(chosen) / 3
        largest = float(max(abs(v - mean) for v in chosen))
        np.testing.assert_allclose(centred[:, row], [float(v - mean) for v in chosen], rtol=1e-14, atol=2e-15 * largest)


def test_closer_than_floats_is_refused() -> None:
    with pytest.raises(CapacityError, match="1e-290"):
        Distances.of([Fraction(0), Fraction(1, 10**300), Fraction(1)], [np.arange(3)])
    assert Distances.of([Fraction(0), Fraction(1, 10**300)], [np.arange(1), np.arange(1, 2)]).chunks[0].tolist() == [
        0,
        0,
    ]


def test_whitening_does_not_blow_up_rounding() -> None:
    noise = np.array([1e-17, -1e-17, 0.0, 2e-17])[:, None]
    assert not whiten(noise, Scheme(4, "normalize_then_sum"), 1.0).any()
    np.testing.assert_allclose(whiten(np.array([[1.0], [3.0]]), Scheme(2, "normalize_then_sum"), 1.0), [[-1.0], [1.0]])


@pytest.mark.parametrize("normalization", exact.NORMALIZATIONS)
@pytest.mark.parametrize("step", [Fraction(1, 10**8), Fraction(1, 10**16), Fraction(1, 10**60)])
def test_close_rewards_move_the_update_as_far_ones(step: Fraction, normalization: exact.Normalization) -> None:
    """Rewards 1/2, 1/2 + s, 1/2 + 3 s standardize to what 0, 1/3, 1 do, whatever s: L5, by listing, by group moments
    and in training.
    """
    close = families.bandit([[str(HALF)], [str(HALF + step)], [str(HALF + 3 * step)]])
    far = families.bandit([["0"], ["1/3"], ["1"]])
    scale = float(3 * step) if normalization == "center" else 1.0
    scheme = Scheme(3, normalization)
    policy, wanted = (TabularSoftmax(env, np.array([[0.3, -0.2, 0.1]])) for env in (close, far))
    expected = exact.update_moments(far, wanted, 3, normalization)
    for found in (enumerate_update(close, policy, scheme), exact.update_moments(close, policy, 3, normalization)):
        np.testing.assert_allclose(found.mean, expected.mean * scale, rtol=1e-12)
        assert found.variance == pytest.approx(expected.variance * scale**2, rel=1e-12)
    config = grpo.Config(mode="sampled", steps=3, group_size=3, normalization=normalization, learning_rate=0.1 / scale)
    same = grpo.Config(mode="sampled", steps=3, group_size=3, normalization=normalization, learning_rate=0.1)
    moved, far_moved = (
        grpo.train(p.env, p, c, [0, 1]).parameters - p.parameters for p, c in ((policy, config), (wanted, same))
    )
    np.testing.assert_allclose(moved, far_moved, rtol=1e-12, atol=1e-15)
