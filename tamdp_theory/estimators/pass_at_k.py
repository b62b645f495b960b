"""Advantages for pass@k, that one of k answers is right (Walder & Karkhanis, arXiv 2505.15201), by leaving one out.

A group of G answers, f of them wrong, estimates pass@k without bias by U = 1 - C(f, k) / C(G, k). The advantage is
(G/k) (U - U of the group without the member): with c = C(f, k) / C(G - 1, k)

    A = c if the member is right,    A = -c (G - f) / f if it is wrong,

which adds up to zero, and its expected update is (1 - p)^(k-1) grad p = grad pass@k / k (theory.md, T4.slopes).
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import comb, sqrt
from typing import Any, ClassVar

from tamdp_theory.estimators.base import Estimator, Place


@dataclass(frozen=True, kw_only=True)
class PassAtK(Estimator):
    """pass@k of a composite reward that takes at most two values on each prompt; 1 <= k <= G - 1."""

    climbs: ClassVar[tuple[str, str]] = (r"\tfrac{1}{k}\,\mathrm{pass@}k", "pass@k / k")
    uses: ClassVar[tuple[str, ...]] = ("PKPO, arXiv 2505.15201",)
    name: str = "pass_at_k"
    k: int = 2
    statistics: Any = "total"
    binary: bool = True

    def gain(self, place: Place) -> Any:
        return place.look_up(_table(place.size, self.k))

    def ceiling(self, size: int, ddof: int, span: Any) -> Any:
        return largest(size, self.k)

    @property
    def smallest(self) -> int:
        return self.k + 1


def largest(size: int, k: int) -> float:
    """The largest root mean square of the advantages in groups of ``size``."""
    table = _table(size, k)
    right, wrong = [table[size - 1 + f] for f in range(size)], [table[f - 1] for f in range(1, size)]
    squares = [(size - f) * right[f] ** 2 + f * wrong[f - 1] ** 2 for f in range(1, size)]
    return sqrt(max(squares) / size)


@cache
def _table(size: int, k: int) -> tuple[Fraction, ...]:
    """A at G distance = -(G - 1), .., G - 1: f > 0 of a right member in a group with f wrong ones, f - G of a wrong
    one.
    """
    share = [Fraction(comb(f, k), comb(size - 1, k)) for f in range(size + 1)]
    wrong = [-share[f] * Fraction(size - f, f) for f in range(1, size)]
    return (*wrong, Fraction(0), *share[1:size])


ESTIMATORS = (PassAtK(),)
