"""EZPoints of RL4VLM (arXiv 2405.10292) in pictures and text; its rules and facts are those of ``families.ez_points``,
what is shown and read is in ``formulas``. Departures from RL4VLM: a shorter prompt, and cards drawn by the package.
"""

from collections.abc import Iterable, Sequence

from tamdp_theory import families
from tamdp_theory.environments.formulas import FormulaGame
from tamdp_theory.families._build import Number
from tamdp_theory.families._formulas import Hand
from tamdp_theory.families.ez_points import RULES

# a 10 is drawn as the first card in four ranks, as the second one, next to a first 2, only as itself
TENS = ("10",) * 3 + ("J",) * 2 + ("Q",) * 2 + ("K",) * 2

QUESTION = (
    "You are playing a game with two cards. The image shows the cards, where J, Q and K count 10, and a formula. "
    "Complete the formula so that it makes 12 and uses each card once: append one number of a card, "
    '"+" or "*", or choose "=" when it is done.'
)
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


class EZPoints(FormulaGame):
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
        process = families.ez_points(hands, weights=weights)
        cards = {name: tuple(int(number) for number in name.split("and")) for name in process.prompt_names}
        super().__init__(
            process.name, lambda: process, RULES, cards, {10: TENS}, QUESTION, UNPARSABLE, thoughts, pixels
        )


ENVIRONMENTS = {"ez_points": lambda role: EZPoints()}
