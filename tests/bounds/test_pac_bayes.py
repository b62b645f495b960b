"""The PAC-Bayes bounds for plain numbers: inversion against FLINT, formulas written by hand, order, shapes and
refusals.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp
from flint import arb, ctx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bounds.pac_bayes.formulas import (
    RISK,
    binary_kl,
    kl_inverse,
    risk_bound,
    sampled_risk_bound,
    shift_by_chi_squared,
    shift_by_components,
    shift_by_kl,
)
from bounds.symbols import BinaryKL
from tamdp_theory import InputError

UNIT = st.floats(0, 1)
INSIDE = st.floats(1e-6, 1 - 1e-6)
SIZES = st.integers(1, 10**8)
DIVERGENCE = st.floats(0, 50)
METHODS = pytest.mark.parametrize("method", RISK)


# -- the divergence of two coins ------------------------------------------------------------------------------------


def ball_kl(p: float, q: arb) -> arb:
    """kl(p||q) at 200 bits, q in (0, 1)."""
    first = arb(p) * (arb(p) / q).log() if p > 0 else arb(0)
    return first + ((1 - arb(p)) * ((1 - arb(p)) / (1 - q)).log() if p < 1 else arb(0))


def ball_inverse(p: float, c: float) -> float:
    """The largest q with kl(p||q) <= c by bisection at 200 bits."""
    if p == 1:
        return 1.0
    with ctx.workprec(200):
        low, high = arb(p), arb(1)
        for _ in range(70):
            middle = ((low + high) / 2).mid()
            low, high = (middle, high) if ball_kl(p, middle) <= arb(c) else (low, middle)
        return float(low)


SOME_P = [0.0, 5e-324, 1e-300, 1e-12, 1e-3, 0.1, 1 / 3, 0.43029, 0.5, 2 / 3, 0.9, 0.999, 1 - 1e-12, 1 - 2**-53, 1.0]
LARGEST_N = math.log(2 * math.sqrt(1e8) / 0.05) / 1e8


@pytest.mark.parametrize(
    "c", [1e-9, 3e-9, 1e-8, LARGEST_N, 1e-6, 1e-4, 1e-2, 0.1, 0.5, 1.0, 3.0, 20.0, 36.0, 40.0, 700.0, 1e300]
)
def test_inverse_against_bisection_in_balls(c: float) -> None:
    p = np.array([*SOME_P, *np.random.default_rng(0).random(25)])
    expected = np.array([ball_inverse(float(one), c) for one in p])
    np.testing.assert_allclose(kl_inverse(p, c), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("c", [1e-10, 1e-12, 1e-14, 1e-16, 1e-20, 1e-300])
def test_inverse_at_tiny_divergences(c: float) -> None:
    p = np.array(SOME_P)
    expected = np.array([ball_inverse(float(one), c) for one in p])
    np.testing.assert_allclose(kl_inverse(p, c), expected, rtol=0, atol=1e-14)


def test_ends_of_the_inverse() -> None:
    np.testing.assert_array_equal(kl_inverse(SOME_P, 0), SOME_P)
    np.testing.assert_array_equal(kl_inverse([0.0, 0.5, 1.0], np.inf), np.ones(3))
    assert kl_inverse(0, 0.3) == pytest.approx(-math.expm1(-0.3), abs=1e-15)
    assert kl_inverse([[0.1], [0.2]], [0.1, 0.2, 0.3]).shape == (2, 3)
    assert kl_inverse(0.1, 0.1).shape == ()
    assert np.isnan(kl_inverse([0.5, np.nan], [np.nan, 0.1])).all()


@settings(deadline=None)
@given(UNIT, st.floats(1e-9, 30))
def test_inverse_turns_the_divergence_round(p: float, c: float) -> None:
    q = float(kl_inverse(p, c))
    assert p <= q <= 1
    assert binary_kl(p, max(q - 1e-14, p)) <= c
    assert q == 1 or binary_kl(p, min(q + 1e-14, 1)) >= c


@settings(max_examples=60, deadline=None)
@given(INSIDE, INSIDE)
def test_divergence_against_its_definition(p: float, q: float) -> None:
    expected = BinaryKL(sp.Float(p, 40), sp.Float(q, 40)).definition.evalf(30)
    assert float(binary_kl(p, q)) == pytest.approx(float(expected), rel=1e-12, abs=1e-20)


@pytest.mark.parametrize("gap", [1e-3, -1e-6, 1e-9, -1e-12, 2.0**-50])
@pytest.mark.parametrize("p", [0.01, 0.3, 0.43029, 0.5, 0.9])
def test_divergence_of_nearby_coins_keeps_its_digits(p: float, gap: float) -> None:
    q = p + gap
    with ctx.workprec(300):
        expected = float(ball_kl(p, arb(q)))
    assert float(binary_kl(p, q)) == pytest.approx(expected, rel=1e-15 / abs(gap))
    assert binary_kl(p, p) == 0


def test_divergence_at_the_ends() -> None:
    p, q = np.array([[0.0], [0.3], [1.0]]), np.array([0.0, 0.3, 1.0])
    third = [math.log(1 / 0.7), 0.0, math.log(1 / 0.3)]
    np.testing.assert_allclose(
        binary_kl(p, q), [[0, third[0], np.inf], [np.inf, 0, np.inf], [np.inf, third[2], 0]], atol=1e-15
    )


# -- formulas by hand -----------------------------------------------------------------------------------------------


def by_hand(method: str, risk: float, n: int, kl: float, delta: float, c: float) -> float:
    complexity = (kl + math.log(2 * math.sqrt(n) / delta)) / n
    if method == "kl":
        return ball_inverse(risk, complexity)
    if method == "mcallester":
        return risk + math.sqrt(complexity / 2)
    return math.expm1(-c * risk - (kl + math.log(1 / delta)) / n) / math.expm1(-c)


@METHODS
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(UNIT, SIZES, DIVERGENCE, INSIDE, st.floats(1e-2, 20))
def test_bounds_by_hand(method: Any, risk: float, n: int, kl: float, delta: float, c: float) -> None:
    assert risk_bound(risk, n, kl, delta=delta, method=method, c=c) == pytest.approx(
        by_hand(method, risk, n, kl=kl, delta=delta, c=c), rel=1e-11, abs=1e-12
    )


def test_method_and_constant_have_defaults() -> None:
    assert (
        risk_bound(0.2, 500, 3.0, 0.05)
        == risk_bound(0.2, 500, 3.0, delta=0.05, method="kl", c=7.0)
        == pytest.approx(0.286342, abs=1e-6)
    )
    assert risk_bound(0.2, 500, 3.0, 0.05, "catoni") == pytest.approx(
        by_hand("catoni", 0.2, 500, kl=3.0, delta=0.05, c=1.0), rel=1e-13
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(UNIT, st.integers(1, 10**6), SIZES, DIVERGENCE, INSIDE, INSIDE)
def test_sampled_bound_by_hand(drawn: float, draws: int, n: int, kl: float, delta: float, share: float) -> None:
    empirical = ball_inverse(drawn, math.log(2 / share) / draws)
    expected = ball_inverse(empirical, (kl + math.log(2 * math.sqrt(n) / delta)) / n)
    found = sampled_risk_bound(drawn, draws, n, kl=kl, delta=delta, delta_drawn=share)
    assert found == pytest.approx(expected, abs=5e-12)
    assert found >= risk_bound(drawn, n, kl, delta) - 1e-12


@settings(max_examples=50, deadline=None)
@given(st.data(), UNIT, UNIT, st.integers(1, 5))
def test_shifts_by_hand(data: st.DataObject, risk: float, distance: float, size: int) -> None:
    spread = data.draw(st.lists(UNIT, min_size=size, max_size=size))
    weights = data.draw(st.lists(st.floats(0, 10), min_size=size, max_size=size).filter(lambda w: sum(w) > 1e-3))
    total = math.fsum(w * o for w, o in zip(weights, spread, strict=True)) / math.fsum(weights)
    assert shift_by_components(risk, distance, spread, weights) == pytest.approx(risk + total * distance, rel=1e-13)
    assert shift_by_kl(risk, 8 * distance) == pytest.approx(risk + math.sqrt(4 * distance), rel=1e-13)
    assert shift_by_chi_squared(risk, distance / 4, 7.0) == pytest.approx(risk + math.sqrt(distance / 4 * 7), rel=1e-13)


def test_a_source_that_lacks_prompts_bounds_nothing() -> None:
    assert (
        shift_by_kl(0.1, np.inf)
        == shift_by_chi_squared(0.1, 0.2, np.inf)
        == shift_by_chi_squared(0.1, 0.0, np.inf)
        == math.inf
    )


@METHODS
def test_numbers_out_of_reach_say_nothing(method: Any) -> None:
    assert risk_bound(0.1, 10, np.inf, 0.1, method) >= 1
    assert risk_bound(0.1, 10, 1.0, 1e-310, method) >= 1
    with pytest.raises(InputError, match=r"^c: must be 1e-6 or more"):
        risk_bound(0.1, 10, 1.0, delta=0.1, method=method, c=1e-300)
    assert (
        sampled_risk_bound(0.1, 10, 10, kl=1.0, delta=1e-310, delta_drawn=1e-310)
        == sampled_risk_bound(0.1, 10, 10, kl=np.inf, delta=0.1, delta_drawn=0.1)
        == 1
    )


def test_one_training_prompt() -> None:
    """E exp(n kl) <= 2 sqrt(n), which Maurer proves from eight prompts on, is true below as well."""
    assert risk_bound(0.0, 1, 0.0, 0.5) == pytest.approx(1 - 1 / 4)
    for n in range(1, 60):
        assert sum(math.comb(n, k) * (k / n) ** k * (1 - k / n) ** (n - k) for k in range(n + 1)) <= 2 * math.sqrt(
            n
        ) * (1 + 1e-14)


# -- order ----------------------------------------------------------------------------------------------------------


def ordered(bound: Callable[[float], float], low: float, high: float) -> None:
    assert bound(min(low, high)) <= bound(max(low, high)) + 1e-12


@METHODS
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(UNIT, UNIT, SIZES, SIZES, DIVERGENCE, DIVERGENCE, INSIDE, INSIDE)
def test_bounds_move_the_right_way(
    method: Any, risk: float, risk2: float, n: int, n2: int, kl: float, kl2: float, delta: float, delta2: float
) -> None:
    ordered(lambda x: risk_bound(x, n, kl, delta, method), risk, risk2)
    ordered(lambda x: risk_bound(risk, n, x, delta, method), kl, kl2)
    ordered(lambda x: risk_bound(risk, n, kl, 1 - x, method), 1 - delta, 1 - delta2)
    ordered(lambda x: risk_bound(risk, 10**8 + 1 - int(x), kl, delta, method), n, n2)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(UNIT, SIZES, DIVERGENCE, INSIDE)
def test_the_small_kl_is_never_looser(risk: float, n: int, kl: float, delta: float) -> None:
    tight, square = risk_bound(risk, n, kl, delta), risk_bound(risk, n, kl, delta, "mcallester")
    assert risk <= tight <= min(square, 1.0) + 1e-12


@settings(deadline=None)
@given(INSIDE, st.floats(1e-6, 5))
def test_the_best_constant_of_catoni_is_the_inversion_without_its_logarithm(risk: float, complexity: float) -> None:
    """kl(p||q) is the supremum over C of -ln(1 - q (1 - e^-C)) - C p, so that the infimum of Catoni's bound
    inverts it.
    """
    q = ball_inverse(risk, complexity)
    c = math.log(q * (1 - risk) / (risk * (1 - q))) if q < 1 - 1e-9 else 1.0
    n, delta = 1, math.exp(-complexity)
    if q < 1 - 1e-9 and 1e-4 < c < 500:
        assert risk_bound(risk, n, 0.0, delta=delta, method="catoni", c=c) == pytest.approx(q, abs=1e-10)
    assert all(
        risk_bound(risk, n, 0.0, delta=delta, method="catoni", c=other) >= q - 1e-10
        for other in (0.01, 0.1, 1.0, 5.0, 30.0)
    )


# -- shapes ---------------------------------------------------------------------------------------------------------


@METHODS
@pytest.mark.parametrize("kind", [float, np.float64, np.float32, np.array])
def test_numbers_give_a_number(method: Any, kind: Callable[[float], Any]) -> None:
    found = risk_bound(kind(0.25), np.int64(50), kind(1.0), delta=kind(0.5), method=method, c=kind(1.0))
    assert type(found) is float
    assert found == risk_bound(0.25, 50, 1, delta=0.5, method=method, c=1)


def test_whole_numbers_are_numbers() -> None:
    assert (
        type(risk_bound(0, 50, 0, 0.1)) is type(sampled_risk_bound(1, 5, 5, kl=0, delta=0.1, delta_drawn=0.1)) is float
    )
    assert (
        type(shift_by_components(0, 1, [1], [2]))
        is type(shift_by_kl(0, 1))
        is type(shift_by_chi_squared(0, 0, 1))
        is float
    )


@METHODS
def test_arrays_broadcast(method: Any) -> None:
    risk, n, kl, delta = (
        np.linspace(0, 1, 3)[:, None, None],
        np.array([10, 1000])[:, None],
        [0.0, 1.0, 9.0, 40.0],
        np.array([[[0.05]]]),
    )
    found = risk_bound(risk, n, kl, delta, method)
    assert found.shape == (3, 2, 4) and found.dtype == np.float64 and found.flags.writeable
    for i, j, k in np.ndindex(3, 2, 4):
        assert found[i, j, k] == pytest.approx(
            risk_bound(float(risk[i, 0, 0]), int(n[j, 0]), kl[k], 0.05, method), rel=1e-13
        )
    # what a bound does not depend on widens it as well
    assert risk_bound([0.1], 10, 1, delta=0.1, method=method, c=[[1.0], [2.0]]).shape == (2, 1)
    assert risk_bound([], 10, 1, 0.1, method).shape == (0,)


def test_the_other_bounds_broadcast() -> None:
    sampled = sampled_risk_bound([0.1, 0.2], [[10], [20]], 100, kl=1.0, delta=0.1, delta_drawn=0.1)
    assert sampled.shape == (2, 2) and sampled[1, 0] == pytest.approx(
        sampled_risk_bound(0.1, 20, 100, kl=1.0, delta=0.1, delta_drawn=0.1), rel=1e-13
    )
    np.testing.assert_allclose(
        shift_by_components([[0.1], [0.2]], [0.0, 0.5], [1, 0.5], [1, 3]), [[0.1, 0.4125], [0.2, 0.5125]]
    )
    np.testing.assert_allclose(shift_by_kl([0.1, 0.2], [[0.0], [2.0]]), [[0.1, 0.2], [1.1, 1.2]])
    np.testing.assert_allclose(shift_by_chi_squared(0.1, [0, 0.25], [[1.0], [4.0]]), [[0.1, 0.6], [0.1, 1.1]])


# -- refusals -------------------------------------------------------------------------------------------------------

BOUNDS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "risk_bound": (risk_bound, {"empirical_risk": 0.1, "n": 10, "kl": 1.0, "delta": 0.1, "method": "catoni", "c": 1.0}),
    "sampled": (
        sampled_risk_bound,
        {"drawn_risk": 0.1, "draws": 5, "n": 10, "kl": 1.0, "delta": 0.1, "delta_drawn": 0.1},
    ),
    "components": (
        shift_by_components,
        {"source_risk": 0.1, "total_variation": 0.2, "oscillation": [0.5, 1.0], "weights": [1.0, 2.0]},
    ),
    "kl": (shift_by_kl, {"source_risk": 0.1, "kl": 1.0}),
    "chi": (shift_by_chi_squared, {"source_risk": 0.1, "variance": 0.2, "chi_squared": 1.0}),
}
NO_NUMBER = [True, "0.5", None, 1j, [0.5, "x"], [[0.5], [0.5, 0.5]], {}, np.array([True])]
BAD = {
    "unit": [-0.1, 1.1, np.nan, -np.inf, [0.5, 2.0]],
    "open": [0, 1, -0.1, 1.5, np.nan, [0.5, 0.0]],
    "count": [0, -1, 1.5, np.nan, np.inf, [1, 0]],
    "zero": [-1e-9, np.nan, [-1.0, 1.0]],
    "positive": [0, -1, np.nan, np.inf],
}
KIND = {
    "empirical_risk": "unit",
    "drawn_risk": "unit",
    "source_risk": "unit",
    "total_variation": "unit",
    "variance": "unit",
    "n": "count",
    "draws": "count",
    "kl": "zero",
    "chi_squared": "zero",
    "delta": "open",
    "delta_drawn": "open",
    "c": "positive",
}
FAULTS = [
    (bound, name, value)
    for bound, (_, sound) in BOUNDS.items()
    for name in sound
    if name in KIND
    for value in (*BAD[KIND[name]], *NO_NUMBER)
]


@pytest.mark.parametrize(("bound", "name", "value"), FAULTS)
def test_bad_numbers_are_one_line_that_names_them(bound: str, name: str, value: Any) -> None:
    function, sound = BOUNDS[bound]
    with pytest.raises(InputError) as caught:
        function(**{**sound, name: value})
    assert str(caught.value).startswith(f"{name}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("method", ["", "KL", "catoni ", None, 3, ["kl"], True])
def test_unknown_methods(method: Any) -> None:
    with pytest.raises(InputError, match=r"^method: must be one of kl, mcallester, catoni"):
        risk_bound(0.1, 10, 1.0, 0.1, method)


@pytest.mark.parametrize(
    ("spread", "weights", "says"),
    [
        ([0.5], [1.0, 2.0], "oscillation, weights: need one number per component"),
        (0.5, 1.0, "oscillation, weights: need one"),
        ([0.5, 0.5], [0.0, 0.0], "oscillation, weights: need .* some weight"),
        ([], [], "oscillation, weights: need .* some weight"),
        ([0.5, 1.5], [1, 1], "oscillation: must be in"),
        ([0.5, np.nan], [1, 1], "oscillation: must be in"),
        ([0.5, 0.5], [1, -1], "weights: must be 0"),
        ([0.5, 0.5], [1, np.inf], "weights: must be 0 or more and finite"),
        ([0.5, 0.5], [1, np.nan], "weights: must be"),
        ([0.5, 0.5], [1e308, 1e308], "oscillation, weights: "),
        (["a"], [1], "oscillation: expected"),
        ([0.5], ["a"], "weights: expected"),
        ([True], [1], "oscillation: expected"),
        ([[0.5]], [[1.0]], "oscillation, weights: need one number per component"),
    ],
)
def test_bad_components(spread: Any, weights: Any, says: str) -> None:
    with pytest.raises(InputError, match=f"^{says}"):
        shift_by_components(0.1, 0.1, spread, weights)


@pytest.mark.parametrize("bound", BOUNDS)
def test_shapes_that_do_not_fit(bound: str) -> None:
    function, sound = BOUNDS[bound]
    first, second = [name for name in sound if name in KIND][:2]
    widened = {first: np.full(2, sound[first]), second: np.full(3, sound[second])}
    with pytest.raises(InputError, match=rf"^{first}, {second}.*: shapes \(2,\), \(3,\).* do not broadcast"):
        function(**{**sound, **widened})
