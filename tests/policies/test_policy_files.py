"""tamdp-policy/1: what is written is read back, to the bit; every fault is named with its place."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamdp_theory import TAMDP, InputError, TabularSoftmax, load_policy, save_policy
from tests.helpers.sound import sound

ENV = TAMDP.from_dict(sound())


def fitting() -> dict[str, Any]:
    return {
        "schema": "tamdp-policy/1",
        "kind": "tabular",
        "logits": {"q0": [0, 0.5, "-1/3"], "q0/hit": [1, 2], "q0/plan": [0.1, 1e-7], "q1": [3]},
    }


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("policy") / "p.json"


def test_numbers_land_where_they_belong(path: Path) -> None:
    content = fitting()
    content["logits"] = dict(reversed(content["logits"].items()))
    path.write_text(json.dumps(content))
    expected = [[0, 0.5, -1 / 3], [1, 2, 0], [0.1, 1e-7, 0], [3, 0, 0]]
    np.testing.assert_array_equal(load_policy(ENV, path).logits, expected)


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.floats(-1e300, 1e300), min_size=12, max_size=12))
def test_round_trip_to_the_bit(values: list[float], path: Path) -> None:
    policy = TabularSoftmax(ENV, np.array(values).reshape(4, 3))
    save_policy(policy, path)
    np.testing.assert_array_equal(load_policy(ENV, path).parameters, policy.parameters)
    assert os.listdir(path.parent) == ["p.json"]
    content = json.loads(path.read_text())
    assert (content["schema"], content["kind"]) == ("tamdp-policy/1", "tabular")
    assert {node: len(logits) for node, logits in content["logits"].items()} == {
        "q0": 3,
        "q0/hit": 2,
        "q0/plan": 2,
        "q1": 1,
    }


def changed(**parts: Any) -> bytes:
    return json.dumps({**fitting(), **parts}).encode()


def logits(**parts: Any) -> bytes:
    """The fitting content with the logits of node q1 or others replaced."""
    return changed(logits={**fitting()["logits"], **parts})


def without(*keys: str) -> bytes:
    return json.dumps({key: value for key, value in fitting().items() if key not in keys}).encode()


FAULTS = {
    "missing-node": (changed(logits={"q0": [0, 0, 0]}), "logits: node 'q0/hit' is missing; give its 2 logits"),
    "unknown-node": (logits(q2=[1]), "logits: unknown node 'q2'; 'sound' has no such node"),
    "strange-node": (logits(**{"\x1b[0m\n": [1]}), "logits: unknown node '\\x1b[0m\\n'; 'sound' has no such node"),
    "too-few": (logits(q0=[1, 2]), "logits['q0']: 2 logits for 3 actions"),
    "too-many": (logits(q1=[1, 2]), "logits['q1']: 2 logits for 1 actions"),
    "none": (logits(q1=[]), "logits['q1']: 0 logits for 1 actions"),
    "text-for-a-list": (logits(q1="1"), "logits['q1']: expected a list of 1 numbers, got str"),
    "number-for-a-list": (logits(q1=1), "logits['q1']: expected a list of 1 numbers, got int"),
    "object-for-a-list": (logits(q1={"0": 1}), "logits['q1']: expected a list of 1 numbers, got an object"),
    "null-for-a-list": (logits(q1=None), "logits['q1']: expected a list of 1 numbers, got null"),
    "nan": (
        b'{"schema": "tamdp-policy/1", "kind": "tabular", "logits": {"q1": [NaN]}}',
        "not JSON: JSON is malformed: invalid character (byte 66)",
    ),
    "nan-text": (logits(q1=["nan"]), "logits['q1'][0]: 'nan' is not a number; write 0.25 or \"1/4\""),
    "boolean": (logits(q0=[0, True, 0]), "logits['q0'][1]: expected a number, got the boolean true"),
    "null": (logits(q0=[0, 1, None]), "logits['q0'][2]: expected a number or a string \"a/b\", got null"),
    "too-large": (
        logits(q1=[10**350]),
        "logits['q1'][0]: 1" + "0" * 36 + "... is beyond 1e+300; a policy has full support",
    ),
    "too-large-decimal": (
        logits(q1=[-1.5e308]),
        "logits['q1'][0]: -15" + "0" * 34 + "... is beyond 1e+300; a policy has",
    ),
    "wrong-schema": (changed(schema="tamdp/1"), "schema: expected 'tamdp-policy/1', found 'tamdp/1'"),
    "no-schema": (without("schema"), "schema: expected 'tamdp-policy/1', found none"),
    "wrong-kind": (changed(kind="network"), "kind: invalid enum value 'network'"),
    "no-kind": (without("kind"), "object missing required field `kind`"),
    "no-logits": (without("logits"), "object missing required field `logits`"),
    "logits-list": (changed(logits=[[0, 0, 0]]), "logits: expected `object`, got `array`"),
    "extra": (changed(extra=1), "object contains unknown field `extra`"),
    "empty": (b"", "the file is empty; expected a tamdp-policy/1 JSON object"),
    "not-json": (b"logits", "not JSON: "),
    "truncated": (changed()[:-9], "not JSON: Input data was truncated"),
    "list": (b"[1]", "expected `object`, got `array`"),
    "deep": (b'{"a":' * 100_000, "JSON nested too deep; a tamdp-policy/1 file has at most 8 levels"),
}


@pytest.mark.parametrize(("content", "says"), FAULTS.values(), ids=FAULTS)
def test_bad_content(content: bytes, says: str, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_policy(ENV, path)
    assert str(caught.value).startswith(f"{path}: {says}")
    assert str(caught.value).isprintable()


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json: cannot read \(No such file or directory\); check the path"):
        load_policy(ENV, tmp_path / "none.json")


def test_the_policy_of_another_process(path: Path) -> None:
    content = sound()
    content["nodes"][3]["id"], content["prompts"][1]["start"] = "other", "other"
    save_policy(TabularSoftmax(TAMDP.from_dict(content)), path)
    with pytest.raises(InputError, match=r"logits: unknown node 'other'; 'sound' has no such node"):
        load_policy(ENV, path)
