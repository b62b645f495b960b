"""All trajectories of a process, one by one: for the clipped surrogate, the sampled trainer and brute force."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from tamdp_theory.errors import CapacityError
from tamdp_theory.model import TAMDP, Floats, Ints

MAX_TRAJECTORIES = 2_000_000


@dataclass(frozen=True, eq=False)
class Trajectories:
    """T trajectories, sorted by prompt.

    prompt (T,), reward_class (T,), kernel (T,) the product of transition probabilities; pairs (T, H) the pairs taken,
    padded with -1.
    """

    env: TAMDP
    prompt: Ints
    reward_class: Ints
    kernel: Floats
    pairs: Ints

    @cached_property
    def visits(self) -> sparse.csr_array:
        """1 where a trajectory takes a pair (T, P)."""
        rows, steps = np.nonzero(self.pairs >= 0)
        columns = self.pairs[rows, steps]
        return sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(self.prompt), self.env.n_pairs))

    @cached_property
    def visits_transposed(self) -> sparse.csr_array:
        """The transpose of ``visits``, by rows."""
        return self.visits.T.tocsr()

    def log_policy(self, log_pi: Floats) -> Floats:
        """Sum of log pi along each trajectory (T, S); log_pi (P, S)."""
        result: Floats = self.visits @ log_pi
        return result

    def probability(self, log_pi: Floats) -> Floats:
        """Law of the trajectory given its prompt (T, S)."""
        return self.kernel[:, None] * np.exp(self.log_policy(log_pi))


def count_trajectories(env: TAMDP) -> int:
    """Number of trajectories over all prompts, without listing them (saturates at 2**62)."""
    return int(min(prompt_trajectories(env).sum(), 2.0**62))


def prompt_trajectories(env: TAMDP) -> Floats:
    """Number of trajectories of each prompt (N,)."""
    paths = np.ones(env.n_nodes + env.n_classes)
    ones = env.kernel.copy()
    ones.data = np.ones_like(ones.data)
    for level in reversed(env.levels):
        paths[level.nodes] = np.add.reduceat(ones[level.pairs] @ paths, level.starts)
    result: Floats = paths[env.prompt_start]
    return result


def enumerate_trajectories(env: TAMDP, limit: int = MAX_TRAJECTORIES) -> Trajectories:
    """List every trajectory. Raises CapacityError if there are more than ``limit``."""
    count = count_trajectories(env)
    if count > limit:
        raise CapacityError(
            f"{env.name}: {count:,} trajectories exceed the limit of {limit:,}; use a smaller horizon, or the "
            f"quantities that need "
            "no listing (values, update_moments, curl)"
        )
    kernel = env.kernel
    node, path, prompt = env.prompt_start, np.full((env.n_prompts, env.horizon), -1), np.arange(env.n_prompts)
    probability = np.ones(env.n_prompts)
    finished = []
    for step in range(env.horizon):
        counts = env.pair_count[node]
        row = np.repeat(np.arange(len(node)), counts)
        pair = np.repeat(env.pair_start[node] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        edges = np.diff(kernel.indptr)[pair]
        spread = np.repeat(np.arange(len(pair)), edges)
        edge = np.repeat(kernel.indptr[pair] - np.cumsum(edges) + edges, edges) + np.arange(edges.sum())
        row, pair = row[spread], pair[spread]
        path, prompt, probability = path[row], prompt[row], probability[row] * kernel.data[edge]
        path[:, step] = pair
        target = kernel.indices[edge].astype(np.int64)
        done = target >= env.n_nodes
        finished.append((prompt[done], target[done] - env.n_nodes, probability[done], path[done]))
        node, path, prompt, probability = target[~done], path[~done], prompt[~done], probability[~done]
        if not len(node):
            break
    parts = [np.concatenate(part) for part in zip(*finished, strict=True)]
    order = np.argsort(parts[0], kind="stable")
    return Trajectories(env, *(part[order] for part in parts))
