"""What the claims cite: every reference of the registry, its title where one is known, and who rests on it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bounds.claim import Claim

OWN = "docs/theory.md"
_ARXIV = re.compile(r"(?:arXiv |\b)((?:cs/)?\d{4}\.?\d{3,5})$")
_TITLES = {
    "Catoni 2007": "PAC-Bayesian supervised classification: the thermodynamics of statistical learning. IMS Lecture "
    "Notes 56",
    "DAPO": "DAPO: an open-source LLM reinforcement learning system at scale",
    "Davis & Recht 2025": "What is the objective of reasoning with reinforcement learning?",
    "Efron & Stein 1981": "The jackknife estimate of variance. Annals of Statistics 9",
    "Fan, Grama & Liu 2015": "Exponential inequalities for martingales with applications. Electronic Journal of "
    "Probability 20",
    "Hoeffding 1948": "A class of statistics with asymptotically normal distribution. Annals of Mathematical "
    "Statistics 19",
    "Langford & Caruana 2001": "(Not) bounding the true error. NIPS 14",
    "Maurer 2004": "A note on the PAC Bayesian theorem",
    "McAllester 1999": "PAC-Bayesian model averaging. COLT",
    "Mhammedi, Grünwald & Guedj 2019": "PAC-Bayes un-expected Bernstein inequality. NeurIPS 32",
    "Seeger 2002": "PAC-Bayesian generalisation error bounds for Gaussian process classification. JMLR 3",
    "Walder & Karkhanis 2025": "Pass@K policy optimization: solving harder reinforcement learning problems",
}


@dataclass(frozen=True)
class Work:
    """A reference as the claims write it, its title ("" if it is not known here), its address ("" without one), and
    the ids of the claims that cite it.
    """

    name: str
    title: str
    address: str
    claims: tuple[str, ...]


def works(claims: Iterable[Claim]) -> list[Work]:
    """Every reference to somebody else's work, in alphabetical order."""
    cited: dict[str, list[str]] = {}
    for claim in claims:
        for part in claim.reference.split(";"):
            name = part.strip().removeprefix("compare ")
            if name and name != OWN:
                cited.setdefault(name.rsplit(": ", 1)[-1], []).append(claim.id)
    return [
        Work(name, _title(name), _address(name), tuple(ids))
        for name, ids in sorted(cited.items(), key=lambda one: one[0].lower())
    ]


def _title(name: str) -> str:
    return next((title for key, title in _TITLES.items() if name.startswith(key)), "")


def _address(name: str) -> str:
    found = _ARXIV.search(name)
    return f"https://arxiv.org/abs/{found.group(1)}" if found else ""
