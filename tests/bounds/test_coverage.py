"""Coverage of the PAC-Bayes bounds: against every ordered training set one by one, the binomial law, and bounds that
must fail.
"""

import itertools
import math
import tracemalloc
from collections import Counter
from dataclasses import replace
from fractions import Fraction as F
from typing import Any

import numpy as np
import pytest
import sympy as sp
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from bounds import CLAIMS, Evidence, Generalization, Instance, Standing, Verdict
from bounds import symbols as s
from bounds.claims.coverage import EVENTS, coverage
from bounds.pac_bayes.coverage import (
    Atoms,
    Coverage,
    Learner,
    draw_posterior,
    draw_prompts,
    draw_rollouts,
    exact_atoms,
    exact_coverage,
    list_sets,
    losses,
    outcome_laws,
    resampled_coverage,
    rollout_atoms,
    set_probability,
)
from bounds.pac_bayes.formulas import RISK
from tamdp_theory import TAMDP, CapacityError, InputError, Policy, TabularSoftmax, families
from tamdp_theory.domains import prompt_values
from tamdp_theory.strategies import tabular_policies, tamdps
from tests.helpers import oracle
from tests.helpers.coverage import MANY, TASK, TRIO, WRONG

IDS = ("T3.kl", "T3.mcallester", "T3.catoni", "T3.transfer")
SURE = 1e-10


# -- one training set after another ---------------------------------------------------------------------------------


def coin_kl(p: float, q: float) -> float:
    return sum(a * math.log(a / b) if b > 0 else math.inf for a, b in ((p, q), (1 - p, 1 - q)) if a > 1e-14)


def inverse(p: float, c: float) -> float:
    low, high = p, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if coin_kl(p, middle) <= c else (low, middle)
    return high


def upper(method: str, empirical: float, n: int, kl: float, delta: float) -> float:
    complexity = (kl + math.log(2 * math.sqrt(n) / delta)) / n
    if method == "mcallester":
        return empirical + math.sqrt(complexity / 2)
    if method == "catoni":
        return (1 - math.exp(-empirical - (kl + math.log(1 / delta)) / n)) / (1 - math.exp(-1))
    return inverse(empirical, complexity)


def outcomes(env: TAMDP, policies: tuple[Policy, ...]) -> list[list[list[tuple[float, float]]]]:
    """[policy][prompt]: (probability, loss) of one rollout, by listing trajectories."""
    content = env.to_dict()
    total, result = sum(env.exact_weights), []
    for policy in policies:
        table: list[list[tuple[float, float]]] = [[] for _ in range(env.n_prompts)]
        for path in oracle.paths(content, policy.probabilities()):
            table[path.prompt].append((path.probability, float(1 - oracle.composite(content, path.rewards) / total)))
        result.append(table)
    return result


def examples(env: TAMDP, policies: tuple[Policy, ...], rollouts: bool) -> list[tuple[float, tuple[float, ...]]]:
    """(probability, loss of each policy) of one training example."""
    tables, rho = outcomes(env, policies), oracle.prompt_weights(env.to_dict())
    if not rollouts:
        return [(share, tuple(sum(p * x for p, x in table[q]) for table in tables)) for q, share in enumerate(rho)]
    found: Counter[tuple[float, ...]] = Counter()
    for q, share in enumerate(rho):
        for joint in itertools.product(*(table[q] for table in tables)):
            found[tuple(round(x, 12) for _, x in joint)] += share * math.prod(p for p, _ in joint)
    return [(p, values) for values, p in found.items()]


