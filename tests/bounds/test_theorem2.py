"""The numbers of Theorem 2's claims by a second route: ordered groups (tests/helpers/oracle.py), fractions, every
deterministic policy.
"""

import itertools
import math
from collections.abc import Iterator
from decimal import localcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bounds import CLAIMS, Evidence, Instance, Measured, Verdict
from bounds import symbols as s
from bounds.certificates import certify
from bounds.claims.shortfall import shortfalls
from bounds.claims.suboptimality import balanced, suboptimality_rows
from bounds.decision import decide
from bounds.exact_instance import exactly
from tamdp_theory import TAMDP, InputError, Policy, TabularSoftmax, exact, families
from tamdp_theory.exact import Scheme, balls
from tamdp_theory.strategies import policies, schemes, tabular_policies, tamdps
from tests.helpers import oracle
from tests.helpers.brute import Group, Prompt
from tests.helpers.shapes import walked_smoothness
from tests.helpers.steps import few, score_table, stepped

BOTH: tuple[exact.Normalization, exact.Normalization] = ("sum_then_normalize", "normalize_then_sum")
PLAIN = st.builds(Scheme, st.integers(2, 4), st.just(BOTH[1]), st.just(0.0), st.sampled_from([0, 1]))


def close(found: Any, expected: Any, scale: float = 1.0) -> None:
    np.testing.assert_allclose(
        np.asarray(found, dtype=float), np.asarray(expected, dtype=float), rtol=1e-10, atol=1e-12 * scale
    )


def numbers(claim_id: str, instance: Instance) -> Any:
    measured = CLAIMS[claim_id].measure(instance)
    assert all(measured.assumptions.values())
    return measured.numbers


def prompts(instance: Instance) -> list[Prompt]:
    env = instance.env
    assume(few(env.to_dict(), instance.scheme.group_size, 700))
    return [Prompt(env, instance.policy, q, instance.think_weight) for q in range(env.n_prompts)]


# -- single groups ------------------------------------------------------------------------------------------------


def single_groups(instance: Instance) -> Iterator[Group]:
    env, scheme = instance.env, instance.scheme
    for q in range(env.n_prompts):
        for rewards in itertools.combinations_with_replacement(
            Prompt(env, instance.policy, q).classes, scheme.group_size
        ):
            yield Group(env.exact_weights, list(rewards), scheme.ddof)


@settings(max_examples=60, deadline=None)
@given(st.data(), tamdps(max_nodes=2), PLAIN)
def test_single_groups(data: st.DataObject, env: TAMDP, scheme: Scheme) -> None:
    instance = Instance(env, data.draw(tabular_policies(env)), scheme)
    with localcontext(prec=60):
        found = list(single_groups(instance))
        assume(len(found) <= 150)
        active = [one for one in found if one.sigma[-1]]
        scale, count = max(1.0, env.total_weight), range(env.n_components)
        correlation = np.moveaxis(
            np.array([[[float(one.correlation(k, m)) for m in count] for k in count] for one in found]), 0, -1
        )
        spread = numbers("T2.identity.spread", instance)
        close(spread[s.sigma_c], [one.sigma[-1] for one in found])
        close(spread[s.sigma], np.array([[float(v) for v in one.sigma[:-1]] for one in found]).T)
        close(spread[s.corr], correlation)
        gap = numbers("T2.advantage", instance)
        close(gap[s.A_joint_of], np.array([one.joint for one in found]).T)
        close(gap[s.A_sum_of], np.array([one.split for one in found]).T, scale)
        close(gap[s.z], np.array([one.z for one in found]).T, scale)
        close(gap[s.corr], correlation)
        assert gap[s.kappa_ddof] == ((scheme.group_size - 1) / scheme.group_size if scheme.ddof else 1)
        moving = [one for one in found if any(one.sigma)]
        if moving:
            zero = numbers("T2.lossless", instance)
            assert zero[s.gap_zero].tolist() == [one.agrees for one in moving]
            assert zero[s.kernel_zero].tolist() == [one.in_kernel for one in moving]
        else:
            assert CLAIMS["T2.lossless"].measure(instance).empty
        if active:
            identity = numbers("T2.identity", instance)
            close(identity[s.A_joint], [a for one in active for a in one.joint])
            close(identity[s.A_part], [[a for one in active for a in one.parts[k]] for k in count])
            close(identity[s.sigma], [[one.sigma[k] for one in active for _ in one.joint] for k in count])
            close(identity[s.sigma_c], [one.sigma[-1] for one in active for _ in one.joint])
        for claim_id, chosen, condition in (
            ("T2.lossless.comonotone", [one for one in found if one.together], sum(env.exact_weights) == 1),
            ("T2.scale", [one for one in found if one.uncorrelated], len(set(env.exact_weights)) == 1),
        ):
            if chosen and condition:
                special = numbers(claim_id, instance)
                close(special[s.A_joint], [a for one in chosen for a in one.joint])
                close(special[s.A_sum], [a for one in chosen for a in one.split], scale)
            else:
                assert CLAIMS[claim_id].check(instance).verdict is Verdict.ASSUMPTION_UNMET
        if active and sum(env.exact_weights) == 1:
            exactly = numbers("T2.lossless.exactly", instance)
            assert exactly[s.gap_zero].tolist() == [one.agrees for one in active]
            assert exactly[s.together].tolist() == [one.together for one in active]


