"""Groups as multisets of kinds in exact numbers: rationals and surds where they are, else balls (multisets.py)."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, fmpq

from tamdp_theory.exact.ball_numbers import ZERO, Number, is_zero, number, positive_part, root
from tamdp_theory.exact.multisets import Counted

_ROUNDED = 2.0**-40  # what a function that computes in floats may be off by


class ExactMultiset(Counted):
    """Arrays of objects: fmpq, Surd or arb."""

    @property
    def eps(self) -> Number:
        return number(self.eps_in_units)

    def quotient(self, numerator: Any, denominator: Any) -> Any:
        return _apply(lambda n, d: fmpq(int(n), int(d)) if d else ZERO, numerator, denominator)

    def divide(self, numerator: Any, denominator: Any) -> Any:
        return _apply(lambda n, d: ZERO if is_zero(n) or is_zero(d) else n / d, numerator, denominator)

    def reward(self, integers: Any) -> Any:
        unit = number(self.kinds.unit)
        return _apply(lambda n: int(n) * unit, integers)

    def root(self, value: Any) -> Any:
        return _apply(root, value)

    def exp(self, integers: Any, factor: Fraction) -> Any:
        unit = number(self.kinds.unit * factor)
        return _apply(lambda n: arb(int(n) * unit).exp() if n else fmpq(1), integers)

    def positive_part(self, value: Any) -> Any:
        return _apply(positive_part, value)

    def times(self, value: Any, factor: Fraction) -> Any:
        exactly = number(factor)
        return _apply(lambda x: x * exactly, value)

    def numbers(self, values: Any) -> Any:
        return _apply(_exactly, values)

    def look_up(self, table: Sequence[Fraction], place: Any) -> Any:
        return _apply(lambda n: number(table[int(n)]), place)


def _exactly(value: Any) -> Number:
    """A rational, or a ball around a float that some arithmetic has rounded."""
    if isinstance(value, (float, np.floating)):
        return arb(float(value), abs(float(value)) * _ROUNDED) if value else arb(0, _ROUNDED)
    return number(Fraction(value))


def _apply(function: Callable[..., Number], *arrays: Any) -> Any:
    """A function of Python objects on each entry of arrays that broadcast."""
    return np.frompyfunc(function, len(arrays), 1)(*(np.asarray(one, dtype=object) for one in arrays))
