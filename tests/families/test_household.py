"""The household against a simulator of its own, in plain dictionaries: every node, every action, and the facts."""

from fractions import Fraction as F
from random import Random
from typing import Any

import pytest

from tamdp_theory import CapacityError, InputError
from tamdp_theory.families import household
from tamdp_theory.families.household import TASKS, every_command
from tests.helpers.family_oracle import Law, law, means, optimum, read

DOORS = {("kitchen", "living room"), ("living room", "bedroom")}
ROOM = {"counter": "kitchen", "fridge": "kitchen", "table": "living room", "drawer": "bedroom"}
World = dict[str, Any]


def fresh() -> World:
    return {
        "room": "living room",
        "fridge": False,
        "drawer": False,
        "apple": "table",
        "book": "counter",
        "bad": 0,
        "t": 0,
    }


def can(world: World, command: str) -> bool:
    """Whether a command makes sense, said without listing those that do."""
    words = command.split()
    if words[0] == "look":
        return True
    if words[0] == "go":
        to = " ".join(words[2:])
        return (world["room"], to) in DOORS or (to, world["room"]) in DOORS
    place = words[-1]
    if ROOM[place] != world["room"]:
        return False
    if words[0] == "open":
        return not world[place]
    if place in ("fridge", "drawer") and not world[place]:
        return False
    if words[0] == "take":
        return world[words[1]] == place and "hands" not in (world["apple"], world["book"])
    return world[words[1]] == "hands" and words[2] == ("in" if place in ("fridge", "drawer") else "on")


def do(world: World, command: str | None) -> World:
    after = dict(world, t=world["t"] + 1)
    if command is None:
        return dict(after, bad=1)
    words = command.split()
    if words[0] == "go":
        after["room"] = " ".join(words[2:])
    elif words[0] == "open":
        after[words[1]] = True
    elif words[0] in ("take", "put"):
        after[words[1]] = "hands" if words[0] == "take" else words[-1]
    return after


def reached(world: World, task: str) -> F:
    items, place = task.rsplit(" ", 2)[0].split(" and "), task.rsplit(" ", 1)[1]
    return F(sum(world[item] == place for item in items), len(items))


def play(task: str, max_steps: int, policy: Any) -> Law:
    """Law of (format, accuracy, goals, executability); the policy sees the world and a command, None: refused."""
    total: Law = {}
    layer: dict[tuple[Any, ...], F] = {tuple(fresh().items()): F(1)}
    while layer:
        after: dict[tuple[Any, ...], F] = {}
        for key, p in layer.items():
            world = dict(key)
            legal = [command for command in every_command() if can(world, command)]
            weights = {command: policy(world, command) for command in (*legal, None)}
            for command, weight in weights.items():
                share = p * weight / sum(weights.values())
                new = do(world, command)
                goals = reached(new, task)
                if goals == 1 or new["t"] == max_steps:
                    rewards = (F(1), F(goals == 1), goals, F(1 - new["bad"]))
                    total[rewards] = total.get(rewards, F(0)) + share
                else:
                    after[tuple(new.items())] = after.get(tuple(new.items()), F(0)) + share
        layer = after
    return total


@pytest.mark.parametrize("task", [*TASKS, "book on table", "book and apple in fridge"])
@pytest.mark.parametrize("max_steps", [3, 7])
def test_the_law_of_the_rewards(task: str, max_steps: int) -> None:
    """A policy that hashes what it sees, so that any mistake in who may do what shows."""
    env = household([task], max_steps)
    process = read(env.to_dict())

    def weight(room: str, step: int, command: str | None) -> F:
        return F(1 + Random(f"{room} {step} {command}").randrange(9))

    def policy(node: str, action: str) -> F:
        room = "living room" if node == task else node.removeprefix(f"{task}/").split(":")[0].split(" open")[0]
        for name in ("kitchen", "living room", "bedroom"):
            if room.startswith(name):
                room = name
        step = int(node.split("/step")[1].split("/")[0]) if "/step" in node else 0
        own = {a: weight(room, step, None if a == "refused" else a) for a in process.actions[node]}
        return own[action] / sum(own.values())

    expected = play(task, max_steps, lambda world, command: weight(world["room"], world["t"], command))
    assert law(process, policy, task) == expected
    assert sum(expected.values()) == 1


def test_shortest_ways() -> None:
    for task, least in zip(TASKS, (4, 6, 3), strict=True):
        for steps in (least - 1, least):
            process = read(household([task], steps).to_dict())
            assert (optimum(process)[0] == 1) == (steps == least)


def test_sizes_and_names() -> None:
    env = household()
    assert (env.name, env.n_prompts, env.n_nodes, env.horizon) == ("household-3x8", 3, 1285, 8)
    assert household(think=True).horizon == 16 and household(think=True).name == "household-3x8-think"
    assert env.component_names == ("format", "accuracy", "goals", "executability")
    assert set(env.action_names) <= {*every_command(), "refused"}


def test_a_hasty_mind_does_what_is_admissible() -> None:
    """With every action unparsed nothing is ever refused, and format is 0."""
    process = read(household(["apple in fridge"], 3, think=True, parse_failure=(1, 1)).to_dict())
    found = means(
        process,
        lambda node, action: (
            F(action == "hasty") if "hasty" in process.actions[node] else F(1, len(process.actions[node]))
        ),
    )
    assert found[0] == 0 and found[3] == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([],), InputError, "tasks: need at least one"),
        ((["apple in fridge"] * 2,), InputError, "none twice"),
        ((["apple on fridge"],), InputError, "tasks: no task 'apple on fridge'; a task is as 'apple in fridge'"),
        ((["pear in fridge"],), InputError, "no task 'pear in fridge'"),
        ((["in fridge"],), InputError, "no task"),
        ((["apple and apple in fridge"],), InputError, "no task"),
        ((["apple on table"],), InputError, "is reached at the start"),
        (("apple in fridge",), InputError, "tasks: expected a sequence"),
        ((TASKS, 0), InputError, "max_steps: must be at least 1"),
        ((TASKS, 300), CapacityError, r"300 steps of 3 tasks have more than 100,000 nodes; about \d+ would fit"),
    ],
)
def test_bad_arguments(arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        household(*arguments)
