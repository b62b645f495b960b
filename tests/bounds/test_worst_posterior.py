"""The worst posterior of a training set: against fine grids of posteriors, the event of each claim, and coverage that
Gibbs posteriors miss.
"""

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import rel_entr

from bounds import CLAIMS, Generalization, Instance, Verdict
from bounds import symbols as s
from bounds.claims.coverage import EVENTS, coverage
from bounds.pac_bayes.coverage import Atoms, Learner, draw_posterior, draw_prompts, exact_coverage, resampled_coverage
from bounds.pac_bayes.formulas import numeric
from bounds.pac_bayes.worst_posterior import EXCESS, ceiling, climb
from tamdp_theory.posteriors import gibbs
from tests.helpers.coverage import MANY, TASK, TRIO, WRONG

unit = st.floats(0.001, 0.999)


@pytest.mark.parametrize("claim_id", EXCESS)
@settings(max_examples=150, deadline=None)
@given(p=unit, q=unit, divergence=st.floats(0, 5), n=st.integers(1, 60), delta=st.floats(0.01, 0.99))
def test_the_excess_is_the_event_solved_for_the_divergence(
    claim_id: str, p: float, q: float, divergence: float, n: int, delta: float
) -> None:
    numbers = {
        s.R_hat: p,
        s.R_S: q,
        s.R_T: q,
        s.shift_term: 0.0,
        s.kl_posterior: divergence,
        s.n: float(n),
        s.delta: delta,
        s.C_catoni: 1.0,
    }
    event = EVENTS[claim_id][0]
    names = tuple(sorted(event.free_symbols, key=str))
    left, right = numeric(names, event.lhs, event.rhs)(*(np.array(numbers[name]) for name in names))
    excess = EXCESS[claim_id]
    over = (
        n * float(excess.value(np.array(p), np.array(q)))
        - divergence
        - float(excess.limit.subs({s.n: n, s.delta: delta}))
    )
    assume(abs(over) > 1e-9 and abs(left - right) > 1e-12)
    assert bool(left > right) == (over > 0)


@pytest.mark.parametrize("claim_id", EXCESS)
@settings(max_examples=60, deadline=None)
@given(p=st.floats(0.01, 0.99), q=st.floats(0.01, 0.99))
def test_slopes_by_differences(claim_id: str, p: float, q: float) -> None:
    assume(abs(p - q) > 1e-3)
    excess, h = EXCESS[claim_id], 1e-6
    by_p, by_q = (
        float(excess.value(np.array(p + a), np.array(q + b)) - excess.value(np.array(p - a), np.array(q - b))) / (2 * h)
        for a, b in ((h, 0), (0, h))
    )
    one, two = excess.slopes(np.array(p), np.array(q))
    assert (float(one), float(two)) == (
        pytest.approx(by_p, rel=1e-4, abs=1e-6),
        pytest.approx(by_q, rel=1e-4, abs=1e-6),
    )


def posteriors(count: int) -> np.ndarray:
    """A fine grid over two or three policies."""
    steps = 400 if count == 2 else 60
    grid = [cut for cut in itertools.product(range(steps + 1), repeat=count - 1) if sum(cut) <= steps]
    return np.array([[*cut, steps - sum(cut)] for cut in grid]) / steps


@pytest.mark.parametrize("claim_id", EXCESS)
@settings(max_examples=40, deadline=None)
@given(data=st.data(), count=st.sampled_from([2, 3]), n=st.sampled_from([2, 9, 60]))
def test_the_supremum_lies_between_what_is_found_and_the_ceiling(
    claim_id: str, data: st.DataObject, count: int, n: int
) -> None:
    risks = st.lists(st.sampled_from([0.0, 0.1, 0.35, 0.5, 0.8, 1.0]), min_size=count, max_size=count)
    empirical, truth = np.array(data.draw(risks)), np.array(data.draw(risks)) * 0.98 + 0.01
    prior = np.array(data.draw(st.sampled_from([[1, 1, 1], [5, 1, 2], [1, 50, 1]]))[:count], dtype=float)
    prior /= prior.sum()
    excess = EXCESS[claim_id]

    def value(q: np.ndarray) -> np.ndarray:
        return np.asarray(n * excess.value(np.clip(q @ empirical, 0, 1), q @ truth) - rel_entr(q, prior).sum(-1))

    found = value(climb(excess, prior, empirical[None], truth=truth, n=n, start=gibbs(prior, empirical[None], 3.0)))[0]
    assert value(posteriors(count)).max() <= found + 1e-6
    top = ceiling(excess, prior, empirical[None], truth, n)[0]
    assert found <= top + 1e-9
    assert top == pytest.approx(
        math.log(sum(p * math.exp(v) for p, v in zip(prior, n * excess.value(empirical, truth), strict=True))),
        rel=1e-12,
        abs=1e-12,
    )


