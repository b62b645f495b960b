"""Running the checks of a verification, and judging them together."""

import os
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context

import sympy as sp

from bounds import CLAIMS, Check, Claim, Evidence, Instance, Standing, Verdict
from tamdp_theory import CapacityError

MUST_HOLD = (Standing.PROVED, Standing.LITERATURE)


@dataclass(frozen=True)
class Outcome:
    """All checks of one claim, and whether they add up to what its standing demands.

    success: proved and literature: at least one check holds, none is violated or undecided (vacuous and inapplicable
    ones are no pass); printed: at least one check violates it; conjectured: None, it is reported only.
    """

    claim: Claim
    checks: tuple[Check, ...]
    success: bool | None

    def count(self, verdict: Verdict) -> int:
        """Checks with this verdict."""
        return sum(check.verdict is verdict for check in self.checks)

    @property
    def telling(self) -> Check:
        """The check to show: a violation, else an undecided one, else the one that holds with the least
        relative slack.
        """
        for verdict in (Verdict.VIOLATED, Verdict.UNDECIDED, Verdict.HOLDS, Verdict.VACUOUS):
            found = [check for check in self.checks if check.verdict is verdict]
            if found:
                return min(found, key=relative_slack)
        return self.checks[0]


def relative_slack(check: Check) -> float:
    """slack over the larger side."""
    if check.slack is None or check.lhs is None or check.rhs is None:
        return float("inf")
    return check.slack / (max(abs(check.lhs), abs(check.rhs)) or 1.0)


@dataclass(frozen=True)
class Tightness:
    """Larger over smaller side of an inequality's checks (rhs/lhs of lhs <= rhs): 1 is equality. checks: how many have
    a ratio.
    """

    median: float
    least: float
    worst: float
    checks: int


def tightness(outcome: Outcome) -> Tightness | None:
    """Over the checks that hold or are vacuous with both sides positive; None if none is."""
    flipped = isinstance(outcome.claim.statement, (sp.Ge, sp.Gt))
    ratios = []
    for check in outcome.checks:
        if (
            check.verdict in (Verdict.HOLDS, Verdict.VACUOUS)
            and check.lhs
            and check.rhs
            and check.lhs > 0
            and check.rhs > 0
        ):
            ratios.append(check.lhs / check.rhs if flipped else check.rhs / check.lhs)
    if not ratios or outcome.claim.kind != "inequality":
        return None
    return Tightness(statistics.median(ratios), min(ratios), max(ratios), len(ratios))


def judge(checks: Sequence[Check]) -> dict[str, Outcome]:
    """Outcomes by claim id, in the order of the checks."""
    by_claim: dict[str, list[Check]] = {}
    for check in checks:
        by_claim.setdefault(check.claim_id, []).append(check)
    return {
        claim_id: Outcome(CLAIMS[claim_id], tuple(found), _success(CLAIMS[claim_id], found))
        for claim_id, found in by_claim.items()
    }


def _success(claim: Claim, checks: Sequence[Check]) -> bool | None:
    verdicts = {check.verdict for check in checks}
    if claim.standing in MUST_HOLD:
        return Verdict.HOLDS in verdicts and not verdicts & {Verdict.VIOLATED, Verdict.UNDECIDED}
    if claim.standing is Standing.PRINTED:
        return Verdict.VIOLATED in verdicts
    return None


def run(plan: Sequence[tuple[Claim, Instance]], progress: Callable[[int, str], None], workers: int = 1) -> list[Check]:
    """Make every check; the result is in the order of the plan, the same for any number of worker processes.

    progress(done, what is at hand).
    """
    if workers == 1:
        checks = []
        for done, (claim, instance) in enumerate(plan):
            progress(done, f"{claim.id} {instance.name}")
            checks.append(checked(claim, instance))
        return checks
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool, one_thread_each():
        futures = [pool.submit(_check, claim.id, instance) for claim, instance in plan]
        try:
            checks = []
            for done, ((claim, instance), future) in enumerate(zip(plan, futures, strict=True)):
                progress(done, f"{claim.id} {instance.name}")
                checks.append(future.result())
            return checks
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes that start in this block get one thread for linear algebra: more would compete for the same cores."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def checked(claim: Claim, instance: Instance) -> Check:
    """The check; one that would not fit is no pass, and says what would."""
    try:
        return claim.check(instance)
    except CapacityError as error:
        return Check(
            claim_id=claim.id,
            instance=instance.name,
            lhs=None,
            rhs=None,
            slack=None,
            verdict=Verdict.ASSUMPTION_UNMET,
            evidence=Evidence.EXACT,
            assumptions={"fits": False},
            error=0.0,
            note=f"too large: {error}",
        )


def _check(claim_id: str, instance: Instance) -> Check:
    return checked(CLAIMS[claim_id], instance)


def summary(outcomes: Mapping[str, Outcome], seconds: float) -> str:
    """The line that a run ends with."""
    must = [o for o in outcomes.values() if o.claim.standing in MUST_HOLD]
    printed = [o for o in outcomes.values() if o.claim.standing is Standing.PRINTED]
    holds = sum(bool(o.success) for o in must)
    total = {v: sum(o.count(v) for o in must) for v in Verdict}
    open_claims = [o for o in outcomes.values() if o.claim.standing is Standing.CONJECTURED]
    failing = [o.claim.id for o in outcomes.values() if o.success is False]
    parts = []
    if must:
        parts.append(
            f"{holds} of {len(must)} proved and literature claims hold on {sum(o.count(Verdict.HOLDS) for o in must)} "
            f"checks"
        )
        parts.append(
            f"{total[Verdict.VACUOUS]} vacuous and {total[Verdict.ASSUMPTION_UNMET]} inapplicable checks count as no "
            f"pass"
        )
    if printed:
        parts.append(f"{sum(bool(o.success) for o in printed)} of {len(printed)} printed claims refuted")
    parts += [
        f"conjectured {o.claim.id} holds on {o.count(Verdict.HOLDS)} checks, violated on {o.count(Verdict.VIOLATED)}"
        for o in open_claims
    ]
    text = "; ".join(parts) + f"; {seconds:.0f} s"
    return f"FAILED ({', '.join(failing)}): {text}" if failing else text
