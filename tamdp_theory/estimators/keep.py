"""Which groups are kept: dynamic sampling and the libraries' other filters, each a rule on a group's composites.

A rule is decided on integers, so that a group of .1, .1, .1 is silent and a mean of exactly .99 is not above .99,
whatever floats make of them.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tamdp_theory.errors import InputError

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class KeepRule:
    """A predicate of the sums of a group's composites. Of the kind: ``uses``, who uses it and under which name."""

    uses: ClassVar[tuple[str, ...]] = ()
    name: str

    def keeps(self, size: int, total: Array, squares: Array, unit: Fraction) -> NDArray[np.bool_]:
        """Whether groups of ``size`` with these sums of composites and of their squares (S,) are kept; integers, in
        units of reward and of their square.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class All(KeepRule):
    """Every group."""

    name: str = "all"

    def keeps(self, size: int, total: Array, squares: Array, unit: Fraction) -> NDArray[np.bool_]:
        return np.ones(total.shape, dtype=bool)


@dataclass(frozen=True, kw_only=True)
class Mixed(KeepRule):
    """Groups whose composites are not all equal."""

    uses: ClassVar[tuple[str, ...]] = (
        "DAPO and verl filter_groups",
        "ms-swift dynamic_sample",
        "Prime-RL zero advantages",
    )
    name: str = "mixed"

    def keeps(self, size: int, total: Array, squares: Array, unit: Fraction) -> NDArray[np.bool_]:
        return np.asarray(size * squares != total * total, dtype=bool)


@dataclass(frozen=True, kw_only=True)
class MeanIn(KeepRule):
    """Groups whose mean composite is strictly between low and high."""

    uses: ClassVar[tuple[str, ...]] = ("OpenRLHF dynamic_filtering_reward_range", "EasyR1 online filtering (.01, .99)")
    name: str = "mean_in"
    low: Fraction = Fraction(0)
    high: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise InputError(f"keep: {self.name} needs low < high, got {self.low} and {self.high}")

    def keeps(self, size: int, total: Array, squares: Array, unit: Fraction) -> NDArray[np.bool_]:
        low, high = self.low * size / unit, self.high * size / unit
        return np.asarray([low < int(sum_of) < high for sum_of in total], dtype=bool)


@dataclass(frozen=True, kw_only=True)
class StdAbove(KeepRule):
    """Groups whose deviation, with ddof 1, is above least."""

    uses: ClassVar[tuple[str, ...]] = ("slime check_reward_nonzero_std (1e-6)",)
    name: str = "std_above"
    least: Fraction = Fraction(1, 10**6)

    def __post_init__(self) -> None:
        if self.least < 0:
            raise InputError(f"keep: {self.name} needs least >= 0, got {self.least}")

    def keeps(self, size: int, total: Array, squares: Array, unit: Fraction) -> NDArray[np.bool_]:
        least = self.least**2 * size * (size - 1) / unit**2
        sums = zip(total, squares, strict=True)
        return np.asarray([size * int(of_squares) - int(of) ** 2 > least for of, of_squares in sums], dtype=bool)


RULES: dict[str, KeepRule] = {rule.name: rule for rule in (All(), Mixed(), MeanIn(), StdAbove())}


def kept_of(rule: KeepRule, values: Array, unit: Fraction, counts: Array) -> NDArray[np.bool_]:
    """Whether groups with ``counts`` (S, J) of kinds are kept, by the kinds' composites ``values`` (J,), integers in
    units.
    """
    exact = values.astype(object)
    return rule.keeps(int(counts[0].sum()), counts @ exact, counts @ exact**2, unit)
