"""A fixed random linear map that keeps inner products of gradients on average, in memory independent of
their length.
"""

from dataclasses import dataclass

import numpy as np

from tamdp_theory.errors import InputError
from tamdp_theory.model import Floats

BLOCK = 1 << 18  # coordinates whose buckets are held at a time


@dataclass(frozen=True)
class Projection:
    """Count sketch P: R^p -> R^d, any p: coordinate i is added with a random sign to a random bucket, both drawn from
    the seed.

    dimension: d >= 1; seed >= 0. E<Px, Py> = <x, y> over seeds, and Var<Px, Py> = (|x|² |y|² + <x, y>² - 2 Σ x_i² y_i²)
    / d: the variance of a dense matrix of signs / √d, at O(p) instead of O(pd) per vector, so one hash does (Charikar,
    Chen & Farach-Colton 2004). InputError.
    """

    dimension: int
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("dimension", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(f"projection: {name} must be an integer of at least {least}, got {value!r}")

    def __call__(self, vectors: Floats) -> Floats:
        """(B, p) -> (B, d), float64. A row's image is the same bits whatever the other rows are."""
        image = np.zeros((len(vectors), self.dimension))
        for block, start in enumerate(range(0, vectors.shape[1], BLOCK)):
            part = vectors[:, start : start + BLOCK].astype(np.float64)
            drawn = np.random.default_rng((self.seed, block)).integers(2 * self.dimension, size=part.shape[1])
            bucket, sign = drawn >> 1, 1.0 - 2.0 * (drawn & 1)
            for row, values in zip(image, part, strict=True):
                row += np.bincount(bucket, weights=sign * values, minlength=self.dimension)
        return image
