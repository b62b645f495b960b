"""Reachability, prompt ownership and topological rank of the nodes; vectorized over edges."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from tamdp_theory.errors import InputError, quote
from tamdp_theory.model import Ints


@dataclass(frozen=True)
class Structure:
    """prompt (X,) that owns each node; rank (X,) length of the longest path that leads to it."""

    prompt: Ints
    rank: Ints


def analyse(
    node_ids: Sequence[str], start: Ints, edge_source: Ints, edge_target: Ints, where: Callable[[int], str]
) -> Structure:
    """Check that every node is reachable from exactly one prompt and that edges form no cycle.

    node_ids (N,) are for messages; start (Q,): each prompt's first node; edge_source, edge_target (E,): where edges
    begin and end, a negative target is a terminal outcome. Raises InputError with the place (``where`` names an edge).
    """
    inner = np.flatnonzero(edge_target >= 0)
    source, target = edge_source[inner], edge_target[inner]
    n = len(node_ids)
    successors = sparse.csr_array((np.ones(len(source), np.int8), (source, target)), shape=(n, n))
    prompt = np.full(n, -1)
    prompt[start] = np.arange(len(start))
    frontier = start
    while len(frontier):
        sources, targets = _edges_of(successors, frontier)
        fresh = prompt[targets] < 0
        sources, targets = sources[fresh], targets[fresh]
        prompt[targets] = prompt[sources]
        frontier = np.unique(targets)
    for x in np.flatnonzero(prompt < 0).tolist():
        raise InputError(f"nodes[{x}] ({quote(node_ids[x])}): unreachable from every prompt; remove it or lead to it")
    for e in inner[prompt[source] != prompt[target]].tolist():
        a, b = prompt[edge_source[e]], prompt[edge_target[e]]
        raise InputError(
            f"{where(e)}.node: {quote(node_ids[int(edge_target[e])])} belongs to prompts[{b}] and is reached from "
            f"prompts[{a}]; "
            "give each prompt its own copy"
        )
    return Structure(prompt, _ranks(node_ids, successors, source, target))


def _ranks(node_ids: Sequence[str], successors: sparse.csr_array, source: Ints, target: Ints) -> Ints:
    """Kahn's algorithm, a whole rank at a time."""
    n = len(node_ids)
    # parallel edges are merged in `successors`, so count each (source, target) once
    waiting = np.bincount(successors.indices, minlength=n)
    rank = np.full(n, -1)
    frontier, level = np.flatnonzero(waiting == 0), 0
    while len(frontier):
        rank[frontier] = level
        _, targets = _edges_of(successors, frontier)
        candidates, counts = np.unique(targets, return_counts=True)
        waiting[candidates] -= counts
        frontier, level = candidates[waiting[candidates] == 0], level + 1
    if (rank < 0).any():
        raise InputError(
            f"nodes: the edges form a cycle: {' -> '.join(_cycle(node_ids, rank, source, target))}; a trajectory "
            f"visits no node twice"
        )
    return rank


def _cycle(node_ids: Sequence[str], rank: Ints, source: Ints, target: Ints) -> list[str]:
    """Walk back through unranked nodes until one repeats."""
    left = (rank[source] < 0) & (rank[target] < 0)
    predecessor = dict(zip(target[left].tolist(), source[left].tolist(), strict=True))
    path = [int(np.flatnonzero(rank < 0)[0])]
    while (before := predecessor[path[-1]]) not in path:
        path.append(before)
    loop = [before, *reversed(path[path.index(before) :])]
    names = [quote(node_ids[x]) for x in loop]
    return names if len(names) <= 8 else [*names[:4], "...", *names[-3:]]


def _edges_of(successors: sparse.csr_array, nodes: Ints) -> tuple[Ints, Ints]:
    rows = successors[nodes]
    return np.repeat(nodes, np.diff(rows.indptr)), rows.indices.astype(np.int64)
