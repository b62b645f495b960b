"""Group-relative advantages (theory.md section 2), vectorized over any leading shape."""

import numpy as np
from numpy.typing import ArrayLike

from tamdp_theory.errors import InputError
from tamdp_theory.exact.group import Normalization, Scheme
from tamdp_theory.model import Floats

_TIE = 8 * np.finfo(np.float64).eps  # spreads below this share of the magnitude are rounding, not reward


def advantages(
    rewards: ArrayLike, weights: ArrayLike, normalization: Normalization, eps: float = 0.0, ddof: int = 0
) -> Floats:
    """Advantages (..., G) of component rewards (..., G, K) under weights (K,).

    A group (or component) whose values agree up to rounding contributes 0. ddof 1 and eps 1e-4 are TRL's, 1e-6 verl's.
    """
    r, w = np.asarray(rewards, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if r.ndim < 2 or w.shape != r.shape[-1:]:
        raise InputError(f"rewards {r.shape} and weights {w.shape} do not fit: need (..., G, K) and (K,)")
    if not (np.isfinite(r).all() and np.isfinite(w).all()):
        raise InputError("rewards and weights must be finite")
    scheme = Scheme(r.shape[-2], normalization, eps, ddof)
    result: Floats
    if normalization == "normalize_then_sum":
        result = (standardize(r, scheme, axis=-2) * w).sum(-1)
        return result
    composite = (r * w).sum(-1)
    if normalization == "center":
        result = composite - composite.mean(-1, keepdims=True)
        return result
    return standardize(composite, scheme, axis=-1)


def standardize(values: Floats, scheme: Scheme, axis: int) -> Floats:
    """(v - mean) / (deviation + eps) along ``axis``, 0 where all agree."""
    size = values.shape[axis]
    centred = values - values.sum(axis, keepdims=True) / size
    scale = np.sqrt((centred**2).sum(axis, keepdims=True) / (size - scheme.ddof)) + scheme.eps
    high, low = values.max(axis, keepdims=True), values.min(axis, keepdims=True)
    active = high - low > _TIE * np.maximum(np.abs(high), np.abs(low))
    result: Floats = centred * np.divide(1.0, scale, out=np.zeros_like(scale), where=active)
    return result
