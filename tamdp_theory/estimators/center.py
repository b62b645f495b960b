"""Centred advantages, A_i = c_i - mean c: GRPO without division (Dr. GRPO; TRL's ``scale_rewards="none"``)."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

from tamdp_theory.estimators.base import Estimator, Place


@dataclass(frozen=True, kw_only=True)
class Center(Estimator):
    """The composite reward less its mean over the group."""

    climbs: ClassVar[tuple[str, str]] = (r"\kappa\,\mathbb{E}c", "(G-1)/G times the mean reward")
    uses: ClassVar[tuple[str, ...]] = (
        "Dr. GRPO",
        "TRL scale_rewards=none",
        "verl norm_adv_by_std_in_grpo=False",
        "OpenRLHF dr_grpo",
        "Prime-RL grpo",
    )
    name: str = "center"
    statistics: Any = "total"
    linear: bool = True

    def gain(self, place: Place) -> Any:
        return place.distance

    def multiple(self, size: int) -> Fraction:
        return Fraction(1)

    def ceiling(self, size: int, ddof: int, span: Any) -> Any:
        return span / 2


ESTIMATORS = (Center(),)
