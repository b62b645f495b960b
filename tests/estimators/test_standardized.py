"""Joint and decomposed standardization against rules in fractions and one square root."""

import math
from collections.abc import Sequence
from fractions import Fraction

import pytest

from tamdp_theory.estimators import Contrast, Scheme
from tests.helpers.estimators import BINARY, GRADED, Rule, through_every_route


def standardized(values: list[Fraction], eps: float, ddof: int) -> list[float]:
    mean = sum(values, Fraction(0)) / len(values)
    variance = sum((v - mean) ** 2 for v in values) / (len(values) - ddof)
    return [float(v - mean) / (math.sqrt(variance) + eps) if variance else 0.0 for v in values]


def joint(eps: float, ddof: int) -> Rule:
    def rule(group: list[tuple[Fraction, ...]], weights: Sequence[Fraction]) -> list[float]:
        return standardized([sum(w * r for w, r in zip(weights, row, strict=True)) for row in group], eps, ddof)

    return rule


def decomposed(eps: float, ddof: int) -> Rule:
    def rule(group: list[tuple[Fraction, ...]], weights: Sequence[Fraction]) -> list[float]:
        columns = [standardized([row[k] for row in group], eps, ddof) for k in range(len(weights))]
        return [
            sum(float(w) * column[i] for w, column in zip(weights, columns, strict=True)) for i in range(len(group))
        ]

    return rule


@pytest.mark.parametrize(("size", "eps", "ddof"), [(2, 0.0, 0), (3, 0.0, 1), (4, 0.01, 1)])
def test_every_route(size: int, eps: float, ddof: int) -> None:
    through_every_route(Scheme(size, "sum_then_normalize", eps, ddof), joint(eps, ddof), [*GRADED, *BINARY])
    through_every_route(Scheme(size, "normalize_then_sum", eps, ddof), decomposed(eps, ddof), [*GRADED, *BINARY])


def test_the_contrast_through_every_route() -> None:
    one, other = joint(0.0, 0), decomposed(0.0, 0)

    def rule(group: list[tuple[Fraction, ...]], weights: Sequence[Fraction]) -> list[float]:
        return [a - 0.75 * b for a, b in zip(one(group, weights), other(group, weights), strict=True)]

    through_every_route(Scheme(3, Contrast(share=Fraction(3, 4))), rule, GRADED, tensors=False)
