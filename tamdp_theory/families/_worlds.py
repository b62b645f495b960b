"""Text worlds as ALFWorld has them (arXiv 2010.03768): commands that are admissible in a state, goals, and a limit of
steps.

At each step a command is given. An admissible one changes the world; any other is ``REFUSED``: nothing happens. The
episode ends when every goal is reached, or after ``max_steps`` commands.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, NamedTuple, Protocol, TypeVar

from tamdp_theory.errors import CapacityError
from tamdp_theory.families._build import End, Move

REFUSED = "refused"  # a command that is not admissible
MAX_NODES = 100_000
W = TypeVar("W", bound=Hashable)


class World(Protocol[W]):
    """A world whose states are values."""

    @property
    def start(self) -> W:
        """The first state."""

    def commands(self, state: W) -> Sequence[str]:
        """The admissible commands of a state, in a fixed order."""

    def step(self, state: W, command: str) -> W:
        """The state after an admissible command."""

    def reached(self, state: W) -> Fraction:
        """The share of the goals that are reached; 1 is won."""

    def label(self, state: W) -> str:
        """A short text that tells a state from all others."""


class At(NamedTuple, Generic[W]):
    """A world's state after some commands. executable: every command was admissible."""

    task: int
    state: W
    steps: int
    executable: bool


@dataclass(frozen=True)
class WorldGame(Generic[W]):
    """The state machine of several worlds, one a prompt."""

    worlds: tuple[World[W], ...]
    max_steps: int

    def begin(self, task: int) -> At[W]:
        """Before the first command."""
        return At(task, self.worlds[task].start, 0, True)

    def after(self, at: At[W], command: str) -> At[W] | End:
        """What a command, or ``REFUSED``, leads to."""
        world, executable = self.worlds[at.task], at.executable and command != REFUSED
        state = at.state if command == REFUSED else world.step(at.state, command)
        reached = world.reached(state)
        if reached == 1 or at.steps + 1 == self.max_steps:
            return End((1, int(reached == 1), reached, int(executable)))
        return At(at.task, state, at.steps + 1, executable)

    def count(self) -> int:
        """Nodes of the game; CapacityError, with the limit of steps that fits, if they are more than ``MAX_NODES``."""
        total, by_step = 0, [0] * self.max_steps
        for task in range(len(self.worlds)):
            layer = {self.begin(task)}
            for step in range(self.max_steps):
                by_step[step] += len(layer)
                total += len(layer)
                if total > MAX_NODES:
                    fits = max((t for t in range(self.max_steps + 1) if sum(by_step[:t]) <= MAX_NODES), default=0)
                    raise CapacityError(
                        f"max_steps: {self.max_steps} steps of {len(self.worlds)} tasks have more than {MAX_NODES:,} "
                        f"nodes; about {fits} would fit, or fewer tasks"
                    )
                following = (self.after(at, command) for at in layer for command, _, _ in self.moves(at))
                layer = {one for one in following if isinstance(one, At)}
        return total

    def moves(self, at: At[W]) -> Sequence[Move[At[W]]]:
        commands = (*self.worlds[at.task].commands(at.state), REFUSED)
        return [(command, "answer", [(Fraction(1), self.after(at, command))]) for command in commands]

    def label(self, at: At[W]) -> str:
        parts = [self.worlds[at.task].label(at.state), f"step{at.steps}" if at.steps else ""]
        return "" if not at.steps else "/".join([*parts, *([] if at.executable else ["!"])])

    def observe(self, at: At[W]) -> str:
        return f"{self.worlds[at.task].label(at.state)}, step {at.steps}"

    def depth(self, at: At[W]) -> int:
        return 0
