"""A small sound process, and how its content and its text are changed."""

import copy
import json
from collections.abc import Callable
from typing import Any

Content = dict[str, Any]
Change = Callable[[Content], None]


def sound() -> Content:
    """A process with a tool, a thought, a shared node, three components and two prompts."""
    return copy.deepcopy(_SOUND)


_SOUND: Content = {
    "schema": "tamdp/1",
    "name": "sound",
    "max_tool_depth": 1,
    "components": [
        {"name": "format", "weight": 0.2},
        {"name": "accuracy", "weight": "3/5"},
        {"name": "executability", "weight": 0.2},
    ],
    "prompts": [
        {"name": "first", "probability": 0.75, "start": "q0"},
        {"name": "second", "probability": 0.25, "start": "q1"},
    ],
    "nodes": [
        {
            "id": "q0",
            "depth": 0,
            "observation": "image",
            "actions": [
                {
                    "name": "search",
                    "kind": "tool",
                    "next": [{"probability": "9/10", "node": "q0/hit"}, {"probability": "1/10", "rewards": [1, 0, 0]}],
                },
                {"name": "think", "kind": "think", "next": [{"probability": 1, "node": "q0/plan"}]},
                {"name": "guess", "kind": "answer", "next": [{"probability": 1, "rewards": [1, "1/4", 1]}]},
            ],
        },
        {
            "id": "q0/hit",
            "depth": 1,
            "observation": "image+evidence",
            "actions": [
                {"name": "right", "kind": "answer", "next": [{"probability": 1, "rewards": [1, 1, 1]}]},
                {"name": "wrong", "kind": "answer", "next": [{"probability": 1, "rewards": [1, 0, 1]}]},
            ],
        },
        {
            "id": "q0/plan",
            "depth": 0,
            "observation": "image+plan",
            "actions": [
                {"name": "search", "kind": "tool", "next": [{"probability": 1, "node": "q0/hit"}]},
                {
                    "name": "guess",
                    "kind": "answer",
                    "next": [{"probability": 0.5, "rewards": [1, 1, 1]}, {"probability": 0.5, "rewards": [1, 0, 1]}],
                },
            ],
        },
        {
            "id": "q1",
            "depth": 0,
            "observation": "image",
            "actions": [{"name": "guess", "kind": "answer", "next": [{"probability": 1, "rewards": [0, 0, 1]}]}],
        },
    ],
}


def holder(content: Content, place: str) -> tuple[Any, int | str]:
    """The container and the key of a place such as "nodes.0.actions.1.kind"."""
    *path, last = (int(part) if part.isdigit() else part for part in place.split("."))
    found: Any = content
    for part in path:
        found = found[part]
    return found, last


def put(place: str, value: Any) -> Change:
    def change(content: Content) -> None:
        found, last = holder(content, place)
        found[last] = value

    return change


def drop(place: str) -> Change:
    def change(content: Content) -> None:
        found, last = holder(content, place)
        del found[last]

    return change


def add(place: str, value: Any) -> Change:
    def change(content: Content) -> None:
        found, last = holder(content, place)
        found[last].append(copy.deepcopy(value))

    return change


TEXT = json.dumps(_SOUND)


def text(old: str, new: str) -> bytes:
    """The sound file with one piece of its text replaced."""
    assert TEXT.count(old) == 1, old
    return TEXT.replace(old, new).encode()
