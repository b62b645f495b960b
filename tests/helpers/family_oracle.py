"""Exact values by plain recursion over a file's content. Shares no code with the package; every number is a
Fraction.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

Rewards = tuple[Fraction, ...]
Law = dict[Rewards, Fraction]
Policy = Callable[[str, str], Fraction]  # (node id, action name) -> probability


def rational(value: Any) -> Fraction:
    return Fraction(str(value)) if isinstance(value, float) else Fraction(value)


@dataclass
class Process:
    """The parts of a tamdp/1 file: actions[node][action] = [(probability, node id or rewards)]."""

    weights: Rewards
    prompts: dict[str, tuple[Fraction, str]]
    actions: dict[str, dict[str, list[tuple[Fraction, Any]]]]
    kinds: dict[tuple[str, str], str]
    depth: dict[str, int]
    observation: dict[str, str]


def read(data: dict[str, Any]) -> Process:
    def edge(content: dict[str, Any]) -> tuple[Fraction, Any]:
        successor = content["node"] if "node" in content else tuple(map(rational, content["rewards"]))
        return rational(content["probability"]), successor

    nodes = data["nodes"]
    return Process(
        tuple(rational(c["weight"]) for c in data["components"]),
        {p["name"]: (rational(p["probability"]), p["start"]) for p in data["prompts"]},
        {n["id"]: {a["name"]: [edge(e) for e in a["next"]] for a in n["actions"]} for n in nodes},
        kinds={(n["id"], a["name"]): a["kind"] for n in nodes for a in n["actions"]},
        depth={n["id"]: n["depth"] for n in nodes},
        observation={n["id"]: n.get("observation", "") for n in nodes},
    )


def uniform(process: Process) -> Policy:
    return lambda node, _: Fraction(1, len(process.actions[node]))


def law(process: Process, policy: Policy, prompt: str) -> Law:
    """The law of the reward vector at a prompt."""
    known: dict[str, Law] = {}

    def at(node: str) -> Law:
        if node not in known:
            total: Law = {}
            for action, edges in process.actions[node].items():
                for p, successor in edges:
                    share = policy(node, action) * p
                    for rewards, q in (
                        at(successor) if isinstance(successor, str) else {successor: Fraction(1)}
                    ).items():
                        if share * q:
                            total[rewards] = total.get(rewards, Fraction(0)) + share * q
            known[node] = total
        return known[node]

    return at(process.prompts[prompt][1])


def means(process: Process, policy: Policy) -> list[Fraction]:
    """E R_k over prompts and trajectories."""
    result = [Fraction(0)] * len(process.weights)
    for prompt, (rho, _) in process.prompts.items():
        for rewards, p in law(process, policy, prompt).items():
            result = [r + rho * p * x for r, x in zip(result, rewards, strict=True)]
    return result


def composite(process: Process, rewards: Rewards | list[Fraction]) -> Fraction:
    return sum((w * r for w, r in zip(process.weights, rewards, strict=True)), Fraction(0))


def optimum(process: Process) -> tuple[Fraction, dict[str, dict[str, Fraction]]]:
    """The optimal composite value, and the optimal value of every action of every node."""
    best: dict[str, Fraction] = {}
    table: dict[str, dict[str, Fraction]] = {}

    def value(successor: Any) -> Fraction:
        if not isinstance(successor, str):
            return composite(process, successor)
        if successor not in best:
            actions = process.actions[successor].items()
            table[successor] = {a: sum((p * value(s) for p, s in edges), Fraction(0)) for a, edges in actions}
            best[successor] = max(table[successor].values())
        return best[successor]

    return sum((rho * value(start) for rho, start in process.prompts.values()), Fraction(0)), table
