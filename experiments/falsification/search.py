"""The search for a violation: random draws, Hypothesis, descent, evolution; then shrinking and a certificate.

Phases share one time budget and one seed. Every judgement is the claim's own check; a violation counts once exact
arithmetic confirms it, or is said to be unconfirmed where the claim has no exact form.
"""

import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain, islice

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings, target
from scipy.optimize import differential_evolution

from bounds import Check, Claim, Instance, Verdict, certificates
from bounds.testing import instances
from experiments.falsification.candidate import Candidate, Chart, of_instance
from experiments.falsification.draws import draw_instances
from experiments.falsification.shrink import shrink
from experiments.falsification.smooth import descend, is_smooth
from tamdp_theory import InputError, TamdpError
from tamdp_theory.model import Floats

Progress = Callable[[str, int, float | None], None]  # phase, instances tried, smallest relative slack
SHARES = {"random": 0.2, "hypothesis": 0.15, "descent": 0.3, "evolution": 0.35}
SHRINKING = 15.0  # seconds at most, beyond the budget
KEPT = 8
MAX_STARTS = 500


@dataclass(frozen=True)
class Finding:
    """What a search found: the tightest check (or the violation) and its instance; certificate None where none could be
    made, ``reason`` says why. counts: instances tried by verdict."""

    claim: Claim
    check: Check | None
    candidate: Candidate | None
    certificate: certificates.Certificate | None
    reason: str
    counts: dict[str, int]
    phase: str

    @property
    def violated(self) -> bool:
        """Whether a violation was found that exact arithmetic confirms, or that has no exact form."""
        return self.check is not None and self.check.verdict is Verdict.VIOLATED


def relative(check: Check) -> float:
    """slack over the larger side; infinite where a check says nothing, or compares numbers within their
    error of zero.
    """
    if check.slack is None or check.lhs is None or check.rhs is None or not np.isfinite(check.slack):
        return np.inf
    size = max(abs(check.lhs), abs(check.rhs))
    if check.verdict is Verdict.VACUOUS or size <= 10 * check.error or size == 0:
        return np.inf
    return check.slack / size


@dataclass
class Search:
    """State of one search."""

    claim: Claim
    without: tuple[str, ...]
    seed: int
    deadline: float
    progress: Progress
    counts: dict[str, int] = field(default_factory=dict)
    found: dict[tuple[int, ...], tuple[float, int, Check, Candidate, str]] = field(default_factory=dict)
    violation: tuple[Check, Candidate, str] | None = None
    phase: str = "random"
    refused: set[str] = field(default_factory=set)

    def judge(self, candidate: Candidate) -> float:
        """Check a candidate, remember it if it is among the best; its relative slack."""
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                check = self.claim.check(candidate.instance())
        except (TamdpError, np.linalg.LinAlgError, OverflowError, FloatingPointError):
            self.counts["out of reach"] = self.counts.get("out of reach", 0) + 1
            return np.inf
        self.counts[str(check.verdict)] = self.counts.get(str(check.verdict), 0) + 1
        score = relative(check)
        if check.verdict is Verdict.VIOLATED and self.violation is None and self._confirmed(candidate):
            self.violation = (check, candidate, self.phase)
        tried = sum(self.counts.values())
        # the best of each shape, so that descent and evolution do not start from one shape alone
        shape = candidate.shape
        if np.isfinite(score) and (shape not in self.found or score < self.found[shape][0]):
            self.found[shape] = (score, tried, check, candidate, self.phase)
        if tried % 25 == 0:
            self.progress(self.phase, tried, min((one[0] for one in self.found.values()), default=None))
        return score

    @property
    def best(self) -> list[tuple[float, int, Check, Candidate, str]]:
        """(relative slack, when, check, candidate, phase) of the best shapes, best first."""
        return sorted(self.found.values(), key=lambda one: one[:2])[:KEPT]

    def _confirmed(self, candidate: Candidate) -> bool:
        if self.claim.enclose is None:
            return True
        try:
            return certificates.certify(self.claim, candidate.instance()).verdict == Verdict.VIOLATED
        except TamdpError as error:
            self.refused.add(str(error))
            return False

    def over(self, until: float | None = None) -> bool:
        """Whether a violation is found or the time is up."""
        return self.violation is not None or time.monotonic() >= min(self.deadline, until or np.inf)

    def take(self, instance: Instance) -> float:
        """Judge an instance of another source."""
        candidate = of_instance(instance, self.claim, self.without)
        return np.inf if candidate is None else self.judge(candidate)


class _Stop(BaseException):
    """Leaves Hypothesis when the time is up; not an Exception, which it would try to reproduce."""


def falsify(
    claim: Claim,
    without: tuple[str, ...] = (),
    seconds: float = 60.0,
    seed: int = 0,
    progress: Progress = lambda *_: None,
) -> Finding:
    """Search for an instance that violates a claim, with assumptions dropped by name; else the tightest one met.

    Raises InputError for an unknown assumption or a budget that is not positive.
    """
    known = [a.name for a in claim.assumptions]
    for name in without:
        if name not in known:
            raise InputError(f"without: {claim.id} has no assumption {name!r}; it has {', '.join(known) or 'none'}")
    if not (np.isfinite(seconds) and seconds > 0):
        raise InputError(f"seconds: must be positive, got {seconds}")
    started = time.monotonic()
    search = Search(claim, without, seed, started + seconds, progress)
    until = started
    for name, phase in (
        ("random", _random),
        ("hypothesis", _hypothesis),
        ("descent", _descent),
        ("evolution", _evolution),
    ):
        until += SHARES[name] * seconds
        search.phase = name
        if not search.over():
            phase(search, until)
    return _finish(search)


