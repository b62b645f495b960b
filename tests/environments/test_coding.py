"""Programs, faults and pictures against numpy, and the environment against its twin, text by text."""

from fractions import Fraction as F
from itertools import product
from typing import Any

import numpy as np
import pytest

from tamdp_theory import InputError, exact
from tamdp_theory.environments import Coding
from tamdp_theory.environments.coding import BAD_PROGRAMS
from tamdp_theory.environments.faults import (
    FAULTS,
    KINDS,
    MENDED,
    clean,
    distance,
    faulty,
    is_mended,
    named_right,
    remedy,
)
from tamdp_theory.environments.programs import Call, read_program, run
from tamdp_theory.environments.repair import COLOURS, FORMS
from tests.helpers.wordings import play_every_wording

GENERATOR = np.random.default_rng(0)
SHAPES = list(product(COLOURS, FORMS))


def pixels(image: Any) -> np.ndarray:
    return np.asarray(image).astype(np.int64)


def done(text: str, image: Any) -> np.ndarray:
    program = read_program(text)
    assert program is not None, text
    found = run(program, image)
    assert found is not None
    return pixels(found)


def test_calls_against_numpy() -> None:
    image = faulty("red", "triangle", "noise", 36)
    own = pixels(image)
    for degrees in (90, 180, 270):
        np.testing.assert_array_equal(done(f"image = rotate(image, {degrees})", image), np.rot90(own, degrees // 90))
    np.testing.assert_array_equal(done("image = flip(image)", image), own[:, ::-1])
    np.testing.assert_array_equal(done("image = brighten(image, 2.5)", image), np.minimum(np.round(own * 2.5), 255))
    np.testing.assert_array_equal(done("image = darken(image, 3)", image), np.maximum(255 - (255 - own) * 3, 0))
    np.testing.assert_array_equal(done("image = crop(image, 3, 5, 20, 30)", image), own[5:30, 3:20])
    np.testing.assert_array_equal(done("image = resize(image, 72, 72)", image), own.repeat(2, axis=0).repeat(2, axis=1))
    padded = np.pad(own, ((1, 1), (1, 1), (0, 0)), mode="edge")
    near = np.stack([padded[i : i + 36, j : j + 36] for i in range(3) for j in range(3)])
    np.testing.assert_array_equal(done("image = denoise(image)", image), np.median(near, axis=0))
    padded = np.pad(own, ((2, 2), (2, 2), (0, 0)), mode="edge")
    near = np.stack([padded[i : i + 36, j : j + 36] for i in range(5) for j in range(5)])
    high, low = near.max(axis=0), near.min(axis=0)
    np.testing.assert_array_equal(done("image = sharpen(image)", image), np.where(high - own <= own - low, high, low))
    both = "image = rotate(image, 90)\n\nimage = crop(image, 0, 0, 36, 20)  # the upper part\n"
    np.testing.assert_array_equal(done(both, image), np.rot90(own)[:20])


@pytest.mark.parametrize("side", [32, 96, 224])
def test_what_mends_and_what_does_not_is_far_apart(side: int) -> None:
    """Every fault of every shape: its remedy, and no other's, brings it near to the clean picture."""
    for (colour, form), fault in product(SHAPES, FAULTS):
        image = faulty(colour, form, fault, side)
        assert image is faulty(colour, form, fault, side)
        for other in FAULTS:
            program = read_program(remedy(other, side))
            assert program is not None
            mended = run(program, image)
            if other == fault:
                assert mended is not None and distance(mended, colour, form, side) < 0.7 * MENDED
            elif mended is not None and fault != "none":
                assert distance(mended, colour, form, side) > 1.5 * MENDED, (fault, other)
        assert is_mended(image, colour, form, side) == (fault == "none")
        other_shape = clean(*next(shape for shape in SHAPES if shape != (colour, form)), side)
        assert distance(other_shape, colour, form, side) > 1.5 * MENDED


def test_distance_by_hand() -> None:
    image = faulty("blue", "circle", "darkness", 32)
    apart = np.abs(pixels(image) - pixels(clean("blue", "circle", 32)))
    assert distance(image, "blue", "circle", 32) == pytest.approx(apart.sum() / apart.size / 255, rel=1e-12)


def test_labels() -> None:
    for label, fault in product(FAULTS, FAULTS):
        kind = dict(zip(FAULTS, KINDS, strict=True))
        assert named_right(label, fault) == 2 * (label == fault) + (label != fault and kind[label] == kind[fault])
    assert named_right("dust", "blur") == named_right("", "none") == 0


@pytest.mark.parametrize(
    "text",
    [
        *BAD_PROGRAMS,
        "image = rotate(image, -90)",
        "image = rotate(image, 90.0)",
        "image = rotate(image, 90, 90)",
        "image = rotate(image)",
        "image = rotate(picture, 90)",
        "picture = rotate(image, 90)",
        "image = image = flip(image)",
        "image, image = flip(image)",
        "image: int = flip(image)",
        "image = flip(image); print(image)",
        "image = (lambda image: image)(image)",
        "image = f'{image}'",
        "(image := flip(image))",
        "image = flip(*[image])",
        "image = flip(image, **{})",
        "image = [flip(image)][0]",
        "image = brighten(image, 1e-3)",
        "image = brighten(image, 9)",
        "image = brighten(image, 4j)",
        "image = brighten(image, '4')",
        "image = brighten(image, None)",
        "image = brighten(image, nan)",
        "image = crop(image, 10, 10, 12, 12)",
        "image = crop(image, 20, 20, 10, 10)",
        "image = crop(image, 0.5, 0, 20, 20)",
        "image = resize(image, 513, 32)",
        "image = resize(image, 4, 4)",
        "image = ｒotate(image, 90)",
        "image = rotate(image, ９０)",
        "image = flip(image)\x00",
        "image = " + "(" * 500 + "1" + ")" * 500,
        "image = " + "-" * 900 + "1",
        "image = brighten(image, " + "9" * 1900 + ")",
        "[" * 2000,
        "image = flip(image)\n" * 100_000,
        "x" * 1_000_000,
        "# image = flip(image)",
        "'image = flip(image)'",
        "def f(): pass",
        "image = rotate(image, 10**10**10)",
    ],
)
def test_what_is_no_program(text: str) -> None:
    program = read_program(text)
    assert program is None or run(program, clean("red", "circle", 96)) is None


def test_a_program_is_its_calls() -> None:
    text = "image = crop(image, 0, 0, 48, 48)\nimage = brighten(image, 1.5)"
    assert read_program(text) == (Call("crop", (0, 0, 48, 48)), Call("brighten", (1.5,)))
    assert read_program("image = flip(image)\n" * 8) == (Call("flip", ()),) * 8


@pytest.mark.parametrize("settings", [{}, {"mended": True, "thoughts": False}, {"max_tool_depth": 1, "mended": True}])
def test_every_text_is_what_it_says(settings: dict[str, Any]) -> None:
    environment = Coding(8, pixels=32, **settings)
    assert {question.fault for question in environment.asked} == set(FAULTS)
    play_every_wording(environment)


def test_one_chain_by_hand() -> None:
    environment = Coding(8, 2, mended=True, thoughts=False, pixels=32)
    prompt = [question.fault for question in environment.asked].index("blur")
    asked = environment.asked[prompt]
    episode = environment.start(prompt, GENERATOR)
    episode.act("<problem> Noise </problem>")
    episode.act("<code>image = eval(image)</code>")
    assert "this is no program" in episode.messages[-1]["content"][0]["text"]
    episode.act("<code>image = sharpen(image)\nimage = sharpen(image)\nimage = sharpen(image)</code>")
    assert is_mended(episode.messages[-1]["content"][0]["image"], asked.colour, asked.form, 32)
    episode.act(f"<answer>a {asked.form}</answer>")
    assert episode.exact_rewards == (1, F(1, 2), F(2, 3), 0, 1)


def test_optimum() -> None:
    for mended, depth, best in ((False, 0, 1), (True, 1, 1), (True, 0, F(41, 48))):
        twin = Coding(8, depth, mended=mended, pixels=32).twin
        assert exact.optimal_values(twin).total == pytest.approx(float(best), abs=1e-12)  # one fault in eight is none
    assert Coding(72, 0, pixels=32).twin.n_prompts == 72 == len(set(Coding(72, 0, pixels=32).asked))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompts": 73}, "prompts: must be between 1 and 72"),
        ({"max_tool_depth": -1}, "max_tool_depth: must be at least 0"),
        ({"pixels": 34}, "pixels: must be a multiple of 4"),
        ({"pixels": 256}, "pixels: must be between 32 and 224"),
        ({"result_role": "system"}, "result_role: expected 'tool' or 'user'"),
        ({"mended": 1}, "mended: expected True or False"),
    ],
)
def test_bad_settings(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Coding(**arguments)
