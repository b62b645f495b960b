"""Leave-one-out advantages, c_i less the mean of the other members: RLOO (arXiv 2402.14740), unbiased for grad J."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

from tamdp_theory.estimators.base import Estimator, Place


@dataclass(frozen=True, kw_only=True)
class LeaveOneOut(Estimator):
    """G / (G - 1) times the centred reward."""

    climbs: ClassVar[tuple[str, str]] = (r"\mathbb{E}c", "the mean reward")
    uses: ClassVar[tuple[str, ...]] = ("TRL RLOO", "verl rloo", "OpenRLHF rloo", "ms-swift rloo")
    name: str = "leave_one_out"
    statistics: Any = "total"
    linear: bool = True

    def gain(self, place: Place) -> Any:
        return place.times(place.distance, self.multiple(place.size))

    def multiple(self, size: int) -> Fraction:
        return Fraction(size, size - 1)

    def ceiling(self, size: int, ddof: int, span: Any) -> Any:
        return span * size / (size - 1) / 2


ESTIMATORS = (LeaveOneOut(),)
