"""A household after ALFWorld (arXiv 2010.03768), which RL4VLM (arXiv 2405.10292) trains on, small enough to be listed:
three rooms, four receptacles, two objects.

    kitchen        counter, fridge (closed at first)
    living room    table; where one starts
    bedroom        drawer (closed at first)

The kitchen and the bedroom are next to the living room alone. Commands, where they make sense: "go to ROOM", "open
RECEPTACLE", "take OBJECT from RECEPTACLE" (with empty hands), "put OBJECT in RECEPTACLE" ("on" the counter and the
table), "look". The apple starts on the table, the book on the counter. A task is one or two goals, an object in a
receptacle; the episode ends when all are reached, or after ``max_steps`` commands (RL4VLM: 50). ``_worlds`` says what
becomes of a command that is not admissible.

Components: format (constant 1 here; 0 in texts that name no command), accuracy (all goals reached), goals (the share
reached at the end), executability (every command was admissible). RL4VLM pays 50 if won, plus the share of the goals,
less 1 for each inadmissible command: the weights are an option, and here the last is paid once.

Facts: the shortest ways take 4 ("apple in fridge"), 6 ("book in drawer") and 3 commands ("both on counter"); with at
least so many steps the optimum is 1. After the task the node id names where one is, what is open and where the objects
are; equal states after equally many commands are one node, so this family is a DAG.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from tamdp_theory.errors import InputError
from tamdp_theory.families._build import PARSE_FAILURE, Number, document, grow, integer, sequence, uniform
from tamdp_theory.families._worlds import REFUSED, WorldGame
from tamdp_theory.model import TAMDP

ROOMS = ("kitchen", "living room", "bedroom")
NEXT_TO = {"kitchen": ("living room",), "living room": ("kitchen", "bedroom"), "bedroom": ("living room",)}
ROOM_OF = {"counter": "kitchen", "fridge": "kitchen", "table": "living room", "drawer": "bedroom"}
CLOSED = ("fridge", "drawer")
OBJECTS = ("apple", "book")
HELD = "hands"
TASKS = ("apple in fridge", "book in drawer", "apple and book on counter")
WEIGHTS = (Fraction(1, 5), Fraction(2, 5), Fraction(1, 5), Fraction(1, 5))


class Home(NamedTuple):
    """Where one is, which receptacles are open, and where each object is (a receptacle, or ``HELD``)."""

    room: str
    opened: tuple[str, ...]
    places: tuple[str, ...]


START = Home("living room", (), ("table", "counter"))


@dataclass(frozen=True)
class Household:
    """The world of a task; goals: (object, receptacle) each."""

    goals: tuple[tuple[str, str], ...]

    @property
    def start(self) -> Home:
        return START

    def commands(self, state: Home) -> Sequence[str]:
        here = [one for one, room in ROOM_OF.items() if room == state.room]
        usable = [one for one in here if one not in CLOSED or one in state.opened]
        found = [f"go to {room}" for room in NEXT_TO[state.room]]
        found += [f"open {one}" for one in here if one not in usable]
        for item, place in zip(OBJECTS, state.places, strict=True):
            if place in usable and HELD not in state.places:
                found.append(f"take {item} from {place}")
            if place == HELD:
                found += [f"put {item} {into(one)} {one}" for one in usable]
        return [*found, "look"]

    def step(self, state: Home, command: str) -> Home:
        if command.startswith("go to "):
            return state._replace(room=command.removeprefix("go to "))
        if command.startswith("open "):
            return state._replace(opened=tuple(sorted((*state.opened, command.removeprefix("open ")))))
        if command == "look":
            return state
        verb, item, _, place = command.split()
        places = list(state.places)
        places[OBJECTS.index(item)] = HELD if verb == "take" else place
        return state._replace(places=tuple(places))

    def reached(self, state: Home) -> Fraction:
        at = dict(zip(OBJECTS, state.places, strict=True))
        return Fraction(sum(at[item] == place for item, place in self.goals), len(self.goals))

    def label(self, state: Home) -> str:
        opened = f" {'+'.join(state.opened)} open" if state.opened else ""
        placed = ", ".join(f"{item} {place}" for item, place in zip(OBJECTS, state.places, strict=True))
        return f"{state.room}{opened}: {placed}"


def into(receptacle: str) -> str:
    """How one puts something there."""
    return "in" if receptacle in CLOSED else "on"


def every_command() -> tuple[str, ...]:
    """All commands that can ever be admissible."""
    moves = [f"{verb} {item} {how} {place}" for item in OBJECTS for place in ROOM_OF
             for verb, how in (("take", "from"), ("put", into(place)))]  # fmt: skip
    return (*(f"go to {room}" for room in ROOMS), *(f"open {one}" for one in CLOSED), *moves, "look")


def game(tasks: Iterable[str], max_steps: int) -> tuple[list[str], WorldGame[Home]]:
    """The names of the tasks, checked, and their game. InputError, CapacityError."""
    names = [_task(task) for task in sequence(tasks, "tasks")]
    if not names or len(set(names)) < len(names):
        raise InputError(f"tasks: need at least one, and none twice, got {names}")
    worlds = tuple(Household(goals_of(name)) for name in names)
    found: WorldGame[Home] = WorldGame(worlds, integer(max_steps, "max_steps", 1))
    found.count()
    return names, found


def goals_of(task: str) -> tuple[tuple[str, str], ...]:
    """The goals of "OBJECT [and OBJECT] in|on RECEPTACLE"."""
    *items, how, place = task.replace(" and ", " ").split()
    if place not in ROOM_OF or how != into(place) or not set(items) <= set(OBJECTS) or len(set(items)) < len(items):
        raise ValueError(task)
    return tuple((item, place) for item in items)


def _task(task: object) -> str:
    try:
        goals = goals_of(str(task))
    except ValueError:
        goals = ()
    if not goals:
        raise InputError(
            f"tasks: no task {task!r}; a task is as {', '.join(map(repr, TASKS))}, with {', '.join(ROOM_OF)}"
        )
    if all(place == START.places[OBJECTS.index(item)] for item, place in goals):
        raise InputError(f"tasks: {task!r} is reached at the start")
    return str(task)


def household(
    tasks: Iterable[str] = TASKS,
    max_steps: int = 8,
    think: bool = False,
    *,
    parse_failure: Sequence[Number] = PARSE_FAILURE,
    weights: Sequence[Number] | None = None,
    name: str | None = None,
) -> TAMDP:
    """Return the household; tasks are equally likely.

    tasks: such as "apple in fridge" or "apple and book on counter"; max_steps >= 1; think, parse_failure: as in
    ``number_line``; weights: (4,) format, accuracy, goals, executability, default (1/5, 2/5, 1/5, 1/5). Raises
    InputError, and CapacityError before anything is built. Facts: see the module; depth 0, H = max_steps (twice that
    with thoughts).
    """
    names, found = game(tasks, max_steps)
    starts = [(task, found.begin(place)) for place, task in enumerate(names)]
    title = f"household-{len(names)}x{found.max_steps}{'-think' if think else ''}" if name is None else name
    return document(
        title,
        0,
        ("format", "accuracy", "goals", "executability"),
        weights=WEIGHTS if weights is None else weights,
        prompts=uniform(names),
        nodes=grow(found, starts, think, parse_failure, refused=(REFUSED,)),
    )
