"""Blackjack as in RL4VLM (arXiv 2405.10292, gym-cards): hit or stand against a dealer, cards from an infinite deck.

Ace 1/13, 2 to 9 1/13 each, ten-valued 4/13. An ace counts 11 where that does not bust (the hand is then *soft*). The
dealer draws to 17 and stands on every 17, soft ones too; a natural is an ordinary 21 and nobody peeks. A prompt is the
player's first two cards, summed up as (total, soft), and the dealer's open card.

Components: format (0 iff some action could not be parsed; constant 1 without thoughts), accuracy (win 1, draw 1/2, loss
0), economy (0 iff the player went bust). A node remembers (total, soft) alone; cards only add, so it is a DAG.

Facts, exact in Fractions:
    dealer's bust probability by open card:  2 .353608, 3 .373875, 4 .394468, 5 .416404, 6 .423150, 7 .262312,
        8 .244741, 9 .228425, 10 .212109, ace .115286;
    optimal for accuracy: stand on hard 17+, on hard 13 to 16 against 2 to 6, on hard 12 against 4 to 6, on soft 19+, on
        soft 18 against 2 to 8; hit otherwise. Expected accuracy .476722, wins 42.9457 %; the uniformly random policy
        .302052 and 28.0611 % (RL4VLM reports 40.2 % for its trained model);
    optimal for the default weights: never hit a hard hand of 12 or more, except 12 against 7: economy outweighs the
        rest;
    the next card busts hard t with probability (t - 8)/13 from t = 12 on, 0 below; a soft hand never.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

from tamdp_theory.document import Node
from tamdp_theory.errors import InputError
from tamdp_theory.families._build import (
    FIFTHS,
    PARSE_FAILURE,
    Branches,
    End,
    Move,
    Number,
    document,
    flag,
    grow,
    integer,
    merge,
    sequence,
)
from tamdp_theory.model import TAMDP

CARDS = {card: Fraction(4 if card == 10 else 1, 13) for card in range(1, 11)}
BUST = 0
DRAW = Fraction(1, 2)


class Hand(NamedTuple):
    """A hand's best total (0: bust) and whether an ace counts 11."""

    total: int
    soft: bool

    def add(self, card: int) -> "Hand":
        """Return the hand with one more card, 1 (ace) to 10."""
        total, soft = self.total + card, self.soft
        if card == 1 and total <= 11:
            total, soft = total + 10, True
        if total > 21 and soft:
            total, soft = total - 10, False
        return Hand(total, soft) if total <= 21 else Hand(BUST, False)

    def __str__(self) -> str:
        return f"{'soft' if self.soft else 'hard'}{self.total}"


def first_hands() -> dict[Hand, Fraction]:
    """Return the law of (total, soft) of two cards: hard 4 to 20 and soft 12 to 21."""
    law: dict[Hand, Fraction] = {}
    for first, p in CARDS.items():
        for second, q in CARDS.items():
            hand = Hand(0, False).add(first).add(second)
            law[hand] = law.get(hand, Fraction(0)) + p * q
    return dict(sorted(law.items(), key=lambda item: (item[0].soft, item[0].total)))


def dealer_law(up_card: int) -> dict[int, Fraction]:
    """Return the law of the dealer's final total, given the open card 1 (ace) to 10: keys 17 to 21, and 0 for a bust.

    Exact, sums to one. Raises InputError for another card.
    """
    return dict(_dealer(Hand(0, False).add(integer(up_card, "up_card", 1, 10))))


@cache
def _dealer(hand: Hand) -> tuple[tuple[int, Fraction], ...]:
    if hand.total == BUST or hand.total >= 17:
        return ((hand.total, Fraction(1)),)
    law = dict.fromkeys((BUST, 17, 18, 19, 20, 21), Fraction(0))
    for card, p in CARDS.items():
        for total, q in _dealer(hand.add(card)):
            law[total] += p * q
    return tuple(law.items())


