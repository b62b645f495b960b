"""The number line of RL4VLM (arXiv 2405.10292) in pictures and text; its rules and facts are those of
``families.number_line``.

At every turn the policy sees one message, without history: a picture of target and current number, the task, and the
format of the answer, a JSON object with "thoughts" and an "action", "-" or "+" (``parsing`` says what counts as which).
Actions of the twin: "-1", "+1", "unparsed". Departures from RL4VLM: a shorter prompt, which does not ask to copy the
numbers, and a line drawn below them.
"""

from collections.abc import Sequence

import numpy as np

from tamdp_theory import families
from tamdp_theory.environments import drawing
from tamdp_theory.environments.base import Message
from tamdp_theory.environments.parsing import legal_action
from tamdp_theory.environments.turns import Turns, choose, in_json, prompt_name, user
from tamdp_theory.environments.twins import UNPARSED, Game
from tamdp_theory.families._build import Number

ACTIONS = {"-": "-1", "+": "+1"}

THOUGHTS = {
    "-1": ("The target is smaller.", "The target is to the left.", "Down."),
    "+1": ("The target is larger.", "The target is to the right.", "Up."),
}
UNPARSABLE = (
    "",
    "+",
    '"action"',
    '{"action": ""}',
    '{"action": "stay"}',
    '{"action": "+ or -"}',
    '{"action": "-", "or": "+"}',
    '{"Action" : "+"}',
    '{"action": "+1", "action": ',
    "{'action': '-'}",
    '{"action": "plus"}',
    '{"thoughts": "\x00", "act": "-"}',
    "I would subtract one.",
)


class NumberLine(Game):
    """size >= 3 numbers, at most max_steps >= 1 steps, starts at most max_distance from the goal (None: any).

    thoughts: whether the format asks for them before the action; pixels: side of the picture, 32 to 1024; weights: (3,)
    format, accuracy, executability, default (1/5, 3/5, 1/5). Raises InputError.
    """

    def __init__(
        self,
        size: int = 6,
        max_steps: int = 10,
        max_distance: int | None = None,
        *,
        thoughts: bool = True,
        pixels: int = 224,
        weights: Sequence[Number] | None = None,
    ) -> None:
        process = families.number_line(size, max_steps, max_distance=max_distance, weights=weights)
        super().__init__(process.name, lambda: process, thoughts, pixels)
        self.size, self.max_steps = int(size), int(max_steps)

    @property
    def question(self) -> str:
        """The text of every message."""
        thoughts = '"thoughts": "which way the target is", ' if self.thoughts else ""
        return (
            "You are playing a game called number line. The image shows a target number and a current number, "
            f"both from 0 to {self.size - 1}. Move the current number to the target by adding or subtracting one. "
            f'Answer in JSON:\n{{{thoughts}"action": "-" or "+"}}'
        )

    def start(self, prompt: int, generator: np.random.Generator) -> "NumberLineEpisode":
        return NumberLineEpisode(self, prompt_name(self.process, prompt), generator)

    def phrase(self, action: str, generator: np.random.Generator) -> str:
        wordings = {name: in_json(sign, THOUGHTS[name], self.thoughts) for sign, name in ACTIONS.items()}
        return choose({UNPARSED: UNPARSABLE, **wordings}, action, generator)


class NumberLineEpisode(Turns):
    """A walk. Unparsed texts move it in a random direction."""

    def __init__(self, environment: NumberLine, prompt: str, generator: np.random.Generator) -> None:
        super().__init__()
        self.environment, self.prompt, self.generator = environment, prompt, generator
        self.current, self.target = (int(number) for number in prompt.split("to"))
        self.steps, self.pay = 0, 0
        self.parsed, self.clamped = True, False

    @property
    def image(self) -> object:
        """The picture of the next decision."""
        return drawing.number_line(self.environment.size, self.current, self.target, self.environment.pixels)

    @property
    def messages(self) -> list[Message]:
        return [user(self.image, self.environment.question)]

    @property
    def node(self) -> str:
        marks = [("penalised", self.pay < 0), ("clamped", self.clamped), (UNPARSED, not self.parsed)]
        place = [f"step{self.steps}", f"at{self.current}"] if self.steps else []
        return "/".join([self.prompt, *place, *(mark for mark, holds in marks if holds)])

    def _take(self, text: str) -> None:
        sign = legal_action(text, ACTIONS)
        self._decide(UNPARSED if sign is None else ACTIONS[sign])
        if sign is None:
            self.parsed = False
            sign = list(ACTIONS)[int(self.generator.integers(len(ACTIONS)))]
        self._step(1 if sign == "+" else -1)

    def _step(self, move: int) -> None:
        before = self.current
        self.current = min(max(before + move, 0), self.environment.size - 1)
        self.clamped |= self.current == before
        self.steps += 1
        arrived = self.current == self.target
        if arrived:
            self.pay += 1
        elif abs(self.current - self.target) >= abs(before - self.target):
            self.pay -= 1
        if arrived or self.steps == self.environment.max_steps:
            self._end(int(self.parsed), int(self.pay > 0), int(not self.clamped))


ENVIRONMENTS = {
    "number_line": lambda role: NumberLine(),
    "number_line_step": lambda role: NumberLine(max_steps=1, max_distance=1),
}