# -- the update ---------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.data(), tamdps(max_nodes=2), schemes(3), st.sampled_from([1.0, 0.5]))
def test_distance_of_the_updates(data: st.DataObject, env: TAMDP, scheme: Scheme, think_weight: float) -> None:
    """Both rows of each prompt: lambda = 1, and the lambda whose mean squared difference of advantages is least."""
    scheme = Scheme(scheme.group_size, data.draw(st.sampled_from(BOTH)), scheme.eps, scheme.ddof)
    instance = Instance(env, data.draw(policies(env)), scheme, think_weight=think_weight)
    size, expected = scheme.group_size, []
    for one in prompts(instance):
        a, b = (lambda rewards, one=one, name=name: one.advantages(rewards, name, scheme) for name in BOTH)
        joint, split = one.update(a, size), one.update(b, size)
        alpha, beta, gamma = (
            float(np.dot(one.law, one.given_first(lambda rewards, x=x, y=y: x(rewards)[0] * y(rewards)[0], size)))
            for x, y in ((a, a), (a, b), (b, b))
        )
        second = sum(p.probability * np.outer(v, v) for p, v in zip(one.paths, one.vectors, strict=True))
        # where the decomposed advantages vanish lambda = 1 alone is a row, and one row where it is the best lambda
        best = beta / gamma if gamma > 1e-12 * alpha else 1.0
        if alpha + gamma == 0:
            continue
        for share in (1.0,) if Fraction(best).limit_denominator(10**9) == 1 else (1.0, best):
            gap = float(
                np.dot(
                    one.law,
                    one.given_first(
                        lambda rewards, share=share, a=a, b=b: (a(rewards)[0] - share * b(rewards)[0]) ** 2, size
                    ),
                )
            )
            distance = float(np.linalg.norm(joint - share * split))
            assert (
                distance <= math.sqrt(scheme.kappa * gap * np.linalg.norm(np.asarray(second), 2)) * (1 + 1e-9) + 1e-12
            )
            assume(not 1e-15 < gap / (alpha + gamma) < 1e-9)  # between, floats do not say whether there is a gap
            if gap > 1e-9 * (alpha + gamma):
                expected.append((distance, gap, np.linalg.norm(np.asarray(second), 2), np.trace(np.asarray(second))))
    measured = CLAIMS["T2.gradient"].measure(instance)
    assert bool(measured.assumptions["gap"]) == bool(expected)
    if expected:
        for symbol, column in zip((s.gap_norm, s.Q_gap, s.lambda_max, s.energy), np.array(expected).T, strict=True):
            np.testing.assert_allclose(
                measured.numbers[symbol], column, rtol=1e-6, atol=1e-9 * max(1.0, env.total_weight**2)
            )


@settings(max_examples=40, deadline=None)
@given(st.data(), tamdps(max_nodes=2), st.integers(2, 3), st.sampled_from([1.0, 0.5]))
def test_centred_updates(data: st.DataObject, env: TAMDP, size: int, think_weight: float) -> None:
    policy = data.draw(policies(env))
    found = numbers(
        "T2.lossless.center", Instance(env, policy, Scheme(size, "center"), seed=3, think_weight=think_weight)
    )
    content, scores = env.to_dict(), score_table(env, policy)
    assume(few(content, size, 700))
    direction = np.random.default_rng(3).standard_normal(policy.n_parameters)
    direction /= np.linalg.norm(direction)
    for value, weights in [(found[s.mean_center], env.exact_weights)] + [
        (part, [int(j == k) for j in range(env.n_components)]) for k, part in enumerate(found[s.mean_center_of])
    ]:
        for component, w in zip(content["components"], weights, strict=True):
            component["weight"] = w
        mean = oracle.update(
            content, policy.probabilities(), scores, size, "center", weight=oracle.think_weights(content, think_weight)
        )[0]
        close(value, mean @ direction)


