"""Directions of integers, the same for floats and exact arithmetic, where a statement speaks of every direction."""

import numpy as np

from tamdp_theory import TAMDP
from tamdp_theory.model import Floats


def node_directions(actions: int) -> Floats:
    """A few directions over the actions of one node (n, A): one action against the others, a ramp, and its squares with
    changing signs.
    """
    ramp = np.arange(1, actions + 1)
    return np.vstack([np.eye(actions), ramp, ramp**2 * (-1) ** ramp]).astype(np.float64)


def pair_directions(env: TAMDP) -> Floats:
    """A few directions over the pairs (n, P): actions with changing signs, and some drawn once and for all; none is
    zero on a prompt.
    """
    drawn = np.random.default_rng(0).integers(-3, 4, (3, env.n_pairs)).astype(np.float64)
    drawn[:, env.pair_start[env.prompt_start]] = 1.0
    return np.vstack([(-1.0) ** env.pair_action, drawn])
