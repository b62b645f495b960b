"""Square roots of positive surds, kept as what is under the root: so that two of them are compared by their squares,
exactly.

A norm is such a root, and so is the right side of a Cauchy-Schwarz bound: whether the two are equal is then decided,
where two balls would overlap for ever. Products with rationals, surds and roots that are not negative stay exact; what
does not (a sum) becomes a ball at the working precision.
"""

from typing import Any

from flint import arb, fmpq

from tamdp_theory.exact.surds import Surd, square_root

_ZERO = fmpq(0)


class Radical:
    """sqrt(square), square a positive surd."""

    __slots__ = ("square",)

    def __init__(self, square: Surd) -> None:
        if not square > 0:
            raise ValueError("the square root of a negative number is not real")
        self.square = square

    def ball(self) -> arb:
        """An enclosure at the working precision."""
        return self.square.ball().sqrt()

    def __mul__(self, other: Any) -> Any:
        square = squared(other)
        if square is None or _sign(other) < 0:
            return self.ball() * _ball(other)
        return root_of(self.square * square)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        square = squared(other)
        if square is None or _sign(other) < 0:
            return self.ball() / _ball(other)
        return root_of(self.square / square)

    def __rtruediv__(self, other: Any) -> Any:
        square = squared(other)
        if square is None or _sign(other) < 0:
            return _ball(other) / self.ball()
        return root_of(square / self.square)

    def __pow__(self, power: int) -> Any:
        result = self.square ** (power // 2)
        return result * self if power % 2 else result

    def __add__(self, other: Any) -> Any:
        return self if _is_zero(other) else self.ball() + _ball(other)

    __radd__ = __add__

    def __neg__(self) -> arb:
        return -self.ball()

    def __sub__(self, other: Any) -> Any:
        if _is_zero(other):
            return self
        return _ZERO if self == other else self.ball() - _ball(other)

    def __rsub__(self, other: Any) -> Any:
        return _ZERO if self == other else _ball(other) - self.ball()

    def __abs__(self) -> "Radical":
        return self

    def __eq__(self, other: object) -> bool:
        square = squared(other)
        return square is not None and _sign(other) >= 0 and _is_zero(self.square - square)

    def __hash__(self) -> int:
        return hash(("root", self.square))

    def __gt__(self, other: Any) -> bool:
        return bool(self._compare(other) > 0)

    def __lt__(self, other: Any) -> bool:
        return bool(self._compare(other) < 0)

    def __ge__(self, other: Any) -> bool:
        return bool(self._compare(other) >= 0)

    def __le__(self, other: Any) -> bool:
        return bool(self._compare(other) <= 0)

    def _compare(self, other: Any) -> Any:
        """Something with the sign of self - other; of a ball whatever is certain."""
        square = squared(other)
        if square is None:
            return self.ball() - other
        return 1 if _sign(other) < 0 else self.square - square

    def __str__(self) -> str:
        return f"sqrt({self.square})"

    __repr__ = __str__


def root_of(square: Any) -> Any:
    """sqrt of a rational or a surd that is not negative."""
    return (
        Radical(square)
        if isinstance(square, Surd)
        else square_root(square)
        if isinstance(square, fmpq)
        else square.sqrt()
    )


def squared(value: Any) -> Any:
    """The square of an exact number; None of a ball."""
    if isinstance(value, Radical):
        return value.square
    if isinstance(value, arb):
        return None
    exact = value if isinstance(value, Surd) else fmpq(value)
    product = exact * exact
    return None if isinstance(product, arb) else product


def _sign(value: Any) -> int:
    return 1 if isinstance(value, Radical) else int(value > 0) - int(value < 0)


def _is_zero(value: Any) -> bool:
    return not isinstance(value, (arb, Surd, Radical)) and bool(fmpq(value) == 0)


def _ball(value: Any) -> Any:
    return value.ball() if isinstance(value, (Surd, Radical)) else value
