"""Change of domain and tool depth: numbers by listing trajectories (tests/helpers/oracle.py), equalities, and the
printed bound.
"""

import itertools
import math
from fractions import Fraction as F
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bounds import CLAIMS, Generalization, Instance, Verdict
from bounds import symbols as s
from bounds.claims.domains import value_ranges
from bounds.decision import decide
from bounds.exact_instance import exactly
from tamdp_theory import TAMDP, Policy, TabularSoftmax, exact, families
from tamdp_theory.exact import balls
from tamdp_theory.strategies import policies, tabular_policies, tamdps
from tests.helpers import oracle
from tests.helpers.domain_shifts import TWO, close

SHIFTS = ("T3.shift", "T3.shift.loss", "T3.shift.pinsker", "T3.shift.chi")


def laws(size: int) -> st.SearchStrategy[tuple[F, ...]]:
    parts = st.lists(st.sampled_from([0, 1, 2, 7, 500]), min_size=size, max_size=size).filter(any)
    return parts.map(lambda drawn: tuple(F(p, sum(drawn)) for p in drawn))


def setting(policy: Policy, target: Any, **changes: Any) -> Instance:
    return Instance(policy.env, policy, generalization=Generalization(tuple(target), (policy,), **changes))


# -- another domain -------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), tamdps(max_prompts=4, max_nodes=2))
def test_shift_by_brute_force(data: st.DataObject, env: TAMDP) -> None:
    policy, target = data.draw(policies(env)), data.draw(laws(env.n_prompts))
    content, rho = env.to_dict(), env.exact_prompt_probability
    total, prompts = sum(env.exact_weights), range(env.n_prompts)
    members, shares = [policy], (F(1),)
    if data.draw(st.booleans()):
        shares = data.draw(laws(data.draw(st.integers(1, 3))))
        members = [data.draw(policies(env)) for _ in shares]
    paths = [
        (float(share), path)
        for share, one in zip(shares, members, strict=True)
        for path in oracle.paths(content, one.probabilities())
    ]
    values = [
        [math.fsum(w * p.probability * float(p.rewards[k]) for w, p in paths if p.prompt == q) for q in prompts]
        for k in range(env.n_components)
    ]
    loss = [
        1
        - math.fsum(
            w * p.probability * float(oracle.composite(content, p.rewards) / total) for w, p in paths if p.prompt == q
        )
        for q in prompts
    ]
    risk, there = (math.fsum(float(p) * x for p, x in zip(law, loss, strict=True)) for law in (rho, target))
    distance = max(
        abs(sum(target[q] - rho[q] for q in event))
        for size in range(env.n_prompts + 1)
        for event in itertools.combinations(prompts, size)
    )
    variance = math.fsum(float(p) * (x - risk) ** 2 for p, x in zip(rho, loss, strict=True))
    expected = {
        s.R_S: risk,
        s.R_T: there,
        s.w: [float(w) for w in env.exact_weights],
        s.W: float(total),
        s.K: env.n_components,
        s.osc_value: [max(own) - min(own) for own in values],
        s.osc_loss: max(loss) - min(loss),
        s.tv_domains: float(distance),
        s.var_S: variance,
        s.kl_domains: sum(float(t) * math.log(t / p) for p, t in zip(rho, target, strict=True) if t),
        s.chi2_domains: float(sum(t * t / p for p, t in zip(rho, target, strict=True)) - 1),
        s.n: 11,
    }
    by_components = risk + sum(
        float(w / total) * (max(own) - min(own)) for w, own in zip(env.exact_weights, values, strict=True)
    ) * float(distance)
    right = {
        "T3.shift": by_components,
        "T3.shift.loss": risk + (max(loss) - min(loss)) * float(distance),
        "T3.shift.pinsker": risk + math.sqrt(max(expected[s.kl_domains], 0) / 2),
        "T3.shift.chi": risk + math.sqrt(variance * expected[s.chi2_domains]),
        "T3.printed": risk + math.sqrt(max(expected[s.kl_domains], 0) / 2) / math.sqrt(11),
    }
    instance = setting(policy, target, n=11)
    if members != [policy]:
        instance = Instance(env, policy, generalization=Generalization(target, tuple(members), n=11, posterior=shares))
    for claim_id, side in right.items():
        measured = CLAIMS[claim_id].measure(instance)
        for symbol, value in expected.items():
            close(measured.numbers[symbol], value)
        # a square root of what is nearly zero keeps half the digits
        np.testing.assert_allclose(CLAIMS[claim_id].sides(measured.numbers), (there, side), rtol=1e-9, atol=1e-7)
    for claim_id in SHIFTS:
        check = CLAIMS[claim_id].check(instance)
        assert check.verdict in (Verdict.HOLDS, Verdict.VACUOUS) or (
            check.verdict is Verdict.UNDECIDED and abs(check.slack or 0.0) <= check.error
        ), claim_id
    assert right["T3.shift.loss"] <= right["T3.shift"] + 1e-12


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), tamdps(max_prompts=2, max_components=1))
def test_two_prompts_are_equalities(data: st.DataObject, env: TAMDP) -> None:
    """Any two laws of two prompts differ by one movement of mass; where it goes the way of the loss,
    nothing is lost.
    """
    policy, target = data.draw(tabular_policies(env)), data.draw(laws(env.n_prompts))
    instance = setting(policy, target)
    numbers = CLAIMS["T3.shift"].measure(instance).numbers
    for claim_id in ("T3.shift", "T3.shift.loss", "T3.shift.chi"):
        check = CLAIMS[claim_id].check(instance)
        if numbers[s.R_T] >= numbers[s.R_S] + 1e-6 or env.n_prompts == 1:
            assert check.lhs == pytest.approx(check.rhs, rel=1e-9)
            # nothing is said of a target that is the source, as it is with one prompt
            says_nothing = (
                check.rhs >= 1 - 1e-12
                or target == env.exact_prompt_probability
                or len(set(env.exact_class_composite)) == 1
            )
            assert check.verdict is (Verdict.VACUOUS if says_nothing else Verdict.HOLDS), claim_id


