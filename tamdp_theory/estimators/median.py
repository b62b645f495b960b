"""The group's median in place of its mean, plain and standardized by the median absolute deviation."""

from dataclasses import dataclass
from math import sqrt
from typing import Any, ClassVar

import numpy as np

from tamdp_theory.estimators.base import Estimator, Multiset


@dataclass(frozen=True, kw_only=True)
class Median(Estimator):
    """A_i = c_i - median c; of an even group the mean of the two in the middle."""

    climbs: ClassVar[tuple[str, str]] = (
        r"\mathbb{E}c-\tfrac{1}{G}\,\mathbb{E}\,\mathrm{median}(c_1,\dots,c_G)",
        "E c less E median / G",
    )
    name: str = "median"
    statistics: Any = "counts"

    def gains(self, group: Multiset) -> Any:
        return group.reward(_twice_from_median(group)) * group.quotient(1, 2)

    def ceiling(self, size: int, ddof: int, span: Any) -> Any:
        return span * sqrt(0.5)  # at most half of the members on the far side, each at most the span away


@dataclass(frozen=True, kw_only=True)
class MedianDeviation(Estimator):
    """A_i = (c_i - median c) / median |c - median c|; 0 where that is 0."""

    name: str = "mad"
    statistics: Any = "counts"

    def gains(self, group: Multiset) -> Any:
        distance = _twice_from_median(group)
        size = np.abs(distance)
        # the same with |c - median| in place of c
        middle = _twice_median(group, size[..., :, None] - size[..., None, :], size)
        return group.quotient(2 * distance, middle[..., None])


def _twice_from_median(group: Multiset) -> Any:
    """2 (c - median) of each kind (..., J), in units."""
    return 2 * group.value - _twice_median(group, group.difference, group.value)[..., None]


def _twice_median(group: Multiset, gap: Any, value: Any) -> Any:
    """Twice the median of what has values (..., J) and differences (..., J, J)."""
    below, upto = group.each(gap > 0), group.each(gap >= 0)
    low, high = (group.size - 1) // 2, group.size // 2  # places in order, from 0
    value = np.broadcast_to(value, below.shape)
    found = [
        np.take_along_axis(value, ((below <= place) & (place < upto)).argmax(axis=-1)[..., None], -1)[..., 0]
        for place in (low, high)
    ]
    return found[0] + found[1]


ESTIMATORS = (Median(), MedianDeviation())
