"""Advantages for max@k, the best of k answers with graded rewards (arXiv 2510.23393, 2505.15201), by leaving one out.

U is the mean, over subsets of k members, of the largest reward in the subset; the advantage is (G/k) (U - U of the
group without the member). A reward is a sum of thresholds passed, and U of each threshold is pass@k's: so the advantage
is the sum of pass@k's over thresholds. Its expected update is grad E max(c_1..c_k) / k.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import comb
from typing import Any, ClassVar

import numpy as np

from tamdp_theory.estimators.base import Estimator, Multiset
from tamdp_theory.estimators.pass_at_k import largest


@dataclass(frozen=True, kw_only=True)
class MaxAtK(Estimator):
    """max@k of the composite reward; 1 <= k <= G - 1."""

    climbs: ClassVar[tuple[str, str]] = (r"\tfrac{1}{k}\,\mathbb{E}\max(c_1,\dots,c_k)", "E max of k rewards / k")
    uses: ClassVar[tuple[str, ...]] = ("max@k, arXiv 2510.23393",)
    name: str = "max_at_k"
    k: int = 2
    statistics: Any = "counts"

    def gains(self, group: Multiset) -> Any:
        gap = group.difference
        # each kind's threshold: from the next smaller value to its own, shared by kinds of equal value
        step = np.where(gap > 0, gap, gap.max()).min(axis=-1) * (gap > 0).any(axis=-1)
        step = group.reward(step) * group.quotient(1, (gap == 0).sum(axis=-1))
        below = group.each(gap > 0)
        passed, missed = _tables(group.size, self.k)
        up, down = group.look_up(passed, below), group.look_up(missed, below)
        return (step[..., None, :] * np.where(gap >= 0, up[..., None, :], -down[..., None, :])).sum(axis=-1)

    def ceiling(self, size: int, ddof: int, span: Any) -> Any:
        return span * largest(size, self.k)  # an average of pass@k's

    @property
    def smallest(self) -> int:
        return self.k + 1


@cache
def _tables(size: int, k: int) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    """A of a member that passes a threshold, and -A of one that does not, by the number f = 0..G that do not."""
    passed = tuple(Fraction(comb(f, k), comb(size - 1, k)) for f in range(size + 1))
    return passed, (Fraction(0), *(share * (size - f) / f for f, share in enumerate(passed) if f))


ESTIMATORS = (MaxAtK(),)
