"""Both sides of a statement at rationals, surds and balls: the same sympy expression that ``lambdify`` turns into
floats, walked exactly.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import sympy as sp
from flint import arb, fmpq

from bounds.comparison import Quantity
from tamdp_theory.exact.balls import ONE, ZERO, Number, ball, is_zero, largest, number, root

_FUNCTIONS: dict[Any, Any] = {sp.asin: arb.asin, sp.exp: arb.exp}


def evaluate(
    expression: sp.Expr, numbers: Mapping[Quantity, Any], bound: Mapping[sp.Symbol, int] | None = None
) -> Number:
    """An expression of bounds.symbols at numbers: int, Fraction, fmpq or arb; nested sequences for indexed quantities,
    from 0.
    """
    bound = bound or {}

    def at(part: sp.Expr) -> Number:
        return evaluate(part, numbers, bound)

    if expression.is_Rational:
        return fmpq(int(expression.p), int(expression.q))
    if isinstance(expression, sp.Indexed):
        value = numbers[expression.base]
        for index in expression.indices:
            value = value[int(at(index).p) - 1]
        return _number(value)
    if expression.is_Symbol:
        return _number(bound[expression] if expression in bound else numbers[expression])
    if expression.is_Add:
        return sum((at(part) for part in expression.args), ZERO)
    if expression.is_Mul:
        product = ONE
        for part in expression.args:
            product = product * at(part)
        return product
    if expression.is_Pow:
        return _power(at(expression.base), expression.exp, at)
    if isinstance(expression, sp.Sum):
        return _sum(expression, numbers, bound)
    if isinstance(expression, sp.Abs):
        return abs(at(expression.args[0]))
    if isinstance(expression, sp.Max):
        return largest([at(part) for part in expression.args])
    if isinstance(expression, sp.log):
        return _logarithm(at(expression.args[0]))
    if type(expression) in _FUNCTIONS:
        return _FUNCTIONS[type(expression)](ball(at(expression.args[0])))
    raise TypeError(f"cannot evaluate {type(expression).__name__} exactly")


def _power(base: Number, exponent: sp.Expr, at: Any) -> Number:
    power = at(exponent)
    if not isinstance(power, fmpq):
        raise TypeError("an exponent must be rational")
    if power.q == 2:
        base, power = root(base), power * 2
    if power.q != 1:
        raise TypeError(f"cannot raise to the power {power} exactly")
    result = ONE
    for _ in range(abs(int(power.p))):
        result = result * base
    return ONE / result if power < 0 else result


def _logarithm(value: Number) -> Number:
    return ZERO if not isinstance(value, arb) and is_zero(value - ONE) else ball(value).log()


def _sum(expression: sp.Sum, numbers: Mapping[Quantity, Any], bound: Mapping[sp.Symbol, int]) -> Number:
    *rest, (index, low, high) = expression.limits  # the last sum is the outer one
    inner = sp.Sum(expression.function, *rest) if rest else expression.function
    first, last = (evaluate(limit, numbers, bound) for limit in (low, high))
    return sum((evaluate(inner, numbers, {**bound, index: i}) for i in range(int(first.p), int(last.p) + 1)), ZERO)


def _number(value: Any) -> Number:
    return number(value) if isinstance(value, (int, Fraction)) else value


def separated(statement: sp.Rel, left: Number, right: Number) -> bool | None:
    """Whether the statement is true at these sides: True or False if that is certain, None if the balls overlap."""
    exact = not (isinstance(left, arb) or isinstance(right, arb))
    gap = right - left if exact else ball(right) - ball(left)
    exact = not isinstance(gap, arb)
    if isinstance(statement, sp.Eq):
        return is_zero(gap) if exact else (False if gap < 0 or gap > 0 else None)
    if isinstance(statement, (sp.Ge, sp.Gt)):
        gap = -gap
    if isinstance(statement, (sp.Lt, sp.Gt)):
        return True if gap > 0 else (False if gap <= 0 else None)
    return True if gap >= 0 else (False if gap < 0 else None)


def at_least(left: Number, right: Number) -> bool:
    """Whether left >= right for certain."""
    return separated(_AT_LEAST, left, right) is True


_AT_LEAST = sp.Ge(*sp.symbols("x y"))
