"""What the engine needs of a policy: logits of legal actions, and the pull-back of logit sensitivities to
parameters.
"""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Self

import numpy as np

from tamdp_theory.errors import InputError
from tamdp_theory.model import TAMDP, Floats, Ints


class Policy(ABC):
    """A softmax policy pi_theta(a|x) with full support on legal actions (theory.md section 1).

    ``parameters`` is the flat theta (d,). Subclasses give logits and their Jacobian's pull-back for S parameter vectors
    at once, so that trainers can run many seeds as one batch.
    """

    env: TAMDP
    parameters: Floats

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.env.name!r}, {self.n_parameters} parameters)"

    @abstractmethod
    def with_parameters(self, parameters: Floats) -> Self:
        """Return the same policy at other parameters (d,)."""

    @abstractmethod
    def pair_logits(self, parameters: Floats) -> Floats:
        """Logits (P, S) of the legal actions at parameters (d, S)."""

    @abstractmethod
    def pull_back(self, sensitivities: Floats, parameters: Floats) -> Floats:
        """Return J^T v (d, S) for v (P, S): derivatives with respect to logits, carried to parameters (d, S)."""

    @property
    def is_tabular(self) -> bool:
        """Whether each logit is a parameter of its own, so that scores at distinct nodes are orthogonal."""
        return False

    @property
    def n_parameters(self) -> int:
        """d."""
        return len(self.parameters)

    @cached_property
    def pair_log_probability(self) -> Floats:
        """log pi of each pair (P,)."""
        return log_softmax(self.env, self.pair_logits(self.parameters[:, None]))[:, 0]

    @cached_property
    def pair_probability(self) -> Floats:
        """pi of each pair (P,), in (0, 1]."""
        return np.exp(self.pair_log_probability)

    def log_probabilities(self) -> Floats:
        """log pi (n_nodes, n_actions), -inf where illegal."""
        return to_table(self.env, self.pair_log_probability, -np.inf)

    def probabilities(self) -> Floats:
        """pi (n_nodes, n_actions), 0 where illegal; each row sums to one."""
        return to_table(self.env, self.pair_probability, 0.0)

    def scores(self) -> Floats:
        """g(x, a) = grad log pi(a|x) of each pair (P, d), in the order of ``env.pair_node`` and ``env.pair_action``."""
        env = self.env
        owner = env.pair_node[:, None] == env.pair_node[None, :]
        logit_scores = -np.where(owner, self.pair_probability[:, None], 0.0)
        np.fill_diagonal(logit_scores, others_share(env, self.pair_probability[:, None])[:, 0])
        return np.ascontiguousarray(self.pull_back_each(logit_scores).T)

    def pull_back_each(self, sensitivities: Floats) -> Floats:
        """Return J^T v (d, S) for several v (P, S) at this policy's own parameters."""
        columns = sensitivities.shape[1]
        return self.pull_back(sensitivities, np.repeat(self.parameters[:, None], columns, axis=1))


def log_softmax(env: TAMDP, logits: Floats) -> Floats:
    """log pi (P, S) of logits (P, S), node by node."""
    shifted = logits - env.spread_to_pairs(env.node_max(logits))
    return shifted - env.spread_to_pairs(np.log(env.node_sum(np.exp(shifted))))


def softmax(env: TAMDP, logits: Floats) -> Floats:
    """pi (P, S) of logits (P, S), node by node; one exponential less than exp(log_softmax)."""
    pi = logits - env.spread_to_pairs(env.node_max(logits))
    np.exp(pi, out=pi)
    pi /= env.spread_to_pairs(env.node_sum(pi))
    return pi


def softmax_of_centred(env: TAMDP, logits: Floats) -> Floats:
    """``softmax`` of logits whose mean is zero at each node: the largest is then not negative, so no shift
    is needed.
    """
    pi = np.exp(np.minimum(logits, 700.0))
    pi *= env.spread_to_pairs(1.0 / env.node_sum(pi))
    overflow = (logits > 700.0).any(axis=0)
    if overflow.any():
        pi[:, overflow] = softmax(env, logits[:, overflow])
    return pi


def most_likely(env: TAMDP, pi: Floats) -> Ints:
    """The pair with the largest probability at each node (X, S), the first of equals; pi (P, S)."""
    chosen = np.repeat(env.pair_start[:, None], pi.shape[1], axis=1)
    largest = pi[env.pair_start]
    for nodes, pairs in env.later_slots:
        better = pi[pairs] > largest[nodes]
        chosen[nodes] = np.where(better, pairs[:, None], chosen[nodes])
        largest[nodes] = np.maximum(largest[nodes], pi[pairs])
    return chosen


def others_share(env: TAMDP, pi: Floats) -> Floats:
    """1 - pi of each pair (P, S), of the most likely action summed from the others, so that nothing cancels."""
    leader = most_likely(env, pi)[env.pair_node] == np.arange(env.n_pairs)[:, None]
    result: Floats = np.where(leader, env.spread_to_pairs(env.node_sum(np.where(leader, 0.0, pi))), 1 - pi)
    return result


def to_table(env: TAMDP, values: Floats, fill: float) -> Floats:
    """Lay out an array over pairs (P,) as (n_nodes, n_actions), ``fill`` where illegal."""
    table = np.full(env.n_nodes * env.n_actions, fill)
    table[env.pair_parameter] = values
    return table.reshape(env.n_nodes, env.n_actions)


def as_parameters(parameters: Floats, size: int) -> Floats:
    """Check a flat parameter vector: shape (size,), finite. Returns a read-only float64 copy."""
    array = np.array(parameters, dtype=np.float64)
    if array.shape != (size,):
        raise InputError(f"parameters: expected shape ({size},), got {array.shape}")
    if not np.isfinite(array).all():
        raise InputError("parameters: must be finite; a policy has full support on legal actions")
    array.setflags(write=False)
    return array
