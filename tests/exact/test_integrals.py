"""Group moments by integrals: against the law of states, identities that hold at every size, and the rules alone in
ball arithmetic.
"""

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx

from tamdp_theory import exact
from tamdp_theory.estimators import Scheme
from tamdp_theory.exact.integrals import ERROR, STEP_V, IntegralPlan, integral_plan, t_nodes
from tamdp_theory.exact.states import group_states
from tests.helpers.seeds import moved

F = Fraction
SIX = [F(0), F(1, 10), F(3, 10), F(9, 20), F(7, 10), F(1)]


def plan(values: list[Fraction], size: int, eps: Fraction | int = 0, ddof: int = 0) -> IntegralPlan:
    found = integral_plan(values, size, F(eps), ddof)
    assert found is not None
    return found


def moments(found: IntegralPlan, p: Any) -> dict[str, Any]:
    law = np.atleast_2d(p)
    h, a = found.one(law)
    given, cross = found.two(law)
    return {"first": h, "second": a, "given_pair": given, "cross": cross}


@pytest.mark.parametrize(("eps", "ddof"), [(F(0), 0), (F(1, 10**4), 1), (F(3), 1), (F(10**8), 0), (F(1, 10**15), 0)])
@pytest.mark.parametrize("size", [2, 3, 5, 9])
@pytest.mark.parametrize(
    "values", [SIX[:3], SIX, [F(0), F(1, 2), F(1, 2) + F(1, 10**9), F(1)], [F(i * i, 121) for i in range(12)]], ids=str
)
def test_against_the_law_of_states(values: list[Fraction], size: int, eps: Fraction, ddof: int) -> None:
    if len(values) == 12 and size == 9:
        pytest.skip("many states")
    p = np.random.default_rng(moved(size)).dirichlet(np.ones(len(values)), size=3)
    p[2, 0], p[2, 1] = 1e-300, p[2, 0] + p[2, 1]
    table = [[v] for v in values]
    by_states = exact.group_moments(p, table, [1], size, "sum_then_normalize", float(eps), ddof)
    assert group_states([values], size - 1).members == size - 1  # the other engine can hold them
    found = moments(plan(values, size, eps, ddof), p)
    for name, one in found.items():
        other = getattr(by_states, name)
        assert np.abs(one - other).max() <= 1e-12 * np.abs(other).max(), name
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-13 * np.abs(other).max())


