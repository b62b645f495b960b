"""How far the two sides of a statement may be off in float64: a bound carried through the expression, so that what
cancels shows.

Every quantity comes with an absolute error; sums add the errors of their terms and the rounding of their magnitude, so
a difference of large numbers has the error of large numbers, however small it comes out.
"""

from collections.abc import Mapping
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import sympy as sp

from bounds import symbols as s
from bounds.pac_bayes.formulas import NUMERIC
from tamdp_theory.model import Floats

QUANTITY = 1e-11  # relative error of a number that the engine gives; its own is below 1e-12
UNIT = 2.0**-52


class Approximate(NamedTuple):
    """A number (or an array of them) and a bound on its error."""

    value: Floats
    error: Floats


def approximate(
    expression: sp.Basic,
    numbers: Mapping[Any, Any],
    errors: Mapping[Any, Any],
    bound: Mapping[sp.Symbol, int] | None = None,
) -> Approximate:
    """An expression of bounds.symbols at numbers (floats or arrays; indexed ones with the index first, from 0) with
    absolute errors.

    A quantity without an error of its own is good to ``QUANTITY``, and so is taken a constant: that errs to the safe
    side.
    """
    bound = bound or {}

    def at(part: sp.Basic) -> Approximate:
        return approximate(part, numbers, errors, bound)

    if expression.is_Rational:
        return _number(float(expression))
    if isinstance(expression, sp.Indexed):
        places = tuple(int(at(index).value) - 1 for index in expression.indices)
        base = expression.base
        value = np.asarray(numbers[base], dtype=np.float64)
        error = (
            np.broadcast_to(np.asarray(errors[base], dtype=np.float64), value.shape)[places] if base in errors else None
        )
        return _number(value[places], error)
    if expression.is_Symbol or isinstance(expression, s.Probability):
        if expression in bound:
            return _number(float(bound[expression]), np.float64(0))
        return _number(numbers[expression], errors.get(expression))
    if expression.is_Add:
        return _add([at(part) for part in expression.args])
    if expression.is_Mul:
        product = _number(1.0, np.float64(0))
        for part in expression.args:
            product = _multiply(product, at(part))
        return product
    if expression.is_Pow:
        return _power(at(expression.base), at(expression.exp).value)
    if isinstance(expression, sp.Sum):
        *rest, (index, low, high) = expression.limits  # the last sum is the outer one
        inner = sp.Sum(expression.function, *rest) if rest else expression.function
        first, last = int(at(low).value), int(at(high).value)
        return _add(
            [
                _number(0.0),
                *(approximate(inner, numbers, errors, {**bound, index: place}) for place in range(first, last + 1)),
            ]
        )
    if isinstance(expression, sp.Abs):
        value, error = at(expression.args[0])
        return Approximate(np.abs(value), error)
    if isinstance(expression, sp.Max):
        parts = [at(part) for part in expression.args]
        return Approximate(
            reduce(np.maximum, [one.value for one in parts]), reduce(np.maximum, [one.error for one in parts])
        )
    return _function(expression, [at(part) for part in expression.args])


def _number(value: Any, error: Any = None) -> Approximate:
    array = np.asarray(value, dtype=np.float64)
    return Approximate(array, np.asarray(QUANTITY * np.abs(array) if error is None else error, dtype=np.float64))


def _add(parts: list[Approximate]) -> Approximate:
    value, error = sum((one.value for one in parts), np.float64(0)), sum((one.error for one in parts), np.float64(0))
    magnitude = sum((np.abs(one.value) for one in parts), np.float64(0))
    return Approximate(np.asarray(value), np.asarray(error + len(parts) * UNIT * magnitude))


def _multiply(one: Approximate, other: Approximate) -> Approximate:
    value = one.value * other.value
    error = (
        np.abs(one.value) * other.error
        + np.abs(other.value) * one.error
        + one.error * other.error
        + UNIT * np.abs(value)
    )
    return Approximate(value, error)


def _power(base: Approximate, exponent: Floats) -> Approximate:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        value = np.power(base.value, exponent)
        size, error = np.abs(base.value), base.error
        low, high = np.maximum(size - error, 0.0), size + error
        spread = np.abs(np.power(high, exponent) - np.power(low, exponent))
    return Approximate(np.asarray(value), np.asarray(spread + 2 * UNIT * np.abs(value)))


def _function(expression: sp.Basic, arguments: list[Approximate]) -> Approximate:
    """Functions that are monotone in each argument, or nearly: moved by the errors of all arguments at
    once, both ways.
    """
    name = type(expression).__name__
    function = NUMERIC[name] if name in NUMERIC else getattr(np, name)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        value = np.asarray(function(*(one.value for one in arguments)))
        moved = [
            np.abs(
                function(
                    *(one.value + sign * one.error if place == m else one.value for m, one in enumerate(arguments))
                )
                - value
            )
            for place in range(len(arguments))
            for sign in (-1, 1)
        ]
    return Approximate(value, np.asarray(2 * sum(moved) + 1e-14 * np.abs(value)))
