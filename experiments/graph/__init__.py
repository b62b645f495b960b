"""A process as a picture: every decision a card with its actions, or, where they are too many, every step one.

cards     what is on the cards, from the exact engine
layout    where they stand: layers from left to right, few crossings
drawing   svg, png, pdf; text: dot and tikz
"""

from experiments.graph.cards import MAX_CARDS, Branch, Card, Row, deal
from experiments.graph.writing import FORMATS, write

__all__ = ["FORMATS", "MAX_CARDS", "Branch", "Card", "Row", "deal", "write"]
