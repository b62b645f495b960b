"""Positive and negative advantages weighed apart: positive max(A, 0) - negative max(-A, 0) of another estimator's A.

With ``negative=0`` only what is better than the group is reinforced, with ``positive=0`` only what is worse is avoided
(PSR and NSR, arXiv 2506.01347, there with the reward itself as advantage).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar

from tamdp_theory.errors import InputError
from tamdp_theory.estimators.base import Estimator, Multiset, Place
from tamdp_theory.estimators.center import Center


@dataclass(frozen=True, kw_only=True)
class Signed(Estimator):
    """An estimator of one column, its signs weighed."""

    uses: ClassVar[tuple[str, ...]] = ("PSR and NSR, arXiv 2506.01347",)
    name: str = "signed"
    positive: Fraction = Fraction(1)
    negative: Fraction = Fraction(1)
    base: Estimator = field(default_factory=Center)
    statistics: Any = "total"

    def __post_init__(self) -> None:
        if len(self.base.mixtures([Fraction(1), Fraction(1)])) > 1:
            raise InputError(f"signed: {self.base} adds up several columns; its sign is not that of one")
        for name in ("statistics", "scales", "binary", "lengths"):
            object.__setattr__(self, name, getattr(self.base, name))

    def mixtures(self, weights: Sequence[Any]) -> tuple[tuple[Any, tuple[Any, ...]], ...]:
        return self.base.mixtures(weights)

    def gain(self, place: Place) -> Any:
        return self._weighed(place, lambda: self.base.gain(place))

    def gains(self, group: Multiset) -> Any:
        return self._weighed(group, lambda: self.base.gains(group))

    def _weighed(self, route: Any, gain: Any) -> Any:
        # each part from an array of its own: routes may write into what they are given
        up, down = route.positive_part(gain()), route.positive_part(-gain())
        return route.times(up, self.positive) - route.times(down, self.negative)

    def multiple(self, size: int) -> Fraction | None:
        base = self.base.multiple(size)
        return None if base is None or not self.positive == self.negative > 0 else base * self.positive

    def ceiling(self, size: int, ddof: int, span: Any) -> Any:
        return max(abs(float(self.positive)), abs(float(self.negative))) * self.base.ceiling(size, ddof, span)

    @property
    def smallest(self) -> int:
        return self.base.smallest


ESTIMATORS = (Signed(),)
