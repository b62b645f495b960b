"""Sums of square roots of rationals, exactly: where group deviations live.

A ``Surd`` is sum_n a_n sqrt(n) over distinct square-free integers n >= 1, a_n rational. Square roots of distinct square-free integers
are linearly independent over the rationals, so a surd is zero only if every a_n is: equality is decided, never guessed. Sums and
products stay surds; what does not (a root of a sum, a quotient by three or more terms) becomes a FLINT ball at the working precision.
"""

from collections.abc import Mapping
from functools import lru_cache
from math import gcd
from typing import Any

from flint import arb, ctx, fmpq, fmpz

_LARGEST = fmpz(10) ** 30  # integers beyond this are not factored
_ZERO = fmpq(0)


class Surd:
    """sum_n terms[n] sqrt(n), with at least one n > 1; sums and products that are rational come out as fmpq."""

    __slots__ = ("terms",)

    def __init__(self, terms: Mapping[int, Any]) -> None:
        self.terms = terms

    def ball(self) -> arb:
        """An enclosure at the working precision."""
        return sum((arb(a) * arb(n).sqrt() for n, a in self.terms.items()), arb(0))

    def __add__(self, other: Any) -> Any:
        if isinstance(other, arb):
            return self.ball() + other
        terms = dict(self.terms)
        for n, a in _terms(other).items():
            terms[n] = terms.get(n, _ZERO) + a
        return _normal(terms)

    __radd__ = __add__

    def __neg__(self) -> "Surd":
        return Surd({n: -a for n, a in self.terms.items()})

    def __sub__(self, other: Any) -> Any:
        return self + (-other)

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, arb):
            return self.ball() * other
        terms: dict[int, Any] = {}
        for n, a in self.terms.items():
            for m, b in _terms(other).items():
                common = gcd(n, m)
                key = n * m // common**2
                terms[key] = terms.get(key, _ZERO) + a * b * common
        return _normal(terms)

    __rmul__ = __mul__

    def inverse(self) -> Any:
        """1 / self: exact for one or two terms, else a ball."""
        if len(self.terms) > 2:
            return 1 / self.ball()
        if len(self.terms) == 1:
            ((n, a),) = self.terms.items()
            return Surd({n: 1 / (a * n)})
        (n, a), (m, b) = self.terms.items()
        return Surd({n: a, m: -b}) * (1 / (a * a * n - b * b * m))

    def __truediv__(self, other: Any) -> Any:
        return self * (other.inverse() if isinstance(other, Surd) else 1 / (other if isinstance(other, arb) else fmpq(other)))

    def __rtruediv__(self, other: Any) -> Any:
        return other * self.inverse()

    def __pow__(self, power: int) -> Any:
        result, factor = fmpq(1), self if power >= 0 else self.inverse()
        for _ in range(abs(power)):
            result = result * factor
        return result

    def __abs__(self) -> "Surd":
        return self if self > 0 else -self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Surd) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(tuple(sorted((n, str(a)) for n, a in self.terms.items())))

    def __gt__(self, other: Any) -> bool:
        return _sign(self - other) > 0

    def __lt__(self, other: Any) -> bool:
        return _sign(self - other) < 0

    def __ge__(self, other: Any) -> bool:
        return _sign(self - other) >= 0

    def __le__(self, other: Any) -> bool:
        return _sign(self - other) <= 0

    def __str__(self) -> str:
        return " + ".join(str(a) if n == 1 else f"{a}*sqrt({n})" for n, a in sorted(self.terms.items()))

    __repr__ = __str__


def square_root(value: fmpq) -> Any:
    """sqrt of a rational >= 0: fmpq or Surd; a ball if its numerator and denominator are too large to factor."""
    if value < 0:
        raise ValueError(f"the square root of {value} is not real")
    if value == 0:
        return _ZERO
    inside = value.p * value.q
    if inside > _LARGEST:
        if value.p.is_square() and value.q.is_square():
            return fmpq(value.p.isqrt(), value.q.isqrt())
        return arb(value).sqrt()
    outer, rest = _squarefree(int(inside))
    return _normal({rest: fmpq(outer) / value.q})


@lru_cache(maxsize=65536)
def _squarefree(n: int) -> tuple[int, int]:
    """n = outer^2 rest with rest square-free."""
    outer, rest = 1, 1
    for prime, power in fmpz(n).factor():
        outer *= int(prime) ** (power // 2)
        rest *= int(prime) ** (power % 2)
    return outer, rest


def _terms(value: Any) -> Mapping[int, Any]:
    return value.terms if isinstance(value, Surd) else {1: fmpq(value)}


def _normal(terms: Mapping[int, Any]) -> Any:
    kept = {n: a for n, a in terms.items() if a != 0}
    if not kept:
        return _ZERO
    return kept[1] if kept.keys() == {1} else Surd(kept)


def _sign(value: Any) -> int:
    """Sign of a number; of a surd always decided, of a ball around zero 0 (comparisons of balls are false then)."""
    if not isinstance(value, Surd):
        return int(bool(value > 0)) - int(bool(value < 0))
    bits = max(int(ctx.prec), 64)
    while True:
        with ctx.workprec(bits):
            found = value.ball()
            if found > 0 or found < 0:
                return 1 if found > 0 else -1
        bits *= 2