# -- suboptimality ------------------------------------------------------------------------------------------------


def comparators(env: TAMDP, policy: Policy, one: Prompt, q: int) -> list[tuple[float, float, list[float]]]:
    """(J_q, C, law of the classes) of every deterministic policy."""
    content, found = env.to_dict(), []
    reach = {d: sum(p.probability for p in one.paths if d in p.decisions) for p in one.paths for d in p.decisions}
    own = sorted({x for x, _ in reach})
    for choice in itertools.product(*(range(int(env.pair_count[x])) for x in own)):
        table = policy.probabilities().copy()
        table[own] = np.eye(env.n_actions)[list(choice)]
        chosen = [p for p in oracle.paths(content, table) if p.prompt == q and p.probability > 0]
        visits = {d: sum(p.probability for p in chosen if d in p.decisions) for p in chosen for d in p.decisions}
        law = [sum(p.probability for p in chosen if p.rewards == rewards) for rewards in one.classes]
        value = float(np.dot(law, [float(c) for c in one.composite]))
        found.append((value, math.sqrt(sum((v / reach[d]) ** 2 for d, v in visits.items())), law))
    return found


@settings(max_examples=50, deadline=None)
@given(st.data(), tamdps(max_nodes=2), schemes(3))
def test_suboptimality(data: st.DataObject, env: TAMDP, scheme: Scheme) -> None:
    policy = data.draw(tabular_policies(env))
    assume(policy.pair_probability.min() > 1e-9)
    split = Scheme(scheme.group_size, "normalize_then_sum", scheme.eps, scheme.ddof)
    # every row, also those that h does not enter
    (whole, tells), (parts, tell_of) = (
        (found.numbers | {s.w: env.weights, s.K: env.n_components}, found.telling)
        for found in (
            suboptimality_rows(Instance(env, policy, one), shortfalls(env, policy, one), is_split)
            for one, is_split in ((scheme, False), (split, True))
        )
    )
    zero_one = all(CLAIMS["T2.suboptimality.signed"].conditions(Instance(env, policy, split)).values())
    signed = (
        CLAIMS["T2.suboptimality.signed"].measure(Instance(env, policy, split)) if zero_one else Measured(numbers={})
    )
    row = 0
    for q, one in enumerate(prompts(Instance(env, policy, scheme))):
        c = np.array([float(v) for v in one.composite])
        found = comparators(env, policy, one, q)
        optimum, value = max(f[0] for f in found), float(np.dot(one.law, c))
        best = [f for f in found if f[0] >= optimum - 1e-11]
        for side, normalized in ((whole, scheme), (parts, split)):
            close(side[s.J_star][q], optimum)
            close(side[s.J][q], value)
            # an optimal policy with this constant and this law, and on one decision the one with the smallest constant
            fits = [f for f in best if math.isclose(f[1], side[s.C_star][q], rel_tol=1e-9)]
            distances = [float(np.abs(np.subtract(f[2], one.law)).sum() / 2) for f in fits]
            assert any(math.isclose(d, side[s.tv][q], rel_tol=1e-9, abs_tol=1e-12) for d in distances)
            # ties are decided on rationals: among actions that this oracle takes for equal, some may not be
            if env.horizon == 1 and len(best) == 1:
                close(side[s.C_star][q], best[0][1])
            step = one.update(
                lambda rewards, one=one, name=normalized.normalization: one.advantages(rewards, name, scheme),
                scheme.group_size,
            )
            close(side[s.m_norm][q], np.linalg.norm(step))
        h, w = one.effective(scheme), env.weights
        h_of = np.array([one.alone(k, scheme) for k in range(env.n_components)])
        rewards = np.array(one.classes, dtype=float).T
        close(whole[s.osc_residual][q], np.ptp(c - whole[s.mu][q] * h), max(1.0, whole[s.mu][q]))
        close(parts[s.osc_residual_of][:, q], np.ptp(rewards - parts[s.mu][q] * h_of, axis=1), max(1.0, parts[s.mu][q]))
        sides = {}
        columns = {
            "T2.suboptimality": (whole, np.ones(1), c[None], h[None]),
            "T2.suboptimality.components": (parts, w, rewards, h_of),
        }
        for claim_id, (side, importance, values, effective) in columns.items():
            slope, tv, mu = side[s.C_star][q] * side[s.m_norm][q], side[s.tv][q], side[s.mu][q]
            found_at = {
                t: float(importance @ np.ptp(values - t * effective, axis=1) * tv + t * slope)
                for t in (mu, *np.linspace(0, 2 * mu, 9), *range(5))
            }
            sides[claim_id] = np.atleast_1d(CLAIMS[claim_id].sides(side)[1])[q]
            close(sides[claim_id], found_at[mu])
            assert sides[claim_id] <= min(found_at.values()) * (1 + 1e-7) + 1e-11
        assert sides["T2.suboptimality"] <= np.ptp(c) * (1 + 1e-9)
        for told, side in ((tells, whole), (tell_of, parts)):
            assert not told[q] or (side[s.mu][q] > 0 and side[s.m_norm][q] > 0)
            if (
                side[s.mu][q] > 0 and side[s.m_norm][q] > 1e-9 * env.total_weight
            ):  # no row is left out that is better than at mu = 0
                importance, values = (np.ones(1), c[None]) if side is whole else (w, rewards)
                free = float(importance @ np.ptp(values, axis=1) * side[s.tv][q])
                bound = sides["T2.suboptimality" if side is whole else "T2.suboptimality.components"]
                assert told[q] or bound > free * (1 - 1e-8)
        varies = [k for k in range(env.n_components) if w[k] > 0 and len(set(rewards[k])) > 1]
        if zero_one and all(signed.assumptions.values()) and varies:
            for place in (row, row + 1):
                close(signed.numbers[s.p_of][:, place], rewards @ one.law)
                assert any(
                    np.allclose(signed.numbers[s.p_star_of][:, place], rewards @ f[2], rtol=0, atol=1e-9) for f in best
                )
                # h_k = psi_k (R_k - p_k) for 0/1 rewards, psi_k > 0; a component that never varies has none
                psi = signed.numbers[s.psi_of][:, place]
                assert [v > 0 for v in psi] == [k in varies for k in range(env.n_components)]
                for k in varies:
                    np.testing.assert_allclose(h_of[k], psi[k] * (rewards[k] - rewards[k] @ one.law), atol=1e-9)
            used = [signed.numbers[s.psi_of][k, row] for k in varies]
            close(signed.numbers[s.mu][[row, row + 1]], [1 / max(used), 1 / min(used)])
            row += 2


