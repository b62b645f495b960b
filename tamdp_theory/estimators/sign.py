"""Sign advantages: above the group's mean 1, below it -1, at it 0."""

from dataclasses import dataclass
from typing import Any

from tamdp_theory.estimators.base import Estimator, Multiset


@dataclass(frozen=True, kw_only=True)
class Sign(Estimator):
    """sign(c_i - mean c), decided on integers."""

    name: str = "sign"
    statistics: Any = "counts"

    def gains(self, group: Multiset) -> Any:
        distance = group.each(group.difference)
        return group.quotient((distance > 0) * 1 - (distance < 0) * 1, 1)

    def ceiling(self, size: int, ddof: int, span: Any) -> Any:
        return 1.0


ESTIMATORS = (Sign(),)
