"""Potentials of the expected update (L7) and the curl that shows where there is none (L8)."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from tamdp_theory.errors import InputError
from tamdp_theory.estimators.scheme import Normalization, Scheme
from tamdp_theory.exact.group import group_moments
from tamdp_theory.model import Floats


def potential(p: ArrayLike, group_size: int, eps: float = 0.0, ddof: int = 0, spread: float = 1.0) -> Floats:
    """Psi_G(p) of L7, vectorized in p in [0, 1]; Psi_G(0) = 0. ``spread``: distance of the two reward values.

    For eps = 0, ddof = 0 it is sum_s I_p(s, G - s) / sqrt(s (G - s)) and tends to 2 arcsin sqrt(p).
    """
    probability, s, scale = _terms(p, group_size, eps, ddof, spread)
    result: Floats = (special.betainc(s, group_size - s, probability[..., None]) / (group_size * scale)).sum(-1)
    return result


def potential_slope(p: ArrayLike, group_size: int, eps: float = 0.0, ddof: int = 0, spread: float = 1.0) -> Floats:
    """psi_G(p) = Psi_G'(p) of L7, vectorized in p in [0, 1]; in [psi_G(1/2), sqrt(G - 1)] for eps = 0, ddof = 0."""
    probability, s, scale = _terms(p, group_size, eps, ddof, spread)
    # C(G, s) p^(s-1) (1-p)^(G-s-1) s (G-s) / G^2 = (G-1)/G times a binomial law of s - 1 among G - 2
    law = _binomial(s - 1, group_size - 2, probability[..., None])
    result: Floats = (law * (group_size - 1) / group_size / scale).sum(-1)
    return result


def potential_curvature(p: ArrayLike, group_size: int, eps: float = 0.0, ddof: int = 0, spread: float = 1.0) -> Floats:
    """psi_G'(p) = Psi_G''(p), vectorized in p in [0, 1]; the derivative of a polynomial in Bernstein form."""
    probability, s, scale = _terms(p, group_size, eps, ddof, spread)
    if group_size == 2:
        return np.zeros_like(probability)
    rise = np.diff((group_size - 1) / group_size / scale)
    law = _binomial(s[:-1] - 1, group_size - 3, probability[..., None])
    result: Floats = (group_size - 2) * (law * rise).sum(-1)
    return result


def _binomial(k: Floats, n: int, p: Floats) -> Floats:
    """Binomial probabilities; scipy.stats would slow down the import of the package."""
    log_count = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    result: Floats = np.exp(log_count + special.xlogy(k, p) + special.xlog1py(n - k, -p))
    return result


def _terms(p: ArrayLike, group_size: int, eps: float, ddof: int, spread: float) -> tuple[Floats, Floats, Floats]:
    """p, the number of successes s = 1..G-1 and the group's deviation plus eps, in units of the spread."""
    Scheme(group_size, "sum_then_normalize", eps, ddof)
    probability = np.asarray(p, dtype=np.float64)
    if not (np.isfinite(probability).all() and (probability >= 0).all() and (probability <= 1).all()):
        raise InputError("p: probabilities must be in [0, 1]")
    if not spread > 0:
        raise InputError(f"spread: must be positive, got {spread}")
    s = np.arange(1, group_size, dtype=np.float64)
    return probability, s, np.sqrt(s * (group_size - s) / (group_size * (group_size - ddof))) + eps / spread


def curl(
    probability: ArrayLike,
    rewards: Iterable[Iterable[Any]],
    weights: Iterable[Any],
    group_size: int,
    normalization: Normalization,
    eps: float = 0.0,
    ddof: int = 0,
) -> Floats:
    """Curl of the expected update on the simplex of class laws (L8): Pi (dh - dh^T) Pi, (..., M, M), antisymmetric.

    (dh)_lm = dh_m / dP_l, Pi = I - 11^T / M; u^T curl v for tangent u, v. Zero iff the update is locally a gradient in
    P.

    Args:
        probability: class law, or a batch of them, (..., M).
        rewards: M classes of K rewards.
        weights: K, none negative.
        group_size: G >= 2.
        normalization: an estimator or its name.
        eps, ddof: of deviations, where the estimator scales.
    """
    given = group_moments(
        probability, rewards, weights, group_size=group_size, normalization=normalization, eps=eps, ddof=ddof
    ).given_pair
    derivative = (group_size - 1) * np.swapaxes(given, -1, -2)
    skew = derivative - given * (group_size - 1)
    centred = skew - skew.mean(-1, keepdims=True)
    result: Floats = centred - centred.mean(-2, keepdims=True)
    return result
