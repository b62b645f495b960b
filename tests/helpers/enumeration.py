"""Everything that an environment can do under a policy with rational probabilities, by playing every sequence of
choices through text.
"""

import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction as F
from typing import Any

import numpy as np

from tamdp_theory.environments import Decision, Environment
from tests.helpers.family_oracle import Law, Policy, Process

Branches = Callable[[int], list[tuple[int, F]]]


class Dice:
    """Stands in for a generator: gives the choices of a script, the first branch beyond its end, and writes down what
    was possible.

    ``branches(n)`` lists (value, probability) of ``integers(n)``.
    """

    def __init__(self, script: list[int], branches: Branches) -> None:
        self.script, self.branches, self.made, self.counts, self.probability = script, branches, 0, [], F(1)

    def pick(self, options: list[tuple[Any, F]]) -> Any:
        place = self.script[self.made] if self.made < len(self.script) else 0
        self.made += 1
        self.counts.append((place, len(options)))
        value, probability = options[place]
        self.probability *= probability
        return value

    def integers(self, n: int) -> int:
        return self.pick(self.branches(n))


def coins(n: int) -> list[tuple[int, F]]:
    return [(i, F(1, n)) for i in range(n)]


def uneven(process: Process) -> Policy:
    """A policy whose probabilities differ from node to node: weights 1 to 7 out of a checksum."""
    weights = {
        node: {a: 1 + zlib.crc32(f"{node} {a}".encode()) % 7 for a in actions}
        for node, actions in process.actions.items()
    }
    return lambda node, action: F(weights[node][action], sum(weights[node].values()))


def episodes(
    environment: Environment, process: Process, policy: Policy, prompt: int, branches: Branches
) -> Iterator[tuple[F, Any]]:
    """Every episode of a prompt with its probability. Each step is checked against the edges of the twin."""
    words = np.random.default_rng(0)
    script: list[int] = []
    while True:
        dice = Dice(script, branches)
        episode: Any = environment.start(prompt, dice)  # type: ignore[arg-type]
        while not episode.done:
            node = episode.node
            options = [(action, policy(node, action)) for action in process.actions[node]]
            action = dice.pick([(a, p) for a, p in options if p])
            episode.act(environment.phrase(action, words))
            assert episode.decisions[-1] == Decision(node, action)
            after = episode.exact_rewards if episode.done else episode.node
            assert after in [successor for _, successor in process.actions[node][action]]
        yield dice.probability, episode
        path = dice.counts
        while path and path[-1][0] + 1 == path[-1][1]:
            path.pop()
        if not path:
            return
        script = [place for place, _ in path[:-1]] + [path[-1][0] + 1]


def played_law(
    environment: Environment, process: Process, policy: Policy, prompt: int, branches: Branches = coins
) -> Law:
    """The law of the reward vector, by playing."""
    law: Law = {}
    for probability, episode in episodes(environment, process, policy, prompt, branches):
        law[episode.exact_rewards] = law.get(episode.exact_rewards, F(0)) + probability
    return law
