"""One step of training by brute force."""

import itertools
import math
from typing import Any

import numpy as np

from tamdp_theory import TAMDP, Policy, TabularSoftmax
from tamdp_theory.exact import Scheme
from tests.helpers import oracle


def moved(policy: Policy, shift: np.ndarray) -> np.ndarray:
    """The table of probabilities after a step of the parameters, without the package's softmax."""
    env = policy.env
    logits = np.full((env.n_nodes, env.n_actions), -np.inf)
    parameters = policy.parameters + shift
    table = parameters if isinstance(policy, TabularSoftmax) else policy.features @ parameters  # type: ignore[attr-defined]
    logits[env.pair_node, env.pair_action] = table[env.pair_parameter] if isinstance(policy, TabularSoftmax) else table
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: np.ndarray = weights / weights.sum(axis=1, keepdims=True)
    return result


def estimates(content: dict[str, Any], policy: Policy, scheme: Scheme) -> list[list[tuple[float, np.ndarray]]]:
    """For each prompt: probability and g of every ordered group of trajectories."""
    env, scores = policy.env, score_table(policy.env, policy)
    everything, found = oracle.paths(content, policy.probabilities()), []
    for q in range(env.n_prompts):
        own = [(p, oracle.score(p, scores)) for p in everything if p.prompt == q]
        found.append([])
        for group in itertools.product(own, repeat=scheme.group_size):
            a = oracle.advantages(content, [p.rewards for p, _ in group], scheme.normalization, scheme.eps, scheme.ddof)
            g = sum(x * s for x, (_, s) in zip(a, group, strict=True)) / scheme.group_size
            found[-1].append((math.prod(p.probability for p, _ in group), np.asarray(g)))
    return found


def score_table(env: TAMDP, policy: Policy) -> dict[tuple[int, int], np.ndarray]:
    return {(int(x), int(a)): g for x, a, g in zip(env.pair_node, env.pair_action, policy.scores(), strict=True)}


def stepped(content: dict[str, Any], policy: Policy, scheme: Scheme, step: float) -> float:
    """E J(theta + eta sum_q rho_q g_q), over every combination of ordered groups of all prompts."""
    rho, total = oracle.prompt_weights(content), 0.0
    for groups in itertools.product(*estimates(content, policy, scheme)):
        shift = sum(share * g for share, (_, g) in zip(rho, groups, strict=True))
        total += math.prod(p for p, _ in groups) * oracle.objective(content, moved(policy, step * np.asarray(shift)))
    return total


def few(content: dict[str, Any], size: int, limit: int) -> bool:
    """Whether the brute force is small."""
    env = TAMDP.from_dict(content)
    everything = oracle.paths(content, np.ones((env.n_nodes, env.n_actions)))
    counts = [sum(p.prompt == q for p in everything) for q in range(env.n_prompts)]
    return math.prod(count**size for count in counts) <= limit
