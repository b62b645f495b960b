"""Group-relative advantages (theory.md section 2), vectorized over any leading shape."""

from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamdp_theory.errors import InputError
from tamdp_theory.exact.group import Normalization, Scheme
from tamdp_theory.exact.listing import ratio
from tamdp_theory.model import Floats
from tamdp_theory.numbers import exact, on_grid, reals

_NARROW = 2**61  # integers below do not wrap around when subtracted


def advantages(rewards: Any, weights: Any, normalization: Normalization, eps: float = 0.0, ddof: int = 0) -> Floats:
    """Advantages (..., G), float64, of component rewards (..., G, K) under weights (K,).

    Rewards and weights may come in any type that ``numbers.reals`` reads; each number means the shortest decimal of its
    own type. So a group (or component) is silent, and contributes 0, exactly if its composites agree as rationals: 0.1
    + 0.2 and 0.3 do, in float32 too. ddof 1 and eps 1e-4 are TRL's, 1e-6 verl's. Raises InputError for shapes that do
    not fit and what is no finite number.
    """
    r, w = reals(rewards, "rewards"), reals(weights, "weights")
    if r.ndim < 2 or w.shape != r.shape[-1:]:
        raise InputError(f"rewards {r.shape} and weights {w.shape} do not fit: need (..., G, K) and (K,)")
    if not (np.isfinite(r).all() and np.isfinite(w).all()):
        raise InputError("rewards and weights must be finite")
    scheme = Scheme(r.shape[-2], normalization, eps, ddof)
    integers, unit = on_grid(r)
    if normalization == "normalize_then_sum":
        parts = (float(w[k]) * _standardized(integers[..., k], unit, scheme) for k in range(len(w)))
        return sum(parts, np.zeros(r.shape[:-1]))
    composite, unit = _composite(integers, unit, [exact(float(v), "weights") for v in w])
    return _standardized(composite, unit, scheme)


def _composite(integers: NDArray[Any], unit: Fraction, weights: list[Fraction]) -> tuple[NDArray[Any], Fraction]:
    """sum_k w_k r_k in integers (..., G), and their unit."""
    share = lcm(*(w.denominator for w in weights))
    factors = [int(w * share) for w in weights]
    largest = max((abs(int(v)) for v in (integers.max(initial=0), integers.min(initial=0))), default=0)
    if largest * sum(map(abs, factors)) >= _NARROW:
        integers = integers.astype(object)
    result: NDArray[Any] = np.zeros(integers.shape[:-1], dtype=integers.dtype)
    for k, factor in enumerate(factors):
        result = result + integers[..., k] * factor
    return result, unit / share


def _standardized(integers: NDArray[Any], unit: Fraction, scheme: Scheme) -> Floats:
    """Advantages (..., G) of values = integers (..., G) times unit."""
    if (
        integers.dtype != object
        and max(abs(int(integers.max(initial=0))), abs(int(integers.min(initial=0)))) >= _NARROW
    ):
        integers = integers.astype(object)
    # distances from the first member in units of the largest: exact up to one rounding each, 0 and +-1 among them
    distance = integers - integers[..., :1]
    largest = np.abs(distance).max(axis=-1, keepdims=True)
    active = (largest != 0).astype(bool)
    span = np.where(active, largest, 1)
    scaled = _ratios(distance, np.broadcast_to(span, distance.shape)) if distance.dtype == object else distance / span
    centred = scaled - scaled.sum(axis=-1, keepdims=True) / scheme.group_size
    if scheme.normalization == "center":
        quarter = _ratios(span * unit.numerator, np.full(span.shape, 4 * unit.denominator, dtype=object))
        result: Floats = 4 * (centred * quarter)  # the span itself may be beyond floats
        return result
    deviation = np.sqrt((centred**2).sum(axis=-1, keepdims=True) / (scheme.group_size - scheme.ddof))
    if scheme.eps:
        eps = exact(float(scheme.eps), "eps") / unit
        deviation = deviation + _ratios(
            np.full(span.shape, eps.numerator, dtype=object), span.astype(object) * eps.denominator
        )
    result = np.where(active, centred, 0.0) / np.where(active, deviation, 1.0)
    return result


def _ratios(numerators: NDArray[Any], denominators: NDArray[Any]) -> Floats:
    """Quotients of integers, each rounded once."""
    pairs = zip(numerators.ravel().tolist(), denominators.ravel().tolist(), strict=True)
    return np.array([ratio(n, d) for n, d in pairs], dtype=np.float64).reshape(numerators.shape)
