r"""Proofs in full, one Markdown file per claim: paragraphs of sentences, formulas between dollars, ``$x \le y$``."""

import re
from collections.abc import Iterator
from importlib.resources import files

_FORMULA = re.compile(r"\$([^$]+)\$")


def proof_of(claim_id: str) -> tuple[str, ...]:
    """The paragraphs of a claim's proof; none where its record says all there is to say."""
    file = files(__name__) / f"{claim_id}.md"
    if not file.is_file():
        return ()
    return tuple(" ".join(part.split()) for part in file.read_text(encoding="utf-8").split("\n\n") if part.strip())


def pieces(text: str) -> Iterator[tuple[bool, str]]:
    """(whether it is a formula, what it says) of each piece of a text, in order."""
    for place, part in enumerate(_FORMULA.split(text)):
        if part:
            yield place % 2 == 1, part
