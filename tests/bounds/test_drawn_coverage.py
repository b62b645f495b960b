"""Coverage on drawn training sets, its limits, and its verdicts."""

import itertools
import math
from dataclasses import replace
from fractions import Fraction as F
from typing import Any

import numpy as np
import pytest
import sympy as sp
from scipy import stats

from bounds import CLAIMS, Evidence, Generalization, Instance, Standing, Verdict
from bounds import symbols as s
from bounds.claims.coverage import EVENTS, coverage
from bounds.pac_bayes.coverage import (
    Coverage,
    Learner,
    draw_posterior,
    draw_prompts,
    draw_rollouts,
    exact_atoms,
    exact_coverage,
    losses,
    outcome_laws,
    resampled_coverage,
    rollout_atoms,
)
from bounds.pac_bayes.formulas import RISK
from tamdp_theory import InputError, TabularSoftmax
from tamdp_theory.domains import prompt_values
from tests.helpers.coverage import TASK, TRIO
from tests.helpers.training_sets import HALF, inverse, learner, outcomes, setting, upper


@pytest.mark.parametrize("rollouts", [False, True])
@pytest.mark.parametrize("claim_id", ["T3.kl", "T3.catoni"])
def test_resampling_agrees_with_the_exact_sum(claim_id: str, rollouts: bool) -> None:
    n = 3 if rollouts else 6
    for numbers in (setting(n=n, rollouts=rollouts), setting(n=n, rollouts=rollouts, inverse_temperature=0.0)):
        one = learner(*EVENTS[claim_id], 3, n, 0.95, numbers.inverse_temperature)
        atoms = (rollout_atoms if rollouts else exact_atoms)(TASK, TRIO)
        exactly = exact_coverage(atoms, one, n)
        for method in (draw_prompts, draw_rollouts) if rollouts else (draw_prompts,):
            generator = np.random.default_rng(0)
            batches = (
                draw_prompts(atoms, n, 20_000, generator)
                if method is draw_prompts
                else draw_rollouts(TASK, TRIO, n, 20_000, generator)
            )
            drawn = resampled_coverage(batches, atoms.risk, one)
            assert drawn.low <= exactly.failure <= drawn.high and drawn.sets == 20_000 and not drawn.is_exact
            for name in ("bound", "empirical", "risk", "kl", "informative"):
                assert getattr(drawn, name) == pytest.approx(getattr(exactly, name), abs=0.02), name


def test_too_large_a_sum_is_drawn_and_repeats_bit_by_bit() -> None:
    """Three prompts and n = 3000 are 4.5 million sets; the law of large numbers says where they lie."""
    large = [Instance(TASK, TRIO[0], seed=seed, generalization=setting(n=3000, resamples=500)) for seed in (1, 1, 2)]
    found = [coverage("T3.kl", one) for one in large]
    assert [one.sets for one in found] == [500] * 3 and not found[0].is_exact
    assert found[0] == found[1] != found[2]
    assert found[0].empirical == pytest.approx(found[0].risk, abs=0.002)
    check = CLAIMS["T3.kl"].check(large[0])
    assert check.evidence is Evidence.STATISTICAL and check.note.startswith("drawn, of 500 training sets, n = 3000")


def test_batches_do_not_change_what_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    def everything() -> np.ndarray:
        return np.concatenate(list(draw_prompts(exact_atoms(TASK, TRIO), 9, 100, np.random.default_rng(3))))

    whole = everything()
    monkeypatch.setattr("bounds.pac_bayes.coverage._CHUNK", 21)
    np.testing.assert_array_equal(everything(), whole)
    assert len(list(draw_prompts(exact_atoms(TASK, TRIO), 9, 100, np.random.default_rng(3)))) == 15
    assert [len(b) for b in draw_rollouts(TASK, TRIO, 9, 3, np.random.default_rng(3))] == [1, 1, 1]
    one = learner(*EVENTS["T3.kl"], 3, 4, 0.9, 3.0)
    few = exact_coverage(exact_atoms(TASK, TRIO), one, 4)
    monkeypatch.undo()
    assert few.failure == pytest.approx(exact_coverage(exact_atoms(TASK, TRIO), one, 4).failure, abs=1e-15)
    assert few.kl == pytest.approx(exact_coverage(exact_atoms(TASK, TRIO), one, 4).kl, rel=1e-13)


