"""Comparing the two sides of a statement row by row: what floats propose, what intervals allow, and what says nothing
at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from bounds.rounding import approximate
from bounds.symbols import Probability
from bounds.verdicts import Evidence
from tamdp_theory.model import Floats

Bools: TypeAlias = NDArray[np.bool_]
Quantity: TypeAlias = sp.Symbol | sp.IndexedBase | Probability
SAFETY = 10  # a slack within this many times its error is a tie
DIGITS = 1000  # an equation holds in floats if its sides are this many times their error: it agrees to three digits
FLOOR = 1e-13  # of a measure's scale: sums of numbers of that size are off by as much


class Finding(IntEnum):
    """What one row shows, the most important first: the first of these that any row shows decides."""

    VIOLATED = 0
    TIE = 1  # the sides are too near to tell
    HOLDS = 2
    FAINT = 3  # both sides may be nothing but rounding, or the bound no better than the trivial one
    TRIVIAL = 4  # true, but no better than the trivial bound
    EMPTY = 5  # zero on both sides, or zero below anything


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Numbers for a statement's symbols on one instance.

    numbers: floats, or equal-length arrays to be judged jointly (the row that decides is reported); for an indexed
    quantity the index comes first. assumptions: what only the numbers show, name -> met, None where floats cannot tell.
    errors: absolute error of a quantity by name, where it is more than ``rounding.QUANTITY`` of it. error: of slack
    besides, one number or one a row. half_width: of a confidence interval of the left side. trivial: the right side
    says nothing if it is at least this, one number or one a row. scale: magnitude below which numbers are rounding.
    attained: the bound is known to be an equality here (or on these rows) by structure alone. empty: why nothing here
    could fail, if so. statement: what is compared, where one run can show an instance of the claim and not the claim
    itself (a bound, not how often it fails).
    """

    numbers: Mapping[Quantity, Any]
    assumptions: Mapping[str, bool | None] = field(default_factory=dict)
    error: float | Floats = 0.0
    half_width: float | None = None
    trivial: float | Floats = np.inf
    scale: float = 1.0
    evidence: Evidence = Evidence.EXACT
    attained: bool | Bools = False
    note: str = ""
    statement: sp.Rel | None = None
    errors: Mapping[Quantity, Any] = field(default_factory=dict)
    empty: str = ""


@dataclass(frozen=True)
class Compared:
    """The row that decides: both sides, slack = rhs - lhs (-|rhs - lhs| of an equation), a bound on its error, and what
    it shows.
    """

    lhs: float
    rhs: float
    slack: float
    error: float
    finding: Finding


def compare(statement: sp.Rel, sides: tuple[Any, Any], measured: Measured, zero_tells: bool) -> Compared:
    """Judge every row and report the one that decides. zero_tells: zero on the left is content, not emptiness.

    Args:
        statement: a relation of sympy expressions.
        sides: its two sides, floats or arrays.
        measured: what they were made of, with errors and intervals.
        zero_tells: zero on the left is content, not emptiness.
    """
    left, right = (np.atleast_1d(np.asarray(side, dtype=np.float64)) for side in sides)
    left, right = np.broadcast_arrays(left, right)
    error, noise = _errors(statement, measured, left.shape)
    flip = isinstance(statement, (sp.Ge, sp.Gt))
    equation, strict = isinstance(statement, sp.Eq), isinstance(statement, (sp.Lt, sp.Gt))
    if not equation and not isinstance(statement, (sp.Le, sp.Lt, sp.Ge, sp.Gt)):
        raise TypeError(f"cannot judge a statement of type {type(statement).__name__}")
    if np.isnan(left).any() or np.isnan(right).any() or not np.isfinite(error).all():
        place = int(np.argmax(np.isnan(left) | np.isnan(right) | ~np.isfinite(error)))
        return Compared(
            lhs=float(left[place]),
            rhs=float(right[place]),
            slack=float(right[place] - left[place]),
            error=float("inf"),
            finding=Finding.TIE,
        )
    gap = right - left
    slack = -np.abs(gap) if equation else -gap if flip else gap
    low, high = (right, left) if flip else (left, right)
    size, zero = (
        np.maximum(np.abs(left), np.abs(right)),
        np.zeros(left.shape, dtype=bool) if zero_tells else (low == 0) & (high >= 0),
    )
    trivial, attained = (np.broadcast_to(given, slack.shape) for given in (measured.trivial, measured.attained))
    exact = measured.evidence is Evidence.CERTIFIED
    estimated = measured.half_width is not None
    if estimated:  # an estimate of zero is no zero: its interval says what it may be
        zero = np.zeros(left.shape, dtype=bool)
    if equation:
        # "contains zero" is not "is zero": what is exact and has an error is not known to be equal
        seen = size > (SAFETY if estimated else DIGITS) * error
        finding = np.where(seen & ((error == 0) | (not exact)), Finding.HOLDS, Finding.FAINT)
        # zero is zero only if it is not what underflowed
        finding = np.where(zero_tells & (left == right) & ((error == 0) | (not exact)), Finding.HOLDS, finding)
        finding = np.where(slack < -error, Finding.VIOLATED, finding)
        finding = np.where(zero & (high == 0), Finding.EMPTY, finding)
    else:
        sure = slack > error * (1 if exact or estimated else SAFETY)
        if exact and not strict:
            sure |= slack >= error
        finding = np.where(sure | (attained & (not strict)), Finding.HOLDS, Finding.TIE)
        if not strict and not estimated and not zero_tells:
            # a left side that may be zero says no more than one that is
            finding = np.where((finding == Finding.HOLDS) & (np.abs(low) <= noise), Finding.EMPTY, finding)
            finding = np.where((finding == Finding.TIE) & (size <= 10 * error), Finding.FAINT, finding)
        if not estimated:  # it may be no better than the trivial bound
            finding = np.where((finding == Finding.HOLDS) & (high + error >= trivial), Finding.FAINT, finding)
        finding = np.where(high >= trivial, Finding.TRIVIAL, finding)
        finding = np.where((slack < -error) | (exact & strict & (slack <= -error)), Finding.VIOLATED, finding)
        finding = np.where(zero & (not strict), Finding.EMPTY, finding)
    excess = slack + error if equation else slack - error
    first = finding.min()
    worst = int(np.argmin(np.where(finding == first, np.where(np.isnan(excess), np.inf, excess), np.inf)))
    return Compared(
        lhs=float(left[worst]),
        rhs=float(right[worst]),
        slack=float(slack[worst]),
        error=float(error[worst]),
        finding=Finding(int(first)),
    )


def _errors(statement: sp.Rel, measured: Measured, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Bounds on the error of slack, and of the smaller side alone, in each row."""
    given = np.asarray(measured.error + (measured.half_width or 0.0), dtype=np.float64)
    if measured.evidence is Evidence.CERTIFIED:
        return np.broadcast_to(given, shape), np.zeros(shape)
    with np.errstate(invalid="ignore", over="ignore"):
        one, other = (
            approximate(side, measured.numbers, measured.errors).error for side in (statement.lhs, statement.rhs)
        )
    floor = FLOOR * measured.scale
    low = other if isinstance(statement, (sp.Ge, sp.Gt)) else one
    return np.broadcast_to(one + other + given + floor, shape), np.broadcast_to(low + floor, shape)
