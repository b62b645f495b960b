"""Sums of square roots against sympy's, against integers, and against balls of many bits."""

import itertools
import operator
from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from math import gcd, isqrt
from typing import Any

import pytest
import sympy as sp
from flint import arb, ctx, fmpq, fmpz
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tamdp_theory.exact.balls import ball, is_zero, largest, number, precision, root, vanishes
from tamdp_theory.exact.surds import Surd, square_root

r2, r3, r5, r6 = (square_root(fmpq(n)) for n in (2, 3, 5, 6))
RATIONAL = st.fractions(min_value=-9, max_value=9, max_denominator=12)
LARGE = st.fractions(min_value=Fraction(1, 10**9), max_value=10**9, max_denominator=10**9)
TERM = st.tuples(RATIONAL, st.integers(0, 60))
Pair = tuple[Any, sp.Expr]


def build(terms: list[tuple[Fraction, int]]) -> Pair:
    """sum a sqrt(n), by the package and by sympy."""
    ours = sum((number(a) * square_root(fmpq(n)) for a, n in terms), fmpq(0))
    return ours, sp.Add(*(sp.Rational(a.numerator, a.denominator) * sp.sqrt(n) for a, n in terms))


def surds(most: int = 3, least: int = 0) -> st.SearchStrategy[Pair]:
    return st.lists(TERM, min_size=least, max_size=most).map(build)


def to_sympy(value: Any) -> sp.Expr:
    terms = value.terms if isinstance(value, Surd) else {1: fmpq(value)}
    return sp.Add(*(sp.Rational(int(a.p), int(a.q)) * sp.sqrt(n) for n, a in terms.items()))


def is_normal(value: Any) -> bool:
    """A surd has a root in it, square-free radicands and no zero terms; everything else is a rational."""
    if not isinstance(value, Surd):
        return isinstance(value, fmpq)
    squarefree = all(
        n >= 1 and not any(n % (d * d) == 0 for d in range(2, min(isqrt(n), 1000) + 1)) for n in value.terms
    )
    return squarefree and any(n > 1 for n in value.terms) and all(a != 0 for a in value.terms.values())


def same(found: Any, expected: sp.Expr) -> bool:
    return is_normal(found) and sp.expand(to_sympy(found) - expected) == 0


def near(value: Any, text: str, bits: int = 400) -> bool:
    """Whether a number's ball, at many bits, meets the decimals of ``text``."""
    with precision(bits):
        return bool(ball(value).overlaps(arb(text)))


def digits(expression: sp.Expr, count: int = 60) -> str:
    """A decimal enclosure of a sympy number."""
    return f"[{sp.N(expression, count)} +/- 1e-{count - 25}]"


# -- laws ---------------------------------------------------------------------------------------------------------


@settings(max_examples=120, deadline=None)
@given(surds(), surds(), surds())
def test_ring_laws(one: Pair, two: Pair, three: Pair) -> None:
    (x, a), (y, b), (z, _) = one, two, three
    for found, expected in (
        (x + y, a + b),
        (x - y, a - b),
        (y - x, b - a),
        (x * y, a * b),
        (-x, -a),
        (x * x - y * y, (a - b) * (a + b)),
    ):
        assert same(found, expected)
    assert x + y == y + x
    assert x * y == y * x
    assert (x + y) * z == x * z + y * z
    assert (x * y) * z == x * (y * z)
    assert is_zero(x - x)
    assert x**2 == x * x
    assert x**0 == 1
    assert x**3 == x * x * x


@settings(max_examples=120, deadline=None)
@given(surds(most=2, least=1), surds())
def test_one_and_two_terms_have_an_exact_inverse(one: Pair, other: Pair) -> None:
    (x, a), (y, b) = one, other
    assume(not is_zero(x))
    assert x * (1 / x) == 1
    assert x / x == 1
    assert same(fmpq(1) / x, sp.radsimp(1 / a))
    assert (y / x) * x == y
    assert same((y / x) * x, b)


