"""Games in which a formula of cards is written, in pictures and text (``families._formulas``).

At every turn the policy sees one message, without history: the cards and the formula so far, the task, and the format
of the answer, a JSON object with "thoughts" and an "action", one of the game's (``parsing`` says what counts as which).
Actions of the twin: these and "unparsed". An episode shows real cards, ranks and suits, and the formula itself, while
the twin knows numbers and classes of formulas.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tamdp_theory.environments import drawing
from tamdp_theory.environments.base import Message
from tamdp_theory.environments.blackjack import SUITS
from tamdp_theory.environments.parsing import legal_action
from tamdp_theory.environments.turns import Turns, choose, in_json, user
from tamdp_theory.environments.twins import UNPARSED, Game
from tamdp_theory.families._arithmetic import BLANK
from tamdp_theory.families._build import integer
from tamdp_theory.families._formulas import MAX_LISTED, Formula, Hand, Rules, classes
from tamdp_theory.model import TAMDP

THOUGHTS = ("The cards make it.", "That is what is missing.")


class FormulaGame(Game):
    """hands: of the prompts, by name, in their order; question: the text of every message, with the place of the
    thoughts left open; unparsable: texts that name no action; ranks: what a card of each number may be drawn as.
    """

    def __init__(
        self,
        name: str,
        process: Callable[[], TAMDP],
        rules: Rules,
        hands: Mapping[str, Hand],
        ranks: Mapping[int, Sequence[str]],
        question: str,
        unparsable: Sequence[str],
        thoughts: bool,
        pixels: int,
    ) -> None:
        super().__init__(name, process, thoughts, pixels)
        self.rules, self.hands, self.ranks = rules, dict(hands), ranks
        self._question, self._unparsable = question, unparsable

    @property
    def question(self) -> str:
        """The text of every message."""
        thoughts = '"thoughts": "the numbers on the cards, what is missing in the formula", ' if self.thoughts else ""
        return f'{self._question} Answer in JSON:\n{{{thoughts}"action": "number" or "operator"}}'

    def name_of(self, hand: Hand, formula: Formula) -> str:
        """The class of a formula in the twin's node ids; the formula itself where the twin would be too large."""
        return (
            classes(self.rules, hand).name(formula)
            if self.rules.longest <= MAX_LISTED
            else "".join(formula).replace(BLANK, "_")
        )

    def start(self, prompt: int, generator: np.random.Generator) -> "FormulaEpisode":
        names = list(self.hands)
        return FormulaEpisode(self, names[integer(prompt, "prompt", 0, len(names) - 1)], generator)

    def phrase(self, action: str, generator: np.random.Generator) -> str:
        wordings = {name: in_json(name, THOUGHTS, self.thoughts) for name in self.rules.actions}
        return choose({UNPARSED: self._unparsable, **wordings}, action, generator)


class FormulaEpisode(Turns):
    """A formula being written. Unparsed texts take one of the actions at random."""

    def __init__(self, environment: FormulaGame, prompt: str, generator: np.random.Generator) -> None:
        super().__init__()
        self.environment, self.prompt, self.generator = environment, prompt, generator
        self.hand = environment.hands[prompt]
        self.cards = [(self._rank(number), SUITS[int(generator.integers(len(SUITS)))]) for number in self.hand]
        self.formula: Formula = ()
        self.parsed = True

    def _rank(self, number: int) -> str:
        ranks = self.environment.ranks.get(number, (str(number),))
        return ranks[int(self.generator.integers(len(ranks)))] if len(ranks) > 1 else ranks[0]

    @property
    def image(self) -> object:
        """The picture of the next decision."""
        return drawing.formula(self.cards, " ".join(self.formula), self.environment.pixels)

    @property
    def messages(self) -> list[Message]:
        return [user(self.image, self.environment.question)]

    @property
    def node(self) -> str:
        written = self.environment.name_of(self.hand, self.formula)
        return "/".join([self.prompt, *([written] if written else []), *([] if self.parsed else [UNPARSED])])

    def _take(self, text: str) -> None:
        actions = self.environment.rules.actions
        action = legal_action(text, actions)
        self._decide(UNPARSED if action is None else action)
        if action is None:
            self.parsed = False
            action = actions[int(self.generator.integers(len(actions)))]
        ended = self.environment.rules.outcome(self.hand, self.formula, action)
        if ended is None:
            self.formula = self.environment.rules.append(self.hand, self.formula, action)
        else:
            self._end(int(self.parsed), *ended.rewards[1:])
