"""theorems.tex and verdicts.tex: the claims as theorems, and the verdict tables, to be included in an article.

theorems.tex needs amsmath and amssymb; verdicts.tex needs no package.
"""

from bounds import Claim, Verdict
from bounds.proofs import pieces, proof_of
from bounds.registry import section
from experiments.console import number
from experiments.report import formulas
from experiments.report.escaping import escaped
from experiments.report.markup import prose
from experiments.report.results import Result, Results
from experiments.report.table import relation
from tamdp_theory import __version__

_SIGNS = {"≤": r"\leq", "≥": r"\geq"}
_COUNTS = (Verdict.HOLDS, Verdict.VACUOUS, Verdict.ASSUMPTION_UNMET, Verdict.VIOLATED)


def _head(results: Results) -> str:
    return (
        f"% Made by `tamdp report --latex`, tamdp-theory {__version__}; checks {results.digest[:12]} (SHA-256 of "
        f"checks.json).\n"
    )


def theorems(results: Results) -> str:
    """Every claim as a lemma or theorem with its assumptions, the reason in a sentence, and where it comes from."""
    parts = [
        _head(results),
        "% In the preamble: \\usepackage{amsmath,amssymb}; environments that the article has already are kept.\n",
        *(
            f"\\ifcsname {name}\\endcsname\\else\\newtheorem{{{name}}}{{{name.title()}}}\\fi\n"
            for name in ("lemma", "theorem", "conjecture")
        ),
    ]
    for heading, found in results.groups().items():
        parts.append(f"\n\\section*{{{escaped(heading)}}}\n")
        parts += [_theorem(result.claim) for result in found]
    return "".join(parts)


def _theorem(claim: Claim) -> str:
    name = "conjecture" if claim.standing == "conjectured" else "lemma" if section(claim) == 0 else "theorem"
    standing = {"printed": " Printed, and refuted:", "literature": " From the literature:"}.get(claim.standing, "")
    lines = [f"\n\\begin{{{name}}}[{escaped(claim.id)}]\\label{{{claim.id}}}", f"\\textbf{{{_text(claim.title)}.}}"]
    if claim.assumptions:
        lines.append(
            f"Assume {'; '.join(_text(assumption.text) for assumption in claim.assumptions)}.{standing or ' Then'}"
        )
    elif standing:
        lines.append(standing.strip())
    if claim.quantifier:
        lines.append(f"{claim.quantifier}")
    lines += [r"\[", "  " + formulas.statement(claim), r"\]", f"\\end{{{name}}}"]
    if claim.proof:
        lines.append(rf"\noindent\emph{{{_reason(claim)}.}} {_text(claim.proof)}")
        lines.append("")
    for place, part in enumerate(proof_of(claim.id)):
        lines += [("\\noindent\\emph{In full.} " if place == 0 else "") + _text(part), ""]
    links = ", ".join(rf"{_id(other)}~(\ref{{{other}}})" for other in claim.depends_on)
    builds = f" Builds on {links}." if links else ""
    lines.append(rf"\noindent\emph{{Reference.}} {_text(claim.reference)}.{builds}")
    return "\n".join(lines) + "\n"


def _id(claim_id: str) -> str:
    return escaped(claim_id).replace(".", r".\allowbreak{}")


def _text(content: str) -> str:
    return "".join(f"${part}$" if drawn else escaped(prose(part)) for drawn, part in pieces(content))


def _reason(claim: Claim) -> str:
    return {"printed": "Refutation", "conjectured": "Evidence"}.get(claim.standing, "Proof")


def verdicts(results: Results) -> str:
    """A tabular for each part of the theory, narrow enough for the text of an article."""
    parts = [_head(results), "% Needs no package. n: checks that hold, are vacuous, do not apply, are violated.\n"]
    for heading, found in results.groups().items():
        rows = "".join(_row(result) for result in found)
        parts.append(
            f"\n\\begin{{center}}\n\\scriptsize\\setlength{{\\tabcolsep}}{{1.5pt}}\n\\textbf{{{escaped(heading)}}}\\par\\nobreak\\smallskip\n"
            "\\begin{tabular}{@{}llrcrrlr@{}}\n\\hline\n"
            "claim & verdict & left & & right & slack & evidence & $n$ \\\\\n\\hline\n"
            f"{rows}\\hline\n\\end{{tabular}}\n\\end{{center}}\n"
        )
    return "".join(parts)


def _row(result: Result) -> str:
    check = result.telling
    left, right, slack = (
        _number(value) for value in ((check.lhs, check.rhs, check.slack) if check else (None, None, None))
    )
    sign = relation(result)
    counts = "/".join(str(result.count(verdict)) for verdict in _COUNTS)
    cells = (
        escaped(result.claim.id),
        result.verdict,
        left,
        f"${_SIGNS.get(sign, sign)}$",
        right,
        slack,
        str(check.evidence) if check else "--",
        counts,
    )
    return " & ".join(cells) + " \\\\\n"


def _number(value: float | None) -> str:
    if value is None:
        return "--"
    mantissa, _, power = number(value).partition("e")
    return f"${mantissa}" + (rf"\cdot 10^{{{int(power)}}}$" if power else "$")
