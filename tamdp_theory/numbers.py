"""Numbers as a file writes them, kept as exact rationals.

A JSON number means the decimal that was written (0.2 is 1/5, not the nearest double); "a/b" is a rational.
A Python float means its shortest decimal, which is what ``repr`` prints.
"""

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from tamdp_theory.errors import InputError

MAX_DIGITS = 400  # of a numerator and of a denominator
_LIMIT = 10**MAX_DIGITS
_RATIONAL = re.compile(r"[+-]?[0-9]{1,400}(/[0-9]{1,400})?")
_DECIMAL = re.compile(r"[+-]?[0-9]{0,400}(\.[0-9]{0,400})?([eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Decimal:
    """The text of a JSON number with a fraction or an exponent, not yet read."""

    text: str


@lru_cache(maxsize=65536)
def _parse(text: str, pattern: re.Pattern[str]) -> Fraction | None:
    if not pattern.fullmatch(text):
        return None
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None


def exact(value: Any, place: str) -> Fraction:
    """Return ``value`` (int, float, Fraction, "a/b" or a JSON decimal) as an exact rational.

    Raises InputError, naming ``place``, for booleans, NaN, infinities, malformed text, more than MAX_DIGITS digits above or below
    the fraction bar, and anything else.
    """
    number = _read(value, place)
    if not is_short(number):
        raise InputError(f"{place}: needs more than {MAX_DIGITS} digits above or below the fraction bar; round it")
    return number


def is_short(number: Fraction) -> bool:
    """Whether a file can hold this rational: at most MAX_DIGITS digits above and below the fraction bar."""
    return bool(abs(number.numerator) < _LIMIT and number.denominator < _LIMIT)


def _read(value: Any, place: str) -> Fraction:
    if isinstance(value, bool):
        raise InputError(f"{place}: expected a number, got the boolean {str(value).lower()}")
    if isinstance(value, Decimal):
        number = _parse(value.text, _DECIMAL)
        if number is not None:
            return number
        raise InputError(f"{place}: {_short(value.text)} is out of range; write it as \"a/b\"")
    if isinstance(value, int):
        return Fraction(value)
    if isinstance(value, Fraction):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"{place}: expected a finite number, got {value}")
        return Fraction(repr(float(value)))
    if isinstance(value, str):
        number = _parse(value, _RATIONAL)
        if number is not None:
            return number
        raise InputError(f"{place}: {_short(value)!r} is not a number; write 0.25 or \"1/4\"")
    raise InputError(f"{place}: expected a number or a string \"a/b\", got {kind(value)}")


def to_json(value: Fraction) -> int | float | str:
    """Return the shortest JSON form that ``exact`` reads back as the same rational."""
    if value.denominator == 1:
        return int(value)
    try:
        approximation = float(value)
    except OverflowError:
        return f"{value.numerator}/{value.denominator}"
    if Fraction(repr(approximation)) == value:
        return approximation
    return f"{value.numerator}/{value.denominator}"


def show(value: Fraction) -> str:
    """Return a rational as a short text for messages: an exact short decimal, else a rounded one."""
    if value.denominator == 1 and abs(value) < _LIMIT:
        return _short(str(value.numerator))
    try:
        return f"{float(value):.12g}"
    except OverflowError:
        return "over 1e308" if value > 0 else "under -1e308"


def short_count(count: float) -> str:
    """Return a number of things for messages, whatever its size."""
    return f"{int(count):,}" if count < 10**15 else "more than 10^15"


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


def kind(value: Any) -> str:
    """Return what a JSON value is, in words."""
    names = {dict: "an object", list: "a list", tuple: "a list", type(None): "null"}
    return names.get(type(value), type(value).__name__)
