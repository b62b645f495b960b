"""The remainder of P.attenuation: the moments that it rests on, and the polynomial inequalities that prove it."""

import math
from fractions import Fraction
from functools import cache

import sympy as sp
from sympy.functions.combinatorial.numbers import stirling

F = Fraction
_x, _y, _t = sp.symbols("x y t")


@cache
def moments() -> dict[int, sp.Expr]:
    """Central moments of X = S (G - S) over its mean, with x = 1/(G p (1 - p)) and y = 1/G, from factorial moments."""
    size, p, w, right = sp.symbols("G p w S")
    mean = size * (size - 1) * w
    found = {}
    for order in (2, 3, 4):
        terms = sp.Poly(sp.expand((right * (size - right) - mean) ** order), right).terms()
        total = sum(
            c * stirling(n, k) * sp.prod([size - i for i in range(k)]) * p**k for (n,), c in terms for k in range(n + 1)
        )
        rest = sp.rem(sp.expand(total), p**2 - p + w, p)  # w = p (1 - p); symmetric in p, so that no p is left
        assert not rest.has(p)
        found[order] = sp.cancel((rest / mean**order).subs({w: 1 / (size * _x)}).subs(size, 1 / _y))
    return found


def positive(expression: sp.Expr, ends: tuple[Fraction, Fraction]) -> bool:
    """Whether a polynomial of x and t is >= 0 for x between the ends and t in [0, 1], by Bernstein coefficients."""
    low, high = ends
    moved = sp.expand(expression.subs(_x, sp.Rational(low) + sp.Rational(high - low) * _x))
    table = sp.Poly(moved, _x, _t)
    n, m = table.degree(_x), table.degree(_t)
    given = {powers: F(int(c.p), int(c.q)) for powers, c in table.terms()}
    smallest = min(
        sum(
            c * F(math.comb(i, a), math.comb(n, a)) * F(math.comb(j, b), math.comb(m, b))
            for (a, b), c in given.items()
            if a <= i and b <= j
        )
        for i in range(n + 1)
        for j in range(m + 1)
    )
    if smallest >= 0:
        return True
    middle = (low + high) / 2
    assert high - low > F(1, 64), "not decided"
    return positive(expression, (low, middle)) and positive(expression, (middle, high))


def test_the_moments_that_the_remainder_rests_on() -> None:
    for order, found in moments().items():
        for size, p in ((2, F(1, 3)), (5, F(1, 4)), (7, F(2, 3))):
            mean = size * (size - 1) * p * (1 - p)
            wanted = sum(
                math.comb(size, k) * p**k * (1 - p) ** (size - k) * (F(k * (size - k)) / mean - 1) ** order
                for k in range(size + 1)
            )
            value = found.subs({_x: sp.Rational(1 / (size * p * (1 - p))), _y: sp.Rational(1, size)})
            assert value == sp.Rational(wanted)


def test_the_remainder_is_bounded_as_stated() -> None:
    """With y = t x / 4 (p (1 - p) <= 1/4): 1 - y/2 - y^2/2 <= sqrt(1 - y) <= 1 - y/2 - y^2/8, and T between them."""
    found = moments()
    third = 1 - found[2] / 8 + found[3] / 16
    fourth = third - sp.Rational(5, 16) * found[4]
    upper = 1 - _x / 8 + _x**2 / 16 - (1 - _y / 2 - _y**2 / 8) * third
    lower = [
        factor * fourth - 1 + _x / 8 + sp.Rational(5, 4) * _x**2 for factor in (sp.Integer(1), 1 - _y / 2 - _y**2 / 2)
    ]
    for expression, end in ((upper, 2), (lower[0], 1), (lower[1], 1)):
        # times a power of 1 - y >= 1/2 it is a polynomial, which x divides, or x^2
        cleared = sp.expand(sp.cancel(expression * (1 - _y) ** 3).subs(_y, _t * _x / 4))
        quotient = sp.expand(cleared / _x ** min(power for (power, _), _ in sp.Poly(cleared, _x, _t).terms()))
        assert positive(quotient, (F(0), F(end)))
