"""Ball arithmetic against the float engine, and enclosures that are narrow."""

from fractions import Fraction

import numpy as np
import pytest

from tamdp_theory import CapacityError, InputError, Network, TabularSoftmax, exact, families
from tamdp_theory.exact import balls

ENV = families.random_tree(seed=3, prompts=2, tools=1, answers=2, max_tool_depth=1, components=2, levels=5)


@pytest.mark.parametrize("normalization", exact.NORMALIZATIONS)
@pytest.mark.parametrize(("eps", "ddof"), [(Fraction(0), 0), (Fraction(1, 10), 1)])
def test_balls_contain_and_pin_down_the_floats(normalization: exact.Normalization, eps: Fraction, ddof: int) -> None:
    policy = TabularSoftmax.random(ENV, np.random.default_rng(0))
    found = balls.update(ENV, policy, 3, normalization, float(eps), ddof)
    expected = exact.update_moments(ENV, policy, 3, normalization, float(eps), ddof)
    pairs = ENV.pair_parameter
    np.testing.assert_allclose([float(x.mid()) for x in found.mean], expected.mean[pairs], atol=1e-15)
    np.testing.assert_allclose([float(x.mid()) for x in found.gradient], exact.policy_gradient(ENV, policy)[pairs], atol=1e-15)
    assert float(found.objective.mid()) == pytest.approx(exact.values(ENV, policy).total, rel=1e-14)
    assert float(found.variance.mid()) == pytest.approx(expected.variance, rel=1e-12)
    assert found.variance.rel_accuracy_bits() > 200
    assert float(found.drift.mid()) == pytest.approx(float(exact.policy_gradient(ENV, policy) @ expected.mean), rel=1e-12)


def test_the_smallest_drift_example() -> None:
    """theory.md T1.drift: grad J = (3/80, -3/80), m = (-1/20, 1/20), product -3/800."""
    found = balls.update(families.drift_bandit(), None, 2, "sum_then_normalize")
    expected = [Fraction(3, 80), Fraction(-3, 80), Fraction(-1, 20), Fraction(1, 20)]
    for ball, value in zip((*found.gradient, *found.mean), expected, strict=True):
        assert ball.overlaps(balls.number(value))
        assert float(ball.rad()) < 1e-18
    assert found.drift < 0
    assert found.drift.overlaps(balls.number(Fraction(-3, 800)))


def test_limits() -> None:
    with pytest.raises(CapacityError, match="terms exceed"):
        balls.update(families.random_tree(), None, 12, "sum_then_normalize")
    with pytest.raises(InputError, match="tabular and log-linear"):
        balls.update(ENV, Network(ENV, hidden=2, generator=np.random.default_rng(0)), 2, "center")
