"""Batches by brute force: every ordered batch of B groups of G trajectories, with prompts drawn or given. Shares no
code with the package: trajectories come from tests/helpers/oracle.py, a rule turns arrays of a batch into advantages.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.helpers import oracle

# rewards (..., B, G, K), weights (K,) and tokens (..., B, G) to advantages (..., B, G)
Rule = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclass
class Listed:
    """Mean (d,), second moment and variance of a batch's update."""

    mean: np.ndarray
    second_moment: float
    variance: float


def process() -> dict[str, Any]:
    """Two prompts, a stochastic tool, graded components, trajectories of 1 to 5 tokens; three of each prompt."""

    def end(probability: object, *rewards: object) -> dict[str, Any]:
        return {"probability": probability, "rewards": list(rewards)}

    def action(name: str, kind: str, tokens: int, *successors: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, "kind": kind, "tokens": tokens, "next": list(successors)}

    tool = action("look", "tool", 2, {"probability": "1/4", "node": "a1"}, {"probability": "3/4", "node": "a2"})
    return {
        "schema": "tamdp/1",
        "name": "two prompts",
        "max_tool_depth": 1,
        "components": [{"name": "x", "weight": 1}, {"name": "y", "weight": "1/2"}],
        "prompts": [
            {"name": "a", "probability": "1/4", "start": "a0"},
            {"name": "b", "probability": "3/4", "start": "b0"},
        ],
        "nodes": [
            {"id": "a0", "depth": 0, "actions": [tool, action("guess", "answer", 1, end(1, 0, "1/2"))]},
            {"id": "a1", "depth": 1, "actions": [action("say", "answer", 3, end(1, 1, "1/4"))]},
            {"id": "a2", "depth": 1, "actions": [action("say", "answer", 1, end(1, 0, 0))]},
            {
                "id": "b0",
                "depth": 0,
                "actions": [
                    action("long", "answer", 4, end(1, 1, 1)),
                    action("short", "answer", 1, end("1/2", 0, "1/4"), end("1/2", 1, 0)),
                ],
            },
        ],
    }


def brute(
    content: dict[str, Any],
    table: np.ndarray,
    scores: dict[tuple[int, int], np.ndarray],
    rule: Rule,
    sizes: tuple[int, int],
    aggregation: str = "trajectory",
    prompts: Sequence[int] | None = None,
    kept: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Listed:
    """The update (1 / BG) sum A f s of every batch of B = sizes[0] groups of G = sizes[1], all of which are kept: from
    composites (..., G) to whether a group is (...).
    """
    batch, size = sizes
    paths = oracle.paths(content, table)
    tokens = np.array([sum(content["nodes"][x]["actions"][a]["tokens"] for x, a in path.decisions) for path in paths])
    vectors = np.stack([oracle.score(path, scores) for path in paths])
    rewards = np.array([[float(r) for r in path.rewards] for path in paths])
    weights = np.array([float(oracle.rational(c["weight"])) for c in content["components"]])
    groups = [
        [
            group
            for group in itertools.product(range(len(paths)), repeat=size)
            if {paths[i].prompt for i in group} == {q}
        ]
        for q in range(len(content["prompts"]))
    ]
    share = oracle.prompt_weights(content)
    drawn = [[(group, share[q]) for q, own in enumerate(groups) for group in own]] * batch
    if prompts is not None:
        drawn = [[(group, 1.0) for group in groups[q]] for q in prompts]
    chosen = np.array(list(itertools.product(*([i for i, _ in enumerate(place)] for place in drawn))))
    members = np.stack([np.array([g for g, _ in place])[chosen[:, b]] for b, place in enumerate(drawn)], axis=1)
    chance = np.prod([np.array([p for _, p in place])[chosen[:, b]] for b, place in enumerate(drawn)], axis=0)
    chance = chance * np.array([path.probability for path in paths])[members].prod(axis=(1, 2))
    if kept is not None:
        chance = chance * kept(rewards[members] @ weights).all(axis=1)
        chance = chance / chance.sum()
    lengths = tokens[members]
    gains = rule(rewards[members], weights, lengths)
    if aggregation == "sequence_mean":
        gains = gains / lengths
    if aggregation == "constant":
        gains = gains / tokens.max()
    if aggregation == "token_mean":
        gains = gains * (batch * size / lengths.sum(axis=(1, 2)))[:, None, None]
    # by how much each trajectory is taken in each batch
    taken = np.zeros((len(members), len(paths)))
    rows = np.broadcast_to(np.arange(len(members))[:, None, None], members.shape)
    np.add.at(taken, (rows, members), gains)
    g = taken @ vectors / (batch * size)
    mean, second = chance @ g, float(chance @ (g**2).sum(axis=1))
    return Listed(mean, second, second - float(mean @ mean))


def over(spread: np.ndarray, eps: float, guard: str) -> np.ndarray:
    """1 / a guarded deviation of a variance; 0 where it is 0. Variances of quarters and eighths are not below 1e-9."""
    spread = np.where(spread < 1e-20, 0.0, spread)
    below = {
        "deviation": np.sqrt(spread) + eps,
        "variance": np.sqrt(spread + eps),
        "floor": np.sqrt(np.maximum(spread, eps)),
    }[guard]
    return np.where(below > 0, 1 / np.where(below > 0, below, 1.0), 0.0)


def whitened(
    x: np.ndarray, lengths: np.ndarray, of_tokens: bool, eps: float, ddof: int, guard: str = "deviation"
) -> np.ndarray:
    """(x - mean) over the guarded deviation, both over the batch's sequences or tokens."""
    count = lengths.astype(float) if of_tokens else np.ones_like(x)
    whole = count.sum(axis=(-2, -1), keepdims=True)
    mean = (count * x).sum(axis=(-2, -1), keepdims=True) / whole
    spread = (count * (x - mean) ** 2).sum(axis=(-2, -1), keepdims=True) / (whole - ddof)
    return (x - mean) * over(spread, eps, guard)


def centred(c: np.ndarray) -> np.ndarray:
    """Less the mean of the group."""
    return c - c.mean(axis=-1, keepdims=True)


def decomposed(rewards: np.ndarray, weights: np.ndarray, eps: float, ddof: int) -> np.ndarray:
    """Each component standardized in its group, summed with the weights."""
    gap = rewards - rewards.mean(axis=-2, keepdims=True)
    spread = (gap**2).sum(axis=-2, keepdims=True) / (rewards.shape[-2] - ddof)
    return (gap * over(spread, eps, "deviation")) @ weights
