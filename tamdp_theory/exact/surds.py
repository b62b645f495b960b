"""Sums of square roots of rationals, exactly: where group deviations live.

A ``Surd`` is sum_n a_n sqrt(n) over integers n >= 1 of distinct square classes (no product of two of them is a perfect
square), a_n rational. Square roots of distinct square classes are linearly independent over the rationals (Besicovitch
1940), so a surd is zero only if every a_n is: equality is decided, never guessed. No factoring is needed for that: n
and m are of one class iff n m is a perfect square, and then sqrt(n) = sqrt(n m) / m sqrt(m). Radicands up to 10^20 are
factored all the same and kept square-free, which makes most comparisons of classes a comparison of integers; from
larger ones only small squares are taken out.

Sums and products stay surds; what does not (a root of a sum, a quotient by five or more terms), and what would grow
beyond the limits below, becomes a FLINT ball at the working precision. A ball that contains zero is a number of which
nobody knows whether it is zero.
"""

from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from math import gcd, prod
from typing import Any

from flint import arb, ctx, fmpq, fmpz

FACTORED = 10**20  # radicands up to here are square-free, larger ones need not be
MAX_RADICAND = 10**2000  # roots of larger integers are balls
MAX_UNFACTORED = 200  # terms of a sum whose radicands are compared one by one
MAX_TERMS = 2000  # of a sum
MAX_PRODUCTS = 4096  # of terms in one multiplication
_ZERO = fmpq(0)
_PRIMES = [n for n in range(2, 1000) if all(n % d for d in range(2, int(n**0.5) + 1))]
_PRIMORIAL = prod(_PRIMES)


class Surd:
    """sum_n terms[n] sqrt(n), with at least one n > 1; sums and products that are rational come out as fmpq.

    The n are of distinct square classes, so none but 1 is a perfect square; no coefficient is zero.
    """

    __slots__ = ("terms",)

    def __init__(self, terms: Mapping[int, Any]) -> None:
        self.terms = terms

    def ball(self) -> arb:
        """An enclosure at the working precision, or at more where that is needed to tell it from zero, which a surd
        never is.
        """
        bits = int(ctx.prec)
        while True:
            with ctx.workprec(bits):
                found = sum((arb(a) * arb(n).sqrt() for n, a in self.terms.items()), arb(0))
                if found > 0 or found < 0:
                    return found
            bits *= 2

    def __add__(self, other: Any) -> Any:
        if isinstance(other, arb):
            return self.ball() + other
        if not isinstance(other, _KNOWN):
            return NotImplemented
        terms = dict(self.terms)
        _add_all(terms, _terms(other).items())
        return _normal(terms)

    __radd__ = __add__

    def __neg__(self) -> "Surd":
        return Surd({n: -a for n, a in self.terms.items()})

    def __sub__(self, other: Any) -> Any:
        return self + (-other) if isinstance(other, (*_KNOWN, arb)) else NotImplemented

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, arb):
            return self.ball() * other
        if not isinstance(other, _KNOWN):
            return NotImplemented
        factors = _terms(other)
        if len(self.terms) * len(factors) > MAX_PRODUCTS:
            return self.ball() * (other.ball() if isinstance(other, Surd) else other)
        products = []
        for n, a in self.terms.items():
            for m, b in factors.items():
                common = gcd(n, m)
                outer, key = 1, n * m // common**2
                if (
                    n > FACTORED or m > FACTORED
                ):  # products of square-free integers over their common part are square-free
                    outer, key = _split(key)
                products.append((key, a * b * (common * outer)))
        terms: dict[int, Any] = {}
        _add_all(terms, products)
        return _normal(terms)

    __rmul__ = __mul__

    def inverse(self) -> Any:
        """1 / self: exact for one to four terms, else a ball."""
        if len(self.terms) > 4:
            return 1 / self.ball()
        if len(self.terms) == 1:
            ((n, a),) = self.terms.items()
            return Surd({n: 1 / (a * n)})
        # Signs of terms 2 and 4 flipped: in units of the first root a field automorphism, so the conjugate is not zero
        # either, and the product has fewer terms: (t1 + t3)^2 - (t2 + t4)^2 = a rational + 2 (t1 t3 - t2 t4).
        conjugate = Surd({n: -a if place % 2 else a for place, (n, a) in enumerate(self.terms.items())})
        return conjugate / (self * conjugate)

    def __truediv__(self, other: Any) -> Any:
        if not isinstance(other, (*_KNOWN, arb)):
            return NotImplemented
        return self * (
            other.inverse() if isinstance(other, Surd) else 1 / (other if isinstance(other, arb) else fmpq(other))
        )

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
        if not isinstance(other, Surd):
            return False
        return self.terms == other.terms or _is_zero(self - other)

    def __hash__(self) -> int:
        # a |a| n does not depend on which integer stands for a square class
        return hash(frozenset(str(a * abs(a) * n) for n, a in self.terms.items()))

    def __gt__(self, other: Any) -> bool:
        return NotImplemented if not isinstance(other, (*_KNOWN, arb)) else bool(_gap(self, other) > 0)

    def __lt__(self, other: Any) -> bool:
        return NotImplemented if not isinstance(other, (*_KNOWN, arb)) else bool(_gap(self, other) < 0)

    def __ge__(self, other: Any) -> bool:
        return NotImplemented if not isinstance(other, (*_KNOWN, arb)) else bool(_gap(self, other) >= 0)

    def __le__(self, other: Any) -> bool:
        return NotImplemented if not isinstance(other, (*_KNOWN, arb)) else bool(_gap(self, other) <= 0)

    def __str__(self) -> str:
        return " + ".join(str(a) if n == 1 else f"{a}*sqrt({n})" for n, a in sorted(self.terms.items()))

    __repr__ = __str__