def blackjack(
    dealer_cards: Iterable[int] = range(1, 11),
    hands: Iterable[tuple[int, bool]] | None = None,
    think: bool = False,
    *,
    parse_failure: Sequence[Number] = PARSE_FAILURE,
    weights: Sequence[Number] | None = None,
    name: str | None = None,
) -> TAMDP:
    """Return blackjack, restricted to some first hands and open cards (their probabilities are renormalised).

    dealer_cards: distinct, 1 (ace) to 10; hands: distinct (total, soft) of two cards, hard 4 to 20 or soft 12 to 21,
    default all 27;
    think: a latent thought, careful or hasty, before every action, which then cannot be parsed with probability
    parse_failure[thought] in [0, 1]: a uniformly random legal action is executed and format is 0;
    weights: (3,) format, accuracy, economy, default (1/5, 3/5, 1/5).
    Raises InputError for an argument out of range. Facts: see the module; depth 0; ids like "hard16v10/hard18".
    """
    cards = [
        integer(card, f"dealer_cards[{i}]", 1, 10) for i, card in enumerate(sequence(dealer_cards, "dealer_cards"))
    ]
    law = first_hands()
    chosen = (
        list(law)
        if hands is None
        else [_hand(hand, f"hands[{i}]", law) for i, hand in enumerate(sequence(hands, "hands"))]
    )
    for items, argument in ((cards, "dealer_cards"), (chosen, "hands")):
        if not items:
            raise InputError(f"{argument}: empty; give at least one")
        if len(set(items)) < len(items):
            raise InputError(f"{argument}: each may be given once")
    total = sum(law[hand] * CARDS[card] for hand in chosen for card in cards)
    nodes: list[Node] = []
    prompts: list[tuple[str, Fraction]] = []
    for card in cards:
        names = [f"{hand}v{_face(card)}" for hand in chosen]
        prompts.extend((prompt, law[hand] * CARDS[card] / total) for prompt, hand in zip(names, chosen, strict=True))
        nodes.extend(grow(_Blackjack(card), zip(names, chosen, strict=True), think, parse_failure))
    title = f"blackjack{'-think' if think else ''}" if name is None else name
    return document(
        title,
        0,
        ("format", "accuracy", "economy"),
        weights=FIFTHS if weights is None else weights,
        prompts=prompts,
        nodes=nodes,
    )


@dataclass(frozen=True)
class _Blackjack:
    up_card: int

    def moves(self, hand: Hand) -> Sequence[Move[Hand]]:
        hits: Branches[Hand] = merge((p, _or_bust(hand.add(card))) for card, p in CARDS.items())
        dealer = dealer_law(self.up_card).items()
        stands: Branches[Hand] = merge((p, End((1, _pay(hand.total, total), 1))) for total, p in dealer)
        return [("hit", "answer", hits), ("stand", "answer", stands)]

    def label(self, hand: Hand) -> str:
        return str(hand)

    def observe(self, hand: Hand) -> str:
        return f"player {'soft ' if hand.soft else ''}{hand.total} dealer {_face(self.up_card)}"

    def depth(self, hand: Hand) -> int:
        return 0


def _or_bust(hand: Hand) -> Hand | End:
    return End((1, 0, 0)) if hand.total == BUST else hand


def _pay(player: int, dealer: int) -> Fraction | int:
    return DRAW if player == dealer else int(player > dealer)


def _face(card: int) -> str:
    return "A" if card == 1 else str(card)


def _hand(value: Any, place: str, law: dict[Hand, Fraction]) -> Hand:
    items = sequence(value, place)
    if len(items) != 2:
        raise InputError(f"{place}: expected (total, soft), got {value!r}")
    hand = Hand(integer(items[0], f"{place}[0]", 0), flag(items[1], f"{place}[1]"))
    if hand not in law:
        raise InputError(f"{place}: two cards never make {hand}; possible are hard 4 to 20 and soft 12 to 21")
    return hand
