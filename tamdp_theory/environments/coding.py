"""Mending a picture by code before answering, after the code task of Visual-ARFT (arXiv 2505.14246).

The policy sees the picture of a coloured shape with one of eight faults (``faults``), says what is wrong, may write
code that mends it, and answers. Code is a list of picture calls that are read and never executed (``programs``). It
runs on the picture that was asked about, and its result is the next picture.

    a problem     ``<problem>blur</problem>``, once: 1 for the right label, 1/2 for one of its kind (the two rotations,
                  the two exposures, blur and noise), 0 for another
    code          ``<code>image = rotate(image, 270)</code>``: costs one of ``max_tool_depth`` runs; what is no program,
                  or leaves the picture, is refused, and executability is 0 for the trajectory
    late code     when no run is left: the trajectory ends with every component 0
    an answer     ``<answer>red circle</answer>``: ends it with format 1 and F1 of the words, articles aside; more than
                  six different words count as wrong
    anything else, a second problem too, ends it with format and F1 0

With ``thoughts`` a text is ``<think>..</think>`` and then one of the four. Components: format, problem, f1,
executability; with ``mended`` also mended, whether the last picture is as near to the clean one as a mended one
(``faults.is_mended``), pixel by pixel. Departures: Visual-ARFT pays code rows a constant without running the code, and
its problem, code and answer are rows of their own; here whole chains are played.

Actions of the twin, each with its question: "problem 1", "problem 1/2", "problem 0"; "code that mends", "code that does
not", "bad code", "late code"; "F1 2/3" and so on; "malformed". Every text is one of them. A node says what the problem
was worth, how many runs were made, and which picture is seen. ``ImageRepair`` is the smaller task with tool calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Literal, NamedTuple

import numpy as np

from tamdp_theory.environments import faults, programs
from tamdp_theory.environments.parsing import tagged
from tamdp_theory.environments.questions import MALFORMED, QuestionEpisode, Questions, endings, named
from tamdp_theory.environments.repair import COLOURS, FORMS
from tamdp_theory.environments.turns import HALF
from tamdp_theory.errors import InputError
from tamdp_theory.families._build import End, Move, Number, flag, integer

WORTH = (Fraction(0), HALF, Fraction(1))
MENDS, MENDS_NOT, BAD, LATE = "code that mends", "code that does not", "bad code", "late code"
RUNS = (MENDS, MENDS_NOT, BAD)
TAGS = ("problem", "code", "answer")
MAX_PROMPTS = len(COLOURS) * len(FORMS) * len(faults.FAULTS)
BAD_PROGRAMS = (
    "",
    "image",
    "rotate(image, 90)",
    "image = rotate(image, 45)",
    "image = rotate(image, True)",
    "image = rotate(image, degrees=90)",
    "image = image.rotate(90)",
    "image = open('/etc/passwd')",
    "__import__('os').system('ls')",
    "image = crop(image, 0, 0, 1000000000, 1000000000)",
    "image = crop(image, 0, 0, 512, 512)",
    "image = resize(image, 10**9, 10**9)",
    "image = brighten(image, 1e999)",
    "for i in range(9): image = flip(image)",
    "image = flip(image)\n" * 9,
    "image = flip(flip(image))",
    "import os",
)
MALFORMED_TEXTS = (
    "",
    "red circle",
    "<code>image = flip(image)",
    "<problem>blur</problem><answer>red circle</answer>",
    "<Answer>red circle</Answer>",
    "```python\nimage = rotate(image, 90)\n```",
    "<search>blur</search>",
)


class Question(NamedTuple):
    """A shape, and what is wrong with its picture."""

    colour: str
    form: str
    fault: str

    @property
    def answer(self) -> str:
        """What the picture shows."""
        return f"{self.colour} {self.form}"


class Seen(NamedTuple):
    """A question after some turns. problem: twice what the label was worth, None: not said; picture: "given", "mended"
    or "other".
    """

    question: int
    problem: int | None
    runs: int
    picture: str
    executable: bool


@dataclass(frozen=True)
class _Rules:
    """The state machine of the twin; mended: whether that is a component."""

    asked: tuple[Question, ...]
    max_runs: int
    mended: bool

    def begin(self, question: int) -> Seen:
        """The picture as it is given."""
        return Seen(question, None, 0, "given", True)

    def ended(self, at: Seen, tagged: bool, value: Fraction) -> End:
        """The rewards of an answer of this F1, or of a text that is none."""
        fine = at.picture == "mended" or (at.picture == "given" and self.asked[at.question].fault == "none")
        last = (int(fine),) if self.mended else ()
        return End((int(tagged), WORTH[at.problem or 0], value, int(at.executable), *last))

    def after(self, at: Seen, action: str) -> Seen | End:
        """What a problem or code leads to; nothing is left of a trajectory with code too many."""
        kind, _, worth = action.partition(" ")
        if kind == "problem":
            return at._replace(problem=WORTH.index(Fraction(worth)))
        if at.runs == self.max_runs:
            return End((0,) * (5 if self.mended else 4))
        after = at._replace(runs=at.runs + 1)
        if action == BAD:
            return after._replace(executable=False)
        return after._replace(picture="mended" if action == MENDS else "other")

    def moves(self, at: Seen) -> Sequence[Move[Seen]]:
        question = self.asked[at.question]
        code = (LATE,) if at.runs == self.max_runs else RUNS
        said = [f"problem {WORTH[k]}" for k in sorted(worths(question))] if at.problem is None else []
        moves: list[Move[Seen]] = [
            (named(at.question, name), "tool" if name in RUNS else "answer", [(Fraction(1), self.after(at, name))])
            for name in (*said, *code)
        ]
        return [*moves, *endings(self, at, at.question, question.answer)]

    def label(self, at: Seen) -> str:
        said = [] if at.problem is None else [f"problem {WORTH[at.problem]}"]
        ran = [f"run{at.runs}/{at.picture}"] if at.runs else []
        return "/".join((*said, *ran, *([] if at.executable else ["!"])))

    def observe(self, at: Seen) -> str:
        question = self.asked[at.question]
        return f"{question.answer}, {question.fault}: {self.label(at) or 'as given'}"

    def depth(self, at: Seen) -> int:
        return at.runs


def worths(question: Question) -> set[int]:
    """Twice what the labels can be worth at a question; any other text is worth nothing."""
    return {0, *(faults.named_right(label, question.fault) for label in faults.FAULTS)}


class Coding(Questions):
    """prompts: 1 to 72 questions, equally likely, each a shape with a fault; max_tool_depth >= 0 runs; mended: whether
    that the picture was mended is a component; thoughts: whether the format asks for them; pixels: side of a clean
    picture, 32 to 224, a multiple of 4; result_role: role of the messages with results ("user" for chat templates
    without tools); weights: (K,), default equal ones with f1 twice. Raises InputError.
    """

    thought = "It is turned, I think."

    def __init__(
        self,
        prompts: int = 8,
        max_tool_depth: int = 2,
        *,
        mended: bool = False,
        thoughts: bool = True,
        pixels: int = 96,
        result_role: Literal["tool", "user"] = "user",
        weights: Sequence[Number] | None = None,
    ) -> None:
        count, depth = integer(prompts, "prompts", 1, MAX_PROMPTS), integer(max_tool_depth, "max_tool_depth", 0)
        self.mended, self.pixels = flag(mended, "mended"), integer(pixels, "pixels", 32, 224)
        if self.pixels % 4:
            raise InputError(f"pixels: must be a multiple of 4, got {self.pixels}")
        shapes = list(product(COLOURS, FORMS))
        # 8 faults and 9 shapes have no common divisor, so all 72 pairs come up; the first eight have every fault
        self.asked = tuple(Question(*shapes[k % 9], faults.FAULTS[(k + 1) % 8]) for k in range(count))
        components = ("format", "problem", "f1", "executability", *(["mended"] if self.mended else []))
        even = [Fraction(2 if name == "f1" else 1, len(components) + 1) for name in components]
        super().__init__(
            f"coding-pictures-{count}x{depth}{'-mended' if self.mended else ''}",
            count,
            _Rules(self.asked, depth, self.mended),
            depth,
            components,
            even if weights is None else weights,
            thoughts,
            result_role,
        )

    @property
    def question(self) -> str:
        """The text of the first message."""
        begin = "First think, in <think> and </think>. Then one" if self.thoughts else "One"
        code = (
            f" Mend it with lines such as <code>image = rotate(image, 90)</code>, up to {self.max_tool_depth} times; "
            "there are rotate(image, 90|180|270), flip(image), brighten(image, 1 to 8), darken(image, 1 to 8), "
            "sharpen(image), denoise(image), crop(image, left, top, right, bottom) and resize(image, width, height)."
            if self.max_tool_depth
            else ""
        )
        return (
            f"The picture shows a coloured shape below a black bar; something may be wrong with it. {begin} of these, "
            f"and nothing else: Say what is wrong, as in <problem>blur</problem>, of {', '.join(faults.FAULTS)}.{code} "
            "Answer with a colour and a form, as in <answer>red circle</answer>: "
            f"{', '.join(COLOURS)}; {', '.join(FORMS)}."
        )

    def start(self, prompt: int, generator: np.random.Generator) -> "CodingEpisode":
        """Begin an episode; nothing in it is random."""
        return CodingEpisode(self, self.prompt(prompt))

    def wordings(self, prompt: int) -> dict[str, tuple[str, ...]]:
        question, found = self.asked[prompt], dict[str, tuple[str, ...]]()
        for k in sorted(worths(question)):
            labels = [label for label in faults.FAULTS if faults.named_right(label, question.fault) == k]
            found[f"problem {WORTH[k]}"] = self.tagged("problem", [*labels, *([] if k else ["", "dust"])])
        mends = faults.remedy(question.fault, self.pixels)
        found[MENDS] = self.tagged("code", [mends, f"\n{mends}\nimage = resize(image, {self.pixels}, {self.pixels})\n"])
        found[MENDS_NOT] = self.tagged("code", [f"{mends}\nimage = rotate(image, 90)", "image = darken(image, 8)"])
        found[BAD] = self.tagged("code", BAD_PROGRAMS)
        found[LATE] = (*found[MENDS], *found[BAD])
        found |= self.answered(question.answer)
        found[MALFORMED] = MALFORMED_TEXTS
        return found


class CodingEpisode(QuestionEpisode):
    """One question."""

    def __init__(self, environment: Coding, prompt: int) -> None:
        self.environment, self.asked = environment, environment.asked[prompt]
        self.given = faults.faulty(*self.asked, environment.pixels)
        super().__init__(environment, prompt, self.given, environment.question)

    def _take(self, text: str) -> None:
        tag, content = tagged(text, TAGS, self.task.thoughts) or ("", "")
        if tag == "code":
            self._run(text, content)
        elif tag == "problem" and self.at.problem is None:
            worth = WORTH[faults.named_right(content.strip().lower(), self.asked.fault)]
            self._go(text, f"problem {worth}", [{"type": "text", "text": "Noted."}])
        elif tag == "answer":
            self._answer(content, self.asked.answer)
        else:
            self._malformed()

    def _run(self, text: str, content: str) -> None:
        left = self.task.max_tool_depth - self.at.runs
        if not left:
            self._go(text, LATE, [])
            return
        program = programs.read_program(content)
        image = None if program is None else programs.run(program, self.given)
        told = f"Runs left: {left - 1}."
        if image is None:
            self._go(text, BAD, [{"type": "text", "text": f"Error: this is no program for the picture. {told}"}])
            return
        mends = faults.is_mended(image, self.asked.colour, self.asked.form, self.environment.pixels)
        shown = [{"type": "image", "image": image}, {"type": "text", "text": f"Done. {told}"}]
        self._go(text, MENDS if mends else MENDS_NOT, shown)


ENVIRONMENTS = {"coding": lambda role: Coding(result_role=role)}
