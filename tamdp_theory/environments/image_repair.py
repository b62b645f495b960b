"""Naming a coloured shape in a picture that may be turned, dark or wide, with tools that mend it; after the code task
of Visual-ARFT (arXiv 2505.14246), where the policy writes code that does so. Here nothing is executed but three
whitelisted calls.

The policy sees the picture, the task and the tools, and at every turn calls one tool (the result comes with the new
picture) or answers with a colour and a form. ``repair`` says what the tools do. Components: format, exact_match, f1
(over the answer's words), executability.

    a call        a picture comes back; it costs one of ``max_tool_depth`` calls
    a bad call    unknown tool, arguments wrong, several calls, no JSON: nothing is run, an error comes back, it costs a
                  call too, and executability is 0 for the trajectory
    a late call   a call, good or bad, when none is left: nothing is run, the trajectory ends with every component 0
    an answer     ``<answer>red circle</answer>``: ends the trajectory with format 1
    anything else ends it with format, exact_match and f1 0

Format asks for a colour and a form of those that the question names, in this order (case, articles and punctuation do
not matter): a free answer of other words counts as none, so f1 is 0, 1/2 or 1. A text with a call in it is a call,
whatever else it says.

Actions of the twin: the nine answers; "rotate90", "rotate180", "rotate270", "brighten" (every factor that is allowed
does the same), "crop" (the centre), "crop_corner" (any of the four), "bad_call"; "late_call" when none is left;
"untagged". Every text is one of them, so nothing is outside of the twin. What a picture shows is known to the pixel: a
node says which of the sixteen pictures it is, or that it is spoiled.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from itertools import product
from typing import Any, Literal

import numpy as np

from tamdp_theory.environments import repair
from tamdp_theory.environments.base import Environment, Message
from tamdp_theory.environments.parsing import BadCall, Call, answer, check_call, tool_call
from tamdp_theory.environments.turns import Turns, choose, prompt_name, role, user
from tamdp_theory.environments.twins import BAD_CALL, LATE_CALL, UNTAGGED, Question, action_of_call, image_repair
from tamdp_theory.errors import InputError
from tamdp_theory.families._build import Number, integer
from tamdp_theory.model import TAMDP

ANSWERS = tuple(f"{colour} {form}" for colour, form in product(repair.COLOURS, repair.FORMS))
MAX_PROMPTS = len(repair.PICTURES) * len(ANSWERS)

BAD_CALLS = (
    "<tool_call>",
    '<tool_call>{"name": "rotate"}</tool_call>',
    '<tool_call>{"name": "open", "arguments": {"path": "/etc/passwd"}}</tool_call>',
    '<tool_call>{"name": "rotate", "arguments": {"degrees": 45}}</tool_call>',
    '<tool_call>{"name": "rotate", "arguments": {"degrees": true}}</tool_call>',
    '<tool_call>{"name": "rotate", "arguments": {"degrees": "90"}}</tool_call>',
    '<tool_call>{"name": "rotate", "arguments": {"degrees": 90.0}}</tool_call>',
    '<tool_call>{"name": "rotate", "arguments": {"degrees": 90, "degrees": 90}}</tool_call>',
    '<tool_call>{"name": "brighten", "arguments": {"factor": NaN}}</tool_call>',
    '<tool_call>{"name": "brighten", "arguments": {"factor": 1e999}}</tool_call>',
    '<tool_call>{"name": "crop", "arguments": {"region": "centre", "width": 1000000}}</tool_call>',
    "<tool_call>image.rotate(90)</tool_call>",
    '<tool_call>{"name": "crop", "arguments": {"region": "centre"}}</tool_call><tool_call>{"name": "crop", '
    '"arguments": {"region": "centre"}}</tool_call>',
)
UNTAGGED_TEXTS = (
    "",
    "red circle",
    "<answer>",
    "<answer></answer>",
    "<answer>circle red</answer>",
    "<answer>circle</answer>",
    "<answer>red red circle</answer>",
    "<answer>red circle</answer> or <answer>blue square</answer>",
    "</answer>red circle<answer>",
    "rotate(90)",
    "I cannot tell.",
)


class ImageRepair(Environment):
    """prompts: 1 to 144, equally likely, each a shape and what is wrong with its picture; max_tool_depth >= 0 calls;
    pixels: side of a clean picture, 32 to 512, a multiple of 4; result_role: role of the messages with results ("user"
    for chat templates without tools); weights: (4,) format, exact_match, f1, executability, default (1/5, 2/5, 1/5,
    1/5). Raises InputError.
    """

    def __init__(
        self,
        prompts: int = 8,
        max_tool_depth: int = 3,
        *,
        pixels: int = 96,
        result_role: Literal["tool", "user"] = "tool",
        weights: Sequence[Number] | None = None,
    ) -> None:
        count = integer(prompts, "prompts", 1, MAX_PROMPTS)
        self.max_tool_depth, self.pixels = (
            integer(max_tool_depth, "max_tool_depth", 0),
            integer(pixels, "pixels", 32, 512),
        )
        if self.pixels % 4:
            raise InputError(
                f"pixels: must be a multiple of 4, so that every crop is a whole number of pixels; got {self.pixels}"
            )
        self.result_role = role(result_role)
        # 9 and 16 have no common divisor, so all 144 pairs come up; 7 makes the first few differ in every way
        shapes = list(product(repair.COLOURS, repair.FORMS))
        self.questions = [Question(*shapes[i % 9], repair.PICTURES[7 * i % 16]) for i in range(count)]
        self.process = image_repair(
            f"image-repair-{count}x{self.max_tool_depth}", self.questions, self.max_tool_depth, ANSWERS, weights
        )
        self.name = self.process.name

    @cached_property
    def twin(self) -> TAMDP:
        return self.process

    @property
    def task(self) -> str:
        """What is asked, without the tools."""
        return (
            "The picture shows a coloured shape below a black bar. What is it? It may be turned (the bar belongs on "
            "top), too dark, or too small. "
            f"Colours: {', '.join(repair.COLOURS)}. Forms: {', '.join(repair.FORMS)}. "
            "Answer with a colour and a form, as in <answer>red circle</answer>."
        )

    @property
    def tools(self) -> str:
        """What the tools are and how to call them, for chat templates that do not say so."""
        calls = [
            json.dumps(
                {"name": name, "arguments": {argument: str(domain) for argument, domain in arguments.items()}},
                ensure_ascii=False,
            )
            for name, arguments in repair.TOOLS.items()
        ]
        return (
            f"Before you answer you can call tools, one at a time, up to {self.max_tool_depth} times, as in "
            f"{_write(EXAMPLE)}\n" + "\n".join(calls)
        )

    @property
    def question(self) -> str:
        """The text of the first message."""
        return f"{self.task}\n{self.tools}" if self.max_tool_depth else self.task

    def start(self, prompt: int, generator: np.random.Generator) -> "ImageRepairEpisode":
        """Begin an episode; nothing in it is random."""
        prompt_name(self.twin, prompt)
        return ImageRepairEpisode(self, self.questions[prompt])

    def phrase(self, action: str, generator: np.random.Generator) -> str:
        return choose(WORDINGS, action, generator)


class ImageRepairEpisode(Turns):
    """One question. ``rotate``, ``brighten`` and ``crop`` are the tools; ``act`` reads calls of them, or an answer, out
    of a text.
    """

    def __init__(self, environment: ImageRepair, question: Question) -> None:
        super().__init__()
        self.environment, self.question = environment, question
        self.image = repair.show(question.colour, question.form, question.picture, environment.pixels)
        self.history = [user(self.image, environment.question)]
        self.calls, self.executable = 0, True

    @property
    def messages(self) -> list[Message]:
        return list(self.history)

    @property
    def node(self) -> str:
        if not self.calls:
            return str(self.question)
        picture = repair.recognise(self.image, self.question.colour, self.question.form, self.environment.pixels)
        return f"{self.question}/calls{self.calls}/{picture}{'' if self.executable else '/failed'}"

    def rotate(self, degrees: int) -> list[dict[str, Any]]:
        """Turn the picture counterclockwise.

        Args:
            degrees: By how much: 90, 180 or 270.

        Returns:
            The new picture, or an error.
        """
        return self._run("rotate", {"degrees": degrees})

    def brighten(self, factor: float) -> list[dict[str, Any]]:
        """Make the picture brighter, at most until its brightest spot is white.

        Args:
            factor: How many times brighter, from 4 to 8.

        Returns:
            The new picture, or an error.
        """
        return self._run("brighten", {"factor": factor})

    def crop(self, region: str) -> list[dict[str, Any]]:
        """Keep half of the picture's width and height and enlarge it.

        Args:
            region: What to keep: "centre", "top left", "top right", "bottom left" or "bottom right".

        Returns:
            The new picture, or an error.
        """
        return self._run("crop", {"region": region})

    def refuse(self, reason: str) -> list[dict[str, Any]]:
        """Count a call that somebody else has read and found bad, such as one of an unknown tool. Returns the error."""
        self._check_open()
        return self._call(BadCall(reason), "")

    def _run(self, name: str, arguments: dict[str, Any]) -> list[dict[str, Any]]:
        self._check_open()
        call = check_call(name, arguments, repair.TOOLS)
        return self._call(call, _write(call if isinstance(call, Call) else Call(name, {})))

    def _take(self, text: str) -> None:
        call = tool_call(text, repair.TOOLS)
        if call is None:
            self._answer(answer(text))
        else:
            self._call(call, text)

    def _answer(self, text: str | None) -> None:
        words = [word for word in re.findall(r"\w+", (text or "").lower()) if word not in ("a", "an", "the")]
        given = " ".join(words)
        if given not in ANSWERS:
            self._decide(UNTAGGED)
            self._end(0, 0, 0, int(self.executable))
            return
        self._decide(given)
        expected = [self.question.colour, self.question.form]
        shared = (Counter(words) & Counter(expected)).total()
        self._end(1, int(words == expected), Fraction(2 * shared, len(words) + len(expected)), int(self.executable))

    def _call(self, call: Call | BadCall, text: str) -> list[dict[str, Any]]:
        left = self.environment.max_tool_depth - self.calls
        if not left:
            self._decide(LATE_CALL)
            self._end(0, 0, 0, 0)
            return [{"type": "text", "text": "Error: no call is left."}]
        content: list[dict[str, Any]]
        if isinstance(call, BadCall):
            self._decide(BAD_CALL)
            self.executable = False
            content = [{"type": "text", "text": f"Error: {call.reason}. Nothing was done. Calls left: {left - 1}."}]
        else:
            self._decide(action_of_call(call))
            self.image = repair.apply(call, self.image, self.environment.pixels)
            content = [
                {"type": "image", "image": self.image},
                {"type": "text", "text": f"Done. Calls left: {left - 1}."},
            ]
        self.calls += 1
        written: Message = {"role": "assistant", "content": [{"type": "text", "text": text}]}
        self.history += [written, {"role": self.environment.result_role, "content": content}]
        return content


def _write(call: Call) -> str:
    return f"<tool_call>{json.dumps({'name': call.name, 'arguments': call.arguments})}</tool_call>"


def _wordings() -> dict[str, tuple[str, ...]]:
    every = [Call("rotate", {"degrees": turn}) for turn in repair.TURNS]
    every += [Call("brighten", {"factor": factor}) for factor in (4, 5.5, 8)]
    every += [Call("crop", {"region": region}) for region in (repair.CENTRE, *repair.CORNERS)]
    calls: dict[str, tuple[str, ...]] = {}
    for call in every:
        text = _write(call)
        calls[action_of_call(call)] = (
            *calls.get(action_of_call(call), ()),
            text,
            f"Let me look closer.\n{text}",
            f"{text} <answer>red circle</answer>",
        )
    answers = {
        given: (
            f"<answer>{given}</answer>",
            f"It is a <answer>{given.title()}.</answer>",
            f"<answer>\nThe {given}\n</answer>",
        )
        for given in ANSWERS
    }
    late = tuple(text for texts in calls.values() for text in texts)
    return {**answers, **calls, BAD_CALL: BAD_CALLS, LATE_CALL: (*late, *BAD_CALLS), UNTAGGED: UNTAGGED_TEXTS}


EXAMPLE = Call("rotate", {"degrees": 90})
WORDINGS = _wordings()


ENVIRONMENTS = {"image_repair": lambda role: ImageRepair(result_role=role)}
