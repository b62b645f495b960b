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
from functools import cache
from typing import Literal, NamedTuple

import numpy as np

from tamdp_theory.environments import drawing
from tamdp_theory.environments.answers import f1, words
from tamdp_theory.environments.corpus import Question, passages, questions
from tamdp_theory.environments.index import Index
from tamdp_theory.environments.parsing import tagged
from tamdp_theory.environments.questions import MALFORMED, QuestionEpisode, Questions, endings, named
from tamdp_theory.environments.turns import HALF
from tamdp_theory.families._build import End, Move, Number, integer

WEIGHTS = (Fraction(1, 5), Fraction(2, 5), Fraction(1, 5), Fraction(1, 5))
OTHER, NOTHING, LATE = "other", "nothing", "late"
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

    def begin(self, question: int) -> Looked:
        """Nothing is looked up."""
        return Looked(question, (None, None), 0, True)

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
        found = [f"{hop} {grade}" for hop in HOPS for grade in GRADES] + [OTHER, NOTHING]
        late = at.searches == self.max_searches
        moves: list[Move[Looked]] = [
            (named(at.question, name), "answer" if late else "tool", [(Fraction(1), self.after(at, name))])
            for name in ([LATE] if late else found)
        ]
        return [*moves, *endings(self, at, at.question, self.asked[at.question].answer)]

    def label(self, at: Looked) -> str:
        seen = [f"{hop} {grade}" for hop, grade in zip(HOPS, at.best, strict=True) if grade is not None]
        parts = [f"search{at.searches}", *([" and ".join(seen)] if seen else []), *([] if at.executable else ["!"])]
        return "/".join(parts) if at.searches else ""

    def observe(self, at: Looked) -> str:
        return f"question {at.question}, {self.label(at) or 'nothing looked up'}"

    def depth(self, at: Looked) -> int:
        return at.searches


class Search(Questions):
    """prompts: 1 to 12 questions, equally likely; max_tool_depth >= 0 searches; thoughts: whether the format asks for
    them; pixels: side of the picture, 32 to 1024; result_role: role of the messages with passages ("user" for chat
    templates without tools); weights: (4,) format, f1, query, executability, default (1/5, 2/5, 1/5, 1/5). Raises
    InputError.
    """

    thought = "Which town is it?"

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
        count, depth = integer(prompts, "prompts", 1, len(questions())), integer(max_tool_depth, "max_tool_depth", 0)
        self.pixels, self.asked = integer(pixels, "pixels", 32, 1024), questions()[:count]
        super().__init__(
            f"search-index-{count}x{depth}",
            count,
            _Rules(self.asked, depth),
            depth,
            ("format", "f1", "query", "executability"),
            WEIGHTS if weights is None else weights,
            thoughts,
            result_role,
        )
        index()

    def question(self, prompt: int) -> str:
        """The text of a question's first message."""
        begin = "First think, in <think> and </think>. Then " if self.thoughts else "Then "
        look = f"look something up, as in <search>red tower</search>, at most {self.max_tool_depth} times, or "
        give = "give the answer in a few words, as in <answer>honey</answer>."
        return f"{self.asked[prompt].text} {begin}{look if self.max_tool_depth else ''}{give}"

    def start(self, prompt: int, generator: np.random.Generator) -> "SearchEpisode":
        """Begin an episode; nothing in it is random."""
        return SearchEpisode(self, self.prompt(prompt))

    def wordings(self, prompt: int) -> dict[str, tuple[str, ...]]:
        question, other = self.asked[prompt], questions()[(prompt + 1) % len(questions())]
        found: dict[str, tuple[str, ...]] = {}
        for hop, ideal in zip(HOPS, question.queries, strict=True):
            first, _, rest = ideal.partition(" ")
            for grade, templates in QUERIES.items():
                found[f"{hop} {grade}"] = self.tagged("search", [one.format(first, rest) for one in templates])
        found[OTHER] = self.tagged("search", [*other.queries, "letters by boat"])
        found[NOTHING] = self.tagged("search", ["", "zzz", "???", "the"])
        found[LATE] = (*found["first 1"], *found["second 1/2"], *found[NOTHING])
        found |= self.answered(question.answer)
        bare = "<search>red tower</search>" if self.thoughts else "<think>tower</think><search>red tower</search>"
        found[MALFORMED] = (*MALFORMED_TEXTS, bare)
        return found


class SearchEpisode(QuestionEpisode):
    """One question."""

    def __init__(self, environment: Search, prompt: int) -> None:
        self.asked = environment.asked[prompt]
        self.image = drawing.landmark(self.asked.form, self.asked.colour, environment.pixels)
        super().__init__(environment, prompt, self.image, environment.question(prompt))

    def _take(self, text: str) -> None:
        tag, content = tagged(text, ("search", "answer"), self.task.thoughts) or ("", "")
        if tag == "search":
            self._search(text, content)
        elif tag == "answer":
            self._answer(content, self.asked.answer)
        else:
            self._malformed()

    def _search(self, text: str, query: str) -> None:
        left = self.task.max_tool_depth - self.at.searches
        if not left:
            self._go(text, LATE, [])
            return
        found, place = search(self.asked, query)
        told = "Nothing was found." if place is None else passages()[place]
        self._go(text, found, [{"type": "text", "text": f"{told} Searches left: {left - 1}."}])


ENVIRONMENTS = {"search": lambda role: Search(result_role=role)}
