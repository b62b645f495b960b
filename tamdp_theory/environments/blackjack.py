"""Blackjack of RL4VLM (arXiv 2405.10292) in pictures and text; its rules and facts are those of ``families.blackjack``.

At every turn the policy sees one message, without history: the cards on a green table, the task, and the format of the
answer, a JSON object with "thoughts" and an "action", "stand" or "hit" (``parsing`` says what counts as which). Actions
of the twin: "hit", "stand", "unparsed". An episode plays with real cards, 13 ranks in four suits from an infinite deck,
while the twin knows totals alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from tamdp_theory import families
from tamdp_theory.environments import drawing
from tamdp_theory.environments.base import Message
from tamdp_theory.environments.parsing import legal_action
from tamdp_theory.environments.turns import HALF, Turns, choose, in_json, prompt_name, user
from tamdp_theory.environments.twins import UNPARSED, Game
from tamdp_theory.families._build import Number

ACTIONS = ("hit", "stand")
RANKS = ("A", "2", "3", "4", "5", "6", "7", "8", "9", "10", "J", "Q", "K")
SUITS = ("spades", "hearts", "diamonds", "clubs")

THOUGHTS = {"hit": ("The total is low.", "One more card."), "stand": ("The total is high.", "Enough.")}
UNPARSABLE = (
    "",
    "hit",
    '"action"',
    '{"action": ""}',
    '{"action": "double"}',
    '{"action": "hit or stand"}',
    '{"action": "hit", "thoughts": "standing loses"}',
    "{'action': 'stand'}",
    '{"Action" : "hit"}',
    '{"action": "stand", "action": ',
    '{"action": "h\x00it"}',
    "I would stand.",
)


@dataclass(frozen=True)
class Card:
    """A card; its points are 1 for an ace, 10 for a face."""

    rank: str
    suit: str

    @property
    def points(self) -> int:
        """1 to 10."""
        return {"A": 1, "J": 10, "Q": 10, "K": 10}.get(self.rank) or int(self.rank)


def draw_card(generator: np.random.Generator) -> Card:
    """One card of an infinite deck."""
    place = int(generator.integers(52))
    return Card(RANKS[place // 4], SUITS[place % 4])


def count(hand: Sequence[Card]) -> tuple[int, bool]:
    """Points of a hand, and whether an ace counts 11 in them, which it does where that does not bust."""
    low = sum(card.points for card in hand)
    soft = low <= 11 and any(card.rank == "A" for card in hand)
    return low + 10 * soft, soft


class Blackjack(Game):
    """dealer_cards, hands, weights: as in ``families.blackjack``; thoughts: whether the format asks for them before the
    action; pixels: side of the picture, 32 to 1024. Raises InputError.
    """

    def __init__(
        self,
        dealer_cards: Iterable[int] = range(1, 11),
        hands: Iterable[tuple[int, bool]] | None = None,
        *,
        thoughts: bool = True,
        pixels: int = 224,
        weights: Sequence[Number] | None = None,
    ) -> None:
        process = families.blackjack(dealer_cards, hands, weights=weights)
        super().__init__(process.name, lambda: process, thoughts, pixels)

    @property
    def question(self) -> str:
        """The text of every message."""
        thoughts = '"thoughts": "your total, the dealer\'s card, what to do", ' if self.thoughts else ""
        return (
            "You are a blackjack player. The image shows the dealer's cards above, one of them face down, and yours "
            "below. "
            f'You can hit or stand. Answer in JSON:\n{{{thoughts}"action": "stand" or "hit"}}'
        )

    def start(self, prompt: int, generator: np.random.Generator) -> "BlackjackEpisode":
        return BlackjackEpisode(self, prompt_name(self.process, prompt), generator)

    def phrase(self, action: str, generator: np.random.Generator) -> str:
        wordings = {name: in_json(name, THOUGHTS[name], self.thoughts) for name in ACTIONS}
        return choose({UNPARSED: UNPARSABLE, **wordings}, action, generator)


class BlackjackEpisode(Turns):
    """One game. The first two cards are drawn from all pairs that make the prompt's hand; unparsed texts hit or stand
    at random.
    """

    def __init__(self, environment: Blackjack, prompt: str, generator: np.random.Generator) -> None:
        super().__init__()
        self.environment, self.prompt, self.generator = environment, prompt, generator
        hand, up = prompt.split("v")
        pairs, ups = _first_pairs(hand), [rank for rank in RANKS if Card(rank, "").points == Card(up, "").points]
        ranks = (*pairs[int(generator.integers(len(pairs)))], ups[int(generator.integers(len(ups)))])
        first, second, shown = (Card(rank, SUITS[int(generator.integers(len(SUITS)))]) for rank in ranks)
        self.hand, self.dealer = [first, second], [shown]
        self.parsed = True

    @property
    def image(self) -> object:
        """The picture of the next decision; the dealer's second card is drawn from the deck when it is turned up."""
        return drawing.table(
            [(c.rank, c.suit) for c in self.dealer], [(c.rank, c.suit) for c in self.hand], self.environment.pixels
        )

    @property
    def messages(self) -> list[Message]:
        return [user(self.image, self.environment.question)]

    @property
    def node(self) -> str:
        hand = [_name(self.hand)] if len(self.hand) > 2 else []
        return "/".join([self.prompt, *hand, *([] if self.parsed else [UNPARSED])])

    def _take(self, text: str) -> None:
        action = legal_action(text, ACTIONS)
        self._decide(UNPARSED if action is None else action)
        if action is None:
            self.parsed = False
            action = ACTIONS[int(self.generator.integers(len(ACTIONS)))]
        if action == "hit":
            self.hand.append(draw_card(self.generator))
            if count(self.hand)[0] > 21:
                self._end(int(self.parsed), 0, 0)
            return
        while count(self.dealer)[0] < 17:
            self.dealer.append(draw_card(self.generator))
        own, other = count(self.hand)[0], count(self.dealer)[0]
        won = HALF if own == other else int(other > 21 or own > other)
        self._end(int(self.parsed), won, 1)


@cache
def _first_pairs(hand: str) -> tuple[tuple[str, str], ...]:
    """Ranks of two cards that make a hand, all equally likely."""
    return tuple((a, b) for a in RANKS for b in RANKS if _name([Card(a, ""), Card(b, "")]) == hand)


def _name(hand: Sequence[Card]) -> str:
    total, soft = count(hand)
    return f"{'soft' if soft else 'hard'}{total}"


ENVIRONMENTS = {"blackjack": lambda role: Blackjack()}
