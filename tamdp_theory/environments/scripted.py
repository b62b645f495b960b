"""A policy of the twin, played through text: what ties an environment to its exact numbers.

At each node an action is drawn from the policy, put into words, read back by the environment's own parser, acted on and
rewarded. So the mean rewards are the twin's exact values, or one of prompt, parser, tools, rules, rewards and twin is
wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tamdp_theory.environments.base import Decision, Environment, Episode
from tamdp_theory.errors import CapacityError, InputError, quote
from tamdp_theory.model import Floats, check_same_process
from tamdp_theory.policies.base import Policy
from tamdp_theory.sources import MAX_NUMBERS, RolloutGroups, score_bound


@dataclass(frozen=True)
class Played:
    """An episode that has ended, and the pairs of the twin (T,) that its decisions were."""

    episode: Episode
    pairs: tuple[int, ...]


@dataclass(frozen=True)
class ScriptedSource:
    """A policy of ``environment.twin`` as a source of rollouts; scores are the policy's own (d numbers), None unless
    ``with_scores``.
    """

    environment: Environment
    policy: Policy
    with_scores: bool = True

    def __post_init__(self) -> None:
        check_same_process(self.environment.twin, self.policy.env)

    @cached_property
    def _first_pair(self) -> dict[str, int]:
        twin = self.environment.twin
        return dict(zip(twin.node_ids, (int(pair) for pair in twin.pair_start), strict=True))

    def play(
        self, prompt: int, generator: np.random.Generator, watch: Callable[[Episode, str], None] | None = None
    ) -> Played:
        """Play one episode of a prompt. InputError if a text was taken for another action than the one it says, or the
        twin has no such node.

        Args:
            prompt, generator: as for ``Environment.start``.
            watch: is shown the episode before each decision, and the text that is about to be written.
        """
        twin = self.environment.twin
        episode = self.environment.start(prompt, generator)
        pairs: list[int] = []
        while not episode.done:
            node = episode.node
            if node not in self._first_pair:
                raise InputError(
                    f"{self.environment.name}: the twin has no node {quote(node)}; the environment and its twin do not "
                    f"belong together"
                )
            first = self._first_pair[node]
            names = twin.action_names[first : first + int(twin.pair_count[twin.pair_node[first]])]
            choice = int(generator.choice(len(names), p=self.policy.pair_probability[first : first + len(names)]))
            text = self.environment.phrase(names[choice], generator)
            if watch is not None:
                watch(episode, text)
            episode.act(text)
            pairs.append(first + choice)
            if len(episode.decisions) != len(pairs) or episode.decisions[-1] != Decision(node, names[choice]):
                raise InputError(
                    f"{self.environment.name}: at {quote(node)} the text {quote(text)} for {names[choice]!r} was taken "
                    f"for "
                    f"{quote(str(episode.decisions[-1:]))}; mend the wording or the parser"
                )
        return Played(episode, tuple(pairs))

    def rollouts(self, group_size: int, count: int, generator: np.random.Generator) -> RolloutGroups:
        """``count`` groups, each of a prompt drawn from rho. CapacityError if their scores would not fit."""
        twin, policy = self.environment.twin, self.policy
        numbers = count * group_size * policy.n_parameters
        if self.with_scores and numbers > MAX_NUMBERS:
            raise CapacityError(
                f"{twin.name}: scores take {numbers:.2g} numbers, the limit is {MAX_NUMBERS:.0g}; ask for fewer, or "
                f"with_scores=False"
            )
        prompt = generator.choice(twin.n_prompts, size=count, p=twin.prompt_probability)
        groups = [[self.play(int(q), generator) for _ in range(group_size)] for q in prompt]
        return RolloutGroups(
            twin.component_names,
            twin.exact_weights,
            prompt,
            rewards=np.array([[played.episode.rewards for played in group] for group in groups]),
            log_probability=np.array(
                [[policy.pair_log_probability[list(played.pairs)].sum() for played in group] for group in groups]
            ),
            scores=np.array([self._scores([played.pairs for played in group]) for group in groups])
            if self.with_scores
            else None,
            score_bound=score_bound(policy) if self.with_scores else None,
        )

    def _scores(self, paths: list[tuple[int, ...]]) -> Floats:
        """Gradient of the log-probability of each path with respect to the parameters (G, d)."""
        twin = self.environment.twin
        taken = np.zeros((twin.n_pairs, len(paths)))
        for member, pairs in enumerate(paths):
            taken[list(pairs), member] = 1.0  # no trajectory visits a node twice
        expected = self.policy.pair_probability[:, None] * twin.spread_to_pairs(twin.node_sum(taken))
        return self.policy.pull_back_each(taken - expected).T