@pytest.mark.parametrize(
    "coefficients",
    [(1, 1, 1, 1), (1, -1, 1, 3), (Fraction(1, 3), Fraction(-2, 7), Fraction(5, 2), -1), (-1, -1, 10, 2)],
)
@pytest.mark.parametrize(
    "radicands",
    [(1, 2, 3), (2, 3, 5), (2, 3, 6), (1, 2, 3, 6), (2, 3, 5, 7), (2, 6, 10, 30), (3, 5, 7, 105), (2, 3, 5, 6)],
)
def test_three_and_four_terms_have_an_exact_inverse(
    coefficients: tuple[Fraction, ...], radicands: tuple[int, ...]
) -> None:
    """Also where one root is the product of the others (sqrt 6 = sqrt 2 sqrt 3), so that signs cannot be flipped
    freely.
    """
    x, a = build([(Fraction(c), n) for c, n in zip(coefficients, radicands, strict=False)])
    found = 1 / x
    assert not isinstance(found, arb)
    assert x * found == 1
    with precision(300):
        assert ball(found).overlaps(arb(digits(1 / a)))


def test_five_terms_have_a_ball_as_inverse() -> None:
    x, a = build([(Fraction(1), n) for n in (1, 2, 3, 5, 7)])
    with precision(300):
        found = 1 / x
        assert isinstance(found, arb)
        assert found.rad() < 1e-60
        assert (found * x).contains(1)
        assert found.overlaps(arb(digits(1 / a)))


def test_zero_has_no_inverse() -> None:
    for divide in (lambda: r2 / 0, lambda: r2 / fmpq(0), lambda: r2 / (r2 - r2), lambda: 1 / (r2 * r3 - r6)):
        with pytest.raises(ZeroDivisionError):
            divide()


def test_a_negative_power_is_no_silent_one() -> None:
    """Either the inverse power or an error."""
    try:
        found = r2**-1
    except (ValueError, TypeError, ArithmeticError):
        return
    assert found == 1 / r2


# -- equality and order -------------------------------------------------------------------------------------------


def test_equality_is_decided() -> None:
    assert is_zero(r2 * r3 - r6)
    assert (1 + r2) ** 2 == 3 + 2 * r2
    assert is_zero((1 + r2) ** 2 - 3 - 2 * r2)
    assert r2 * r2 == 2
    assert isinstance(r2 * r2, fmpq)
    assert r2 != r3
    assert r2 != fmpq(1) and fmpq(1) != r2 and r2 != 1
    assert r2 != fmpq(665857, 470832)
    assert hash(r2 + r3) == hash(r3 + r2)
    assert len({r2, square_root(fmpq(2)), square_root(fmpq(8)) / 2, r3}) == 2


def test_nested_cancellation() -> None:
    """The minimal polynomial of sqrt 2 + sqrt 3 + sqrt 5, and a product of all conjugates."""
    x = r2 + r3 + r5
    assert is_zero(x**8 - 40 * x**6 + 352 * x**4 - 960 * x**2 + 576)
    conjugates = [s * r2 + t * r3 + r5 for s, t in itertools.product((1, -1), repeat=2)]
    product = conjugates[0] * conjugates[1] * conjugates[2] * conjugates[3]
    assert product == (25 - 2 * 5 * (2 + 3) + 1)  # (z^2 - (a + b)^2)(z^2 - (a - b)^2) with a^2 = 2, b^2 = 3, z^2 = 5
    assert isinstance(product, fmpq)
    # 1 / (1 - 1/(1 + 1/sqrt 2)) = 1 + sqrt 2
    assert 1 / (1 - 1 / (1 + 1 / r2)) == 1 + r2


def test_sum_against_its_ball() -> None:
    x = r2 + r3
    assert near(x, "[3.14626436994197234232913506571557044551247712918732870 +/- 1e-52]")
    with precision(200):
        enclosure = ball(x)
        assert (enclosure * enclosure - 5 - 2 * ball(r6)).contains(0)
        assert enclosure.rad() < 1e-55
    with precision(30):
        assert 1e-12 < ball(x).rad() < 1e-6


@settings(max_examples=150, deadline=None)
@given(surds(), surds())
def test_order(one: Pair, two: Pair) -> None:
    (x, a), (y, b) = one, two
    equal = sp.expand(a - b) == 0
    sign = 0 if equal else int(sp.sign(sp.N(a - b, 80)))
    assert (x > y, x < y, x >= y, x <= y, x == y) == (sign > 0, sign < 0, sign >= 0, sign <= 0, sign == 0)
    assert largest([x, y]) == (x if sign >= 0 else y)
    assert abs(x) == (x if x >= 0 else -x)
    assert abs(x) >= 0


