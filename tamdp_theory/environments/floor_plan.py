"""The household's floor plan, drawn by pillow: a function of the state alone. It shows what ALFWorld's text tells; it
is no picture of AI2-THOR, whose rooms RL4VLM's models see.
"""

from typing import Any

from PIL import Image, ImageDraw, ImageFont

from tamdp_theory.environments.drawing import BLACK, BLUE, RED, WHITE
from tamdp_theory.families.household import CLOSED, HELD, OBJECTS, ROOM_OF, ROOMS, Home

FLOORS = {"kitchen": (235, 240, 226), "living room": (244, 234, 216), "bedroom": (226, 233, 244)}
WOOD, SHUT, PERSON = (196, 160, 110), (175, 175, 184), (60, 60, 60)
WALL = 0.02  # of the side


def floor_plan(home: Home, pixels: int) -> Any:
    """A square of ``pixels``: three rooms side by side with doors between them, receptacles (grey: closed), objects (a
    red apple, a blue book) on or in them, and the person, with what is held.
    """
    image = Image.new("RGB", (pixels, pixels), WHITE)
    draw, width = ImageDraw.Draw(image), pixels / len(ROOMS)
    font = ImageFont.load_default(max(pixels // 21, 6))
    thick = max(round(pixels * WALL), 1)
    for k, room in enumerate(ROOMS):
        draw.rectangle([k * width, 0, (k + 1) * width, pixels], fill=FLOORS[room], outline=BLACK, width=thick)
        _text(draw, room, (k + 0.5) * width, pixels * 0.06, font)
    for k, room in enumerate(ROOMS[1:], start=1):  # doors
        draw.rectangle([k * width - thick, pixels * 0.74, k * width + thick, pixels * 0.9], fill=FLOORS[room])
    for place, room in ROOM_OF.items():
        x = (ROOMS.index(room) + 0.5) * width
        row = [one for one, own in ROOM_OF.items() if own == room].index(place)
        _receptacle(
            draw, place, place in CLOSED and place not in home.opened, x, pixels * (0.22 + 0.27 * row), pixels, font
        )
        inside = [item for item, at in zip(OBJECTS, home.places, strict=True) if at == place]
        if place not in CLOSED or place in home.opened:
            for slot, item in enumerate(inside):
                _item(
                    draw,
                    item,
                    x + width * (0.16 if slot else -0.16) * (len(inside) > 1),
                    pixels * (0.2 + 0.27 * row),
                    pixels,
                )
    x, y = (ROOMS.index(home.room) + 0.5) * width, pixels * 0.82
    _person(draw, x, y, pixels)
    for item, at in zip(OBJECTS, home.places, strict=True):
        if at == HELD:
            _item(draw, item, x + width * 0.26, y, pixels)
    return image


def _text(draw: Any, text: str, x: float, y: float, font: Any) -> None:
    draw.text((x - draw.textlength(text, font=font) / 2, y - font.size / 2), text, fill=BLACK, font=font)


def _receptacle(draw: Any, name: str, shut: bool, x: float, y: float, pixels: int, font: Any) -> None:
    half, high = pixels * 0.125, pixels * 0.062
    fill = SHUT if shut else WHITE if name in CLOSED else WOOD
    draw.rectangle([x - half, y - high, x + half, y + high], fill=fill, outline=BLACK, width=max(pixels // 150, 1))
    if shut:
        _text(draw, "closed", x, y, font)
    _text(draw, name, x, y + high + pixels * 0.035, font)


def _item(draw: Any, item: str, x: float, y: float, pixels: int) -> None:
    size = pixels * 0.035
    if item == "apple":
        draw.ellipse([x - size, y - size, x + size, y + size], fill=RED, outline=BLACK)
        draw.line([x, y - size, x + size * 0.4, y - size * 1.6], fill=BLACK, width=max(pixels // 150, 1))
    else:
        draw.rectangle([x - size, y - size * 1.1, x + size, y + size * 1.1], fill=BLUE, outline=BLACK)
        draw.line(
            [x - size * 0.5, y - size * 1.1, x - size * 0.5, y + size * 1.1], fill=WHITE, width=max(pixels // 150, 1)
        )


def _person(draw: Any, x: float, y: float, pixels: int) -> None:
    size = pixels * 0.05
    draw.ellipse([x - size * 0.55, y - size * 1.7, x + size * 0.55, y - size * 0.6], fill=PERSON)
    draw.pieslice([x - size, y - size * 0.5, x + size, y + size * 1.9], 180, 360, fill=PERSON)
