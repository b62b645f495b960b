"""Advantages over the group's mean: A_i = (c_i - mean c) / mean c, 0 where that is 0 (Prime-RL's ``max_rl``).

With 0/1 rewards the expected update is that of the log-likelihood of success, expanded to order G - 1.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Any, ClassVar

from tamdp_theory.estimators.base import Estimator, Multiset


@dataclass(frozen=True, kw_only=True)
class MaxRL(Estimator):
    """The centred composite over its mean."""

    uses: ClassVar[tuple[str, ...]] = ("Prime-RL max_rl",)
    name: str = "max_rl"
    statistics: Any = "counts"

    def gains(self, group: Multiset) -> Any:
        whole = group.total(group.value)[..., None]
        return group.quotient(group.each(group.difference), whole * (whole > 0))

    def ceiling(self, size: int, ddof: int, span: Any) -> Any:
        return sqrt(size - 1)  # of rewards >= 0, sum c^2 <= (sum c)^2


ESTIMATORS = (MaxRL(),)
