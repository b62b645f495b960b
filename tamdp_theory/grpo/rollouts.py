"""Drawing groups for many seeds at once.

Where the trajectories of a process can be listed, their exact law is known at every step, so one uniform number per
rollout and a binary search in the law give the whole trajectory (``ListedSampler``); the gradient then needs only the
sum of coefficients per trajectory. Larger processes are walked decision by decision (``WalkingSampler``). Both draw
from the same law.

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
        return np.take_along_axis(
            self.paths.visits @ pair_values, self.index.reshape(-1, self.index.shape[-1]), axis=0
        ).reshape(self.index.shape)


class ListedSampler(Sampler):
    """Inverts the cumulated law of the trajectories of each prompt.

    A prompt's trajectories are cut into at most 16 or so blocks of equal length. Row j of the table of blocks holds the
    j-th trajectory of every block, so cumulating within blocks is a few additions of long rows. A block is found by
    comparing with every block's end, a trajectory within it by bisection.
    """

    uniforms = 1

    def __init__(self, paths: Trajectories) -> None:
        self.env, self.paths = paths.env, paths
        counts = np.bincount(paths.prompt, minlength=self.env.n_prompts)
        first = np.cumsum(counts) - counts
        self._block = max(8, 1 << int((counts.max() - 1) // 16).bit_length())
        blocks = -(-counts // self._block)
        self._first_block = np.cumsum(blocks) - blocks
        self._end_block = self._first_block + blocks
        total = int(blocks.sum())
        # places past a prompt's last trajectory stand for it with probability zero
        prompt = np.repeat(np.arange(self.env.n_prompts), blocks)
        place = (np.arange(total) - self._first_block[prompt]) * self._block + np.arange(self._block)[:, None]
        inside = (place < counts[prompt]).ravel()
        self._blocks = total
        self._trajectory = (first[prompt] + np.minimum(place, counts[prompt] - 1)).ravel()
        self._kernel = np.where(inside, paths.kernel[self._trajectory], 0.0)
        self._kernels: dict[int, Floats] = {}
        pairs = paths.pairs[self._trajectory].T
        self._pairs = np.where(pairs < 0, self.env.n_pairs, pairs)
        # for each prompt, the ends of all its blocks but the last; beyond, a row that holds infinity
        slot = np.arange(1, int(blocks.max()))[:, None]
        self._ends = np.where(slot < blocks, self._first_block + slot, total + 1)

    def _kernel_columns(self, width: int) -> Floats:
        """The kernel of each row, repeated: a product of equal shapes is twice as fast as a broadcast one."""
        if width not in self._kernels:
            self._kernels[width] = np.repeat(self._kernel, width).reshape(-1, width)
        return self._kernels[width]

    def cumulative(self, pi: Floats) -> tuple[Floats, Floats]:
        """Law cumulated within blocks (length * blocks, S), and ends of blocks over all prompts (1 + blocks + 1, S)."""
        extended = np.concatenate([pi, np.ones((1, pi.shape[1]))])
        law = np.take(extended, self._pairs[0], axis=0, mode="clip")
        law *= self._kernel_columns(pi.shape[1])
        factor = np.empty_like(law)
        for pairs in self._pairs[1:]:
            law *= np.take(extended, pairs, axis=0, out=factor, mode="clip")
        rows = law.reshape(self._block, self._blocks, pi.shape[1])
        for row in range(1, self._block):
            rows[row] += rows[row - 1]
        ends = np.empty((self._blocks + 2, pi.shape[1]))
        ends[0], ends[-1] = 0.0, np.inf
        np.cumsum(rows[-1], axis=0, out=ends[1:-1])
        return law, ends

    def draw(self, pi: Floats, prompt: Ints, uniform: Floats) -> Rollouts:
        law, ends = self.cumulative(pi)
        u, width = uniform[0], pi.shape[1]
        seeds = np.arange(width)
        before = ends[self._first_block[prompt], seeds]
        target = u * (ends[self._end_block[prompt], seeds] - before)
        target += before
        block, above = np.zeros(u.shape, dtype=np.uint8), np.empty(u.shape, dtype=np.bool_)
        one_prompt_a_row = prompt.shape[-1] == 1
        for end in ends[self._ends[:, prompt[:, 0]]] if one_prompt_a_row else ends[self._ends[:, prompt], seeds]:
            block += np.less_equal(end, target, out=above).view(np.uint8)
        place = self._first_block[prompt] * width + seeds + np.multiply(block, width, dtype=np.int64)
        target -= np.take(ends.ravel(), place, mode="clip")
        flat, probe, stride, step = law.ravel(), np.empty_like(place), self._blocks * width, self._block
        while step > 1:
            step //= 2
            np.add(place, (step - 1) * stride, out=probe)
            np.less_equal(np.take(flat, probe, mode="clip"), target, out=above)
            place += np.multiply(above, step * stride, dtype=np.int64, out=probe)
        place //= width
        return ListedRollouts(self.paths, np.take(self._trajectory, place, mode="clip"))


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
                reached += np.where(
                    more, pi[np.minimum(env.pair_start[at] + action, env.n_pairs - 1), seeds[going]], 0.0
                )
                slot += more & (reached <= u)
            pair = env.pair_start[at] + slot
            u = uniform[2 * step + 1].ravel()[going]
            edge = np.zeros(len(going), dtype=np.int64)
            for successor in range(int(self._edges[pair].max()) - 1):
                more = successor < self._edges[pair] - 1
                edge += more & (
                    self._cumulative[np.minimum(kernel.indptr[pair] + successor, len(self._cumulative) - 1)] <= u
                )
            target = kernel.indices[kernel.indptr[pair] + edge].astype(np.int64)
            pairs[step, going] = pair
            ended = target >= env.n_nodes
            reward_class[going[ended]] = target[ended] - env.n_nodes
            node[going] = target
            going = going[~ended]
            if not len(going):
                break
        return WalkedRollouts(env, pairs.reshape(env.horizon, *shape), reward_class.reshape(shape))