def hard(delta: float, n: int, beta: float, claim_id: str, every: bool = True) -> Learner:
    numbers = {s.n: float(n), s.delta: delta, s.C_catoni: 1.0}
    return Learner(
        np.full(len(WRONG), 1 / len(WRONG)), beta, *EVENTS[claim_id], numbers, EXCESS[claim_id] if every else None
    )


@pytest.mark.parametrize("claim_id", ["T3.kl", "T3.mcallester", "T3.catoni"])
def test_failures_that_a_gibbs_posterior_does_not_show(claim_id: str) -> None:
    """Seventy policies, each wrong on four of eight questions, and eight training questions: the mean of the class is
    right about itself on every set, but some policy alone may not be. Compared with every set and every policy, one by
    one."""
    n, delta, prior = 8, 0.95, 1 / len(WRONG)
    limit = math.log(2 * math.sqrt(n) / delta) if claim_id != "T3.catoni" else math.log(1 / delta)
    plain, found = (exact_coverage(MANY, hard(delta, n, 0.0, claim_id, every), n) for every in (False, True))
    assert plain.failure == 0.0  # R_hat = R_S = 1/2 of the class as a whole
    # by symmetry only how often each question was drawn matters: partitions of n
    alone = total = 0.0
    for parts in partitions(n, 8):
        sets = math.factorial(n) / math.prod(map(math.factorial, parts)) * arrangements(parts, 8) / 8**n
        seen = [sum(parts[q] for q in chosen) / n for chosen in itertools.combinations(range(8), 4)]
        excess = n * EXCESS[claim_id].value(np.array(seen), np.full(len(seen), 0.5)) + math.log(prior)
        alone += sets * bool(excess.max() > limit + 1e-9)
        total += sets
    assert total == pytest.approx(1)
    assert alone <= found.failure + 1e-9
    assert found.failure + found.doubtful <= delta
    if claim_id == "T3.catoni":
        assert found.failure > 0.01


def partitions(n: int, most: int, largest: int | None = None) -> Any:
    """Ways to write n as ``most`` non-increasing terms, zeros among them."""
    if most == 0:
        if n == 0:
            yield ()
        return
    for first in range(min(n, n if largest is None else largest), -1, -1):
        for rest in partitions(n - first, most - 1, first):
            yield (first, *rest)


def arrangements(parts: tuple[int, ...], places: int) -> float:
    """Distinct orders of the parts."""
    return math.factorial(places) / math.prod(math.factorial(parts.count(v)) for v in set(parts))


@pytest.mark.parametrize("rollouts", [False, True])
@pytest.mark.parametrize("claim_id", EXCESS)
def test_any_posterior_fails_at_least_as_often_as_gibbs(claim_id: str, rollouts: bool) -> None:
    target = (TASK.exact_prompt_probability[0], *TASK.exact_prompt_probability[1:])
    for beta in (0.0, 5.0, 300.0):
        setting = Generalization(
            target, TRIO, 3 if rollouts else 6, delta=0.9, prior=None, inverse_temperature=beta, rollouts=rollouts
        )
        instance = Instance(TASK, TRIO[0], generalization=setting)
        one, some = coverage(claim_id, instance, every=False), coverage(claim_id, instance)
        assert one.failure <= some.failure + some.doubtful + 1e-12
        assert some.failure + some.doubtful <= 0.9
        assert (one.bound, one.empirical, one.kl, one.informative) == (
            some.bound,
            some.empirical,
            some.kl,
            some.informative,
        )


