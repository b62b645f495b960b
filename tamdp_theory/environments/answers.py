"""Words of a text, F1 of two sets of them, and what an answer in free words can be worth."""

import re
from collections.abc import Sequence
from fractions import Fraction

MAX_WORDS, MAX_LETTERS = 64, 64  # of a text, of a word; more is not looked at
MAX_ANSWER = 6  # different words of an answer; more count as wrong
ARTICLES = frozenset(("a", "an", "the"))
FILLERS = ("perhaps", "probably", "something", "else", "entirely", "unknown")
_WORD = re.compile(r"\w+")


def words(text: str) -> tuple[str, ...]:
    """The words of a text in lower case without articles, each once, in order; of the first MAX_WORDS."""
    found: dict[str, None] = {}
    for match in _WORD.finditer(text.lower()):
        word = match.group()
        if word not in ARTICLES and len(word) <= MAX_LETTERS:
            found[word] = None
            if len(found) == MAX_WORDS:
                break
    return tuple(found)


def f1(given: Sequence[str], expected: Sequence[str]) -> Fraction:
    """F1 of two sets of words: 2 |both| / (|given| + |expected|); 0 if both are empty."""
    whole = len(set(given)) + len(set(expected))
    return Fraction(2 * len(set(given) & set(expected)), whole) if whole else Fraction(0)


def value_of(text: str, true: str) -> Fraction:
    """F1 of an answer's words against the true one's; 0 for more than MAX_ANSWER different words."""
    given = words(text)
    return f1(given, words(true)) if len(given) <= MAX_ANSWER else Fraction(0)


def answers(true: str) -> dict[Fraction, tuple[str, ...]]:
    """Every F1 that an answer can have, the least first, with texts that have it."""
    right, found = words(true), dict[Fraction, list[str]]()
    for hits in range(len(right) + 1):
        for misses in range(MAX_ANSWER + 1 - hits):
            text = " ".join((*FILLERS[:misses], *right[:hits]))
            found.setdefault(Fraction(2 * hits, len(right) + hits + misses), []).extend((text, f"The {text.title()}."))
    return {value: tuple(texts) for value, texts in sorted(found.items())}