@pytest.mark.parametrize("moved", [F(1, 2), F(1, 10**6), F(1, 7), F(499, 1000)])
@pytest.mark.parametrize("claim_id", ["T3.shift", "T3.shift.loss", "T3.shift.chi"])
def test_two_questions(claim_id: str, moved: F) -> None:
    policy = TabularSoftmax(TWO)
    there, back = (
        CLAIMS[claim_id].check(setting(policy, law))
        for law in ((F(1, 2) + moved, F(1, 2) - moved), (F(1, 2) - moved, F(1, 2) + moved))
    )
    wanted = (
        Verdict.VACUOUS if moved == F(1, 2) else Verdict.HOLDS
    )  # at most one is no bound, not even where it is attained
    assert (there.verdict, there.lhs) == (wanted, pytest.approx(float(F(1, 2) + moved), rel=1e-12))
    assert there.rhs == back.rhs == pytest.approx(there.lhs, rel=1e-12)
    assert back.verdict is wanted
    assert back.lhs == pytest.approx(float(F(1, 2) - moved), abs=1e-12)


def test_a_component_that_is_equal_everywhere_transfers_free() -> None:
    env = families.contextual_bandit([[(1, 0)], [(1, 1)]], weights=("1/2", "1/2"))
    check = CLAIMS["T3.shift"].check(setting(TabularSoftmax(env), (F(3, 4), F(1, 4))))
    assert (check.lhs, check.rhs) == (pytest.approx(3 / 8), pytest.approx(1 / 4 + 1 / 2 * 1 / 4))
    same = CLAIMS["T3.shift"].measure(setting(TabularSoftmax(env), (F(1, 2), F(1, 2))))
    assert same.numbers[s.tv_domains] == 0 and same.attained


def test_no_equality_where_mass_moves_the_other_way() -> None:
    """Three prompts, and mass that leaves a prompt in the middle: the bounds are strict."""
    env = families.contextual_bandit([[["0"]], [["1/2"]], [["1"]]])
    for target in ((F(2, 3), F(0), F(1, 3)), (F(0), F(1, 3), F(2, 3))):
        instance = setting(TabularSoftmax(env), target)
        for claim_id in SHIFTS:
            measured, check = CLAIMS[claim_id].measure(instance), CLAIMS[claim_id].check(instance)
            assert not np.any(measured.attained) and check.slack > 1e-3 and check.verdict is Verdict.HOLDS, claim_id  # type: ignore[operator]
    up = setting(TabularSoftmax(env), (F(2, 3), F(1, 3), F(0)))
    assert CLAIMS["T3.shift.loss"].measure(up).attained and CLAIMS["T3.shift.chi"].measure(up).attained
    assert (
        not CLAIMS["T3.shift.chi"]
        .measure(setting(TabularSoftmax(env), (F(1, 2), F(1, 3) + F(1, 12), F(1, 12))))
        .attained
    )


def test_a_posterior_is_not_a_policy() -> None:
    """Two policies, each right on one question: alone they differ between the domains, in equal shares they do not."""
    env = families.contextual_bandit([[["0"], ["1"]]] * 2)
    pair = tuple(TabularSoftmax(env, np.array([[0.0, 40.0], [40.0, 0.0]][::step])) for step in (1, -1))
    target = (F(1), F(0))
    rows = []
    for shares in ((F(1, 2), F(1, 2)), (F(1), F(0)), (F(0), F(1)), (F(1, 4), F(3, 4))):
        check = CLAIMS["T3.shift"].check(
            Instance(env, pair[0], generalization=Generalization(target, pair, posterior=shares))
        )
        rows.append((check.lhs, check.rhs))
    # R_S = 1/2 throughout; R_T = 0, 1 of the two; osc = |Q_1 - Q_2|, TV = 1/2
    assert rows == [(pytest.approx(t), pytest.approx(b)) for t, b in ((0.5, 0.5), (0.0, 1.0), (1.0, 1.0), (0.75, 0.75))]


