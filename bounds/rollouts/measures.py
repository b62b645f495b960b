"""How claims are measured on rollouts alone: estimates with confidence intervals in place of sums over a process.

What a finite number of rollouts cannot show (smoothness, potentials, every policy) stays an unmet assumption, and the
note says so. Where an interval is asymptotic (scores of a network have no known bound) the evidence is too, and the
check decides nothing.
"""

import numpy as np
import sympy as sp

from bounds import symbols as s
from bounds.claim import unmet
from bounds.comparison import Measured
from bounds.observation import Evaluation, Observation
from bounds.pac_bayes import formulas as pac_bayes
from bounds.rollouts import intervals
from bounds.rollouts.intervals import Estimate
from bounds.rollouts.statistics import Statistics
from bounds.verdicts import Evidence
from tamdp_theory.model import Floats
from tamdp_theory.posteriors import divergence


def gradient_gap(observation: Observation, bound: str) -> Measured:
    """Distance of the two updates against sqrt(kappa Q lambda_max) ("largest") or sqrt(kappa Q E||s||^2) ("energy")."""
    numbers = _statistics(observation, 3)
    if numbers is None:
        return _without_scores()
    conditions = {
        "gap": numbers.differs and numbers.gap.value > 0,
        "scores vary": numbers.scores_vary,
        "on-policy": not numbers.off_policy,
    }
    if failed := unmet(observation, conditions):
        return failed
    size = numbers.leading_energy if bound == "largest" else numbers.score_energy
    distance, kappa = numbers.update_gap.root(), observation.scheme.kappa
    ends = ((numbers.gap.low, size.low), (numbers.gap.value, size.value), (numbers.gap.high, size.high))
    low, value, high = (float(np.sqrt(kappa * max(q, 0.0) * max(e, 0.0))) for q, e in ends)
    numbers_of = {
        s.gap_norm: distance.value,
        s.kappa: kappa,
        s.Q_gap: numbers.gap.value,
        s.lambda_max: size.value,
        s.energy: size.value,
    }
    note = (
        f"Q {_shown(numbers.gap)}, {'lambda_max at least' if bound == 'largest' else 'E||s||^2'} {_shown(size)}, "
        f"distance {_shown(distance)}"
    )
    valid = numbers.gap.valid and size.valid
    return _measured(
        observation, numbers_of, conditions, left=distance, right=Estimate(value, low, high, valid), note=note
    )


def variance(observation: Observation) -> Measured:
    """The variance within prompts, averaged over them, against L9's bound of it."""
    conditions = {"center": observation.scheme.normalization == "center"}
    if failed := unmet(observation, conditions):
        return failed
    numbers = _statistics(observation, 2)
    if numbers is None:
        return _without_scores()
    conditions["active group"] = bool(numbers.advantages("center").any())
    conditions["scores vary"] = numbers.scores_vary
    conditions["two groups"] = (
        observation.rollouts.is_exact or observation.rollouts.group_size >= 2 * observation.scheme.group_size
    )
    conditions["on-policy"] = not numbers.off_policy
    if failed := unmet(observation, conditions):
        return failed
    total, size, kappa = float(numbers.weights.sum()), observation.scheme.group_size, observation.scheme.kappa
    found, bound = numbers.variance, numbers.score_energy.scale(kappa**2 * total**2 / size)
    numbers_of = {
        s.variance: found.value,
        s.kappa: kappa,
        s.W: total,
        s.energy_squared_rho: numbers.score_energy.value,
        s.G: size,
        s.K: len(numbers.weights),
        s.w_squares: float((numbers.weights**2).sum()),
    }
    note = f"one prompt in a step, averaged over prompts: V {_shown(found)}, E||s||^2 {_shown(numbers.score_energy)}"
    return _measured(observation, numbers_of, conditions, left=found, right=bound, note=note)


def drift(observation: Observation, decomposed: bool = False) -> Measured:
    """<grad J, m> against zero. An interval that reaches both sides decides nothing; one above shows no witness."""
    numbers = _statistics(observation, 1)
    if numbers is None:
        return _without_scores()
    scheme = observation.scheme
    conditions = {"decomposed": scheme.normalization == "normalize_then_sum"} if decomposed else {}
    conditions["active group"] = bool(numbers.advantages(scheme.normalization).any())
    conditions |= {"scores vary": numbers.scores_vary, "on-policy": not numbers.off_policy}
    if failed := unmet(observation, conditions):
        return failed
    found = numbers.drift
    conditions["witness"] = not found.valid or found.low < 0
    down = "the expected step lowers J" if found.high < 0 else "not shown to be negative"
    note = f"<grad J, m> {_shown(found)}: {down}"
    if unmet(observation, conditions):
        return Measured(numbers={}, assumptions=conditions, note=note)
    return _measured(observation, {s.drift: found.value}, conditions, left=found, right=Estimate.exact(0.0), note=note)


def convergence(observation: Observation) -> Measured:
    """What a run shows of Theorem 1: the left side. The right side needs a smoothness constant, which no run shows."""
    what = "no smoothness constant of the objective in these parameters is known, so there is no bound to compare with"
    found, steps = mean_squared_update(observation)
    if steps:
        what += f"; measured: mean of ||E g||^2 over {steps} recorded steps {_shown(found)}"
    return Measured(numbers={}, assumptions={"smoothness": False}, evidence=Evidence.ASYMPTOTIC, note=what)


