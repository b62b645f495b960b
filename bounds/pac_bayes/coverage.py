"""How often a PAC-Bayes bound fails, over the draw of the n training prompts: exactly, or by resampling (theory.md
section 7).

A training example is an ``Atoms`` entry: a prompt, or a prompt with what one rollout of every policy came to. The n
examples enter a bound only by how often each entry was drawn, so the exact sum runs over the multinomial counts;
entries with equal losses are one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import comb
from typing import Any, TypeAlias

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from scipy.special import gammaln, rel_entr

from bounds import symbols as s
from bounds.pac_bayes.formulas import numeric
from bounds.pac_bayes.worst_posterior import Excess, ceiling, climb
from bounds.quantiles import clopper_pearson
from tamdp_theory import TAMDP, CapacityError, InputError, Policy
from tamdp_theory.domains import prompt_values
from tamdp_theory.exact.law import ClassLaw
from tamdp_theory.model import Floats, Ints
from tamdp_theory.posteriors import check_distribution, gibbs

Bools: TypeAlias = NDArray[np.bool_]
MAX_STATES = 1_000_000  # training sets summed over, told apart by their counts
MAX_ATOMS = 4096
_CHUNK = 4_000_000  # floats of one array of a batch
_SURE = 1e-10  # sides of an event nearer than this are not told apart

# further numbers of an event, by symbol, from posteriors (B, m) and empirical risks (B, m)
Further: TypeAlias = Callable[[Floats, Floats], dict[Any, Floats]]


@dataclass(frozen=True, eq=False)
class Atoms:
    """What one training example can be: probability (Z,), loss (m, Z) in [0, 1] of each policy, and the class's true
    risk (m,).
    """

    probability: Floats
    loss: Floats
    risk: Floats

    def merged(self) -> "Atoms":
        """The same with entries of equal losses made one."""
        losses, place = np.unique(self.loss.T, axis=0, return_inverse=True)
        chance: Floats = np.bincount(place.ravel(), weights=self.probability).astype(np.float64)
        return Atoms(chance, np.ascontiguousarray(losses.T), self.risk)


def losses(env: TAMDP, values: Floats) -> Floats:
    """1 - V_c/W (m, N) from the values of the components (m, N, K)."""
    result: Floats = np.clip(1 - values @ (env.weights / env.total_weight), 0.0, 1.0)
    return result


def exact_atoms(env: TAMDP, policies: tuple[Policy, ...]) -> Atoms:
    """A prompt of the source with the exact value of every policy on it."""
    loss = losses(env, prompt_values(env, policies))
    return Atoms(env.prompt_probability, loss, (loss * env.prompt_probability).sum(-1))


def rollout_atoms(env: TAMDP, policies: tuple[Policy, ...]) -> Atoms:
    """A prompt of the source with the outcome of one independent rollout of every policy. CapacityError beyond
    MAX_ATOMS joint outcomes.
    """
    law, loss = outcome_laws(env, policies)
    sizes = [len({*loss[classes]}) for classes in env.prompt_classes]
    if sum(size ** len(policies) for size in sizes) > MAX_ATOMS:
        raise CapacityError(
            f"joint outcomes of {len(policies)} rollouts exceed {MAX_ATOMS}; use fewer policies, or exact values, or "
            f"resampling"
        )
    chances, rows = [], []
    for q, classes in enumerate(env.prompt_classes):
        values, place = np.unique(loss[classes], return_inverse=True)
        own = np.stack([np.bincount(place, weights=law[j, classes]) for j in range(len(policies))])
        for outcome in product(range(len(values)), repeat=len(policies)):
            chances.append(env.prompt_probability[q] * own[np.arange(len(policies)), outcome].prod())
            rows.append(values[list(outcome)])
    mean = np.stack([law[j] * loss for j in range(len(policies))])
    risk = (mean * env.prompt_probability[env.class_prompt]).sum(-1)
    return Atoms(np.array(chances), np.array(rows).T, risk).merged()


def outcome_laws(env: TAMDP, policies: tuple[Policy, ...]) -> tuple[Floats, Floats]:
    """Probability (m, C) of each reward class given its prompt, and the class's loss (C,)."""
    pi = np.stack([policy.pair_probability for policy in policies], axis=1)
    return ClassLaw.of(env, pi).probability.T, 1 - env.class_composite / env.total_weight


