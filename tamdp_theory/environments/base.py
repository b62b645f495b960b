"""What a text environment is: chat messages with images in, text out, component rewards at the end; and the finite
process that it is.

An episode shows messages, takes the text that a policy answers with, parses it, acts, and ends with a reward for every
component. What the text amounts to is one action of the *twin*: a TAMDP whose nodes and actions the episode names as it
goes, so that a policy whose action probabilities are known has exact values. Nothing that a model writes is evaluated
or executed; what cannot be parsed is an action too.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from tamdp_theory.model import TAMDP

Message: TypeAlias = dict[str, Any]
"""One chat message as processors' templates take them: {"role": .., "content": [{"type": "image", "image": ..} or
{"type": "text", "text": ..}]}.
"""


@dataclass(frozen=True)
class Decision:
    """What a text amounted to: a node of the twin and one of its actions."""

    node: str
    action: str


class Episode(ABC):
    """One trajectory in progress. ``decisions`` are those made so far."""

    decisions: list[Decision]

    @property
    @abstractmethod
    def messages(self) -> list[Message]:
        """The whole context of the next decision: what the model sees, images included."""

    @property
    @abstractmethod
    def node(self) -> str:
        """Node of the twin where the next decision is made."""

    @property
    @abstractmethod
    def done(self) -> bool:
        """Whether it has ended."""

    @abstractmethod
    def act(self, text: str) -> None:
        """Take what the policy wrote. Any text is legal; what it is worth is for the rewards to say."""

    @property
    @abstractmethod
    def rewards(self) -> tuple[float, ...]:
        """Component rewards (K,) in [0, 1], once done, in the order of the twin's components."""


class Environment(ABC):
    """A task in text and images. Its prompts, their probabilities, components and weights are the twin's."""

    name: str

    @property
    def thought_end(self) -> str | None:
        """What ends the thought of a text, in lower case: the tokens up to the first one are its thought, those after
        it its action. None if no thoughts are asked for.

        The first one, not the last, which is known only in hindsight: weights that look ahead would give scores whose
        mean is not zero.
        """
        return None

    @cached_property
    @abstractmethod
    def twin(self) -> TAMDP:
        """The process that this environment is, exactly, for policies that look at the twin's nodes alone."""

    @abstractmethod
    def start(self, prompt: int, generator: np.random.Generator) -> Episode:
        """Begin an episode of a prompt of the twin; the generator drives whatever is random in it."""

    @abstractmethod
    def phrase(self, action: str, generator: np.random.Generator) -> str:
        """A text that amounts to an action of the twin, wording drawn from the generator: what a scripted policy
        writes.
        """
