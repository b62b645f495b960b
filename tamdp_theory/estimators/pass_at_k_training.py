"""Advantages of pass@k training (arXiv 2508.10751): subsets of k members, standardized, and their mean at each member.

With f wrong members, R = 1 - C(f, k) / C(G, k) and s^2 = R (1 - R):

    A = (1 - R) / s if the member is right,    A = (1 - R - C(f - 1, k - 1) / C(G - 1, k - 1)) / s if it is wrong.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import comb
from typing import Any, ClassVar

import numpy as np

from tamdp_theory.estimators.base import Estimator, Multiset


@dataclass(frozen=True, kw_only=True)
class PassAtKTraining(Estimator):
    """Of a composite reward that takes at most two values on each prompt; 1 <= k <= G."""

    uses: ClassVar[tuple[str, ...]] = ("pass@k training, arXiv 2508.10751",)
    name: str = "pass_at_k_training"
    k: int = 2
    statistics: Any = "counts"
    binary: bool = True

    def gains(self, group: Multiset) -> Any:
        wrong = group.size - group.total(group.value)
        right, missed, square = (group.look_up(table, wrong)[..., None] for table in _tables(group.size, self.k))
        share = np.where(group.value > 0, right, missed)
        return group.divide(share, group.root(square))

    def ceiling(self, size: int, ddof: int, span: Any) -> Any:
        right, missed, square = _tables(size, self.k)
        sizes = [
            ((size - f) * right[f] ** 2 + f * missed[f] ** 2) / square[f] / size for f in range(size + 1) if square[f]
        ]
        return float(max(sizes, default=0)) ** 0.5

    @property
    def smallest(self) -> int:
        return max(self.k, 2)


@cache
def _tables(size: int, k: int) -> tuple[tuple[Fraction, ...], ...]:
    """1 - R, 1 - R - C(f - 1, k - 1) / C(G - 1, k - 1), and R (1 - R), by f = 0..G."""
    left = [Fraction(comb(f, k), comb(size, k)) for f in range(size + 1)]
    with_one = [Fraction(comb(f - 1, k - 1) if f else 0, comb(size - 1, k - 1)) for f in range(size + 1)]
    return tuple(left), tuple(a - b for a, b in zip(left, with_one, strict=True)), tuple(a * (1 - a) for a in left)


ESTIMATORS = (PassAtKTraining(),)
