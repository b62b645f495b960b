"""The finite processes that text environments are.

Those of RL4VLM are families with the texts that cannot be parsed as one more action. RL4VLM executes a uniformly random
legal action in their place, and format is then 0 for the whole trajectory. So the twin of a process has at every node
its actions and "unparsed", and remembers whether everything so far could be parsed. The twin of the image repair knows
pictures by what is wrong with them, no pixels.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from tamdp_theory.environments.base import Environment
from tamdp_theory.environments.parsing import MARKER, Call
from tamdp_theory.environments.repair import CENTRE, SPOILED, TURNS, Picture
from tamdp_theory.families._build import End, Kind, Move, Number, document, expand, flag, integer, merge, uniform
from tamdp_theory.model import TAMDP
from tamdp_theory.numbers import fraction

UNPARSED = "unparsed"
S = TypeVar("S")


class Game(Environment):
    """A game of the families in pictures: one picture a turn, one action in JSON as the answer, after thoughts if
    ``thoughts``.

    process: makes the game without texts, when it is asked for; pixels: side of a picture, 32 to 1024.
    """

    def __init__(self, name: str, process: Callable[[], TAMDP], thoughts: bool, pixels: int) -> None:
        self.name, self._make = name, process
        self.thoughts, self.pixels = flag(thoughts, "thoughts"), integer(pixels, "pixels", 32, 1024)

    @property
    def thought_end(self) -> str | None:
        return MARKER if self.thoughts else None

    @cached_property
    def process(self) -> TAMDP:
        """The game without texts."""
        return self._make()

    @cached_property
    def twin(self) -> TAMDP:
        return with_unparsed(self.process)


def with_unparsed(process: TAMDP, refused: Sequence[str] = ()) -> TAMDP:
    """Return a process of the families with the action "unparsed" at every node: a uniformly random action of the node,
    of those that are not ``refused``, and format 0.

    The first component must be the format, and node ids begin with the prompt's name, as in every family. Ids of nodes
    after a text that could not be parsed end in "/unparsed". Prompts, components and weights are the process's own.
    """
    starts = [(name, _State(name, True)) for name in process.prompt_names]
    return document(
        f"{process.name}-text",
        process.max_tool_depth,
        process.component_names,
        weights=process.exact_weights,
        prompts=list(zip(process.prompt_names, process.exact_prompt_probability, strict=True)),
        nodes=expand(_WithUnparsed(process, refused), starts),
    )


class _State(NamedTuple):
    node: str
    parsed: bool


@dataclass(frozen=True)
class _Node:
    prompt: str
    observation: str
    depth: int
    actions: tuple[tuple[str, Kind, tuple[dict[str, Any], ...]], ...]


class _WithUnparsed:
    """The state machine: a compiled process, walked through its own nodes."""

    def __init__(self, process: TAMDP, refused: Sequence[str]) -> None:
        self.refused = refused
        prompts = [process.prompt_names[q] for q in process.node_prompt]
        self.nodes = {
            node["id"]: _Node(
                prompt,
                node["observation"],
                node["depth"],
                tuple((a["name"], a["kind"], tuple(a["next"])) for a in node["actions"]),
            )
            for node, prompt in zip(process.to_dict()["nodes"], prompts, strict=True)
        }

    def moves(self, state: _State) -> Sequence[Move[_State]]:
        actions = self.nodes[state.node].actions
        drawn = [edges for name, _, edges in actions if name not in self.refused]
        share = Fraction(1, len(drawn))
        moves: list[Move[_State]] = [(name, kind, list(_after(edges, state.parsed))) for name, kind, edges in actions]
        lost = merge((share * p, successor) for edges in drawn for p, successor in _after(edges, False))
        return [*moves, (UNPARSED, "answer", lost)]

    def label(self, state: _State) -> str:
        own = state.node.removeprefix(self.nodes[state.node].prompt).lstrip("/")
        return "/".join(part for part in (own, "" if state.parsed else UNPARSED) if part)

    def observe(self, state: _State) -> str:
        return self.nodes[state.node].observation

    def depth(self, state: _State) -> int:
        return self.nodes[state.node].depth


def _after(edges: Sequence[dict[str, Any]], parsed: bool) -> Iterator[tuple[Fraction, _State | End]]:
    for edge in edges:
        p = fraction(edge["probability"], "probability")
        if "node" in edge:
            yield p, _State(edge["node"], parsed)
        else:
            rewards = tuple(fraction(reward, "reward") for reward in edge["rewards"])
            yield p, End(rewards if parsed else (0, *rewards[1:]))


# -- image repair -------------------------------------------------------------------------------------------------

BAD_CALL, LATE_CALL, UNTAGGED = "bad_call", "late_call", "untagged"


class Question(NamedTuple):
    """A shape and what is wrong with its picture."""

    colour: str
    form: str
    picture: Picture

    def __str__(self) -> str:
        return f"{self.colour}-{self.form}-{self.picture}"


def action_of_call(call: Call) -> str:
    """Name of the twin's action that a call is."""
    if call.name == "rotate":
        return f"rotate{call.arguments['degrees']}"
    return "crop_corner" if call.name == "crop" and call.arguments["region"] != CENTRE else call.name