# values of one component on three prompts, and how the mass moves: equality exactly where it leaves the largest values
# for the least
@pytest.mark.parametrize(
    ("values", "target", "is_equal"),
    [
        (("0", "1/2", "1"), (F(2, 3), F(1, 3), F(0)), True),
        (("0", "1/2", "1"), (F(1, 3), F(2, 3), F(0)), False),
        (("0", "0", "1"), (F(1, 2), F(1, 2), F(0)), True),
        (("0", "1/1000000000000", "1"), (F(1, 2), F(1, 2), F(0)), False),
        (("1/3", "1/3", "1/3"), (F(1), F(0), F(0)), True),
        (("1/3", "3333333333333333/10000000000000000", "1/3"), (F(1), F(0), F(0)), False),
        (("0", "1/2", "1"), (F(1, 3), F(1, 3), F(1, 3)), True),
    ],
)
def test_equality_is_decided_on_rationals(values: tuple[str, ...], target: tuple[F, ...], is_equal: bool) -> None:
    """Differences of 1e-12 and 4e-17 are none to floats that compare with a tolerance."""
    env = families.contextual_bandit([[[v]] for v in values])
    for claim_id in ("T3.shift", "T3.shift.loss"):
        assert CLAIMS[claim_id].measure(setting(TabularSoftmax(env), target)).attained is is_equal, claim_id


@pytest.mark.parametrize(
    ("values", "target", "is_equal"),
    [  # loss (1, 1/2, 0) - 1/2 against t/p - 1
        (("0", "1/2", "1"), (F(1, 2), F(1, 3), F(1, 6)), True),
        (("0", "1/2", "1"), (F(1, 6), F(1, 3), F(1, 2)), False),
        (("0", "1/2", "1"), (F(1, 2), F(1, 3) + F(1, 10**13), F(1, 6) - F(1, 10**13)), False),
        (("1/7", "1/7", "1/7"), (F(1), F(0), F(0)), True),
    ],
)
def test_equality_of_cauchy_and_schwarz_is_decided_on_rationals(
    values: tuple[str, ...], target: tuple[F, ...], is_equal: bool
) -> None:
    env = families.contextual_bandit([[[v]] for v in values])
    assert CLAIMS["T3.shift.chi"].measure(setting(TabularSoftmax(env), target)).attained is is_equal


def test_a_tie_of_a_policy_in_floats_is_no_equality() -> None:
    """The same policy on two equal prompts: values that depend on it are enclosed by floats, which do not show that
    they agree.
    """
    env = families.contextual_bandit([[["0"], ["1"]]] * 2)
    instance = setting(TabularSoftmax(env, np.full((2, 2), 0.3)), (F(3, 4), F(1, 4)))
    assert not CLAIMS["T3.shift.loss"].measure(instance).attained
    with balls.precision(128):  # the exact route: two rationals
        assert decide(CLAIMS["T3.shift.loss"], exactly(instance)).verdict is Verdict.HOLDS


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), tamdps(max_prompts=3, max_nodes=3))
def test_ranges_over_policies(data: st.DataObject, env: TAMDP) -> None:
    """Every policy lies inside, and some deterministic one at each end."""
    ranges = value_ranges(env)
    policy = data.draw(tabular_policies(env))
    found = exact.values(env, policy).per_prompt
    best = exact.optimal_values(env).per_prompt
    for k in range(env.n_components):
        low, high = (np.array([int(end.p) / int(end.q) for end in ends]) for ends in zip(*ranges[k], strict=True))
        assert (low - 1e-12 <= found[:, k]).all() and (found[:, k] <= high + 1e-12).all()
        np.testing.assert_allclose(high, best[:, k], atol=1e-12)
    lowest = [min(float(oracle.composite(env.to_dict(), p.rewards)) for p in paths) for paths in by_prompt(env)]
    total = float(sum(env.exact_weights))
    assert all(int(a.p) / int(a.q) >= low / total - 1e-12 for (a, _), low in zip(ranges[-1], lowest, strict=True))


def by_prompt(env: TAMDP) -> list[list[oracle.Path]]:
    paths = oracle.paths(env.to_dict(), TabularSoftmax(env).probabilities())
    return [[p for p in paths if p.prompt == q] for q in range(env.n_prompts)]
