"""What groups do not decide: without scores, silent, few, in low precision; each a verdict that is no pass."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

import bounds
from bounds import Observation, Verdict
from bounds.rollouts.statistics import Statistics
from tamdp_theory import InputError, TabularSoftmax, families
from tamdp_theory.exact import Scheme
from tamdp_theory.sources import ExactSource, RolloutGroups, SampledSource
from tests.helpers.rollouts import NORMALIZATIONS, OBSERVABLE, broken, process, truth


def test_without_scores() -> None:
    groups = broken(scores=None)
    for name in ("L9", "T2.gradient", "T1.drift"):
        check = bounds.CLAIMS[name].check(groups, group_size=2, normalization="center")
        assert (
            check.verdict is Verdict.ASSUMPTION_UNMET
            and check.assumptions["scores"] is False
            and "rewards alone" in check.note
        )
    assert bounds.CLAIMS["T2.identity"].check(groups, group_size=2).verdict is Verdict.HOLDS


def test_silent_groups_are_no_pass() -> None:
    """Every group silent: no claim holds on nothing."""
    groups = broken()
    assert groups.scores is not None
    silent = replace(groups, rewards=np.ones_like(groups.rewards))
    for name in OBSERVABLE:
        for normalization in NORMALIZATIONS:
            check = bounds.CLAIMS[name].check(silent, group_size=2, normalization=normalization)
            # V = 0 against a positive bound, and equalities of zeros, are true and say nothing
            assert check.verdict is Verdict.ASSUMPTION_UNMET, name


@pytest.mark.parametrize("value", [0.0, 0.1])
@pytest.mark.parametrize("listed", [True, False])
def test_scores_that_do_not_vary_are_no_pass(listed: bool, value: float) -> None:
    """0 <= 0, and variances of one and the same number."""
    env, policy = process()
    groups = ExactSource(env, policy).rollouts(2) if listed else broken()
    assert groups.scores is not None
    same = replace(groups, scores=np.full_like(groups.scores, value), score_bound=None)
    for name in ("L9", "T2.gradient", "T2.gradient.energy"):
        check = bounds.CLAIMS[name].check(same, group_size=2, normalization="center")
        assert check.verdict is Verdict.ASSUMPTION_UNMET and not check.assumptions["scores vary"], name


def test_rounding_is_no_gap() -> None:
    """One component and weights whose floats differ: joint and decomposed advantages are equal, and their rounding is
    no gap to be bounded.
    """
    rewards = np.random.default_rng(0).choice([0.1, 0.3, 0.7], size=(64, 4, 1))
    scores = broken().scores
    assert scores is not None
    for weights in ((1, 2, 7), (3, 3, 4)):
        exact_weights, equal = tuple(Fraction(w, 10) for w in weights), np.repeat(rewards, 3, axis=2)
        same = RolloutGroups(
            ("a", "b", "c"),
            exact_weights,
            np.zeros(64, dtype=int),
            rewards=equal,
            log_probability=None,
            scores=scores[:64],
        )
        assert Statistics(same, Scheme(4, "center")).gap.value > 0  # rounding
        for name in ("T2.gradient", "T2.gradient.energy"):
            check = bounds.CLAIMS[name].check(same, group_size=4, normalization="center")
            assert check.verdict is Verdict.ASSUMPTION_UNMET and not check.assumptions["gap"]
    # nor is that of components which cancel, where the composite is silent
    opposite = np.concatenate([rewards, np.round(1 - rewards, 1)], axis=2)  # 1 - 0.7 as 0.3, not 0.30000000000000004
    cancelling = RolloutGroups(
        ("a", "b"),
        (Fraction(1, 2), Fraction(1, 2)),
        np.zeros(64, dtype=int),
        rewards=opposite,
        log_probability=None,
        scores=scores[:64],
    )
    assert not Statistics(cancelling, Scheme(4, "center", 0.0, 1)).differs
    # the smallest gap that the other packages' eps makes is one
    small = RolloutGroups(
        ("a",), (Fraction(1, 2),), np.zeros(64, dtype=int), rewards=rewards, log_probability=None, scores=scores[:64]
    )
    assert (
        bounds.CLAIMS["T2.gradient.energy"]
        .check(small, group_size=4, normalization="center", eps=1e-6, ddof=1)
        .assumptions["gap"]
    )


def test_a_tight_bound_is_not_violated_by_chance() -> None:
    """Two arms, 16 groups of four: the bound is 0.3 % above the distance, and in 12 % of the draws no group is silent,
    though one in eight is.
    """
    env = families.bandit([(1, 0), (0, 0)], weights=("1/2", "1/2"))
    policy = TabularSoftmax(env)
    listed = bounds.CLAIMS["T2.gradient.energy"].check(ExactSource(env, policy), group_size=4)
    assert (
        listed.verdict is Verdict.HOLDS
        and listed.lhs is not None
        and listed.rhs is not None
        and listed.lhs > 0.995 * listed.rhs
    )
    found = [
        bounds.CLAIMS["T2.gradient.energy"].check(
            SampledSource(env, policy).rollouts(4, 16, np.random.default_rng(seed)), group_size=4, seed=seed
        )
        for seed in range(120)
    ]
    # one in a hundred at level 0.99; at most 5 of 120 but once in a thousand
    assert sum(check.verdict is Verdict.VIOLATED for check in found) <= stats.binom.ppf(1 - 1e-3, 120, 0.01)


def test_one_group_can_be_written_down() -> None:
    check = bounds.CLAIMS["T2.gradient"].check(broken().select(np.arange(1)), group_size=4, normalization="center")
    assert check.verdict is Verdict.UNDECIDED and check.to_dict()["lhs"] is None


def test_half_precision_scores() -> None:
    """As a model may give them: the estimates are those of the same numbers in double precision."""
    groups = broken()
    assert groups.scores is not None
    half = groups.scores.astype(np.float16)
    for name in ("leading_energy", "score_energy", "update"):
        rough, fine = (
            getattr(Statistics(replace(groups, scores=one, score_bound=None), Scheme(4, "center")), name)
            for one in (half, half.astype(np.float64))
        )
        assert rough == fine


def test_few_groups_decide_nothing() -> None:
    known = broken().select(np.arange(8))
    for few in (known, replace(known, score_bound=None)):
        for name, normalization in (("T2.gradient", "center"), ("T2.gradient.energy", "center")):
            check = bounds.CLAIMS[name].check(few, group_size=4, normalization=normalization)
            assert check.verdict is Verdict.UNDECIDED
            if few.score_bound is None:
                assert check.error == np.inf and check.to_dict()["error"] is None
        assert bounds.CLAIMS["T1.drift"].check(few, group_size=4).verdict is Verdict.UNDECIDED


def test_a_variance_needs_two_groups_of_a_prompt() -> None:
    check = bounds.CLAIMS["L9"].check(broken(), group_size=4, normalization="center")
    assert check.verdict is Verdict.ASSUMPTION_UNMET and not check.assumptions["two groups"]
    with pytest.raises(InputError, match="draw groups of 8"):
        _ = Statistics(broken(), Scheme(4, "center")).variance
    with pytest.raises(InputError, match="which cannot show groups of 8"):
        Observation(broken(), Scheme(8, "center"))


def test_smoothness_is_said_to_be_missing() -> None:
    env, policy = process()
    steps = tuple(SampledSource(env, policy).rollouts(4, 16, np.random.default_rng(t)) for t in range(40))
    observation = Observation(steps[-1], Scheme(4, "sum_then_normalize"), training=steps)
    expected = truth(env, policy, observation.scheme)["update"]
    for name in ("T1.stationary", "T1.exact", "T1.biased"):
        check = bounds.CLAIMS[name].check(observation)
        assert (
            check.verdict is Verdict.ASSUMPTION_UNMET
            and check.assumptions["smoothness"] is False
            and "no smoothness constant" in check.note
        )
        assert "over 40 recorded steps" in check.note
    from bounds.rollouts.measures import mean_squared_update

    found, steps_used = mean_squared_update(observation)
    assert steps_used == 40 and found.low <= expected <= found.high
    # a step of one group says nothing about the square of an expectation
    assert mean_squared_update(replace(observation, training=(*steps, steps[0].select(np.arange(1))))) == (found, 40)


def test_what_rollouts_do_not_show() -> None:
    env, policy = process()
    check = bounds.CLAIMS["L3"].check(SampledSource(env, policy))
    assert check.verdict is Verdict.ASSUMPTION_UNMET and "check it on a process" in check.note
