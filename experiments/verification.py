"""Running the checks of a verification, and judging them together."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context

import sympy as sp

from bounds import CLAIMS, Check, Claim, Evidence, Instance, Standing, Verdict
from bounds.once import Once
from experiments.workers import one_thread_each
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

    Checks on one process and policy are made together, so that what several claims read is computed once; then it is
    forgotten. progress(checks done, what is at hand).
    """
    units = list(_units(plan).values())
    checks: list[Check | None] = [None] * len(plan)
    done = 0
    for unit, found in _made(plan, units, workers):
        for place, check in zip(unit, found, strict=True):
            checks[place] = check
        done += len(unit)
        progress(done, plan[unit[0]][1].name)
    return [check for check in checks if check is not None]


def _units(plan: Sequence[tuple[Claim, Instance]]) -> dict[tuple[int, int], list[int]]:
    """Places in the plan by process and policy, in the order in which they first occur."""
    units: dict[tuple[int, int], list[int]] = {}
    for place, (_, instance) in enumerate(plan):
        units.setdefault((id(instance.env), id(instance.policy)), []).append(place)
    return units


def _made(
    plan: Sequence[tuple[Claim, Instance]], units: Sequence[list[int]], workers: int
) -> Iterator[tuple[list[int], list[Check]]]:
    """The checks of each unit; the largest processes first, so that no worker is left alone with one at the end."""
    tasks = [[(plan[place][0].id, plan[place][1]) for place in unit] for unit in units]
    if workers == 1:
        yield from ((unit, _together([(plan[place][0], plan[place][1]) for place in unit])) for unit in units)
        return
    order = sorted(range(len(units)), key=lambda u: -plan[units[u][0]][1].env.n_pairs)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool, one_thread_each():
        futures = {pool.submit(_by_id, tasks[u]): units[u] for u in order}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


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


def _together(checks: Sequence[tuple[Claim, Instance]]) -> list[Check]:
    """Checks that share what they compute; afterwards it is forgotten."""
    once = Once()
    return [checked(claim, replace(instance, once=once)) for claim, instance in checks]


def _by_id(checks: Sequence[tuple[str, Instance]]) -> list[Check]:
    return _together([(CLAIMS[claim_id], instance) for claim_id, instance in checks])


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
