"""The same Markov chain in Storm: a sparse DTMC from ``env.kernel`` and a policy, and its expected reward."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from scipy import sparse

from tamdp_theory.model import TAMDP, Floats
from tamdp_theory.policies.base import Policy


def chain(env: TAMDP, policy: Policy) -> sparse.csr_array:
    """Transition matrix over nodes, reward classes and one absorbing state, in that order."""
    states = env.n_nodes + env.n_classes
    shape = (env.n_nodes, env.n_pairs)
    choose = sparse.csr_array((policy.pair_probability, (env.pair_node, np.arange(env.n_pairs))), shape=shape)
    ends = sparse.csr_array(
        (np.ones(env.n_classes + 1), (np.arange(env.n_classes + 1), np.full(env.n_classes + 1, states)))
    )
    inner = (choose @ env.kernel).tocsr()
    inner.resize(env.n_nodes, states + 1)
    matrix = sparse.vstack([inner, ends]).tocsr()
    matrix.sort_indices()
    return matrix


def build(env: TAMDP, matrix: sparse.csr_array) -> Any:
    """A stormpy SparseDtmc: state reward c on entering a class, label "done" at the end. Raises ImportError without
    stormpy.
    """
    storage, models = import_module("stormpy.datastructures"), import_module("stormpy.models")
    states = matrix.shape[0]
    builder = storage.SparseMatrixBuilder[float](rows=states, columns=states, entries=matrix.nnz)
    rows = np.repeat(np.arange(states), np.diff(matrix.indptr))
    builder.add_next_values(rows.tolist(), matrix.indices.tolist(), matrix.data.tolist())
    labels = models.StateLabeling(states)
    for label, state in (("init", int(env.prompt_start[0])), ("done", states - 1)):
        labels.add_label(label)
        labels.add_label_to_state(label, state)
    reward = np.concatenate([np.zeros(env.n_nodes), env.class_composite, [0.0]])
    rewards = {"c": models.SparseRewardModel[float](optional_state_reward_vector=reward.tolist())}
    return models.SparseDtmc[float](models.SparseModelComponents[float](builder.build(), labels, rewards))


def checker(model: Any) -> Callable[[], Any]:
    """A function that returns Storm's result for the expected reward, sound, to 1e-12, with the fastest of the solvers
    tried.
    """
    stormpy: Any = import_module("stormpy")
    settings: Any = import_module("stormpy.environments")
    environment, formula = settings.sound(), stormpy.parse_property('R{"c"}=? [F "done"]')
    environment.solver().set_linear_equation_solver_type(settings.EquationSolverType.NATIVE)
    environment.solver().native().precision = settings.Rational("1/1000000000000")
    return lambda: stormpy.model_checking(model, formula, only_initial_states=False, environment=environment)


def per_prompt(env: TAMDP, result: Any) -> Floats:
    """E[c | q] (N,) from a result."""
    return np.array(result.get_value_vector())[env.prompt_start]
