"""The tool-augmented Markov decision process (theory.md section 1), compiled once to flat arrays.

Four index sets, each in file order, so that nothing needs translating at the borders:

    node  x   a decision point;                   theta has one logit per (x, action slot)
    pair  i   a node and one legal action;        the pairs of a node are contiguous
    edge  e   a pair and one possible successor;  the edges of a pair are contiguous
    class c   a prompt and one reward vector;     terminal outcomes of a prompt with equal rewards are one class

An edge points to ``edge_target``: a node if below ``n_nodes``, else the class ``edge_target - n_nodes``. ``levels``
sorts the nodes by the longest path that leads to them; every pass of the exact engine is a loop over levels with one
sparse product in each, so its cost is linear in edges. Rationals are kept beside the floats for certificates.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tamdp_theory.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KINDS = ("tool", "think", "answer")
TOOL, THINK, ANSWER = range(3)


@dataclass(frozen=True, eq=False)
class Level:
    """Nodes whose longest incoming path has the same length.

    nodes (n,), pairs (p,) the pairs of these nodes, starts (n,) offsets of each node in ``pairs``; members (n, p) 1
    where a node owns a pair; outgoing (p, n_nodes + n_classes) kernel rows of ``pairs``; incoming (n, n_pairs) kernel
    columns into ``nodes``.
    """

    nodes: Ints
    pairs: Ints
    starts: Ints
    members: sparse.csr_array
    outgoing: sparse.csr_array
    incoming: sparse.csr_array


@dataclass(frozen=True, eq=False)
class TAMDP:
    """A validated, immutable TA-MDP. Make one with ``TAMDP.load``, ``TAMDP.from_dict`` or a family.

    Arrays are read-only; shapes use N prompts, X nodes, P pairs, E edges, C classes, K components. A reward class holds
    the outcomes of one prompt with equal rewards and, where ``class_length`` (C,) is given, of equal length too.
    """

    name: str
    max_tool_depth: int
    component_names: tuple[str, ...]
    exact_weights: tuple[Fraction, ...]
    prompt_names: tuple[str, ...]
    exact_prompt_probability: tuple[Fraction, ...]
    prompt_start: Ints
    node_ids: tuple[str, ...]
    node_depth: Ints
    node_prompt: Ints
    observations: tuple[str, ...]
    action_names: tuple[str, ...]
    pair_node: Ints
    pair_kind: Ints
    edge_pair: Ints
    edge_target: Ints
    edge_number: Ints = field(repr=False)
    numbers: tuple[Fraction, ...] = field(repr=False)
    class_prompt: Ints = field(repr=False)
    exact_class_rewards: tuple[tuple[Fraction, ...], ...] = field(repr=False)
    node_rank: Ints = field(repr=False)
    pair_tokens: Ints = field(repr=False)
    class_length: Ints | None = field(default=None, repr=False)

    # -- making and writing -------------------------------------------------------------------------------------

    @staticmethod
    def load(path: str | Path) -> "TAMDP":
        """Read a tamdp/1 file. Raises InputError with the place and the remedy if anything is off."""
        from tamdp_theory import files

        return files.load(path)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "TAMDP":
        """Build from the content of a tamdp/1 file as Python objects (numbers: int, float, Fraction or "a/b")."""
        from tamdp_theory import files

        return files.from_dict(data)

    def to_dict(self) -> dict[str, Any]:
        """Return the content of the tamdp/1 file that ``from_dict`` reads back unchanged."""
        from tamdp_theory import files

        return files.to_dict(self)

    def save(self, path: str | Path) -> None:
        """Write a tamdp/1 file atomically."""
        from tamdp_theory import files

        files.save(self, path)

    def with_weights(self, weights: tuple[Fraction | float | int | str, ...]) -> "TAMDP":
        """Return the same process with other component weights (K,)."""
        from tamdp_theory import compiling

        return replace(self, exact_weights=compiling.read_weights(weights, self.component_names))

    # -- sizes --------------------------------------------------------------------------------------------------

    @property
    def n_prompts(self) -> int:
        """N."""
        return len(self.prompt_names)

    @property
    def n_nodes(self) -> int:
        """X, decision points over all prompts."""
        return len(self.node_ids)

    @property
    def n_pairs(self) -> int:
        """P, legal actions over all nodes."""
        return len(self.pair_node)

    @property
    def n_edges(self) -> int:
        """E, successors over all pairs."""
        return len(self.edge_pair)

    @property
    def n_classes(self) -> int:
        """C, distinct reward vectors summed over prompts."""
        return len(self.class_prompt)

    @property
    def n_components(self) -> int:
        """K."""
        return len(self.component_names)

    @cached_property
    def n_actions(self) -> int:
        """A_max, the largest number of legal actions at a node."""
        return int(self.pair_count.max())

    @cached_property
    def horizon(self) -> int:
        """H, the largest number of decisions in a trajectory."""
        return int(self.node_rank.max()) + 1

    # -- floats of the exact numbers ----------------------------------------------------------------------------

    @cached_property
    def weights(self) -> Floats:
        """Component weights w (K,), >= 0."""
        result: Floats = _frozen([float(w) for w in self.exact_weights])
        return result

    @cached_property
    def total_weight(self) -> float:
        """W, the sum of the weights, > 0."""
        return float(sum(self.exact_weights))

    @cached_property
    def prompt_probability(self) -> Floats:
        """rho (N,), > 0, sums to one."""
        result: Floats = _frozen([float(p) for p in self.exact_prompt_probability])
        return result

    @cached_property
    def edge_probability(self) -> Floats:
        """p(successor | x, a) of each edge (E,), in (0, 1]."""
        result: Floats = _frozen(np.array([float(p) for p in self.numbers])[self.edge_number])
        return result

    @cached_property
    def class_rewards(self) -> Floats:
        """R of each class (C, K), in [0, 1]."""
        result: Floats = _frozen([[float(r) for r in rewards] for rewards in self.exact_class_rewards])
        return result

    @cached_property
    def exact_class_composite(self) -> tuple[Fraction, ...]:
        """c = sum_k w_k R_k of each class, exactly."""
        return tuple(
            sum((w * r for w, r in zip(self.exact_weights, rewards, strict=True)), Fraction(0))
            for rewards in self.exact_class_rewards
        )

    @cached_property
    def class_composite(self) -> Floats:
        """c of each class (C,), in [0, W]."""
        result: Floats = _frozen([float(c) for c in self.exact_class_composite])
        return result

    # -- index arrays -------------------------------------------------------------------------------------------

    @cached_property
    def pair_start(self) -> Ints:
        """First pair of each node (X,)."""
        result: Ints = _frozen(np.searchsorted(self.pair_node, np.arange(self.n_nodes)))
        return result

    @cached_property
    def pair_count(self) -> Ints:
        """Legal actions of each node (X,)."""
        result: Ints = _frozen(np.bincount(self.pair_node, minlength=self.n_nodes))
        return result

    @cached_property
    def pair_action(self) -> Ints:
        """Action slot of each pair (P,): its place among the actions of its node."""
        result: Ints = _frozen(np.arange(self.n_pairs) - self.pair_start[self.pair_node])
        return result

    @cached_property
    def pair_parameter(self) -> Ints:
        """Place of each pair in the flat tabular parameter vector (P,): node * n_actions + slot."""
        result: Ints = _frozen(self.pair_node * self.n_actions + self.pair_action)
        return result

    @cached_property
    def pair_prompt(self) -> Ints:
        """Prompt of each pair (P,)."""
        result: Ints = _frozen(self.node_prompt[self.pair_node])
        return result

    @cached_property
    def prompt_pairs(self) -> tuple[Ints, ...]:
        """Pairs of each prompt, in file order."""
        return _groups(self.pair_prompt, self.n_prompts)

    @cached_property
    def prompt_classes(self) -> tuple[Ints, ...]:
        """Reward classes of each prompt; contiguous, sorted by reward vector."""
        return _groups(self.class_prompt, self.n_prompts)

    @cached_property
    def class_slot(self) -> Ints:
        """Place of each class among the classes of its prompt (C,)."""
        first = np.searchsorted(self.class_prompt, np.arange(self.n_prompts))
        result: Ints = _frozen(np.arange(self.n_classes) - first[self.class_prompt])
        return result

    @cached_property
    def n_slots(self) -> int:
        """M, the largest number of reward classes of a prompt."""
        return int(self.class_slot.max()) + 1

    @cached_property
    def kernel(self) -> sparse.csr_array:
        """p as a sparse matrix (P, X + C): rows are pairs, columns nodes and then classes."""
        shape = (self.n_pairs, self.n_nodes + self.n_classes)
        offsets = np.searchsorted(self.edge_pair, np.arange(self.n_pairs + 1))
        matrix = sparse.csr_array((self.edge_probability.copy(), self.edge_target.copy(), offsets), shape=shape)
        matrix.sum_duplicates()
        return matrix

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """Nodes by longest incoming path, start nodes first."""
        into_nodes = self.kernel[:, : self.n_nodes].T.tocsr()
        levels = []
        for nodes in _groups(self.node_rank, self.horizon):
            counts = self.pair_count[nodes]
            starts = np.cumsum(counts) - counts
            pairs = np.repeat(self.pair_start[nodes] - starts, counts) + np.arange(counts.sum())
            members = _indicator(starts, len(pairs))
            levels.append(
                Level(nodes, pairs, starts, members=members, outgoing=self.kernel[pairs], incoming=into_nodes[nodes])
            )
        return tuple(levels)

    # -- sums over nodes ----------------------------------------------------------------------------------------

    def node_sum(self, values: Floats) -> Floats:
        """Sum an array over pairs (P, ...) within each node: (X, ...)."""
        result: Floats = (self._owned @ values.reshape(self.n_pairs, -1)).reshape(-1, *values.shape[1:])
        return result

    def node_max(self, values: Floats) -> Floats:
        """Largest entry of an array over pairs (P, S) within each node: (X, S)."""
        result = values[self.pair_start]
        for nodes, pairs in self.later_slots:
            result[nodes] = np.maximum(result[nodes], values[pairs])
        return result

    @cached_property
    def _owned(self) -> sparse.csr_array:
        return _indicator(self.pair_start, self.n_pairs)

    @cached_property
    def later_slots(self) -> tuple[tuple[Ints, Ints], ...]:
        """Nodes with more than a actions and their pair in slot a, for a = 1, 2, ..."""
        nodes = [np.flatnonzero(self.pair_count > a) for a in range(1, self.n_actions)]
        return tuple((x, self.pair_start[x] + a) for a, x in enumerate(nodes, start=1))

    def prompt_sum(self, values: Floats) -> Floats:
        """Sum an array over pairs (P, ...) within each prompt: (N, ...)."""
        order, starts = self._by_prompt
        return np.add.reduceat(values[order], starts, axis=0)

    @cached_property
    def _by_prompt(self) -> tuple[Ints, Ints]:
        sizes = np.array([len(pairs) for pairs in self.prompt_pairs])
        return np.concatenate(self.prompt_pairs), np.cumsum(sizes) - sizes

    @cached_property
    def by_length(self) -> "TAMDP":
        """The same process with its reward classes split by the trajectory's length, in tokens.

        InputError where trajectories of several lengths meet in one node.
        """
        from tamdp_theory import lengths

        return self if self.class_length is not None else lengths.split(self)

    def spread_to_pairs(self, values: Floats) -> Floats:
        """Repeat an array over nodes (X, ...) for each pair: (P, ...)."""
        return np.take(values, self.pair_node, axis=0, mode="clip")

    def __repr__(self) -> str:
        return (
            f"TAMDP({self.name!r}: {self.n_prompts} prompts, {self.n_nodes} nodes, {self.n_edges} edges, "
            f"{self.n_components} components, tool depth {self.max_tool_depth}, horizon {self.horizon})"
        )


def check_same_process(env: TAMDP, policy_env: TAMDP) -> None:
    """Raise InputError unless a policy was made for this very environment (or one that shares its decision
    structure).
    """
    same = env is policy_env or (env.node_ids == policy_env.node_ids and env.action_names == policy_env.action_names)
    if not same:
        raise InputError(
            f"the policy belongs to {policy_env.name!r}, not to {env.name!r}; make it with that environment"
        )


def _frozen(values: Any) -> Any:
    array = np.asarray(values)
    array.setflags(write=False)
    return array


def _indicator(starts: Ints, columns: int) -> sparse.csr_array:
    """Rows of ones over contiguous column ranges that begin at ``starts``."""
    shape = (len(starts), columns)
    return sparse.csr_array((np.ones(columns), np.arange(columns), np.append(starts, columns)), shape=shape)


def _groups(labels: Ints, count: int) -> tuple[Ints, ...]:
    order = np.argsort(labels, kind="stable")
    return tuple(np.split(order, np.searchsorted(labels[order], np.arange(1, count))))
