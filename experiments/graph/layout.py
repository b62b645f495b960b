"""Where cards stand: layers from left to right, each in the order of where its lines come from on average, so that few
cross (Sugiyama, Tagawa & Toda 1981).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.graph.cards import Card, widths

LINE, CHARACTER, GAP, BETWEEN = 0.135, 0.062, 0.14, 0.75  # inches


@dataclass(frozen=True)
class Place:
    """A card's upper left corner and its size, in inches, y downwards."""

    x: float
    y: float
    width: float
    height: float

    def line(self, row: int) -> float:
        """The middle of a row's line; row 0 follows the title."""
        return self.y + (row + 1.5) * LINE + 0.05


@dataclass(frozen=True)
class Layout:
    """Places of the cards and the size of the whole."""

    places: tuple[Place, ...]
    width: float
    height: float


def lay_out(cards: Sequence[Card]) -> Layout:
    """Places for the cards."""
    columns: list[list[int]] = [[] for _ in range(max(card.layer for card in cards) + 1)]
    for i, card in enumerate(cards):
        columns[card.layer].append(i)
    rank: dict[int, float] = {}
    arriving: list[list[float]] = [[] for _ in cards]  # how far down each line starts
    for column in columns:
        mean = {i: sum(arriving[i]) / len(arriving[i]) if arriving[i] else float(i) for i in column}
        column.sort(key=lambda i: (mean[i], i))
        rank |= {i: place / len(column) for place, i in enumerate(column)}
        for i in column:
            for j, row in enumerate(cards[i].rows):
                for branch in row.branches:
                    arriving[branch.target].append(rank[i] + (j + 0.5) / len(cards[i].rows) / len(column))
    sizes = [
        (CHARACTER * 1.07 * count + 0.16, LINE * (len(card.rows) + 1) + 0.1)
        for count, card in zip(widths(cards), cards, strict=True)
    ]
    tall = max(sum(sizes[i][1] + GAP for i in column) for column in columns)
    places: dict[int, Place] = {}
    left = 0.1
    for column in columns:
        spare = tall - sum(sizes[i][1] + GAP for i in column)
        gap = spare / len(column)
        top = gap / 2
        for i in column:
            places[i] = Place(left, top + GAP / 2, *sizes[i])
            top += sizes[i][1] + GAP + gap
        left += max(sizes[i][0] for i in column) + BETWEEN
    return Layout(tuple(places[i] for i in range(len(cards))), left - BETWEEN + 0.1, tall)
