"""Centred advantages against a rule of three lines."""

from collections.abc import Sequence
from fractions import Fraction

import pytest

from tamdp_theory.estimators import Scheme
from tests.helpers.estimators import BINARY, GRADED, through_every_route


def rule(group: list[tuple[Fraction, ...]], weights: Sequence[Fraction]) -> list[float]:
    scores = [sum(w * r for w, r in zip(weights, row, strict=True)) for row in group]
    return [float(score - Fraction(sum(scores)) / len(scores)) for score in scores]


@pytest.mark.parametrize("size", [2, 3, 4])
def test_every_route(size: int) -> None:
    through_every_route(Scheme(size, "center", 0.3, 1), rule, [*GRADED, *BINARY])
