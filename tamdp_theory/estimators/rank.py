"""Rank advantages: the mean sign of the differences from the members, A_i = (1/G) sum_j sign(c_i - c_j)."""

from dataclasses import dataclass
from math import sqrt
from typing import Any

from tamdp_theory.estimators.base import Estimator, Multiset


@dataclass(frozen=True, kw_only=True)
class Rank(Estimator):
    """Members below less members above, over G; ties share."""

    name: str = "rank"
    statistics: Any = "counts"

    def gains(self, group: Multiset) -> Any:
        gap = group.difference
        return group.quotient(group.each(gap > 0) - group.each(gap < 0), group.size)

    def ceiling(self, size: int, ddof: int, span: Any) -> Any:
        return sqrt((1 - 1 / size**2) / 3)  # without ties; ties only average


ESTIMATORS = (Rank(),)