def mean_squared_update(observation: Observation) -> tuple[Estimate, int]:
    """(1/T) sum_t ||E g_t||^2 over the recorded steps of a run, and their number: each step's estimate is unbiased
    given the past, its interval asymptotic."""
    values = squared_updates(observation)
    return (
        intervals.mean(values, observation.level)
        if len(values)
        else Estimate(float("nan"), -np.inf, np.inf, valid=False)
    ), len(values)


def squared_updates(observation: Observation) -> Floats:
    """Unbiased ||E g_t||^2 of each recorded step that has scores and at least two groups (T,)."""
    steps = (step for step in observation.training if step.scores is not None and len(step.prompt) > 1)
    numbers = (Statistics(step, observation.scheme, observation.level, observation.seed) for step in steps)
    return np.array([one.update.value for one in numbers])


def generalization(observation: Observation, method: pac_bayes.Method) -> Measured:
    """The bound from a random half of the held-out prompts for the policy that is best on them, against its risk on the
    other half.
    """
    found = observation.evaluation
    if found is None:
        return Measured(
            numbers={},
            assumptions={"held-out prompts": False},
            note="needs losses of the run's checkpoints on held-out prompts",
        )
    # in random order: in that of a data set, every other prompt may be of another kind
    order = np.random.default_rng(observation.seed).permutation(found.losses.shape[1])
    seen, unseen = found.losses[:, order[::2]], found.losses[:, order[1::2]]
    empirical = seen.mean(axis=1)
    prior = found.prior_probability
    chosen = int(np.argmin(risk_bounds(found, seen, method)))
    posterior = np.zeros(len(prior))
    posterior[chosen] = 1.0
    risk = intervals.chernoff(unseen[chosen], observation.level)
    numbers = {
        s.R_S: risk.value,
        s.R_hat: float(empirical[chosen]),
        s.kl_posterior: float(divergence(posterior, prior)),
        s.n: seen.shape[1],
        s.delta: found.delta,
    }
    full = risk_bounds(found, found.losses, method)
    best = int(np.argmin(full))
    note = (
        f"policy {chosen + 1} of {len(prior)}: bound from {seen.shape[1]} prompts, risk {_shown(risk)} on "
        f"{unseen.shape[1]} others; fails with "
        f"probability at most {found.delta:g}; from all prompts: policy {best + 1}, risk at most "
        f"{float(full[best]):.4g}"
    )
    return Measured(
        numbers=numbers,
        assumptions={"held-out prompts": True},
        half_width=risk.half_width,
        trivial=1.0,
        scale=0.0,
        note=f"{note}; level {observation.level:g}",
        statement=sp.Le(s.R_S, pac_bayes.RISK[method]),
    )


def risk_bounds(evaluation: Evaluation, losses: Floats, method: pac_bayes.Method = "kl") -> Floats:
    """The bound of each policy of the class from losses (m, n), all at once; infinite where the prior excludes the
    policy.
    """
    prior = evaluation.prior_probability
    complexity = -np.log(np.maximum(prior, 1e-300))
    return np.where(
        prior > 0,
        pac_bayes.risk_bound(losses.mean(axis=1), losses.shape[1], complexity, evaluation.delta, method),
        np.inf,
    )


def _statistics(observation: Observation, intervals_used: int) -> Statistics | None:
    """Estimates whose ``intervals_used`` intervals hold together at the observation's level; None without scores."""
    if observation.rollouts.scores is None:
        return None
    level = 1 - (1 - observation.level) / intervals_used
    return Statistics(observation.rollouts, observation.scheme, level, observation.seed)


def _without_scores() -> Measured:
    return Measured(
        numbers={}, assumptions={"scores": False}, note="needs the scores of the rollouts; rewards alone do not show it"
    )


def _measured(
    observation: Observation,
    numbers: dict[sp.Symbol, float],
    conditions: dict[str, bool],
    left: Estimate,
    right: Estimate,
    note: str,
) -> Measured:
    """Both sides of left <= right with an interval for their difference; none if the groups were listed."""
    if observation.rollouts.is_exact:
        return Measured(numbers=numbers, assumptions=conditions, scale=0.0, note=note)
    # only the ends that could turn the comparison around matter
    holds, fails = left.high - left.value + right.value - right.low, left.value - left.low + right.high - right.value
    half = holds if right.value >= left.value else fails
    draws = (
        len(np.unique(observation.groups.draw))
        if observation.groups.draw is not None
        else len(observation.groups.prompt)
    )
    evidence = Evidence.STATISTICAL if left.valid and right.valid else Evidence.ASYMPTOTIC
    return Measured(
        numbers=numbers,
        assumptions=conditions,
        half_width=half,
        scale=0.0,
        evidence=evidence,
        note=f"{note}; {draws} draws, level {observation.level:g}",
    )


def _shown(estimate: Estimate) -> str:
    if estimate.low == estimate.high:
        return f"{estimate.value:.4g}"
    return f"{estimate.value:.4g} [{estimate.low:.4g}, {estimate.high:.4g}]"