def test_moments_of_drawn_sets() -> None:
    n, sets = 4, 40_000
    tables, rho = outcomes(TASK, TRIO), np.array([1 / 6, 1 / 3, 1 / 2])
    mean = np.array([[sum(p * x for p, x in own) for own in table] for table in tables])
    second = np.array(
        [sum(r * sum(p * x * x for p, x in own) for r, own in zip(rho, table, strict=True)) for table in tables]
    )
    risk = mean @ rho
    between = (mean * rho) @ mean.T - np.outer(
        risk, risk
    )  # of two policies on one prompt, rollouts independent given it
    within = between + np.diag(second - (mean**2) @ rho)
    one, two = np.random.default_rng(0), np.random.default_rng(0)
    for batches, covariance in (
        (draw_rollouts(TASK, TRIO, n, sets, one), within),
        (draw_prompts(exact_atoms(TASK, TRIO), n, sets, two), between),
    ):
        drawn = np.concatenate(list(batches))
        assert drawn.shape == (sets, 3)
        spread = np.sqrt(np.diag(covariance) / n)
        np.testing.assert_array_less(np.abs(drawn.mean(0) - risk), 4.5 * spread / math.sqrt(sets))
        np.testing.assert_array_less(
            np.abs(np.cov(drawn.T) * n - covariance), 6 * np.outer(spread, spread) * n / math.sqrt(sets)
        )


def test_outcomes_that_cannot_happen_are_not_drawn() -> None:
    """Nearly deterministic policies: probabilities of 1 - 1e-26 and less than rounding."""
    sure = TabularSoftmax(TASK, np.array([[60.0, 0.0], [0.0, 60.0], [0.0, 900.0]]))
    drawn = np.concatenate(list(draw_rollouts(TASK, (sure,), 1, 3000, np.random.default_rng(0))))
    law, loss = outcome_laws(TASK, (sure,))
    assert law.sum() == pytest.approx(3) and {*drawn[:, 0]} == {*loss[law[0] > 1e-20]}


def test_losses_against_trajectories() -> None:
    expected = [[sum(p * x for p, x in own) for own in table] for table in outcomes(TASK, TRIO)]
    np.testing.assert_allclose(losses(TASK, prompt_values(TASK, TRIO)), expected, atol=1e-14)


# -- limits ---------------------------------------------------------------------------------------------------------


def counted(values: list[list[float]], level: float = 0.999) -> Coverage:
    """Sets whose one policy has the empirical risk given; the bound fails where it is above 1/2."""
    one = learner(sp.Gt(s.R_hat, s.delta), s.R_hat, 1, 1, 0.5)
    return resampled_coverage(iter([np.array(batch)[:, None] for batch in values]), np.array([0.25]), one, level)


@pytest.mark.parametrize("level", [0.9, 0.999])
@pytest.mark.parametrize(
    ("fails", "ties", "total"), [(0, 0, 50), (3, 0, 50), (3, 4, 50), (50, 0, 50), (0, 50, 50), (1, 0, 1)]
)
def test_limits_against_the_beta_law(fails: int, ties: int, total: int, level: float) -> None:
    """A set in doubt is a failure for the upper limit and none for the lower."""
    batch = [0.9] * fails + [0.5] * ties + [0.1] * (total - fails - ties)
    found, tail, most = counted([batch[:1], batch[1:]] if total > 1 else [batch], level), (1 - level) / 2, fails + ties
    assert (found.failure, found.doubtful, found.sets) == (fails / total, ties / total, total)
    assert found.low == pytest.approx(stats.beta.ppf(tail, fails, total - fails + 1) if fails else 0.0, rel=1e-9)
    assert found.high == pytest.approx(
        stats.beta.ppf(1 - tail, most + 1, total - most) if most < total else 1.0, rel=1e-9
    )
    assert found.informative == 1.0 and found.risk == 0.25 and found.kl == 0
    assert found.empirical == found.bound == pytest.approx(np.mean(batch), rel=1e-12)


def test_no_training_set_is_no_evidence() -> None:
    with pytest.raises(InputError, match=r"^resamples: need at least one"):
        counted([])


def test_learners_refuse_what_is_no_prior() -> None:
    with pytest.raises(InputError, match=r"^prior: "):
        Learner(np.array([0.5, 0.6]), 1.0, *EVENTS["T3.kl"], {})


# -- a sampled posterior --------------------------------------------------------------------------------------------


