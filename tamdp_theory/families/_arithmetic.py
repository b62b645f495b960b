"""Arithmetic as Python has it, token by token, in rationals: what a text is worth so far, and nothing is evaluated.

Tokens are numbers, "+", "-", "*", "/", "(", ")" and blanks, joined without anything between them: neighbouring numbers
are one ("1", "0" is 10), "*", "*" is a power and "/", "/" a floor, unless a blank is between them. Grammar, precedence
and associativity are Python's: "-2**2" is -4, "2**-1" is 1/2, "2**3**2" is 512. Errors have no value: what does not
parse, "()" and calls such as "6(4)", division by zero.

Departures from the floats of Python: "/" and powers are exact, so 8/(3-8/3) is 24 (in floats it is 23.99999999999999);
a power that is no rational has no value, nor has what is made of it, though a floor of it may be whole
(5//3**(-10/7) is 24); nor has one beyond ``MAX_BITS``, which four numbers up to
10 cannot bring back to a small one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

BLANK = " "
MAX_BITS = 4096  # of numerators and denominators
_RANK = {"(": 0, "+": 1, "-": 1, "*": 2, "/": 2, "//": 2, "minus": 3, "**": 4}


@dataclass(frozen=True, slots=True)
class Reading:
    """A text read so far, with what is decided computed.

    values, operators: the stacks; "minus" is a sign before an operand, "(" an open bracket. last: what the next token
    may join: "number" (a digit), "*" or "/" (the same again; not yet on the stack), "value" (an operand that is
    complete) or "operator" (an operand is due). Equal readings go on alike.
    """

    values: tuple[Fraction, ...] = ()
    operators: tuple[str, ...] = ()
    last: str = "operator"


START = Reading()


def read(reading: Reading | None, token: str) -> Reading | None:
    """The reading after one more token; None where no value can come of it."""
    if reading is None:
        return None
    last = reading.last
    if token == last and last in ("*", "/"):
        return _binary(reading, token * 2)
    if last in ("*", "/"):
        pending = _binary(reading, last)
        return pending if token == BLANK else read(pending, token)
    due = last == "operator"
    if token == BLANK:
        return Reading(reading.values, reading.operators, "operator" if due else "value")
    if token in ("*", "/"):
        return None if due else Reading(reading.values, reading.operators, token)
    if token in ("+", "-"):
        return _sign(reading, token) if due else _binary(reading, token)
    if token == "(":
        return Reading(reading.values, (*reading.operators, "("), "operator") if due else None
    if token == ")":
        return None if due else _close(reading)
    if due:
        return Reading((*reading.values, Fraction(int(token))), reading.operators, "number")
    if last == "number":
        joined = Fraction(int(f"{reading.values[-1]}{token}"))
        return Reading((*reading.values[:-1], joined), reading.operators, "number")
    return None


def value(reading: Reading | None) -> Fraction | None:
    """What the whole text is worth; None where it is an error."""
    if reading is None or reading.last not in ("number", "value") or "(" in reading.operators:
        return None
    done = _reduced(reading, 1)
    return None if done is None else done.values[0]


def value_of(tokens: Iterable[str]) -> Fraction | None:
    """What a text of tokens is worth; None where it is an error."""
    reading: Reading | None = START
    for token in tokens:
        reading = read(reading, token)
    return value(reading)


def _sign(reading: Reading, token: str) -> Reading:
    """A sign before an operand; two minuses are none."""
    if token == "+":
        return Reading(reading.values, reading.operators, "operator")
    if reading.operators and reading.operators[-1] == "minus":
        return Reading(reading.values, reading.operators[:-1], "operator")
    return Reading(reading.values, (*reading.operators, "minus"), "operator")


def _binary(reading: Reading, operator: str) -> Reading | None:
    done = _reduced(reading, _RANK[operator]) if operator != "**" else reading
    return None if done is None else Reading(done.values, (*done.operators, operator), "operator")


def _close(reading: Reading) -> Reading | None:
    if "(" not in reading.operators:
        return None
    done = _reduced(reading, 1)
    return None if done is None else Reading(done.values, done.operators[:-1], "value")


def _reduced(reading: Reading, rank: int) -> Reading | None:
    """With every operator of at least this rank applied, down to the open bracket."""
    values, operators = list(reading.values), list(reading.operators)
    while operators and _RANK[operators[-1]] >= rank:
        operator = operators.pop()
        right = values.pop()
        found = -right if operator == "minus" else _apply(values.pop(), operator, right)
        if found is None:
            return None
        values.append(found)
    return Reading(tuple(values), tuple(operators), "value")


def _apply(left: Fraction, operator: str, right: Fraction) -> Fraction | None:
    if operator == "+":
        found = left + right
    elif operator == "-":
        found = left - right
    elif operator == "*":
        found = left * right
    elif operator == "**":
        return _power(left, right)
    elif not right:
        return None
    else:
        found = Fraction(left // right) if operator == "//" else left / right
    return found if _bits(found) <= MAX_BITS else None


def _bits(number: Fraction) -> int:
    return max(number.numerator.bit_length(), number.denominator.bit_length())


def _power(base: Fraction, exponent: Fraction) -> Fraction | None:
    if not base:
        return None if exponent < 0 else Fraction(int(not exponent))
    if base == 1 or not exponent:
        return Fraction(1)
    if exponent.denominator > 1:  # a root, of a positive number
        if base < 0 or exponent.denominator > MAX_BITS:
            return None
        roots = [_root(part, exponent.denominator) for part in (base.numerator, base.denominator)]
        if None in roots:
            return None
        base = Fraction(roots[0] or 0, roots[1] or 1)
        exponent = Fraction(exponent.numerator)
    if base in (1, -1):
        return base ** (exponent.numerator % 2)
    if (_bits(base) - 1) * abs(exponent.numerator) > MAX_BITS:
        return None
    return base**exponent.numerator


def _root(number: int, degree: int) -> int | None:
    """The whole number with this power; None if there is none. number > 0."""
    low, high = 1, 1 << -(-number.bit_length() // degree)
    while low < high:
        middle = (low + high) // 2
        if middle**degree < number:
            low = middle + 1
        else:
            high = middle
    return low if low**degree == number else None
