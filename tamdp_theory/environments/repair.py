"""The pictures of the image-repair task and the tools that mend them, by pillow.

A clean picture shows a coloured shape and a bar above it. It may be turned, dark and wide (small in the middle of a
canvas twice as large); all that is undone without loss: quarter turns move pixels, darkening divides values that are
multiples of 4 by 4, and the canvas is cut off. Every picture that a tool gives is one of the sixteen that can be asked
about, or it is spoiled for good.
"""

from functools import cache
from itertools import product
from typing import Any, NamedTuple

from PIL import Image

from tamdp_theory.environments import drawing
from tamdp_theory.environments.parsing import Between, Call, OneOf, Tools

COLOURS = {"red": (220, 32, 32), "green": (24, 160, 60), "blue": (32, 72, 220)}
FORMS = ("circle", "square", "triangle")
BRIGHTEST, DARKENING = 252, 4

TURNS = (90, 180, 270)
CENTRE = "centre"
CORNERS = ("top left", "top right", "bottom left", "bottom right")
TOOLS: Tools = {
    "rotate": {"degrees": OneOf(TURNS)},
    "brighten": {"factor": Between(DARKENING, 8)},
    "crop": {"region": OneOf((CENTRE, *CORNERS))},
}


class Picture(NamedTuple):
    """What is wrong with a picture: degrees that it is turned counterclockwise, whether it is dark, whether
    it is wide.
    """

    turn: int = 0
    dark: bool = False
    wide: bool = False

    def __str__(self) -> str:
        return f"turn{self.turn}{'-dark' if self.dark else ''}{'-wide' if self.wide else ''}"


PICTURES = tuple(Picture(turn, dark, wide) for wide, dark, turn in product((False, True), (False, True), (0, *TURNS)))
SPOILED = "spoiled"


def show(colour: str, form: str, picture: Picture, pixels: int) -> Any:
    """The picture of a coloured shape, RGB, a square of ``pixels`` (a multiple of 4), or of twice as many if it is
    wide.
    """
    background = (BRIGHTEST, BRIGHTEST, BRIGHTEST)
    image = drawing.shape(form, COLOURS[colour], background, pixels)
    if picture.wide:
        canvas = Image.new("RGB", (2 * pixels, 2 * pixels), background)
        canvas.paste(image, (pixels // 2, pixels // 2))
        image = canvas
    if picture.dark:
        image = image.point(lambda value: value // DARKENING)
    return _turn(image, picture.turn)


@cache
def _known(colour: str, form: str, pixels: int) -> dict[bytes, str]:
    return {show(colour, form, picture, pixels).tobytes(): str(picture) for picture in PICTURES}


def recognise(image: Any, colour: str, form: str, pixels: int) -> str:
    """Which of the pictures of a coloured shape an image is, pixel for pixel: the picture's text, or "spoiled".

    Args:
        image: what is looked at.
        colour, form: of the shape that it may show.
        pixels: side of a clean picture.
    """
    return _known(colour, form, pixels).get(image.tobytes(), SPOILED)


def apply(call: Call, image: Any, pixels: int) -> Any:
    """Run a call that ``TOOLS`` allow on an image. The result has from ``pixels`` to twice as many rows and columns.

    rotate: counterclockwise. brighten: times the factor, but only up to where the brightest value is BRIGHTEST. crop:
    the middle half of the width and of the height, or a quarter of the image in a corner, enlarged to ``pixels`` if it
    is smaller.
    """
    if call.name == "rotate":
        return _turn(image, call.arguments["degrees"])
    if call.name == "brighten":
        return _brighten(image, call.arguments["factor"])
    return _crop(image, call.arguments["region"], pixels)


def _turn(image: Any, degrees: int) -> Any:
    turns = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}
    return image.transpose(turns[degrees]) if degrees else image


def _brighten(image: Any, factor: float) -> Any:
    brightest = max(high for _, high in image.getextrema())
    if not brightest:
        return image
    times = min(factor, BRIGHTEST / brightest)
    return image.point(lambda value: round(value * times))


def _crop(image: Any, region: str, pixels: int) -> Any:
    half = image.width // 2
    left, top = half // 2, half // 2
    if region != CENTRE:
        left, top = half * ("right" in region), half * ("bottom" in region)
    cut = image.crop((left, top, left + half, top + half))
    return cut if half >= pixels else cut.resize((pixels, pixels), Image.Resampling.NEAREST)
