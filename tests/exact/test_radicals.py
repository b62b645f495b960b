"""Roots of surds against 60 digits, and ties that balls would never decide."""

from decimal import Decimal, getcontext
from fractions import Fraction

import pytest
from flint import arb
from hypothesis import given
from hypothesis import strategies as st

from tamdp_theory.exact.ball_numbers import ball, is_zero, largest, number, precision, root, vanishes
from tamdp_theory.exact.radicals import Radical

TWO, THREE = root(number(2)), root(number(3))
RATIONALS = st.fractions(min_value=Fraction(1, 50), max_value=50, max_denominator=50)


def test_norms_are_compared_by_their_squares() -> None:
    """sqrt(5 + 2 sqrt 6) = sqrt 2 + sqrt 3, but as a root it equals only roots; sqrt(2 (1 + sqrt 2)) = sqrt 2 sqrt(1 +
    sqrt 2).
    """
    one = root(1 + TWO)
    assert isinstance(one, Radical)
    assert root(2 * (1 + TWO)) == TWO * one
    assert is_zero(root(2 * (1 + TWO)) - TWO * one)
    assert one * one == 1 + TWO
    assert one / one == 1
    assert (2 / one) * one == 2
    assert one > 1 and one < 2 and one > -5 and not one < one and one >= one and one < TWO * TWO
    assert one > 1 and one > TWO and not one > THREE
    assert one**3 == one * (1 + TWO)
    assert vanishes(one) is False
    assert str(one) == "sqrt(1 + 1*sqrt(2))"


def test_sums_become_balls() -> None:
    one = root(1 + TWO)
    for found in (one + 1, one - 1, 1 - one, TWO + one, -one, one * -1):
        assert isinstance(found, arb)
    assert one + 0 is one
    with pytest.raises(ValueError, match="not real"):
        root(1 - TWO)


@given(RATIONALS, RATIONALS, RATIONALS, RATIONALS)
def test_against_decimals(a: Fraction, b: Fraction, c: Fraction, d: Fraction) -> None:
    getcontext().prec = 60

    def decimal(x: Fraction, y: Fraction) -> Decimal:
        return (Decimal(x.numerator) / x.denominator + Decimal(y.numerator) / y.denominator * Decimal(2).sqrt()).sqrt()

    one, other = root(number(a) + number(b) * TWO), root(number(c) + number(d) * TWO)
    left, right = decimal(a, b), decimal(c, d)
    assert (one > other) == (left > right)
    assert (one == other) == ((a, b) == (c, d))
    with precision(128):
        for exact, expected in ((one * other, left * right), (one / other, left / right), (one + other, left + right)):
            assert abs(float(ball(exact).mid()) - float(expected)) <= 1e-15 * float(expected)


def test_the_largest_is_exact_where_balls_are_certainly_smaller() -> None:
    with precision(64):
        assert largest([number(1), ball(number(Fraction(1, 3))).exp() / 2]) == 1
        assert isinstance(largest([number(1), ball(number(1)).exp()]), arb)
