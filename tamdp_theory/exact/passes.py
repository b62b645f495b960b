"""The two passes everything is made of: values backward, occupancy forward. Linear in edges, vectorized over S
policies.
"""

import numpy as np

from tamdp_theory.model import TAMDP, Floats
from tamdp_theory.policies.base import most_likely, others_share


def backward(env: TAMDP, pi: Floats, terminal: Floats, running: Floats | None = None) -> tuple[Floats, Floats]:
    """Expected terminal value (plus running rewards) from each node and from each pair.

    pi (P, S); terminal (C, F, S) or (C, F, 1): F functions of the reward class; running (P, S): a reward for taking the
    pair, added to every function. Returns node values V (X, F, S) and pair values Q (P, F, S).
    """
    functions, seeds = terminal.shape[1], pi.shape[1]
    value = np.empty((env.n_nodes + env.n_classes, functions * seeds))
    value[env.n_nodes :] = np.broadcast_to(terminal, (env.n_classes, functions, seeds)).reshape(env.n_classes, -1)
    pair_value = np.empty((env.n_pairs, functions, seeds))
    for level in reversed(env.levels):
        q = (level.outgoing @ value).reshape(-1, functions, seeds)
        if running is not None:
            q += running[level.pairs, None, :]
        pair_value[level.pairs] = q
        q *= pi[level.pairs, None, :]
        value[level.nodes] = level.members @ q.reshape(len(q), -1)
    return value[: env.n_nodes].reshape(env.n_nodes, functions, seeds), pair_value


def forward(env: TAMDP, pi: Floats) -> tuple[Floats, Floats]:
    """Probability, given the prompt, that a trajectory visits a node (X, S) and takes a pair (P, S); pi (P, S), in
    whose precision it is.
    """
    occupancy = np.empty((env.n_nodes, pi.shape[1]), dtype=pi.dtype)
    taken = np.zeros(pi.shape, dtype=pi.dtype)
    for rank, level in enumerate(env.levels):
        occupancy[level.nodes] = level.incoming @ taken if rank else 1.0
        taken[level.pairs] = pi[level.pairs] * occupancy[env.pair_node[level.pairs]]
    return occupancy, taken


def score_norm(env: TAMDP, pi: Floats) -> Floats:
    """||e_a - pi(.|x)||^2 of each pair (P, S), accurate for nearly deterministic policies too."""
    leader = most_likely(env, pi)[env.pair_node] == np.arange(env.n_pairs)[:, None]
    rest = np.where(leader, 0.0, pi)
    others = np.where(
        leader, env.spread_to_pairs(env.node_sum(rest**2)), env.spread_to_pairs(env.node_sum(pi**2)) - pi**2
    )
    return others_share(env, pi) ** 2 + others


def best(env: TAMDP, terminal: Floats) -> tuple[Floats, Floats]:
    """Optimal expected terminal value from each node (X, F) and pair (P, F); terminal (C, F), each F
    maximized alone.
    """
    value = np.empty((env.n_nodes + env.n_classes, terminal.shape[1]))
    value[env.n_nodes :] = terminal
    pair_value = np.empty((env.n_pairs, terminal.shape[1]))
    for level in reversed(env.levels):
        q = level.outgoing @ value
        pair_value[level.pairs] = q
        value[level.nodes] = np.maximum.reduceat(q, level.starts, axis=0)
    return value[: env.n_nodes], pair_value
