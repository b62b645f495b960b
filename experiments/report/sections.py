"""A section for each claim: statement, symbols, assumptions, proof in a sentence, checks, certificate."""

from collections.abc import Mapping, Sequence

from bounds import Claim, Verdict
from bounds.certificates import Certificate
from bounds.proofs import pieces, proof_of
from bounds.symbols import meaning
from experiments import tightest, verification
from experiments.report import formulas
from experiments.report.breaking import broken
from experiments.report.markup import Markup, join, prose, tag
from experiments.report.mathml import formula
from experiments.report.results import Result
from experiments.report.table import badge, breakable, relation, shown

_WORDS = {
    Verdict.HOLDS: "hold",
    Verdict.VACUOUS: "vacuous",
    Verdict.ASSUMPTION_UNMET: "not applicable",
    Verdict.UNDECIDED: "undecided",
    Verdict.VIOLATED: "violated",
}


def sentence(content: str) -> Markup:
    """A text of the registry, its formulas drawn."""
    return join(*(_lines(part) if drawn else prose(part) for drawn, part in pieces(content)))


def _lines(latex: str) -> Markup:
    first, *others = broken(latex)
    return join(formula(first), *(join(" ", formula(part)) for part in others))


def _proof(claim: Claim) -> Markup | None:
    paragraphs = proof_of(claim.id)
    if not paragraphs:
        return None
    return tag("details", tag("summary", "in full"), *(tag("p", sentence(part)) for part in paragraphs))


def section(result: Result, used_by: Sequence[str], certificates: Mapping[str, Certificate]) -> Markup:
    """One claim."""
    claim = result.claim
    facts: list[tuple[str, Markup | None]] = [
        ("Assumptions", _assumptions(claim)),
        ("Why", sentence(claim.proof) if claim.proof else None),
        ("Proof", _proof(claim)),
        ("Reference", join(claim.reference)),
        ("Builds on", _links(claim.depends_on)),
        ("Used by", _links(used_by)),
        ("Checks", _checks(result)),
        ("Tightness", _tightness(result)),
        *(
            (("Certificate", _certificate(name, certificate)))
            for name, certificate in certificates.items()
            if certificate.claim == claim.id
        ),
    ]
    return tag(
        "article",
        tag(
            "header",
            tag("h3", tag("a", breakable(claim.id), href=f"#{claim.id}", class_="id"), " ", tag("span", claim.title)),
            tag(
                "p",
                badge(result),
                tag("span", str(claim.standing)),
                tag("span", claim.kind),
                tag("a", "↑ table", href="#verdicts"),
                class_="about",
            ),
        ),
        tag("p", claim.quantifier) if claim.quantifier else Markup(""),
        tag("div", formula(formulas.statement(claim), display=True), class_="formula"),
        tag(
            "dl",
            *(
                join(tag("dt", formula(latex)), tag("dd", prose(meaning(symbol))))
                for latex, symbol in formulas.symbols(claim).items()
            ),
            class_="symbols",
        ),
        tag(
            "dl",
            *(tag("div", tag("dt", name), tag("dd", content)) for name, content in facts if content),
            class_="facts",
        ),
        id=claim.id,
    )


def _assumptions(claim: Claim) -> Markup:
    if not claim.assumptions:
        return join("none")
    return tag(
        "ul", *(tag("li", tag("em", assumption.name), ": ", prose(assumption.text)) for assumption in claim.assumptions)
    )


def _links(ids: Sequence[str]) -> Markup | None:
    return (
        tag("ul", *(tag("li", tag("a", claim_id, href=f"#{claim_id}")) for claim_id in ids), class_="links")
        if ids
        else None
    )


def _checks(result: Result) -> Markup:
    if result.outcome is None or result.telling is None:
        return join(
            "not checked in these results; ", tag("code", f"tamdp verify --claim {result.claim.id}"), " checks it alone"
        )
    counts = ", ".join(f"{result.count(verdict):,} {word}" for verdict, word in _WORDS.items() if result.count(verdict))
    check = result.telling
    if check.lhs is None:
        return join(counts)
    sides = tag("span", shown(check.lhs), f" {relation(result)} ", shown(check.rhs), class_="sides")
    note = f" ({check.note})" if check.note else ""
    return join(
        f"{counts}. Tightest: {check.instance}, ",
        sides,
        ", slack ",
        tag("span", shown(check.slack), class_="sides"),
        f", {check.evidence}{note}",
    )


def _tightness(result: Result) -> Markup | None:
    found = verification.tightness(result.outcome) if result.outcome else None
    if found is None:
        return None
    over = "right over left side" if relation(result) in ("≤", "<") else "left over right side"
    parts = [(found.median, "median "), (found.worst, ", loosest "), (found.least, ", tightest ")]
    numbers = [part for value, word in parts for part in (word, tag("span", shown(value), class_="sides"))]
    text = f": {over} on {found.checks:,} check{'s' if found.checks > 1 else ''}, 1 is equality"
    return join(*numbers, text, *_searched(result.claim.id))


def _searched(claim_id: str) -> list[Markup]:
    """The nearest that a search came to equality, and the certificate that shows it."""
    entry = tightest.known().get(claim_id)
    if entry is None:
        return []
    where = f"{entry.process}, G = {entry.group_size}, {entry.normalization}"
    parts = [join("; a search came to "), tag("span", shown(1 / entry.ratio), class_="sides"), join(f" on {where}")]
    if entry.certificate is not None:
        parts += [join(": "), tag("code", f"tamdp certify bounds/tight/{entry.certificate}")]
    return parts


def _certificate(name: str, certificate: Certificate) -> Markup:
    arithmetic = "exact arithmetic" if certificate.is_exact else f"ball arithmetic, {certificate.bits} bits"
    instance = (
        f"{certificate.instance.process.get('name')}, G = {certificate.instance.group_size}, "
        f"{certificate.instance.normalization}"
    )
    rows = {
        "verdict": join(f"{certificate.verdict} on {instance}; {arithmetic}"),
        "left": tag("code", certificate.lhs),
        "right": tag("code", certificate.rhs),
        "verify": tag("code", f"tamdp certify bounds/certified/{name}.json"),
    }
    return tag(
        "dl", *(tag("div", tag("dt", word), tag("dd", content)) for word, content in rows.items()), class_="certificate"
    )
