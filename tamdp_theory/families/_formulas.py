"""Games in which a formula of cards is written token by token, after RL4VLM (arXiv 2405.10292): EZPoints and Points24.

An action appends a number or a sign to the formula, or asks for its value with "=". A number that is not on a card, or
no longer, appends a blank instead. In a formula of more than ``longest`` tokens the next action, whatever it is, cuts
the episode. Won: "=" where every card is in the formula and Python's arithmetic makes the target of it
(``_arithmetic``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from typing import NamedTuple

from tamdp_theory.errors import CapacityError
from tamdp_theory.families._arithmetic import BLANK, START, Reading, read, value, value_of
from tamdp_theory.families._build import End, Move

MAX_LISTED = 9  # tokens after which nothing more is appended, in games that are listed
NUMBERS = tuple(str(n) for n in range(1, 11))
Hand = tuple[int, ...]
Formula = tuple[str, ...]


@dataclass(frozen=True)
class Rules:
    """signs: what may be written besides numbers; target: what the formula should make; longest: tokens of a formula
    after which nothing more is appended.
    """

    signs: tuple[str, ...]
    target: int
    longest: int

    @property
    def actions(self) -> tuple[str, ...]:
        """The numbers 1 to 10, the signs, and "="."""
        return (*NUMBERS, *self.signs, "=")

    def append(self, hand: Hand, formula: Formula, action: str) -> Formula:
        """The formula after an action other than "="."""
        if action not in NUMBERS:
            return (*formula, action)
        left = [str(card) for card in hand].count(action) - formula.count(action)
        return (*formula, action if left > 0 else BLANK)

    def outcome(self, hand: Hand, formula: Formula, action: str) -> End | None:
        """How an action ends the episode; None if it goes on."""
        executable = int(BLANK not in formula)
        if len(formula) > self.longest:
            return End((1, 0, executable))
        if action != "=":
            return None
        used = sum(token in NUMBERS for token in formula)
        return End((1, int(used == len(hand) and value_of(formula) == self.target), executable))


class _Written(NamedTuple):
    """What matters of a formula: how it reads (None: it has no value), which cards are left, whether every number was
    on one.
    """

    reading: Reading | None
    left: Hand
    executable: bool


class Classes:
    """The formulas of a hand, merged where no actions tell them apart. Equal readings are merged at once, the rest from
    the longest formulas back to the empty one.
    """

    def __init__(self, rules: Rules, hand: Hand) -> None:
        self.rules, self.hand = rules, hand
        # what can be written in 0, 1, .. tokens, numbered in the order of the first formula of each
        self.steps: list[dict[_Written, int]] = [{_Written(START, tuple(sorted(hand)), True): 0}]
        # by length and place: the place of what each action but "=" leads to
        self._links: list[list[list[int]]] = []

    def grow(self, most: int) -> int:
        """List what can be written, and return how much that is; CapacityError, with a length that would fit, if it is
        more than ``most``.
        """
        count = sum(map(len, self.steps))
        while count <= most and len(self.steps) < self.rules.longest + 2:
            length, after = len(self.steps), dict[_Written, int]()
            actions = self.rules.actions[:-1]
            self._links.append(
                [
                    [after.setdefault(self._after(written, action, length), len(after)) for action in actions]
                    for written in self.steps[-1]
                ]
            )
            self.steps.append(after)
            count += len(after)
        if count > most:
            raise CapacityError(
                f"longest: formulas of up to {self.rules.longest + 1} tokens of the cards "
                f"{', '.join(map(str, self.hand))} have more than {most:,} states; "
                f"longest = {len(self.steps) - 3} would fit"
            )
        return count

    @cached_property
    def _merged(self) -> tuple[list[list[int]], list[tuple[End | int, ...]]]:
        """The class of everything that can be written, by length and place; and what each action leads to."""
        self.grow(10**9)
        steps, links = self.steps, self._links
        found: dict[tuple[End | int, ...], int] = {}
        labels: list[list[int]] = [[] for _ in steps]
        for length in range(len(steps) - 1, -1, -1):
            for place, written in enumerate(steps[length]):
                if length > self.rules.longest:
                    after: tuple[End | int, ...] = (End((1, 0, int(written.executable))),) * len(self.rules.actions)
                else:
                    own = labels[length + 1]
                    after = (*(own[link] for link in links[length][place]), self._ended(written))
                labels[length].append(found.setdefault(after, len(found)))
        return labels, list(found)

    @property
    def after(self) -> list[tuple[End | int, ...]]:
        """What each action leads to from each class: another class, or the end."""
        return self._merged[1]

    @property
    def start(self) -> int:
        """The class of the empty formula."""
        return self._merged[0][0][0]

    @cached_property
    def names(self) -> dict[int, str]:
        """The first formula of each class, blanks as "_"."""
        tokens: dict[int, Formula] = {self.start: ()}
        queue = [self.start]
        for own in queue:
            for action, end in zip(self.rules.actions, self.after[own], strict=True):
                if isinstance(end, int) and end not in tokens:
                    tokens[end] = self.rules.append(self.hand, tokens[own], action)
                    queue.append(end)
        return {own: "".join(formula).replace(BLANK, "_") for own, formula in tokens.items()}

    def name(self, formula: Formula) -> str:
        """The class of a formula in node ids."""
        (written,) = self.steps[0]
        for length, token in enumerate(formula, start=1):
            written = self._written(written, token, length)
        return self.names[self._merged[0][len(formula)][self.steps[len(formula)][written]]]

    def _after(self, written: _Written, action: str, length: int) -> _Written:
        number = int(action) if action in NUMBERS else 0
        return self._written(written, BLANK if number and number not in written.left else action, length)

    def _written(self, written: _Written, token: str, length: int) -> _Written:
        """After a token more, of ``length`` then. What cannot be completed any more has no value."""
        reading, left, executable = read(written.reading, token), written.left, written.executable and token != BLANK
        if token in NUMBERS and left:
            place = left.index(int(token))
            left = (*left[:place], *left[place + 1 :])
        if reading is not None:
            missing = len(left) + reading.operators.count("(")
            due = reading.last in ("operator", "*", "/") and not left
            if due or length + missing > self.rules.longest:
                reading = None
        return _Written(reading, left if reading is not None or executable else (), executable)

    def _ended(self, written: _Written) -> End:
        """What "=" gives."""
        won = not written.left and written.reading is not None and value(written.reading) == self.rules.target
        return End((1, int(won), int(written.executable)))


@cache
def _classes(rules: Rules, hand: Hand) -> Classes:
    return Classes(rules, hand)


def classes(rules: Rules, hand: Hand) -> Classes:
    """The classes of a hand; hands with the same cards have the same."""
    return _classes(rules, tuple(sorted(hand)))


class State(NamedTuple):
    """A hand, and the class of the formula."""

    hand: Hand
    own: int


@dataclass(frozen=True)
class FormulaGame:
    """The state machine."""

    rules: Rules

    def start(self, hand: Hand) -> State:
        """Nothing is written."""
        return State(hand, classes(self.rules, hand).start)

    def moves(self, state: State) -> Sequence[Move[State]]:
        found = classes(self.rules, state.hand).after[state.own]
        return [
            (action, "answer", [(Fraction(1), end if isinstance(end, End) else State(state.hand, end))])
            for action, end in zip(self.rules.actions, found, strict=True)
        ]

    def label(self, state: State) -> str:
        return classes(self.rules, state.hand).names[state.own]

    def observe(self, state: State) -> str:
        return f"cards {' '.join(map(str, state.hand))} formula {self.label(state)}"

    def depth(self, state: State) -> int:
        return 0
