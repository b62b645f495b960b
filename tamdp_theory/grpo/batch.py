"""Advantages of one batch of groups, for estimators that look at the whole batch."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamdp_theory.errors import InputError
from tamdp_theory.estimators.batch.base import Sums
from tamdp_theory.estimators.batch.scheme import BatchScheme, InBatch
from tamdp_theory.estimators.scheme import Scheme
from tamdp_theory.exact.batch_types import mixed_gains
from tamdp_theory.exact.multisets import Kinds, gains_of
from tamdp_theory.grpo.advantages import advantages, mixed
from tamdp_theory.model import Floats
from tamdp_theory.numbers import fraction, on_grid, reals


def batch_advantages(
    rewards: Any,
    weights: Any,
    estimator: InBatch,
    eps: float = 0.0,
    ddof: int = 0,
    lengths: Any = None,
    missing: bool = False,
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
        missing: whether NaN is a reward that was not given, by TRL's rule: it adds 0 to the composite, a component is
            standardized among those that have it, and a member without any reward has the advantage 0 and no part in
            means and deviations. So has a member that is alone, in the first stage.
    """
    r, w = reals(rewards, "rewards"), reals(weights, "weights")
    if r.ndim != 3 or w.shape != r.shape[-1:]:
        raise InputError(f"rewards {r.shape} and weights {w.shape} do not fit: need (B, G, K) and (K,)")
    present = ~np.isnan(r) if missing else np.ones(r.shape, dtype=bool)
    given = np.where(present, r, 0.0)
    if not (np.isfinite(given).all() and np.isfinite(w).all()):
        raise InputError("rewards and weights must be finite; NaN is a missing reward with missing=True")
    scheme = BatchScheme(r.shape[1], r.shape[0], estimator, eps, ddof)
    exact_weights = [fraction(float(v), "weights") for v in w]
    there: NDArray[np.bool_] = np.asarray(present.any(axis=2))
    composite, unit = mixed(*on_grid(given), exact_weights)
    if scheme.resolved.shifts and there.any():
        composite = composite - composite[there].min()
    if scheme.inner is None:
        x: Floats = composite.astype(np.float64) * float(unit)
    elif present.all():
        x = _first(given, w, scheme.inner, lengths)
    else:
        x = np.stack(
            [_first_of_present(*group, exact_weights, scheme.inner) for group in zip(given, present, strict=True)]
        )
    return np.where(there, _second(x, composite, unit, _weight(lengths, there, scheme), scheme), 0.0)


def _first(rewards: Floats, weights: Floats, scheme: Scheme, lengths: Any) -> Floats:
    """The first stage (B, G); what cancels between components is decided exactly."""
    exact = [fraction(float(v), "weights") for v in weights]
    if len(columns := scheme.estimator.mixtures(exact)) == 1:
        return advantages(rewards, weights, scheme.estimator, scheme.eps, scheme.ddof, lengths)
    ones = np.ones(rewards.shape[:-1], dtype=np.int64)
    each = (mixed(*on_grid(rewards), parts) for _, parts in columns)
    kinds = [Kinds.from_integers(values, ones, own, rewards.shape[1]) for values, own in each]
    return mixed_gains(kinds, ones, [coefficient for coefficient, _ in columns], scheme)


def _first_of_present(
    rewards: Floats, present: NDArray[np.bool_], weights: Sequence[Fraction], scheme: Scheme
) -> Floats:
    """The first stage (G,) of one group (G, K) of which some rewards are there, in exact numbers."""
    from tamdp_theory.exact.ball_multisets import ExactMultiset  # FLINT loads only where it is needed
    from tamdp_theory.exact.ball_numbers import ZERO, nearest, number

    columns = scheme.estimator.mixtures(weights)
    total = np.full(len(rewards), ZERO, dtype=object)
    for coefficient, parts in columns:
        rows = np.flatnonzero(
            present.any(axis=1) if len(columns) == 1 else present[:, np.array(parts) != 0].all(axis=1)
        )
        if len(rows) < 2:
            continue  # alone: its own mean
        values, unit = mixed(*on_grid(rewards[rows]), parts)
        ones = np.ones((1, len(rows)), dtype=np.int64)
        kinds = Kinds.from_integers(values[None], ones, unit, len(rows))
        gains = gains_of(ExactMultiset(kinds, ones, replace(scheme, group_size=len(rows))))
        total[rows] += number(coefficient) * np.broadcast_to(gains, ones.shape)[0]
    return np.array([nearest(value)[0] for value in total])


def _second(x: Floats, composite: Any, unit: Fraction, count: Any, scheme: BatchScheme) -> Floats:
    """The second stage (B, G)."""
    found = scheme.resolved
    if found.measured == "nothing":
        y: Any = np.zeros_like(x)
    elif found.measured == "composite" or scheme.inner is None:
        y = composite.astype(object)
    else:
        y, unit = x, Fraction(1)
    own, batch = (_sums(y, count, axes, float(unit), scheme.ddof) for axes in ((1,), (0, 1)))
    result: Floats = found.scale(own, batch, scheme.eps) * (x - (batch.mean if found.centred else 0.0))
    return result


def _sums(y: Any, count: Any, axes: tuple[int, ...], unit: float, lost: float) -> Sums:
    """Of the groups, or of the batch; integers times ``unit`` are added up exactly. Of nobody, and of one with ddof 1,
    spread 0.
    """
    weight = count.sum(axis=axes, keepdims=True)
    held = np.where(weight > lost, weight, lost + 1)
    total = (count * y).sum(axis=axes, keepdims=True)
    if y.dtype == object:
        spread = weight * (count * y * y).sum(axis=axes, keepdims=True) - total * total
        spread = spread.astype(np.float64) / held * unit**2
    else:
        spread = (count * (y - total / held) ** 2).sum(axis=axes, keepdims=True)
    return Sums(held.astype(np.float64), total.astype(np.float64) / held * unit, spread * (weight > lost), lost)


def _weight(lengths: Any, there: NDArray[np.bool_], scheme: BatchScheme) -> Any:
    """What each member counts (B, G) in sums over the batch. InputError where that is tokens and none are given."""
    if not scheme.tokens:
        return there.astype(np.int64)
    found = np.asarray(lengths)
    wrong = lengths is None or found.shape != there.shape or not np.issubdtype(found.dtype, np.integer)
    if wrong or (found < 1).any():
        raise InputError(
            f"{scheme.resolved}: needs lengths {there.shape}, the tokens of each member, integers from 1 up"
        )
    return found.astype(np.int64) * there
