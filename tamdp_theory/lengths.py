"""Lengths of trajectories: the tokens of their actions, summed (theory.md section 11)."""

from dataclasses import replace

import numpy as np

from tamdp_theory.errors import InputError, quote
from tamdp_theory.model import TAMDP, Ints


def node_lengths(env: TAMDP) -> Ints:
    """Tokens written before each node (X,). InputError where ways of several lengths lead to one."""
    found = np.full(env.n_nodes, -1)
    found[env.prompt_start] = 0
    inner = np.flatnonzero(env.edge_target < env.n_nodes)
    rank = env.node_rank[env.pair_node[env.edge_pair[inner]]]
    for step in range(int(env.node_rank.max()) + 1):
        edges = inner[rank == step]
        pairs, targets = env.edge_pair[edges], env.edge_target[edges]
        length = found[env.pair_node[pairs]] + env.pair_tokens[pairs]
        found[targets] = np.where(found[targets] == -1, length, found[targets])
        for i in np.flatnonzero(found[targets] != length)[:1]:
            x = int(targets[i])
            ways = sorted((int(found[x]), int(length[i])))
            raise InputError(
                f"nodes[{x}] ({quote(env.node_ids[x])}): ways of {ways[0]} and {ways[1]} tokens lead to it; where "
                "lengths matter, give each length a node of its own"
            )
    return found


def split(env: TAMDP) -> TAMDP:
    """The process with its reward classes split by length, in the order of prompt, rewards and length."""
    length = (node_lengths(env)[env.pair_node] + env.pair_tokens)[env.edge_pair]
    terminal = np.flatnonzero(env.edge_target >= env.n_nodes)
    keys = np.column_stack([env.edge_target[terminal] - env.n_nodes, length[terminal]])
    classes, place = np.unique(keys, axis=0, return_inverse=True)
    target = env.edge_target.copy()
    target[terminal] = env.n_nodes + place.ravel()
    arrays = [target, env.class_prompt[classes[:, 0]], classes[:, 1].copy()]
    for array in arrays:
        array.setflags(write=False)
    return replace(
        env,
        edge_target=arrays[0],
        class_prompt=arrays[1],
        exact_class_rewards=tuple(env.exact_class_rewards[c] for c in classes[:, 0]),
        class_length=arrays[2],
    )


def class_lengths(env: TAMDP) -> tuple[int, ...] | None:
    """Lengths of the classes (C,) of a process that is split by length, None of another."""
    return None if env.class_length is None else tuple(env.class_length.tolist())