@pytest.mark.parametrize(("count", "size"), [(12, 64), (12, 1024), (30, 256), (8, 10**5), (3, 10**7), (101, 32)])
def test_what_holds_at_every_size(count: int, size: int) -> None:
    """A adds up to 0 in every group, and A^2 to G where it is not silent (eps 0, ddof 0): so do their expectations."""
    generator = np.random.default_rng(moved(count + size))
    values = [F(repr(float(v))) for v in generator.random(count)]
    p = generator.dirichlet(np.ones(count))
    found = exact.group_moments(p, [[v] for v in values], [1], size, "sum_then_normalize")
    mixed = 1 - float((p**size).sum())
    assert abs(p @ found.first) < 1e-12
    assert p @ found.second == pytest.approx(mixed, rel=1e-11)
    # b is of the size of h_m h_l: what is left of it has lost log10 G digits
    np.testing.assert_allclose(found.cross @ p, -found.second / (size - 1), rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(found.given_pair @ p, found.first, rtol=1e-10, atol=1e-12)


def test_an_affine_map_changes_nothing() -> None:
    p = np.random.default_rng(moved(0)).dirichlet(np.ones(6))
    one = moments(plan(SIX, 40), p)
    other = moments(plan([F(7) + v / 1000 for v in SIX], 40), p)
    for name, value in one.items():
        np.testing.assert_allclose(value, other[name], rtol=1e-13)
    turned = moments(plan([-v for v in SIX], 40), p[::-1])
    # the plan's order of values is ascending, so of the turned ones reversed
    np.testing.assert_allclose(turned["first"], -one["first"][:, ::-1], rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("spread", [1.0, 1e3, 1e9, 1e18])
@pytest.mark.parametrize("e", [0.0, 1e-6, 1e-2, 1.0, 50.0, 1e8])
def test_the_rule_in_t(spread: float, e: float) -> None:
    """sum w exp(-t^2 D) (sqrt D + e)^p - 1 in ball arithmetic, over D in [1, spread^2]."""
    t, *weights = t_nodes(1.0, spread**2, e)
    with ctx.workprec(120):
        squares = [arb(float(one)) ** 2 for one in t]
        for d in np.geomspace(1.0, spread**2, 60):
            exponentials = [(-square * arb(float(d))).exp() for square in squares]
            for power, weight in enumerate(weights, start=1):
                total = sum((arb(float(w)) * x for w, x in zip(weight, exponentials, strict=True)), arb(0))
                error = total * (arb(float(d)).sqrt() + arb(e)) ** power - 1
                assert abs(error) < ERROR, (spread, e, float(d), power)


def test_the_rule_in_v() -> None:
    """The trapezoid sum of a Gauss function of width w: 1 + 2 sum_k exp(-2 pi^2 k^2 (w/step)^2) cos(..)."""
    bound = 2.01 * math.exp(-2 * math.pi**2 / STEP_V**2)
    assert bound < 5e-16
    for shift in np.linspace(0, 1, 17):
        total = sum(math.exp(-((STEP_V * (k + shift)) ** 2) / 2) for k in range(-40, 41))
        assert abs(STEP_V * total / math.sqrt(2 * math.pi) - 1) <= bound + 5e-16


def test_close_and_rare_rewards() -> None:
    """Two values a hair apart in groups of three are as two far apart, where the third does not occur."""
    p = np.array([[0.3, 0.7, 0.0], [0.3, 0.7 - 1e-12, 1e-12]])
    for gap in (F(1, 10**3), F(1, 10**9), F(1, 10**60)):
        found = moments(plan([F(0), gap, F(1)], 12), p)
        alone = exact.group_moments([0.3, 0.7], [[0], [1]], [1], 12, "sum_then_normalize")
        np.testing.assert_allclose(found["first"][0, :2], alone.first, rtol=1e-12)
        np.testing.assert_allclose(found["second"][0, :2], alone.second, rtol=1e-12)
        np.testing.assert_allclose(found["first"][1, :2], alone.first, rtol=1e-9)
    assert integral_plan([F(0), F(1, 10**200), F(1)], 12, F(0), 0) is None
    assert integral_plan([F(1), F(1)], 12, F(0), 0) is None


def test_the_engine_takes_over_where_states_are_many() -> None:
    """One scheme, from few states to more than can be held: no jump, and signs still add up."""
    values = [F(0), F(1, 7), F(3, 11), F(1)]
    p = [0.4, 0.3, 0.2, 0.1]
    small = exact.group_moments(p, [[v] for v in values], [1], 8, "sum_then_normalize")
    by_hand = np.zeros(4)
    for group in itertools.product(range(4), repeat=5):
        c = np.array([float(values[m]) for m in group])
        if c.std() > 0:
            by_hand[group[0]] += math.prod(p[m] for m in group[1:]) * (c[0] - c.mean()) / c.std()
    five = moments(plan(values, 5), p)["first"][0]
    np.testing.assert_allclose(five, by_hand, rtol=1e-12)
    np.testing.assert_allclose(moments(plan(values, 8), p)["first"][0], small.first, rtol=1e-12)
    large = exact.group_moments(p, [[v] for v in values], [1], 200, "sum_then_normalize")
    np.testing.assert_allclose(large.positive - large.negative, large.first, rtol=1e-8, atol=1e-10)
    assert Scheme(200, "sum_then_normalize").estimator.standard
