"""Eight things that may be wrong with the picture of a coloured shape, after Visual-ARFT's code task (arXiv
2505.14246), and whether a picture has been mended, measured on its pixels.
"""

from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from tamdp_theory.environments import programs, repair
from tamdp_theory.environments.repair import BRIGHTEST

FAULTS = ("none", "rotation90", "rotation180", "darkness", "overexposure", "blur", "noise", "crop")
KINDS = ("none", "rotation", "rotation", "exposure", "exposure", "sharpness", "sharpness", "crop")
FACTOR, RADIUS, SPECKS = 4, 1.5, 0.05  # the radius in a picture of 96 pixels; the share of pixels
MENDED = 0.013  # mean distance to the clean picture, of the range of values; what is not mended is .02 or more away


def remedy(fault: str, pixels: int) -> str:
    """The program that mends a fault; for a picture that is fine one that does nothing to it."""
    half = pixels // 2
    lines = {
        "none": [f"resize(image, {pixels}, {pixels})"],
        "rotation90": ["rotate(image, 270)"],
        "rotation180": ["rotate(image, 180)"],
        "darkness": [f"brighten(image, {FACTOR})"],
        "overexposure": [f"darken(image, {FACTOR})"],
        "blur": ["sharpen(image)"] * 4,
        "noise": ["denoise(image)"],
        "crop": [f"crop(image, {half}, {half}, {half + pixels}, {half + pixels})"],
    }
    return "\n".join(f"image = {line}" for line in lines[fault])


@cache
def clean(colour: str, form: str, pixels: int) -> Any:
    """The picture without a fault."""
    return repair.show(colour, form, repair.Picture(), pixels)


@cache
def faulty(colour: str, form: str, fault: str, pixels: int) -> Any:
    """The picture with a fault; always the same."""
    image = clean(colour, form, pixels)
    if fault == "none":
        return image
    if fault in ("rotation90", "rotation180"):
        return image.transpose(programs.TURNS[int(fault.removeprefix("rotation"))])
    if fault == "darkness":
        return image.point(lambda value: value // FACTOR)
    if fault == "overexposure":
        return image.point(lambda value: 255 - round((255 - value) / FACTOR))
    if fault == "blur":
        return image.filter(ImageFilter.GaussianBlur(RADIUS * pixels / 96))
    if fault == "noise":
        return _specked(image)
    canvas = Image.new("RGB", (2 * pixels, 2 * pixels), (BRIGHTEST,) * 3)
    canvas.paste(image, (pixels // 2, pixels // 2))
    return canvas


def _specked(image: Any) -> Any:
    """With single pixels black or white, far enough from each other that a median removes them."""
    values, generator = np.array(image), np.random.default_rng(0)
    rows, columns = (np.arange(1, side, 3) for side in values.shape[:2])
    grid = np.array([(row, column) for row in rows for column in columns])
    chosen = grid[generator.random(len(grid)) < 9 * SPECKS]
    values[chosen[:, 0], chosen[:, 1]] = np.where(generator.random(len(chosen)) < 0.5, 0, 255)[:, None]
    return Image.fromarray(values)


def distance(image: Any, colour: str, form: str, pixels: int) -> float:
    """Mean absolute difference to the clean picture, of the range of values, both in its size."""
    seen = image if image.size == (pixels, pixels) else image.resize((pixels, pixels), Image.Resampling.NEAREST)
    apart = np.asarray(seen).astype(np.int64) - np.asarray(clean(colour, form, pixels)).astype(np.int64)
    return float(np.abs(apart).mean() / 255)


def is_mended(image: Any, colour: str, form: str, pixels: int) -> bool:
    """Whether a picture is as near to the clean one as a mended one."""
    return distance(image, colour, form, pixels) <= MENDED


def named_right(label: str, fault: str) -> int:
    """2 for the fault's own label, 1 for one of the same kind, 0 for another: twice what it is worth."""
    if label not in FAULTS:
        return 0
    if label == fault:
        return 2
    return int(KINDS[FAULTS.index(label)] == KINDS[FAULTS.index(fault)])
