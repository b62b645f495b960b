"""Standardized advantages, (v - mean v) / (deviation of v + eps): GRPO's own, of the sum of the rewards or of each.

``sum_then_normalize`` standardizes the composite (GRPO, arXiv 2402.03300), ``normalize_then_sum`` each component, and
adds them up with the weights (GDPO, arXiv 2601.05242, without its whitening; MO-GRPO, arXiv 2509.22047).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf, sqrt
from typing import Any, ClassVar

from tamdp_theory.estimators.base import Estimator, Place


@dataclass(frozen=True, kw_only=True)
class Joint(Estimator):
    """The composite is standardized."""

    uses: ClassVar[tuple[str, ...]] = (
        "TRL sum_then_normalize (default; ddof 1, eps 1e-4)",
        "verl grpo (ddof 1, eps 1e-6)",
        "OpenRLHF group_norm (ddof 1, eps 1e-9)",
        "slime grpo, gspo, cispo",
        "ms-swift grpo",
    )
    name: str = "sum_then_normalize"
    linear: bool = True
    scales: bool = True
    standard: bool = True

    def gain(self, place: Place) -> Any:
        return place.ratio(place.deviation, place.spread + place.eps)

    def ceiling(self, size: int, ddof: int, span: Any) -> Any:
        return sqrt(1 - ddof / size)


@dataclass(frozen=True, kw_only=True)
class Decomposed(Joint):
    """Each component is standardized, then they are added up with the weights."""

    uses: ClassVar[tuple[str, ...]] = (
        "TRL normalize_then_sum and verl gdpo, before whitening",
        "MO-GRPO, arXiv 2509.22047",
    )
    name: str = "normalize_then_sum"

    def mixtures(self, weights: Sequence[Any]) -> tuple[tuple[Any, tuple[Any, ...]], ...]:
        return tuple((w, tuple(Fraction(int(j == k)) for j in range(len(weights)))) for k, w in enumerate(weights))


@dataclass(frozen=True, kw_only=True)
class Contrast(Decomposed):
    """Joint less ``share`` times decomposed advantages, in one group (T2.gradient)."""

    name: str = "joint minus decomposed"
    share: Fraction = Fraction(1)

    def mixtures(self, weights: Sequence[Any]) -> tuple[tuple[Any, tuple[Any, ...]], ...]:
        parts = super().mixtures(weights)
        return (Fraction(1), tuple(weights)), *((-self.share * w, part) for w, part in parts)

    def ceiling(self, size: int, ddof: int, span: Any) -> Any:
        return inf  # the coefficients, of both signs, add up to nothing that bounds it


ESTIMATORS = (Joint(), Decomposed())
