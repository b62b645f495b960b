"""``tamdp falsify``: search for an instance that violates a claim."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.table import Table

import bounds
from bounds import certificates
from bounds.exact_instance import exactly
from experiments.commands.claims import find_claim, statement_text
from experiments.console import console, number, plain, progress_bar
from tamdp_theory import InputError, storage
from tamdp_theory.numbers import show as rational


@dataclass(frozen=True)
class Falsify:
    """Search for an instance that violates a claim, and write it as a certificate.

    Random families and Hypothesis draw instances, gradient descent and differential evolution follow the slack down, a
    violation is shrunk to small rationals and confirmed in exact arithmetic. For a claim that stands, the tightest
    instance met is shown. Exit code 0 if the outcome is what the claim's standing says: printed claims, and claims with
    an assumption dropped, are violated; proved ones are not; 1 otherwise.

    Example: tamdp falsify T2.suboptimality.solvable --without solvable
    """

    id: Annotated[str, tyro.conf.Positional]
    """A claim id such as T2.printed; ``tamdp claims`` lists them."""
    without: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Drop this assumption of the claim, by its name; may be repeated."""
    seconds: float = 60.0
    """Time to search; shrinking may take up to 15 more."""
    seed: int = 0
    """Seed of all draws."""
    out: Path = Path("results/falsify")
    """Folder for the certificate."""

    def run(self) -> int:
        """Search, print, write; return the exit code."""
        from experiments.falsification.search import expects_violation, falsify

        claim = find_claim(self.id)
        if len(set(self.without)) < len(self.without):
            raise InputError(
                f"without: given twice: "
                f"{', '.join(sorted({name for name in self.without if self.without.count(name) > 1}))}"
            )
        if self.seed < 0:
            raise InputError(f"seed: must not be negative, got {self.seed}")
        storage.check_writable(self.out)
        out = console()
        with progress_bar() as bar:
            task = bar.add_task("random", total=self.seconds)

            def report(phase: str, tried: int, slack: float | None) -> None:
                least = "" if slack is None else f", smallest relative slack {number(slack)}"
                seconds = min(bar.tasks[0].elapsed or 0.0, self.seconds)
                bar.update(task, completed=seconds, description=f"{phase:<10} {tried} instances{least}")

            finding = falsify(claim, self.without, self.seconds, self.seed, report)
        counts = ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in sorted(finding.counts.items()))
        dropped = f" without {', '.join(self.without)}" if self.without else ""
        out.print(f"[bold]{claim.id}[/]{plain(dropped)}  {plain(statement_text(claim))}", soft_wrap=True)
        out.print(f"tried {sum(finding.counts.values())} instances: {counts}", soft_wrap=True)
        if finding.check is None or finding.candidate is None:
            why = (
                finding.reason
                or "every instance failed an assumption of the claim, "
                "or its numbers do not exist without the one dropped"
            )
            out.print(f"[yellow]nothing to show[/]: {plain(why)}", soft_wrap=True)
            return 1 if expects_violation(claim, self.without) else 0
        verdict = (
            "[bold red]violated[/]"
            if finding.violated
            else f"not violated; tightest instance met ({finding.phase}), {finding.check.verdict}"
        )
        out.print(verdict)
        self._print(finding.check, finding.candidate.instance(), finding.certificate)
        if finding.certificate is None:
            out.print(f"[yellow]no certificate[/]: {plain(finding.reason)}", soft_wrap=True)
        else:
            path = (
                self.out
                / f"{'-'.join([claim.id, *('without ' + name for name in self.without)]).replace(' ', '_')}.json"
            )
            certificates.save(finding.certificate, path)
            out.print(f"certificate ({finding.certificate.verdict}): {plain(str(path))}", soft_wrap=True)
        return (
            0
            if finding.violated == expects_violation(claim, self.without)
            or claim.standing is bounds.Standing.CONJECTURED
            else 1
        )

    def _print(
        self, check: bounds.Check, instance: bounds.Instance, certificate: certificates.Certificate | None
    ) -> None:
        out, env = console(), instance.env
        sides = Table(box=None, show_header=False, padding=(0, 2))
        exact = certificate is not None
        sides.add_row("left side", number(check.lhs), plain(certificate.lhs) if certificate and exact else "")
        sides.add_row("right side", number(check.rhs), plain(certificate.rhs) if certificate and exact else "")
        if check.lhs and check.rhs and check.lhs > 0 and check.rhs > 0:
            sides.add_row("left over right", number(check.lhs / check.rhs), "")
        out.print(sides)
        scheme = instance.scheme
        weights = ", ".join(rational_text(w) for w in env.exact_weights)
        deviation = f", eps {scheme.eps:g}" if scheme.eps else ""
        deviation += ", ddof 1" if scheme.ddof else ""
        think = f", think weight {instance.think_weight:g}" if instance.think_weight != 1 else ""
        out.print(
            f"groups of {scheme.group_size}, {scheme.normalization}{deviation}{think}; weights {weights}",
            soft_wrap=True,
        )
        found = exactly(instance)
        if check.claim_id.startswith("T3."):
            moved = (
                f"{plain(name)} {p} -> {t}"
                for name, p, t in zip(env.prompt_names, env.exact_prompt_probability, found.target, strict=True)
            )
            out.print(
                f"prompts, source -> target: {', '.join(moved)}; n = {found.samples} training prompts", soft_wrap=True
            )
        if check.note:
            out.print(plain(check.note), soft_wrap=True)
        table = Table("node", "action", "probability", "leads to", box=None, padding=(0, 2))
        pi = found.policy.probability
        for pair in range(env.n_pairs):
            ends = []
            for edge in range(*env.edge_pair.searchsorted([pair, pair + 1])):
                target = int(env.edge_target[edge])
                if target < env.n_nodes:
                    place = plain(env.node_ids[target])
                else:
                    place = f"({', '.join(rational_text(r) for r in env.exact_class_rewards[target - env.n_nodes])})"
                ends.append(f"{rational_text(env.numbers[env.edge_number[edge]])}: {place}")
            shown = str(pi[pair]) if len(str(pi[pair])) <= 12 else number(float(instance.policy.pair_probability[pair]))
            table.add_row(
                plain(env.node_ids[env.pair_node[pair]]), plain(env.action_names[pair]), shown, "  ".join(ends)
            )
        out.print(table)


def rational_text(value: object) -> str:
    """A short rational as it is, a long one rounded."""
    text = str(value)
    return text if len(text) <= 12 else rational(value)  # type: ignore[arg-type]


COMMAND = Falsify
