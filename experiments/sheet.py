"""An episode of an environment as a picture for people: what the model sees before each decision, and what it gets
for what is written.
"""

import io
import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np

from tamdp_theory import InputError, Policy
from tamdp_theory.environments import Environment, Episode, ScriptedSource
from tamdp_theory.errors import printable, quote

MOST = 8  # decisions shown
SIDE, WORDS, LINES = 2.3, 38, 9  # of a panel: inches, characters of a line, lines of text
PLAIN = 30  # lines of the question at most


@dataclass(frozen=True)
class _Turn:
    node: str
    image: Any  # None: nothing new to see
    text: str


def episode_sheet(environment: Environment, policy: Policy, prompt: str | None, seed: int) -> bytes:
    """PNG of an episode that a policy of the twin plays: the question, the picture before each decision (up to
    ``MOST``), the text that was written, and the rewards.

    Args:
        environment, policy: what is played, and by which policy of its twin.
        prompt: its name; None: drawn. InputError if there is none of that name.
        seed: of the episode.
    """
    twin, generator = environment.twin, np.random.default_rng(seed)
    if prompt is not None and prompt not in twin.prompt_names:
        raise InputError(f"prompt: no prompt {quote(prompt)}; there are {', '.join(twin.prompt_names[:20])}")
    drawn = int(generator.choice(twin.n_prompts, p=twin.prompt_probability))
    place = drawn if prompt is None else twin.prompt_names.index(prompt)
    turns: list[_Turn] = []
    question: list[str] = []

    def watch(episode: Episode, text: str) -> None:
        seen = [part for message in episode.messages for part in message["content"]]
        if not question:
            question.extend(part["text"] for part in seen if part["type"] == "text")
        images = [part["image"] for part in seen if part["type"] == "image"]
        turns.append(_Turn(episode.node, images[-1] if images else None, text))

    played = ScriptedSource(environment, policy, with_scores=False).play(place, generator, watch)
    rewards = zip(twin.component_names, played.episode.rewards, strict=True)
    ends = ", ".join(f"{name} {value:g}" for name, value in rewards)
    return _draw(environment.name, " ".join(question), turns, ends)


def _draw(title: str, question: str, turns: list[_Turn], ends: str) -> bytes:
    from matplotlib.figure import Figure

    shown = turns[:MOST]
    columns = max(3, min(4, len(shown)))
    written = [_wrapped(turn.text, WORDS, LINES) for turn in shown]
    rows = [range(first, min(first + columns, len(shown))) for first in range(0, len(shown), columns)]
    heights = [SIDE + 0.5 + 0.12 * max(len(written[place]) for place in row) for row in rows]
    asked = _wrapped(question, round(WORDS * 1.12 * columns), PLAIN)
    top = 0.45 + 0.15 * len(asked)
    width, whole = SIDE * columns + 0.2 * (columns + 1), top + sum(heights) + 0.35
    figure = Figure(figsize=(width, whole), facecolor="white")
    figure.text(0.2 / width, 1 - 0.25 / whole, printable(title), fontsize=10, weight="bold", va="center")
    figure.text(0.2 / width, 1 - 0.42 / whole, "\n".join(asked), fontsize=7.5, va="top", linespacing=1.35)
    for row, height in zip(rows, heights, strict=True):
        for column, place in enumerate(row):
            left, low = (0.2 + column * (SIDE + 0.2)) / width, 1 - (top + 0.3 + SIDE) / whole
            axes = figure.add_axes((left, low, SIDE / width, SIDE / whole))
            axes.set(xticks=[], yticks=[])
            if shown[place].image is not None:
                axes.imshow(np.asarray(shown[place].image.convert("RGB")), interpolation="nearest")
            axes.set_title(printable(f"{place + 1}  {_end(shown[place].node, 34)}"), fontsize=7.5, loc="left", pad=3)
            text = "\n".join(written[place]) if shown[place].text.strip() else "(nothing is written)"
            figure.text(left, low - 0.08 / whole, text, fontsize=6.5, va="top", family="monospace", linespacing=1.3)
        top += height
    more = f"{len(turns) - MOST} more decisions; " if len(turns) > MOST else ""
    figure.text(0.2 / width, 0.17 / whole, f"{more}rewards: {ends}", fontsize=8, va="center")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=160, metadata={"Software": None})
    return content.getvalue()


def _end(text: str, most: int) -> str:
    return text if len(text) <= most else f"…{text[1 - most :]}"


def _wrapped(text: str, width: int, most: int) -> list[str]:
    lines = [part for line in text.split("\n") for part in textwrap.wrap(printable(line), width) or [""]]
    lines = [line.replace("$", r"\$") for line in lines]  # no formula is meant
    return lines if len(lines) <= most else [*lines[: most - 1], "…"]
