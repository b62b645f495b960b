"""Drawing groups for many seeds at once.

Where the trajectories of a process can be listed, their exact law is known at every step, so one uniform number per rollout
and a binary search in the law give the whole trajectory (``ListedSampler``); the gradient then needs only the sum of
coefficients per trajectory. Larger processes are walked decision by decision (``WalkingSampler``). Both draw from the same law.

Arrays end in the seed axis S; seeds never mix, so results do not depend on which seeds share a batch.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tamdp_theory.exact.trajectories import Trajectories, count_trajectories, enumerate_trajectories
from tamdp_theory.model import TAMDP, Floats, Ints


class Rollouts(ABC):
    """Groups drawn in one step: G members, n prompts, S seeds."""

    @property
    @abstractmethod
    def reward_class(self) -> Ints:
        """Class of each rollout's outcome (G, n, S)."""

    @abstractmethod
    def flow(self, coefficient: Floats) -> Floats:
        """Sum of coefficients (G, n, S) over the rollouts that take each pair: (P, S)."""

    @abstractmethod
    def along(self, pair_values: Floats) -> Floats:
        """Sum of pair values (P, S) along each rollout: (G, n, S)."""


class Sampler(ABC):
    """Draws rollouts; ``uniforms`` is how many uniform numbers one rollout uses."""

    env: TAMDP
    uniforms: int

    @abstractmethod
    def draw(self, pi: Floats, prompt: Ints, uniform: Floats) -> Rollouts:
        """Rollouts of policies pi (P, S) for prompts (n, S or 1), uniform (uniforms, G, n, S)."""


def make_sampler(env: TAMDP, rollouts_per_step: int) -> Sampler:
    """The faster sampler: listing costs about one operation per trajectory and step, walking about 8 H per rollout."""
    if count_trajectories(env) <= 8 * env.horizon * rollouts_per_step:
        return ListedSampler(enumerate_trajectories(env))
    return WalkingSampler(env)


@dataclass(frozen=True, eq=False)
class ListedRollouts(Rollouts):
    """Rollouts as indices of listed trajectories (G, n, S)."""

    paths: Trajectories
    index: Ints

    @cached_property
    def reward_class(self) -> Ints:
        return self.paths.reward_class[self.index]

    def flow(self, coefficient: Floats) -> Floats:
        count, seeds = len(self.paths.prompt), coefficient.shape[-1]
        cell = self.index * seeds
        cell += np.arange(seeds)
        sums = np.bincount(cell.ravel(), coefficient.ravel(), minlength=count * seeds)
        result: Floats = self.paths.visits_transposed @ sums.reshape(count, seeds)
        return result

    def along(self, pair_values: Floats) -> Floats:
        return np.take_along_axis(self.paths.visits @ pair_values, self.index.reshape(-1, self.index.shape[-1]), axis=0).reshape(
            self.index.shape
        )


class ListedSampler(Sampler):
    """Inverts the cumulated law of the trajectories: all prompts of a seed in one row, so a search never leaves its prompt."""

    uniforms = 1

    def __init__(self, paths: Trajectories) -> None:
        self.env, self.paths = paths.env, paths
        counts = np.bincount(paths.prompt, minlength=self.env.n_prompts)
        self._first = np.cumsum(counts) - counts
        self._last = self._first + counts - 1
        self._span = 1 << int(counts.max() - 1).bit_length()
        self._pairs = np.where(paths.pairs < 0, self.env.n_pairs, paths.pairs).T.copy()

    def cumulative(self, pi: Floats) -> Floats:
        """Cumulated law of the trajectories of prompt after prompt (S, 1 + T + span): 0, ..., N, then inf."""
        extended = np.concatenate([pi, np.ones((1, pi.shape[1]))])
        law = np.take(extended, self._pairs[0], axis=0, mode="clip")
        law *= self.paths.kernel[:, None]
        factor = np.empty_like(law)
        for pairs in self._pairs[1:]:
            law *= np.take(extended, pairs, axis=0, out=factor, mode="clip")
        count = len(law)
        table = np.full((pi.shape[1], 1 + count + self._span), np.inf)
        table[:, 0] = 0.0
        np.cumsum(law.T, axis=1, out=table[:, 1 : count + 1])
        return table

    def draw(self, pi: Floats, prompt: Ints, uniform: Floats) -> Rollouts:
        table, u = self.cumulative(pi), uniform[0]
        flat, row = table.ravel(), np.arange(len(table)) * table.shape[1]
        start = self._first[prompt] + row
        before, after = flat[start], flat[self._last[prompt] + 1 + row]
        target = before + u * (after - before)
        place = np.broadcast_to(start, u.shape).copy()
        probe, step = np.empty_like(place), self._span
        # beyond its prompt a seed's row only grows, so probes there answer no
        while step > 1:
            step //= 2
            np.add(place, step, out=probe)
            place += step * (np.take(flat, probe, mode="clip") <= target)
        place -= row
        return ListedRollouts(self.paths, np.minimum(place, self._last[prompt]))