def test_a_prior_that_follows_the_data_is_caught_by_point_masses() -> None:
    """Without the price of the divergence the bound fails for a policy that learned by heart, though not for the mean
    of the class.
    """
    n, delta = 4, 0.3
    honest, (event, _) = hard(delta, n, 0.0, "T3.kl"), EVENTS["T3.kl"]
    cheaper = replace(EXCESS["T3.kl"], limit=EXCESS["T3.kl"].limit - math.log(len(WRONG)))
    free = replace(
        honest, event=type(event)(event.lhs, event.rhs.xreplace({s.kl_posterior: sp.S.Zero})), excess=cheaper
    )
    assert exact_coverage(MANY, honest, n).failure <= delta
    assert exact_coverage(MANY, replace(free, excess=None), n).failure == 0.0
    assert exact_coverage(MANY, free, n).failure > delta


@pytest.mark.parametrize("claim_id", ["T3.kl", "T3.mcallester", "T3.catoni"])
def test_failures_of_two_policies_by_a_fine_grid_of_posteriors(claim_id: str) -> None:
    """Two questions on which the policies differ, every training set of twelve, every posterior on a grid of 401."""
    n, delta, prior = 12, 0.95, np.array([0.5, 0.5])
    atoms, excess = (
        Atoms(np.array([0.3, 0.7]), np.array([[0.0, 1.0], [1.0, 0.2]]), np.array([0.7, 0.44])),
        EXCESS[claim_id],
    )
    learner = Learner(prior, 0.0, *EVENTS[claim_id], {s.n: float(n), s.delta: delta, s.C_catoni: 1.0}, excess)
    limit, grid, failure = float(excess.limit.subs({s.n: n, s.delta: delta})), posteriors(2), 0.0
    for drawn in itertools.product(range(2), repeat=n):
        empirical = atoms.loss[:, list(drawn)].mean(axis=1)
        over = (
            n * excess.value(np.clip(grid @ empirical, 0, 1), grid @ atoms.risk) - rel_entr(grid, prior).sum(-1) - limit
        )
        failure += math.prod(atoms.probability[q] for q in drawn) * bool(over.max() > 1e-9)
    found = exact_coverage(atoms, learner, n)
    assert 0 < failure <= found.failure + 1e-9 and found.failure <= failure + 0.02
    assert exact_coverage(atoms, replace(learner, excess=None), n).failure < found.failure


def test_verdicts_speak_of_any_posterior() -> None:
    setting = Generalization(TASK.exact_prompt_probability, TRIO, 40, 0.3)
    check = CLAIMS["T3.catoni"].check(Instance(TASK, TRIO[0], generalization=setting))
    assert check.verdict is Verdict.HOLDS and "failures are for any posterior" in check.note
    found = coverage("T3.catoni", Instance(TASK, TRIO[0], generalization=setting))
    assert check.lhs == found.failure


def test_policies_drawn_from_the_worst_posterior() -> None:
    """Three policies with independent losses: the Gibbs rule at zero temperature keeps to the prior, the worst rule
    takes those that look good.
    """
    loss = np.array([[float(q >> j & 1) for q in range(8)] for j in range(3)])
    atoms = Atoms(np.full(8, 1 / 8), loss, loss.mean(1))
    n, delta = 3, 0.9
    numbers = {s.n: float(n), s.delta: delta / 2, s.delta_drawn: delta / 2, s.m_drawn: 4000.0}
    rules = [
        Learner(np.full(3, 1 / 3), 0.0, *EVENTS["T3.kl.sampled"], numbers, adverse=adverse)
        for adverse in (None, EXCESS["T3.transfer"])
    ]
    seen = []
    for rule in rules:
        generator = np.random.default_rng(0)
        seen.append(
            resampled_coverage(
                draw_prompts(atoms, n, 2000, generator), atoms.risk, rule, 0.999, draw_posterior(4000, generator)
            )
        )
    assert seen[1].kl > seen[0].kl == 0 and seen[1].empirical < seen[0].empirical - 0.1
    setting = Generalization(TASK.exact_prompt_probability, TRIO, 6, 0.9, draws=500, resamples=3000)
    one, two = (
        coverage("T3.kl.sampled", Instance(TASK, TRIO[0], generalization=setting), every) for every in (False, True)
    )
    assert two.high >= one.failure and two.low >= 0 and (one.bound, one.kl) == (two.bound, two.kl)
