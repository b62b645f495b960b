"""Group-relative advantages (theory.md section 2), vectorized over any leading shape."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamdp_theory.errors import InputError
from tamdp_theory.estimators.scheme import Normalization, Scheme
from tamdp_theory.exact.group import entries
from tamdp_theory.exact.multisets import Kinds, members_gains
from tamdp_theory.model import Floats, Ints
from tamdp_theory.numbers import fraction, on_grid, ratio, reals

_NARROW = 2**61  # integers below do not wrap around when subtracted


def advantages(
    rewards: Any, weights: Any, normalization: Normalization, eps: float = 0.0, ddof: int = 0, lengths: Any = None
) -> Floats:
    """Advantages (..., G), float64, of component rewards (..., G, K) under weights (K,).

    Rewards and weights may come in any type that ``numbers.reals`` reads; each number means the shortest decimal of its
    own type. So a group (or component) is silent, and contributes 0, exactly if its composites agree as rationals: 0.1
    + 0.2 and 0.3 do, in float32 too. ddof 1 and eps 1e-4 are TRL's, 1e-6 verl's. Raises InputError for shapes that do
    not fit and what is no finite number.

    Args:
        rewards: (..., G, K).
        weights: (K,).
        normalization: an estimator or its name.
        eps, ddof: of deviations, where the estimator scales.
        lengths: tokens (..., G), for estimators that look at them.
    """
    r, w = reals(rewards, "rewards"), reals(weights, "weights")
    if r.ndim < 2 or w.shape != r.shape[-1:]:
        raise InputError(f"rewards {r.shape} and weights {w.shape} do not fit: need (..., G, K) and (K,)")
    if not (np.isfinite(r).all() and np.isfinite(w).all()):
        raise InputError("rewards and weights must be finite")
    scheme = Scheme(r.shape[-2], normalization, eps, ddof)
    integers, unit = on_grid(r)
    total: Floats = np.zeros(r.shape[:-1])
    for coefficient, parts in scheme.estimator.mixtures([fraction(float(v), "weights") for v in w]):
        values, own = mixed(integers, unit, parts)
        if scheme.estimator.binary:
            values, own = _indicator(values, scheme), Fraction(1)
        if scheme.estimator.statistics == "counts":
            tokens = _tokens(lengths, values.shape, scheme)
            return members_gains(Kinds.from_integers(values, tokens, own, scheme.group_size), scheme)
        total = total + float(coefficient) * scheme.estimator.gain(_Place(values, own, scheme))
    return total


def _tokens(lengths: Any, shape: tuple[int, ...], scheme: Scheme) -> Ints:
    """Lengths (..., G) as integers; 1 where they play no part. InputError for what is none."""
    if not scheme.estimator.lengths:
        return np.ones(shape, dtype=np.int64)
    if lengths is None:
        raise InputError(f"{scheme.estimator}: needs lengths {shape}, the tokens of each member")
    found = np.asarray(lengths)
    if found.shape != shape or not np.issubdtype(found.dtype, np.integer) or (found < 1).any():
        raise InputError(f"lengths: must be integers from 1 up {shape}, got {found.dtype} {found.shape}")
    return found.astype(np.int64)


def mixed(integers: NDArray[Any], unit: Fraction, weights: Sequence[Fraction]) -> tuple[NDArray[Any], Fraction]:
    """sum_k w_k r_k in integers (..., G), and their unit."""
    share = lcm(*(w.denominator for w in weights))
    factors = [int(w * share) for w in weights]
    largest = max((abs(int(v)) for v in (integers.max(initial=0), integers.min(initial=0))), default=0)
    if largest * sum(map(abs, factors)) >= _NARROW:
        integers = integers.astype(object)
    result: NDArray[Any] = np.zeros(integers.shape[:-1], dtype=integers.dtype)
    for k, factor in enumerate(factors):
        if factor:
            result = result + integers[..., k] * factor
    return result, unit / share


def _indicator(values: NDArray[Any], scheme: Scheme) -> NDArray[Any]:
    """1 where a value is the larger of two in its group (..., G), else 0. InputError where a group has more."""
    low, high = values.min(axis=-1, keepdims=True), values.max(axis=-1, keepdims=True)
    odd = ((values != low) & (values != high)).any(axis=-1)
    if odd.any():
        group = values[odd][0]
        scheme.estimator.indicator([Fraction(int(v)) for v in group.tolist()])
    result: NDArray[Any] = ((values == high) & (high != low)).astype(np.int64)
    return result


@dataclass(frozen=True, eq=False)
class _Place:
    """All members of groups (..., G) whose values are integers times ``unit``.

    Distances from a group's first member come in units of its largest one, the span: exact up to one rounding each, 0
    and +-1 among them.
    """

    integers: NDArray[Any]
    unit: Fraction
    scheme: Scheme

    @property
    def size(self) -> int:
        return self.scheme.group_size

    @cached_property
    def _differences(self) -> NDArray[Any]:
        integers = self.integers
        wide = max(abs(int(integers.max(initial=0))), abs(int(integers.min(initial=0)))) >= _NARROW
        if integers.dtype != object and wide:
            integers = integers.astype(object)
        result: NDArray[Any] = integers - integers[..., :1]
        return result

    @cached_property
    def _largest(self) -> NDArray[Any]:
        result: NDArray[Any] = np.abs(self._differences).max(axis=-1, keepdims=True)
        return result

    @cached_property
    def _active(self) -> NDArray[np.bool_]:
        result: NDArray[np.bool_] = (self._largest != 0).astype(bool)
        return result

    @cached_property
    def _span(self) -> NDArray[Any]:
        return np.where(self._active, self._largest, 1)

    @cached_property
    def deviation(self) -> Floats:
        distance, span = self._differences, self._span
        if distance.dtype == object:
            scaled = _ratios(distance, np.broadcast_to(span, distance.shape))
        else:
            scaled = distance / span
        result: Floats = scaled - scaled.sum(axis=-1, keepdims=True) / self.size
        return result

    @property
    def distance(self) -> Floats:
        span = self._span
        quarter = _ratios(span * self.unit.numerator, np.full(span.shape, 4 * self.unit.denominator, dtype=object))
        result: Floats = 4 * (self.deviation * quarter)  # the span itself may be beyond floats
        return result

    @property
    def spread(self) -> Floats:
        squares = (self.deviation**2).sum(axis=-1, keepdims=True)
        result: Floats = np.sqrt(squares / (self.size - self.scheme.ddof))
        return result

    @property
    def eps(self) -> Floats | float:
        if not self.scheme.eps:
            return 0.0
        eps, span = fraction(float(self.scheme.eps), "eps") / self.unit, self._span
        return _ratios(np.full(span.shape, eps.numerator, dtype=object), span.astype(object) * eps.denominator)

    def ratio(self, numerator: Floats, denominator: Floats) -> Floats:
        result: Floats = np.where(self._active, numerator, 0.0) / np.where(self._active, denominator, 1.0)
        return result

    def times(self, value: Floats, factor: Fraction) -> Floats:
        return value * float(factor)

    def positive_part(self, value: Floats) -> Floats:
        return np.maximum(value, 0.0)

    def look_up(self, table: Sequence[Fraction]) -> Floats:
        return entries(table, self.distance, self.size)


def _ratios(numerators: NDArray[Any], denominators: NDArray[Any]) -> Floats:
    """Quotients of integers, each rounded once."""
    pairs = zip(numerators.ravel().tolist(), denominators.ravel().tolist(), strict=True)
    return np.array([ratio(n, d) for n, d in pairs], dtype=np.float64).reshape(numerators.shape)
