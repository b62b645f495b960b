"""The page: one file that asks for nothing else. Same results, same bytes."""

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files

from bounds import CLAIMS, Standing, Verdict
from bounds.certificates import Certificate
from experiments.report import sections, table
from experiments.report.markup import Markup, join, tag
from experiments.report.results import Figure, Result, Results
from experiments.verification import MUST_HOLD
from tamdp_theory import __version__

TITLE = "Claims on reinforcement fine-tuning with tools"
_LEAD = (
    "Each claim is a symbolic statement, checked on a suite of tool-augmented decision processes whose objective, "
    "expected update and variance "
    "are finite sums. Proved and literature claims must hold wherever their assumptions are met; printed claims must "
    "be refuted."
)


def page(results: Results, certificates: Mapping[str, Certificate]) -> str:
    """The whole document."""
    style, script = (
        Markup(files("experiments.report").joinpath(name).read_text(encoding="utf-8"))
        for name in ("style.css", "script.js")
    )
    policy = (
        f"default-src 'none'; img-src data:; style-src {_source(style)}; script-src {_source(script)}; base-uri "
        f"'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", TITLE),
        tag("link", rel="icon", href="data:,"),
        tag("style", style),
    )
    groups = results.groups()
    made = f"tamdp-theory {__version__}; checks {results.digest[:12]} (SHA-256 of checks.json). Made by "
    body = tag(
        "body",
        tag("a", "Skip to the verdicts", href="#verdicts", class_="skip"),
        _header(results, list(groups)),
        tag(
            "main",
            _verdicts(results),
            _figures(results),
            *(_group(name, found, certificates) for name, found in groups.items()),
        ),
        tag("footer", tag("p", made, tag("code", "tamdp report"), ".")),
        tag("script", script),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _source(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def anchor(name: str) -> str:
    """A heading's id."""
    return name.partition(":")[0].lower().replace(" ", "-")


def _header(results: Results, groups: list[str]) -> Markup:
    links = [
        ("verdicts", "Verdicts"),
        ("figures", "Figures"),
        *((anchor(name), name.partition(":")[0]) for name in groups),
    ]
    return tag(
        "header",
        tag("p", "tamdp-theory", class_="kicker"),
        tag("h1", TITLE),
        tag("p", _LEAD, class_="lead"),
        _summary(results.claims),
        tag(
            "nav",
            tag("ul", *(tag("li", tag("a", name, href=f"#{target}")) for target, name in links)),
            aria_label="Sections",
        ),
    )


def _summary(results: tuple[Result, ...]) -> Markup:
    """The numbers that matter, as a list of terms."""
    must = [result for result in results if result.claim.standing in MUST_HOLD]
    printed = [result for result in results if result.claim.standing is Standing.PRINTED]
    conjectured = [result for result in results if result.claim.standing is Standing.CONJECTURED]
    fine = {id(result) for result in results if result.outcome and result.outcome.success}
    tiles = [
        _tile(
            f"{sum(id(r) in fine for r in must)} of {len(must)}",
            "proved and literature claims hold",
            all(id(r) in fine for r in must),
        )
    ]
    if printed:
        tiles.append(
            _tile(
                f"{sum(id(r) in fine for r in printed)} of {len(printed)}",
                "printed claims refuted",
                all(id(r) in fine for r in printed),
            )
        )
    for r in conjectured:
        made = len(r.outcome.checks) if r.outcome else 0
        counts = f"checks of the conjecture {r.claim.id} hold, {r.count(Verdict.VIOLATED)} violate it"
        tiles.append(_tile(f"{r.count(Verdict.HOLDS):,} of {made:,}", counts, not r.count(Verdict.VIOLATED)))
    total = {verdict: sum(r.count(verdict) for r in must) for verdict in Verdict}
    rest = (
        f"checks hold; {total[Verdict.VACUOUS]:,} vacuous and {total[Verdict.ASSUMPTION_UNMET]:,} inapplicable ones "
        f"count as no pass"
    )
    return tag("dl", *tiles, _tile(f"{total[Verdict.HOLDS]:,}", rest, True), class_="summary")


def _tile(value: str, name: str, fine: bool) -> Markup:
    return tag("div", tag("dt", name), tag("dd", value), class_=None if fine else "failing")


def _verdicts(results: Results) -> Markup:
    scroll = tag("div", table.table(results.claims), class_="scroll")
    return tag("section", tag("h2", "Verdicts"), table.filters(results.claims), scroll, id="verdicts", class_="wide")


def _figures(results: Results) -> Markup:
    lines = [tag("li", line) for line in results.missing]
    left_out = [tag("p", "Left out:"), tag("ul", *lines)] if lines else []
    return tag(
        "section", tag("h2", "Figures"), *(_figure(figure) for figure in results.figures), *left_out, id="figures"
    )


def _figure(figure: Figure) -> Markup:
    width, height = figure.size
    picture = tag("img", src=figure.address, alt=f"Figure: {figure.name}", width=width, height=height)
    caption = tag("figcaption", tag("strong", f"{figure.name}. "), figure.caption)
    return tag("figure", tag("div", picture, class_="card"), caption, id=f"figure-{figure.name}")


def _group(name: str, results: list[Result], certificates: Mapping[str, Certificate]) -> Markup:
    used = {claim_id: [other.id for other in CLAIMS.values() if claim_id in other.depends_on] for claim_id in CLAIMS}
    parts = [sections.section(result, used[result.claim.id], certificates) for result in results]
    return join(tag("section", tag("h2", name), *parts, id=anchor(name)))
