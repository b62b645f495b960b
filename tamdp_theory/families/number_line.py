"""The number line of RL4VLM (arXiv 2405.10292, gym-cards): walk from a start to a goal in {0, .., size-1}.

Start and goal are drawn independently and uniformly; if they are equal, the goal becomes (goal + 1) mod (size - 1).
Actions "-1" and "+1" move the current number; at the ends it stays where it is (clamped). A step pays +1 and ends the
episode at the goal, -1 if the distance did not fall, else 0; after ``max_steps`` steps the episode is cut. Success:
total pay > 0.

Components: format (0 iff some action could not be parsed; constant 1 without thoughts), accuracy (success),
executability (no executed move was clamped). Prompts: the distinct (start, goal) pairs with their exact probabilities.
A node remembers the current number, the steps made, whether a step was penalised (then the total pay cannot become
positive) and whether one was clamped.

Facts, with d = |start - goal|:
    success = never a step that does not approach the goal, and d <= max_steps;
    uniformly random policy:  P(success) = sum over pairs of P(pair) 2^-d, over pairs with d <= max_steps, with or
                              without thoughts; 163/576 = 0.28299 for size 6 (RL4VLM reports 28.3 % by sampling);
    optimal success, max_steps >= size - 1:  1, and W for any weights;  with thoughts, sum over pairs of P(pair)
        (1 - e/2)^d, e the parse failure of the better thought.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from tamdp_theory.families._build import FIFTHS, PARSE_FAILURE, End, Move, Number, document, grow, integer
from tamdp_theory.model import TAMDP

STEPS = {"-1": -1, "+1": 1}


def number_line(
    size: int = 6,
    max_steps: int = 10,
    think: bool = False,
    *,
    max_distance: int | None = None,
    parse_failure: Sequence[Number] = PARSE_FAILURE,
    weights: Sequence[Number] | None = None,
    name: str | None = None,
) -> TAMDP:
    """Return the number line.

    size >= 3 numbers; max_steps >= 1 (RL4VLM: 2 (size - 1)); think: a latent thought, careful or hasty, before every
    action, which then cannot be parsed with probability parse_failure[thought] in [0, 1]: a uniformly random legal
    action is executed and format is 0; max_distance: 1 to size - 1, only pairs with |start - goal| <= max_distance,
    their probabilities renormalised (None: all); weights: (3,) format, accuracy, executability, default (1/5, 3/5,
    1/5). Raises InputError for an argument out of range. Facts: see the module; depth 0, 2 size m - m (m + 1) prompts
    with m = max_distance, so size (size - 1) without it; H = max_steps (twice that with thoughts).
    """
    size, max_steps = integer(size, "size", 3), integer(max_steps, "max_steps", 1)
    near = size - 1 if max_distance is None else integer(max_distance, "max_distance", 1, size - 1)
    pairs = _pairs(size, near)
    prompts = [(f"{start}to{goal}", probability) for (start, goal), probability in pairs.items()]
    task = _NumberLine(size, max_steps)
    starts = [(f"{start}to{goal}", _State(goal, start, 0, False, False)) for start, goal in pairs]
    nodes = grow(task, starts, think, parse_failure)
    title = (
        f"number-line-{size}{'' if max_distance is None else f'-near{near}'}{'-think' if think else ''}"
        if name is None
        else name
    )
    components = ("format", "accuracy", "executability")
    return document(title, 0, components, weights=FIFTHS if weights is None else weights, prompts=prompts, nodes=nodes)


def _pairs(size: int, max_distance: int) -> dict[tuple[int, int], Fraction]:
    """Probability of each distinct (start, goal) pair at most ``max_distance`` apart, in order."""
    total = dict.fromkeys(((s, g) for s in range(size) for g in range(size) if s != g), Fraction(0))
    for start in range(size):
        for drawn in range(size):
            goal = drawn if drawn != start else (drawn + 1) % (size - 1)
            total[start, goal] += Fraction(1, size * size)
    near = {pair: probability for pair, probability in total.items() if abs(pair[0] - pair[1]) <= max_distance}
    whole = sum(near.values())
    return {pair: probability / whole for pair, probability in near.items()}


class _State(NamedTuple):
    goal: int
    current: int
    steps: int
    penalised: bool
    clamped: bool


@dataclass(frozen=True)
class _NumberLine:
    size: int
    max_steps: int

    def moves(self, state: _State) -> Sequence[Move[_State]]:
        return [(name, "answer", [(Fraction(1), self._step(state, step))]) for name, step in STEPS.items()]

    def _step(self, state: _State, step: int) -> _State | End:
        current = min(max(state.current + step, 0), self.size - 1)
        closer = abs(current - state.goal) < abs(state.current - state.goal)
        after = _State(
            state.goal,
            current,
            state.steps + 1,
            state.penalised or not closer,
            state.clamped or current == state.current,
        )
        at_goal = current == state.goal
        if at_goal or after.steps == self.max_steps:
            return End((1, int(at_goal and not after.penalised), int(not after.clamped)))
        return after

    def label(self, state: _State) -> str:
        marks = f"{'/penalised' if state.penalised else ''}{'/clamped' if state.clamped else ''}"
        return f"step{state.steps}/at{state.current}{marks}" if state.steps else ""

    def observe(self, state: _State) -> str:
        return f"current {state.current} target {state.goal}"

    def depth(self, state: _State) -> int:
        return 0
