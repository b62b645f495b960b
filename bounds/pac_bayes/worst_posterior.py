"""Bounds that must hold for every posterior at once: the worst one of a training set (theory.md section 7).

T3.kl, T3.mcallester and T3.catoni fail for a posterior Q iff n phi(R_hat, R_S) - KL(Q||Pi) > L, with phi convex in both
risks and L free of Q: their events solved for the divergence. R_hat and R_S are linear in Q, so over all posteriors on
a finite class

    max_j [n phi_j + ln Pi_j]  <=  sup_Q [n phi - KL(Q||Pi)]  <=  ln sum_j Pi_j exp(n phi_j)

with phi_j at the risks of policy j.

The right end (Jensen, then Gibbs' variational formula) is what the proofs bound in expectation; the left end are the
point masses. Between them ``climb`` searches: phi lies above its tangent at any Q, and the best posterior for a tangent
is a Gibbs one with a temperature for each risk, so each step from Q to that posterior gains. A training set on which it
finds a failure fails, one whose right end is below L is safe. T3.transfer fails for no Q that T3.kl holds for, as
T3.shift has no exception: it shares the right end.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sympy as sp
from scipy.special import logsumexp, rel_entr

from bounds import symbols as s
from bounds.pac_bayes.formulas import binary_kl
from tamdp_theory.model import Floats

CATONI_C = 1.0  # fixed before any data
_STEPS = 40
_STARTS = 8  # point masses that a search starts from: the most promising ones
_CELLS = 2_000_000  # floats of one array of a search
_EDGE = 1e-12  # slopes are taken this far from 0 and 1, where some are infinite


@dataclass(frozen=True)
class Excess:
    """phi of a bound, its value and slopes at (R_hat, R_S), elementwise, and L as an expression of n and delta."""

    value: Callable[[Floats, Floats], Floats]
    slopes: Callable[[Floats, Floats], tuple[Floats, Floats]]
    limit: sp.Expr


def _kl_slopes(p: Floats, q: Floats) -> tuple[Floats, Floats]:
    p, q = np.clip(p, _EDGE, 1 - _EDGE), np.clip(q, _EDGE, 1 - _EDGE)
    return np.log(p / q) - np.log((1 - p) / (1 - q)), (q - p) / (q * (1 - q))


def _upper_slopes(p: Floats, q: Floats) -> tuple[Floats, Floats]:
    one, two = _kl_slopes(p, q)
    return np.where(q > p, one, 0.0), np.where(q > p, two, 0.0)


def _square_slopes(p: Floats, q: Floats) -> tuple[Floats, Floats]:
    slope = 4 * np.maximum(q - p, 0.0)
    return -slope, slope


def catoni(c: float) -> Excess:
    """phi = -C p - ln(1 - (1 - e^-C) q) for Catoni's constant."""
    share = -np.expm1(-c)

    def slopes(p: Floats, q: Floats) -> tuple[Floats, Floats]:
        return np.full(np.shape(p), -c), share / (1 - share * q)

    return Excess(lambda p, q: -c * p - np.log1p(-share * q), slopes, sp.log(1 / s.delta))


_MAURER = sp.log(2 * sp.sqrt(s.n) / s.delta)
EXCESS = {
    "T3.kl": Excess(binary_kl, _kl_slopes, _MAURER),
    "T3.mcallester": Excess(lambda p, q: 2 * np.maximum(q - p, 0.0) ** 2, _square_slopes, _MAURER),
    "T3.catoni": catoni(CATONI_C),
    "T3.transfer": Excess(
        lambda p, q: np.where(q > p, binary_kl(p, q), 0.0), _upper_slopes, _MAURER
    ),  # only risks above the empirical one count
}


def ceiling(excess: Excess, prior: Floats, empirical: Floats, truth: Floats, n: float) -> Floats:
    """The right end for training sets with empirical risks (B, m) of policies whose risks are (m,): (B,).

    Args:
        excess: phi and L of the bound.
        prior: (m,).
        empirical: risks on training sets (B, m).
        truth: risks (m,).
        n: training prompts.
    """
    with np.errstate(divide="ignore"):
        result: Floats = logsumexp(np.log(prior) + n * _phi(excess, empirical, truth), axis=-1)
    return result


def climb(excess: Excess, prior: Floats, empirical: Floats, truth: Floats, n: float, start: Floats) -> Floats:
    """The posterior (B, m) with the largest n phi - KL(Q||Pi) that was found, from ``start`` (B, m), the prior and
    point masses.
    """
    step = max(1, _CELLS // (len(prior) * (_STARTS + 2)))
    parts = [
        _climb(excess, prior, empirical[k : k + step], truth=truth, n=n, start=start[k : k + step])
        for k in range(0, len(empirical), step)
    ]
    return np.concatenate(parts) if parts else np.empty((0, len(prior)))


def _climb(excess: Excess, prior: Floats, empirical: Floats, truth: Floats, n: float, start: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        log_prior = np.log(prior)
    alone = log_prior + n * _phi(excess, empirical, truth)
    chosen = np.argsort(-alone, axis=-1)[:, :_STARTS]
    points = np.zeros((*chosen.shape, len(prior)))
    np.put_along_axis(points, chosen[..., None], 1.0, axis=-1)
    posterior = np.concatenate([start[:, None], np.broadcast_to(prior, start.shape)[:, None], points], axis=1)
    best, most, rows = posterior[:, 0].copy(), np.full(len(empirical), -1e300), np.arange(len(empirical))
    before = np.full(posterior.shape[:2], -1e300)
    for _ in range(_STEPS):
        p, q = np.clip((posterior * empirical[rows, None]).sum(-1), 0.0, 1.0), np.clip(posterior @ truth, 0.0, 1.0)
        value = n * _phi(excess, p, q) - rel_entr(posterior, prior).sum(-1)
        place = value.argmax(axis=1)
        found = value[np.arange(len(place)), place]
        gained = found > most[rows]
        best[rows[gained]] = posterior[gained, place[gained]]
        most[rows] = np.maximum(found, most[rows])
        moving = (value > before + 1e-9 * np.maximum(np.abs(before), 1.0)).any(
            axis=1
        )  # some search of the set still gains
        rows, posterior, before = rows[moving], posterior[moving], value[moving]
        if not len(rows):
            break
        one, two = excess.slopes(p[moving], q[moving])
        energy = log_prior + n * (one[..., None] * empirical[rows, None] + two[..., None] * truth)
        posterior = np.exp(energy - logsumexp(energy, axis=-1, keepdims=True))
    return best


def _phi(excess: Excess, p: Floats, q: Floats) -> Floats:
    """phi, where the two risks agree up to rounding at equal risks: at 0 and 1 a rounding would be infinite."""
    p, q = np.broadcast_arrays(p, q)
    return excess.value(np.where(np.abs(p - q) < 1e-13, q, p), q)