def _random(search: Search, until: float) -> None:
    for instance in draw_instances(search.claim, search.without, np.random.default_rng(search.seed)):
        search.take(instance)
        if search.over(until):
            return


def _hypothesis(search: Search, until: float) -> None:
    """Drawn by the public strategies, steered towards small slack."""
    options = settings(
        max_examples=100_000,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.target),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )

    @seed(search.seed)
    @options
    @given(instances(search.claim))
    def run(instance: Instance) -> None:
        if search.over(until):
            raise _Stop
        score = search.take(replace(instance, without=search.without))
        if np.isfinite(score):
            target(-float(score), label="slack")

    with suppress(_Stop):
        run()


def _descent(search: Search, until: float) -> None:
    """Autograd from the best candidates, then from fresh draws."""
    fresh = draw_instances(search.claim, search.without, np.random.default_rng([search.seed, 2]))
    drawn = (of_instance(instance, search.claim, search.without) for instance in islice(fresh, MAX_STARTS))
    for candidate in chain((one[3] for one in search.best), drawn):
        if search.over(until):
            return
        if candidate is not None and is_smooth(search.claim, candidate):
            for proposal in descend(search.claim, candidate):
                search.judge(proposal)
                if search.over(until):
                    return


def _evolution(search: Search, until: float) -> None:
    """Differential evolution around the best candidates, in turn: policy and weights, then rewards and
    transitions too.
    """
    generator = np.random.default_rng([search.seed, 1])
    fallback = draw_instances(search.claim, search.without, generator)
    turn = 0
    while not search.over():
        if search.best:
            candidate: Candidate | None = search.best[turn // 2 % len(search.best)][3]
        else:
            candidate = of_instance(next(fallback), search.claim, search.without)
        if candidate is not None:
            share = time.monotonic() + max((search.deadline - time.monotonic()) / 3, 1.0)
            _evolve(search, Chart(candidate, rewards=turn % 2 == 1), generator, share)
        turn += 1


def _evolve(search: Search, chart: Chart, generator: np.random.Generator, until: float) -> None:
    start = chart.encode()
    size = max(5, min(4 * len(start), 30))
    spread = generator.choice([0.03, 0.2, 1.0], size=(size, 1))
    population = np.clip(start + spread * generator.normal(size=(size, len(start))), 0.0, 1.0)
    population[0] = start

    def slack(vector: Floats) -> float:
        if search.over(until):
            raise _Stop
        score = search.judge(chart.decode(vector))
        return score if np.isfinite(score) else 1e6

    with suppress(_Stop):
        differential_evolution(
            slack, chart.bounds(), init=population, maxiter=60, tol=1e-12, polish=False, rng=generator
        )


def _finish(search: Search) -> Finding:
    if search.violation is None:
        if not search.best:
            return Finding(
                search.claim,
                None,
                None,
                certificate=None,
                reason="; ".join(sorted(search.refused)),
                counts=search.counts,
                phase=search.phase,
            )
        _, _, check, candidate, phase = search.best[0]
        if check.verdict is Verdict.VIOLATED:  # floats said so, exact arithmetic did not
            sound = [one for one in search.best if one[2].verdict is not Verdict.VIOLATED]
            if not sound:
                return Finding(
                    search.claim,
                    None,
                    None,
                    certificate=None,
                    reason="; ".join(sorted(search.refused)),
                    counts=search.counts,
                    phase=phase,
                )
            _, _, check, candidate, phase = sound[0]
        return _certified(search, check, candidate, phase)
    _, candidate, phase = search.violation
    search.phase = "shrinking"
    end = time.monotonic() + SHRINKING

    def violates(smaller: Candidate) -> bool:
        quiet = _fresh(search)
        quiet.judge(smaller)
        search.progress(search.phase, sum(search.counts.values()), None)
        return quiet.violation is not None

    candidate = shrink(candidate, violates, lambda: time.monotonic() >= end)
    return _certified(search, search.claim.check(candidate.instance()), candidate, phase)


def _fresh(search: Search) -> Search:
    """A search of its own for single judgements while shrinking."""
    return Search(search.claim, search.without, search.seed, np.inf, lambda *_: None, phase="shrinking")


def _certified(search: Search, check: Check, candidate: Candidate, phase: str) -> Finding:
    try:
        certificate = certificates.certify(search.claim, candidate.instance())
    except TamdpError as error:
        return Finding(
            search.claim, check, candidate, certificate=None, reason=str(error), counts=search.counts, phase=phase
        )
    return Finding(
        search.claim, check, candidate, certificate=certificate, reason="", counts=search.counts, phase=phase
    )


def expects_violation(claim: Claim, without: tuple[str, ...]) -> bool:
    """Whether finding nothing is a failure: printed claims, and claims with an assumption dropped."""
    return claim.standing.value == "printed" or bool(without)
