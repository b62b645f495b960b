"""The tamdp-policy/1 file: logits of a tabular policy, node by node, actions in file order."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from tamdp_theory import storage
from tamdp_theory.errors import InputError, quote
from tamdp_theory.files import check_schema, decode_json, readable
from tamdp_theory.model import TAMDP
from tamdp_theory.numbers import Decimal, fraction, kind, show
from tamdp_theory.policies.tabular import TabularSoftmax

SCHEMA = "tamdp-policy/1"
MAX_LOGIT = 1e300


class PolicyDocument(msgspec.Struct, forbid_unknown_fields=True):
    """A whole tamdp-policy/1 file."""

    kind: Literal["tabular"]
    logits: Mapping[str, Any]
    schema: str = SCHEMA


def load_policy(env: TAMDP, path: str | Path) -> TabularSoftmax:
    """Read a tamdp-policy/1 file for ``env``. Raises InputError with the place if it does not fit."""
    decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
    data = decode_json(storage.read_bytes(path), str(path), SCHEMA, decoder.decode)
    try:
        check_schema(data, SCHEMA)
        return _policy(env, msgspec.convert(data, PolicyDocument))
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: {readable(error)}") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def save_policy(policy: TabularSoftmax, path: str | Path) -> None:
    """Write a tamdp-policy/1 file atomically."""
    env = policy.env
    logits = {node_id: policy.logits[x, : env.pair_count[x]].tolist() for x, node_id in enumerate(env.node_ids)}
    storage.write_atomically(path, json.dumps({"schema": SCHEMA, "kind": "tabular", "logits": logits}, indent=1) + "\n")


def _policy(env: TAMDP, document: PolicyDocument) -> TabularSoftmax:
    known = set(env.node_ids)
    for node_id in document.logits:
        if node_id not in known:
            raise InputError(f"logits: unknown node {quote(node_id)}; {quote(env.name)} has no such node")
    table = np.zeros((env.n_nodes, env.n_actions))
    for x, node_id in enumerate(env.node_ids):
        if node_id not in document.logits:
            raise InputError(f"logits: node {quote(node_id)} is missing; give its {env.pair_count[x]} logits")
        values, place = document.logits[node_id], f"logits[{quote(node_id)}]"
        if not isinstance(values, list):
            raise InputError(f"{place}: expected a list of {env.pair_count[x]} numbers, got {kind(values)}")
        if len(values) != env.pair_count[x]:
            raise InputError(f"{place}: {len(values)} logits for {env.pair_count[x]} actions")
        table[x, : len(values)] = [_logit(v, f"{place}[{j}]") for j, v in enumerate(values)]
    return TabularSoftmax(env, table)


def _logit(value: Any, place: str) -> float:
    number = fraction(value, place)
    if abs(number) > MAX_LOGIT:
        raise InputError(f"{place}: {show(number)} is beyond {MAX_LOGIT:g}; a policy has full support on legal actions")
    return float(number)
