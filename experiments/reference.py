"""The claims on the theory page, built from the registry: ``python -m experiments.reference docs/theory.md``."""

import sys

from bounds import CLAIMS, Claim
from bounds.bibliography import Work, works
from bounds.proofs import proof_of
from bounds.registry import SECTIONS, section
from bounds.symbols import meaning
from experiments.console import fail
from tamdp_theory import InputError, TamdpError, storage

MARK = "<!-- claims:"
FIRST = 4  # number of the page's section of lemmas


def page(current: str) -> str:
    """The page with everything after the marked line rebuilt."""
    head, mark, rest = current.partition(MARK)
    if not mark:
        raise InputError(f"the page has no line that begins with {MARK!r}; restore it")
    parts = [head + mark + rest.split("\n", 1)[0] + "\n"]
    for place, title in enumerate(SECTIONS.values()):
        parts += [
            f"## {FIRST + place}. {title}\n",
            *(_section(claim) for claim in CLAIMS.values() if section(claim) == place),
        ]
    return "\n".join([*parts, f"## {FIRST + len(SECTIONS)}. References\n", *map(_work, works(CLAIMS.values())), ""])


def _work(work: Work) -> str:
    title = f". {work.title}" if work.title else ""
    link = f" ({work.address})" if work.address else ""
    return f"- {work.name}{title}{link}: {', '.join(work.claims)}"


def _section(claim: Claim) -> str:
    symbols = "; ".join(f"${symbol}$ {meaning(symbol)}" for symbol in claim.symbols)
    assumptions = "; ".join(f"*{a.name}*: {a.text}" for a in claim.assumptions) or "none"
    lines = [
        f"### {claim.id}: {claim.title}",
        "",
        *([f"{claim.quantifier}", ""] if claim.quantifier else []),
        f"$$ {claim.latex()} $$",
        "",
        symbols + ".",
        "",
        f"- standing: {claim.standing} ({claim.kind})",
        f"- assumptions: {assumptions}",
        f"- why: {claim.proof}",
    ]
    if claim.reference != "docs/theory.md":
        lines.append(f"- reference: {claim.reference.removeprefix('docs/theory.md; ')}")
    if claim.depends_on:
        lines.append(f"- builds on: {', '.join(claim.depends_on)}")
    for part in proof_of(claim.id):
        lines += ["", part]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    try:
        storage.write_atomically(sys.argv[1], page(storage.read_bytes(sys.argv[1]).decode()))
    except (TamdpError, IndexError) as error:
        sys.exit(fail(str(error) if isinstance(error, TamdpError) else "give the file to write, e.g. docs/theory.md"))
