"""A candidate: an instance as plain numbers that can be moved and rounded, and back."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from bounds import Claim, Instance
from bounds.exact_instance import rational_probabilities
from tamdp_theory import TAMDP, InputError, LogLinear, Policy, TabularSoftmax
from tamdp_theory.exact import Scheme
from tamdp_theory.model import Floats
from tamdp_theory.numbers import fraction

FLOOR = Fraction(1, 10**12)  # of a probability that a search sets


@dataclass(frozen=True, eq=False)
class Shared:
    """A log-linear policy: features (P, d) and parameters (d,)."""

    features: tuple[tuple[Fraction, ...], ...]
    parameters: tuple[Fraction, ...]


Behaviour = tuple[Fraction, ...] | Shared  # probabilities of the pairs, or a log-linear policy


@dataclass(frozen=True, eq=False)
class Candidate:
    """content: of a tamdp/1 file, numbers as Fractions; the rest as in ``bounds.Instance``."""

    content: Mapping[str, Any]
    policy: Behaviour
    scheme: Scheme
    reference: Behaviour | None = None
    think_weight: Fraction = Fraction(1)
    without: tuple[str, ...] = ()
    seed: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of prompts, nodes, actions, edges and components."""
        nodes = self.content["nodes"]
        actions = sum(len(node["actions"]) for node in nodes)
        return (
            len(self.content["prompts"]),
            len(nodes),
            actions,
            sum(1 for _ in edges(self.content)),
            len(self.content["components"]),
        )

    def instance(self) -> Instance:
        """The instance; InputError if the numbers make none."""
        env = TAMDP.from_dict(self.content)
        reference = None if self.reference is None else _policy(env, self.reference)
        return Instance(
            env,
            _policy(env, self.policy),
            self.scheme,
            reference,
            self.seed,
            steps=20,
            runs=64,
            without=self.without,
            think_weight=float(self.think_weight),
            label=str(env.name),
        )


def of_instance(instance: Instance, claim: Claim, without: tuple[str, ...]) -> Candidate | None:
    """The candidate of an instance; None for a policy that has no exact form."""
    policy = _behaviour(instance.policy)
    if policy is None:
        return None
    env, reference = instance.env, None
    if claim.needs_reference:
        given = instance.reference or instance.policy.with_parameters(np.zeros(instance.policy.n_parameters))
        reference = _behaviour(given)
    scheme = instance.scheme
    return Candidate(
        fractions(env.to_dict()),
        policy,
        scheme,
        reference=reference,
        think_weight=fraction(float(instance.think_weight), "think_weight"),
        without=without,
        seed=instance.seed,
    )


def _behaviour(policy: Policy) -> Behaviour | None:
    if isinstance(policy, TabularSoftmax):
        return tuple(rational_probabilities(policy))
    if isinstance(policy, LogLinear):
        rows = tuple(tuple(fraction(float(v), "features") for v in row) for row in policy.features)
        return Shared(rows, tuple(fraction(float(v), "parameters") for v in policy.parameters))
    return None


def _policy(env: TAMDP, behaviour: Behaviour) -> Policy:
    if isinstance(behaviour, Shared):
        return LogLinear(env, np.array(behaviour.features, dtype=float), np.array(behaviour.parameters, dtype=float))
    if len(behaviour) != env.n_pairs or any(p <= 0 for p in behaviour):
        raise InputError("a policy needs one positive probability for each legal action")
    table = np.zeros((env.n_nodes, env.n_actions))
    table[env.pair_node, env.pair_action] = np.log([float(p) for p in behaviour])
    return TabularSoftmax(env, table)


