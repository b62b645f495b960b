"""``tamdp certify``: verify a certificate from its file alone, or make one."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import tyro
from rich.table import Table

from bounds import CLAIMS, Instance, certificates
from experiments.commands.claims import find_claim, statement_text
from experiments.console import console, plain
from experiments.options import estimators_listing, process_at
from tamdp_theory import InputError, TabularSoftmax, load_policy
from tamdp_theory.exact import Scheme


@dataclass(frozen=True)
class Certify:
    """Verify a certificate: compute both sides of its claim anew, in rationals and balls, from the file alone.

    A file that was changed, cut, or does not show what it says is refused with the reason, exit code 2. Without a file:
    verify the certificates that come with the package. With --claim, FILE is a tamdp/1 process, and a certificate for
    it is made and written.

    Example: tamdp certify results/falsify/T2.printed.json

    Example: tamdp certify examples/bandit-drift.json --claim T1.drift --group-size 2 --out drift.json
    """

    file: Annotated[str | None, tyro.conf.Positional] = None
    """A certificate, or with --claim a tamdp/1 file."""
    claim: str | None = None
    """Decide this claim on the process FILE and write a certificate."""
    policy: str | None = None
    """With --claim: a tamdp-policy/1 file; default: the uniform policy."""
    group_size: int = 4
    """With --claim: G, at least 2."""
    normalization: str = "sum_then_normalize"
    """With --claim: how groups become advantages, the name of an estimator."""
    eps: float = 0.0
    """With --claim: added to deviations."""
    ddof: int = 0
    """With --claim: degrees of freedom removed in deviations, 0 or 1."""
    out: Path = Path("certificate.json")
    """With --claim: where to write."""

    @staticmethod
    def more_help() -> str:
        """The estimators."""
        return estimators_listing()

    def run(self) -> int:
        """Verify or make, print, and return 0."""
        if self.claim is not None:
            return self._make(self.claim)
        given = [f.name for f in fields(self) if f.name not in ("file", "claim") and getattr(self, f.name) != f.default]
        if given:
            raise InputError(
                f"{', '.join(given).replace('_', '-')}: belongs to --claim; a certificate holds its own instance"
            )
        if self.file is not None:
            self._show(certificates.verify(self.file))
            return 0
        table = Table("claim", "verdict", "left", "right", "file", box=None, padding=(0, 2))
        for path in certificates.shipped().values():
            found = certificates.verify(path)
            table.add_row(found.claim, found.verdict, _short(found.lhs), _short(found.rhs), path.name)
        console().print(table)
        console().print("all verified")
        return 0

    def _make(self, claim_id: str) -> int:
        if self.file is None:
            raise InputError("FILE: give a tamdp/1 process to decide the claim on")
        claim, env = find_claim(claim_id), process_at(self.file)
        policy = TabularSoftmax(env) if self.policy is None else load_policy(env, self.policy)
        instance = Instance(env, policy, Scheme(self.group_size, self.normalization, self.eps, self.ddof))
        found = certificates.certify(claim, instance)
        certificates.save(found, self.out)
        self._show(found)
        console().print(f"written: {plain(str(self.out))}", soft_wrap=True)
        return 0

    def _show(self, found: certificates.Certificate) -> None:
        out, claim = console(), CLAIMS[found.claim]
        out.print(f"[bold]{claim.id}[/]  {plain(claim.title)}\n  {plain(statement_text(claim))}", soft_wrap=True)
        table = Table(box=None, show_header=False, padding=(0, 2))
        table.add_row("left side", plain(found.lhs))
        table.add_row("right side", plain(found.rhs))
        table.add_row(
            "instance",
            plain(
                f"{found.instance.process.get('name')}, G = {found.instance.group_size}, {found.instance.normalization}"
            ),
        )
        if found.instance.target:
            table.add_row(
                "target",
                plain(
                    f"{', '.join(str(p) for p in found.instance.target)} on the prompts in order; n = "
                    f"{found.instance.samples}"
                ),
            )
        table.add_row(
            "assumptions",
            ", ".join(f"{name}{'' if met else ' (not met, dropped)'}" for name, met in found.assumptions.items())
            or "none",
        )
        table.add_row("arithmetic", "exact" if found.is_exact else f"balls, {found.bits} bits")
        out.print(table)
        out.print(f"{'holds' if found.verdict == 'holds' else '[bold]violated[/]'} on this instance: verified")


def _short(text: str) -> str:
    return plain(text if len(text) <= 40 else text[:37] + "...")


COMMAND = Certify
