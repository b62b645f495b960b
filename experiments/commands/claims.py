"""``tamdp claims``: the registry, or one claim in full."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated

import sympy as sp
import tyro
from rich.table import Table

import bounds
from bounds.symbols import meaning
from experiments.console import console
from tamdp_theory import InputError


@dataclass(frozen=True)
class Claims:
    """List every claim, or print one: statement, assumptions, standing, reference.

    Example: tamdp claims T1.stationary
    """

    id: Annotated[str | None, tyro.conf.Positional] = None
    """A claim id such as L9; default: all."""
    latex: bool = False
    """Print statements as LaTeX only."""

    def run(self) -> int:
        """Print and return 0."""
        out = console()
        if self.id is not None:
            self._one(find_claim(self.id))
            return 0
        if self.latex:
            for claim in bounds.CLAIMS.values():
                print(f"% {claim.id}: {claim.title}\n{claim.latex()}")
            return 0
        table = Table("claim", "title", "standing", "kind", "builds on", box=None, padding=(0, 2))
        for claim in bounds.CLAIMS.values():
            table.add_row(claim.id, claim.title, str(claim.standing), claim.kind, ", ".join(claim.depends_on))
        out.print(table)
        return 0

    def _one(self, claim: bounds.Claim) -> None:
        out = console()
        if self.latex:
            print(claim.latex())
            return
        out.print(f"[bold]{claim.id}[/]  {claim.title}  [dim]({claim.kind})[/]", soft_wrap=True)
        out.print(f"\n  {statement_text(claim)}\n", markup=False, soft_wrap=True)
        out.print(f"  LaTeX: {claim.latex()}\n", markup=False, soft_wrap=True)
        symbols = Table(box=None, padding=(0, 2), show_header=False)
        for symbol in claim.symbols:
            symbols.add_row(unicode_text(str(symbol)), meaning(symbol))
        out.print(symbols)
        out.print("\nassumptions:" if claim.assumptions else "\nassumptions: none")
        for assumption in claim.assumptions:
            out.print(f"  {assumption.name}: {assumption.text}", markup=False, soft_wrap=True)
        out.print(f"standing: {claim.standing}\nwhy: {claim.proof}", markup=False, soft_wrap=True)
        out.print(f"reference: {claim.reference}", markup=False, soft_wrap=True)
        if claim.depends_on:
            out.print(f"builds on: {', '.join(claim.depends_on)}")
        if claim.figure:
            out.print(f"figure: tamdp figures {claim.figure}")


def find_claim(claim_id: str) -> bounds.Claim:
    """A claim by id; InputError with the nearest ids otherwise."""
    if claim_id in bounds.CLAIMS:
        return bounds.CLAIMS[claim_id]
    close = get_close_matches(claim_id, bounds.CLAIMS, cutoff=0.3)
    hint = f"; did you mean {', '.join(close)}?" if close else "; `tamdp claims` lists them"
    raise InputError(f"no claim {claim_id!r}{hint}")


def statement_text(claim: bounds.Claim) -> str:
    """The statement on one line of plain text."""
    names = {
        symbol: sp.Symbol(_bracketed(unicode_text(str(symbol))))
        for symbol in claim.statement.free_symbols
        if symbol.is_Symbol
    }
    lhs, rhs = (sp.sstr(side.xreplace(names), order="none") for side in (claim.statement.lhs, claim.statement.rhs))
    return f"{lhs} {RELATIONS[type(claim.statement).__name__]} {rhs}".replace("**2", "²")


RELATIONS = {"Equality": "=", "LessThan": "≤", "StrictLessThan": "<", "GreaterThan": "≥", "StrictGreaterThan": ">"}


def _bracketed(name: str) -> str:
    return f"[{name}]" if " " in name and not name.startswith(("[", "<")) else name


_UNICODE = (
    (r"^{\star}", "*"),
    (r"_{\cdot}", ""),
    (r"\hat p", "p̂"),
    (r"\hat\sigma", "σ̂"),
    (r"\bar s", "s̄"),
    (r"\tilde m", "m̃"),
    (r"\bar A", "Ā"),
    (r"\Delta\mu", "Δμ"),
    (r"\operatorname{logit}", "logit "),
    (r"\operatorname{osc}h", "osc h"),
    (r"\varepsilon", "ε"),
    (r"(\log", "(log "),
    (r"\log", " log "),
    (r"\infty", "∞"),
    (r"\Psi", "Ψ"),
    (r"\beta", "β"),
    ("{t<T}", "{t<T} "),
    (r"\nabla ", "∇"),
    (r"\nabla", "∇"),
    (r"\equiv", " ≡"),
    (r"\le ", " ≤ "),
    (r"\langle ", "<"),
    (r"\langle", "<"),
    (r"\textstyle", ""),
    (r"\operatorname", ""),
    (r"\mathrm", ""),
    (r"\mathbb", ""),
    (r"\text", ""),
    (r"\rangle", ">"),
    (r"\theta", "θ"),
    (r"\kappa", "κ"),
    (r"\alpha", "α"),
    (r"\eta", "η"),
    (r"\rho", "ρ"),
    (r"\pi", "π"),
    (r"\psi", "ψ"),
    (r"\Sigma", "Σ"),
    (r"\sum", "Σ"),
    (r"\partial", "∂"),
    (r"\hat g", "ĝ"),
    (r"\bar V", "V̄"),
    (r"\|", "‖"),
    (r"\max", "max"),
    (r"\min", "min"),
    (r"\ln", "ln"),
    (r"\tfrac12", "1/2"),
    (r"\frac{1}{T}", "1/T "),
    (r"\frac{1}{G}", "1/G "),
    (r"\#", "#"),
    (r"\{", "("),
    (r"\}", ")"),
    (r"\,", " "),
    ("{", ""),
    ("}", ""),
    ("^2", "²"),
    ("**2", "²"),
    (r"\hat R", "R̂"),
    (r"\Pi", "Π"),
    (r"\delta", "δ"),
    (r"\chi", "χ"),
    (r"\ell", "ℓ"),
    ("\\", ""),
)


def unicode_text(latex: str) -> str:
    """LaTeX of the symbols as readable Unicode."""
    for old, new in _UNICODE:
        latex = latex.replace(old, new)
    return " ".join(latex.split())


COMMAND = Claims
