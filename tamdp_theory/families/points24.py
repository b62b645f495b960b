"""Points24 of RL4VLM (arXiv 2405.10292): write a formula of four cards that makes 24.

The cards are drawn from 1 to K, each on its own (10 and faces count 10). An action appends a number from 1 to 10, "+",
"-", "*", "/", "(" or ")" to the formula, or asks for its value with "="; blanks, joined numbers, powers "**", floors
"//", signs and brackets are read as Python reads them, in rationals (``_arithmetic`` says where floats would differ).
In a formula of more than ``longest`` tokens the next action cuts the episode: in RL4VLM longest = 20, so there are at
most 22 decisions. Won: "=" where all four cards are in the formula and it makes 24.

That game is far too large to be listed, so ``longest`` is an option, up to 9: 7 tokens are the fewest that win with
three operations ("1*2*3*4"), with a pair of brackets 9. Components, prompts and nodes as in ``ez_points``: (format,
accuracy, executability), a node is a class of formulas that no actions tell apart.

Facts: 10,000 deals of 715 hands; 566 of them make 24 with the four operations, each card once and brackets, by no other
way of writing (tested); optimal success 1 with the hands of the default, in eight decisions.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from tamdp_theory.errors import CapacityError, InputError
from tamdp_theory.families._build import FIFTHS, PARSE_FAILURE, Number, document, grow, integer, sequence
from tamdp_theory.families._formulas import MAX_LISTED, NUMBERS, FormulaGame, Hand, Rules, classes
from tamdp_theory.model import TAMDP

TARGET, CARDS, LONGEST = 24, 4, 20
SIGNS = ("+", "-", "*", "/", "(", ")")
HANDS: tuple[Hand, ...] = ((1, 2, 3, 4), (2, 2, 4, 8), (6, 6, 6, 6))
MAX_STATES = 200_000  # readings of formulas, over all hands; about 8 seconds


def points24(
    hands: Iterable[Sequence[int]] = HANDS,
    longest: int = 7,
    think: bool = False,
    *,
    parse_failure: Sequence[Number] = PARSE_FAILURE,
    weights: Sequence[Number] | None = None,
    name: str | None = None,
) -> TAMDP:
    """Return Points24 with some hands, each as likely as it is among those; a hand is four numbers from 1 to 10, in
    the order in which they lie.

    hands: at least one, none twice; longest: tokens, 1 to 9; think, parse_failure: as in ``number_line``; weights:
    (3,) format, accuracy, executability, default (1/5, 3/5, 1/5). Raises InputError, and CapacityError, with the length
    that would fit, before anything is built. Facts: see the module; depth 0, H = longest + 2 (twice that with
    thoughts).
    """
    chosen = read_hands(hands)
    rules = Rules(SIGNS, TARGET, integer(longest, "longest", 1, LONGEST))
    check_size(chosen, rules)
    game = FormulaGame(rules)
    law = deal(chosen)
    prompts = [(prompt_of(hand), p) for hand, p in zip(chosen, law, strict=True)]
    starts = [(prompt, game.start(hand)) for (prompt, _), hand in zip(prompts, chosen, strict=True)]
    return document(
        title(chosen, rules.longest) + ("-think" if think else "") if name is None else name,
        0,
        ("format", "accuracy", "executability"),
        weights=FIFTHS if weights is None else weights,
        prompts=prompts,
        nodes=grow(game, starts, think, parse_failure),
    )


def title(hands: Sequence[Hand], longest: int) -> str:
    """The name of the game with these hands."""
    return f"points24-{len(hands)}x{longest}"


def prompt_of(hand: Hand) -> str:
    """The name of a hand's prompt."""
    return "and".join(map(str, hand))


def deal(hands: Sequence[Hand]) -> list[Fraction]:
    """Probability of each hand among these: a 10 is four of the thirteen cards."""
    ways = [4 ** hand.count(10) for hand in hands]
    return [Fraction(way, sum(ways)) for way in ways]


def read_hands(hands: Iterable[Sequence[int]]) -> list[Hand]:
    """The hands, checked; InputError for what is none."""
    found = [_hand(hand) for hand in sequence(hands, "hands")]
    if not found or len(set(found)) < len(found):
        raise InputError(f"hands: need at least one, and none twice, got {found}")
    return found


def _hand(hand: Any) -> Hand:
    cards = tuple(integer(card, "hands", 1, len(NUMBERS)) for card in sequence(hand, "hands"))
    if len(cards) != CARDS:
        raise InputError(f"hands: a hand has {CARDS} cards, got {cards}")
    return cards


def check_size(hands: Sequence[Hand], rules: Rules) -> None:
    """CapacityError, with what would fit, if the formulas of these hands are too many to be listed."""
    if rules.longest > MAX_LISTED:
        raise CapacityError(
            f"longest: formulas of more than {rules.longest} tokens are too many to be listed (four different cards "
            f"have 32,180 states at 7 and 309,382 at 9); use at most {MAX_LISTED}, or play the "
            "environment without its twin"
        )
    distinct = list(dict.fromkeys(tuple(sorted(hand)) for hand in hands))
    left = MAX_STATES
    for place, hand in enumerate(distinct):
        try:
            left -= classes(rules, hand).grow(left)
        except CapacityError as error:
            fewer = f", or {place} of these {len(distinct)} hands" if place else ""
            raise CapacityError(f"{error}{fewer}; {MAX_STATES:,} states are built in about 8 seconds") from error
