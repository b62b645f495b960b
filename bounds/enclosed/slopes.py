"""The claims of claims/slopes.py in rationals, square roots and balls."""

from fractions import Fraction
from math import comb
from typing import Any

from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.objectives import composites_of, group_on
from bounds.enclosed.quantities import composite, pow, probabilities
from bounds.exact_instance import ExactInstance
from tamdp_theory.estimators import options_of
from tamdp_theory.exact import Scheme
from tamdp_theory.exact.balls import ZERO, BallGroup, Number, ball, group_of, number

_SYMBOLS = {"k": s.k_best, "positive": s.alpha_plus, "negative": s.alpha_minus}


def kind_of(scheme: Scheme) -> str:
    """The name of the scheme's estimator without its numbers; what is not a number stays."""
    name = str(scheme.estimator)
    plain = name.partition("(")[0].rstrip("0123456789")
    return name if "std" in name else plain


def estimator_numbers(scheme: Scheme) -> dict[Any, Fraction]:
    """The options of the scheme's estimator that statements speak of."""
    return {_SYMBOLS[name]: Fraction(value) for name, value in options_of(scheme.estimator).items() if name in _SYMBOLS}


def zero_one_terms(i: ExactInstance) -> list[tuple[Number, Number, BallGroup]]:
    """p, h_1 - h_0, and the groups, of each prompt with the composites 0 and 1."""
    found = []
    for q, values in enumerate(composites_of(i.env)):
        own, chances = composite(i.env, q), probabilities(i.law.classes[q])
        p = sum((chance for c, chance in zip(own, chances, strict=True) if c == values[-1]), ZERO)
        h = group_of(i.env, q, i.scheme).first(chances)[0]
        found.append((p, h[own.index(values[-1])] - h[own.index(values[0])], group_on(values, i.scheme)))
    return found


def slope_rows(i: ExactInstance) -> list[Row]:
    """p, h_1 - h_0, G, kappa and the estimator's own numbers."""
    options = {symbol: number(value) for symbol, value in estimator_numbers(i.scheme).items()}
    fixed = {s.G: number(i.scheme.group_size), s.kappa: i.kappa, **options}
    return [{s.p: p, s.slope: slope, **fixed} for p, slope, _ in zero_one_terms(i)]


def gain_rows(i: ExactInstance) -> list[Row]:
    """h_1 - h_0, the law of the others' successes, and advantages by the number of successes."""
    rows: list[Row] = []
    size = i.scheme.group_size
    for p, slope, group in zero_one_terms(i):
        right, wrong = gain_tables(group)
        law = [comb(size - 1, j) * pow(p, j) * pow(1 - p, size - 1 - j) for j in range(size)]
        rows.append({s.slope: slope, s.G: size, s.gain_right: right, s.gain_wrong: wrong, s.others_right: law})
    return rows


def gain_tables(group: BallGroup) -> tuple[list[Number], list[Number]]:
    """A of a success, and of a failure, next to 0..G - 1 other successes."""
    size = group.size
    right = [group.of_counts((size - n, n))[1] for n in range(1, size + 1)]
    return right, [group.of_counts((size - n, n))[0] for n in range(size)]


def float_tables(scheme: Scheme) -> tuple[list[float], list[float]]:
    """The same as floats, for the rewards 0 and 1."""
    tables = gain_tables(group_on((Fraction(0), Fraction(1)), scheme))
    right, wrong = ([float(ball(value).mid()) for value in table] for table in tables)
    return right, wrong


def mixed_rows(i: ExactInstance) -> list[Row]:
    """p, h_1 - h_0, and the same over mixed groups alone, summed over these."""
    rows: list[Row] = []
    size = i.scheme.group_size
    for p, slope, group in zero_one_terms(i):
        right, wrong = gain_tables(group)
        kept, share = ZERO, ZERO
        for j in range(size):
            law = comb(size - 1, j) * pow(p, j) * pow(1 - p, size - 1 - j)
            kept += law * ((right[j] if j < size - 1 else ZERO) - (wrong[j] if j else ZERO))
            # a group of which j others and the first succeed, or the j others alone
            share += law * ((p if j < size - 1 else ZERO) + ((1 - p) if j else ZERO))
        rows.append({s.p: p, s.slope: slope, s.slope_mixed: kept / share, s.G: number(size)})
    return rows
