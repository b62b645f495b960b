"""Advantages of one batch of groups, for estimators that look at the whole batch."""

from typing import Any

import numpy as np

from tamdp_theory.errors import InputError
from tamdp_theory.estimators.batch.base import Sums
from tamdp_theory.estimators.batch.scheme import BatchScheme, InBatch
from tamdp_theory.exact.batch_types import mixed_gains
from tamdp_theory.exact.multisets import Kinds
from tamdp_theory.grpo.advantages import advantages, mixed
from tamdp_theory.model import Floats
from tamdp_theory.numbers import fraction, on_grid, reals


def batch_advantages(
    rewards: Any, weights: Any, estimator: InBatch, eps: float = 0.0, ddof: int = 0, lengths: Any = None
) -> Floats:
    """Advantages (B, G), float64, of component rewards (B, G, K) under weights (K,), B >= 1 and G >= 2.

    Numbers are read as ``advantages`` reads them, so that a batch is silent, and teaches nothing, exactly if its
    composites agree as rationals. Raises InputError for shapes that do not fit and what is no finite number.

    Args:
        rewards: (B, G, K).
        weights: (K,).
        estimator: its name (``estimators.batch_names()``), or an estimator; one of groups is taken within each group.
        eps, ddof: of the deviation over the batch, and of the first stage.
        lengths: tokens (B, G), for estimators that count them.
    """
    r, w = reals(rewards, "rewards"), reals(weights, "weights")
    if r.ndim != 3 or w.shape != r.shape[-1:]:
        raise InputError(f"rewards {r.shape} and weights {w.shape} do not fit: need (B, G, K) and (K,)")
    if not (np.isfinite(r).all() and np.isfinite(w).all()):
        raise InputError("rewards and weights must be finite; a missing reward has no place in a batch")
    scheme = BatchScheme(r.shape[1], r.shape[0], estimator, eps, ddof)
    found = scheme.resolved
    integers, exact_weights = on_grid(r), [fraction(float(v), "weights") for v in w]
    composite, unit = mixed(*integers, exact_weights)
    composite = composite - (composite.min() if found.shifts else 0)
    if scheme.inner is None:
        x: Floats = composite.astype(np.float64) * float(unit)
    elif len(columns := scheme.inner.estimator.mixtures(exact_weights)) > 1:
        ones = np.ones(composite.shape, dtype=np.int64)
        each = (mixed(*integers, parts) for _, parts in columns)
        kinds = [Kinds.from_integers(values, ones, own, r.shape[1]) for values, own in each]
        x = mixed_gains(kinds, ones, [coefficient for coefficient, _ in columns], scheme.inner)
    else:
        x = advantages(rewards, weights, scheme.inner.estimator, scheme.inner.eps, ddof, lengths)
    count = _tokens(lengths, x.shape, scheme)
    if found.measured == "nothing":
        y: Any = np.zeros_like(x)
    elif found.measured == "composite" or scheme.inner is None:
        y = composite.astype(object)
    else:
        y, unit = x, fraction(1, "unit")
    own, batch = (_sums(y, count, axes, float(unit), ddof) for axes in ((1,), (0, 1)))
    result: Floats = found.scale(own, batch, eps) * (x - (batch.mean if found.centred else 0.0))
    return result


def _sums(y: Any, count: Any, axes: tuple[int, ...], unit: float, lost: float) -> Sums:
    """Of the groups, or of the batch; integers times ``unit`` are added up exactly."""
    weight = count.sum(axis=axes, keepdims=True)
    total = (count * y).sum(axis=axes, keepdims=True)
    if y.dtype == object:
        spread = weight * (count * y * y).sum(axis=axes, keepdims=True) - total * total
        spread = spread.astype(np.float64) / weight * unit**2
    else:
        spread = (count * (y - total / weight) ** 2).sum(axis=axes, keepdims=True)
    return Sums(weight.astype(np.float64), total.astype(np.float64) / weight * unit, spread, lost)


def _tokens(lengths: Any, shape: tuple[int, ...], scheme: BatchScheme) -> Any:
    """What each member counts (B, G) in sums over the batch. InputError where that is tokens and none are given."""
    if not scheme.tokens:
        return np.ones(shape, dtype=np.int64)
    found = np.asarray(lengths)
    if lengths is None or found.shape != shape or not np.issubdtype(found.dtype, np.integer) or (found < 1).any():
        raise InputError(f"{scheme.resolved}: needs lengths {shape}, the tokens of each member, integers from 1 up")
    return found.astype(np.int64)
