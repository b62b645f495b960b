"""Deciding a claim in exact arithmetic: rationals and square roots while they last, then balls at rising precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import sympy as sp

from bounds.comparison import Finding, Quantity
from bounds.exact_instance import ExactInstance
from bounds.exact_sides import at_least, evaluate, separated
from bounds.verdicts import Verdict
from tamdp_theory import InputError
from tamdp_theory.exact import balls

if TYPE_CHECKING:
    from bounds.claim import Claim

Row: TypeAlias = Mapping[Quantity, Any]
TRIVIAL = sp.Symbol("trivial")  # of a row: the right side says nothing if it is at least this
PRECISIONS = (128, 256, 512, 1024, 2048)  # bits, tried in turn until the sides separate


@dataclass(frozen=True)
class Decision:
    """A claim decided on one instance: the deciding row's sides, and what was met. verdict None: the balls overlap."""

    verdict: Verdict | None
    lhs: Any
    rhs: Any
    assumptions: dict[str, bool]


def settle(claim: Claim, instance: ExactInstance) -> tuple[Decision, int]:
    """Decide at rising precision; the decision and the bits that it took (the last precision if none separates)."""
    for bits in PRECISIONS:
        with balls.precision(bits):
            decision = decide(claim, instance)
        if decision.verdict is not None:
            break
    return decision, bits


def decide(claim: Claim, instance: ExactInstance) -> Decision:
    """Evaluate a claim at the precision in force. InputError if it has no exact form, CapacityError if it does not fit
    or decide.
    """
    if claim.enclose is None:
        raise InputError(
            f"{claim.id}: its check trains, samples or sums over training sets, so there is nothing to enclose"
        )
    assumptions = claim.conditions(instance)
    if any(not met and name not in instance.without for name, met in assumptions.items()):
        return Decision(Verdict.ASSUMPTION_UNMET, None, None, assumptions)
    try:
        rows = claim.enclose(instance)
    except ZeroDivisionError as error:
        raise InputError(f"{claim.id}: divides by a number that is zero on this instance") from error
    shown = [a for a in claim.assumptions if a.met is None]
    existence = {a.name: bool(rows) and a.name not in instance.without for a in shown if not a.capacity}
    assumptions |= existence | {a.name: True for a in shown if a.capacity}
    if not rows:
        return Decision(Verdict.ASSUMPTION_UNMET if existence else Verdict.VACUOUS, None, None, assumptions)
    finding, _, left, right = min((_judge_row(claim, row) for row in rows), key=lambda judged: judged[:2])
    return Decision(_VERDICTS[finding], left, right, assumptions)


_VERDICTS = {
    Finding.VIOLATED: Verdict.VIOLATED,
    Finding.TIE: None,
    Finding.HOLDS: Verdict.HOLDS,
    Finding.TRIVIAL: Verdict.VACUOUS,
    Finding.EMPTY: Verdict.VACUOUS,
}


def _judge_row(claim: Claim, row: Row) -> tuple[Finding, float, Any, Any]:
    """What a row shows, its slack (by which rows that show the same are ordered), and both sides."""
    statement = claim.statement
    left, right = evaluate(statement.lhs, row), evaluate(statement.rhs, row)
    return *_finding(claim, row, left, right), left, right


def _finding(claim: Claim, row: Row, left: Any, right: Any) -> tuple[Finding, float]:
    statement = claim.statement
    equation, flipped = isinstance(statement, sp.Eq), isinstance(statement, (sp.Ge, sp.Gt))
    gap = float(balls.ball(right - left).mid()) * (-1 if flipped else 1)
    truth = separated(statement, left, right)
    slack = -abs(gap) if equation else gap
    if truth is False:
        return Finding.VIOLATED, slack
    low, high = (right, left) if flipped else (left, right)
    if (
        not isinstance(statement, (sp.Lt, sp.Gt))
        and not claim.zero_tells
        and balls.is_zero(low)
        and (not equation or balls.is_zero(high))
        and truth
    ):
        return Finding.EMPTY, slack
    if TRIVIAL in row and at_least(high, row[TRIVIAL]):
        return Finding.TRIVIAL, slack
    if (
        not equation
        and not isinstance(statement, (sp.Lt, sp.Gt))
        and not claim.zero_tells
        and balls.vanishes(low) is None
    ):
        return Finding.TIE, slack  # a left side that may be zero: nothing here need be able to fail
    return (Finding.TIE if truth is None else Finding.HOLDS), slack