def test_rows_that_any_update_would_meet_are_no_evidence() -> None:
    """Two arms: C ||m|| = sqrt 2 (1 - p) psi / 1 is above TV psi, so mu = 0 is best and the right side osc(c) TV = J* -
    J whatever h is.

    Of two prompts, one with the two arms and one with arms (0, 1/2, 1), the first of them rare, so that mu > 0 pays,
    the second alone is evidence.
    """
    two = families.bandit([["0"], ["1"]])
    for claim_id in ("T2.suboptimality", "T2.suboptimality.components"):
        instance = Instance(two, TabularSoftmax(two, [[0.3, 0.0]]), Scheme(4, "normalize_then_sum"))
        check = CLAIMS[claim_id].check(instance)
        assert (
            check.verdict is Verdict.VACUOUS
            and check.lhs == pytest.approx(check.rhs, rel=1e-12)
            and "h does not enter" in check.note
        )
        with balls.precision(128):
            assert decide(CLAIMS[claim_id], exactly(instance)).verdict is Verdict.VACUOUS
        with pytest.raises(InputError, match="vacuous here"):
            certify(CLAIMS[claim_id], instance)
    both = families.contextual_bandit([[["0"], ["1/2"], ["1"]], [["0"], ["1"]]])
    instance = Instance(
        both, TabularSoftmax(both, np.array([[-3.0, 0.0, 0.0], [0.3, 0.0, 0.0]])), Scheme(4, "normalize_then_sum")
    )
    rows = suboptimality_rows(instance, shortfalls(both, instance.policy, instance.scheme), False)
    assert rows.telling.tolist() == [True, False]
    measured = CLAIMS["T2.suboptimality"].measure(instance)
    assert measured.numbers[s.mu].tolist() == rows.numbers[s.mu][:1].tolist() and measured.numbers[s.mu][0] > 0
    assert CLAIMS["T2.suboptimality"].check(instance).verdict is Verdict.HOLDS