def fractions(content: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a tamdp/1 content with every number that may be a fraction as a Fraction."""
    copy = deepcopy(dict(content))
    for component in copy["components"]:
        component["weight"] = fraction(component["weight"], "weight")
    for prompt in copy["prompts"]:
        prompt["probability"] = fraction(prompt["probability"], "probability")
    for edge in edges(copy):
        edge["probability"] = fraction(edge["probability"], "probability")
        if "rewards" in edge:
            edge["rewards"] = [fraction(r, "rewards") for r in edge["rewards"]]
    return copy


def edges(content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every edge of a content, in file order."""
    for node in content["nodes"]:
        for action in node["actions"]:
            yield from action["next"]


# -- as a vector --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chart:
    """Coordinates of a candidate's continuous numbers, each in [0, 1]: policy, weights, and if ``rewards`` they and the
    transitions.

    Probabilities and weights x stand for e^(10 (x - 1)), normalized; so small ones are reachable.
    """

    start: Candidate
    rewards: bool

    def bounds(self) -> list[tuple[float, float]]:
        """One (0, 1) a coordinate."""
        return [(0.0, 1.0)] * len(self.encode())

    def encode(self) -> Floats:
        """The candidate itself as a vector."""
        found: list[float] = []
        for behaviour in (self.start.policy, self.start.reference):
            if isinstance(behaviour, Shared):
                found += [_squash(v) for row in behaviour.features for v in row] + [
                    _squash(v) for v in behaviour.parameters
                ]
            elif behaviour is not None:
                found += [_logarithm(p) for p in behaviour]
        found += [_logarithm(c["weight"]) for c in self.start.content["components"] if c["weight"]]
        if self.rewards:
            found += [float(r) for edge in edges(self.start.content) for r in edge.get("rewards", ())]
            found += [_logarithm(edge["probability"]) for edge in edges(self.start.content)]
            found += [_logarithm(prompt["probability"]) for prompt in self.start.content["prompts"]]
        return np.array(found)

    def decode(self, vector: Floats) -> Candidate:
        """The candidate at a vector."""
        numbers = iter(np.clip(vector, 0.0, 1.0).tolist())
        content = deepcopy(dict(self.start.content))
        sizes = [len(node["actions"]) for node in content["nodes"]]
        policy = _read(self.start.policy, numbers, sizes)
        reference = None if self.start.reference is None else _read(self.start.reference, numbers, sizes)
        for component in content["components"]:
            if component["weight"]:
                component["weight"] = _exponential(next(numbers))
        if self.rewards:
            for edge in edges(content):
                if "rewards" in edge:
                    edge["rewards"] = [decimal(next(numbers)) for _ in edge["rewards"]]
            for node in content["nodes"]:
                for action in node["actions"]:
                    for edge, p in zip(
                        action["next"], normal([_exponential(next(numbers)) for _ in action["next"]]), strict=True
                    ):
                        edge["probability"] = p
            for prompt, p in zip(
                content["prompts"], normal([_exponential(next(numbers)) for _ in content["prompts"]]), strict=True
            ):
                prompt["probability"] = p
        return replace(self.start, content=content, policy=policy, reference=reference)


def _read(behaviour: Behaviour, numbers: Iterator[float], sizes: Sequence[int]) -> Behaviour:
    if isinstance(behaviour, Shared):
        rows = tuple(tuple(_stretch(next(numbers)) for _ in row) for row in behaviour.features)
        return Shared(rows, tuple(_stretch(next(numbers)) for _ in behaviour.parameters))
    return tuple(p for size in sizes for p in normal([_exponential(next(numbers)) for _ in range(size)]))


def _logarithm(value: Fraction) -> float:
    return min(max(float(np.log(max(float(value), 1e-9))) / 10 + 1, 0.0), 1.0)


def _exponential(x: float) -> Fraction:
    return decimal(float(np.exp(10 * (x - 1))))


def _squash(value: Fraction) -> float:
    return float(np.clip((float(value) + 8) / 16, 0.0, 1.0))


def _stretch(x: float) -> Fraction:
    return decimal(16 * x - 8)


def decimal(value: float) -> Fraction:
    """Nine significant digits, exactly."""
    return Fraction(f"{value:.9g}")


def normal(values: Sequence[Fraction]) -> list[Fraction]:
    """A law with these proportions, in steps of 1e-12, none below ``FLOOR``."""
    total = sum(values, Fraction(0))
    rounded = [max(Fraction(round(v / total * 10**12), 10**12), FLOOR) for v in values]
    top = max(range(len(rounded)), key=lambda j: rounded[j])
    rounded[top] = 1 - sum(rounded[:top] + rounded[top + 1 :], Fraction(0))
    return rounded
