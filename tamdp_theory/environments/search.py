"""Looking things up before answering, after the search task of Visual-ARFT (arXiv 2505.14246), with a real index.

The policy sees a picture of a landmark and a question about the town where it stands, and at every turn searches or
answers. A search runs its words on the index (``index``: SQLite's FTS5, bm25) of a hundred passages (``corpus``), and
the passage that fits best comes back. The first passage that is needed says which town it is, the second the answer.

    a search      ``<search>words</search>``: costs one of ``max_tool_depth``; if no word of it is in any passage,
                  nothing comes back and executability is 0 for the trajectory
    a late search when none is left: the trajectory ends with every component 0
    an answer     ``<answer>words</answer>``: ends the trajectory with format 1 and F1 of the words, articles aside,
                  against the true answer's; more than six different words count as wrong
    anything else ends it with format and F1 0

With ``thoughts`` a text is ``<think>..</think>`` and then one of the two, and nothing else; without, one of the two.
Components: format, f1, query, executability. Query is the mean over the two hops of how like the best query was that
brought this hop's passage: the F1 of its words against the ideal ones', 0 below one half as in Visual-ARFT, here in
steps: 1/2 from one half on, 1 for the same words. Departures: Visual-ARFT's rows are single steps of a chain with its
context given and pay accuracy plus format; here whole chains are played, and executability is scored on its own.

Actions of the twin, each with its question: "first 0", "first 1/2", "first 1", "second ..": which needed passage comes
back and what the query counts for; "other", "nothing"; "late"; "F1 2/3" and so on, the answers; "malformed". Every text
is one of them. A node says which needed passages have come back, by which queries, after how many searches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from tamdp_theory.environments import drawing
from tamdp_theory.environments.answers import answers, f1, value_of, words
from tamdp_theory.environments.base import Environment, Message
from tamdp_theory.environments.corpus import Question, passages, questions
from tamdp_theory.environments.index import Index
from tamdp_theory.environments.parsing import tagged
from tamdp_theory.environments.turns import HALF, Turns, choose, prompt_name, user
from tamdp_theory.errors import InputError
from tamdp_theory.families._build import End, Move, Number, document, expand, flag, integer, uniform
from tamdp_theory.model import TAMDP

WEIGHTS = (Fraction(1, 5), Fraction(2, 5), Fraction(1, 5), Fraction(1, 5))
OTHER, NOTHING, LATE, MALFORMED = "other", "nothing", "late", "malformed"
HOPS, GRADES = ("first", "second"), (Fraction(0), HALF, Fraction(1))
# of each hop and grade; {0}, {1}: the words of the ideal query but the first, and the first
QUERIES = {
    Fraction(1): ("{0} {1}", "{1} {0}", "The {1}, {0}"),
    HALF: ("which {0} belongs with {1} exactly", "{1} and whichever {0}"),
    Fraction(0): ("please tell me whatever anybody knows concerning {0} near {1} nowadays okay",),
}
MALFORMED_TEXTS = (
    "",
    "red tower",
    "<search>red tower",
    "<think>tower</think>",
    "<search>red tower</search><search>town</search>",
    "<search>red tower</search><answer>Brenna</answer>",
    "<think>a</think><think>b</think><search>red tower</search>",
    "<think><answer>Brenna</answer></think>",
    "<Search>red tower</Search>",
    "<tool_call>search</tool_call>",
)


@cache
def index() -> Index:
    """The index of the corpus."""
    return Index(passages())


def search(question: Question, query: str) -> tuple[str, int | None]:
    """What a query amounts to at a question, as an action of the twin, and the place of the passage that comes back."""
    place = index().best(query)
    if place is None:
        return NOTHING, None
    if place not in question.passages:
        return OTHER, place
    hop = question.passages.index(place)
    like = f1(words(query), words(question.queries[hop]))
    grade = Fraction(1) if like == 1 else HALF if like >= HALF else Fraction(0)
    return f"{HOPS[hop]} {grade}", place


class Looked(NamedTuple):
    """A question after some searches. best: for each hop the best grade of a query that brought its passage, None: it
    has not come back.
    """

    question: int
    best: tuple[Fraction | None, Fraction | None]
    searches: int
    executable: bool


@dataclass(frozen=True)
class _Rules:
    """The state machine of the twin."""

    asked: tuple[Question, ...]
    max_searches: int

    def after(self, at: Looked, found: str) -> Looked | End:
        """What a search amounts to (``search``) leads to."""
        if at.searches == self.max_searches:
            return End((0, 0, 0, 0))
        best = list(at.best)
        hop, _, grade = found.partition(" ")
        if hop in HOPS:
            place = HOPS.index(hop)
            best[place] = max(best[place] or Fraction(0), Fraction(grade))
        return Looked(at.question, (best[0], best[1]), at.searches + 1, at.executable and found != NOTHING)

    def ended(self, at: Looked, tagged: bool, value: Fraction) -> End:
        """The rewards of an answer of this F1, or of a text that is none."""
        query = sum((grade or Fraction(0) for grade in at.best), Fraction(0)) / 2
        return End((int(tagged), value, query, int(at.executable)))

    def moves(self, at: Looked) -> Sequence[Move[Looked]]:
        question, one = self.asked[at.question], Fraction(1)
        found = [f"{hop} {grade}" for hop in HOPS for grade in GRADES] + [OTHER, NOTHING]
        moves: list[Move[Looked]] = (
            [(named(at.question, name), "tool", [(one, self.after(at, name))]) for name in found]
            if at.searches < self.max_searches
            else [(named(at.question, LATE), "answer", [(one, End((0, 0, 0, 0)))])]
        )
        for value in answers(question.answer):
            moves.append((named(at.question, f"F1 {value}"), "answer", [(one, self.ended(at, True, value))]))
        return [*moves, (named(at.question, MALFORMED), "answer", [(one, self.ended(at, False, Fraction(0)))])]

    def label(self, at: Looked) -> str:
        seen = [f"{hop} {grade}" for hop, grade in zip(HOPS, at.best, strict=True) if grade is not None]
        parts = [f"search{at.searches}", *([" and ".join(seen)] if seen else []), *([] if at.executable else ["!"])]
        return "/".join(parts) if at.searches else ""

    def observe(self, at: Looked) -> str:
        return f"question {at.question}, {self.label(at) or 'nothing looked up'}"

    def depth(self, at: Looked) -> int:
        return at.searches


def named(question: int, action: str) -> str:
    """The name of an action at a question: what is written depends on it."""
    return f"{action} at q{question}"


class Search(Environment):
    """prompts: 1 to 12 questions, equally likely; max_tool_depth >= 0 searches; thoughts: whether the format asks for
    them; pixels: side of the picture, 32 to 1024; result_role: role of the messages with passages ("user" for chat
    templates without tools); weights: (4,) format, f1, query, executability, default (1/5, 2/5, 1/5, 1/5). Raises
    InputError.
    """

    def __init__(
        self,
        prompts: int = 8,
        max_tool_depth: int = 3,
        *,
        thoughts: bool = True,
        pixels: int = 224,
        result_role: Literal["tool", "user"] = "user",
        weights: Sequence[Number] | None = None,
    ) -> None:
        every = questions()
        count = integer(prompts, "prompts", 1, len(every))
        self.max_tool_depth = integer(max_tool_depth, "max_tool_depth", 0)
        self.thoughts, self.pixels = flag(thoughts, "thoughts"), integer(pixels, "pixels", 32, 1024)
        if result_role not in ("tool", "user"):
            raise InputError(f"result_role: expected 'tool' or 'user', got {result_role!r}")
        self.result_role, self.asked = result_role, every[:count]
        self.name = f"search-index-{count}x{self.max_tool_depth}"
        self.rules = _Rules(self.asked, self.max_tool_depth)
        self.weights = WEIGHTS if weights is None else weights
        index()

    @cached_property
    def twin(self) -> TAMDP:
        names = [f"q{k}" for k in range(len(self.asked))]
        starts = [(name, Looked(k, (None, None), 0, True)) for k, name in enumerate(names)]
        return document(
            self.name,
            self.max_tool_depth,
            ("format", "f1", "query", "executability"),
            weights=self.weights,
            prompts=uniform(names),
            nodes=expand(self.rules, starts),
        )

    def question(self, prompt: int) -> str:
        """The text of a question's first message."""
        begin = "First think, in <think> and </think>. Then " if self.thoughts else "Then "
        look = f"look something up, as in <search>red tower</search>, at most {self.max_tool_depth} times, or "
        give = "give the answer in a few words, as in <answer>honey</answer>."
        return f"{self.asked[prompt].text} {begin}{look if self.max_tool_depth else ''}{give}"

    def start(self, prompt: int, generator: np.random.Generator) -> "SearchEpisode":
        """Begin an episode; nothing in it is random."""
        prompt_name(self.twin, prompt)
        return SearchEpisode(self, prompt)

    def phrase(self, action: str, generator: np.random.Generator) -> str:
        place = action.rpartition(" at q")[2]
        prompt = int(place) if place.isascii() and place.isdigit() and len(place) < 4 else 0
        wordings = self._wordings(min(prompt, len(self.asked) - 1))
        return choose({named(prompt, name): texts for name, texts in wordings.items()}, action, generator)

    def _wordings(self, prompt: int) -> dict[str, tuple[str, ...]]:
        question, other = self.asked[prompt], questions()[(prompt + 1) % len(questions())]
        found: dict[str, tuple[str, ...]] = {}
        for hop, ideal in zip(HOPS, question.queries, strict=True):
            first, _, rest = ideal.partition(" ")
            for grade, templates in QUERIES.items():
                found[f"{hop} {grade}"] = self._tagged("search", [one.format(first, rest) for one in templates])
        found[OTHER] = self._tagged("search", [*other.queries, "letters by boat"])
        found[NOTHING] = self._tagged("search", ["", "zzz", "???", "the"])
        found[LATE] = (*found["first 1"], *found["second 1/2"], *found[NOTHING])
        for value, texts in answers(question.answer).items():
            found[f"F1 {value}"] = self._tagged("answer", texts)
        bare = (
            ("<think>tower</think><search>red tower</search>",)
            if not self.thoughts
            else ("<search>red tower</search>",)
        )
        found[MALFORMED] = (*MALFORMED_TEXTS, *bare)
        return found

    def _tagged(self, tag: str, texts: Sequence[str]) -> tuple[str, ...]:
        before = ("<think>Which town is it?</think>\n", "<think></think>") if self.thoughts else ("", "\n")
        return tuple(f"{thought}<{tag}>{text}</{tag}>" for text in texts for thought in before)