def by_brute_force(claim_id: str, env: TAMDP, setting: Generalization) -> dict[str, float]:
    """Sum over ordered training sets; Gibbs, divergence and bound with plain numbers."""
    tables = outcomes(env, setting.policies)
    prior, n, delta = setting.prior_probability.tolist(), setting.n, setting.delta
    content, rho = env.to_dict(), oracle.prompt_weights(env.to_dict())
    values = [[[0.0] * env.n_components for _ in rho] for _ in prior]
    for j, policy in enumerate(setting.policies):
        for path in oracle.paths(content, policy.probabilities()):
            for k, r in enumerate(path.rewards):
                values[j][path.prompt][k] += path.probability * float(r)
    mean = [[sum(p * x for p, x in own) for own in table] for table in tables]
    truth = [math.fsum(share * x for share, x in zip(rho, own, strict=True)) for own in mean]
    target = [math.fsum(float(share) * x for share, x in zip(setting.target, own, strict=True)) for own in mean]
    distance = math.fsum(abs(float(t) - share) for t, share in zip(setting.target, rho, strict=True)) / 2
    weights = [float(w / sum(env.exact_weights)) for w in env.exact_weights]
    totals: Counter[str] = Counter()
    for drawn in itertools.product(examples(env, setting.policies, setting.rollouts), repeat=n):
        chance = math.prod(p for p, _ in drawn)
        empirical = [sum(loss[j] for _, loss in drawn) / n for j in range(len(prior))]
        mass = [p * math.exp(-setting.inverse_temperature * r) for p, r in zip(prior, empirical, strict=True)]
        posterior = [m / sum(mass) for m in mass]
        kl = sum(q * math.log(q / p) for q, p in zip(posterior, prior, strict=True) if q > 0)
        learned, risk = (sum(q * x for q, x in zip(posterior, own, strict=True)) for own in (empirical, truth))
        bound = upper(claim_id[3:], learned, n, kl, delta)
        left, right = risk, bound
        if claim_id == "T3.transfer":
            spread = [
                [sum(q * values[j][x][k] for j, q in enumerate(posterior)) for x in range(len(rho))]
                for k in range(len(weights))
            ]
            bound = right = (
                bound + sum(w * (max(own) - min(own)) for w, own in zip(weights, spread, strict=True)) * distance
            )
            left = sum(q * x for q, x in zip(posterior, target, strict=True))
        if claim_id == "T3.kl":
            left, right = coin_kl(learned, risk), (kl + math.log(2 * math.sqrt(n) / delta)) / n
        told = {
            "failure": left > right + SURE * max(1.0, right),
            "informative": bound < 1,
            "bound": bound,
            "empirical": learned,
            "risk": risk,
            "kl": kl,
        }
        told |= {"tie": abs(left - right) < 1e-8, "at one": abs(bound - 1) < 1e-8}
        totals.update({name: chance * value for name, value in told.items()})
    return totals


@st.composite
def drawn_settings(draw: st.DrawFn, rollouts: bool) -> tuple[TAMDP, Generalization]:
    env = draw(
        tamdps(
            max_prompts=2 if rollouts else 3, max_nodes=2, max_components=2, shape="two_valued" if rollouts else None
        )
    )
    policies = tuple(draw(tabular_policies(env)) for _ in range(draw(st.integers(1, 2 if rollouts else 3))))
    parts = draw(st.lists(st.sampled_from([0, 1, 3]), min_size=env.n_prompts, max_size=env.n_prompts).filter(any))
    prior = draw(st.sampled_from([None, "unequal"]))
    shares = (
        None if prior is None else tuple((1.0 + j) / sum(range(1, len(policies) + 1)) for j in range(len(policies)))
    )
    kinds = len(examples(env, policies, rollouts))
    assume(kinds <= 400)
    n = min(draw(st.sampled_from([4, 1, 2, 3])), max(1, int(math.log(400) / math.log(max(kinds, 2)))))
    delta, beta = draw(st.sampled_from([0.05, 0.5, 0.9])), draw(st.sampled_from([0.0, 2.0, 30.0]))
    return env, Generalization(
        tuple(F(p, sum(parts)) for p in parts),
        policies,
        n,
        delta=delta,
        prior=shares,
        inverse_temperature=beta,
        rollouts=rollouts,
    )


