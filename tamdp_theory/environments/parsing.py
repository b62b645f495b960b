"""What a text amounts to: an action named in JSON, a tool call, an answer. Nothing in a text is ever evaluated, and no
text is an error.

Actions are read as in RL4VLM (arXiv 2405.10292): the one legal action that is named after ``"action":``. Two
departures: RL4VLM looks after the first ``"action":`` and, if there is none, at the last character of the text; here
the *last* ``"action":`` counts, since thoughts may quote the format, and a text without one is unparsed. As there, case
does not matter, an action is found wherever its letters are ("standing" is a stand, and so is "outstanding"),
everything to the end of the text is looked at, and with two legal actions in it ("-" in "+, a well-known move") the
text is unparsed.

Tool calls have Qwen's shape, ``<tool_call>{"name": .., "arguments": {..}}</tool_call>``, one in a text; answers stand
in ``<answer>..</answer>``.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

MAX_CHARACTERS = 100_000  # a longer text is looked at no further: no answer is that long
MARKER = '"action":'


def legal_action(text: object, legal: Iterable[str]) -> str | None:
    """Return the one legal action named after the last ``"action":`` of a text; None if there is none, or more than
    one.

    legal: lower case; where one is contained in another ("1" in "10"), the longer one is read. Anything that is no
    text, or longer than MAX_CHARACTERS, is None.
    """
    if not _is_readable(text):
        return None
    _, marker, rest = str(text).lower().rpartition(MARKER)
    longest_first = sorted(legal, key=len, reverse=True)
    found = set(re.findall("|".join(map(re.escape, longest_first)), rest)) if marker else set()
    return found.pop() if len(found) == 1 else None


@dataclass(frozen=True)
class OneOf:
    """An argument with one of a few values, of one type; True is no 1 here."""

    values: tuple[int, ...] | tuple[str, ...]

    def accepts(self, value: object) -> bool:
        """Whether a call may have this value."""
        return type(value) is type(self.values[0]) and value in self.values

    def __str__(self) -> str:
        return "one of " + ", ".join(json.dumps(value) for value in self.values)


@dataclass(frozen=True)
class Between:
    """A number in [low, high]."""

    low: int
    high: int

    def accepts(self, value: object) -> bool:
        """Whether a call may have this value: an int or a float, no bool, no NaN, in the range."""
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"a number from {self.low} to {self.high}"


Tools = Mapping[str, Mapping[str, OneOf | Between]]
"""What may be called: names, and the arguments that each takes, all of them needed."""


@dataclass(frozen=True)
class Call:
    """A call of a known tool whose arguments are all there and in range."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class BadCall:
    """Something meant as a call that cannot be made, and why in a few words, free of the text itself."""

    reason: str


def tool_call(text: object, tools: Tools) -> Call | BadCall | None:
    """Return the call that a text makes; BadCall if it is none that ``tools`` allow, or not the only one; None if the
    text calls nothing.

    A tag that is opened is meant as a call. JSON is read strictly: no NaN, no key twice, no numbers beyond Python's
    limit on digits.
    """
    if not _is_readable(text) or "<tool_call>" not in str(text):
        return None
    _, _, rest = str(text).partition("<tool_call>")
    body, closed, after = rest.partition("</tool_call>")
    if "<tool_call>" in rest or not closed or "</tool_call>" in after:
        return BadCall("make one call at a time, between <tool_call> and </tool_call>")
    try:
        data = json.loads(body, object_pairs_hook=_distinct, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return BadCall("the call is not valid JSON")
    if not isinstance(data, dict) or data.keys() != {"name", "arguments"} or not isinstance(data["name"], str):
        return BadCall('a call is {"name": .., "arguments": {..}}')
    return check_call(data["name"], data["arguments"], tools)


def check_call(name: str, arguments: object, tools: Tools) -> Call | BadCall:
    """Return the call of a tool with these arguments if ``tools`` allow it."""
    if name not in tools:
        return BadCall(f"there is no such tool; there are {', '.join(tools)}")
    expected = tools[name]
    if not isinstance(arguments, dict) or arguments.keys() != expected.keys():
        return BadCall(f"{name} takes {', '.join(expected)}")
    for argument, domain in expected.items():
        if not domain.accepts(arguments[argument]):
            return BadCall(f"{argument} must be {domain}")
    return Call(name, arguments)


def tagged(text: object, tags: Iterable[str], thoughts: bool) -> tuple[str, str] | None:
    """Return the tag and the content of a text that is one of these tags and nothing else, after ``<think>..</think>``
    if thoughts are asked for; None for every other text. No "<" may stand in a content.
    """
    if not _is_readable(text):
        return None
    think = r"<think>[^<]*</think>\s*" if thoughts else ""
    found = re.fullmatch(rf"\s*{think}<({'|'.join(tags)})>([^<]*)</\1>\s*", str(text))
    return None if found is None else (found[1], found[2])


def answer(text: object) -> str | None:
    """Return what stands between the only ``<answer>`` and ``</answer>`` of a text; None if there is not exactly one of
    each, in that order.
    """
    if not _is_readable(text) or str(text).count("<answer>") != 1 or str(text).count("</answer>") != 1:
        return None
    body, closed, _ = str(text).partition("<answer>")[2].partition("</answer>")
    return body if closed else None


def _is_readable(text: object) -> bool:
    return isinstance(text, str) and len(text) <= MAX_CHARACTERS


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a key twice")
    return result


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
