"""Pictures and the tools that mend them: against numpy, pixel for pixel, and as the episodes show them."""

import inspect
import json
from itertools import product
from typing import Any

import numpy as np
import pytest

from tamdp_theory.environments import Blackjack, Decision, Environment, ImageRepair, NumberLine, repair
from tamdp_theory.environments.parsing import Call

GENERATOR = np.random.default_rng(0)


def pixels(image: Any) -> np.ndarray:
    return np.asarray(image).astype(np.int64)


def test_tools_against_numpy() -> None:
    for colour, form, picture in [
        ("red", "triangle", repair.Picture(90, True, True)),
        ("blue", "circle", repair.Picture(0, False, False)),
    ]:
        image = repair.show(colour, form, picture, 40)
        side = image.width
        before, half = pixels(image), side // 2
        for turns in (1, 2, 3):
            np.testing.assert_array_equal(
                pixels(repair.apply(Call("rotate", {"degrees": 90 * turns}), image, 40)), np.rot90(before, turns)
            )
        for factor in (4, 6.5, 8):
            np.testing.assert_array_equal(
                pixels(repair.apply(Call("brighten", {"factor": factor}), image, 40)),
                before * (4 if picture.dark else 1),
            )
        corners = {
            "centre": (half // 2, half // 2),
            "top left": (0, 0),
            "top right": (0, half),
            "bottom left": (half, 0),
            "bottom right": (half, half),
        }
        for region, (top, left) in corners.items():
            cut = before[top : top + half, left : left + half]
            expected = cut if picture.wide else cut.repeat(2, axis=0).repeat(2, axis=1)
            np.testing.assert_array_equal(pixels(repair.apply(Call("crop", {"region": region}), image, 40)), expected)


@pytest.mark.parametrize("side", [32, 36, 96])
def test_repair_undoes(side: int) -> None:
    """The right calls, in every order, give the clean picture back, pixel for pixel."""
    for colour in repair.COLOURS:
        for form in repair.FORMS:
            clean = repair.show(colour, form, repair.Picture(), side)
            assert clean.size == (side, side) and pixels(clean).max() == 252
            for picture in repair.PICTURES:
                image = repair.show(colour, form, picture, side)
                assert image.width == side * (1 + picture.wide)
                calls = [Call("rotate", {"degrees": 360 - picture.turn})] * (picture.turn > 0)
                calls += [Call("brighten", {"factor": 4})] * picture.dark + [
                    Call("crop", {"region": "centre"})
                ] * picture.wide
                for order in (calls, calls[::-1]):
                    mended = image
                    for call in order:
                        mended = repair.apply(call, mended, side)
                    assert mended.size == clean.size and mended.tobytes() == clean.tobytes()


def test_the_bar_and_the_shape() -> None:
    """The bar says which way is up; the shape has its colour and is wider than the bar is high."""
    for (colour, rgb), form, side in product(repair.COLOURS.items(), repair.FORMS, (32, 96)):
        for turn, near_edge in ((0, (0, 0)), (90, (1, 0)), (180, (0, -1)), (270, (1, -1))):
            image = pixels(repair.show(colour, form, repair.Picture(turn), side))
            axis, end = near_edge
            places = np.nonzero((image == 0).all(axis=2))[axis]
            assert len(places) > 0.03 * side**2 and (
                places.max() < 0.2 * side if end == 0 else places.min() > 0.8 * side - 1
            )
            assert (image == rgb).all(axis=2).sum() > 0.2 * side**2


def test_all_pictures_differ() -> None:
    shown = {repair.show(c, f, p, 32).tobytes() for c in repair.COLOURS for f in repair.FORMS for p in repair.PICTURES}
    assert len(shown) == 144
    lines = {NumberLine(6, 9, pixels=32).start(q, GENERATOR).image.tobytes() for q in range(30)}  # type: ignore[attr-defined]
    assert len(lines) == 30
    games = [Blackjack([up], [(total, False)], pixels=48) for up in (2, 7, 1) for total in (5, 11, 20)]
    tables = {game.start(0, np.random.default_rng(3)).image.tobytes() for game in games}  # type: ignore[attr-defined]
    assert len(tables) == 9


@pytest.mark.parametrize(
    ("environment", "moves"),
    [
        (NumberLine(6), ["+1", "+1"]),
        (Blackjack([6], [(4, False)]), ["hit", "hit"]),
        (ImageRepair(4), ["rotate90", "crop_corner"]),
    ],
    ids=["line", "cards", "repair"],
)
def test_pictures_follow_the_state(environment: Environment, moves: list[str]) -> None:
    """A move changes the picture; the same seed gives the same messages."""

    def run() -> list[Any]:
        generator = np.random.default_rng(5)
        episode = environment.start(3 if environment.twin.n_prompts > 3 else 0, generator)
        shown = []
        for move in [*moves, None]:
            contents = [part for message in episode.messages for part in message["content"]]
            shown.append([part["image"].tobytes() if part["type"] == "image" else part["text"] for part in contents])
            images = [part["image"] for part in contents if part["type"] == "image"]
            assert images[-1].mode == "RGB" and max(images[-1].size) <= 448
            if move:
                episode.act(environment.phrase(move, generator))
        return shown

    first = run()
    assert first == run()
    latest = [[part for part in parts if isinstance(part, bytes)][-1] for parts in first]
    assert len(set(latest)) == 3


def test_dots_on_the_line() -> None:
    """Red at the target above the line, blue at the current number below it, at sizes that small towers take."""
    for side in (32, 64, 224):
        environment = NumberLine(6, 9, pixels=side)
        for prompt, name in enumerate(environment.twin.prompt_names):
            image = pixels(environment.start(prompt, GENERATOR).image)  # type: ignore[attr-defined]
            red, blue = ((image[..., own] > 180) & (image.sum(axis=2) - image[..., own] < 120) for own in (0, 2))
            for dots, number, above in ((red, int(name[3]), True), (blue, int(name[0]), False)):
                rows, columns = np.nonzero(dots)
                assert abs(columns.mean() + 0.5 - (number + 0.5) * side / 6) < 1 and len(rows) > 0.006 * side**2
                assert (rows.max() < 0.72 * side) if above else (rows.min() > 0.68 * side)


def test_history_of_the_repair() -> None:
    environment = ImageRepair(8, 2)
    episode = environment.start(1, GENERATOR)
    assert len(episode.messages) == 1 and episode.messages[0]["content"][1]["text"] == environment.question
    text = environment.phrase("rotate90", GENERATOR)
    episode.act(text)
    assert [message["role"] for message in episode.messages] == ["user", "assistant", "tool"]
    assert episode.messages[1]["content"] == [{"type": "text", "text": text}]
    assert episode.messages[2]["content"][0]["image"] is episode.image
    before = episode.image
    episode.act("<tool_call>{}</tool_call>")
    assert episode.image is before and [part["type"] for part in episode.messages[-1]["content"]] == ["text"]
    assert (
        episode.messages[-1]["content"][0]["text"].startswith("Error: a call is")
        and "Calls left: 0." in episode.messages[-1]["content"][0]["text"]
    )
    episode.act(environment.phrase("crop", GENERATOR))
    assert episode.done and episode.rewards == (0, 0, 0, 0) and episode.decisions[-1].action == "late_call"
    assert ImageRepair(2, result_role="user").start(0, GENERATOR).crop("centre")[0]["type"] == "image"
    spoken = ImageRepair(2, result_role="user").start(0, GENERATOR)
    spoken.rotate(180)
    assert spoken.messages[-1]["role"] == "user"
    for name, arguments in repair.TOOLS.items():
        signature = inspect.signature(getattr(type(episode), name))
        assert list(signature.parameters)[1:] == list(arguments)
        assert all(
            f"    {argument}: " in (inspect.getdoc(getattr(type(episode), name)) or "") for argument in arguments
        )
    assert (
        json.loads(environment.tools.splitlines()[-1])["name"] == "crop"
        and "tool_call" not in ImageRepair(2, 0).question
    )


def test_tools_as_methods() -> None:
    """The methods do what the same calls in text do, and refuse what the parser refuses."""
    by_text, by_method = (ImageRepair(8, 3).start(6, GENERATOR) for _ in range(2))
    by_text.act('<tool_call>{"name": "rotate", "arguments": {"degrees": 180}}</tool_call>')
    content = by_method.rotate(180)
    assert content[0]["image"].tobytes() == by_text.image.tobytes() and by_text.messages[1] == by_method.messages[1]
    by_text.act('<tool_call>{"name": "brighten", "arguments": {"factor": 5}}</tool_call>')
    by_method.brighten(5)
    by_text.act('<tool_call>{"name": "crop", "arguments": {"region": "top left"}}</tool_call>')
    by_method.crop("top left")
    assert by_text.node == by_method.node and by_text.decisions == by_method.decisions
    for hostile in (True, "90", 90.0, None, float("nan"), -90, 10**400, [[90]], {"a": 1}, object()):
        episode = ImageRepair(8, 3).start(0, GENERATOR)
        before = episode.image
        assert episode.rotate(hostile)[0]["text"].startswith("Error") and episode.image is before  # type: ignore[arg-type]
        assert episode.brighten("x")[0]["type"] == episode.crop("/etc/passwd")[0]["type"] == "text"  # type: ignore[arg-type]
        assert [decision.action for decision in episode.decisions] == ["bad_call"] * 3
        episode.act("<answer>red circle</answer>")
        assert episode.rewards == (1, 1, 1, 0)
    episode = ImageRepair(8, 1).start(0, GENERATOR)
    episode.refuse("there is no such tool")
    assert episode.decisions == [Decision("red-circle-turn0", "bad_call")]
    assert episode.rotate(90)[0]["text"].startswith("Error: no call is left") and episode.done
