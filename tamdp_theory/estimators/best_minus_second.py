"""The best member alone learns: its lead over the second best (``grpo_passk`` of verl and EasyR1)."""

from dataclasses import dataclass
from math import sqrt
from typing import Any, ClassVar

import numpy as np

from tamdp_theory.estimators.base import Estimator, Multiset


@dataclass(frozen=True, kw_only=True)
class BestMinusSecond(Estimator):
    """A = (largest c - second largest c) of the best member, 0 of the others; standardized over deviation + eps."""

    climbs: ClassVar[tuple[str, str]] = (r"\tfrac{1}{G}\,\mathbb{E}\max(c_1,\dots,c_G)", "E max of G rewards / G")
    uses: ClassVar[tuple[str, ...]] = ("verl grpo_passk", "EasyR1 grpo_passk")
    name: str = "best_minus_second"
    std: bool = False
    statistics: Any = "counts"

    def gains(self, group: Multiset) -> Any:
        gap = group.difference
        alone = (group.counts == 1) & (group.each(gap >= 0) == group.size) & (group.each(gap == 0) == 1)
        others = (group.counts[..., None, :] > 0) & (gap > 0)
        lead = np.where(others, gap, gap.max()).min(axis=-1) * alone
        if not self.std:
            return group.reward(lead)
        spread = deviation(group)[..., None]
        return group.divide(group.quotient(lead, 1), spread + group.eps)

    def ceiling(self, size: int, ddof: int, span: Any) -> Any:
        return sqrt((size - ddof) / (size - 1)) if self.std else span / sqrt(size)


def deviation(group: Multiset) -> Any:
    """Standard deviation (...,) with the scheme's ddof, in units, a number of the route."""
    distance = group.each(group.difference)
    return group.root(group.quotient(group.total(distance**2), group.size**2 * (group.size - group.ddof)))


ESTIMATORS = (BestMinusSecond(),)
