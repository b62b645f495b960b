"""Fisher information, Hessian and gradient domination."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from tamdp_theory.errors import CapacityError, InputError
from tamdp_theory.exact.passes import backward, best, forward, score_norm
from tamdp_theory.exact.values import class_rewards_of, score_weight
from tamdp_theory.model import TAMDP, Floats, Ints, check_same_process
from tamdp_theory.policies.base import Policy
from tamdp_theory.policies.loglinear import LogLinear
from tamdp_theory.policies.tabular import TabularSoftmax

MAX_DENSE = 4000
MAX_TIED = 20_000  # edges of a process whose optimal actions are told apart on rationals


def fisher_information(env: TAMDP, policy: Policy) -> Floats:
    """E[s s^T] (d, d), prompts averaged: scores of distinct steps are uncorrelated, so only g g^T terms remain."""
    check_same_process(env, policy.env)
    _check_dense(policy.n_parameters, "parameters")
    taken = forward(env, policy.pair_probability[:, None])[1][:, 0] * env.prompt_probability[env.pair_prompt]
    scores = policy.scores()
    # a sparse product adds up in one order whatever the library's threads
    result: Floats = sparse.csr_array(scores.T) @ (taken[:, None] * scores)
    return result


def score_energy(env: TAMDP, policy: Policy) -> Floats:
    """E[||s||^2 | q] of each prompt (N,); tabular: sum_x d(x) (1 - sum_a pi^2), L2."""
    check_same_process(env, policy.env)
    pi = policy.pair_probability[:, None]
    taken = forward(env, pi)[1][:, 0]
    if policy.is_tabular:
        norm = score_norm(env, pi)[:, 0]
    else:
        scores = policy.scores()
        norm = np.einsum("pd,pd->p", scores, scores)
    return env.prompt_sum(taken * norm)


def score_norm_bound(env: TAMDP, policy: Policy, think_weight: float = 1.0) -> Floats:
    """Largest eigenvalue of E[s s^T | q] of each prompt (N,), >= 0; at most 1/2 for tabular policies with think_weight
    1.

    Tabular with full scores: block diagonal, d(x) (diag pi - pi pi^T). Otherwise a dense matrix: scores at one node
    need not be centred if its actions have different weights, so products of different decisions stay. CapacityError
    where it does not fit.
    """
    check_same_process(env, policy.env)
    weight = score_weight(env, think_weight)
    pi = policy.pair_probability
    visits, taken = (array[:, 0] for array in forward(env, pi[:, None]))
    largest = np.zeros(env.n_prompts)
    if policy.is_tabular and weight is None:
        table = policy.probabilities()
        # pi_a pi_b (e_a - e_b)(e_a - e_b)^T summed over pairs: nothing cancels for nearly deterministic policies
        products = table[:, :, None] * table[:, None, :] * (1 - np.eye(env.n_actions))
        blocks = np.eye(env.n_actions) * products.sum(axis=2)[:, None, :] - products
        np.maximum.at(largest, env.node_prompt, visits * np.linalg.eigvalsh(blocks)[:, -1])
        return largest
    _check_dense(policy.n_parameters, "parameters")
    scores = policy.scores() if weight is None else policy.scores() * weight[:, None]
    tail = np.zeros((env.n_nodes + env.n_classes, policy.n_parameters))
    for level in reversed(env.levels):
        tail[level.nodes] = level.members @ (pi[level.pairs, None] * (scores[level.pairs] + level.outgoing @ tail))
    later = env.kernel @ tail
    for q, pairs in enumerate(env.prompt_pairs):
        # sparse products add up in one order whatever the library's threads
        flow = taken[pairs, None] * scores[pairs]
        own = sparse.csr_array(scores[pairs].T) @ flow
        cross = sparse.csr_array(flow.T) @ later[pairs]
        largest[q] = max(float(np.linalg.eigvalsh(own + cross + cross.T)[-1]), 0.0)
    return largest


def hessian(env: TAMDP, policy: Policy, class_reward: ArrayLike | None = None) -> Floats:
    """Hessian of J, or of the mean of ``class_reward`` (C,), in the policy's parameters (d, d).

    For policies whose logits are linear in the parameters (tabular, log-linear); InputError otherwise.
    """
    check_same_process(env, policy.env)
    reward = env.class_composite if class_reward is None else class_rewards_of(env, class_reward)
    _check_dense(env.n_pairs, "legal actions")
    _check_dense(policy.n_parameters, "parameters")
    pairs = _logit_hessian(env, policy.pair_probability[:, None], reward)
    if isinstance(policy, LogLinear):
        return policy.pull_back_each(policy.pull_back_each(pairs).T)
    if isinstance(policy, TabularSoftmax):
        result = np.zeros((policy.n_parameters, policy.n_parameters))
        result[np.ix_(env.pair_parameter, env.pair_parameter)] = pairs
        return result
    raise InputError(
        f"hessian: logits of {type(policy).__name__} are not linear in its parameters; use TabularSoftmax or LogLinear"
    )


def _logit_hessian(env: TAMDP, pi: Floats, reward: Floats) -> Floats:
    """Both passes differentiated in the direction of every logit at once: (P, P)."""
    node, pair = backward(env, pi, reward[:, None, None])
    value, q = node[:, 0], pair[:, 0]
    occupancy, taken = forward(env, pi)
    count = env.n_pairs
    direction = np.eye(count)
    pi_dot = pi * (direction - env.spread_to_pairs(env.node_sum(pi * direction)))
    value_dot = np.zeros((env.n_nodes + env.n_classes, count))
    q_dot = np.empty((count, count))
    for level in reversed(env.levels):
        rows = level.pairs
        q_dot[rows] = level.outgoing @ value_dot
        value_dot[level.nodes] = level.members @ (pi_dot[rows] * q[rows] + pi[rows] * q_dot[rows])
    taken_dot = np.zeros((count, count))
    for rank, level in enumerate(env.levels):
        inflow = np.zeros((env.n_nodes, count))
        if rank:
            inflow[level.nodes] = level.incoming @ taken_dot
        owner = env.pair_node[level.pairs]
        taken_dot[level.pairs] = pi_dot[level.pairs] * occupancy[owner] + pi[level.pairs] * inflow[owner]
    advantage = q - env.spread_to_pairs(value)
    result = taken_dot * advantage + taken * (q_dot - env.spread_to_pairs(value_dot[: env.n_nodes]))
    return result * env.prompt_probability[env.pair_prompt, None]


def reward_range(env: TAMDP, class_reward: ArrayLike | None = None) -> Floats:
    """osc of a reward over the outcomes of each prompt (N,); None: the composite."""
    reward = env.class_composite if class_reward is None else class_rewards_of(env, class_reward)
    return np.array([np.ptp(reward[classes]) for classes in env.prompt_classes])


@dataclass(frozen=True)
class GradientDomination:
    """optimum J*_r, constant C_r(theta) of L4, gap J*_r - J_r(theta), comparator: the pair chosen at each node (X,).

    prompt_optimum, prompt_value, prompt_constant (N,): the same on each prompt alone. C_r depends on the comparator and
    pi only.
    """

    optimum: float
    constant: float
    gap: float
    comparator: Ints
    prompt_optimum: Floats
    prompt_value: Floats
    prompt_constant: Floats


def gradient_domination(env: TAMDP, policy: Policy, class_reward: ArrayLike | None = None) -> GradientDomination:
    """The constant of L4: J*_r - J_r(theta) <= C_r(theta) ||grad J_r(theta)|| for a tabular policy.

    Among optimal actions the comparator takes the one with the smallest C (exactly on trees, a valid choice on any
    process).
    """
    check_same_process(env, policy.env)
    if not policy.is_tabular:
        raise InputError("gradient_domination: L4 is a statement about tabular policies")
    reward = env.class_composite if class_reward is None else class_rewards_of(env, class_reward)
    pi = policy.pair_probability[:, None]
    value, pair_value = (array[:, 0] for array in best(env, reward[:, None]))
    # wider floats: 1 / taken of a very unlikely action, and its square, leave the range of float64 where the constant
    # need not
    wide = np.longdouble
    taken = forward(env, np.exp(policy.pair_log_probability.astype(wide))[:, None])[1][:, 0]
    shortfall = (env.spread_to_pairs(value) - pair_value) / np.maximum(
        reward_range(env, reward)[env.pair_prompt], np.finfo(np.float64).tiny
    )
    worse = shortfall > 1e-12
    nearly = shortfall <= 1e-9
    if (
        class_reward is None
        and len(env.edge_pair) <= MAX_TIED
        and (env.node_sum(nearly[:, None].astype(np.float64)) > 1).any()
    ):
        worse = _worse_exactly(env)  # floats cannot tell equal values from nearly equal ones
    squared = env.kernel.astype(wide)
    squared.data = squared.data**2
    with np.errstate(divide="ignore", over="ignore"):
        inverse = 1 / taken
        price = inverse**2
    cost = np.zeros(env.n_nodes + env.n_classes, dtype=wide)
    comparator = np.empty(env.n_nodes, dtype=np.int64)
    for level in reversed(env.levels):
        rows = level.pairs
        pair_cost = price[rows] + squared[rows] @ cost
        order = np.lexsort((pair_cost, worse[rows], env.pair_node[rows]))
        comparator[level.nodes] = rows[order[level.starts]]
        cost[level.nodes] = pair_cost[order[level.starts]]
    chosen = np.zeros((env.n_pairs, 1))
    chosen[comparator] = 1.0
    visits = forward(env, chosen.astype(wide))[0][:, 0]
    seen = visits > 0
    squares = np.zeros(env.n_prompts, dtype=wide)
    with np.errstate(over="ignore"):  # beyond float64: no bound
        np.add.at(squares, env.node_prompt[seen], (visits[seen] * inverse[comparator[seen]]) ** 2)
        constants = np.sqrt(squares).astype(np.float64)
        constant = float(np.sqrt(squares.sum()))
    start = env.prompt_start
    current = backward(env, pi, reward[:, None, None])[0][start, 0, 0]
    optimum = backward(env, chosen, reward[:, None, None])[0][start, 0, 0]
    rho = env.prompt_probability
    gap = float((rho * (optimum - current)).sum())
    return GradientDomination(
        float((rho * optimum).sum()),
        constant,
        gap,
        comparator=comparator,
        prompt_optimum=optimum,
        prompt_value=current,
        prompt_constant=constants,
    )


def _worse_exactly(env: TAMDP) -> NDArray[np.bool_]:
    """Whether an action's optimal value is below that of its node's best, decided on rationals (P,)."""
    value: list[Fraction] = [Fraction(0)] * env.n_nodes + list(env.exact_class_composite)
    worse = np.zeros(env.n_pairs, dtype=np.bool_)
    edges = np.searchsorted(env.edge_pair, np.arange(env.n_pairs + 1)).tolist()
    for x in np.argsort(-env.node_rank, kind="stable").tolist():
        own = range(int(env.pair_start[x]), int(env.pair_start[x] + env.pair_count[x]))
        worth = [
            sum(
                (
                    env.numbers[env.edge_number[e]] * value[int(env.edge_target[e])]
                    for e in range(edges[pair], edges[pair + 1])
                ),
                Fraction(0),
            )
            for pair in own
        ]
        value[x] = max(worth)
        worse[own.start : own.stop] = [w < value[x] for w in worth]
    return worse


def _check_dense(size: int, what: str) -> None:
    if size > MAX_DENSE:
        raise CapacityError(
            f"{size:,} {what} make a dense matrix over the limit of {MAX_DENSE:,}; use a smaller process or policy"
        )
