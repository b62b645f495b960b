"""Standardization by the mean absolute deviation: A_i = (c_i - mean c) / mean |c - mean c|."""

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from tamdp_theory.estimators.base import Estimator, Multiset


@dataclass(frozen=True, kw_only=True)
class AbsoluteDeviation(Estimator):
    """The centred composite over its mean absolute value in the group; 0 in silent groups."""

    name: str = "absolute_deviation"
    statistics: Any = "counts"

    def gains(self, group: Multiset) -> Any:
        distance = group.each(group.difference)  # G times the distance from the mean
        whole = group.total(np.abs(distance))[..., None]
        return group.quotient(group.size * distance, whole)

    def ceiling(self, size: int, ddof: int, span: Any) -> Any:
        return sqrt(size / 2)  # variance <= range times mean absolute deviation / 2, and that is >= range / G


ESTIMATORS = (AbsoluteDeviation(),)
