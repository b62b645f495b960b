"""What a group-relative estimator is, and how it is found by its name.

Every route to advantages (sums over the law of groups in floats, listed groups, rationals and square roots, drawn
groups, tensors) shows an estimator a member's ``Place`` in a group, in numbers of its own kind, and the estimator says
what the member's advantage is. So the formula is written once, in a file of this folder, and all routes follow.

A module of this folder that has ``ESTIMATORS`` (a tuple), or ``named`` (from a name to an estimator or None) with
``PATTERNS`` (what such names look like), is found by itself; nothing lists it elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, Literal, Protocol, TypeAlias

from tamdp_theory.errors import InputError

Mixture: TypeAlias = tuple[Fraction, tuple[Fraction, ...]]
Column: TypeAlias = tuple[Fraction, tuple[Fraction, ...]]
Statistics: TypeAlias = Literal["total", "squares"]


class Place(Protocol):
    """One member of a group, seen through one column, in the numbers of some route (arrays of members count as one).

    Those numbers may be floats, arrays, tensors, rationals, square roots or balls.
    """

    @property
    def size(self) -> int:
        """G."""

    @property
    def distance(self) -> Any:
        """Value less the group mean, in reward units."""

    @property
    def deviation(self) -> Any:
        """The same in the route's own unit."""

    @property
    def spread(self) -> Any:
        """Standard deviation of the group with the scheme's ddof, in the route's own unit."""

    @property
    def eps(self) -> Any:
        """The scheme's eps, in the route's own unit."""

    def ratio(self, numerator: Any, denominator: Any) -> Any:
        """numerator / denominator where the group varies in this column, 0 where it is silent, decided exactly."""

    def times(self, value: Any, factor: Fraction) -> Any:
        """A number of the route times a rational."""

    def look_up(self, table: Sequence[Fraction]) -> Any:
        """The entry (2 G - 1,) of a table at G - 1 + G distance, which is an integer in a column of zeros and ones."""


@dataclass(frozen=True, kw_only=True)
class Estimator:
    """How a group of rewards becomes advantages: A_i = sum over columns of coefficient times ``gain`` in the column.

    name: what files and commands call it. statistics: what of each column the law of a group must carry for ``gain``:
    the sum of the values ("total"), or of their squares too ("squares"). linear: at equal spreads gain is linear in the
    deviation, so that columns may be added before they are scaled. scales: eps and ddof play a part. binary: a column
    must take at most two values, and is read as 0 for the smaller one, 1 for the larger.
    """

    name: str
    statistics: Statistics = "squares"
    linear: bool = False
    scales: bool = False
    binary: bool = False

    def mixtures(self, weights: Sequence[Any]) -> tuple[tuple[Any, tuple[Any, ...]], ...]:
        """(coefficient, how much of each component (K,)) of each column. The composite alone, unless said otherwise."""
        return ((Fraction(1), tuple(weights)),)

    def gain(self, place: Place) -> Any:
        """The advantage of a member as seen through one column, before the coefficient."""
        raise NotImplementedError

    def multiple(self, size: int) -> Fraction | None:
        """What the distance from the group mean is multiplied by in groups of ``size``, if gain is nothing else."""
        return None

    def ceiling(self, size: int, ddof: int, span: Any) -> Any:
        """What the root mean square of gain over the members of a group cannot exceed, if values span ``span``."""
        raise NotImplementedError

    def check_size(self, size: int) -> None:
        """InputError unless groups of ``size`` make sense."""

    def total(self, weights: Sequence[Fraction]) -> Fraction:
        """Sum of the coefficients."""
        return sum((coefficient for coefficient, _ in self.mixtures(weights)), Fraction(0))

    def columns(self, rewards: Sequence[Sequence[Fraction]], weights: Sequence[Fraction]) -> tuple[Column, ...]:
        """(coefficient, value of each class (M,)) of each column, from exact rewards (M, K) and weights (K,).

        InputError where a binary column takes three values.
        """
        found = []
        for coefficient, parts in self.mixtures(weights):
            chosen = [(k, part) for k, part in enumerate(parts) if part]
            values = tuple(sum((part * row[k] for k, part in chosen), Fraction(0)) for row in rewards)
            found.append((coefficient, self.indicator(values) if self.binary else values))
        return tuple(found)

    def indicator(self, values: Sequence[Fraction]) -> tuple[Fraction, ...]:
        """1 where a value is the larger of two, else 0. InputError where there are more."""
        levels = sorted(set(values))
        if len(levels) > 2:
            raise InputError(
                f"{self.name}: needs a composite reward of at most two values on each prompt, here are {len(levels)}; "
                "choose rewards and weights that make it a success or a failure"
            )
        return tuple(Fraction(int(len(levels) == 2 and value == levels[1])) for value in values)

    def __str__(self) -> str:
        return self.name


@cache
def _modules() -> tuple[ModuleType, ...]:
    package = __name__.rpartition(".")[0]
    folder = import_module(package).__path__
    return tuple(
        import_module(f"{package}.{one}")
        for one in sorted(found.name for found in iter_modules(folder))
        if f"{package}.{one}" != __name__
    )


@cache
def _listed() -> dict[str, Estimator]:
    return {one.name: one for module in _modules() for one in getattr(module, "ESTIMATORS", ())}


def names() -> tuple[str, ...]:
    """Names that ``resolve`` knows; names with a number in them by their pattern."""
    return (*_listed(), *(name for module in _modules() for name in getattr(module, "PATTERNS", ())))


def resolve(normalization: "str | Estimator") -> Estimator:
    """The estimator of a name, or the one that is given. InputError for anything else, naming those that are known."""
    if isinstance(normalization, Estimator):
        return normalization
    found: Estimator | None = _listed().get(normalization) if isinstance(normalization, str) else None
    if found is None and isinstance(normalization, str):
        made = (module.named(normalization) for module in _modules() if hasattr(module, "named"))
        found = next((one for one in made if one is not None), None)
    if found is None:
        raise InputError(f"normalization: must be one of {', '.join(names())}; got {normalization!r}")
    return found
