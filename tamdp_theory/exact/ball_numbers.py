"""Exact numbers (fmpq, Surd) and balls (arb): making them, deciding on them, and what it costs to compute with them.

Precision is FLINT's working precision: wrap calls in ``precision(bits)``.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from fractions import Fraction
from math import lcm
from typing import Any, TypeAlias

import numpy as np
from flint import arb, ctx, fmpq

from tamdp_theory.errors import CapacityError
from tamdp_theory.exact.radicals import Radical, root_of
from tamdp_theory.exact.surds import Surd

Number: TypeAlias = Any  # fmpq, Surd, Radical or arb; FLINT's types carry no annotations
ZERO, ONE = fmpq(0), fmpq(1)
MAX_EFFORT = 10_000_000  # microseconds, roughly, that one computation may take
_LONGEST = 10_000_000  # bits


def precision(bits: int) -> AbstractContextManager[Any]:
    """FLINT's working precision for a block, in bits."""
    context: AbstractContextManager[Any] = ctx.workprec(bits)
    return context


def number(value: Fraction | int) -> Number:
    """A rational, exactly."""
    fraction = Fraction(value)
    return fmpq(fraction.numerator, fraction.denominator)


def ball(value: Number) -> arb:
    """A number as a ball at the precision in force."""
    if isinstance(value, (Surd, Radical)):
        return value.ball()
    return value if isinstance(value, arb) else arb(value)


def nearest(value: Number) -> tuple[float, float]:
    """A float and a bound on its distance from the number, which is zero only for an exact zero: what underflows keeps
    an error.
    """
    if is_zero(value):
        return 0.0, 0.0
    enclosed = ball(value)
    middle = float(enclosed.mid())
    return middle, float(np.nextafter(float(enclosed.rad()), np.inf) + np.spacing(abs(middle)))


def root(value: Number) -> Number:
    """Square root of a number that is not negative: exact for rationals and surds, else a ball. ValueError if it is
    certainly negative.
    """
    if isinstance(value, (fmpq, Surd)):
        return root_of(value)
    enclosed = ball(value)
    if enclosed < 0:
        raise ValueError(f"the square root of {enclosed} is not real")
    return enclosed.nonnegative_part().sqrt()  # callers know that the number is not negative; its ball may not


def absolute(value: Number) -> Number:
    """|value|."""
    return abs(value)


def positive_part(value: Number) -> Number:
    """max(value, 0)."""
    if isinstance(value, arb) and value.contains(0):
        return value.max(arb(0))
    return value if value > 0 else ZERO


def largest(values: Sequence[Number]) -> Number:
    """The largest of numbers: exact if all are, else a ball that contains it."""
    exact = [v for v in values if not isinstance(v, arb)]
    top = [max(exact)] if exact else []
    # a ball that is certainly below an exact number does not make the largest one a ball
    result, *rest = top + [v for v in values if isinstance(v, arb) and not (top and v < ball(top[0]))]
    for value in rest:
        result = ball(result).max(value)
    return result


def dot(left: Sequence[Number], right: Sequence[Number]) -> Number:
    """Inner product."""
    return sum((x * y for x, y in zip(left, right, strict=True) if not (is_zero(x) or is_zero(y))), ZERO)


# -- decisions ----------------------------------------------------------------------------------------------------


def vanishes(value: Number) -> bool | None:
    """Whether a number is zero: True if it certainly is, False if it certainly is not, None for a ball around zero,
    which tells nothing.
    """
    if isinstance(value, (Surd, Radical)):
        return False
    if isinstance(value, arb):
        if value.contains(0):
            return True if value == 0 else None  # equality of balls: both without width
        return False
    return bool(value == 0)


def is_zero(value: Number) -> bool:
    """Whether a number is known to be exactly zero. "Not known to be zero" is not "not zero": ask ``vanishes`` to tell
    the two apart.
    """
    return vanishes(value) is True


# -- costs --------------------------------------------------------------------------------------------------------


def effort(operations: int | float, bits: int) -> float:
    """Microseconds, roughly, of so many products and sums of numbers of so many bits (measured: 1 at 50 bits, 290 at
    10,000).
    """
    return float(operations) * (1 + bits / 40)


def check_effort(microseconds: float, what: str, remedy: str) -> None:
    """CapacityError, before the work, where it would take more than MAX_EFFORT."""
    if microseconds > MAX_EFFORT:
        seconds = microseconds / 1e6
        raise CapacityError(
            f"{what}: exact arithmetic would take about {seconds:.2g} seconds, the limit is {MAX_EFFORT / 1e6:g}; "
            f"{remedy}"
        )


def bits_of(values: Iterable[Number]) -> int:
    """Bits of the numbers over their common denominator; the working precision for balls."""
    unit, longest = 1, 0
    for value in values:
        if isinstance(value, arb):
            longest = max(longest, int(ctx.prec))
            continue
        for part in value.terms.values() if isinstance(value, Surd) else (value,):
            unit, longest = (
                lcm(unit, int(part.q)),
                max(longest, int(abs(part.p)).bit_length() - int(part.q).bit_length()),
            )
        if unit.bit_length() > _LONGEST:
            break
    return max(longest, 0) + unit.bit_length()