def image_repair(
    name: str,
    questions: Sequence[Question],
    max_tool_depth: int,
    answers: Sequence[str],
    weights: Sequence[Number] | None = None,
) -> TAMDP:
    """Return the process of ``ImageRepair``; questions are equally likely, answers are "colour form". Raises InputError
    for bad weights.
    """
    components = ("format", "exact_match", "f1", "executability")
    default = (Fraction(1, 5), Fraction(2, 5), Fraction(1, 5), Fraction(1, 5))
    starts = [(str(question), _Repair(question, question.picture, 0, True)) for question in questions]
    nodes = expand(_RepairMachine(max_tool_depth, tuple(answers)), starts)
    return document(
        name,
        max_tool_depth,
        components,
        weights=default if weights is None else weights,
        prompts=uniform([prompt for prompt, _ in starts]),
        nodes=nodes,
    )


class _Repair(NamedTuple):
    question: Question
    picture: Picture | None
    calls: int
    executable: bool


@dataclass(frozen=True)
class _RepairMachine:
    max_calls: int
    answers: tuple[str, ...]

    def moves(self, state: _Repair) -> Sequence[Move[_Repair]]:
        x = int(state.executable)
        moves: list[Move[_Repair]] = [(given, "answer", _surely(self._grade(state, given))) for given in self.answers]
        moves.append((UNTAGGED, "answer", _surely(End((0, 0, 0, x)))))
        if state.calls == self.max_calls:
            return [*moves, (LATE_CALL, "answer", _surely(End((0, 0, 0, 0))))]
        after = state._replace(calls=state.calls + 1)
        for name, picture in _mended(state.picture).items():
            moves.append((name, "tool", _surely(after._replace(picture=picture))))
        return [*moves, (BAD_CALL, "tool", _surely(after._replace(executable=False)))]

    def _grade(self, state: _Repair, given: str) -> End:
        colour, form = given.split()
        right = (colour == state.question.colour) + (form == state.question.form)
        return End((1, int(right == 2), Fraction(right, 2), int(state.executable)))

    def label(self, state: _Repair) -> str:
        if not state.calls:
            return ""
        return f"calls{state.calls}/{state.picture or SPOILED}{'' if state.executable else '/failed'}"

    def observe(self, state: _Repair) -> str:
        return f"{state.question.colour} {state.question.form} {state.picture or SPOILED} calls {state.calls}"

    def depth(self, state: _Repair) -> int:
        return state.calls


def _mended(picture: Picture | None) -> dict[str, Picture | None]:
    """What each call makes of a picture; None is spoiled, which nothing mends."""
    if picture is None:
        return dict.fromkeys([*(f"rotate{turn}" for turn in TURNS), "brighten", "crop", "crop_corner"])
    return {
        **{f"rotate{turn}": picture._replace(turn=(picture.turn + turn) % 360) for turn in TURNS},
        "brighten": picture._replace(dark=False),
        "crop": picture._replace(wide=False) if picture.wide else None,
        "crop_corner": None,
    }


def _surely(successor: S) -> Sequence[tuple[Fraction, S]]:
    return [(Fraction(1), successor)]
