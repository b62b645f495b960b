"""Sampled GRPO as one jitted JAX program: the peer of the sampled trainer.

The same algorithm on padded dense tables: node softmax, G trajectories per prompt, group normalization, policy-gradient
flow, ascent; ``vmap`` over seeds inside ``lax.scan`` over steps, float64. What makes it fast:

- one uniform number per rollout, whose remainder after each choice is uniform again, instead of two per decision;
- actions and successors by comparison with cumulative probabilities (inverse CDF), not by Gumbel noise;
- one scatter per rollout, at its last decision, and a sum up the tree over the few nodes below the root;
- one shard of seeds per core, since scatters of one shard are serial.

For trees only: each node has one parent, and a pair at most two successors, as in ``families.random_tree``.
"""

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from tamdp_theory.model import TAMDP, Floats


class Tables:
    """A tree as padded arrays: Q prompts, N node places, A action slots, two successors; flat cell (q, n, a) and (q, n,
    a, j).
    """

    def __init__(self, env: TAMDP) -> None:
        kernel, prompts, actions = env.kernel, env.n_prompts, env.n_actions
        place, used = np.empty(env.n_nodes, dtype=np.int64), np.zeros(prompts, dtype=np.int64)
        for x in np.argsort(env.node_rank, kind="stable"):
            place[x] = used[env.node_prompt[x]]
            used[env.node_prompt[x]] += 1
        self.shape = (prompts, int(used.max()), actions)
        cells = int(np.prod(self.shape))
        self.cell_of_node = env.node_prompt * self.shape[1] + place
        self.root = self.cell_of_node[env.prompt_start]
        self.legal = np.zeros(cells, dtype=bool)
        self.first = np.full(cells, 2.0)  # probability of the first successor, out of reach where it is the only one
        self.next = np.full((cells, 2), -1)
        self.reward = np.zeros((cells, 2))
        parent = np.full(prompts * self.shape[1], -1)
        for pair, node in enumerate(env.pair_node):
            cell = self.cell_of_node[node] * actions + env.pair_action[pair]
            self.legal[cell] = True
            low, high = kernel.indptr[pair : pair + 2]
            if high - low > 2:
                raise ValueError("the JAX peer takes at most two successors per action")
            if high - low == 2:
                self.first[cell] = kernel.data[low]
            for j, target in enumerate(kernel.indices[low:high]):
                if target < env.n_nodes:
                    self.next[cell, j] = self.cell_of_node[target]
                    parent[self.cell_of_node[target]] = cell
                else:
                    self.reward[cell, j] = env.class_composite[target - env.n_nodes]
        rank = np.full(prompts * self.shape[1], -1)
        rank[self.cell_of_node] = env.node_rank
        self.below = [(np.flatnonzero(rank == r), parent[rank == r]) for r in range(env.horizon - 1, 0, -1)]


def make_program(
    env: TAMDP, seeds: int, steps: int, group_size: int, learning_rate: float, cores: int | None = None
) -> Callable[[int], Floats]:
    """Compile training of ``seeds`` runs; the result maps a seed to the final logits (seeds, n_nodes, n_actions).

    Normalization: sum_then_normalize with eps = 0, ddof = 0. Cores beyond the number of seeds are left out. Raises
    ImportError without JAX.
    """
    jax: Any = import_module("jax")
    cores = min(cores or os.cpu_count() or 1, seeds)
    while seeds % cores:
        cores -= 1
    jax.config.update("jax_num_cpu_devices", cores)
    jax.config.update("jax_enable_x64", True)
    mesh = jax.make_mesh((cores,), ("seed",), devices=jax.devices("cpu")[:cores])
    spec = jax.sharding.PartitionSpec("seed")
    tables = Tables(env)
    step = _step(env, tables, group_size, learning_rate)

    def train(keys: Any, theta: Any) -> Any:
        def body(theta: Any, t: Any) -> tuple[Any, None]:
            return jax.vmap(step)(theta, jax.vmap(jax.random.fold_in, (0, None))(keys, t)), None

        return jax.lax.scan(body, theta, jax.numpy.arange(steps))[0]

    program = jax.jit(jax.shard_map(train, mesh=mesh, in_specs=(spec, spec), out_specs=spec))
    shards = jax.sharding.NamedSharding(mesh, spec)
    start = jax.device_put(np.zeros((seeds, *tables.shape)), shards)

    def run(seed: int) -> Floats:
        keys = jax.device_put(jax.random.split(jax.random.key(seed), seeds), shards)
        theta = np.asarray(program(keys, start))
        return theta.reshape(seeds, -1, env.n_actions)[:, tables.cell_of_node]

    run(0)
    return run


def _step(env: TAMDP, tables: Tables, group_size: int, learning_rate: float) -> Callable[[Any, Any], Any]:
    """One step of one seed: theta (Q, N, A), key -> theta."""
    jax: Any = import_module("jax")
    jnp = jax.numpy
    (prompts, places, actions), depth = tables.shape, env.horizon
    legal = tables.legal.reshape(tables.shape)
    mask = jnp.array(
        np.where(legal | ~legal.any(-1, keepdims=True), 0.0, -np.inf)
    )  # places without a node: anything finite
    first, reward = jnp.array(tables.first), jnp.array(tables.reward.ravel())
    following = jnp.array(tables.next.ravel(), jnp.int32)
    root, gain = jnp.array(tables.root, jnp.int32)[:, None], jnp.array(env.prompt_probability)[:, None] / group_size

    def take(table: Any, index: Any) -> Any:
        return table.at[index].get(mode="promise_in_bounds")

    def step(theta: Any, key: Any) -> Any:
        pi = jax.nn.softmax(theta + mask)
        cumulative = jnp.cumsum(pi, -1)[..., :-1].ravel()
        u = jax.random.uniform(key, (prompts, group_size), dtype=jnp.float64)
        node, last = root, jnp.zeros(u.shape, jnp.int32)
        ended = jnp.zeros(u.shape, bool)
        for t in range(depth):
            bounds = [take(cumulative, node * (actions - 1) + a) for a in range(actions - 1)]
            cell = node * actions + sum((u >= bound).astype(jnp.int32) for bound in bounds)
            low, high = jnp.zeros(()), jnp.ones(())
            for bound in bounds:
                low = jnp.where(u >= bound, bound, low)
            for bound in reversed(bounds):
                high = jnp.where(u < bound, bound, high)
            rest, p = (u - low) / (high - low), take(first, cell)
            second = rest >= p
            u = jnp.where(second, (rest - p) / (1 - p), rest / p)
            edge = 2 * cell + second.astype(jnp.int32)
            last = jnp.where(ended, last, edge)
            if t < depth - 1:
                successor = take(following, edge)
                ended |= successor < 0
                node = jnp.where(ended, node, successor)
        composite = take(reward, last)
        centred = composite - composite.mean(-1, keepdims=True)
        spread = composite.max(-1, keepdims=True) - composite.min(-1, keepdims=True)
        deviation = jnp.sqrt((centred**2).mean(-1, keepdims=True))
        advantage = jnp.where(spread > 1e-12, centred / deviation, 0.0) * gain  # where() drops 0/0 of a silent group
        flow = (
            jnp.zeros(prompts * places * actions)
            .at[(last // 2).ravel()]
            .add(advantage.ravel(), mode="promise_in_bounds")
        )
        for nodes, parents in tables.below:
            flow = flow.at[parents].add(flow.reshape(-1, actions)[nodes].sum(-1), mode="promise_in_bounds")
        flow = flow.reshape(tables.shape)
        return theta + learning_rate * (flow - pi * flow.sum(-1, keepdims=True))

    return step