@pytest.mark.parametrize("logit", [-350.0, -600.0, -1.0])
@pytest.mark.parametrize("claim_id", ["T2.suboptimality.signed", "T2.suboptimality.solvable"])
def test_a_policy_that_hardly_ever_succeeds(claim_id: str, logit: float) -> None:
    """C = 1/p and ||m|| = psi p (1 - p) sqrt 2: the right side C ||m|| / psi is sqrt 2 (1 - p), above osc(c) = 1 up to
    p = 1 - 1/sqrt 2.
    """
    env = families.bandit([["1"], ["0"]])
    instance = Instance(env, TabularSoftmax(env, [[logit, 0.0]]), Scheme(4, "normalize_then_sum"))
    p = 1 / (1 + math.exp(-logit))
    check = CLAIMS[claim_id].check(instance)
    assert (check.lhs, check.rhs) == (pytest.approx(1 - p, rel=1e-14), pytest.approx(math.sqrt(2) * (1 - p), rel=1e-13))
    assert check.verdict is Verdict.VACUOUS
    with balls.precision(256):
        decision = decide(CLAIMS[claim_id], exactly(instance))
    assert decision.verdict is Verdict.VACUOUS and float(balls.ball(decision.rhs).mid()) == pytest.approx(
        check.rhs, rel=1e-12
    )
    with pytest.raises(InputError, match="vacuous here"):
        certify(CLAIMS[claim_id], instance)


@pytest.mark.parametrize("logit", [-690.0, -720.0, -2000.0])
def test_what_leaves_the_floats_is_decided_exactly(logit: float) -> None:
    """p = e^-690 has all its digits, but a margin is kept; 1/p is infinite from e^-709.8 on. The right side is sqrt 2
    (1 - p) still.
    """
    env = families.bandit([["1"], ["0"]])
    with np.errstate(over="ignore", divide="ignore"):
        check = CLAIMS["T2.suboptimality.solvable"].check(
            Instance(env, TabularSoftmax(env, [[logit, 0.0]]), Scheme(4, "normalize_then_sum"))
        )
    assert (check.verdict, check.evidence) == (Verdict.VACUOUS, Evidence.CERTIFIED)
    assert check.rhs == pytest.approx(math.sqrt(2), rel=1e-12)


@pytest.mark.parametrize(
    ("constant", "norm"), [(1e300, 1e-280), (2.0**300, 2.0**-310), (3.0, 5.0), (1.7e308, 0.0), (7e95, 1e-200)]
)
def test_factors_keep_their_product(constant: float, norm: float) -> None:
    one, two = balanced(constant, norm)
    assert Fraction(one) * Fraction(two) == Fraction(constant) * Fraction(norm) and one < 2.0**300


@pytest.mark.parametrize(("size", "psi"), [(2, 1.0), (3, math.sqrt(2))])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_psi_in_closed_form(size: int, psi: float, p: float) -> None:
    env = families.bandit([(0, 1), (1, 1)], weights=("3/4", "1/4"))
    instance = Instance(env, TabularSoftmax(env, np.log([[1 - p, p]])), Scheme(size, "normalize_then_sum"))
    found = numbers("T2.suboptimality.signed", instance)
    close(found[s.psi_of], [[psi, psi], [0, 0]])
    close(found[s.p_of][0], [p, p])
    close(found[s.p_star_of][0], [1, 1])
    # C = 1/p, ||m|| = (3/4) psi p (1 - p) sqrt 2
    assert CLAIMS["T2.suboptimality.solvable"].check(instance).rhs == pytest.approx(
        math.sqrt(2) * 0.75 * (1 - p), rel=1e-12
    )


@settings(max_examples=40, deadline=None)
@given(st.data(), tamdps(max_nodes=2), schemes(3))
def test_one_step(data: st.DataObject, env: TAMDP, scheme: Scheme) -> None:
    policy, content = data.draw(tabular_policies(env)), env.to_dict()
    assume(few(content, scheme.group_size, 700))
    measured = CLAIMS["T2.benefit"].measure(Instance(env, policy, scheme))
    scores, table = score_table(env, policy), policy.probabilities()
    smooth = walked_smoothness(env)
    gradient, expected = exact.policy_gradient(env, policy), []
    for name in BOTH:
        mean, variance = oracle.update(content, table, scores, scheme.group_size, name, scheme.eps, scheme.ddof)
        drift, second = float(gradient @ mean), variance + float(mean @ mean)
        assume(not 0 < abs(drift) < 1e-12 * env.total_weight**2)
        if smooth > 0 and second > 1e-14 * env.total_weight**2 and drift > 0:
            one = Scheme(scheme.group_size, name, scheme.eps, scheme.ddof)
            gain = stepped(content, policy, one, drift / (smooth * second)) - oracle.objective(content, table)
            expected.append((gain, drift, smooth, second))
    assert bool(measured.assumptions["informative"]) == bool(expected)
    for symbol, column in zip((s.one_step, s.drift, s.L_J, s.second_law), np.array(expected).T, strict=False):
        np.testing.assert_allclose(measured.numbers[symbol], column, rtol=1e-7, atol=1e-11 * env.total_weight)
