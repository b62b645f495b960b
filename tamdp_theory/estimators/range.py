"""Standardization by the range: A_i = (c_i - mean c) / (max c - min c)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tamdp_theory.estimators.base import Estimator, Multiset


@dataclass(frozen=True, kw_only=True)
class Range(Estimator):
    """The centred composite over the group's range; 0 in silent groups."""

    name: str = "range"
    statistics: Any = "counts"

    def gains(self, group: Multiset) -> Any:
        gap, there = group.difference, group.counts[..., None, :] > 0
        span = np.where(there, gap, gap.min()).max(axis=-1) - np.where(there, gap, gap.max()).min(axis=-1)
        return group.quotient(group.each(gap), group.size * span)

    def ceiling(self, size: int, ddof: int, span: Any) -> Any:
        return 0.5


ESTIMATORS = (Range(),)
