"""Statements as LaTeX for reading: positive terms first, roots and common factors together, sums over several indices
in one sign.

``Claim.latex`` is what certificates record and must not change; this is the same expression in the order in which
people write it.
"""

import re
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.core.function import _coeff_isneg
from sympy.printing.latex import LatexPrinter

from bounds import Claim

HALF = sp.Rational(1, 2)
_GREEK = re.compile(r"\\(alpha|eta|kappa|mu|sigma|psi|delta)")
_OPERATOR = re.compile(r"\\(textstyle|sum|max|min|mathbb|operatorname|mathrm|langle)")


@dataclass(frozen=True)
class Product:
    """A product as it is written: sign, numerator over denominator, and one root (of a fraction) in the numerator."""

    negative: bool
    numerator: tuple[sp.Expr, ...]
    denominator: tuple[sp.Expr, ...]
    root_numerator: tuple[sp.Expr, ...] = ()
    root_denominator: tuple[sp.Expr, ...] = ()

    def value(self) -> sp.Expr:
        """The product as an expression."""
        root = sp.sqrt(sp.Mul(*self.root_numerator) / sp.Mul(*self.root_denominator))
        return (-1 if self.negative else 1) * sp.Mul(*self.numerator) / sp.Mul(*self.denominator) * root


def split(expression: sp.Mul) -> Product:
    """Sort the factors of a product; a numeric root goes below the others' sign, with its coefficient: sqrt(2) sqrt(x)
    / 2 is sqrt(x / 2).
    """
    coefficient, rest = expression.as_coeff_Mul()
    parts: dict[str, list[sp.Expr]] = {"above": [], "below": [], "root above": [], "root below": []}
    for factor in sp.Mul.make_args(rest):
        base, exponent = factor.as_base_exp()
        if exponent == 1 and base.is_Add:
            common, base = base.primitive()
            coefficient, factor = coefficient * common, base
        if abs(exponent) == HALF:
            parts["root above" if exponent > 0 else "root below"].append(base)
        elif exponent.is_Number and exponent < 0:
            parts["below"].append(base**-exponent)
        else:
            parts["above"].append(factor)
    numbers = [base for base in parts["root above"] if base.is_Rational]
    if numbers and len(numbers) < len(parts["root above"]):
        square = coefficient**2 * sp.Mul(*numbers)
        parts["root above"] = [sp.Integer(square.p), *(base for base in parts["root above"] if not base.is_Rational)]
        parts["root below"].append(sp.Integer(square.q))
        coefficient = sp.sign(coefficient)
    above, below = [sp.Integer(abs(coefficient.p)), *parts["above"]], [sp.Integer(coefficient.q), *parts["below"]]
    return Product(
        bool(coefficient < 0), *(_written(part) for part in (above, below, parts["root above"], parts["root below"]))
    )


def _written(factors: list[sp.Expr]) -> tuple[sp.Expr, ...]:
    return tuple(sorted((factor for factor in factors if factor != 1), key=_rank))


def _rank(factor: sp.Expr) -> tuple[int, bool, str]:
    """Numbers, weights, letters (Greek first), brackets, then what extends to its right: norms, expectations, maxima,
    sums.
    """
    base = factor.as_base_exp()[0]
    if factor.is_Rational:
        return 0, False, ""
    if isinstance(base, sp.Sum):
        return 6, False, ""
    name = str(base.base.label) if isinstance(base, sp.Indexed) else str(base) if base.is_Symbol else ""
    if not name:
        return 3, False, ""
    extends = bool(_OPERATOR.match(name)) or "|" in name
    place = 5 if name.startswith(r"\textstyle") else 4 if extends else 1 if name == "w" else 2
    return place, not _GREEK.match(name), name


