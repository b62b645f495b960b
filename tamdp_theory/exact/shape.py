"""Facts of a process's graph that constants rest on: which prompts are one decision, which are trees."""

import numpy as np
from numpy.typing import NDArray

from tamdp_theory.model import TAMDP

Bools = NDArray[np.bool_]


def one_decision(env: TAMDP) -> Bools:
    """Prompts (N,) whose trajectories are a single decision."""
    result: Bools = np.bincount(env.node_prompt, minlength=env.n_prompts) == 1
    return result


def trees(env: TAMDP) -> Bools:
    """Prompts (N,) no node of which is reached from two nodes or by two actions; successors may be random."""
    inner = np.flatnonzero(env.edge_target < env.n_nodes)
    ways = np.unique(np.column_stack([env.edge_target[inner], env.edge_pair[inner]]), axis=0)[:, 0]
    met = np.flatnonzero(np.bincount(ways, minlength=env.n_nodes) > 1)
    result = np.ones(env.n_prompts, dtype=bool)
    result[env.node_prompt[met]] = False
    return result


def objective_claims(env: TAMDP) -> tuple[str, ...]:
    """The claim with the least proved constant for each prompt (N,)."""
    return tuple(
        "L3.bandit" if single else "L3.trees" if tree else "L3.all"
        for single, tree in zip(one_decision(env), trees(env), strict=True)
    )