@pytest.mark.parametrize("rollouts", [False, True])
@pytest.mark.parametrize("claim_id", IDS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(data=st.data())
def test_exact_coverage_one_set_after_another(claim_id: str, rollouts: bool, data: st.DataObject) -> None:
    env, setting = data.draw(drawn_settings(rollouts))
    expected = by_brute_force(claim_id, env, setting)
    found = coverage(claim_id, Instance(env, setting.policies[0], generalization=setting), every=False)
    assert found.is_exact and found.low == found.high == found.failure
    ties = {"failure": expected.pop("tie"), "informative": expected.pop("at one")}
    assert found.doubtful <= ties["failure"] + 1e-12
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-8, abs=1e-10 + ties.get(name, 0.0)), name


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(st.data(), tamdps(max_prompts=2, max_nodes=2, max_components=2))
def test_rollouts_of_policies_are_independent_given_the_prompt(data: st.DataObject, env: TAMDP) -> None:
    policies = tuple(data.draw(tabular_policies(env)) for _ in range(data.draw(st.integers(1, 3))))
    expected = (
        examples(env, policies, True)
        if len(oracle.paths(env.to_dict(), policies[0].probabilities())) ** len(policies) < 3000
        else None
    )
    assume(expected is not None)
    found, law = rollout_atoms(env, policies), {values: p for p, values in expected or []}
    joint: Counter[tuple[float, ...]] = Counter()
    for p, values in zip(found.probability, found.loss.T, strict=True):
        joint[tuple(round(float(x), 12) for x in values)] += p
    assert {k for k, p in joint.items() if p > 1e-15} == {k for k, p in law.items() if p > 1e-15}
    for values, p in law.items():
        assert joint[values] == pytest.approx(p, rel=1e-10, abs=1e-15)
    np.testing.assert_allclose(found.risk, exact_atoms(env, policies).risk, atol=1e-13)
    np.testing.assert_allclose(found.loss @ found.probability, found.risk, atol=1e-13)


# -- the law of a training set --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", [1, 2, 3, 4])
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_sets_and_their_law_by_enumeration(kinds: int, n: int) -> None:
    for weights in ([1] * kinds, list(range(kinds)) if kinds > 1 else [1], [1000**k for k in range(kinds)]):
        law = [F(w, sum(weights)) for w in weights]
        expected: Counter[tuple[int, ...]] = Counter()
        for drawn in itertools.product(range(kinds), repeat=n):
            expected[tuple(drawn.count(z) for z in range(kinds))] += math.prod((law[z] for z in drawn), start=F(1))
        counts = list_sets(kinds, n)
        assert sorted(map(tuple, counts.tolist())) == sorted(expected)
        chance = set_probability(counts, np.array([float(p) for p in law]))
        np.testing.assert_allclose(chance, [float(expected[tuple(c)]) for c in counts.tolist()], rtol=1e-13, atol=0)


def test_many_examples_of_two_kinds() -> None:
    chance = set_probability(list_sets(2, 100_000), np.array([0.3, 0.7]))
    assert chance.sum() == pytest.approx(1, abs=1e-8)
    np.testing.assert_allclose(
        chance[29_000:31_000], stats.binom.pmf(np.arange(29_000, 31_000), 100_000, 0.3), rtol=1e-7
    )


@pytest.mark.parametrize(
    ("kinds", "n"),
    [(50, 10**9), (10**9, 50), (64, 1000), (10**6, 10**6), (2, 10**9), (3, 2000), (10**12, 10**12), (2, 2_000_000)],
)
def test_too_many_sets_are_refused_before_memory_is_used(kinds: int, n: int) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(CapacityError, match="too many to sum over; resample"):
            list_sets(kinds, n)
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


def test_the_message_says_how_many() -> None:
    with pytest.raises(CapacityError, match=r"^2,003,001 training sets of 2000 examples of 3 kinds"):
        list_sets(3, 2000)
    with pytest.raises(CapacityError, match=r"^more than 10\^15 training sets of 1000000000 examples of 50 kinds"):
        list_sets(50, 10**9)


def test_too_many_joint_rollouts() -> None:
    env = families.bandit([["0"], ["1"]])
    assert len(rollout_atoms(env, (TabularSoftmax(env),) * 12).probability) == 4096
    with pytest.raises(CapacityError, match="joint outcomes of 13 rollouts exceed 4096"):
        rollout_atoms(env, (TabularSoftmax(env),) * 13)


def test_entries_of_equal_losses_are_one() -> None:
    atoms = Atoms(
        np.array([0.1, 0.2, 0.3, 0.4]), np.array([[0.5, 1.0, 0.5, 0.5], [0.0, 0.0, 0.0, 1.0]]), np.array([0.6, 0.4])
    ).merged()
    assert {tuple(loss): round(p, 12) for loss, p in zip(atoms.loss.T.tolist(), atoms.probability, strict=True)} == {
        (0.5, 0): 0.4,
        (1, 0): 0.2,
        (0.5, 1): 0.4,
    }