class Reading(LatexPrinter):  # type: ignore[misc]
    """sympy to LaTeX, for statements in the symbols of ``bounds.symbols``, whose names are LaTeX."""

    def _print_Symbol(self, expr: sp.Symbol, style: str = "plain") -> str:
        name = str(expr)
        return f"{{{name}}}" if name.startswith(r"\textstyle") else name

    def _print_Indexed(self, expr: sp.Indexed) -> str:
        name, indices = str(expr.base.label), "".join(self._print(index) for index in expr.indices)
        return name.replace(r"_{\cdot}", f"_{{{indices}}}") if r"_{\cdot}" in name else f"{name}_{{{indices}}}"

    def _print_Add(self, expr: sp.Add, order: Any = None) -> str:
        terms = sorted(self._as_ordered_terms(expr, order=order), key=_coeff_isneg)
        parts = []
        for place, term in enumerate(terms):
            negative = bool(_coeff_isneg(term))
            body = self._print(-term if negative else term)
            sign = "- " if negative and not place else " - " if negative else " + " if place else ""
            parts.append(sign + (rf"\left({body}\right)" if negative and (-term).is_Add else body))
        return "".join(parts)

    def _print_Mul(self, expr: sp.Mul) -> str:
        product = split(expr)
        pieces = [
            self._factor(factor, len(product.numerator) + bool(product.root_numerator) > 1)
            for factor in product.numerator
        ]
        if product.root_numerator or product.root_denominator:
            root = rf"\sqrt{{{self._fraction(product.root_numerator, product.root_denominator)}}}"
            pieces.insert(sum(_rank(factor)[0] < 3 for factor in product.numerator), root)
        above = " ".join(pieces) or "1"
        below = self._row(product.denominator)
        body = rf"\frac{{{above}}}{{{below}}}" if below else above
        return f"- {body}" if product.negative else body

    def _fraction(self, above: tuple[sp.Expr, ...], below: tuple[sp.Expr, ...]) -> str:
        top, bottom = self._row(above) or "1", self._row(below)
        return rf"\frac{{{top}}}{{{bottom}}}" if bottom else top

    def _row(self, factors: tuple[sp.Expr, ...]) -> str:
        return " ".join(self._factor(factor, len(factors) > 1) for factor in factors)

    def _factor(self, factor: sp.Expr, among_others: bool) -> str:
        written = str(self._print(factor))
        is_sum = factor.is_Add or (factor.is_Symbol and (" + " in str(factor) or ")-" in str(factor)))
        return rf"\left({written}\right)" if among_others and is_sum else written

    def _print_Sum(self, expr: sp.Sum) -> str:
        ranges = {(lower, upper) for _, lower, upper in expr.limits}
        if len(ranges) != 1:
            return str(super()._print_Sum(expr))
        ((lower, upper),) = ranges
        indices = ",".join(self._print(index) for index, _, _ in expr.limits)
        return rf"\sum_{{{indices}={self._print(lower)}}}^{{{self._print(upper)}}} {self._factor(expr.function, True)}"

    def _print_log(self, expr: sp.log, exp: str | None = None) -> str:
        power = f"^{{{exp}}}" if exp is not None else ""
        inside = self._print(expr.args[0])
        bare = inside.startswith("\\" if expr.args[0].is_Symbol else r"\frac") and not expr.args[0].is_Add
        return rf"\ln{power}{inside}" if bare else rf"\ln{power}\left({inside}\right)"

    def _print_ExpBase(self, expr: sp.exp, exp: str | None = None) -> str:
        inside = self._print(expr.args[0])
        if exp is None and r"\frac" in inside:
            return rf"\exp\left({inside}\right)"
        return str(super()._print_ExpBase(expr, exp))


def statement(claim: Claim) -> str:
    """The statement of a claim as LaTeX for reading."""
    return str(Reading().doprint(claim.statement))


def symbols(claim: Claim) -> dict[str, sp.Symbol | sp.IndexedBase]:
    """The symbols of a claim by their LaTeX, indexed ones with the indices that they have in the statement."""
    printer, indexed = Reading(), sorted(claim.statement.atoms(sp.Indexed), key=str)
    shown = {entry.base: printer.doprint(entry) for entry in reversed(indexed)}
    return {shown.get(symbol) or printer.doprint(symbol): symbol for symbol in claim.symbols}
