"""Distributions over policies: Gibbs posteriors on finite classes, diagonal Gaussians on parameters, and their
divergences.

The posterior of PAC-Bayes (theory.md section 7). Its divergence from the prior is not the divergence of trajectories
between two policies, which ``exact.divergence`` computes; the two measure different things.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp, rel_entr

from tamdp_theory.errors import InputError
from tamdp_theory.model import Floats
from tamdp_theory.policies.base import Policy


def check_distribution(values: ArrayLike, name: str, size: int | None = None) -> Floats:
    """Probabilities (..., m) that are not negative and sum to one within 1e-9; InputError otherwise."""
    result = _floats(values, name)
    if result.ndim == 0 or (size is not None and result.shape[-1] != size):
        raise InputError(f"{name}: expected {size or 'some'} probabilities, got shape {result.shape}")
    if not (np.isfinite(result).all() and (result >= 0).all()):
        raise InputError(f"{name}: probabilities must be finite and not negative")
    sums = result.sum(-1)
    if not np.allclose(sums, 1, rtol=0, atol=1e-9):
        raise InputError(
            f"{name}: probabilities must sum to 1, got {float(np.atleast_1d(sums).ravel()[0]):.12g}; divide by the sum"
        )
    return result


def _floats(values: ArrayLike, name: str) -> Floats:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: expected numbers, got {values!r}") from error


def divergence(posterior: ArrayLike, prior: ArrayLike) -> Floats:
    """KL(Q||Pi) >= 0 of finite distributions (..., m): (...). InputError where the posterior has mass and the prior has
    none.
    """
    q, p = check_distribution(posterior, "posterior"), check_distribution(prior, "prior")
    if q.shape[-1] != p.shape[-1]:
        raise InputError(
            f"posterior, prior: {q.shape[-1]} and {p.shape[-1]} policies; they must be over the same class"
        )
    if p.ndim > 1 and p.shape != q.shape:
        raise InputError(f"posterior, prior: shapes {q.shape} and {p.shape}; give one prior for all, or one for each")
    if ((q > 0) & (p == 0)).any():
        raise InputError(
            "prior: has zero mass where the posterior has some, so the divergence is infinite; give every policy some "
            "prior mass"
        )
    result: Floats = np.maximum(rel_entr(q, p).sum(-1), 0.0)
    return result


def gibbs(prior: ArrayLike, risk: ArrayLike, inverse_temperature: float) -> Floats:
    """Posterior (..., m) proportional to prior (m,) times exp(-inverse_temperature risk); risk (..., m) finite."""
    p, r = check_distribution(prior, "prior"), _floats(risk, "risk")
    if p.ndim != 1:
        raise InputError(f"prior: expected shape (m,), got {p.shape}")
    if not np.isfinite(r).all() or r.shape[-1:] != p.shape[-1:]:
        raise InputError(f"risk: expected finite numbers (..., {p.shape[-1]}), got shape {r.shape}")
    beta = _floats(inverse_temperature, "inverse_temperature")
    if beta.ndim or not (np.isfinite(beta) and beta >= 0):
        raise InputError(f"inverse_temperature: must be a number, finite and not negative, got {inverse_temperature}")
    least = np.where(p > 0, r, np.inf).min(-1, keepdims=True)
    with np.errstate(divide="ignore", over="ignore"):
        energy = np.log(p) - beta * np.where(p > 0, r - least, 0.0)
    result: Floats = np.exp(energy - logsumexp(energy, axis=-1, keepdims=True))
    return result


def parameter_grid(policy: Policy, coordinates: Sequence[int], values: ArrayLike) -> tuple[Policy, ...]:
    """Policies like the given one, with each chosen parameter at each of ``values`` (v,): v^len(coordinates) of them,
    the last fastest.

    coordinates: distinct places in the parameter vector. InputError if they are not, or for more than 100,000 policies.
    """
    chosen, points = list(coordinates), np.asarray(values, dtype=np.float64)
    if len(set(chosen)) != len(chosen) or not all(0 <= place < policy.n_parameters for place in chosen):
        raise InputError(f"coordinates: need distinct places from 0 to {policy.n_parameters - 1}, got {chosen}")
    if points.ndim != 1 or not len(points) or not np.isfinite(points).all():
        raise InputError("values: expected some finite numbers (v,)")
    if len(points) ** len(chosen) > 100_000:
        raise InputError(
            f"values: {len(points)}^{len(chosen)} policies exceed 100,000; use fewer values or coordinates"
        )
    found = []
    for point in product(points, repeat=len(chosen)):
        parameters = policy.parameters.copy()
        parameters[chosen] = point
        found.append(policy.with_parameters(parameters))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class DiagonalGaussian:
    """Independent normal parameters: mean (d,), deviation (d,) > 0."""

    mean: Floats
    deviation: Floats

    def __post_init__(self) -> None:
        mean, deviation = _floats(self.mean, "mean"), _floats(self.deviation, "deviation")
        if mean.ndim != 1 or deviation.shape not in ((), mean.shape):
            raise InputError(f"mean, deviation: need (d,) and (d,) or a number, got {mean.shape} and {deviation.shape}")
        if not (np.isfinite(mean).all() and np.isfinite(deviation).all() and (deviation > 0).all()):
            raise InputError("mean, deviation: must be finite, deviations positive")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "deviation", np.broadcast_to(deviation, mean.shape))

    def divergence(self, prior: "DiagonalGaussian") -> float:
        """KL(self||prior) = sum of ln(t/s) + (s^2 + (mean difference)^2) / (2 t^2) - 1/2."""
        if len(self.mean) != len(prior.mean):
            raise InputError(f"prior: has {len(prior.mean)} parameters, the posterior {len(self.mean)}")
        with np.errstate(over="ignore"):
            gap = (self.deviation - prior.deviation) / prior.deviation
            shift = ((self.mean - prior.mean) / prior.deviation) ** 2
            near = np.abs(gap) < 0.5
            # ln(s/t) without cancellation near 1, without underflow far from it
            log = np.where(near, np.log1p(np.where(near, gap, 0.0)), np.log(self.deviation) - np.log(prior.deviation))
            return float((gap * (gap + 2) - 2 * log + shift).sum() / 2)

    def sample(self, policy: Policy, count: int, generator: np.random.Generator) -> tuple[Policy, ...]:
        """``count`` >= 1 policies like the given one, their parameters drawn independently."""
        if policy.n_parameters != len(self.mean):
            raise InputError(f"policy: has {policy.n_parameters} parameters, the distribution {len(self.mean)}")
        if count < 1:
            raise InputError(f"count: must be at least 1, got {count}")
        noise: Floats = generator.standard_normal((count, len(self.mean)))
        return tuple(policy.with_parameters(self.mean + self.deviation * row) for row in noise)
