"""The tamdp/1 file format (architecture.md section 4): decode, validate, compile, and back.

Decoding is typed by msgspec; what types cannot say is checked here, each fault with its place in the file.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from tamdp_theory import graph, storage
from tamdp_theory.errors import InputError, printable, quote
from tamdp_theory.model import KINDS, TAMDP, Ints
from tamdp_theory.numbers import MAX_DIGITS, Decimal, fraction, is_short, kind, show, to_json

SCHEMA = "tamdp/1"
SUM_TOLERANCE = Fraction(1, 10**9)  # probabilities this close to one are rescaled to sum to one exactly
SMALLEST_PROBABILITY = Fraction(1, 10**300)  # float64 holds it
WEIGHT_RANGE = (Fraction(1, 10**100), Fraction(10**100))  # of the sum of the weights: float64 holds its squares

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


class Action(msgspec.Struct, forbid_unknown_fields=True):
    """A legal action of a node."""

    name: str
    kind: Literal["tool", "think", "answer"]
    next: Sequence[Edge]


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


def decode_json(content: bytes, place: str, schema: str, decode: Callable[[bytes], Any]) -> Any:
    """Run a msgspec decoder on ``content``; every failure becomes an InputError that starts with ``place``."""
    if not content.strip():
        raise InputError(f"{place}: the file is empty; expected a {schema} JSON object")
    try:
        found = decode(content)
        _check_keys(content, place)
        return found
    except msgspec.ValidationError as error:
        if "out of range" in str(error):
            raise InputError(f"{place}: an integer has too many digits; numbers have at most {MAX_DIGITS}") from error
        raise InputError(f"{place}: {readable(error)}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{place}: not JSON: {error} (NaN and Infinity are not JSON numbers)") from error
    except RecursionError as error:
        raise InputError(f"{place}: JSON nested too deep; a {schema} file has at most 8 levels") from error


def _check_keys(content: bytes, place: str) -> None:
    """InputError where an object has a key twice: which of the two was meant, a reader cannot know. Numbers are not
    read.
    """

    def once(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise InputError(f"{place}: the key {quote(key)} is given twice in one object; keep one")
            seen.add(key)

    json.loads(content, object_pairs_hook=once, parse_int=_unread, parse_float=_unread, parse_constant=_unread)


def _unread(text: str) -> None:
    return None


def load(path: str | Path) -> TAMDP:
    """Read a tamdp/1 file."""
    content = storage.read_bytes(path)
    decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
    data = decode_json(content, str(path), SCHEMA, decoder.decode)
    try:
        return from_dict(data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def from_dict(data: Mapping[str, Any]) -> TAMDP:
    """Validate and compile the content of a tamdp/1 file."""
    if not isinstance(data, Mapping):
        raise InputError(f"expected a {SCHEMA} object, got {type(data).__name__}")
    check_schema(data, SCHEMA)
    try:
        document = msgspec.convert(data, Document)
    except msgspec.ValidationError as error:
        raise InputError(readable(error)) from error
    except RecursionError as error:
        raise InputError(f"data nested too deep; a {SCHEMA} object has at most 8 levels") from error
    return compile_document(document)


def check_schema(data: Mapping[str, Any], schema: str) -> None:
    """Raise InputError unless ``data`` names the expected schema."""
    found = data.get("schema")
    if not isinstance(found, str):
        raise InputError(f"schema: expected {schema!r}, found {kind(found) if 'schema' in data else 'none'}")
    if found != schema:
        raise InputError(f"schema: expected {schema!r}, found {quote(found)}")


def compile_document(document: Document) -> TAMDP:
    """Check everything that types cannot say and compile to flat arrays."""
    if not 0 <= document.max_tool_depth < 2**31:
        raise InputError(f"max_tool_depth: must be 0 or more, got {document.max_tool_depth}")
    if not document.components:
        raise InputError("components: empty; a process needs at least one reward component")
    names = tuple(c.name for c in document.components)
    _require_unique(names, "components", "name")
    weights = read_weights([c.weight for c in document.components], names)
    if not document.prompts:
        raise InputError("prompts: empty; a process needs at least one prompt")
    if not document.nodes:
        raise InputError("nodes: empty; a process needs at least one node")
    _require_unique([p.name for p in document.prompts], "prompts", "name")
    node_ids = tuple(n.id for n in document.nodes)
    _require_unique(node_ids, "nodes", "id")
    index = {node_id: x for x, node_id in enumerate(node_ids)}
    rho = _distribution(
        [p.probability for p in document.prompts],
        "prompts",
        [f"prompts[{i}].probability" for i in range(len(document.prompts))],
    )
    start = [_node_index(index, p.start, f"prompts[{i}].start") for i, p in enumerate(document.prompts)]
    _require_unique(start, "prompts", "start node", node_ids)

    reader = _Reader(index, len(names))
    for x, node in enumerate(document.nodes):
        reader.node(x, node)
    depth = np.array([node.depth for node in document.nodes], dtype=np.int64)
    pair_node, edge_pair = np.array(reader.pair_node), np.array(reader.edge_pair)
    pair_kind = np.array(reader.pair_kind)
    target = np.array(reader.edge_target)
    where = _places(document, pair_node, edge_pair)
    structure = graph.analyse(node_ids, np.array(start), pair_node[edge_pair], target, where)
    _check_depths(
        depth,
        document.max_tool_depth,
        np.array(start),
        pair_node=pair_node,
        pair_kind=pair_kind,
        edge_pair=edge_pair,
        target=target,
        where=where,
    )
    class_prompt, class_rewards, edge_class = _classes(structure.prompt[pair_node[edge_pair]], target, reader.outcomes)
    terminal = target < 0
    target = np.where(terminal, len(node_ids) + edge_class, target)
    arrays = [
        np.array(start),
        depth,
        structure.prompt,
        pair_node,
        pair_kind,
        edge_pair,
        target,
        np.array(reader.edge_number),
        class_prompt,
        structure.rank,
    ]
    for array in arrays:
        array.setflags(write=False)
    return TAMDP(
        name=document.name,
        max_tool_depth=document.max_tool_depth,
        component_names=names,
        exact_weights=weights,
        prompt_names=tuple(p.name for p in document.prompts),
        exact_prompt_probability=rho,
        prompt_start=arrays[0],
        node_ids=node_ids,
        node_depth=arrays[1],
        node_prompt=arrays[2],
        observations=tuple(n.observation for n in document.nodes),
        action_names=tuple(reader.action_names),
        pair_node=arrays[3],
        pair_kind=arrays[4],
        edge_pair=arrays[5],
        edge_target=arrays[6],
        edge_number=arrays[7],
        numbers=tuple(reader.numbers),
        class_prompt=arrays[8],
        exact_class_rewards=class_rewards,
        node_rank=arrays[9],
    )


def read_weights(weights: Iterable[Any], names: Sequence[str]) -> tuple[Fraction, ...]:
    """Return component weights as rationals; each >= 0, not all zero."""
    result = tuple(fraction(w, f"components[{k}].weight") for k, w in enumerate(weights))
    if len(result) != len(names):
        raise InputError(f"weights: {len(result)} given for {len(names)} components")
    for k, weight in enumerate(result):
        if weight < 0:
            raise InputError(f"components[{k}].weight: must not be negative, got {show(weight)}")
    total = sum(result, Fraction(0))
    if total == 0:
        raise InputError("components: the weights sum to 0; at least one must be positive")
    if not WEIGHT_RANGE[0] <= total <= WEIGHT_RANGE[1]:
        raise InputError(f"components: the weights sum to {show(total)}, beyond float64; rescale them")
    return result


def to_dict(env: TAMDP) -> dict[str, Any]:
    """Return the tamdp/1 content of a process; ``from_dict`` reads it back to the same arrays."""
    nodes: list[dict[str, Any]] = [
        {"id": env.node_ids[x], "depth": int(env.node_depth[x]), "observation": env.observations[x], "actions": []}
        for x in range(env.n_nodes)
    ]
    actions: list[dict[str, Any]] = []
    for i, name in enumerate(env.action_names):
        actions.append({"name": name, "kind": KINDS[env.pair_kind[i]], "next": []})
        nodes[env.pair_node[i]]["actions"].append(actions[-1])
    numbers = [to_json(p) for p in env.numbers]
    rewards = [[to_json(r) for r in row] for row in env.exact_class_rewards]
    for e in range(env.n_edges):
        edge: dict[str, Any] = {"probability": numbers[env.edge_number[e]]}
        target = int(env.edge_target[e])
        if target < env.n_nodes:
            edge["node"] = env.node_ids[target]
        else:
            edge["rewards"] = list(rewards[target - env.n_nodes])
        actions[env.edge_pair[e]]["next"].append(edge)
    components = [
        {"name": n, "weight": to_json(w)} for n, w in zip(env.component_names, env.exact_weights, strict=True)
    ]
    prompts = [
        {"name": n, "probability": to_json(p), "start": env.node_ids[x]}
        for n, p, x in zip(env.prompt_names, env.exact_prompt_probability, env.prompt_start, strict=True)
    ]
    return {
        "schema": SCHEMA,
        "name": env.name,
        "max_tool_depth": env.max_tool_depth,
        "components": components,
        "prompts": prompts,
        "nodes": nodes,
    }


def to_text(env: TAMDP) -> str:
    """Return the tamdp/1 file of a process as JSON text, one node a line."""
    data = to_dict(env)
    nodes = ",\n  ".join(json.dumps(node, ensure_ascii=False) for node in data.pop("nodes"))
    head = ",\n ".join(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in data.items())
    return "{" + head + ',\n "nodes": [\n  ' + nodes + "]}\n"


def save(env: TAMDP, path: str | Path) -> None:
    """Write a tamdp/1 file atomically."""
    storage.write_atomically(path, to_text(env))


class _Reader:
    """Collects the flat arrays while walking the nodes in file order."""

    def __init__(self, index: dict[str, int], n_components: int) -> None:
        self.index, self.n_components = index, n_components
        self.pair_node: list[int] = []
        self.pair_kind: list[int] = []
        self.action_names: list[str] = []
        self.edge_pair: list[int] = []
        self.edge_target: list[int] = []  # a node, or -1 - (index into outcomes)
        self.edge_number: list[int] = []
        self.numbers: list[Fraction] = []
        self.outcomes: list[tuple[Fraction, ...]] = []
        self._number_index: dict[Fraction, int] = {}
        self._outcome_index: dict[tuple[Fraction, ...], int] = {}
        self._raw_outcomes: dict[tuple[Any, ...], int] = {}
        self._raw_distributions: dict[tuple[Any, ...], list[int]] = {}

    def node(self, x: int, node: Node) -> None:
        if not node.actions:
            raise InputError(f"nodes[{x}] ({quote(node.id)}): no actions; a decision point needs at least one")
        names: set[str] = set()
        for j, action in enumerate(node.actions):
            if action.name in names:
                raise InputError(
                    f"nodes[{x}].actions[{j}]: duplicate action name {quote(action.name)}; names are unique within a "
                    f"node"
                )
            names.add(action.name)
            self._action(x, j, action)

    def _action(self, x: int, j: int, action: Action) -> None:
        pair = len(self.pair_node)
        self.pair_node.append(x)
        self.pair_kind.append(KINDS.index(action.kind))
        self.action_names.append(action.name)
        if not action.next:
            raise InputError(f"nodes[{x}].actions[{j}].next: empty; an action needs at least one successor")
        self.edge_number.extend(self._probabilities(x, j, action.next))
        for k, edge in enumerate(action.next):
            self.edge_pair.append(pair)
            if (edge.node is None) == (edge.rewards is None):
                raise InputError(f'nodes[{x}].actions[{j}].next[{k}]: give either "node" or "rewards"')
            if edge.node is not None:
                self.edge_target.append(_node_index(self.index, edge.node, f"nodes[{x}].actions[{j}].next[{k}].node"))
            elif edge.rewards is not None:
                self.edge_target.append(-1 - self._outcome(edge.rewards, x, j, k))

    def _probabilities(self, x: int, j: int, edges: Sequence[Edge]) -> list[int]:
        raw = tuple((type(e.probability), e.probability) for e in edges)
        try:
            return self._raw_distributions[raw]
        except (KeyError, TypeError):
            pass
        place = f"nodes[{x}].actions[{j}].next"
        numbers = _distribution(
            [e.probability for e in edges], place, [f"{place}[{k}].probability" for k in range(len(edges))]
        )
        indices = [self._number_index.setdefault(p, len(self._number_index)) for p in numbers]
        self.numbers.extend(list(self._number_index)[len(self.numbers) :])
        self._raw_distributions[raw] = indices
        return indices

    def _outcome(self, rewards: Sequence[Any], x: int, j: int, k: int) -> int:
        raw = tuple((type(r), r) for r in rewards)
        try:
            return self._raw_outcomes[raw]
        except (KeyError, TypeError):
            pass
        place = f"nodes[{x}].actions[{j}].next[{k}].rewards"
        if len(rewards) != self.n_components:
            raise InputError(f"{place}: {len(rewards)} rewards for {self.n_components} components")
        values = tuple(fraction(r, f"{place}[{c}]") for c, r in enumerate(rewards))
        for c, value in enumerate(values):
            if not 0 <= value <= 1:
                raise InputError(f"{place}[{c}]: reward {show(value)} is outside [0, 1]; rescale the component")
        if values not in self._outcome_index:
            self._outcome_index[values] = len(self.outcomes)
            self.outcomes.append(values)
        self._raw_outcomes[raw] = self._outcome_index[values]
        return self._outcome_index[values]


def _distribution(values: Sequence[Any], place: str, places: Sequence[str]) -> tuple[Fraction, ...]:
    """Rationals that sum to one exactly; decimals that miss one by rounding are rescaled."""
    numbers = tuple(fraction(v, p) for v, p in zip(values, places, strict=True))
    for number, where in zip(numbers, places, strict=True):
        if not 0 < number <= 1:
            raise InputError(f"{where}: {show(number)} is not in (0, 1]; leave out what cannot happen")
        if number < SMALLEST_PROBABILITY:
            raise InputError(f"{where}: smaller than 1e-300, beyond float64; leave out what practically cannot happen")
    total = sum(numbers, Fraction(0))
    if abs(total - 1) > SUM_TOLERANCE:
        raise InputError(f"{place}: probabilities sum to {show(total)}, not 1")
    if total == 1:
        return numbers
    numbers = tuple(number / total for number in numbers)
    if not all(is_short(number) for number in numbers):
        raise InputError(
            f"{place}: rescaled to sum to 1, the probabilities need more than {MAX_DIGITS} digits; round them"
        )
    return numbers


def _places(document: Document, pair_node: Ints, edge_pair: Ints) -> Callable[[int], str]:
    """Return a function that names the place of an edge in the file."""

    def place(edge: int) -> str:
        pair = int(edge_pair[edge])
        x = int(pair_node[pair])
        j = pair - int(np.searchsorted(pair_node, x))
        k = edge - int(np.searchsorted(edge_pair, pair))
        return f"nodes[{x}].actions[{j}].next[{k}]"

    return place


def _check_depths(
    depth: Ints,
    bound: int,
    start: Ints,
    pair_node: Ints,
    pair_kind: Ints,
    edge_pair: Ints,
    target: Ints,
    where: Callable[[int], str],
) -> None:
    for x in np.flatnonzero((depth < 0) | (depth > bound)).tolist():
        raise InputError(f"nodes[{x}].depth: {depth[x]} is not between 0 and max_tool_depth = {bound}")
    for i in np.flatnonzero(depth[start] != 0):
        raise InputError(
            f"prompts[{i}].start: the start node has depth {depth[start[i]]}; no tool was called yet, so it must be 0"
        )
    is_tool = pair_kind == KINDS.index("tool")
    for pair in np.flatnonzero(is_tool & (depth[pair_node] >= bound)).tolist():
        x = int(pair_node[pair])
        j = pair - int(np.searchsorted(pair_node, x))
        raise InputError(f"nodes[{x}].actions[{j}]: a tool call at depth {depth[x]} goes over max_tool_depth = {bound}")
    inner = np.flatnonzero(target >= 0)
    expected = (depth[pair_node] + is_tool)[edge_pair[inner]]
    for e in inner[depth[target[inner]] != expected].tolist():
        x, pair = int(target[e]), int(edge_pair[e])
        need = int(depth[pair_node[pair]] + is_tool[pair])
        raise InputError(f"{where(e)}.node: nodes[{x}] has depth {depth[x]}, but {need} tool calls lead to it here")


def _classes(
    edge_prompt: Ints, target: Ints, outcomes: Sequence[tuple[Fraction, ...]]
) -> tuple[Ints, tuple[tuple[Fraction, ...], ...], Ints]:
    """Number the classes by prompt and then by reward vector: prompts (C,), rewards, class of each edge
    (-1: a node).
    """
    order = sorted(range(len(outcomes)), key=outcomes.__getitem__)
    rank = np.empty(max(len(outcomes), 1), dtype=np.int64)
    rank[order] = np.arange(len(order))
    terminal = np.flatnonzero(target < 0)
    keys = edge_prompt[terminal] * len(outcomes) + rank[-1 - target[terminal]]
    unique, inverse = np.unique(keys, return_inverse=True)
    edge_class = np.full(len(target), -1)
    edge_class[terminal] = inverse
    rewards = tuple(outcomes[order[key % len(outcomes)]] for key in unique)
    return unique // len(outcomes), rewards, edge_class


def _node_index(index: dict[str, int], node_id: str, place: str) -> int:
    try:
        return index[node_id]
    except KeyError:
        raise InputError(f'{place}: unknown node {quote(node_id)}; add it to "nodes" or correct the name') from None


def _require_unique(values: Sequence[Any], place: str, what: str, names: Sequence[str] | None = None) -> None:
    seen: dict[Any, int] = {}
    for i, value in enumerate(values):
        if value in seen:
            shown = names[value] if names is not None else value
            raise InputError(
                f"{place}[{i}]: duplicate {what} {quote(shown)}, already used by {place}[{seen[value]}]; give each its "
                f"own"
            )
        seen[value] = i


def readable(error: msgspec.ValidationError) -> str:
    """Return a msgspec message as "place: what"."""
    message, _, path = str(error).partition(" - at `")
    message = message.replace("Expected", "expected").replace("Object", "object").replace("Invalid", "invalid")
    message = printable(message.replace("`Decimal`", "`float`"))
    message = message if len(message) <= 200 else message[:197] + "..."
    place = path.rstrip("`").removeprefix("$").removeprefix(".")
    return f"{place}: {message}" if place else message
