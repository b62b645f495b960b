"""Theorem 3 on rollouts: a bound from one half of the prompts held against the other half."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy import stats

import bounds
from bounds import Evaluation, Evidence, Instance, Observation, Verdict
from bounds.pac_bayes import formulas as pac_bayes
from tamdp_theory import InputError
from tamdp_theory.exact import Scheme
from tamdp_theory.sources import RolloutGroups
from tests.helpers.rollouts import broken, process

# -- held-out prompts ---------------------------------------------------------------------------------------------


def held_out(n: int, risk: float = 0.2, seed: int = 0, policies: int = 4) -> Evaluation:
    generator = np.random.default_rng(seed)
    return Evaluation((generator.random((policies, n)) < np.linspace(risk, 0.9, policies)[:, None]).astype(float))


@pytest.mark.parametrize("name", ["T3.kl", "T3.mcallester"])
def test_bound_from_half_against_the_other_half(name: str) -> None:
    evaluation = held_out(8000)
    check = bounds.CLAIMS[name].check(Observation(broken(), Scheme(4, "center"), evaluation=evaluation))
    assert check.verdict is Verdict.HOLDS and check.evidence is Evidence.STATISTICAL
    order = np.random.default_rng(0).permutation(8000)
    seen, unseen = evaluation.losses[0, order[::2]], evaluation.losses[0, order[1::2]]
    # uniform prior over four policies, a point posterior: KL = ln 4
    method: pac_bayes.Method = "kl" if name == "T3.kl" else "mcallester"
    assert check.rhs == pytest.approx(pac_bayes.risk_bound(seen.mean(), 4000, np.log(4), 0.05, method), rel=1e-12)
    assert check.lhs == pytest.approx(unseen.mean(), rel=1e-12)
    assert "policy 1 of 4" in check.note


def test_few_prompts_are_vacuous_or_undecided() -> None:
    few = Observation(broken(), Scheme(4, "center"), evaluation=held_out(6, 0.8))
    assert bounds.CLAIMS["T3.mcallester"].check(few).verdict is Verdict.VACUOUS
    middling = Observation(broken(), Scheme(4, "center"), evaluation=held_out(60))
    assert bounds.CLAIMS["T3.kl"].check(middling).verdict is Verdict.UNDECIDED


def test_training_on_the_held_out_prompts_is_seen() -> None:
    """Negative control: losses that vanish on the seen half alone, as if it had been learned by heart."""
    losses = np.ones((2, 400))
    losses[:, np.random.default_rng(0).permutation(400)[::2]] = 0.0
    check = bounds.CLAIMS["T3.kl"].check(Observation(broken(), Scheme(4, "center"), evaluation=Evaluation(losses)))
    assert check.verdict is Verdict.VIOLATED


@pytest.mark.parametrize("name", ["T3.kl", "T3.mcallester"])
def test_two_kinds_of_prompts_in_turn_are_no_violation(name: str) -> None:
    """A data set of easy and hard prompts in turn: one half of it must not be all easy."""
    losses = np.zeros((1, 400))
    losses[:, 1::2] = 0.8
    for seed in range(20):
        check = bounds.CLAIMS[name].check(
            Observation(broken_once(), Scheme(4, "center"), seed=seed, evaluation=Evaluation(losses))
        )
        assert check.verdict in (Verdict.HOLDS, Verdict.UNDECIDED)


def test_the_prior_is_paid_for() -> None:
    """The second policy is a little better on every prompt, the first was a hundred times likelier: it is chosen, and
    both its bounds say so.
    """
    losses, prior = np.vstack([np.full(200, 0.21), np.full(200, 0.2)]), np.array([100 / 101, 1 / 101])
    for name, method in (("T3.kl", "kl"), ("T3.mcallester", "mcallester")):
        check = bounds.CLAIMS[name].check(
            Observation(broken_once(), Scheme(4, "center"), evaluation=Evaluation(losses, prior=prior))
        )
        half, full = (float(pac_bayes.risk_bound(0.21, n, np.log(101 / 100), 0.05, method)) for n in (100, 200))  # type: ignore[arg-type]
        assert check.rhs == pytest.approx(half, rel=1e-12)
        assert check.note.count("policy 1") == 2 and f"risk at most {full:.4g}" in check.note


def test_no_prior_mass_no_choice() -> None:
    """A policy that the prior excludes is not chosen, not even where every bound says nothing."""
    prior = np.array([0.0, 0.5, 0.5])
    hopeless, good = np.ones((3, 400)), np.vstack([np.zeros(400), np.full((2, 400), 0.2)])
    for name, where in (("T3.kl", hopeless), ("T3.mcallester", hopeless), ("T3.kl", good)):
        check = bounds.CLAIMS[name].check(
            Observation(broken_once(), Scheme(4, "center"), evaluation=Evaluation(where, prior=prior))
        )
        assert (
            check.verdict is (Verdict.VACUOUS if where is hopeless else Verdict.HOLDS)
            and check.note.count("policy 2") == 2
        )


def test_how_often_the_bound_fails() -> None:
    """One policy, known risk 0.3: the bound from n = 40 prompts is below it at most as often as delta says."""
    failures = 0
    for seed in range(400):
        losses = (np.random.default_rng(seed).random((1, 80)) < 0.3).astype(float)
        rhs = (
            bounds.CLAIMS["T3.kl"]
            .check(Observation(broken_once(), Scheme(4, "center"), evaluation=Evaluation(losses, delta=0.2)))
            .rhs
        )
        assert rhs is not None
        failures += rhs < 0.3
    assert failures <= stats.binom.ppf(1 - 1e-6, 400, 0.2)


_GROUPS: list[RolloutGroups] = []


def broken_once() -> RolloutGroups:
    if not _GROUPS:
        _GROUPS.append(broken())
    return _GROUPS[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros(3),), "expected \\(policies, prompts\\)"),
        ((np.zeros((2, 1)),), "at least two prompts"),
        ((np.full((1, 3), 2.0),), "in \\[0, 1\\]"),
        ((np.full((1, 3), np.nan),), "in \\[0, 1\\]"),
        ((np.zeros((1, 3)), 1.0), "delta"),
        ((np.zeros((2, 3)), 0.1, np.array([0.5, 0.6])), "prior"),
    ],
)
def test_evaluations_refuse(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Evaluation(*arguments)


def test_decimals_decide_ties() -> None:
    """0.1 + 0.2 and 0.3 as composites: a tie in decimals, though not in floats, so the group is silent."""
    rewards = np.array([[[0.1, 0.2], [0.3, 0.0]]])
    groups = RolloutGroups(("a", "b"), (Fraction(1), Fraction(1)), np.zeros(1, dtype=int), rewards)
    table = Observation(groups, Scheme(2, "sum_then_normalize")).table(10)
    assert table.composite.squares.tolist() == [0] and all(column.squares[0] > 0 for column in table.components)


def test_instance_still_checks_the_process() -> None:
    env, policy = process()
    assert bounds.CLAIMS["L9"].check(Instance(env, policy, Scheme(4, "center"))).evidence is Evidence.EXACT