@settings(max_examples=80, deadline=None)
@given(st.integers(2, 10**6), st.integers(1, 200), st.sampled_from([10**20, 10**60]), st.integers(-1, 1))
def test_order_of_what_is_far_below_the_working_precision(n: int, shift: int, denominator: int, step: int) -> None:
    """sqrt n against its decimals: floor(sqrt(n) 10^d) + step over 10^d, decided on integers."""
    assume(isqrt(n) ** 2 != n)
    numerator = isqrt(n * denominator**2) + step
    bound, x = fmpq(numerator, denominator), square_root(fmpq(n))
    above = n * denominator**2 > numerator**2
    with precision(53):
        assert (x > bound, x < bound, bound > x, x == bound) == (above, not above, not above, False)
        assert (shift * x > shift * bound) == above
        assert (x - bound > 0, bound - x > 0) == (above, not above)


def test_balls_around_a_surd_are_not_compared() -> None:
    """Whatever the comparison: a ball around zero is not known to be >= 0 either."""
    with precision(64):
        around = ball(r2)
        assert not (r2 > around or r2 < around or r2 >= around or r2 <= around)
        assert around + 1 > r2 and r2 < around + 1 and around + 1 >= r2 and r2 <= around + 1


# -- roots --------------------------------------------------------------------------------------------------------


@settings(max_examples=120, deadline=None)
@given(LARGE)
def test_square_roots(value: Fraction) -> None:
    found = square_root(number(value))
    assert is_normal(found)
    assert found > 0
    assert found * found == number(value)
    assert square_root(number(value * value)) == number(value)
    assert root(number(value)) == found


@pytest.mark.parametrize(
    "value", [0, 1, 4, Fraction(1, 4), Fraction(49, 64), Fraction(10**80), Fraction(9, 10**60), Fraction(3**90, 7**80)]
)
def test_roots_of_squares_are_rational(value: Fraction) -> None:
    found = square_root(number(Fraction(value)))
    assert isinstance(found, fmpq)
    assert found >= 0
    assert found * found == number(Fraction(value))


@pytest.mark.parametrize(
    "value", [Fraction(10**31 + 1), Fraction(2 * 10**40), Fraction(3, 10**61 + 7), Fraction(10**300 + 1, 10**299 + 3)]
)
def test_roots_beyond_what_is_factored_are_exact(value: Fraction) -> None:
    """Against 200 digits of Decimal; and ties of them are ties."""
    found = square_root(number(value))
    assert is_normal(found) and found * found == number(value)
    assert is_zero(square_root(number(4 * value)) - 2 * found) and is_zero(square_root(number(value / 49)) * 7 - found)
    with localcontext(Context(prec=220)):
        text = str((Decimal(value.numerator) / Decimal(value.denominator)).sqrt())
    with precision(800):
        assert abs(ball(found) / arb(text) - 1) < 1e-195


P = 10**40 + 121  # a prime; its square is a factor that trial division does not find


def test_large_radicands_of_one_class_are_one() -> None:
    """sqrt(2 p^2 q) = p sqrt(2 q) with unknown factors: n m is a square, whatever n and m are made of."""
    q = 10**30 + 57
    big, small = square_root(fmpq(2 * P * P * q)), square_root(fmpq(2 * q))
    assert isinstance(big, Surd) and isinstance(small, Surd)
    assert is_zero(big - P * small) and is_zero(P * small - big)
    assert big == P * small and P * small == big and hash(big) == hash(P * small)
    assert big / small == P and big * small == 2 * q * P
    assert (
        square_root(fmpq(3 * P * P)) == P * r3
        and square_root(fmpq(P * P, 7 * 10**60)) * square_root(fmpq(7)) * 10**30 == P
    )
    assert square_root(fmpq(6 * P)) / square_root(fmpq(3 * P)) == r2
    assert (square_root(fmpq(P)) + r2) * (square_root(fmpq(P)) - r2) == P - 2
    assert 1 / (square_root(fmpq(P)) + r2 + 1) * (square_root(fmpq(P)) + r2 + 1) == 1
    x, y = square_root(fmpq(P + 1)), square_root(fmpq(P))
    assert not is_zero(x - y) and x - y > 0 and x - y < fmpq(1, isqrt(P))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(RATIONAL, st.sampled_from([2, 3, 2 * P, 3 * P, 6, 6 * P, P]), st.integers(1, 10**25)),
        min_size=1,
        max_size=4,
    )
)
def test_sums_of_large_roots(terms: list[tuple[Fraction, int, int]]) -> None:
    """sum a sqrt(n k^2) against sum a k sqrt(n): the same number with and without hidden squares."""
    hidden = sum((number(a) * square_root(fmpq(n * k * k)) for a, n, k in terms), fmpq(0))
    plain = sum((number(a * k) * square_root(fmpq(n)) for a, n, k in terms), fmpq(0))
    assert is_zero(hidden - plain) and hidden == plain
    assert is_zero(hidden * hidden - plain * plain)