@dataclass(frozen=True)
class Coverage:
    """How a bound fares over training sets.

    failure: probability that its event occurs, for some posterior or for the Gibbs one (exact, or the share of the sets
    drawn); naive: probability that what it bounds exceeds the empirical risk, so that there is something to pay for;
    doubtful: probability of sets where rounding, or a search over posteriors that ends early, hides which; informative:
    probability that the bound is below 1; bound, empirical, risk, kl: means; sets: training sets summed over or drawn;
    low, high: Clopper-Pearson limits of the failure probability, equal to it if exact.
    """

    failure: float
    doubtful: float
    naive: float
    informative: float
    bound: float
    empirical: float
    risk: float
    kl: float
    sets: int
    low: float
    high: float

    @property
    def is_exact(self) -> bool:
        """Whether every training set was summed over."""
        return self.low == self.high


# -- the law of a training set ------------------------------------------------------------------------------------


def count_sets(kinds: int, n: int) -> int:
    """Training sets of n examples of so many kinds, told apart by counts."""
    return comb(n + kinds - 1, n)


def list_sets(kinds: int, n: int) -> Ints:
    """Counts (S, kinds) of every training set. CapacityError beyond MAX_STATES, before anything is built."""
    many = min(n, kinds - 1) > 60  # at least 2^60 sets: not even counted
    if many or (total := count_sets(kinds, n)) * kinds > 4 * MAX_STATES:
        shown = "more than 10^15" if many or total > 10**15 else f"{total:,}"
        raise CapacityError(
            f"{shown} training sets of {n} examples of {kinds} kinds are too many to sum over; resample, or use fewer "
            f"prompts or a smaller n"
        )
    left = np.array([n])
    columns: list[Ints] = []
    for _ in range(kinds - 1):
        repeat = left + 1
        parent = np.repeat(np.arange(len(left)), repeat)
        used = np.arange(len(parent)) - np.repeat(np.cumsum(repeat) - repeat, repeat)
        columns = [column[parent] for column in columns] + [used]
        left = left[parent] - used
    return np.stack([*columns, left], axis=1)


def set_probability(counts: Ints, probability: Floats) -> Floats:
    """Multinomial probability (S,) of counts (S, Z)."""
    n = counts[0].sum()
    with np.errstate(divide="ignore"):
        log_p = np.where(counts > 0, np.log(probability), 0.0)
    result: Floats = np.exp(gammaln(n + 1.0) - gammaln(counts + 1.0).sum(-1) + (counts * log_p).sum(-1))
    return result


