"""Weights of rewards, read off the trainer's advantages."""

from fractions import Fraction

import numpy as np

from tamdp_theory.model import Floats

MAX_GROUPS = 2000  # looked at
NULL = 1e-4  # singular value of a direction that is a solution, relative to the largest; advantages are float32
CLEAR = 30.0  # how much larger the next one must be


def infer_weights(rewards: Floats, advantages: Floats) -> list[Fraction] | None:
    """Weights (K,) whose composite, centred, is proportional to the advantages in every group; None where they are not
    told, or no weights do it.

    If A_i = s (c_i - mean c) with a factor s of each group, as in centred and standardized advantages, then the centred
    rewards D (G, K) of a group satisfy (I - a a'/|a|^2) D w = 0, and D w = 0 where a is zero: w spans the null space of
    all these rows. The largest is scaled to 1; only ratios are told.

    Args:
        rewards: (n, G, K).
        advantages: (n, G).
    """
    centred = (rewards - rewards.mean(axis=1, keepdims=True))[:MAX_GROUPS]
    a = advantages[:MAX_GROUPS]
    if not (np.abs(a.sum(axis=1)) <= 1e-3 * (1 + np.abs(a).sum(axis=1))).all():
        return None
    size = np.sqrt((a**2).sum(axis=1, keepdims=True))
    unit = np.divide(a, size, out=np.zeros_like(a), where=size > 1e-6)
    left = centred - unit[:, :, None] * np.einsum("ng,ngk->nk", unit, centred)[:, None, :]
    scale = np.sqrt((centred**2).sum(axis=(0, 1)))
    if not (scale > 0).all():  # what never varies has no weight that shows
        return None
    _, singular, directions = np.linalg.svd((left / scale).reshape(-1, centred.shape[2]), full_matrices=False)
    if singular[-1] > NULL * max(singular[0], 1.0) or singular[-2] < CLEAR * max(singular[-1], 1e-7):
        return None
    found = directions[-1] / scale
    found = found / found[np.argmax(np.abs(found))]
    composite = np.einsum("ngk,k->ng", centred, found)
    if float((composite * a).sum()) < 0:
        found = -found
    return [Fraction(float(w)).limit_denominator(1000) for w in found]
