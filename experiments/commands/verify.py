"""``tamdp verify``: every claim on the reference suite, the main job."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.table import Table

from bounds import CLAIMS, Check, Verdict
from bounds.instance import BUDGET
from experiments import plots, verification
from experiments.commands.claims import RELATIONS, find_claim
from experiments.console import COLOURS, console, number, progress_bar, write_json
from experiments.suite import Level, plan
from tamdp_theory import InputError, storage


@dataclass(frozen=True)
class Verify:
    """Check every claim on the reference suite and print a verdict table.

    Each row is one claim: the check with the least slack (or the violation), and how many checks held. Exit code 0 when
    every proved and literature claim holds wherever its assumptions are met and every printed claim is refuted, 1
    otherwise.

    Example: tamdp verify --claim L9 --claim T1.stationary --json -
    """

    quick: bool = False
    """A few small processes, seconds."""
    full: bool = False
    """More and larger processes, longer training; one row per check, and how tight each inequality is."""
    claim: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Check only this claim; may be repeated."""
    json: str | None = None
    """Write the checks as JSON to this file, or to the terminal with "-"."""
    workers: int | None = None
    """Worker processes; default one per core (one with --quick). The result does not depend on it."""
    budget: float = BUDGET
    """Seconds that one check may be expected to take; what would take longer is skipped, and says so."""
    out: Path | None = None
    """Folder for the checks and figures; default results/verify for a whole run, results/verify-part for --quick or
    --claim.
    """

    def run(self) -> int:
        """Check, print, write; return the exit code."""
        if self.quick and self.full:
            raise InputError("--quick and --full: choose one")
        if self.workers is not None and self.workers < 1:
            raise InputError(f"workers: must be at least 1, got {self.workers}")
        if not self.budget > 0:
            raise InputError(f"budget: must be a positive number of seconds, got {self.budget:g}")
        level: Level = "quick" if self.quick else "full" if self.full else "standard"
        chosen = [find_claim(claim_id).id for claim_id in self.claim] or list(CLAIMS)
        folder = self.out or Path("results/verify-part" if self.quick or self.claim else "results/verify")
        storage.check_writable(folder)
        started = time.perf_counter()
        checks = self._check(chosen, level)
        outcomes = verification.judge(checks)
        content = {"checks": [check.to_dict() for check in checks]}
        write_json(str(folder / "checks.json"), content)
        figures = plots.load_figure("verdicts").draw(folder / "checks.json", folder)
        if self.json is not None:
            write_json(self.json, content)
        if self.json != "-":
            out = console()
            out.print(_table(outcomes, out.width))
            if self.full:
                out.print(_all_checks(checks))
                out.print(_tightness(outcomes))
            out.print(
                f"checks and figures: {', '.join(str(path) for path in (folder / 'checks.json', *figures))}",
                soft_wrap=True,
                markup=False,
            )
            out.print(verification.summary(outcomes, time.perf_counter() - started), soft_wrap=True)
        return 0 if all(outcome.success is not False for outcome in outcomes.values()) else 1

    def _check(self, chosen: list[str], level: Level) -> list[Check]:
        todo = plan(chosen, level, self.budget)
        with progress_bar() as bar:
            task = bar.add_task("checking", total=len(todo))
            workers = self.workers or (1 if level == "quick" else os.cpu_count() or 1)

            def report(done: int, what: str) -> None:
                bar.update(task, completed=done, description=f"checking {what}"[:60])

            return verification.run(todo, report, workers)


def _table(outcomes: dict[str, verification.Outcome], width: int) -> Table:
    """One row a claim. What must be read whole is never cut; a narrow terminal drops columns, the instance first."""
    rows = []
    for outcome in outcomes.values():
        check = outcome.telling
        left, relation, right, slack = _sides(check)
        rows.append(
            {
                "claim": outcome.claim.id,
                "standing": str(outcome.claim.standing),
                "tightest instance": check.instance,
                "left": left,
                "": relation,
                "right": right,
                "slack": slack,
                "verdict": _verdict(outcome, check),
                "evidence": str(check.evidence),
                "checks": _counts(outcome),
            }
        )
    dropped: list[str] = []
    for limit, name in ((130, "tightest instance"), (105, "checks"), (95, "evidence"), (82, "standing")):
        if width < limit:
            dropped.append(name)
    names = [name for name in rows[0] if name not in dropped]
    table = Table(box=None, padding=(0, 1))
    for name in names:
        table.add_column(
            name,
            justify="right" if name in ("left", "right", "slack") else "left",
            no_wrap=name not in ("tightest instance", "checks"),
        )
    for row in rows:
        table.add_row(*(row[name] for name in names))
    return table


def _tightness(outcomes: dict[str, verification.Outcome]) -> Table:
    table = Table(
        "inequality", "tightest", "median", "loosest", "checks", box=None, padding=(0, 2), title_justify="left"
    )
    table.title = "tightness: larger over smaller side, 1 is equality"
    for column in table.columns[1:]:
        column.justify = "right"
    for outcome in outcomes.values():
        found = verification.tightness(outcome)
        if found is not None:
            table.add_row(
                outcome.claim.id, number(found.least), number(found.median), number(found.worst), str(found.checks)
            )
    return table


def _all_checks(checks: list[Check]) -> Table:
    headers = ("claim", "instance", "left", "", "right", "slack", "verdict", "evidence", "note")
    table = Table(*headers, box=None, padding=(0, 1), title="every check", title_justify="left")
    for check in checks:
        table.add_row(
            check.claim_id,
            check.instance,
            *_sides(check),
            f"[{COLOURS[check.verdict]}]{check.verdict}[/]",
            str(check.evidence),
            check.note,
        )
    return table


def _sides(check: Check) -> tuple[str, str, str, str]:
    return (
        number(check.lhs),
        RELATIONS[type(CLAIMS[check.claim_id].statement).__name__],
        number(check.rhs),
        number(check.slack),
    )


def _verdict(outcome: verification.Outcome, check: Check) -> str:
    if outcome.claim.standing.value == "printed" and check.verdict is Verdict.VIOLATED:
        return "[cyan]refuted[/]"
    return f"[{COLOURS[check.verdict]}]{check.verdict}[/]"


def _counts(outcome: verification.Outcome) -> str:
    words = {
        Verdict.HOLDS: "hold",
        Verdict.VIOLATED: "violated",
        Verdict.UNDECIDED: "undecided",
        Verdict.VACUOUS: "vacuous",
        Verdict.ASSUMPTION_UNMET: "n/a",
    }
    return ", ".join(f"{count} {word}" for verdict, word in words.items() if (count := outcome.count(verdict)))


COMMAND = Verify
