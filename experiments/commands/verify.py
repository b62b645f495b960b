"""``tamdp verify``: the main job. Every claim on the reference suite."""

import os
import time
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import tyro
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bounds import CLAIMS, Check, Verdict
from experiments import verification
from experiments.commands.claims import RELATIONS, find_claim
from experiments.console import console, number, write_json
from experiments.suite import Level, plan
from tamdp_theory import InputError, storage

_COLOURS = {
    Verdict.HOLDS: "green", Verdict.VIOLATED: "bold red", Verdict.VACUOUS: "yellow", Verdict.ASSUMPTION_UNMET: "dim", Verdict.UNDECIDED: "magenta",
}  # fmt: skip


@dataclass(frozen=True)
class Verify:
    """Check every claim on the reference suite and print a verdict table.

    Each row is one claim: the check with the least slack (or the violation), and how many checks held. Exit code 0 when every
    proved and literature claim holds wherever its assumptions are met and every printed claim is refuted, 1 otherwise.

    Example: tamdp verify --claim L9 --claim T1.stationary --json -
    """

    quick: bool = False
    """A few small processes, seconds."""
    full: bool = False
    """More and larger processes, longer training; one row per check."""
    claim: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Check only this claim; may be repeated."""
    json: str | None = None
    """Write the checks as JSON to this file, or to the terminal with "-"."""
    workers: int | None = None
    """Worker processes; default one per core (one with --quick). The result does not depend on it."""
    out: Path = Path("results/verify")
    """Folder for the checks and figures."""

    def run(self) -> int:
        """Check, print, write; return the exit code."""
        if self.quick and self.full:
            raise InputError("--quick and --full: choose one")
        if self.workers is not None and self.workers < 1:
            raise InputError(f"workers: must be at least 1, got {self.workers}")
        level: Level = "quick" if self.quick else "full" if self.full else "standard"
        chosen = [find_claim(claim_id).id for claim_id in self.claim] or list(CLAIMS)
        storage.check_writable(self.out)
        started = time.perf_counter()
        checks = self._check(chosen, level)
        outcomes = verification.judge(checks)
        content = {"checks": [check.to_dict() for check in checks]}
        write_json(str(self.out / "checks.json"), content)
        figures = self._draw()
        if self.json is not None:
            write_json(self.json, content)
        if self.json != "-":
            out = console()
            out.print(_table(outcomes))
            if self.full:
                out.print(_all_checks(checks))
            out.print(f"checks and figures: {', '.join(str(path) for path in (self.out / 'checks.json', *figures))}", soft_wrap=True, markup=False)
            out.print(verification.summary(outcomes, time.perf_counter() - started), soft_wrap=True)
        return 0 if all(outcome.success is not False for outcome in outcomes.values()) else 1

    def _check(self, chosen: list[str], level: Level) -> list[Check]:
        todo = plan(chosen, level)
        columns = (TextColumn("checking"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
        terminal = console(stderr=True)
        with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as progress:
            task = progress.add_task("", total=len(todo))
            workers = self.workers or (1 if level == "quick" else os.cpu_count() or 1)
            return verification.run(todo, lambda done, what: progress.update(task, completed=done, description=what), workers)

    def _draw(self) -> list[Path]:
        """Figures are plugged in by the entry-point group tamdp.figures: this room does not import theirs."""
        return [path for point in entry_points(group="tamdp.figures") for path in point.load()(self.out)]


def _table(outcomes: dict[str, verification.Outcome]) -> Table:
    table = Table("claim", "standing", "instance with the least slack", "left", "", "right", "slack", "verdict", "evidence", "checks", box=None, padding=(0, 1))
    for name in ("left", "right", "slack"):
        table.columns[[str(c.header) for c in table.columns].index(name)].justify = "right"
    for outcome in outcomes.values():
        check = outcome.telling
        verdict, counts = _verdict(outcome, check), _counts(outcome)
        table.add_row(outcome.claim.id, str(outcome.claim.standing), check.instance, *_sides(check), verdict, str(check.evidence), counts)
    return table


def _all_checks(checks: list[Check]) -> Table:
    headers = ("claim", "instance", "left", "", "right", "slack", "verdict", "evidence", "note")
    table = Table(*headers, box=None, padding=(0, 1), title="every check", title_justify="left")
    for check in checks:
        table.add_row(check.claim_id, check.instance, *_sides(check), f"[{_COLOURS[check.verdict]}]{check.verdict}[/]", str(check.evidence), check.note)
    return table


def _sides(check: Check) -> tuple[str, str, str, str]:
    return number(check.lhs), RELATIONS[type(CLAIMS[check.claim_id].statement).__name__], number(check.rhs), number(check.slack)


def _verdict(outcome: verification.Outcome, check: Check) -> str:
    if outcome.claim.standing.value == "printed" and check.verdict is Verdict.VIOLATED:
        return "[green]refuted[/]"
    return f"[{_COLOURS[check.verdict]}]{check.verdict}[/]"


def _counts(outcome: verification.Outcome) -> str:
    words = {Verdict.HOLDS: "hold", Verdict.VIOLATED: "violated", Verdict.UNDECIDED: "undecided", Verdict.VACUOUS: "vacuous", Verdict.ASSUMPTION_UNMET: "n/a"}
    return ", ".join(f"{count} {word}" for verdict, word in words.items() if (count := outcome.count(verdict)))