def test_sampled_posterior_against_every_draw() -> None:
    """Two policies, twenty draws: the number of draws of the second is binomial given the training set."""
    pair, n, draws, delta, beta = TRIO[:2], 5, 20, 0.9, 3.0
    numbers = Generalization(
        (F(1), F(0), F(0)), pair, n=n, delta=delta, inverse_temperature=beta, draws=draws, resamples=20_000
    )
    found = coverage("T3.kl.sampled", Instance(TASK, pair[0], seed=5, generalization=numbers), every=False)
    fails = mean = 0.0
    rho, loss = TASK.prompt_probability, losses(TASK, prompt_values(TASK, pair))
    for drawn in itertools.product(range(3), repeat=n):
        chance, empirical = math.prod(rho[q] for q in drawn), loss[:, list(drawn)].mean(1)
        mass = np.exp(-beta * empirical)
        posterior = mass / mass.sum()
        kl, risk = float((posterior * np.log(2 * posterior)).sum()), float(posterior @ (loss @ rho))
        for second in range(draws + 1):
            seen = float(empirical @ [draws - second, second]) / draws
            bound = upper("kl", inverse(seen, math.log(4 / delta) / draws), n, kl, delta / 2)
            share = chance * stats.binom.pmf(second, draws, posterior[1])
            fails, mean = fails + share * (risk > bound), mean + share * bound
    assert not found.is_exact and found.low <= fails <= found.high
    assert found.bound == pytest.approx(mean, abs=0.003)
    check = CLAIMS["T3.kl.sampled"].check(Instance(TASK, pair[0], seed=5, generalization=numbers))
    assert check.rhs == delta and check.lhs is not None and check.lhs >= found.failure  # the worse of two rules


def test_draws_from_the_posterior() -> None:
    more = draw_posterior(5, np.random.default_rng(0))
    posterior, empirical = np.tile([0.2, 0.8], (20_000, 1)), np.tile([0.0, 1.0], (20_000, 1))
    found = more(posterior, empirical)[s.R_hat_drawn]
    for k in range(6):
        assert (found == k / 5).mean() == pytest.approx(stats.binom.pmf(k, 5, 0.8), abs=0.012)


# -- verdicts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim_id", "changes"),
    [
        ("T3.mcallester", {"n": 2}),
        ("T3.catoni", {"n": 1}),
        ("T3.kl", {"n": 1, "delta": 1e-300}),
        ("T3.transfer", {"n": 1, "delta": 0.01}),
        ("T3.kl.sampled", {"n": 1, "delta": 1e-300}),
        ("T3.mcallester", {"n": 2, "rollouts": True}),
    ],
)
def test_a_bound_above_one_never_holds(claim_id: str, changes: dict[str, Any]) -> None:
    numbers = setting(**{"delta": 0.05, "resamples": 200, **changes})
    check = CLAIMS[claim_id].check(Instance(TASK, TRIO[0], generalization=numbers))
    assert check.verdict is Verdict.VACUOUS and check.lhs == 0


def test_a_bound_below_one_too_rarely_never_holds() -> None:
    """Informative with probability 1/4, which delta is above: the coverage would be as good for a bound
    drawn by lot.
    """
    instance = CLAIMS["T3.mcallester"].example()  # type: ignore[misc]
    rare = replace(instance, generalization=replace(instance.generalization, n=2, delta=0.4))
    found, check = coverage("T3.mcallester", rare), CLAIMS["T3.mcallester"].check(rare)
    assert found.informative == pytest.approx(0.25) and check.verdict is Verdict.VACUOUS
    # more often than delta, but not on average
    often = replace(rare, generalization=replace(rare.generalization, delta=0.2))
    found = coverage("T3.mcallester", often)
    assert found.informative == pytest.approx(0.25) and found.bound > 1
    assert CLAIMS["T3.mcallester"].check(often).verdict is Verdict.VACUOUS


def test_a_bound_that_fails_too_often_is_violated() -> None:
    """The stored coin fails with probability 0.0026 at delta = 1/5: so not for a thousandth of it."""
    claim = replace(CLAIMS["T3.mcallester"], statement=sp.Le(s.Probability(EVENTS["T3.mcallester"][0]), s.delta / 1000))
    check = claim.check()  # a literature claim that floats alone see violated: no verdict, and a reason to look
    assert check.is_doubtful
    assert replace(claim, standing=Standing.PRINTED).check().verdict is Verdict.VIOLATED


# -- the judge ------------------------------------------------------------------------------------------------------


def test_sides_that_rounding_hides_are_in_doubt() -> None:
    """R_hat = 1/2 against delta = 1/2, one of two equally likely outcomes of two coins."""
    one = learner(sp.Gt(s.R_hat, s.delta), RISK["mcallester"], 1, 2, 0.5)
    found = exact_coverage(HALF, one, 2)
    assert (found.failure, found.doubtful) == (pytest.approx(0.25), pytest.approx(0.5))
