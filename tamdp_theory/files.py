"""The tamdp/1 file format: decode, validate, compile, and back. Decoding is typed by msgspec (document.py); what types
cannot say is checked where it is compiled (compiling.py).
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tamdp_theory import storage
from tamdp_theory.compiling import compile_document
from tamdp_theory.document import SCHEMA, Document
from tamdp_theory.errors import InputError, printable, quote
from tamdp_theory.model import KINDS, TAMDP
from tamdp_theory.numbers import MAX_DIGITS, Decimal, kind, to_json


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


def to_dict(env: TAMDP) -> dict[str, Any]:
    """Return the tamdp/1 content of a process; ``from_dict`` reads it back to the same arrays."""
    nodes: list[dict[str, Any]] = [
        {"id": env.node_ids[x], "depth": int(env.node_depth[x]), "observation": env.observations[x], "actions": []}
        for x in range(env.n_nodes)
    ]
    actions: list[dict[str, Any]] = []
    for i, name in enumerate(env.action_names):
        tokens = {"tokens": int(env.pair_tokens[i])} if env.pair_tokens[i] != 1 else {}
        actions.append({"name": name, "kind": KINDS[env.pair_kind[i]], **tokens, "next": []})
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


def readable(error: msgspec.ValidationError) -> str:
    """Return a msgspec message as "place: what"."""
    message, _, path = str(error).partition(" - at `")
    message = message.replace("Expected", "expected").replace("Object", "object").replace("Invalid", "invalid")
    message = printable(message.replace("`Decimal`", "`float`"))
    message = message if len(message) <= 200 else message[:197] + "..."
    place = path.rstrip("`").removeprefix("$").removeprefix(".")
    return f"{place}: {message}" if place else message
