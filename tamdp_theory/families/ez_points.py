"""EZPoints of RL4VLM (arXiv 2405.10292, gym-cards): write a formula of two cards that makes 12.

The first card is drawn from 2 to K (10 and faces count 10); the second makes 12 with it by a sum or, for 2, 3, 4 and 6
in half of the cases, by a product; then the two are swapped or not: 13 ordered hands. An action appends a number, "+"
or "*" to the formula, or asks for its value with "=". A number that is not on a card, or no longer, appends a blank
instead. In a formula of more than 5 tokens the next action, whatever it is, cuts the episode; so there are at most 7
decisions. Success: "=" where both cards are in the formula and Python's arithmetic makes 12 of it ("+6 + 6", "6*+2"
too: a sign is no departure, "**" is a power, and neighbouring digits are one number; ``_formulas``).

Components: format (0 iff some action could not be parsed; constant 1 without thoughts), accuracy (success),
executability (every number was on a card). Prompts: the ordered hands with their probabilities. A node is a class of
formulas after which the same actions lead to the same outcomes: no process with these rewards has fewer nodes, and its
id shows the first formula of the class, "_" a blank.

Facts:
    optimal success 1, and W for any weights, in four decisions;
    uniformly random policy: P(success) = sum over formulas that make 12 of P(hand) prod_t (choices_t / 13), where a
        blank can be written in as many ways as there are numbers that no card shows.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cache

from tamdp_theory.errors import InputError
from tamdp_theory.families._build import FIFTHS, PARSE_FAILURE, Number, document, grow, sequence
from tamdp_theory.families._formulas import FormulaGame, Hand, Rules
from tamdp_theory.model import TAMDP

RULES = Rules(("+", "*"), target=12, longest=5)


def ez_points(
    hands: Iterable[Hand] | None = None,
    think: bool = False,
    *,
    parse_failure: Sequence[Number] = PARSE_FAILURE,
    weights: Sequence[Number] | None = None,
    name: str | None = None,
) -> TAMDP:
    """Return EZPoints.

    hands: some of the 13 ordered hands, their probabilities renormalised (None: all); think, parse_failure: as in
    ``number_line``; weights: (3,) format, accuracy, executability, default (1/5, 3/5, 1/5). Raises InputError. Facts:
    see the module; depth 0, H = 7 (14 with thoughts).
    """
    law = deals()
    chosen = list(law) if hands is None else [_hand(hand, law) for hand in sequence(hands, "hands")]
    if not chosen or len(set(chosen)) < len(chosen):
        raise InputError(f"hands: need at least one, and none twice, got {chosen}")
    whole = sum(law[hand] for hand in chosen)
    prompts = [(f"{a}and{b}", law[a, b] / whole) for a, b in chosen]
    game = FormulaGame(RULES)
    starts = [(prompt, game.start(hand)) for (prompt, _), hand in zip(prompts, chosen, strict=True)]
    title = (
        f"ez-points{'' if hands is None else f'-{len(chosen)}'}{'-think' if think else ''}" if name is None else name
    )
    return document(
        title,
        0,
        ("format", "accuracy", "executability"),
        weights=FIFTHS if weights is None else weights,
        prompts=prompts,
        nodes=grow(game, starts, think, parse_failure),
    )


@cache
def deals() -> dict[Hand, Fraction]:
    """Probability of each ordered hand."""
    law: dict[Hand, Fraction] = {}
    for card in range(2, 14):
        first = min(card, 10)
        seconds = [RULES.target - first, RULES.target // first] if first in (2, 3, 4, 6) else [RULES.target - first]
        for second in seconds:
            for hand in ((first, second), (second, first)):
                law[hand] = law.get(hand, Fraction(0)) + Fraction(1, 12 * len(seconds) * 2)
    return dict(sorted(law.items()))


def _hand(hand: object, law: dict[Hand, Fraction]) -> Hand:
    found = tuple(hand) if isinstance(hand, Sequence) else hand
    for known in law:
        if found == known:
            return known
    raise InputError(f"hands: no hand {hand!r}; there are {', '.join(f'({a}, {b})' for a, b in law)}")
