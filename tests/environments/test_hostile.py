"""Texts that nobody should write: never an error, no file opened, rewards in range."""

import builtins
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamdp_theory.environments import (
    Blackjack,
    Coding,
    Decision,
    Environment,
    EZPoints,
    Household,
    ImageRepair,
    NumberLine,
    Points24,
    Search,
)
from tamdp_theory.environments.image_repair import ANSWERS

GENERATOR = np.random.default_rng(0)

ENVIRONMENTS: list[Environment] = [
    NumberLine(6, 3),
    Blackjack([10], [(12, False), (13, True)]),
    EZPoints([(6, 6)], pixels=32),
    Points24([(6, 6, 6, 6)], 4, pixels=32),
    Household(max_steps=3, pixels=32),
    Search(2, 1, pixels=32),
    Coding(2, 1, thoughts=False, pixels=32),
    Search(1, 1, thoughts=False, pixels=32),
    ImageRepair(8, 2, pixels=32),
]
PIECES = st.sampled_from(
    [
        "<tool_call>",
        "</tool_call>",
        "<answer>",
        "</answer>",
        '"action":',
        '"+"',
        "-",
        "hit",
        "stand",
        "red circle",
        "<search>",
        "<code>",
        "</code>",
        "image = rotate(image, 90)\n",
        "image = ",
        "<problem>",
        "</problem>",
        "</search>",
        "<think>",
        "</think>",
        '{"name": "rotate", "arguments": {"degrees": 90}}',
        "NaN",
        "\x00",
        "\ud800",
        "[" * 3000,
        "9" * 5000,
        "__import__('os')",
        "../../etc/passwd",
        "{",
        "}",
        " ",
    ]
)


@contextmanager
def no_files() -> Iterator[None]:
    def refuse(*arguments: Any, **_: Any) -> Any:
        raise AssertionError(f"opened {arguments[:1]}")

    import_module("PIL.ImageFile")  # which pillow loads when it first needs it
    with pytest.MonkeyPatch.context() as patch:
        for module, name in (
            (builtins, "open"),
            (io, "open"),
            (os, "open"),
            (os, "system"),
            (builtins, "eval"),
            (builtins, "exec"),
        ):
            patch.setattr(module, name, refuse)
        yield


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda e: e.name)
@settings(max_examples=60)
@given(data=st.data())
def test_hostile_texts(environment: Environment, data: st.DataObject) -> None:
    texts = data.draw(st.lists(st.text() | st.lists(PIECES, max_size=6).map("".join), min_size=25, max_size=25))
    episode: Any = environment.start(0, np.random.default_rng(0))
    known = set(environment.twin.node_ids)
    with no_files():
        for text in texts:
            if episode.done:
                break
            node = episode.node
            episode.act(text)
            assert node in known and episode.decisions[-1].node == node
            assert len(episode.messages) >= 1
    if not episode.done:
        assert isinstance(environment, Blackjack)  # stands only by chance or by wish
        return
    assert len(episode.rewards) == environment.twin.n_components and all(0 <= reward <= 1 for reward in episode.rewards)


def test_no_text_at_all() -> None:
    for environment in ENVIRONMENTS:
        for value in (None, 3, b"hit", ["x"]):
            episode: Any = environment.start(0, np.random.default_rng(0))
            episode.act(value)
            assert episode.decisions[0].action.partition(" ")[0] in ("unparsed", "untagged", "malformed")


def test_words_of_an_answer() -> None:
    environment = ImageRepair(8, 0)
    for text, action in [
        ("<answer>Red Circle!</answer>", "red circle"),
        ("<answer>the red, circle</answer>", "red circle"),
        ("<answer>red-square</answer>", "red square"),
        ("<answer>circle red</answer>", "untagged"),
        ("<answer>redcircle</answer>", "untagged"),
        ("<answer>red red</answer>", "untagged"),
        ("<answer>red hexagon</answer>", "untagged"),
        ("<answer>red circle red circle</answer>", "untagged"),
        ("<answer>red</answer>", "untagged"),
        ("red circle", "untagged"),
    ]:
        episode = environment.start(0, GENERATOR)
        episode.act(text)
        assert episode.decisions == [Decision("red-circle-turn0", action)], text
        expected = {"red circle": (1, 1, 1, 1), "red square": (1, 0, 0.5, 1), "untagged": (0, 0, 0, 1)}
        assert episode.rewards == expected[action]
    assert len(ANSWERS) == 9
