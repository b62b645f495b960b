"""What a tamdp/1 file holds (docs/howto.md), typed for msgspec."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

SCHEMA = "tamdp/1"
Tokens = Annotated[int, msgspec.Meta(ge=1, le=10**6)]
Depth = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]


class Component(msgspec.Struct, forbid_unknown_fields=True):
    """A reward component and its weight."""

    name: str
    weight: Any


class Prompt(msgspec.Struct, forbid_unknown_fields=True):
    """A prompt, its probability and its start node."""

    name: str
    probability: Any
    start: str


class Edge(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One successor of an action: a node, or the rewards of a terminal outcome."""

    probability: Any
    node: str | None = None
    rewards: Sequence[Any] | None = None


class Action(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A legal action of a node, and how many tokens it takes to write it."""

    name: str
    kind: Literal["tool", "think", "answer"]
    next: Sequence[Edge]
    tokens: Tokens = 1


class Node(msgspec.Struct, forbid_unknown_fields=True):
    """A decision point."""

    id: str
    depth: Depth
    actions: Sequence[Action]
    observation: str = ""


class Document(msgspec.Struct, forbid_unknown_fields=True):
    """A whole tamdp/1 file. Families build this too, so every process passes the same checks."""

    name: str
    max_tool_depth: Depth
    components: Sequence[Component]
    prompts: Sequence[Prompt]
    nodes: Sequence[Node]
    schema: str = SCHEMA
