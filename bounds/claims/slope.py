"""Derivatives along a random direction."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from bounds.instance import Instance
from tamdp_theory.model import Floats

Value = TypeVar("Value", float, Floats)


def direction_of(instance: Instance) -> Floats:
    """A random unit vector over parameters, from the instance's seed."""
    direction = np.random.default_rng(instance.seed).standard_normal(instance.policy.n_parameters)
    return direction / np.linalg.norm(direction)


def central_slope(function: Callable[[float], Value], step: float) -> Value:
    """Derivative at 0 by the central difference of order six."""
    low3, low2, low1, high1, high2, high3 = (function(k * step) for k in (-3, -2, -1, 1, 2, 3))
    return (high3 - low3 - 9 * (high2 - low2) + 45 * (high1 - low1)) / (60 * step)
