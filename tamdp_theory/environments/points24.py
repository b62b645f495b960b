"""Points24 of RL4VLM (arXiv 2405.10292) in pictures and text; its rules and facts are those of ``families.points24``,
what is shown and read is in ``formulas``.

The whole game, formulas of more than 20 tokens, is played by ``Points24(longest=20)``: such a game has no twin, which
is a CapacityError when it is asked for, and its nodes are the formulas themselves. Departures from RL4VLM: a shorter
prompt, an ace is drawn as "A" and counts 1 as there, and cards drawn by the package.
"""

from collections.abc import Iterable, Sequence

from tamdp_theory import families
from tamdp_theory.environments.formulas import FormulaGame
from tamdp_theory.families._build import Number, integer
from tamdp_theory.families._formulas import Rules
from tamdp_theory.families.points24 import HANDS, LONGEST, SIGNS, TARGET, prompt_of, read_hands, title

RANKS = {1: ("A",), 10: ("10", "J", "Q", "K")}
QUESTION = (
    "You are playing a game with four cards. The image shows the cards, where A counts 1, and J, Q and K count 10, and "
    "a formula. Complete the formula so that it makes 24 and uses each card once: append one number of a card, "
    '"+", "-", "*", "/", "(" or ")", or choose "=" when it is done.'
)
UNPARSABLE = (
    "",
    "+",
    '"action"',
    '{"action": ""}',
    '{"action": "minus"}',
    '{"action": "(6 + 6)"}',
    '{"action": "+", "or": "*"}',
    '{"Action" : "="}',
    '{"action": "2", "action": ',
    '{"action": "twentyfour"}',
    '{"action": "\x00"}',
    "I would ask for the value.",
)


class Points24(FormulaGame):
    """hands, longest, weights: as in ``families.points24``; thoughts: whether the format asks for them before the
    action; pixels: side of the picture, 32 to 1024. Raises InputError.
    """

    def __init__(
        self,
        hands: Iterable[Sequence[int]] = HANDS,
        longest: int = 7,
        *,
        thoughts: bool = True,
        pixels: int = 224,
        weights: Sequence[Number] | None = None,
    ) -> None:
        chosen = read_hands(hands)
        rules = Rules(SIGNS, TARGET, integer(longest, "longest", 1, LONGEST))
        super().__init__(
            title(chosen, rules.longest),
            lambda: families.points24(chosen, rules.longest, weights=weights),
            rules,
            {prompt_of(hand): hand for hand in chosen},
            RANKS,
            QUESTION,
            UNPARSABLE,
            thoughts,
            pixels,
        )


ENVIRONMENTS = {"points24": lambda role: Points24()}
