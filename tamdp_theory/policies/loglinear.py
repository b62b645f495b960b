"""Log-linear policies: logits phi(x, a) . theta, parameters shared between nodes."""

from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from tamdp_theory.errors import InputError
from tamdp_theory.model import TAMDP, Floats
from tamdp_theory.policies.base import Policy, as_parameters


class LogLinear(Policy):
    """pi(a|x) proportional to exp(phi(x, a) . theta).

    features (n_nodes, n_actions, d), finite where legal, or (n_pairs, d); None: one feature per (observation, action
    name), so that nodes which look the same act the same. parameters (d,); None: zero.
    """

    def __init__(self, env: TAMDP, features: ArrayLike | None = None, parameters: ArrayLike | None = None) -> None:
        phi = observation_features(env) if features is None else np.array(features, dtype=np.float64)
        if phi.ndim == 3 and phi.shape[:2] == (env.n_nodes, env.n_actions):
            phi = phi.reshape(env.n_nodes * env.n_actions, phi.shape[2])[env.pair_parameter]
        if phi.ndim != 2 or len(phi) != env.n_pairs:
            raise InputError(
                f"features: expected ({env.n_nodes}, {env.n_actions}, d) or ({env.n_pairs}, d), got {phi.shape}"
            )
        if not np.isfinite(phi).all():
            raise InputError("features: must be finite at legal actions")
        self.env, self.features = env, phi
        self.parameters = as_parameters(
            np.zeros(phi.shape[1]) if parameters is None else np.asarray(parameters), phi.shape[1]
        )

    # sparse products add up each column alone and in order; a dense one may round differently by the number of columns
    @cached_property
    def _sparse(self) -> sparse.csr_array:
        return sparse.csr_array(self.features)

    @cached_property
    def _transposed(self) -> sparse.csr_array:
        return sparse.csr_array(self.features.T)

    def with_parameters(self, parameters: ArrayLike) -> Self:
        return type(self)(self.env, self.features, parameters)

    def pair_logits(self, parameters: Floats) -> Floats:
        result: Floats = self._sparse @ parameters
        return result

    def pull_back(self, sensitivities: Floats, parameters: Floats) -> Floats:
        result: Floats = self._transposed @ sensitivities
        return result


def observation_features(env: TAMDP) -> Floats:
    """One indicator per distinct (observation, action name): (n_pairs, d)."""
    labels = [(env.observations[x], name) for x, name in zip(env.pair_node.tolist(), env.action_names, strict=True)]
    column = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    features = np.zeros((env.n_pairs, len(column)))
    features[np.arange(env.n_pairs), [column[label] for label in labels]] = 1.0
    return features