def test_two_reward_arms_of_sixteen_digits() -> None:
    """A group of two different rewards a, b standardizes to -1, 1, whatever their digits: deviation (a - b)/2, spread
    |a - b|/2.
    """
    a, b = Fraction(".1234567890123456"), Fraction(".9876543210987654")
    assert number((b - a) / 2) / square_root(number((b - a) ** 2 / 4)) == 1
    squares = Fraction(2, 9) * (b - a) ** 2  # of the group (a, a, b): deviation 2/3 (b - a) over sqrt(2)/3 (b - a)
    assert number((b - a) * 2 / 3) / square_root(number(squares)) == r2


def test_what_is_too_long_is_a_ball_that_decides_nothing() -> None:
    with precision(64):
        huge = square_root(fmpq(2 * 10**2001 + 2))
        assert isinstance(huge, arb)
        assert vanishes(huge - huge) is None
        assert not is_zero(huge - huge)
        many = sum((square_root(fmpq(n)) for n in range(1, 4500)), fmpq(0))
        assert isinstance(many, arb) and many.rad() < 1e-8


def test_roots_below_the_limit_are_factored() -> None:
    """Two primes of fifteen digits, and 10^30 itself."""
    p, q = int(fmpz(10**14 + 31)), 99999999999973
    found = square_root(fmpq(p * q))
    assert isinstance(found, Surd) and found.terms == {p * q: 1}
    assert square_root(fmpq(p * p * 2)) == p * r2
    assert square_root(fmpq(10**30)) == 10**15
    assert square_root(fmpq(2, 10**28)) == r2 / 10**14
    assert gcd(p, q) == 1


@pytest.mark.parametrize("value", [-2, -4, Fraction(-4, 9)])
def test_a_negative_number_has_no_silent_root(value: Fraction) -> None:
    """Not the root of its magnitude."""
    try:
        found = square_root(number(Fraction(value)))
    except (ValueError, ArithmeticError):
        return
    assert isinstance(found, arb) and found.is_nan()


# -- mixing -------------------------------------------------------------------------------------------------------

OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize(
    "other", [3, -7, fmpq(2, 3), fmpq(-5), fmpz(4), arb(2), arb(0.3125, 1e-40), r3, 1 + r2], ids=str
)
@pytest.mark.parametrize("one", [r2, 1 - r5], ids=str)
def test_mixed_operands(name: str, swap: bool, other: Any, one: Surd) -> None:
    left, right = (other, one) if swap else (one, other)
    with precision(200):
        found, direct = OPERATIONS[name](left, right), OPERATIONS[name](_ball(left), _ball(right))
        assert isinstance(found, arb if isinstance(other, arb) else (Surd, fmpq))
        assert ball(found).overlaps(direct)
        assert direct.rad() < 1e-35 and ball(found).rad() < 1e-35
        for compare in (operator.gt, operator.lt, operator.ge, operator.le):
            assert bool(compare(left, right)) == bool(compare(_ball(left), _ball(right)))


def _ball(value: Any) -> arb:
    return value.ball() if isinstance(value, Surd) else arb(value)


def test_working_precision_is_left_alone() -> None:
    before = ctx.prec
    assert square_root(fmpq(2)) > fmpq(isqrt(2 * 10**400), 10**200)
    assert ctx.prec == before


# -- text ---------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(surds())
def test_text_is_read_back_by_sympy(one: Pair) -> None:
    x, a = one
    assert sp.expand(sp.sympify(str(x), rational=True) - a) == 0


def test_text() -> None:
    assert str(r2) == "1*sqrt(2)"
    assert str(fmpq(1, 2) + fmpq(3, 4) * r2) == "1/2 + 3/4*sqrt(2)"
    assert str(r3 - 2 * r2) == "-2*sqrt(2) + 1*sqrt(3)"
    assert repr(r2 / 2 - 1) == "-1 + 1/2*sqrt(2)"
