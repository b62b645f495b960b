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

from bounds import CLAIMS, Evidence, Generalization, Instance, Verdict
from bounds import symbols as s
from bounds.claims.coverage import EVENTS, coverage
from bounds.pac_bayes.coverage import Atoms, exact_atoms, exact_coverage, list_sets, rollout_atoms, set_probability
from tamdp_theory import TAMDP, CapacityError, Policy, TabularSoftmax, families
from tamdp_theory.strategies import tabular_policies, tamdps
from tests.helpers import oracle
from tests.helpers.coverage import MANY, WRONG
from tests.helpers.training_sets import HALF, coin_kl, learner, outcomes, upper

IDS = ("T3.kl", "T3.mcallester", "T3.catoni", "T3.transfer")


SURE = 1e-10


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
