"""What texts amount to: a table of hard cases, and texts out of a generator that must never be an error."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamdp_theory.environments.parsing import (
    MAX_CHARACTERS,
    BadCall,
    Between,
    Call,
    OneOf,
    answer,
    check_call,
    legal_action,
    tool_call,
)

SIGNS = ("-", "+")
CARDS = ("hit", "stand")
TOOLS = {
    "turn": {"degrees": OneOf((90, 180))},
    "glow": {"factor": Between(4, 8), "where": OneOf(("all", "top"))},
    "stop": {},
}


@pytest.mark.parametrize(
    ("text", "legal", "expected"),
    [
        ('{"thoughts": "t", "action": "-"}', SIGNS, "-"),
        ('{"action": "+1"}', SIGNS, "+"),
        ('{"ACTION": "-"}', SIGNS, "-"),
        ('"action": -', SIGNS, "-"),
        ('{"thoughts": "- or +?", "action": "+"}', SIGNS, "+"),
        ('The format is "action": "-" or "+". {"action": "+"}', SIGNS, "+"),
        ('{"action": "-", "action": "+"}', SIGNS, "+"),
        ('{"action": "+"} A well-known move.', SIGNS, None),
        ('{"action": "- or +"}', SIGNS, None),
        ('{"action": "+", "action": ""}', SIGNS, None),
        ('{"action": ""}', SIGNS, None),
        ('{"action" : "+"}', SIGNS, None),
        ("{'action': '+'}", SIGNS, None),
        ('{"reaction": "+"}', SIGNS, None),
        ('{"action": "−"}', SIGNS, None),  # a minus sign that is no hyphen
        ("+", SIGNS, None),
        ("", SIGNS, None),
        ('{"action": "Stand"}', CARDS, "stand"),
        ('{"action": "I am standing"}', CARDS, "stand"),
        ('{"action": "whitewash"}', CARDS, "hit"),
        ('{"action": "hit", "thoughts": "standing would lose"}', CARDS, None),
        ('{"action": "hit hit hit"}', CARDS, "hit"),
        ('{"thoughts": "stand?", "action": "hit"}', CARDS, "hit"),
        ('{"action": "h it"}', CARDS, None),
        ('{"action": "ſtand"}', CARDS, None),
    ],
)
def test_legal_action(text: str, legal: tuple[str, ...], expected: str | None) -> None:
    assert legal_action(text, legal) == expected


def test_length_and_type() -> None:
    tail = '"action": "+"'
    assert legal_action(tail.rjust(MAX_CHARACTERS), SIGNS) == "+"
    assert legal_action(tail.rjust(MAX_CHARACTERS + 1), SIGNS) is None
    call = '<tool_call>{"name": "stop", "arguments": {}}</tool_call>'
    assert tool_call(call.rjust(MAX_CHARACTERS), TOOLS) == Call("stop", {})
    assert tool_call(call.rjust(MAX_CHARACTERS + 1), TOOLS) is None
    assert answer("<answer>x</answer>".rjust(MAX_CHARACTERS + 1)) is None
    for value in (None, 3, b'"action": "+"', ["+"], float("nan")):
        assert legal_action(value, SIGNS) is None and tool_call(value, TOOLS) is None and answer(value) is None


def call(name: object, arguments: object) -> str:
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (call("turn", {"degrees": 90}), Call("turn", {"degrees": 90})),
        (
            "Let me see.\n" + call("glow", {"where": "top", "factor": 4}) + "\nthen <answer>x</answer>",
            Call("glow", {"where": "top", "factor": 4}),
        ),
        (call("glow", {"where": "all", "factor": 7.5}), Call("glow", {"where": "all", "factor": 7.5})),
        (call("stop", {}), Call("stop", {})),
        ("no call, </tool_call>", None),
        ("<TOOL_CALL>{}</TOOL_CALL>", None),
    ],
)
def test_calls(text: str, expected: Call | None) -> None:
    assert tool_call(text, TOOLS) == expected


@pytest.mark.parametrize(
    "text",
    [
        call("open", {"path": "/etc/passwd"}),
        call("TURN", {"degrees": 90}),
        call("turn", {"degrees": 45}),
        call("turn", {"degrees": True}),
        call("turn", {"degrees": 90.0}),
        call("turn", {"degrees": "90"}),
        call("turn", {"degrees": None}),
        call("turn", {"degrees": [90]}),
        call("turn", {}),
        call("turn", {"degrees": 90, "more": 1}),
        call("turn", [90]),
        call("turn", "90"),
        call(["turn"], {}),
        call(None, {}),
        call("glow", {"factor": 3.999, "where": "all"}),
        call("glow", {"factor": 8.001, "where": "all"}),
        call("glow", {"factor": True, "where": "all"}),
        call("glow", {"factor": float("nan"), "where": "all"}),
        call("glow", {"factor": float("inf"), "where": "all"}),
        call("glow", {"factor": 10**30, "where": "all"}),
        call("glow", {"factor": 5, "where": "../../all"}),
        call("glow", {"factor": 5, "where": {}}),
        '<tool_call>{"name": "glow", "arguments": {"factor": 1e999, "where": "all"}}</tool_call>',
        '<tool_call>{"name": "turn", "arguments": {"degrees": 45, "degrees": 90}}</tool_call>',
        '<tool_call>{"name": "stop", "name": "stop", "arguments": {}}</tool_call>',
        '<tool_call>{"name": "stop", "arguments": {}, "id": 1}</tool_call>',
        '<tool_call>{"name": "stop"}</tool_call>',
        '<tool_call>{"name": "turn", "arguments": {"degrees": ' + "9" * 5000 + "}}</tool_call>",
        "<tool_call>" + "[" * 50_000 + "</tool_call>",
        '<tool_call>{"name": "stop", "arguments": ' + '{"a":' * 15_000 + "1" + "}" * 15_001 + "</tool_call>",
        '<tool_call>{"name": "stop", "arguments": {}}',
        "<tool_call>",
        "<tool_call></tool_call>",
        "</tool_call><tool_call>",
        "<tool_call>null</tool_call>",
        "<tool_call>turn(90)</tool_call>",
        call("stop", {}) + call("stop", {}),
        call("stop", {}) + "</tool_call>",
        call("stop", {}) + "<tool_call>",
        "<tool_call>" + call("stop", {}),
        '<tool_call>__import__("os").system("true")</tool_call>',
        "<tool_call>{'name': 'stop', 'arguments': {}}</tool_call>",
    ],
)
def test_bad_calls(text: str) -> None:
    result = tool_call(text, TOOLS)
    assert isinstance(result, BadCall)
    assert len(result.reason) < 120 and result.reason.isprintable()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<answer>red circle</answer>", "red circle"),
        ("It is\n<answer>\nred\n</answer> I think", "\nred\n"),
        ("<answer></answer>", ""),
        ("red", None),
        ("<answer>red", None),
        ("red</answer>", None),
        ("</answer>red<answer>", None),
        ("<answer>a</answer><answer>b</answer>", None),
        ("<answer><answer>a</answer>", None),
        ("<answer>a</answer></answer>", None),
    ],
)
def test_answer(text: str, expected: str | None) -> None:
    assert answer(text) == expected


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([90, 180, 4, 8, "all", "turn"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "arguments", "degrees", "factor", "where", ""]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from(["turn", "glow", "stop", "exit"]) | JSON, JSON | st.fixed_dictionaries({"degrees": JSON}))
def test_calls_that_pass_are_allowed(name: Any, arguments: Any) -> None:
    """Only what the table of tools lists comes through, whatever is asked for."""
    result = tool_call(call(name, arguments), TOOLS)
    if isinstance(result, Call):
        allowed = {"turn": {"degrees"}, "glow": {"factor", "where"}, "stop": set()}
        assert set(result.arguments) == allowed[result.name]
        assert result.arguments.get("degrees", 90) in (90, 180) and type(result.arguments.get("degrees", 90)) is int
        assert 4 <= result.arguments.get("factor", 4) <= 8 and result.arguments.get("where", "all") in ("all", "top")
    else:
        assert isinstance(result, BadCall)
    if isinstance(name, str):
        assert (
            check_call(name, arguments, TOOLS) == result
            or arguments != arguments
            or "NaN" in json.dumps(arguments)
            or "Infinity" in json.dumps(arguments)
        )


TAGS = st.sampled_from(
    ["<tool_call>", "</tool_call>", "<answer>", "</answer>", '"action":', "+", "-", "{", "}", '"name"', " "]
)


@given(st.text() | st.lists(TAGS).map("".join))
def test_any_text(text: str) -> None:
    action, made, given_answer = legal_action(text, SIGNS), tool_call(text, TOOLS), answer(text)
    rest = text.lower().split('"action":')[-1]
    named = [sign for sign in "-+" if sign in rest] if '"action":' in text.lower() else []
    assert action == (named[0] if len(named) == 1 else None)
    assert (made is None) == ("<tool_call>" not in text)
    assert given_answer is None or f"<answer>{given_answer}</answer>" in text


def test_strictness() -> None:
    assert tool_call('<tool_call>{"name": "stop", "arguments": NaN}</tool_call>', TOOLS) == BadCall(
        "the call is not valid JSON"
    )
    assert [Between(0, 2).accepts(value) for value in (True, 0, 2.0, 2.5, float("nan"), "1", None)] == [
        False,
        True,
        True,
        False,
        False,
        False,
        False,
    ]
    assert [OneOf((0, 1)).accepts(value) for value in (False, True, 1, 1.0, "1", [1])] == [
        False,
        False,
        True,
        False,
        False,
        False,
    ]