# -- coverage -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Learner:
    """A bound at work: prior (m,), Gibbs inverse temperature, the event that the bound fails, and the bound as an
    expression.

    numbers: values of the remaining symbols (n, delta, C, ...). excess: a set fails if the event occurs for any
    posterior at all (worst_posterior.py); None: if it occurs for the Gibbs posterior. What else is told of a set is
    told of the Gibbs posterior. adverse: the posterior is not Gibbs but the one that ``climb`` finds for this excess,
    which knows the true risks.
    """

    prior: Floats
    inverse_temperature: float
    event: sp.Rel
    bound: sp.Expr
    numbers: Mapping[Any, Any]
    excess: Excess | None = None
    adverse: Excess | None = None

    def __post_init__(self) -> None:
        check_distribution(self.prior, "prior")

    def judge(self, empirical: Floats, truth: Floats, more: Further | None = None) -> dict[str, Floats]:
        """For training sets with empirical risks (B, m) of the policies, whose true risks are (m,): what the bound says
        and whether it fails.
        """
        posterior = gibbs(self.prior, empirical, self.inverse_temperature)
        if self.adverse is not None:
            posterior = climb(
                self.adverse, self.prior, empirical, truth=truth, n=float(self.numbers[s.n]), start=posterior
            )
        numbers, left, right, bound = self._sides(posterior, empirical, truth, more)
        sure = told_apart(left, right)
        fails, doubtful = sure & (left > right), ~sure
        if self.excess is not None:
            fails, doubtful = self._for_any(self.excess, posterior, empirical, truth=truth, fails=fails, more=more)
        return {
            "fails": fails,
            "doubtful": doubtful,
            "informative": bound < 1,
            "naive": self._truth(numbers) > self._estimate(numbers) + _SURE,
            "bound": bound,
            "empirical": numbers[s.R_hat],
            "risk": numbers[s.R_S],
            "kl": numbers[s.kl_posterior],
        }

    def _sides(
        self, posterior: Floats, empirical: Floats, truth: Floats, more: Further | None
    ) -> tuple[dict[Any, Any], Floats, Floats, Floats]:
        """Numbers of the event at these posteriors (B, m), its two sides and the bound."""
        numbers = dict(self.numbers) | {
            s.R_hat: np.clip((posterior * empirical).sum(-1), 0.0, 1.0),
            s.R_S: np.clip((posterior * truth).sum(-1), 0.0, 1.0),
            s.kl_posterior: np.maximum(rel_entr(posterior, self.prior).sum(-1), 0.0),
        }
        if more is not None:
            numbers |= more(posterior, empirical)
        names = tuple(sorted(self.event.free_symbols | self.bound.free_symbols, key=str))
        sides = numeric(names, self.event.lhs, self.event.rhs, self.bound)(*(numbers[name] for name in names))
        left, right, bound = (np.broadcast_to(side, empirical.shape[:1]) for side in sides)
        return numbers, left, right, bound

    def _for_any(
        self, excess: Excess, posterior: Floats, empirical: Floats, truth: Floats, fails: Bools, more: Further | None
    ) -> tuple[Bools, Bools]:
        """Whether the event occurs for some posterior, and whether that is in doubt: none was found, and none is ruled
        out.
        """
        n = float(self.numbers[s.n])
        limit = float(excess.limit.subs(self.numbers))
        open_ = ceiling(excess, self.prior, empirical, truth, n) > limit - _SURE * (max(1.0, limit) + n * 1e-2)
        rows = np.flatnonzero(open_ & ~fails)
        if len(rows):
            worst = climb(excess, self.prior, empirical[rows], truth=truth, n=n, start=posterior[rows])
            _, left, right, _ = self._sides(worst, empirical[rows], truth, more)
            fails = fails.copy()
            fails[rows] = told_apart(left, right) & (left > right)
        return fails, open_ & ~fails

    def _truth(self, numbers: Mapping[Any, Any]) -> Floats:
        """What the event bounds: the risk under the target if it speaks of that."""
        result: Floats = numbers[s.R_T if s.R_T in self.event.free_symbols else s.R_S]
        return result

    def _estimate(self, numbers: Mapping[Any, Any]) -> Floats:
        """What the bound starts from: the empirical risk, or that of drawn policies."""
        result: Floats = numbers[s.R_hat_drawn if s.R_hat_drawn in self.bound.free_symbols else s.R_hat]
        return result


def told_apart(left: Floats, right: Floats) -> Bools:
    """Where two sides differ by more than rounding may."""
    result: Bools = np.abs(left - right) > _SURE * np.maximum(1.0, np.where(np.isfinite(right), np.abs(right), 1.0))
    return result


def exact_coverage(atoms: Atoms, learner: Learner, n: int, more: Further | None = None) -> Coverage:
    """Sum over every training set of n examples. CapacityError if there are too many.

    Args:
        atoms: outcomes of one training prompt.
        learner: prior, rule and the event of failure.
        n: training prompts.
        more: further numbers of a training set.
    """
    used, totals = atoms.merged(), dict[str, float]()
    sets, weight = 0, 0.0
    for counts, chance in batches_of_sets(used, n):
        sets, weight = sets + len(counts), weight + float(chance.sum())
        for name, values in learner.judge(empirical_risks(counts, used.loss, n), atoms.risk, more).items():
            totals[name] = totals.get(name, 0.0) + float((chance * values).sum())
    failure = totals.pop("fails")
    doubtful = totals.pop("doubtful") + abs(1 - weight)
    return Coverage(failure, doubtful, **totals, sets=sets, low=failure, high=failure)


