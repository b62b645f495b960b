"""Tabular softmax: one logit per node and legal action."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from tamdp_theory.errors import InputError
from tamdp_theory.model import TAMDP, Floats
from tamdp_theory.policies.base import Policy


class TabularSoftmax(Policy):
    """pi(a|x) proportional to exp(logits[x, a]); parameters are the logits, row by row.

    logits (n_nodes, n_actions), float64, finite where legal; illegal entries are ignored and stay at zero. None:
    uniform.
    """

    def __init__(self, env: TAMDP, logits: ArrayLike | None = None) -> None:
        shape = (env.n_nodes, env.n_actions)
        table = np.zeros(shape) if logits is None else np.asarray(logits, dtype=np.float64)
        if table.shape != shape:
            raise InputError(f"logits: expected shape {shape} (n_nodes, n_actions), got {table.shape}")
        parameters = np.zeros(table.size)
        parameters[env.pair_parameter] = table.ravel()[env.pair_parameter]
        bad = np.flatnonzero(~np.isfinite(parameters))
        if len(bad):
            node, slot = divmod(int(bad[0]), env.n_actions)
            raise InputError(
                f"logits[{node}, {slot}] ({env.node_ids[node]!r}): must be finite; every legal action has positive "
                f"probability"
            )
        parameters.setflags(write=False)
        self.env, self.parameters = env, parameters

    @classmethod
    def random(cls, env: TAMDP, generator: np.random.Generator, scale: float = 1.0) -> Self:
        """Return a policy with independent normal logits of standard deviation ``scale``."""
        return cls(env, scale * generator.standard_normal((env.n_nodes, env.n_actions)))

    @classmethod
    def like(cls, policy: Policy) -> Self:
        """Return the tabular policy with the probabilities of another policy."""
        return cls(policy.env, np.where(policy.probabilities() > 0, policy.log_probabilities(), 0.0))

    @property
    def is_tabular(self) -> bool:
        return True

    @property
    def logits(self) -> Floats:
        """(n_nodes, n_actions)."""
        return self.parameters.reshape(self.env.n_nodes, self.env.n_actions)

    def with_parameters(self, parameters: ArrayLike) -> Self:
        table = np.asarray(parameters, dtype=np.float64)
        if table.shape != self.parameters.shape:
            raise InputError(f"parameters: expected shape {self.parameters.shape}, got {table.shape}")
        return type(self)(self.env, table.reshape(self.env.n_nodes, self.env.n_actions))

    def pair_logits(self, parameters: Floats) -> Floats:
        return parameters[self.env.pair_parameter]

    def pull_back(self, sensitivities: Floats, parameters: Floats) -> Floats:
        result = np.zeros((self.n_parameters, sensitivities.shape[1]))
        result[self.env.pair_parameter] = sensitivities
        return result
