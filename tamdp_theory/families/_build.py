"""What the families share: expanding a state machine into nodes, latent thoughts, and checks of arguments."""

import gc
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

from tamdp_theory import compiling
from tamdp_theory.document import Action, Component, Document, Edge, Node, Prompt
from tamdp_theory.errors import InputError
from tamdp_theory.model import TAMDP
from tamdp_theory.numbers import fraction, show

Number: TypeAlias = Fraction | int | float | str
Kind: TypeAlias = Literal["tool", "think", "answer"]

FIFTHS = (Fraction(1, 5), Fraction(3, 5), Fraction(1, 5))
PARSE_FAILURE = (Fraction(1, 20), Fraction(1, 4))
THOUGHTS = ("careful", "hasty")


@dataclass(frozen=True, slots=True)
class End:
    """A terminal outcome: exact rewards (K,), the format component first."""

    rewards: tuple[Fraction | int, ...]


S = TypeVar("S", bound=Hashable)
Branches: TypeAlias = Sequence[tuple[Fraction, S | End]]
Move: TypeAlias = tuple[str, Kind, Branches[S]]


class Machine(Protocol[S]):
    """An environment as a state machine; equal states of a prompt are one node."""

    def moves(self, state: S) -> Sequence[Move[S]]:
        """Legal actions, each with its distribution over successors."""

    def label(self, state: S) -> str:
        """The part of the node id after the prompt, unique to the state; empty for a start."""

    def observe(self, state: S) -> str:
        """The observation label."""

    def depth(self, state: S) -> int:
        """Tool calls made so far."""


def expand(machine: Machine[S], starts: Iterable[tuple[str, S]]) -> list[Node]:
    """Return the nodes that each (prompt name, start state) reaches, breadth first, one copy for each prompt."""
    known: dict[S, Sequence[Move[S]]] = {}
    nodes: list[Node] = []
    for prompt, start in starts:
        ids = {start: prompt}
        queue = [start]
        for state in queue:
            moves = known.get(state)
            if moves is None:
                moves = known[state] = machine.moves(state)
            actions = []
            for name, kind, branches in moves:
                edges = []
                for probability, successor in branches:
                    if isinstance(successor, End):
                        edges.append(Edge(probability=probability, rewards=successor.rewards))
                        continue
                    if successor not in ids:
                        ids[successor] = f"{prompt}/{machine.label(successor)}"
                        queue.append(successor)
                    edges.append(Edge(probability=probability, node=ids[successor]))
                actions.append(Action(name=name, kind=kind, next=edges))
            observation = machine.observe(state)
            nodes.append(Node(id=ids[state], depth=machine.depth(state), actions=actions, observation=observation))
    return nodes


def merge(branches: Iterable[tuple[Fraction, S | End]]) -> Branches[S]:
    """Add up the probabilities of equal successors and leave out what cannot happen."""
    total: dict[S | End, Fraction] = {}
    for probability, successor in branches:
        if probability:
            total[successor] = total.get(successor, Fraction(0)) + probability
    return [(probability, successor) for successor, probability in total.items()]


# -- latent thoughts ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mind(Generic[S]):
    """A state, the thought just made (None: think next), and whether every action so far could be parsed."""

    state: S
    thought: int | None = None
    parsed: bool = True


@dataclass(frozen=True)
class Thinking(Generic[S]):
    """A machine with a choice of latent thought, "careful" or "hasty", before every action.

    After thought i an action fails to parse with probability parse_failure[i]. The format component, which comes first,
    is then 0 for the whole trajectory; ``unparsed`` says what happens: None, a uniformly random legal action is
    executed (RL4VLM), of those that are not ``refused``; else the outcome in that state.
    """

    machine: Machine[S]
    parse_failure: tuple[Fraction, Fraction]
    unparsed: Callable[[S], End] | None = None
    refused: Sequence[str] = ()

    def moves(self, mind: Mind[S]) -> Sequence[Move[Mind[S]]]:
        if mind.thought is None:
            return [
                (name, "think", [(Fraction(1), Mind(mind.state, i, mind.parsed))]) for i, name in enumerate(THOUGHTS)
            ]
        failure = self.parse_failure[mind.thought]
        legal = self.machine.moves(mind.state)
        lost: list[tuple[Fraction, Mind[S] | End]]
        if self.unparsed is not None:
            lost = [(failure, self.unparsed(mind.state))]
        else:
            drawn = [branches for name, _, branches in legal if name not in self.refused]
            share = failure / len(drawn)
            lost = [(share * p, self._after(end, False)) for branches in drawn for p, end in branches]
        return [
            (name, kind, merge([*(((1 - failure) * p, self._after(end, mind.parsed)) for p, end in branches), *lost]))
            for name, kind, branches in legal
        ]

    def _after(self, successor: S | End, parsed: bool) -> Mind[S] | End:
        if isinstance(successor, End):
            return successor if parsed else End((0, *successor.rewards[1:]))
        return Mind(successor, None, parsed)

    def label(self, mind: Mind[S]) -> str:
        parts = [self.machine.label(mind.state), "" if mind.parsed else "unparsed", self._thought(mind)]
        return "/".join(part for part in parts if part)

    def observe(self, mind: Mind[S]) -> str:
        return f"{self.machine.observe(mind.state)} {self._thought(mind)}".rstrip()

    def depth(self, mind: Mind[S]) -> int:
        return self.machine.depth(mind.state)

    def _thought(self, mind: Mind[S]) -> str:
        return "" if mind.thought is None else THOUGHTS[mind.thought]


