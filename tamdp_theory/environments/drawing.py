"""Pictures of the environments' states, drawn by pillow: a function of the state alone, so equal states give equal
pixels.
"""

from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

WHITE, BLACK, GREY = (255, 255, 255), (0, 0, 0), (160, 160, 160)
RED, BLUE = (220, 30, 30), (30, 60, 220)
TABLE, CARD_BACK = (16, 110, 50), (60, 60, 130)


def number_line(size: int, current: int, target: int, pixels: int) -> Any:
    """A white square of ``pixels``: "Target: g" and "Current: c" as in RL4VLM, and below them the line that they are
    on.

    The line is a departure: small vision towers cannot read. It has a tick for each number, a red dot above it at the
    target and a blue one below it at the current number.
    """
    image = Image.new("RGB", (pixels, pixels), WHITE)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(max(pixels // 9, 6))
    for row, text in enumerate((f"Target: {target}", f"Current: {current}")):
        draw.text((pixels * 0.06, pixels * (0.05 + 0.17 * row)), text, fill=BLACK, font=font)
    step, height = pixels / size, pixels * 0.72
    draw.line([(step / 2, height), (pixels - step / 2, height)], fill=BLACK, width=max(pixels // 100, 1))
    for number in range(size):
        x = (number + 0.5) * step
        draw.line([(x, height - pixels * 0.03), (x, height + pixels * 0.03)], fill=GREY, width=max(pixels // 100, 1))
    radius = min(step * 0.45, pixels * 0.11)
    for number, side, colour in ((target, -1, RED), (current, 1, BLUE)):
        x, y = (number + 0.5) * step, height + side * pixels * 0.14
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)
    return image


def table(dealer: Sequence[tuple[str, str]], player: Sequence[tuple[str, str]], pixels: int) -> Any:
    """Cards (rank, suit) on a green square of ``pixels``: the dealer's in the upper row, with one face down if there is
    only one, the player's below.
    """
    image = Image.new("RGB", (pixels, pixels), TABLE)
    rows: list[list[tuple[str, str] | None]] = [[*dealer, *([None] if len(dealer) == 1 else [])], [*player]]
    width, height = pixels * 0.26, pixels * 0.4
    for row, cards in enumerate(rows):
        step = min(width * 1.15, (pixels * 0.92 - width) / max(len(cards) - 1, 1))
        for place, card in enumerate(cards):
            _card(image, card, pixels * 0.04 + place * step, y=pixels * (0.05 + 0.5 * row), width=width, height=height)
    return image


def formula(cards: Sequence[tuple[str, str]], text: str, pixels: int) -> Any:
    """Cards (rank, suit) in a row on a green square of ``pixels``, and "Formula: " with the text below them."""
    image = Image.new("RGB", (pixels, pixels), TABLE)
    step = pixels * 0.92 / len(cards)
    width, height = min(step * 0.86, pixels * 0.4), pixels * 0.58
    for place, card in enumerate(cards):
        _card(image, card, pixels * 0.04 + place * step, y=pixels * 0.08, width=width, height=height)
    written = f"Formula: {text}".rstrip()
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(max(pixels // 12, 6))
    if (length := draw.textlength(written, font=font)) > pixels * 0.92:
        font = ImageFont.load_default(max(int(pixels // 12 * pixels * 0.92 / length), 6))
    draw.text((pixels * 0.04, pixels * 0.8), written, fill=WHITE, font=font)
    return image


def _card(image: Any, card: tuple[str, str] | None, x: float, y: float, width: float, height: float) -> None:
    draw = ImageDraw.Draw(image)
    draw.rectangle([x, y, x + width, y + height], fill=CARD_BACK if card is None else WHITE, outline=BLACK)
    if card is None:
        return
    rank, suit = card
    colour = RED if suit in ("hearts", "diamonds") else BLACK
    draw.text(
        (x + width * 0.1, y + height * 0.02), rank, fill=colour, font=ImageFont.load_default(max(height * 0.42, 6))
    )
    side = width * 0.5
    left, top = x + width * 0.1, y + height * 0.58

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(left + side * u, top + side * v) for u, v in points]

    if suit == "diamonds":
        draw.polygon(at((0.5, 0), (0.9, 0.5), (0.5, 1), (0.1, 0.5)), fill=colour)
    elif suit == "hearts":
        draw.polygon(at((0.03, 0.4), (0.5, 1), (0.97, 0.4), (0.5, 0.25)), fill=colour)
        draw.ellipse(at((0, 0), (0.5, 0.5)), fill=colour)
        draw.ellipse(at((0.5, 0), (1, 0.5)), fill=colour)
    else:
        draw.polygon(at((0.5, 0.4), (0.7, 1), (0.3, 1)), fill=colour)
        draw.ellipse(at((0, 0.35), (0.5, 0.85)), fill=colour)
        draw.ellipse(at((0.5, 0.35), (1, 0.85)), fill=colour)
        if suit == "spades":
            draw.polygon(at((0.5, 0), (0.97, 0.5), (0.03, 0.5)), fill=colour)
        else:
            draw.ellipse(at((0.25, 0), (0.75, 0.5)), fill=colour)


PAINTS = {"red": RED, "green": (30, 140, 60), "blue": BLUE}
SKY, GROUND = (214, 230, 244), (150, 170, 110)


def landmark(form: str, colour: str, pixels: int) -> Any:
    """A "tower", "bridge", "arch" or "dome" in "red", "green" or "blue" on the ground, under the sky."""
    image = Image.new("RGB", (pixels, pixels), SKY)
    draw, paint, ground = ImageDraw.Draw(image), PAINTS[colour], pixels * 0.78
    edge = max(pixels // 100, 1)
    draw.rectangle([0, ground, pixels, pixels], fill=GROUND)

    def box(left: float, top: float, right: float, bottom: float) -> list[float]:
        return [pixels * left, pixels * top, pixels * right, pixels * bottom]

    if form == "tower":
        draw.rectangle(box(0.4, 0.28, 0.6, 0.78), fill=paint, outline=BLACK, width=edge)
        draw.polygon(
            [(pixels * 0.34, pixels * 0.28), (pixels * 0.5, pixels * 0.1), (pixels * 0.66, pixels * 0.28)], fill=BLACK
        )
        draw.rectangle(box(0.46, 0.64, 0.54, 0.78), fill=BLACK)
    elif form == "bridge":
        draw.rectangle(box(0, 0.78, 1, 0.95), fill=PAINTS["blue"] if colour != "blue" else SKY)
        draw.rectangle(box(0.04, 0.5, 0.96, 0.6), fill=paint, outline=BLACK, width=edge)
        for left in (0.16, 0.46, 0.76):
            draw.rectangle(box(left, 0.6, left + 0.08, 0.86), fill=paint, outline=BLACK, width=edge)
    elif form == "arch":
        draw.rectangle(box(0.22, 0.25, 0.78, 0.78), fill=paint, outline=BLACK, width=edge)
        draw.rectangle(box(0.38, 0.52, 0.62, 0.78), fill=SKY)
        draw.pieslice(box(0.38, 0.38, 0.62, 0.66), 180, 360, fill=SKY)
    else:
        draw.rectangle(box(0.24, 0.56, 0.76, 0.78), fill=WHITE, outline=BLACK, width=edge)
        draw.pieslice(box(0.24, 0.28, 0.76, 0.84), 180, 360, fill=paint, outline=BLACK, width=edge)
        draw.line([(pixels * 0.5, pixels * 0.28), (pixels * 0.5, pixels * 0.18)], fill=BLACK, width=edge)
    return image


def shape(form: str, colour: tuple[int, int, int], background: tuple[int, int, int], pixels: int) -> Any:
    """A "circle", "square" or "triangle" in the middle of a square of ``pixels``, and a black bar along the top, so
    that one sees which way is up.

    Args:
        form: "circle", "square" or "triangle".
        colour, background: of the shape and of what is around it.
        pixels: side of the picture.
    """
    image = Image.new("RGB", (pixels, pixels), background)
    draw = ImageDraw.Draw(image)
    low, high = pixels * 0.22, pixels * 0.86
    if form == "circle":
        draw.ellipse([low, low, high, high], fill=colour)
    elif form == "square":
        draw.rectangle([low, low, high, high], fill=colour)
    else:
        draw.polygon([(pixels / 2, low), (high, high), (low * 0.64, high)], fill=colour)
    draw.rectangle([low, pixels * 0.06, high, pixels * 0.14], fill=BLACK)
    return image
