"""The reader of arithmetic against Python's own grammar (``ast``), its trees computed in sympy's rationals."""

import ast
import warnings
from collections.abc import Iterable
from fractions import Fraction as F
from itertools import product
from random import Random

import pytest
import sympy as sp

from tamdp_theory.families._arithmetic import MAX_BITS, START, read, value, value_of

HUGE = 10**300  # where the bound lies exactly is not the question; no four numbers up to 10 come back from there


class NoValue(Exception):
    """An error, an irrational number, or a huge one."""


def by_python(text: str) -> F | None:
    """What a text is worth to Python, with exact division and powers; None where it is an error or no rational."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # of calls of numbers
            tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        return None
    try:
        found = at(tree)
    except NoValue:
        return None
    return F(int(found.p), int(found.q))


def told(tokens: Iterable[str]) -> F | None:
    """What the package says, huge numbers aside."""
    found = value_of(tokens)
    return None if found is None or abs(found.numerator) > HUGE or found.denominator > HUGE else found


def at(node: ast.expr) -> sp.Rational:
    match node:
        case ast.Constant(value=int(number)):
            found = sp.Integer(number)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            found = at(operand)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            found = -at(operand)
        case ast.BinOp(left=left, op=op, right=right):
            found = apply(at(left), op, at(right))
        case _:
            raise NoValue  # a tuple, a call
    if not found.is_Rational or abs(found.p) > HUGE or found.q > HUGE:
        raise NoValue
    return found


def apply(left: sp.Rational, op: ast.operator, right: sp.Rational) -> sp.Expr:
    match op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div() | ast.FloorDiv():
            if not right:
                raise NoValue
            return left / right if isinstance(op, ast.Div) else sp.floor(left / right)
        case ast.Pow():
            if (not left and right < 0) or (abs(left) not in (0, 1) and abs(right) > 2000):
                raise NoValue
            if left < 0 and right.q > 1:  # complex
                raise NoValue
            return left**right
    raise AssertionError(op)


def test_every_short_text() -> None:
    """All 66,429 texts of up to five tokens of nine."""
    seen = 0
    for length in range(6):
        for tokens in product(("2", "10", "+", "-", "*", "/", "(", ")", " "), repeat=length):
            text = "".join(tokens)
            expected = by_python(text or "?")
            assert told(tokens) == expected, text
            seen += expected is not None
    assert seen > 2000


@pytest.mark.parametrize("seed", range(4))
def test_drawn_texts(seed: int) -> None:
    """Longer ones, mostly well formed: numbers and signs in turn, brackets at drawn places."""
    draw, seen = Random(seed), 0
    for _ in range(3000):
        tokens = []
        for k in range(draw.randint(1, 4)):
            if k:
                tokens += draw.choice(
                    ["+", "-", "*", "/", "**", "//", "*-", "**-", "/(", "-(", "*(", "**(", " *", "* "]
                )
            tokens += draw.choice(["", "", "(", "-", "+", " "])
            tokens += [str(draw.randint(1, 10))]
            tokens += draw.choice(["", "", "", ")", " "])
        text = "".join(tokens)
        expected = by_python(text)
        assert told(tokens) == expected, text
        seen += expected is not None
    assert seen > 800


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("8/(3-8/3)", F(24)),  # 23.99999999999999 in floats
        ("4**(1/2)", F(2)),
        ("(4/9)**(1/2)", F(2, 3)),
        ("8**(-1/3)", F(1, 2)),
        ("8**-(1/3)", F(1, 2)),
        ("2**(1/2)", None),
        ("(-8)**(1/3)", None),
        ("-8**(1/3)", F(-2)),
        ("-2**2", F(-4)),
        ("2**-1", F(1, 2)),
        ("2**3**2", F(512)),
        ("2**-3**2", F(1, 512)),
        ("-7//2", F(-4)),
        ("7//-2", F(-4)),
        ("1//0", None),
        ("0**0", F(1)),
        ("(1-1)**-1", None),
        ("--3", F(3)),
        ("3--3", F(6)),
        ("()", None),
        ("(6)", F(6)),
        ("6(4)", None),
        ("(6)(4)", None),
        ("(1 2)", None),
        ("6 )", None),
        ("((2))", F(2)),
        ("1***2", None),
        ("1///2", None),
        ("1/ /2", None),
        ("9**9**9", None),
        ("9**9**9**9", None),
        ("(1/9)**9**9", None),
        ("1**9**9", F(1)),
        ("(0-1)**9**9", F(-1)),
        ("9**(1/9**9**9)", None),
    ],
)
def test_value(text: str, number: F | None) -> None:
    assert value_of(text) == number


def test_nothing_beyond_the_bound_is_small_again() -> None:
    """A power beyond it takes three of four numbers; the fourth brings it to no number from 1 to 100."""
    beyond = [(a, b, c) for a in (2, 10) for b, c in ((10, 10), (9, 9))]
    for a, b, c in beyond:
        for d, op in product((1, 2, 10), ("+", "-", "*", "/", "//", "**", "**-")):
            for text in (f"{a}**{b}**{c}{op}{d}", f"{d}{op}{a}**{b}**{c}", f"({a}**{b}**{c}){op}{d}"):
                if d == 1 and (op.startswith("**") or op == "/" or op == "//" or op == "*"):
                    continue
                assert value_of(text) is None, text
    assert value_of("10**10**2") == 10**100 and (10**100).bit_length() < MAX_BITS


def test_equal_readings_go_on_alike() -> None:
    """What is merged: the same stacks after different texts."""
    for one, two in (("6*2*3", "6*2 *3"), ("2+3-", "5-"), ("--(", "("), ("+", ""), ("-6 ", "-(6)"), ("6*2+", "12+")):
        left, right = START, START
        for token in one:
            left = read(left, token)  # type: ignore[assignment]
        for token in ("12", "+") if two == "12+" else two:
            right = read(right, token)  # type: ignore[assignment]
        assert left == right, (one, two)
    assert value(read(START, "6")) == 6 and value(START) is None
