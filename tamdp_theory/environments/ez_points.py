"""EZPoints of RL4VLM (arXiv 2405.10292) in pictures and text; its rules and facts are those of ``families.ez_points``.

At every turn the policy sees one message, without history: the two cards and the formula so far, the task, and the
format of the answer, a JSON object with "thoughts" and an "action", a number from 1 to 10, "+", "*" or "="
(``parsing`` says what counts as which). Actions of the twin: these and "unparsed". An episode shows real cards, ranks
and suits, and the formula itself, while the twin knows numbers and classes of formulas. Departures from RL4VLM: a
shorter prompt, and cards drawn by the package.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from tamdp_theory import families
from tamdp_theory.environments import drawing
from tamdp_theory.environments.base import Message
from tamdp_theory.environments.blackjack import SUITS
from tamdp_theory.environments.parsing import legal_action
from tamdp_theory.environments.turns import Turns, choose, in_json, prompt_name, user
from tamdp_theory.environments.twins import UNPARSED, Game
from tamdp_theory.families._build import Number
from tamdp_theory.families.ez_points import ACTIONS, Formula, Hand, append, formulas, outcome

# a 10 is drawn as the first card in four ranks, as the second one, next to a first 2, only as itself
TENS = ("10",) * 3 + ("J",) * 2 + ("Q",) * 2 + ("K",) * 2

THOUGHTS = ("The cards make twelve.", "That is what is missing.")
UNPARSABLE = (
    "",
    "+",
    '"action"',
    '{"action": ""}',
    '{"action": "minus"}',
    '{"action": "6 + 6"}',
    '{"action": "+", "or": "*"}',
    '{"Action" : "="}',
    '{"action": "2", "action": ',
    '{"action": "twelve"}',
    "{'action': '10'}",
    '{"action": "\x00"}',
    "I would ask for the value.",
)


class EZPoints(Game):
    """hands, weights: as in ``families.ez_points``; thoughts: whether the format asks for them before the action;
    pixels: side of the picture, 32 to 1024. Raises InputError.
    """

    def __init__(
        self,
        hands: Iterable[Hand] | None = None,
        *,
        thoughts: bool = True,
        pixels: int = 224,
        weights: Sequence[Number] | None = None,
    ) -> None:
        super().__init__(families.ez_points(hands, weights=weights), thoughts, pixels)

    @property
    def question(self) -> str:
        """The text of every message."""
        thoughts = '"thoughts": "the numbers on the cards, what is missing in the formula", ' if self.thoughts else ""
        return (
            "You are playing a game with two cards. The image shows the cards, where J, Q and K count 10, and a "
            "formula. Complete the formula so that it makes 12 and uses each card once: append one number of a card, "
            '"+" or "*", or choose "=" when it is done. Answer in '
            f'JSON:\n{{{thoughts}"action": "number" or "operator"}}'
        )

    def start(self, prompt: int, generator: np.random.Generator) -> "EZPointsEpisode":
        return EZPointsEpisode(self, prompt_name(self.process, prompt), generator)

    def phrase(self, action: str, generator: np.random.Generator) -> str:
        wordings = {name: in_json(name, THOUGHTS, self.thoughts) for name in ACTIONS}
        return choose({UNPARSED: UNPARSABLE, **wordings}, action, generator)


class EZPointsEpisode(Turns):
    """A formula being written. Unparsed texts take one of the 13 actions at random."""

    def __init__(self, environment: EZPoints, prompt: str, generator: np.random.Generator) -> None:
        super().__init__()
        self.environment, self.prompt, self.generator = environment, prompt, generator
        first, second = (int(number) for number in prompt.split("and"))
        self.hand: Hand = (first, second)
        self.cards = [(self._rank(number), SUITS[int(generator.integers(len(SUITS)))]) for number in self.hand]
        self.formula: Formula = ()
        self.parsed = True

    def _rank(self, number: int) -> str:
        return TENS[int(self.generator.integers(len(TENS)))] if number == 10 else str(number)

    @property
    def image(self) -> object:
        """The picture of the next decision."""
        return drawing.formula(self.cards, " ".join(self.formula), self.environment.pixels)

    @property
    def messages(self) -> list[Message]:
        return [user(self.image, self.environment.question)]

    @property
    def node(self) -> str:
        written = formulas(self.hand).label(self.formula)
        return "/".join([self.prompt, *([written] if written else []), *([] if self.parsed else [UNPARSED])])

    def _take(self, text: str) -> None:
        action = legal_action(text, ACTIONS)
        self._decide(UNPARSED if action is None else action)
        if action is None:
            self.parsed = False
            action = ACTIONS[int(self.generator.integers(len(ACTIONS)))]
        ended = outcome(self.hand, self.formula, action)
        if ended is None:
            self.formula = append(self.hand, self.formula, action)
        else:
            self._end(int(self.parsed), *ended.rewards[1:])


ENVIRONMENTS = {"ez_points": lambda role: EZPoints()}