def grow(
    machine: Machine[S],
    starts: Iterable[tuple[str, S]],
    think: bool,
    parse_failure: Sequence[Number],
    unparsed: Callable[[S], End] | None = None,
    refused: Sequence[str] = (),
) -> list[Node]:
    """``expand`` a machine from its starts, (prompt, state) each.

    think: latent thoughts before every action; parse_failure (2,): how often the action after each thought does not
    parse; unparsed: what then ends the trajectory, None: a uniformly random legal action is taken; refused: actions
    that are no legal ones.
    """
    failure = probabilities(parse_failure, "parse_failure", len(THOUGHTS))
    if not flag(think, "think"):
        return expand(machine, starts)
    thinking = Thinking(machine, (failure[0], failure[1]), unparsed, refused)
    return expand(thinking, [(prompt, Mind(state)) for prompt, state in starts])


# -- the document -------------------------------------------------------------------------------------------------


def document(
    name: str,
    max_tool_depth: int,
    components: Sequence[str],
    weights: Sequence[Number],
    prompts: Sequence[tuple[str, Fraction]],
    nodes: Sequence[Node],
) -> TAMDP:
    """Compile nodes whose start nodes are named like their prompts: ``prompts`` are (name, probability), ``components``
    and ``weights`` (K,) those of the reward, ``max_tool_depth`` the D_max that the file states.
    """
    exact_weights = compiling.read_weights(weights, components)
    return compiling.compile_document(
        Document(
            name=name,
            max_tool_depth=max_tool_depth,
            components=[Component(name=c, weight=w) for c, w in zip(components, exact_weights, strict=True)],
            prompts=[Prompt(name=prompt, probability=p, start=prompt) for prompt, p in prompts],
            nodes=nodes,
        )
    )


@contextmanager
def collection_paused() -> Iterator[None]:
    """Pause cyclic garbage collection: millions of live structs and no garbage make its passes cost half the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def uniform(names: Sequence[str]) -> list[tuple[str, Fraction]]:
    """Equally likely prompts."""
    return [(name, Fraction(1, len(names))) for name in names]


# -- arguments ----------------------------------------------------------------------------------------------------


def integer(value: Any, name: str, low: int, high: int | None = None) -> int:
    """Return ``value`` if it is an int in [low, high]; InputError otherwise."""
    span = f"at least {low}" if high is None else f"between {low} and {high}"
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InputError(f"{name}: expected an integer, {span}, got {value!r}")
    number = int(value.__index__())
    if number < low or (high is not None and number > high):
        raise InputError(f"{name}: must be {span}, got {number}")
    return number


def flag(value: Any, name: str) -> bool:
    """Return ``value`` if it is a bool; InputError otherwise."""
    if not isinstance(value, bool):
        raise InputError(f"{name}: expected True or False, got {value!r}")
    return value


def probability(value: Any, name: str, *, positive: bool = False) -> Fraction:
    """Return ``value`` as a rational in [0, 1], or in (0, 1] if ``positive``; InputError otherwise."""
    number = fraction(value, name)
    if not 0 <= number <= 1 or (positive and number == 0):
        raise InputError(f"{name}: must be in {'(' if positive else '['}0, 1], got {show(number)}")
    return number


def probabilities(values: Any, name: str, count: int) -> tuple[Fraction, ...]:
    """Return ``count`` values in [0, 1] as rationals; InputError otherwise."""
    items = sequence(values, name)
    if len(items) != count:
        raise InputError(f"{name}: expected {count} probabilities, got {len(items)}")
    return tuple(probability(value, f"{name}[{i}]") for i, value in enumerate(items))


def sequence(value: Any, name: str) -> list[Any]:
    """Return the items of a sequence that is no text; InputError otherwise."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise InputError(f"{name}: expected a sequence, got {value!r}")
    return list(value)
