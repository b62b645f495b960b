"""Numbers as a file writes them, kept as exact rationals.

A JSON number means the decimal that was written (0.2 is 1/5, not the nearest double); "a/b" is a rational. A Python
float means its shortest decimal, which is what ``repr`` prints. So does a float32, a float16 or a bfloat16, in its own
type: 0.1 in float32 is 1/10, not the 0.10000000149011612 that it becomes when it is widened. That is how ties of
rewards stay ties (``reals``).
"""

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def fraction(value: Any, place: str) -> Fraction:
    """Return ``value`` (int, float, Fraction, "a/b" or a JSON decimal) as an exact rational.

    Raises InputError, naming ``place``, for booleans, NaN, infinities, malformed text, more than MAX_DIGITS digits
    above or below the fraction bar, and anything else.
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
        raise InputError(f'{place}: {_short(value.text)} is out of range; write it as "a/b"')
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
        raise InputError(f'{place}: {_short(value)!r} is not a number; write 0.25 or "1/4"')
    raise InputError(f'{place}: expected a number or a string "a/b", got {kind(value)}')


def reals(values: Any, place: str) -> NDArray[np.float64]:
    """Numbers as float64, each the nearest to the shortest decimal of its own type, so that ``repr`` prints that
    decimal.

    values: numbers or nested sequences of them (Python, numpy, Fraction), arrays (numpy, ml_dtypes, jax) or tensors
    (torch) of integers, booleans, float64, float32, float16 or bfloat16. Raises InputError, naming ``place``, for
    sequences of different lengths and other types.
    """
    if hasattr(values, "detach"):  # a torch tensor; numpy knows no bfloat16
        tensor = values.detach().cpu()
        return (
            _shortest(tensor.float().numpy(), "bfloat16", place)
            if str(tensor.dtype) == "torch.bfloat16"
            else reals(tensor.numpy(), place)
        )
    if isinstance(values, (list, tuple)):
        return _sequence(values, place)
    if isinstance(values, (Fraction, Decimal)):
        return np.array(float(fraction(values, place)))
    try:
        array = np.asarray(values)
        name = array.dtype.name
        return _shortest(array.astype(np.float32) if name == "bfloat16" else array, name, place)
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{place}: expected an array of numbers, got {type(values).__name__}") from error


def _sequence(values: Any, place: str) -> NDArray[np.float64]:
    if not all(isinstance(value, (float, int)) and not isinstance(value, np.generic) for value in values):
        parts = [reals(value, place) for value in values]
        if len({part.shape for part in parts}) > 1:
            one, other = sorted({part.shape for part in parts})[:2]
            raise InputError(f"{place}: rows of different shapes, {one} and {other}; give as many numbers in each")
        return np.array(parts)
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError as error:
        raise InputError(f"{place}: holds an integer that no float64 can hold") from error


def _shortest(array: NDArray[Any], name: str, place: str) -> NDArray[np.float64]:
    """An array as float64; ``name`` is the type it came in."""
    if array.dtype == object and array.ndim:
        return _sequence(array.tolist(), place)
    if name in ("float32", "float16", "bfloat16"):
        found, where = np.unique(array, return_inverse=True)
        read = _brain if name == "bfloat16" else _nearest
        return np.array([read(value) for value in found], dtype=np.float64)[where].reshape(array.shape)
    if array.dtype.kind not in "biu" and array.dtype != np.float64:
        raise InputError(
            f"{place}: expected numbers (integers, float64, float32, float16 or bfloat16), got "
            f"{kind(array.item()) if name == 'object' else name}"
        )
    return array.astype(np.float64, copy=False)


def _nearest(value: Any) -> float:
    return float(np.format_float_scientific(value, unique=True)) if np.isfinite(value) else float(value)


def _brain(value: Any) -> float:
    """The shortest decimal that rounds to a bfloat16; four digits always do."""
    wide = float(value)
    if not math.isfinite(wide):
        return wide
    decimals = (float(f"{wide:.{digits}e}") for digits in range(4))
    return next(decimal for decimal in decimals if _to_bfloat16(decimal) == wide)


def _to_bfloat16(value: float) -> float:
    """The nearest bfloat16, ties to even: 8 bits, down to 2^-133."""
    quantum = max(math.frexp(value)[1], -125) - 8
    return math.ldexp(round(math.ldexp(value, -quantum)), quantum)


def narrow(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Float64 numbers that are all float32 ones, widened somewhere on their way, as ``reals`` reads float32; others as
    they are.
    """
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    return reals(single, "values") if np.array_equal(single, values, equal_nan=True) else values


def on_grid(values: NDArray[np.float64]) -> tuple[NDArray[Any], Fraction]:
    """Integers (int64, or Python's where they do not fit) and the unit that they are multiples of: the shortest
    decimals of finite floats.
    """
    found, where = np.unique(values, return_inverse=True)
    rationals = [Fraction(repr(float(value))) for value in found]
    unit = math.lcm(*(number.denominator for number in rationals))
    integers = [int(number * unit) for number in rationals]
    small = max(map(abs, integers), default=0) < 2**62
    return np.array(integers, dtype=np.int64 if small else object)[where].reshape(values.shape), Fraction(1, unit)


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


def sign(value: int) -> int:
    """-1, 0 or 1."""
    return (value > 0) - (value < 0)


def ratio(numerator: int, denominator: int) -> float:
    """numerator / denominator of any integers, denominator > 0, rounded once; infinite if beyond floats."""
    try:
        return numerator / denominator
    except OverflowError:
        return math.inf * sign(numerator)
