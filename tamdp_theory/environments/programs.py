"""Programs that a model writes to mend a picture: a list of picture calls, read over Python's ``ast``, run by pillow.
Nothing is ever executed: names, literals and the calls below are looked up, and whatever else is in the text makes it
no program.

    image = rotate(image, 90)                 degrees counterclockwise: 90, 180 or 270
    image = flip(image)                       left to right
    image = brighten(image, 4)                values times a factor from 1 to 8
    image = darken(image, 4)                  distances to white times a factor from 1 to 8
    image = sharpen(image)                    each value becomes the nearer of the largest and the least in the 5 by 5
                                              pixels around it (Kramer & Bruckner 1975)
    image = denoise(image)                    the median of 3 by 3 pixels
    image = crop(image, 0, 0, 48, 48)         left, top, right, bottom, in pixels
    image = resize(image, 96, 96)             width and height, nearest pixels

At most ``MAX_CALLS`` of them, one a line; pictures have from ``SMALLEST`` to ``LARGEST`` pixels a side.
"""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

SMALLEST, LARGEST = 8, 512
MAX_CALLS, MAX_CHARACTERS, MAX_NESTING = 8, 2000, 8
Number = int | float
TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}


@dataclass(frozen=True)
class Call:
    """One line of a program, known to be allowed."""

    name: str
    arguments: tuple[Number, ...]


def read_program(text: str) -> tuple[Call, ...] | None:
    """The calls of a program; None for what is none."""
    if len(text) > MAX_CHARACTERS or not text.isascii() or "\0" in text or _nesting(text) > MAX_NESTING:
        return None
    try:
        body = ast.parse(text.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    calls = [_call(line) for line in body[: MAX_CALLS + 1]]
    found = tuple(call for call in calls if call is not None)
    return found if 0 < len(found) == len(calls) <= MAX_CALLS else None


def _nesting(text: str) -> int:
    """How deep brackets go; signs and powers nest an expression too."""
    depth = deepest = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    return max(
        deepest, *(run.count("-") + run.count("+") + run.count("~") + run.count("*") for run in text.split("\n"))
    )


def _call(line: ast.stmt) -> Call | None:
    match line:
        case ast.Assign(
            targets=[ast.Name(id="image")],
            value=ast.Call(func=ast.Name(id=name), args=[ast.Name(id="image"), *given], keywords=[]),
        ):
            arguments = [_literal(one) for one in given]
            numbers = tuple(one for one in arguments if one is not None)
            if name in CALLS and len(numbers) == len(arguments) and _allowed(name, numbers):
                return Call(name, numbers)
    return None


def _literal(node: ast.expr) -> Number | None:
    """A literal number, not a bool, not too large to be one of a picture."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool) and 0 <= value <= LARGEST:
            return value
    return None


def _allowed(name: str, numbers: tuple[Number, ...]) -> bool:
    whole = all(isinstance(one, int) for one in numbers)
    if name == "rotate":
        return whole and len(numbers) == 1 and numbers[0] in TURNS
    if name in ("brighten", "darken"):
        return len(numbers) == 1 and 1 <= numbers[0] <= 8
    if name == "crop":
        return whole and len(numbers) == 4 and all(
            numbers[k + 2] - numbers[k] >= SMALLEST for k in (0, 1)
        )  # fmt: skip
    if name == "resize":
        return whole and len(numbers) == 2 and min(numbers) >= SMALLEST
    return not numbers


def run(program: tuple[Call, ...], image: Any) -> Any | None:
    """The picture that a program makes of another one; None where a crop leaves the picture."""
    for call in program:
        if call.name == "crop" and (call.arguments[2] > image.width or call.arguments[3] > image.height):
            return None
        image = CALLS[call.name](image, *call.arguments)
    return image


def _sharpened(image: Any) -> Any:
    high, low = (
        np.asarray(image.filter(kind(5))).astype(np.int64) for kind in (ImageFilter.MaxFilter, ImageFilter.MinFilter)
    )
    own = np.asarray(image).astype(np.int64)
    return Image.fromarray(np.where(high - own <= own - low, high, low).astype(np.uint8))


CALLS: dict[str, Callable[..., Any]] = {
    "rotate": lambda image, degrees: image.transpose(TURNS[degrees]),
    "flip": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "brighten": lambda image, factor: image.point(lambda value: min(round(value * factor), 255)),
    "darken": lambda image, factor: image.point(lambda value: max(round(255 - (255 - value) * factor), 0)),
    "sharpen": lambda image: _sharpened(image),
    "denoise": lambda image: image.filter(ImageFilter.MedianFilter(3)),
    "crop": lambda image, left, top, right, bottom: image.crop((left, top, right, bottom)),
    "resize": lambda image, width, height: image.resize((width, height), Image.Resampling.NEAREST),
}