# -- the stored coin ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("claim_id", IDS[:3])
@pytest.mark.parametrize(("n", "delta"), [(20, 0.2), (20, 0.9), (200, 0.5), (7, 0.9)])
def test_a_coin_against_the_binomial_law(claim_id: str, n: int, delta: float) -> None:
    instance = CLAIMS[claim_id].example()  # type: ignore[misc]
    setting = replace(instance.generalization, n=n, delta=delta)
    found = coverage(claim_id, replace(instance, generalization=setting))
    wrong = np.arange(n + 1)
    bound = np.array([upper(claim_id[3:], k / n, n, 0.0, delta) for k in wrong])
    fails = (
        np.array([coin_kl(k / n, 0.5) > math.log(2 * math.sqrt(n) / delta) / n for k in wrong])
        if claim_id == "T3.kl"
        else bound < 0.5
    )
    law = stats.binom.pmf(wrong, n, 0.5)
    assert found.sets == n + 1 and found.kl == 0 and found.risk == pytest.approx(0.5, rel=1e-12)
    assert found.failure == pytest.approx(law @ fails, rel=1e-10, abs=1e-13)
    assert found.informative == pytest.approx(law @ (bound < 1), rel=1e-10)
    assert found.bound == pytest.approx(law @ bound, rel=1e-10)
    assert found.empirical == pytest.approx(0.5, rel=1e-10)
    assert found.failure <= delta


@pytest.mark.parametrize("claim_id", IDS[:3])
def test_the_stored_example_holds_exactly(claim_id: str) -> None:
    check = CLAIMS[claim_id].check()
    assert (check.verdict, check.evidence) == (Verdict.HOLDS, Evidence.EXACT)
    assert check.rhs == 0.2 and check.lhs is not None and check.lhs > 0
    assert check.note.startswith("every one of 21 training sets, n = 20: ")


# -- bounds that must fail ------------------------------------------------------------------------------------------

HALF = Atoms(np.array([0.5, 0.5]), np.array([[0.0, 1.0]]), np.array([0.5]))


def learner(event: sp.Rel, bound: sp.Expr, count: int, n: int, delta: float, beta: float = 0.0) -> Learner:
    return Learner(np.full(count, 1 / count), beta, event, bound, {s.n: float(n), s.delta: delta, s.C_catoni: 1.0})


def forgetting(claim_id: str, what: dict[Any, Any]) -> tuple[sp.Rel, sp.Expr]:
    event, bound = EVENTS[claim_id]
    return type(event)(event.lhs, event.rhs.xreplace(what)), bound.xreplace(what)


@pytest.mark.parametrize("claim_id", IDS[:3])
def test_without_the_logarithm_a_bound_fails(claim_id: str) -> None:
    n, delta = 20, 0.05
    logarithm = sp.log(1 / s.delta) if claim_id == "T3.catoni" else sp.log(2 * sp.sqrt(s.n) / s.delta)
    event, bound = forgetting(claim_id, {logarithm: sp.S.Zero})
    assert not event.has(s.delta), "the term is gone"
    assert exact_coverage(HALF, learner(event, bound, 1, n, delta), n).failure > 2 * delta
    assert exact_coverage(HALF, learner(*EVENTS[claim_id], 1, n, delta), n).failure <= delta


@pytest.mark.parametrize(("claim_id", "delta"), [("T3.kl", 0.3), ("T3.mcallester", 0.6), ("T3.catoni", 0.3)])
def test_without_the_divergence_a_bound_fails(claim_id: str, delta: float) -> None:
    """A posterior that follows the data, or a prior that does: the divergence is what pays for it."""
    n, beta = 4, 200.0
    event, bound = forgetting(claim_id, {s.kl_posterior: sp.S.Zero})
    honest = exact_coverage(MANY, learner(*EVENTS[claim_id], len(WRONG), n, delta, beta), n)
    cheating = exact_coverage(MANY, learner(event, bound, len(WRONG), n=n, delta=delta, beta=beta), n)
    after = exact_coverage(
        MANY,
        learner(*EVENTS[claim_id], len(WRONG), n, delta, beta),
        n,
        lambda posterior, _: {s.kl_posterior: np.zeros(len(posterior))},
    )
    assert honest.failure <= delta < cheating.failure == after.failure
    assert cheating.empirical < 1e-9 and cheating.risk == pytest.approx(0.5), "it learns by heart"


# -- drawn training sets --------------------------------------------------------------------------------------------


def setting(**changes: Any) -> Generalization:
    return Generalization(
        (F(1, 4), F(1, 2), F(1, 4)), TRIO, **{"n": 5, "delta": 0.9, "inverse_temperature": 5.0, **changes}
    )


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