class SearchEpisode(Turns):
    """One question."""

    def __init__(self, environment: Search, prompt: int) -> None:
        super().__init__()
        self.environment, self.prompt = environment, prompt
        self.asked = environment.asked[prompt]
        self.at = Looked(prompt, (None, None), 0, True)
        self.image = drawing.landmark(self.asked.form, self.asked.colour, environment.pixels)
        self.history = [user(self.image, environment.question(prompt))]

    @property
    def messages(self) -> list[Message]:
        return list(self.history)

    @property
    def node(self) -> str:
        written = self.environment.rules.label(self.at)
        return f"q{self.prompt}/{written}" if written else f"q{self.prompt}"

    def _take(self, text: str) -> None:
        rules = self.environment.rules
        read = tagged(text, ("search", "answer"), self.environment.thoughts)
        if read is None:
            self._decide(named(self.prompt, MALFORMED))
            self._end(*rules.ended(self.at, False, Fraction(0)).rewards)
        elif read[0] == "answer":
            value = value_of(read[1], self.asked.answer)
            self._decide(named(self.prompt, f"F1 {value}"))
            self._end(*rules.ended(self.at, True, value).rewards)
        else:
            self._search(text, read[1])

    def _search(self, text: str, query: str) -> None:
        found, place = search(self.asked, query)
        late = self.at.searches == self.environment.max_tool_depth
        self._decide(named(self.prompt, LATE if late else found))
        after = self.environment.rules.after(self.at, found)
        if isinstance(after, End):
            self._end(*after.rewards)
            return
        self.at = after
        left = self.environment.max_tool_depth - after.searches
        told = "Nothing was found." if place is None else passages()[place]
        written: Message = {"role": "assistant", "content": [{"type": "text", "text": text}]}
        content: list[dict[str, Any]] = [{"type": "text", "text": f"{told} Searches left: {left}."}]
        self.history += [written, {"role": self.environment.result_role, "content": content}]


ENVIRONMENTS = {"search": lambda role: Search(result_role=role)}
