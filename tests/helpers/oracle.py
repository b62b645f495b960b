"""Brute force over a file's content: every trajectory, every ordered group. Shares no code with the package.

Works on the dictionary form alone; probabilities of transitions and rewards are Fractions, policies are floats.
"""

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np


def rational(value: Any) -> Fraction:
    return Fraction(str(value)) if isinstance(value, float) else Fraction(value)


@dataclass
class Path:
    """One trajectory: its probability given the prompt, rewards, and (node, slot) of each decision."""

    prompt: int
    probability: float
    rewards: tuple[Fraction, ...]
    decisions: tuple[tuple[int, int], ...]


def paths(data: dict[str, Any], table: np.ndarray) -> list[Path]:
    """All trajectories under the policy table (n_nodes, n_actions) of probabilities."""
    index = {node["id"]: x for x, node in enumerate(data["nodes"])}
    found = []

    def walk(prompt: int, x: int, probability: float, decisions: tuple[tuple[int, int], ...]) -> None:
        for a, action in enumerate(data["nodes"][x]["actions"]):
            for edge in action["next"]:
                p = probability * float(table[x, a]) * float(rational(edge["probability"]))
                taken = (*decisions, (x, a))
                if "node" in edge:
                    walk(prompt, index[edge["node"]], p, taken)
                else:
                    found.append(Path(prompt, p, tuple(rational(r) for r in edge["rewards"]), taken))

    for q, prompt in enumerate(data["prompts"]):
        walk(q, index[prompt["start"]], 1.0, ())
    return found


def composite(data: dict[str, Any], rewards: tuple[Fraction, ...]) -> Fraction:
    return sum((rational(c["weight"]) * r for c, r in zip(data["components"], rewards, strict=True)), Fraction(0))


def prompt_weights(data: dict[str, Any]) -> list[float]:
    return [float(rational(p["probability"])) for p in data["prompts"]]


def objective(data: dict[str, Any], table: np.ndarray) -> float:
    rho = prompt_weights(data)
    return sum(rho[p.prompt] * p.probability * float(composite(data, p.rewards)) for p in paths(data, table))


def score(
    path: Path, scores: dict[tuple[int, int], np.ndarray], weight: dict[tuple[int, int], float] | None = None
) -> np.ndarray:
    return sum(scores[d] * (1.0 if weight is None else weight[d]) for d in path.decisions)


def tabular_scores(table: np.ndarray) -> dict[tuple[int, int], np.ndarray]:
    n_nodes, n_actions = table.shape
    result = {}
    for x in range(n_nodes):
        for a in range(n_actions):
            g = np.zeros((n_nodes, n_actions))
            g[x] = -table[x]
            g[x, a] += 1
            result[x, a] = g.ravel()
    return result


def think_weights(data: dict[str, Any], value: float) -> dict[tuple[int, int], float]:
    return {
        (x, a): value if action["kind"] == "think" else 1.0
        for x, node in enumerate(data["nodes"])
        for a, action in enumerate(node["actions"])
    }


def standardize(column: list[Fraction], eps: float, ddof: int) -> list[float]:
    """Zero spread contributes zero; the test for zero is exact."""
    size = len(column)
    mean = sum(column) / size
    largest = max(abs(c - mean) for c in column)
    if largest == 0:
        return [0.0] * size
    # in units of the largest distance, whose square may be below what a float holds
    deviation = math.sqrt(sum(((c - mean) / largest) ** 2 for c in column) / (size - ddof)) * float(largest)
    return [float(c - mean) / (deviation + eps) for c in column]


def advantages(
    data: dict[str, Any], group: list[tuple[Fraction, ...]], normalization: str, eps: float, ddof: int
) -> list[float]:
    weights = [rational(c["weight"]) for c in data["components"]]
    total = [composite(data, rewards) for rewards in group]
    if normalization == "center":
        return [float(c - sum(total) / len(total)) for c in total]
    if normalization == "sum_then_normalize":
        return standardize(total, eps, ddof)
    columns = [standardize([rewards[k] for rewards in group], eps, ddof) for k in range(len(weights))]
    return [sum(float(w) * column[i] for w, column in zip(weights, columns, strict=True)) for i in range(len(group))]


def update(
    data: dict[str, Any],
    table: np.ndarray,
    scores: dict[tuple[int, int], np.ndarray],
    group_size: int,
    normalization: str,
    eps: float = 0.0,
    ddof: int = 0,
    weight: dict[tuple[int, int], float] | None = None,
) -> tuple[np.ndarray, float]:
    """Mean m and variance V by summing over every ordered group of trajectories of every prompt."""
    rho, everything = prompt_weights(data), paths(data, table)
    mean, variance = 0.0, 0.0
    for q, share in enumerate(rho):
        own = [p for p in everything if p.prompt == q]
        vectors = [score(p, scores, weight) for p in own]
        first, second = np.zeros_like(vectors[0]), 0.0
        for members in itertools.product(range(len(own)), repeat=group_size):
            probability = math.prod(own[i].probability for i in members)
            a = advantages(data, [own[i].rewards for i in members], normalization, eps, ddof)
            g = sum(a[j] * vectors[i] for j, i in enumerate(members)) / group_size
            first = first + probability * g
            second += probability * float(g @ g)
        mean = mean + share * first
        variance += share**2 * (second - float(first @ first))
    return mean, variance


def surrogate(
    data: dict[str, Any],
    table: np.ndarray,
    old: np.ndarray,
    group_size: int,
    normalization: str,
    clip: tuple[float, float],
    eps: float = 0.0,
    ddof: int = 0,
) -> float:
    """Clipped surrogate by summing over every ordered group drawn from the old policy."""
    rho, before, after = prompt_weights(data), paths(data, old), paths(data, table)
    total = 0.0
    for q, share in enumerate(rho):
        own = [(p, r.probability / p.probability) for p, r in zip(before, after, strict=True) if p.prompt == q]
        for members in itertools.product(own, repeat=group_size):
            probability = math.prod(p.probability for p, _ in members)
            a = advantages(data, [p.rewards for p, _ in members], normalization, eps, ddof)
            gain = [min(r * a[j], min(max(r, 1 - clip[0]), 1 + clip[1]) * a[j]) for j, (_, r) in enumerate(members)]
            total += share * probability * sum(gain) / group_size
    return total


def divergence(data: dict[str, Any], table: np.ndarray, reference: np.ndarray) -> float:
    rho = prompt_weights(data)
    both = zip(paths(data, table), paths(data, reference), strict=True)
    return sum(rho[p.prompt] * p.probability * math.log(p.probability / r.probability) for p, r in both)
