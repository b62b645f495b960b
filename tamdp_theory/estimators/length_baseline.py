"""A baseline weighted by length: A_i = c_i - sum_j l_j c_j / sum_j l_j, own member included (``opo`` of verl)."""

from dataclasses import dataclass
from typing import Any, ClassVar

from tamdp_theory.estimators.base import Estimator, Multiset


@dataclass(frozen=True, kw_only=True)
class LengthBaseline(Estimator):
    """The composite less its mean over tokens."""

    climbs: ClassVar[tuple[str, str]] = (
        r"\mathbb{E}c-\tfrac{1}{G}\,\mathbb{E}\frac{\sum\ell c}{\sum\ell}",
        "E c less E of the token-weighted mean / G",
    )
    uses: ClassVar[tuple[str, ...]] = ("verl opo",)
    name: str = "length_baseline"
    statistics: Any = "counts"
    lengths: bool = True

    def gains(self, group: Multiset) -> Any:
        weighted = group.each(group.difference * group.length[..., None, :])
        return group.reward(weighted) * group.quotient(1, group.total(group.length))[..., None]

    def ceiling(self, size: int, ddof: int, span: Any) -> Any:
        return span


ESTIMATORS = (LengthBaseline(),)