@dataclass(frozen=True, eq=False)
class WalkedRollouts(Rollouts):
    """Rollouts as the pairs they take (H, G, n, S), n_pairs where a rollout has ended."""

    env: TAMDP
    pairs: Ints
    outcome: Ints

    @property
    def reward_class(self) -> Ints:
        return self.outcome

    def flow(self, coefficient: Floats) -> Floats:
        seeds = coefficient.shape[-1]
        cell = self.pairs * seeds + np.arange(seeds)
        repeated = np.broadcast_to(coefficient, cell.shape)
        sums = np.bincount(cell.ravel(), repeated.ravel(), minlength=(self.env.n_pairs + 1) * seeds)
        return sums.reshape(-1, seeds)[:-1].astype(np.float64, copy=False)

    def along(self, pair_values: Floats) -> Floats:
        extended = np.concatenate([pair_values, np.zeros((1, pair_values.shape[1]))])
        result: Floats = extended[self.pairs, np.arange(pair_values.shape[1])].sum(axis=0)
        return result


class WalkingSampler(Sampler):
    """Walks decision by decision: two uniform numbers each, one for the action and one for the successor."""

    def __init__(self, env: TAMDP) -> None:
        self.env, self.uniforms = env, 2 * env.horizon
        kernel = env.kernel
        self._edges = np.diff(kernel.indptr)
        self._cumulative = np.concatenate([np.cumsum(row) for row in np.split(kernel.data, kernel.indptr[1:-1])])

    def draw(self, pi: Floats, prompt: Ints, uniform: Floats) -> Rollouts:
        env, kernel, shape = self.env, self.env.kernel, uniform.shape[1:]
        seeds = np.broadcast_to(np.arange(shape[-1]), shape).ravel()
        node = np.broadcast_to(env.prompt_start[prompt], shape).ravel().copy()
        pairs = np.full((env.horizon, node.size), env.n_pairs)
        reward_class = np.empty(node.size, dtype=np.int64)
        going = np.arange(node.size)
        for step in range(env.horizon):
            at, u = node[going], uniform[2 * step].ravel()[going]
            slot, reached = np.zeros(len(going), dtype=np.int64), np.zeros(len(going))
            for action in range(int(env.pair_count[at].max()) - 1):
                more = action < env.pair_count[at] - 1
                reached += np.where(more, pi[np.minimum(env.pair_start[at] + action, env.n_pairs - 1), seeds[going]], 0.0)
                slot += more & (reached <= u)
            pair = env.pair_start[at] + slot
            u = uniform[2 * step + 1].ravel()[going]
            edge = np.zeros(len(going), dtype=np.int64)
            for successor in range(int(self._edges[pair].max()) - 1):
                more = successor < self._edges[pair] - 1
                edge += more & (self._cumulative[np.minimum(kernel.indptr[pair] + successor, len(self._cumulative) - 1)] <= u)
            target = kernel.indices[kernel.indptr[pair] + edge].astype(np.int64)
            pairs[step, going] = pair
            ended = target >= env.n_nodes
            reward_class[going[ended]] = target[ended] - env.n_nodes
            node[going] = target
            going = going[~ended]
            if not len(going):
                break
        return WalkedRollouts(env, pairs.reshape(env.horizon, *shape), reward_class.reshape(shape))
