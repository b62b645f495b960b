"""Statements walked exactly: against lambdify at the numbers of every claim, and how sides in rationals, surds and
balls compare.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy as sp
from flint import arb, fmpq

from bounds import CLAIMS, Instance, Measured
from bounds import symbols as s
from bounds.claim import Claim
from bounds.claims.scaling import component_bandit
from bounds.comparison import Quantity
from bounds.exact_sides import evaluate, separated
from bounds.symbols import INDICES
from tamdp_theory import CapacityError, TabularSoftmax, families
from tamdp_theory.exact import Scheme, balls

x, y = sp.symbols("x y")
n = sp.Symbol("n", integer=True)
ROOT2 = balls.root(fmpq(2))


# -- against lambdify ---------------------------------------------------------------------------------------------


def instances(claim: Claim) -> Iterator[Instance]:
    """The stored example, a bandit of two unequal components, a tree of three, and arms of one law; training is cut to
    a few steps.
    """
    if claim.example is not None:
        yield claim.example()
    for env in (
        families.bandit([(0, 0), (1, 0), (0, 1), (1, 1)], weights=("3/4", "1/4")),
        families.random_tree(seed=2, prompts=2, tools=1, answers=2, max_tool_depth=1, components=3),
        *(
            [component_bandit(2, False, "independent"), component_bandit(2, True, "equal")]
            if claim.id.startswith("T1.scaling")
            else []
        ),
    ):
        policy, reference = (TabularSoftmax.random(env, np.random.default_rng(seed), 0.5) for seed in (1, 2))
        for scheme in claim.schemes[:3] or (Scheme(3, "center"),):
            # a drift constant is shown by many runs only
            yield Instance(
                env, policy, scheme, reference=reference, seed=1, steps=3, runs=400 if claim.id == "T1.biased" else 3
            )


def measured(claim: Claim) -> Iterator[Measured]:
    for instance in instances(claim):
        try:
            found = claim.measure(instance)
        except CapacityError:
            continue
        if found.numbers:
            yield found


def rows(numbers: Mapping[Quantity, Any]) -> Iterator[Mapping[Quantity, Any]]:
    """Each row of a measurement in fractions, as the exact walk takes it: nested lists for indexed
    quantities, from 0.
    """
    arrays = {q: np.asarray(value, dtype=float) for q, value in numbers.items()}
    own = {q: INDICES.get(q, 0) for q in arrays}
    for r in range(max([1, *(a.shape[-1] for q, a in arrays.items() if a.ndim > own[q])])):
        yield {q: fractions((a[..., r] if a.ndim > own[q] else a).tolist()) for q, a in arrays.items()}


def fractions(value: Any) -> Any:
    return [fractions(v) for v in value] if isinstance(value, list) else Fraction(value)


def as_float(value: Any) -> float:
    return float(balls.ball(value).mid())


def is_walked(claim: Claim) -> bool:
    """Probabilities of events and inverse functions have no exact walk."""
    plain = all(isinstance(q, (sp.Symbol, sp.IndexedBase)) for q in claim.quantities)
    return plain and all(isinstance(part, sp.Abs) for part in claim.statement.atoms(sp.Function))


WALKED = [claim for claim in CLAIMS.values() if is_walked(claim)]


@pytest.mark.parametrize("claim", WALKED, ids=lambda claim: claim.id)
def test_sides_agree_with_lambdify(claim: Claim) -> None:
    seen = 0
    for found in measured(claim):
        numbers = {q: found.numbers[q] for q in claim.quantities}
        expected = np.broadcast_arrays(*(np.atleast_1d(np.asarray(side, dtype=float)) for side in claim.sides(numbers)))
        every = list(rows(numbers))
        assert len(every) == len(expected[0])
        for r in range(0, len(every), 1 + len(every) // 12):
            for part, side in zip((claim.statement.lhs, claim.statement.rhs), expected, strict=True):
                # sums that cancel lose digits in floats only
                assert as_float(evaluate(part, every[r])) == pytest.approx(
                    side[r], rel=1e-9, abs=1e-13 * max(1.0, found.scale)
                )
            seen += 1
    assert seen, "no instance here that the claim speaks of"


def test_rows_that_differ_give_sides_that_differ() -> None:
    """What the comparison above rests on: rows and indices are not mixed up."""
    numbers = {s.w: [1, 2], s.sigma: [[3, 5], [7, 11]], s.corr: [[[1, 1], [0, 0]], [[2, 3], [1, 1]]]}
    first, second = rows({q: np.array(v, dtype=float) for q, v in numbers.items()})
    assert (first[s.sigma], second[s.sigma]) == ([3, 7], [5, 11])
    assert first[s.w] == second[s.w] == [1, 2]
    assert second[s.corr] == [[1, 0], [3, 1]]
    assert evaluate(s.corr[2, 1] * s.sigma[1], second) == 15


# -- expressions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (x - y / 3, fmpq(11, 12)),
        (x**3 / y**2, fmpq(2, 25)),
        (sp.sqrt(x), balls.root(fmpq(1, 2))),
        (x ** sp.Rational(-3, 2), 2 * ROOT2),
        (sp.sqrt(x) * sp.sqrt(3 * x), balls.root(fmpq(3, 4))),
        (sp.Abs(y), fmpq(5, 4)),
        (sp.Max(y, -x, -2), fmpq(-1, 2)),
        (sp.Sum(n**2, (n, 1, 4)), fmpq(30)),
        (sp.Sum(n, (n, 3, 2)), fmpq(0)),
        (sp.Sum(s.w[s.i] * s.corr[s.i, s.k], (s.i, 1, s.k), (s.k, 1, 2)), fmpq(1 * 1 + 1 * 2 + 10 * 4)),
        (sp.Sum(s.corr[s.k, s.i], (s.i, 1, 2), (s.k, 2, 2)), fmpq(7)),
    ],
)
def test_values_are_exact(expression: sp.Expr, expected: Any) -> None:
    numbers = {x: Fraction(1, 2), y: Fraction(-5, 4), s.w: [1, 10], s.corr: [[1, 2], [3, 4]]}
    found = evaluate(expression, numbers)
    assert type(found) is type(expected)
    assert balls.is_zero(found - expected)


def test_balls_pass_through() -> None:
    found = evaluate(sp.sqrt(x) + sp.Max(y, 1) * 2, {x: arb(4, 0.5), y: ROOT2})
    assert isinstance(found, arb)
    assert found.contains(arb(2) + 2 * arb(2).sqrt())
    assert found.rad() < 0.2


def test_logarithms() -> None:
    assert evaluate(sp.log(1 / x), {x: fmpq(1)}) == 0 and not isinstance(evaluate(sp.log(x), {x: fmpq(1)}), arb)
    found = evaluate(sp.log(1 / x), {x: fmpq(1, 8)})
    assert isinstance(found, arb) and found.overlaps(3 * arb(2).log()) and found.rad() < 1e-12


@pytest.mark.parametrize(
    "expression",
    [
        sp.sin(x),
        sp.sinh(x),
        sp.pi * x,
        x ** sp.Rational(1, 3),
        x**y,
        x ** sp.sqrt(2),
        sp.Min(x, y),
        sp.Product(n, (n, 1, 3)),
    ],
    ids=str,
)
def test_unsupported_expressions(expression: sp.Expr) -> None:
    with pytest.raises(
        TypeError, match=r"cannot evaluate \w+ exactly|exponent must be rational|cannot raise to the power"
    ):
        evaluate(expression, {x: Fraction(1, 2), y: ROOT2})


# -- comparing ----------------------------------------------------------------------------------------------------

LESS = {sp.Eq: False, sp.Le: True, sp.Lt: True, sp.Ge: False, sp.Gt: False}
EQUAL = {sp.Eq: True, sp.Le: True, sp.Lt: False, sp.Ge: True, sp.Gt: False}
MORE = {sp.Eq: False, sp.Le: False, sp.Lt: False, sp.Ge: True, sp.Gt: True}
OVERLAP = dict.fromkeys(LESS)
BALL = arb(1, 1)
# a ball and its end
TOUCH = {sp.Eq: None, sp.Le: True, sp.Lt: None, sp.Ge: None, sp.Gt: False}
TOUCH_ABOVE = {sp.Eq: None, sp.Le: None, sp.Lt: False, sp.Ge: True, sp.Gt: None}
NAN = arb("nan")


@pytest.mark.parametrize(
    ("left", "right", "truth"),
    [
        (fmpq(1, 3), fmpq(1, 2), LESS),
        (fmpq(1, 2), fmpq(2, 4), EQUAL),
        (fmpq(0), fmpq(-1, 10**40), MORE),
        (fmpq(7, 5), ROOT2, LESS),
        (ROOT2, fmpq(3, 2), LESS),
        (ROOT2, fmpq(7, 5), MORE),
        (-ROOT2, ROOT2, LESS),
        (ROOT2 * 3, balls.root(fmpq(18)), EQUAL),
        (ROOT2 + balls.root(fmpq(3)), balls.root(fmpq(10)), LESS),
        # sqrt 2 and its convergent 66992092050551637663438906713182313772 / 47370562574818466708936539960450008968 -
        # 1e-76 apart
        (fmpq(66992092050551637663438906713182313772, 47370562574818466708936539960450008968), ROOT2, None),
        (arb(1, 1), arb(4, 0.5), LESS),
        (arb(4, 0.5), arb(1, 1), MORE),
        (arb(1, 1), arb(2, 1), OVERLAP),
        (arb(1, 1), arb(1, 1), OVERLAP),
        (BALL, BALL.upper(), TOUCH),
        (BALL.upper(), BALL, TOUCH_ABOVE),
        (arb(1, 1), fmpq(5, 2), LESS),
        (fmpq(5, 2), arb(1, 1), MORE),
        (fmpq(1), BALL, OVERLAP),
        (arb(1, 1), ROOT2, OVERLAP),
        (ROOT2, arb(3, 0.5), LESS),
        (arb(2), arb(2), {**EQUAL, sp.Eq: None}),
        (arb(2), fmpq(3), LESS),
        (NAN, fmpq(0), OVERLAP),
        (fmpq(0), arb("inf"), LESS),
    ],
)
def test_separated(left: Any, right: Any, truth: Mapping[Any, bool | None] | None) -> None:
    """Certain or None, never guessed: equality of balls is never shown, one shared point decides the weak and the
    strict order differently.
    """
    if truth is None:
        truth = LESS if left.p * left.p < 2 * left.q * left.q else MORE
    for relation, expected in truth.items():
        assert separated(relation(x, y), left, right) is expected, relation


def test_functions_are_enclosed() -> None:
    """exp, log and asin at 1/2 and at the root of 1/2."""
    with balls.precision(128):
        for value, angle in ((fmpq(1, 2), np.pi / 6), (ROOT2 / 2, np.pi / 4)):
            back, arc = evaluate(sp.log(sp.exp(x)), {x: value}), evaluate(sp.asin(x), {x: value})
            assert isinstance(back, arb) and back.overlaps(balls.ball(value)) and back.rad() < 1e-30
            assert isinstance(arc, arb) and arc.rad() < 1e-30 and float(arc.mid()) == pytest.approx(angle, rel=1e-15)
