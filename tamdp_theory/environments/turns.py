"""What the episodes share: decisions are recorded, nothing happens after the end, rewards exist only then."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from tamdp_theory.environments.base import Decision, Episode, Message
from tamdp_theory.errors import InputError, quote
from tamdp_theory.families._build import integer
from tamdp_theory.model import TAMDP

HALF = Fraction(1, 2)


class Turns(Episode):
    """An episode that records its decisions and ends with rewards. Subclasses take a text in ``_take`` and call
    ``_end``.
    """

    def __init__(self) -> None:
        self.decisions: list[Decision] = []
        self._rewards: tuple[Fraction | int, ...] | None = None

    @property
    def done(self) -> bool:
        return self._rewards is not None

    @property
    def exact_rewards(self) -> tuple[Fraction, ...]:
        """Component rewards (K,) as exact rationals, once done. InputError before."""
        if self._rewards is None:
            raise InputError("rewards: the episode has not ended; act until it is done")
        return tuple(Fraction(reward) for reward in self._rewards)

    @property
    def rewards(self) -> tuple[float, ...]:
        """Component rewards (K,) in [0, 1], once done. InputError before."""
        return tuple(float(reward) for reward in self.exact_rewards)

    def act(self, text: str) -> None:
        """Take what the policy wrote. Any text is legal; InputError only if the episode has ended."""
        self._check_open()
        self._take(text)

    @abstractmethod
    def _take(self, text: str) -> None: ...

    def _decide(self, action: str) -> None:
        self.decisions.append(Decision(self.node, action))

    def _end(self, *rewards: Fraction | int) -> None:
        self._rewards = rewards

    def _check_open(self) -> None:
        if self.done:
            raise InputError("the episode has ended; start another")


def user(image: Any, text: str) -> Message:
    """A user's message: one image, then text."""
    return {"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": text}]}


def role(value: str) -> str:
    """A role of messages with results, checked: "tool" or "user"."""
    if value not in ("tool", "user"):
        raise InputError(f"result_role: expected 'tool' or 'user', got {value!r}")
    return value


def prompt_name(twin: TAMDP, prompt: int) -> str:
    """Name of a prompt of the twin; InputError for a number that is none."""
    return twin.prompt_names[integer(prompt, "prompt", 0, twin.n_prompts - 1)]


def in_json(action: str, thoughts: Sequence[str], with_thoughts: bool) -> tuple[str, ...]:
    """An action as the formats of RL4VLM's games ask for it: after each of the thoughts, or alone."""
    before = [f'"thoughts": "{thought}", ' for thought in thoughts] if with_thoughts else [""]
    return tuple(f'{{{thought}"action": "{action}"}}' for thought in before)


def choose(wordings: Mapping[str, Sequence[str]], action: str, generator: np.random.Generator) -> str:
    """One of the wordings of an action; InputError for an action that has none."""
    if action not in wordings:
        raise InputError(f"action: no such action {quote(action)}; there are {', '.join(wordings)}")
    texts = wordings[action]
    return texts[int(generator.integers(len(texts)))]
