"""Answering a question about an image with search calls, shaped after the search task of Visual-ARFT (arXiv
2505.14246).

A prompt of difficulty n needs n pieces of evidence. At each turn the agent answers or sends a search query:

    good query   returns a new piece of evidence with probability r (``reliability``), else the call fails
    poor query   the same with probability r/2

and either call is malformed with probability ``malformed``, which ends the trajectory with no reward at all. A failed
call costs executability and brings nothing, but the agent goes on. With m pieces missing the answers are

    careful      F1 = f(m) with probability 3/4, f(m+1) with probability 1/4;  f = 1, 1/2, 1/4, 0, 0, ..
    wrong        F1 = 0
    untagged     format 0, so that nothing can be scored: F1 = 0

Components: format, accuracy (F1), executability (1 iff no call failed). Departures from Visual-ARFT: its reward is
accuracy + format, unweighted, its similarity reward for queries is left out, executability is scored on its own.

Facts, with v(m) = (3 f(m) + f(m+1))/4 = 7/8, 7/16, 3/16, 0, .., weights (w_f, w_a, w_x), x = 1 while no call failed,
and A_x(m) = w_f + w_a v(m) + w_x x:
    answering at once, carefully:   J = w_f + w_a E v(n) + w_x, n the difficulty
    optimal:                        V_x(m, 0) = A_x(m),
        V_x(m, k) = max(A_x(m), (1 - malformed)(r V_x(m-1, k-1) + (1-r) V_0(m, k-1)))   for k calls left and m > 0
    with malformed = 0, r = 1 and n <= max_tool_depth throughout:   J* = w_f + 7/8 w_a + w_x
    the poor query, the wrong and the untagged answer are never better.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from tamdp_theory.errors import InputError
from tamdp_theory.families._build import (
    FIFTHS,
    PARSE_FAILURE,
    Branches,
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

F1 = (Fraction(1), Fraction(1, 2), Fraction(1, 4))
ONE = Fraction(1)


def search(
    prompts: int = 3,
    max_tool_depth: int = 2,
    reliability: Number = Fraction(4, 5),
    malformed: Number = Fraction(1, 20),
    *,
    difficulties: Sequence[int] | None = None,
    think: bool = False,
    parse_failure: Sequence[Number] = PARSE_FAILURE,
    weights: Sequence[Number] | None = None,
    name: str | None = None,
) -> TAMDP:
    """Return the search task; prompts are equally likely.

    prompts >= 1; max_tool_depth >= 0 search calls; reliability in (0, 1]; malformed in [0, 1);
    difficulties: (prompts,) pieces of evidence needed, each >= 0, default 0, 1, .., max_tool_depth, 0, 1, ..;
    think: a latent thought, careful or hasty, before every action, which then cannot be parsed with probability
    parse_failure[thought] in [0, 1] and ends the trajectory with format and accuracy 0;
    weights: (3,) format, accuracy, executability, default (1/5, 3/5, 1/5).
    Raises InputError for an argument out of range. Facts: see the module; a tree of (4^(D+1) - 1)/3 nodes a prompt, D =
    max_tool_depth and reliability < 1, without thoughts.
    """
    prompts = integer(prompts, "prompts", 1)
    max_tool_depth = integer(max_tool_depth, "max_tool_depth", 0)
    cycle = [q % (max_tool_depth + 1) for q in range(prompts)]
    needs = cycle if difficulties is None else sequence(difficulties, "difficulties")
    if len(needs) != prompts:
        raise InputError(f"difficulties: {len(needs)} given for {prompts} prompts")
    needs = [integer(need, f"difficulties[{q}]", 0) for q, need in enumerate(needs)]
    works = probability(reliability, "reliability", positive=True)
    lost = probability(malformed, "malformed")
    if lost == 1:
        raise InputError("malformed: must be below 1; no call would ever be made")
    names = [f"q{q}" for q in range(prompts)]
    task = _Search(max_tool_depth, works, lost)
    starts = [(prompt, _State("", need, need, 0, True)) for prompt, need in zip(names, needs, strict=True)]
    nodes = grow(task, starts, think, parse_failure, lambda state: End((0, 0, int(state.executable))))
    title = f"search-{prompts}x{max_tool_depth}{'-think' if think else ''}" if name is None else name
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
    path: str
    need: int
    missing: int
    calls: int
    executable: bool


@dataclass(frozen=True)
class _Search:
    max_calls: int
    reliability: Fraction
    malformed: Fraction

    def moves(self, state: _State) -> Sequence[Move[_State]]:
        x = int(state.executable)
        grades = ((Fraction(3, 4), _f1(state.missing)), (Fraction(1, 4), _f1(state.missing + 1)))
        careful: Branches[_State] = merge((p, End((1, f1, x))) for p, f1 in grades)
        answers: list[Move[_State]] = [
            ("careful", "answer", careful),
            ("wrong", "answer", [(ONE, End((1, 0, x)))]),
            ("untagged", "answer", [(ONE, End((0, 0, x)))]),
        ]
        if state.calls == self.max_calls:
            return answers
        return [
            self._call(state, "search+", self.reliability),
            self._call(state, "search-", self.reliability / 2),
            *answers,
        ]

    def _call(self, state: _State, name: str, works: Fraction) -> Move[_State]:
        path = f"{state.path}/{name}".lstrip("/")
        found = state._replace(path=path, missing=max(state.missing - 1, 0), calls=state.calls + 1)
        failed = state._replace(path=f"{path}!", calls=state.calls + 1, executable=False)
        kept = 1 - self.malformed
        return (
            name,
            "tool",
            merge([(kept * works, found), (kept * (1 - works), failed), (self.malformed, End((0, 0, 0)))]),
        )

    def label(self, state: _State) -> str:
        return state.path

    def observe(self, state: _State) -> str:
        error = "" if state.executable else ", a call failed"
        return f"question needs {state.need}, missing {state.missing}, calls {state.calls}{error}"

    def depth(self, state: _State) -> int:
        return state.calls


def _f1(missing: int) -> Fraction:
    return F1[missing] if missing < len(F1) else Fraction(0)
