"""Softmax weights: A_i = G exp(c_i / temperature) / sum_j exp(c_j / temperature) - 1."""

from dataclasses import dataclass
from fractions import Fraction
from math import sqrt
from typing import Any

from tamdp_theory.estimators.base import Estimator, Multiset


@dataclass(frozen=True, kw_only=True)
class Softmax(Estimator):
    """The share of each member under a softmax of the composite, less that of all alike."""

    name: str = "softmax"
    temperature: Fraction = Fraction(1)
    statistics: Any = "counts"

    def gains(self, group: Multiset) -> Any:
        # over one's own: sum of exp((c_j - c_i) / temperature), whose member i is 1
        relative = group.exp(-group.difference, 1 / self.temperature)
        whole = (relative * group.quotient(group.counts, 1)[..., None, :]).sum(axis=-1)
        return group.divide(group.size - whole, whole)

    def ceiling(self, size: int, ddof: int, span: Any) -> Any:
        return sqrt(size - 1)


ESTIMATORS = (Softmax(),)
