"""``tamdp claims``: the registry, or one claim in full."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated

import sympy as sp
import tyro
from rich.table import Table
from rich.text import Text

import bounds
from bounds.proofs import pieces, proof_of
from bounds.symbols import meaning
from experiments import plain_math
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
        if claim.quantifier:
            out.print(f"\n  {claim.quantifier}", markup=False, soft_wrap=True)
        out.print(f"\n  {statement_text(claim)}\n", markup=False, soft_wrap=True)
        out.print(f"  LaTeX: {claim.latex()}\n", markup=False, soft_wrap=True)
        symbols = Table(box=None, padding=(0, 2), show_header=False)
        for symbol in claim.symbols:
            symbols.add_row(Text(plain_math.read(str(symbol))), Text(meaning(symbol)))
        out.print(symbols)
        out.print("\nassumptions:" if claim.assumptions else "\nassumptions: none")
        for assumption in claim.assumptions:
            out.print(f"  {assumption.name}: {assumption.text}", markup=False, soft_wrap=True)
        out.print(f"standing: {claim.standing}\nwhy: {read(claim.proof)}", markup=False, soft_wrap=True)
        for part in proof_of(claim.id):
            out.print(f"\n{read(part)}", markup=False, soft_wrap=True)
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
        symbol: sp.Symbol(_bracketed(plain_math.read(str(symbol))))
        for symbol in claim.statement.free_symbols
        if symbol.is_Symbol
    }
    lhs, rhs = (sp.sstr(side.xreplace(names), order="none") for side in (claim.statement.lhs, claim.statement.rhs))
    return f"{lhs} {RELATIONS[type(claim.statement).__name__]} {rhs}".replace("**2", "²")


RELATIONS = {"Equality": "=", "LessThan": "≤", "StrictLessThan": "<", "GreaterThan": "≥", "StrictGreaterThan": ">"}


def _bracketed(name: str) -> str:
    return f"[{name}]" if " " in name and not name.startswith(("[", "<")) else name


def read(content: str) -> str:
    """A text of the registry, its formulas as readable Unicode."""
    return "".join(plain_math.read(part) if drawn else part for drawn, part in pieces(content))


COMMAND = Claims
