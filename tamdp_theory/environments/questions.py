"""What tasks of questions in tagged text share, after Visual-ARFT (arXiv 2505.14246): ``search`` and ``coding``.

A prompt is a question. A text is one tag and its content, after ``<think>..</think>`` if thoughts are asked for; an
answer ends the trajectory with the F1 of its words, and whatever is no such text is "malformed" and ends it with format
and F1 0. Actions of the twin carry the question that they are made at, since what is written depends on it.
"""

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from fractions import Fraction
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np

from tamdp_theory.environments.answers import answers, value_of
from tamdp_theory.environments.base import Environment, Message
from tamdp_theory.environments.turns import Turns, choose, role, user
from tamdp_theory.families._build import End, Machine, Move, Number, document, expand, flag, integer, uniform
from tamdp_theory.model import TAMDP

MALFORMED = "malformed"
S = TypeVar("S", bound=Hashable)


def named(question: int, action: str) -> str:
    """The name of an action at a question."""
    return f"{action} at q{question}"


class Rules(Machine[S], Protocol[S]):
    """The state machine of a twin, and what episodes ask it."""

    def begin(self, question: int) -> S:
        """Before anything is written."""

    def after(self, state: S, action: str) -> S | End:
        """What an action that is no answer, without its question, leads to."""

    def ended(self, state: S, tagged: bool, value: Fraction) -> End:
        """The rewards of an answer of this F1, or of a text that is none."""


def endings(rules: Rules[S], state: S, question: int, true: str) -> list[Move[S]]:
    """The moves of every answer to a question, and of a malformed text."""
    ends = [(f"F1 {value}", rules.ended(state, True, value)) for value in answers(true)]
    ends.append((MALFORMED, rules.ended(state, False, Fraction(0))))
    return [(named(question, name), "answer", [(Fraction(1), end)]) for name, end in ends]


class Questions(Environment):
    """count: questions, equally likely; max_tool_depth >= 0; result_role: role of the messages with results."""

    thought: str  # as an example in wordings

    def __init__(
        self,
        name: str,
        count: int,
        rules: Rules[Any],
        max_tool_depth: int,
        components: Sequence[str],
        weights: Sequence[Number],
        thoughts: bool,
        result_role: str,
    ) -> None:
        self.name, self.count, self.rules = name, count, rules
        self.max_tool_depth, self.components, self.weights = max_tool_depth, tuple(components), weights
        self.thoughts, self.result_role = flag(thoughts, "thoughts"), role(result_role)

    @property
    def thought_end(self) -> str | None:
        return "</think>" if self.thoughts else None

    @cached_property
    def twin(self) -> TAMDP:
        names = [f"q{k}" for k in range(self.count)]
        return document(
            self.name,
            self.max_tool_depth,
            self.components,
            weights=self.weights,
            prompts=uniform(names),
            nodes=expand(self.rules, [(name, self.rules.begin(k)) for k, name in enumerate(names)]),
        )

    def prompt(self, prompt: int) -> int:
        """The number of a prompt, checked."""
        return integer(prompt, "prompt", 0, self.count - 1)

    def phrase(self, action: str, generator: np.random.Generator) -> str:
        return choose(self._texts, action, generator)

    @cached_property
    def _texts(self) -> dict[str, tuple[str, ...]]:
        every = range(self.count)
        return {named(prompt, name): texts for prompt in every for name, texts in self.wordings(prompt).items()}

    @abstractmethod
    def wordings(self, prompt: int) -> dict[str, tuple[str, ...]]:
        """Texts of every action at a question, by its name without the question."""

    def answered(self, true: str) -> dict[str, tuple[str, ...]]:
        """Texts of every answer."""
        return {f"F1 {value}": self.tagged("answer", texts) for value, texts in answers(true).items()}

    def tagged(self, tag: str, texts: Sequence[str]) -> tuple[str, ...]:
        """Contents in their tag, each after a thought and after none, or alone."""
        before = (f"<think>{self.thought}</think>\n", "<think></think>") if self.thoughts else ("", "\n")
        return tuple(f"{thought}<{tag}>{text}</{tag}>" for text in texts for thought in before)


class QuestionEpisode(Turns):
    """One question. ``at``: the state of the rules."""

    def __init__(self, environment: Questions, prompt: int, image: Any, question: str) -> None:
        super().__init__()
        self.task, self.prompt = environment, prompt
        self.at: Any = environment.rules.begin(prompt)
        self.history = [user(image, question)]

    @property
    def messages(self) -> list[Message]:
        return list(self.history)

    @property
    def node(self) -> str:
        written = self.task.rules.label(self.at)
        return f"q{self.prompt}/{written}" if written else f"q{self.prompt}"

    def _answer(self, content: str, true: str) -> None:
        value = value_of(content, true)
        self._finish(f"F1 {value}", self.task.rules.ended(self.at, True, value))

    def _malformed(self) -> None:
        self._finish(MALFORMED, self.task.rules.ended(self.at, False, Fraction(0)))

    def _finish(self, action: str, end: End) -> None:
        self._decide(named(self.prompt, action))
        self._end(*end.rewards)

    def _go(self, text: str, action: str, content: list[dict[str, Any]]) -> None:
        """Take a text that is no answer, and show what comes of it if it goes on."""
        after = self.task.rules.after(self.at, action)
        if isinstance(after, End):
            self._finish(action, after)
            return
        self._decide(named(self.prompt, action))
        self.at = after
        written: Message = {"role": "assistant", "content": [{"type": "text", "text": text}]}
        self.history += [written, {"role": self.task.result_role, "content": content}]
