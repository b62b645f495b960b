"""EZPoints of RL4VLM (arXiv 2405.10292, gym-cards): write a formula of two cards that makes 12.

The first card is drawn from 2 to K (10 and faces count 10); the second makes 12 with it by a sum or, for 2, 3, 4 and 6
in half of the cases, by a product; then the two are swapped or not: 13 ordered hands. An action appends a number, "+"
or "*" to the formula, or asks for its value with "=". A number that is not on a card, or no longer, appends a blank
instead. In a formula of more than 5 tokens the next action, whatever it is, cuts the episode; so there are at most 7
decisions. Success: "=" where both cards are in the formula and Python's arithmetic makes 12 of it ("+6 + 6", "6*+2"
too: a sign is no departure, "**" is a power, and neighbouring digits are one number).

Components: format (0 iff some action could not be parsed; constant 1 without thoughts), accuracy (success),
executability (every number was on a card). Prompts: the ordered hands with their probabilities. A node is a class of
formulas after which the same actions lead to the same outcomes (``Formulas``): no process with these rewards has fewer
nodes, and its id shows the first formula of the class, "_" a blank.

Facts:
    optimal success 1, and W for any weights, in four decisions;
    uniformly random policy: P(success) = sum over formulas that make 12 of P(hand) prod_t (choices_t / 13), where a
        blank can be written in as many ways as there are numbers that no card shows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from itertools import groupby
from typing import NamedTuple

from tamdp_theory.errors import InputError
from tamdp_theory.families._build import FIFTHS, PARSE_FAILURE, End, Move, Number, document, grow, sequence
from tamdp_theory.model import TAMDP

TARGET, LONGEST = 12, 5
NUMBERS = tuple(str(n) for n in range(1, 11))
ACTIONS = (*NUMBERS, "+", "*", "=")
BLANK = " "
Hand = tuple[int, int]
Formula = tuple[str, ...]


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
    starts = [(prompt, _State(hand, ())) for (prompt, _), hand in zip(prompts, chosen, strict=True)]
    title = (
        f"ez-points{'' if hands is None else f'-{len(chosen)}'}{'-think' if think else ''}" if name is None else name
    )
    return document(
        title,
        0,
        ("format", "accuracy", "executability"),
        weights=FIFTHS if weights is None else weights,
        prompts=prompts,
        nodes=grow(_EZPoints(), starts, think, parse_failure),
    )


@cache
def deals() -> dict[Hand, Fraction]:
    """Probability of each ordered hand."""
    law: dict[Hand, Fraction] = {}
    for card in range(2, 14):
        first = min(card, 10)
        seconds = [TARGET - first, TARGET // first] if first in (2, 3, 4, 6) else [TARGET - first]
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


# -- formulas -----------------------------------------------------------------------------------------------------


def append(hand: Hand, formula: Formula, action: str) -> Formula:
    """The formula after an action other than "="."""
    if action not in NUMBERS:
        return (*formula, action)
    left = [str(card) for card in hand].count(action) - formula.count(action)
    return (*formula, action if left > 0 else BLANK)


def outcome(hand: Hand, formula: Formula, action: str) -> End | None:
    """How an action ends the episode; None if it goes on."""
    executable = int(BLANK not in formula)
    if len(formula) > LONGEST:
        return End((1, 0, executable))
    if action != "=":
        return None
    used = sum(token in NUMBERS for token in formula)
    return End((1, int(used == len(hand) and value(formula) == TARGET), executable))


def value(formula: Sequence[str]) -> int | None:
    """What Python's arithmetic makes of a formula of numbers, "+", "*" and blanks; None where it is none. For formulas
    of few tokens: a tower of powers is computed in full.
    """
    text = "".join(formula)
    # words: runs of digits, "+", "*" and "**"; blanks part them
    words = ["".join(run) for part in text.split() for _, run in groupby(part, _kind)]
    return _sum(words)


def _kind(character: str) -> str:
    return "number" if character.isdecimal() else character


def _sum(words: Sequence[str]) -> int | None:
    """Words as a sum of products of powers: runs of "+" are one sum and signs, which change nothing."""
    total, product, due = 0, 1, True  # due: a number, which signs may come before
    power: list[int] = []  # of the factor at hand, whose exponents bind from the right
    for word in words:
        if word.isdecimal():
            if not due:
                return None
            power.append(int(word))
            due = False
        elif set(word) == {"+"}:
            if not due:  # the first is a sum, further ones are signs
                total, product, power, due = total + product * _tower(power), 1, [], True
        elif due or len(word) > 2:
            return None
        elif word == "*":
            product, power, due = product * _tower(power), [], True
        else:
            due = True
    return None if due else total + product * _tower(power)


def _tower(numbers: Sequence[int]) -> int:
    result = 1
    for number in reversed(numbers):
        result = number**result
    return result


@dataclass(frozen=True)
class Formulas:
    """Formulas of a hand, merged where no actions tell them apart."""

    hand: Hand

    @cached_property
    def all(self) -> list[Formula]:
        """Every formula that can be written, the shortest first."""
        known: dict[Formula, None] = {(): None}
        queue: list[Formula] = [()]
        for formula in queue:
            for action in ACTIONS:
                if outcome(self.hand, formula, action) is None:
                    after = append(self.hand, formula, action)
                    if after not in known:
                        known[after] = None
                        queue.append(after)
        return list(known)

    @cached_property
    def first(self) -> dict[Formula, Formula]:
        """The first formula of each formula's class."""
        label: dict[Formula, int] = {}
        classes: dict[tuple[object, ...], int] = {}
        for formula in reversed(self.all):
            after = tuple(
                outcome(self.hand, formula, action) or label[append(self.hand, formula, action)] for action in ACTIONS
            )
            label[formula] = classes.setdefault(after, len(classes))
        first: dict[int, Formula] = {}
        for formula in self.all:
            first.setdefault(label[formula], formula)
        return {formula: first[label[formula]] for formula in self.all}

    def label(self, formula: Formula) -> str:
        """The class of a formula in node ids."""
        return "".join(self.first[formula]).replace(BLANK, "_")


@cache
def formulas(hand: Hand) -> Formulas:
    """The formulas of a hand."""
    return Formulas(hand)


class _State(NamedTuple):
    hand: Hand
    formula: Formula


class _EZPoints:
    def moves(self, state: _State) -> Sequence[Move[_State]]:
        return [(action, "answer", [(Fraction(1), self._after(state, action))]) for action in ACTIONS]

    def _after(self, state: _State, action: str) -> _State | End:
        ended = outcome(state.hand, state.formula, action)
        if ended is not None:
            return ended
        return _State(state.hand, formulas(state.hand).first[append(state.hand, state.formula, action)])

    def label(self, state: _State) -> str:
        return formulas(state.hand).label(state.formula)

    def observe(self, state: _State) -> str:
        return f"cards {state.hand[0]} {state.hand[1]} formula {self.label(state)}"

    def depth(self, state: _State) -> int:
        return 0
