"""The verdict table: one row a claim, sorted and filtered by script.js, readable without it."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from bounds import Verdict
from experiments.commands.claims import RELATIONS
from experiments.console import number
from experiments.report.markup import Markup, join, tag
from experiments.report.results import Result

SYMBOLS = {
    "holds": "✓",
    "violated": "✗",
    "refuted": "⊘",
    "vacuous": "○",
    "undecided": "?",
    "not applicable": "–",
    "not checked": "·",
}
_COUNTS = (
    (Verdict.HOLDS, "Holds"),
    (Verdict.VACUOUS, "Vac."),
    (Verdict.ASSUMPTION_UNMET, "N/a"),
    (Verdict.VIOLATED, "Viol."),
)
_LONG = {
    "Vac.": "checks that are vacuous",
    "N/a": "checks that do not apply",
    "Viol.": "checks that are violated",
    "Holds": "checks that hold",
}


def badge(result: Result) -> Markup:
    """The verdict by symbol and word."""
    word = result.verdict
    return tag(
        "span", tag("span", SYMBOLS[word], aria_hidden="true"), f" {word}", class_=f"verdict {word.replace(' ', '-')}"
    )


def relation(result: Result) -> str:
    """The sign between the sides."""
    return RELATIONS[type(result.claim.statement).__name__]


def shown(value: float | None) -> Markup:
    """A number to read: four digits, a minus sign, a power of ten."""
    if value is None:
        return Markup("–")
    mantissa, _, power = number(value).partition("e")
    plain = mantissa.replace("-", "−")
    return join(plain, "×10", tag("sup", str(int(power)).replace("-", "−"))) if power else join(plain)


def filters(results: Sequence[Result]) -> Markup:
    """The form above the table."""
    return tag(
        "form",
        tag(
            "label",
            tag("span", "Find"),
            tag(
                "input",
                type="search",
                id="find",
                placeholder="id, title, instance …",
                autocomplete="off",
                spellcheck="false",
            ),
        ),
        _choice("verdict", "Verdict", (result.verdict for result in results)),
        _choice("standing", "Standing", (str(result.claim.standing) for result in results)),
        tag("button", "Clear", type="reset"),
        tag("p", "", id="shown", role="status"),
        id="filters",
        hidden=True,
        role="search",
        aria_label="Filter the verdict table",
    )


def _choice(name: str, label: str, values: Iterable[str]) -> Markup:
    counts = Counter(values)
    options = [tag("option", f"{value} ({count})", value=value) for value, count in counts.most_common()]
    return tag("label", tag("span", label), tag("select", tag("option", "all", value=""), *options, id=name))


def table(results: Sequence[Result]) -> Markup:
    """Heads and rows."""
    heads = [
        _head("Claim", "claim", sorted_="ascending"),
        _head("Standing", "standing"),
        _head("Verdict", "verdict"),
        _head("Tightest check", "instance"),
        _head("Left", "number"),
        tag("th", tag("span", "Relation", class_="unseen"), scope="col", class_="relation"),
        _head("Right", "number"),
        _head("Slack", "number"),
        _head("Evidence", "evidence"),
        *(_head(name, "count", _LONG[name]) for _, name in _COUNTS),
    ]
    body = [_row(place, result) for place, result in enumerate(results)]
    told = (
        "The check of each claim with the least relative slack, or the one that violates it, and how many checks "
        "came out how."
    )
    caption = tag("caption", tag("span", told))
    return tag(
        "table",
        caption,
        tag("thead", tag("tr", *heads, role="row"), role="rowgroup"),
        tag("tbody", *body, role="rowgroup"),
        id="table",
        role="table",
    )


def _head(name: str, kind: str, title: str | None = None, sorted_: str | None = None) -> Markup:
    button = tag(
        "button",
        tag("span", name),
        tag("span", "", class_="arrow", aria_hidden="true"),
        type="button",
        title=title and f"Number of {title}",
    )
    return tag("th", button, scope="col", class_=kind, aria_sort=sorted_, role="columnheader")


def _row(place: int, result: Result) -> Markup:
    claim, check = result.claim, result.telling
    sides = (check.lhs, check.rhs, check.slack) if check else (None, None, None)
    left, right, slack = (
        _number(value, name) for value, name in zip(sides, ("Left", f"{relation(result)} right", "Slack"), strict=True)
    )
    link = tag("a", breakable(claim.id), href=f"#{claim.id}")
    head = tag("th", link, tag("span", claim.title, class_="title"), scope="row", data_value=place, role="rowheader")
    return tag(
        "tr",
        head,
        _cell(str(claim.standing), "standing", "Standing"),
        _cell(badge(result), "verdict", "Verdict", result.verdict),
        _cell(check.instance if check else "–", "instance", "Tightest check"),
        left,
        _cell(relation(result), "relation"),
        right,
        slack,
        _cell(str(check.evidence) if check else "–", "evidence", "Evidence"),
        *(_count(result.count(verdict), name) for verdict, name in _COUNTS),
        data_verdict=result.verdict,
        data_standing=str(claim.standing),
        role="row",
    )


def breakable(name: str) -> Markup:
    """A long id that may go on in a new line after a dot."""
    return join(*(part for piece in re.split(r"(?<=\.)", name) for part in (piece, Markup("<wbr/>"))))


def _cell(content: str, kind: str, label: str | None = None, value: str | None = None) -> Markup:
    return tag("td", content, class_=kind, data_label=label, data_value=value, role="cell")


def _number(value: float | None, label: str) -> Markup:
    return tag(
        "td",
        shown(value),
        class_="number",
        data_label=label,
        data_value="" if value is None else repr(value),
        role="cell",
    )


def _count(value: int, label: str) -> Markup:
    return tag(
        "td", str(value), class_="count" if value else "count zero", data_label=label, data_value=value, role="cell"
    )
