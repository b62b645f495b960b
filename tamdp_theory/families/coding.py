"""Repairing an image with code before answering, shaped after the coding task of Visual-ARFT (arXiv 2505.14246).

An image has some of the defects "rotated", "dark" and "wide" (the object is too small to read). At each turn the agent
answers or runs code: rotate, brighten or crop. The code raises with probability 1 - r (``reliability`` r), which costs
executability and leaves the image as it was; otherwise it mends its own defect and no other. With m defects left:

    read         right with probability (9/10) 2^-m
    guess        right with probability 1/10
    untagged     format 0, so that nothing can be scored: accuracy 0

Components: format, accuracy (0 or 1), executability (1 iff no code raised). Departures from Visual-ARFT: it pays code
rows a constant without running the code; here running it is the point. Paths that leave the same defects, calls and
executability meet in one node, so this family is a DAG and no tree.

Facts, with a(m) = (9/10) 2^-m, weights (w_f, w_a, w_x), x = 1 while no code raised, A_x(m) = w_f + w_a max(a(m), 1/10)
+ w_x x:
    reading at once:   J = w_f + w_a E a(m) + w_x
    optimal:           V_x(m, 0) = A_x(m),  V_x(m, k) = max(A_x(m), r V_x(m-1, k-1) + (1-r) V_0(m, k-1))
                       for k calls left, m > 0
    one defect, one call left, nothing raised yet: run the code iff  r (a(0) - a(1)) w_a >= (1-r) w_x
    with r = 1 and m <= max_tool_depth throughout:   J* = w_f + 9/10 w_a + w_x
    code for a defect that is not there is never better.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from tamdp_theory.errors import InputError
from tamdp_theory.families._build import (
    FIFTHS,
    PARSE_FAILURE,
    End,
    Move,
    Number,
    document,
    grow,
    integer,
    merge,
    probability,
    sequence,
    uniform,
)
from tamdp_theory.model import TAMDP

REMEDIES = {"rotate": "rotated", "brighten": "dark", "crop": "wide"}
DEFECTS = tuple(REMEDIES.values())
IMAGES = (("rotated",), ("dark",), ("rotated", "dark"), ("wide",), ("rotated", "wide"), ("dark", "wide"), DEFECTS, ())
READ = Fraction(9, 10)
GUESS = Fraction(1, 10)


def coding(
    prompts: int = 3,
    max_tool_depth: int = 2,
    reliability: Number = Fraction(4, 5),
    *,
    images: Sequence[Sequence[str]] | None = None,
    think: bool = False,
    parse_failure: Sequence[Number] = PARSE_FAILURE,
    weights: Sequence[Number] | None = None,
    name: str | None = None,
) -> TAMDP:
    """Return the coding task; prompts are equally likely.

    prompts >= 1; max_tool_depth >= 0 runs of code; reliability in (0, 1]; images: (prompts,) the defects of each, from
    "rotated", "dark", "wide"; default: rotated; dark; both; wide; rotated and wide; dark and wide; all three; none; and
    again; think: a latent thought, careful or hasty, before every action, which then cannot be parsed with probability
    parse_failure[thought] in [0, 1] and ends the trajectory with format and accuracy 0; weights: (3,) format, accuracy,
    executability, default (1/5, 3/5, 1/5). Raises InputError for an argument out of range. Facts: see the module.
    """
    prompts = integer(prompts, "prompts", 1)
    max_tool_depth = integer(max_tool_depth, "max_tool_depth", 0)
    chosen = [IMAGES[q % len(IMAGES)] for q in range(prompts)] if images is None else sequence(images, "images")
    if len(chosen) != prompts:
        raise InputError(f"images: {len(chosen)} given for {prompts} prompts")
    defects = [_defects(image, f"images[{q}]") for q, image in enumerate(chosen)]
    works = probability(reliability, "reliability", positive=True)
    names = [f"q{q}" for q in range(prompts)]
    task = _Coding(max_tool_depth, works)
    starts = [(prompt, _State(image, 0, True)) for prompt, image in zip(names, defects, strict=True)]
    nodes = grow(task, starts, think, parse_failure, lambda state: End((0, 0, int(state.executable))))
    title = f"coding-{prompts}x{max_tool_depth}{'-think' if think else ''}" if name is None else name
    components = ("format", "accuracy", "executability")
    return document(
        title,
        max_tool_depth,
        components,
        weights=FIFTHS if weights is None else weights,
        prompts=uniform(names),
        nodes=nodes,
    )


class _State(NamedTuple):
    defects: tuple[str, ...]
    calls: int
    executable: bool


@dataclass(frozen=True)
class _Coding:
    max_calls: int
    reliability: Fraction

    def moves(self, state: _State) -> Sequence[Move[_State]]:
        x = int(state.executable)
        right, wrong = End((1, 1, x)), End((1, 0, x))
        reads = READ / 2 ** len(state.defects)
        moves: list[Move[_State]] = []
        if state.calls < self.max_calls:
            for tool, defect in REMEDIES.items():
                mended = tuple(d for d in state.defects if d != defect)
                branches = [
                    (self.reliability, _State(mended, state.calls + 1, state.executable)),
                    (1 - self.reliability, _State(state.defects, state.calls + 1, False)),
                ]
                moves.append((tool, "tool", merge(branches)))
        return [
            *moves,
            ("read", "answer", [(reads, right), (1 - reads, wrong)]),
            ("guess", "answer", [(GUESS, right), (1 - GUESS, wrong)]),
            ("untagged", "answer", [(Fraction(1), End((0, 0, x)))]),
        ]

    def label(self, state: _State) -> str:
        return f"run{state.calls}/{_look(state)}{'' if state.executable else '!'}"

    def observe(self, state: _State) -> str:
        return f"image {_look(state)}, runs {state.calls}{'' if state.executable else ', code raised'}"

    def depth(self, state: _State) -> int:
        return state.calls


def _look(state: _State) -> str:
    return "+".join(state.defects) or "clean"


def _defects(image: Sequence[str], place: str) -> tuple[str, ...]:
    items = sequence(image, place)
    for item in items:
        if item not in DEFECTS or items.count(item) > 1:
            raise InputError(f"{place}: expected distinct defects out of {', '.join(DEFECTS)}; got {item!r} in {items}")
    return tuple(d for d in DEFECTS if d in items)
