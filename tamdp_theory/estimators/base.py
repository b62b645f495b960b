"""What a group-relative estimator is, and how it is found by its name.

Every route to advantages (sums over the law of groups in floats, listed groups, rationals and square roots, drawn
groups, tensors) shows an estimator a member's ``Place`` in a group, in numbers of its own kind, and the estimator says
what the member's advantage is. So the formula is written once, in a file of this folder, and all routes follow.

Most advantages are functions of the sums of a group's values and of their squares (``gain`` of a ``Place``); those that
are not, such as ranks, are functions of how many members have each value (``gains`` of a ``Multiset``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

from tamdp_theory.errors import InputError

Mixture: TypeAlias = tuple[Fraction, tuple[Fraction, ...]]
Column: TypeAlias = tuple[Fraction, tuple[Fraction, ...]]
Statistics: TypeAlias = Literal["total", "squares", "counts"]


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

    def positive_part(self, value: Any) -> Any:
        """max(value, 0) of a number of the route."""

    def look_up(self, table: Sequence[Fraction]) -> Any:
        """The entry (2 G - 1,) of a table at G - 1 + G distance, which is an integer in a column of zeros and ones."""


class Multiset(Protocol):
    """Groups as multisets: how many members each of J kinds has. Kinds may have equal values; arrays may lead with any
    shape (one entry a group) and end in (J,), or in (J, J) for pairs, own kind first.

    Values, their differences and counts are integers, so that comparisons are exact, and sums of few products of them
    too; advantages are made of quotients of such integers, in the numbers of the route.
    """

    @property
    def size(self) -> int:
        """G."""

    @property
    def ddof(self) -> int:
        """Of the scheme."""

    @property
    def eps(self) -> Any:
        """The scheme's eps, in units of the integers, a number of the route."""

    @property
    def unit(self) -> Fraction:
        """Reward of the integer 1."""

    @property
    def counts(self) -> Any:
        """Members of each kind (..., J), >= 0, adding up to G."""

    @property
    def value(self) -> Any:
        """Reward of each kind (..., J), in units."""

    @property
    def difference(self) -> Any:
        """Reward of the row's kind less the column's (..., J, J), in units."""

    @property
    def length(self) -> Any:
        """Tokens of each kind (..., J), >= 1."""

    def total(self, kinds: Any) -> Any:
        """Sum over members (...,) of what each kind has (..., J), integers."""

    def each(self, pairs: Any) -> Any:
        """Sum over members (..., J), for each own kind, of what pairs have (..., J, J), integers."""

    def quotient(self, numerator: Any, denominator: Any) -> Any:
        """numerator / denominator of integers, as numbers of the route; 0 where the denominator is 0."""

    def divide(self, numerator: Any, denominator: Any) -> Any:
        """The same of numbers of the route."""

    def reward(self, integers: Any) -> Any:
        """Integers in units as rewards, numbers of the route."""

    def root(self, value: Any) -> Any:
        """Square root of numbers of the route that are not negative."""

    def exp(self, integers: Any, factor: Fraction) -> Any:
        """exp(factor times the reward) of integers in units."""

    def positive_part(self, value: Any) -> Any:
        """max(value, 0) of numbers of the route."""

    def times(self, value: Any, factor: Fraction) -> Any:
        """Numbers of the route times a rational."""

    def numbers(self, values: Any) -> Any:
        """Rationals, and floats that are not exact, as numbers of the route."""

    def look_up(self, table: Sequence[Fraction], place: Any) -> Any:
        """Entries of a table, as numbers of the route, at integers >= 0."""


@dataclass(frozen=True, kw_only=True)
class Estimator:
    """How a group of rewards becomes advantages: A_i = sum over columns of coefficient times ``gain`` in the column.

    name: what files and commands call it. statistics: what of each column the law of a group must carry: for ``gain``
    the sum of the values ("total"), or of their squares too ("squares"); for ``gains`` of the only column, how many
    members have each value ("counts"). linear: at equal spreads gain is linear in the deviation, so that columns may be
    added before they are scaled. scales: eps and ddof play a part. binary: a column must take at most two values, and
    is read as 0 for the smaller one, 1 for the larger. standard: gain is deviation / (spread + eps), and nothing else.
    lengths: how many tokens members have plays a part. Of the kind, not the object: ``climbs``, what the expected
    update is the gradient of, whatever the rewards, in LaTeX and in words, empty if nothing; ``uses``, who uses it and
    under which name.
    """

    climbs: ClassVar[tuple[str, str]] = ("", "")
    uses: ClassVar[tuple[str, ...]] = ()
    name: str
    statistics: Statistics = "squares"
    linear: bool = False
    scales: bool = False
    binary: bool = False
    standard: bool = False
    lengths: bool = False

    def mixtures(self, weights: Sequence[Any]) -> tuple[tuple[Any, tuple[Any, ...]], ...]:
        """(coefficient, how much of each component (K,)) of each column. The composite alone, unless said otherwise."""
        return ((Fraction(1), tuple(weights)),)

    def gain(self, place: Place) -> Any:
        """The advantage of a member as seen through one column, before the coefficient."""
        raise NotImplementedError

    def gains(self, group: Multiset) -> Any:
        """The advantages (..., J) of a member of each kind; of kinds without members, any number."""
        raise NotImplementedError

    def multiple(self, size: int) -> Fraction | None:
        """What the distance from the group mean is multiplied by in groups of ``size``, if gain is nothing else."""
        return None

    def ceiling(self, size: int, ddof: int, span: Any) -> Any:
        """What the root mean square of gain over the members of a group cannot exceed, if values span ``span``;
        infinite where nothing is known.
        """
        return inf

    @property
    def tilts(self) -> bool:
        """Whether a member's advantage is its own reward times a factor >= 0 of the others, plus a term of the others:
        then the expected step on a prompt is a multiple >= 0 of the gradient of E c there.
        """
        return False

    @property
    def smallest(self) -> int:
        """The smallest groups that make sense."""
        return 2

    def check_size(self, size: int) -> None:
        """InputError unless groups of ``size`` make sense."""
        if size < self.smallest:
            raise InputError(f"group_size: {self.name} needs groups of at least {self.smallest}, got {size}")

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
