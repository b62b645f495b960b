"""The index against BM25 in plain Python, every query template against the passage that it should bring, and the
environment against its twin, text by text.
"""

import math
import re
import sqlite3
from fractions import Fraction as F
from typing import Any

import numpy as np
import pytest

from tamdp_theory import InputError, TabularSoftmax, exact
from tamdp_theory.environments import Search
from tamdp_theory.environments.answers import MAX_ANSWER, MAX_WORDS, answers, f1, value_of, words
from tamdp_theory.environments.corpus import passages, questions
from tamdp_theory.environments.index import Index
from tamdp_theory.environments.search import index, search
from tests.helpers.wordings import play_every_wording

GENERATOR = np.random.default_rng(0)
TEXTS = [re.findall(r"\w+", text.lower()) for text in passages()]


def bm25(query: set[str]) -> list[float]:
    """Robertson and Sparck Jones's score with k1 = 1.2, b = .75, as SQLite's documentation states it."""
    mean = sum(map(len, TEXTS)) / len(TEXTS)
    scores = [0.0] * len(TEXTS)
    for word in query:
        having = sum(word in text for text in TEXTS)
        if not having:
            continue
        idf = max(math.log((len(TEXTS) - having + 0.5) / (having + 0.5)), 1e-6)
        for place, text in enumerate(TEXTS):
            count = text.count(word)
            scores[place] += idf * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * len(text) / mean))
    return scores


def queries() -> list[str]:
    """Every template of every question, and words of the corpus at random."""
    environment = Search(12, 3, thoughts=False)
    found = []
    for k in range(12):
        for texts in environment.wordings(k).values():
            found += [m[1] for text in texts if (m := re.fullmatch(r"\s*<search>([^<]*)</search>", text))]
    vocabulary = sorted({word for text in TEXTS for word in text})
    for _ in range(400):
        found.append(" ".join(GENERATOR.choice(vocabulary, size=GENERATOR.integers(1, 6))))
    return found


def test_the_best_passage_by_another_route() -> None:
    clear = 0
    for query in queries():
        scores = bm25(set(words(query)))
        best = max(scores)
        found = index().best(query)
        if best == 0:
            assert found is None
            continue
        assert found is not None and scores[found] == pytest.approx(best, rel=1e-9), query
        if sum(score > best * (1 - 1e-9) for score in scores) == 1:
            clear += 1
        else:  # of equals the first
            assert found == min(place for place, score in enumerate(scores) if score > best * (1 - 1e-9))
    assert clear > 300


def test_a_hundred_passages_and_two_for_each_question() -> None:
    assert len(passages()) == len(set(passages())) == 100
    for question in questions():
        first, second = (passages()[place] for place in question.passages)
        town = re.search(r"town of ([\w ]+), and", first)
        assert f"The {question.colour} {question.form} " in first and town is not None
        assert town[1] in second and question.answer in second.lower()
        others = [text for place, text in enumerate(passages()) if place != question.passages[1]]
        assert not any(question.answer in text.lower() and town[1] in text for text in others)
    assert len({question.answer for question in questions()}) == 12


@pytest.mark.parametrize("thoughts", [True, False])
def test_every_text_is_what_it_says(thoughts: bool) -> None:
    play_every_wording(Search(4, 2, thoughts=thoughts, pixels=32))


def test_one_chain_by_hand() -> None:
    """Two good searches and the right answer; what comes back is in the next message."""
    environment = Search(2, 3, thoughts=False, pixels=32)
    episode = environment.start(1, GENERATOR)
    episode.act("<search>town green bridge</search>")
    assert "Long Span stands in the town of Tarnow" in episode.messages[-1]["content"][0]["text"]
    episode.act("<search>the dish of Tarnow, please</search>")  # dish, tarnow of five words
    assert "barley soup" in episode.messages[-1]["content"][0]["text"]
    episode.act("<answer>A hot barley soup</answer>")
    assert episode.exact_rewards == (1, F(4, 5), F(3, 4), 1)
    assert [decision.action for decision in episode.decisions] == ["first 1 at q1", "second 1/2 at q1", "F1 4/5 at q1"]


def test_f1_of_any_answer_is_an_action() -> None:
    """Drawn answers, longer than looked at too: F1 on sets by hand, and one of the twin's values."""
    for question in questions():
        true = set(question.answer.split())
        for _ in range(200):
            pool = [*true, "red", "soup", "the", "Lantern", "a", "x", "y", "z", "u", "v", "w"]
            given = [str(word) for word in GENERATOR.choice(pool, size=GENERATOR.integers(0, 10))]
            distinct = {word.lower() for word in given} - {"a", "an", "the"}
            shared = len(distinct & true)
            expected = F(2 * shared, len(distinct) + len(true)) if len(distinct) <= MAX_ANSWER else F(0)
            assert value_of(" ".join(given), question.answer) == expected
            assert expected in answers(question.answer)
    assert f1([], []) == 0


def test_optimum_and_what_a_careful_policy_gets() -> None:
    for depth, best in ((0, F(4, 5)), (1, F(9, 10)), (2, F(1))):
        twin = Search(3, depth).twin
        assert exact.optimal_values(twin).total == pytest.approx(float(best), abs=1e-12)
    twin = Search(8, 3).twin
    assert (twin.n_prompts, twin.n_nodes, twin.horizon) == (8, 512, 4)
    assert exact.values(twin, TabularSoftmax(twin)).total < 0.6


@pytest.mark.parametrize(
    "query",
    [
        '" OR 1=1 --',
        "'; DROP TABLE passages; --",
        'red" NEAR(tower) "',
        "text:red",
        "red*",
        "-red ^tower",
        "{red tower}",
        "\x00red",
        "red\ud800tower",
        "ｒｅｄ",
        "NOT AND OR NEAR",
        "tower " * 100_000,
        "x" * 1_000_000,
        "[" * 100_000,
    ],
)
def test_sql_and_operators_are_words(query: str) -> None:
    """The same passage as for its words alone, and the index as it was."""
    plain = Index(passages())
    alone = " ".join(word for word in words(query))
    assert index().best(query) == plain.best(alone)
    assert index().best("town red tower") == 0 and len(words(query)) <= MAX_WORDS
    action, _ = search(questions()[0], query)
    assert action.split()[0] in ("first", "second", "other", "nothing")


def test_without_fts5(monkeypatch: pytest.MonkeyPatch) -> None:
    class Without:
        def execute(self, *_: Any) -> Any:
            raise sqlite3.OperationalError("no such module: fts5")

    monkeypatch.setattr(sqlite3, "connect", lambda *_, **__: Without())
    with pytest.raises(InputError, match=r"this Python's SQLite [\d.]+ has no FTS5"):
        Index(["a"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompts": 13}, "prompts: must be between 1 and 12"),
        ({"max_tool_depth": -1}, "max_tool_depth: must be at least 0"),
        ({"pixels": 16}, "pixels: must be between 32 and 1024"),
        ({"result_role": "system"}, "result_role: expected 'tool' or 'user'"),
        ({"thoughts": 2}, "thoughts: expected True or False"),
    ],
)
def test_bad_settings(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Search(**arguments)
    with pytest.raises(InputError, match="no such action 'fly"):
        Search(1).phrase("fly at q0", GENERATOR)