def batches_of_sets(atoms: Atoms, n: int) -> Iterator[tuple[Ints, Floats]]:
    """Counts (B, Z) and probabilities (B,) of every training set. CapacityError if there are too many, before any."""
    counts = list_sets(len(atoms.probability), n)
    chance = set_probability(counts, atoms.probability)
    step = max(1, _CHUNK // len(atoms.risk))
    for start in range(0, len(counts), step):
        yield counts[start : start + step], chance[start : start + step]


def empirical_risks(counts: Ints, loss: Floats, n: int) -> Floats:
    """Mean losses (B, m) of the policies on training sets of n examples with these counts (B, Z); loss (m, Z)."""
    # einsum without BLAS: the same bits whatever the number of threads
    result: Floats = np.einsum("bz,jz->bj", counts.astype(np.float64), loss) / n
    return np.clip(result, 0.0, 1.0)


def resampled_coverage(
    empirical: Iterator[Floats], risk: Floats, learner: Learner, level: float = 0.999, more: Further | None = None
) -> Coverage:
    """Coverage on training sets given as batches of empirical risks (B, m); Clopper-Pearson limits at ``level``.

    Args:
        empirical: empirical risks of drawn training sets, (B, m) each.
        risk: of the policies (m,).
        learner: prior, rule and the event of failure.
        level: of the interval, in (0, 1).
        more: further numbers of a training set.
    """
    totals: dict[str, float] = {}
    sets = 0
    for batch in empirical:
        sets += len(batch)
        for name, values in learner.judge(batch, risk, more).items():
            totals[name] = totals.get(name, 0.0) + float(values.sum())
    if not sets:
        raise InputError("resamples: need at least one training set")
    fails, doubtful = round(totals.pop("fails")), round(totals.pop("doubtful"))
    # a doubtful set counts as a failure for the upper limit and as none for the lower
    low, high = clopper_pearson(fails, sets, level)[0], clopper_pearson(fails + doubtful, sets, level)[1]
    means = {name: total / sets for name, total in totals.items()}
    return Coverage(fails / sets, doubtful / sets, **means, sets=sets, low=low, high=high)


def draw_counts(atoms: Atoms, n: int, sets: int, generator: np.random.Generator) -> Iterator[tuple[Ints, Floats]]:
    """Counts (B, Z), in batches, of ``sets`` training sets of n examples drawn from the atoms, each with weight one."""
    step = max(1, _CHUNK // max(len(atoms.probability), len(atoms.risk)))
    probability = atoms.probability / atoms.probability.sum()
    for start in range(0, sets, step):
        counts = generator.multinomial(n, probability, size=min(step, sets - start))
        yield counts, np.ones(len(counts))


def draw_prompts(atoms: Atoms, n: int, sets: int, generator: np.random.Generator) -> Iterator[Floats]:
    """Their empirical risks (B, m)."""
    return (empirical_risks(counts, atoms.loss, n) for counts, _ in draw_counts(atoms, n, sets, generator))


def draw_rollouts(
    env: TAMDP, policies: tuple[Policy, ...], n: int, sets: int, generator: np.random.Generator
) -> Iterator[Floats]:
    """The same where each training prompt shows one rollout of every policy, all independent.

    Args:
        env, policies: the process and the class (m,).
        n: training prompts of a set.
        sets: how many.
        generator: drives the draw.
    """
    law, loss = outcome_laws(env, policies)
    first = np.array([classes[0] for classes in env.prompt_classes])
    rho = np.cumsum(env.prompt_probability)[:-1]
    # one increasing sequence: the classes of prompt q end between q and q + 1
    ends = np.concatenate(
        [q + np.cumsum(law[:, classes], axis=1) for q, classes in enumerate(env.prompt_classes)], axis=1
    )
    last = np.array([classes[-1] for classes in env.prompt_classes])
    step = max(1, _CHUNK // (8 * n))
    for start in range(0, sets, step):
        size = min(step, sets - start)
        prompt = np.searchsorted(rho, generator.random((size, n)), side="right")
        result = np.empty((size, len(policies)))
        for j in range(len(policies)):
            place = np.searchsorted(ends[j], prompt + generator.random((size, n)), side="right")
            result[:, j] = loss[np.clip(place, first[prompt], last[prompt])].sum(-1) / n
        yield np.clip(result, 0.0, 1.0)


def draw_posterior(draws: int, generator: np.random.Generator) -> Further:
    """Mean empirical risk of ``draws`` policies drawn from each posterior."""

    def drawn(posterior: Floats, empirical: Floats) -> dict[Any, Floats]:
        chosen = generator.multinomial(draws, posterior / posterior.sum(-1, keepdims=True))
        return {s.R_hat_drawn: np.clip((chosen * empirical).sum(-1) / draws, 0.0, 1.0)}

    return drawn


def elsewhere(env: TAMDP, policies: tuple[Policy, ...], target: Floats) -> Further:
    """Target risk and shift term of T3.shift of each posterior; target (N,) distribution of prompts."""
    values = prompt_values(env, policies)
    rho = env.prompt_probability
    distance = np.abs(target - rho).sum() / 2
    risk = (losses(env, values) * target).sum(-1)

    def shifted(posterior: Floats, empirical: Floats) -> dict[Any, Floats]:
        spread = np.ptp(np.einsum("bj,jqk->bqk", posterior, values), axis=1)
        term = (spread * env.weights).sum(-1) / env.total_weight * distance
        return {s.R_T: np.clip((posterior * risk).sum(-1), 0.0, 1.0), s.shift_term: term}

    return shifted