_KNOWN = (Surd, fmpq, fmpz, int)


class Total:
    """A sum under way: numbers are added in place, which a chain of ``+`` does not do."""

    def __init__(self) -> None:
        self._terms: dict[int, Any] = {}
        self._ball: Any = None

    def add(self, value: Any) -> None:
        """Add a rational, a surd or a ball."""
        if not isinstance(value, _KNOWN):
            enclosed = value if isinstance(value, arb) else value.ball()
            self._ball = enclosed if self._ball is None else self._ball + enclosed
            return
        _add_all(self._terms, _terms(value).items())
        if len(self._terms) > MAX_UNFACTORED and isinstance(found := self.value, arb):
            self._terms, self._ball = {}, found

    @property
    def value(self) -> Any:
        """The sum so far."""
        exact = _normal(self._terms)
        return exact if self._ball is None else (exact.ball() if isinstance(exact, Surd) else exact) + self._ball


def square_root(value: fmpq) -> Any:
    """sqrt of a rational >= 0: fmpq or Surd; a ball if numerator times denominator exceeds MAX_RADICAND."""
    if value < 0:
        raise ValueError(f"the square root of {_short(value)} is not real")
    if value == 0:
        return _ZERO
    if value.p.is_square() and value.q.is_square():
        return fmpq(value.p.isqrt(), value.q.isqrt())
    inside = int(value.p * value.q)
    if inside > MAX_RADICAND:
        return arb(value).sqrt()
    outer, rest = _split(inside)
    return _normal({rest: fmpq(outer) / value.q})


@lru_cache(maxsize=65536)
def _split(n: int) -> tuple[int, int]:
    """n = outer^2 rest: rest square-free if it is at most FACTORED, else without square factors below 1000 and no
    square itself.
    """
    outer, rest, left = 1, 1, n
    if n > FACTORED:
        for prime in _small_divisors(n):
            power = 0
            while left % prime == 0:
                left, power = left // prime, power + 1
            outer, rest = outer * prime ** (power // 2), rest * prime ** (power % 2)
    if left > FACTORED:
        big = fmpz(left)
        return (outer * int(big.isqrt()), rest) if big.is_square() else (outer, rest * left)
    for factor, power in fmpz(left).factor():
        outer, rest = outer * int(factor) ** (power // 2), rest * int(factor) ** (power % 2)
    return outer, rest


def _small_divisors(n: int) -> Iterator[int]:
    common = gcd(n, _PRIMORIAL)
    return (prime for prime in _PRIMES if common % prime == 0)


def _add_all(terms: dict[int, Any], items: Collection[tuple[int, Any]]) -> None:
    """Add a sqrt(n) for each of the items, in place."""
    if max(terms, default=0) > FACTORED or any(n > FACTORED for n, _ in items):
        for n, a in items:
            _add(terms, n, a)
        return
    for n, a in items:  # square-free, so that classes are integers
        terms[n] = terms[n] + a if n in terms else a


def _add(terms: dict[int, Any], n: int, a: Any) -> None:
    """Add a sqrt(n) to a sum, in place: to the term of n's square class if there is one."""
    if n in terms:
        terms[n] += a
        return
    for m in terms if n > FACTORED else [m for m in terms if m > FACTORED]:
        product = fmpz(n) * m
        if product.is_square():
            terms[m] += a * product.isqrt() / m
            return
    terms[n] = a


def _terms(value: Any) -> Mapping[int, Any]:
    return value.terms if isinstance(value, Surd) else {1: fmpq(value)}


def _normal(terms: Mapping[int, Any]) -> Any:
    kept = {n: a for n, a in terms.items() if a != 0}
    if not kept:
        return _ZERO
    if kept.keys() == {1}:
        return kept[1]
    found = Surd(kept)
    large = [n for n in kept if n > FACTORED]
    if len(kept) > MAX_TERMS or len(large) > MAX_UNFACTORED or max(large, default=0) > MAX_RADICAND:
        return found.ball()
    return found


def _is_zero(value: Any) -> bool:
    return isinstance(value, fmpq) and bool(value == 0)


def _gap(left: Any, right: Any) -> Any:
    """left - right: of surds a ball that excludes zero, so always decided; comparisons of other balls are true only if
    certain.
    """
    value = left - right
    return value.ball() if isinstance(value, Surd) else value


def _short(value: fmpq) -> str:
    text = str(arb(value))
    return text if len(text) < 60 else text[:57] + "..."
