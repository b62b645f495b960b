"""Ball arithmetic against the float engine, and enclosures that are narrow."""

import time
from fractions import Fraction
from itertools import combinations_with_replacement
from math import comb
from typing import Any

import numpy as np
import pytest
from flint import arb, fmpq

from tamdp_theory import TAMDP, CapacityError, InputError, Network, TabularSoftmax, exact, families
from tamdp_theory.estimators import Scheme
from tamdp_theory.exact import balls
from tamdp_theory.exact.ball_groups import multisets

ENV = families.random_tree(seed=3, prompts=2, tools=1, answers=2, max_tool_depth=1, components=2, levels=5)


@pytest.mark.parametrize("normalization", exact.NORMALIZATIONS)
@pytest.mark.parametrize(("eps", "ddof"), [(Fraction(0), 0), (Fraction(1, 10), 1)])
def test_balls_contain_and_pin_down_the_floats(normalization: exact.Normalization, eps: Fraction, ddof: int) -> None:
    policy = TabularSoftmax.random(ENV, np.random.default_rng(0))
    found = balls.update(ENV, policy, 3, normalization, float(eps), ddof)
    expected = exact.update_moments(ENV, policy, 3, normalization=normalization, eps=float(eps), ddof=ddof)
    pairs = ENV.pair_parameter
    np.testing.assert_allclose([float(x.mid()) for x in found.mean], expected.mean[pairs], atol=1e-15)
    np.testing.assert_allclose(
        [float(x.mid()) for x in found.gradient], exact.policy_gradient(ENV, policy)[pairs], atol=1e-15
    )
    assert float(found.objective.mid()) == pytest.approx(exact.values(ENV, policy).total, rel=1e-14)
    assert float(found.variance.mid()) == pytest.approx(expected.variance, rel=1e-12)
    assert found.variance.rel_accuracy_bits() > 200
    assert float(found.drift.mid()) == pytest.approx(
        float(exact.policy_gradient(ENV, policy) @ expected.mean), rel=1e-12
    )


def test_the_smallest_drift_example() -> None:
    """theory.md T1.drift: grad J = (3/80, -3/80), m = (-1/20, 1/20), product -3/800."""
    found = balls.update(families.drift_bandit(), None, 2, "sum_then_normalize")
    expected = [Fraction(3, 80), Fraction(-3, 80), Fraction(-1, 20), Fraction(1, 20)]
    for ball, value in zip((*found.gradient, *found.mean), expected, strict=True):
        assert ball.overlaps(balls.number(value))
        assert float(ball.rad()) < 1e-18
    assert found.drift < 0
    assert found.drift.overlaps(balls.number(Fraction(-3, 800)))


def test_limits() -> None:
    with pytest.raises(CapacityError, match="terms exceed"):
        balls.update(families.random_tree(), None, 12, "sum_then_normalize")
    with pytest.raises(InputError, match="tabular and log-linear"):
        balls.update(ENV, Network(ENV, hidden=2, generator=np.random.default_rng(0)), 2, "center")


# -- decisions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (fmpq(0), True),
        (fmpq(1, 10**300), False),
        (balls.root(fmpq(2)), False),
        (balls.root(fmpq(2)) - fmpq(1), False),
        (arb(0), True),
        (0, True),
        (arb(1), False),
        (arb(0, 1e-30), None),
        (arb(1e-31, 1e-30), None),
        (arb(1e-29, 1e-30), False),
        (arb("nan"), None),
        (arb("inf"), False),
    ],
)
def test_a_ball_around_zero_tells_nothing(value: Any, expected: bool | None) -> None:
    assert balls.vanishes(value) is expected
    assert balls.is_zero(value) is (expected is True)


def test_roots_of_negative_numbers_are_refused() -> None:
    for value in (fmpq(-1), arb(-1), balls.root(fmpq(2)) - 2):
        with pytest.raises(ValueError, match="not real"):
            balls.root(value)
    assert balls.root(arb(-1e-30, 1e-29)).contains(0)


def test_a_small_surd_is_told_from_zero() -> None:
    """sqrt(10^80 + 1) - 10^40 = 5e-41, far below 53 bits of its terms: its ball is small, not around zero."""
    with balls.precision(53):
        small = balls.root(fmpq(10**80 + 1)) - 10**40
        assert balls.ball(small) > 4e-41 and balls.ball(small) < 6e-41
        assert balls.vanishes(balls.root(small)) is False


# -- groups as counts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("classes", "size"), [(1, 5), (2, 4), (3, 3), (4, 0), (2, 0)])
def test_multisets(classes: int, size: int) -> None:
    expected = {
        tuple(group.count(m) for m in range(classes)) for group in combinations_with_replacement(range(classes), size)
    }
    found = list(multisets(classes, size))
    assert set(found) == expected and len(found) == len(expected)


@pytest.mark.parametrize(
    "probability", [[Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)], [Fraction(2, 7), Fraction(0), Fraction(5, 7)]]
)
@pytest.mark.parametrize(
    ("eps", "ddof", "centred"), [(Fraction(0), 0, False), (Fraction(1, 10), 1, False), (Fraction(0), 0, True)]
)
def test_moments_against_ordered_groups(probability: list[Fraction], eps: Fraction, ddof: int, centred: bool) -> None:
    """Sums over all ordered groups of three, in exact numbers; advantages of counts against those of a tuple."""
    columns = (
        (Fraction(1), (Fraction(0), Fraction(1, 3), Fraction(1))),
        (Fraction(2), (Fraction(1), Fraction(0), Fraction(1))),
    )
    scheme = Scheme(3, "center" if centred else "normalize_then_sum", float(eps), ddof)
    group, p = balls.BallGroup(columns, scheme), [balls.number(v) for v in probability]
    h, second, cross = group.moments(p)
    given, classes = group.given_pair(p), range(3)
    for m in classes:
        own = [(p[a] * p[b], group.advantages((m, a, b))[m]) for a in classes for b in classes]
        assert balls.is_zero(h[m] - sum((w * v for w, v in own), balls.ZERO))
        assert balls.is_zero(second[m] - sum((w * v * v for w, v in own), balls.ZERO))
        for n in classes:
            pair = [(p[a], group.advantages(tuple(sorted((m, n, a))))) for a in classes]
            assert balls.is_zero(cross[m][n] - sum((w * found[m] * found[n] for w, found in pair), balls.ZERO))
            assert balls.is_zero(given[m][n] - sum((w * found[m] for w, found in pair), balls.ZERO))


def test_a_group_of_two_thousand_of_two_classes_is_quick() -> None:
    """h and a at p = 1/2 against the closed sums of theory.md L7: h_1 = sum_s C(G-1, s-1) 2^(1-G) sqrt((G - s) / s)."""
    size, start = 2000, time.process_time()
    group = balls.BallGroup(((Fraction(1), (Fraction(0), Fraction(1))),), Scheme(size, "sum_then_normalize"))
    with balls.precision(128):
        h, second = group.first([fmpq(1, 2)] * 2)
        with balls.precision(4000):
            expected = sum(
                (fmpq(comb(size - 1, s - 1), 2 ** (size - 1)) * (arb(size - s) / s).sqrt() for s in range(1, size)),
                arb(0),
            )
        assert abs(balls.ball(h[1]) - expected) < 1e-30
        wanted = sum(
            (fmpq(comb(size - 1, s - 1), 2 ** (size - 1)) * fmpq(size - s, s) for s in range(1, size + 1)), fmpq(0)
        )
        assert second[1] == wanted
        assert balls.is_zero(h[0] + h[1])
    assert time.process_time() - start < 10


# -- capacity -----------------------------------------------------------------------------------------------------


def chain(length: int) -> TAMDP:
    """Nodes in a row, one thought each, then an answer."""
    nodes = [
        {
            "id": f"n{i}",
            "depth": 0,
            "actions": [{"name": "on", "kind": "think", "next": [{"probability": 1, "node": f"n{i + 1}"}]}],
        }
        for i in range(length - 1)
    ]
    nodes.append(
        {
            "id": f"n{length - 1}",
            "depth": 0,
            "actions": [
                {"name": name, "kind": "answer", "next": [{"probability": 1, "rewards": [reward]}]}
                for name, reward in (("good", 1), ("bad", 0))
            ],
        }
    )
    return TAMDP.from_dict(
        {
            "schema": "tamdp/1",
            "name": "chain",
            "max_tool_depth": 0,
            "components": [{"name": "r", "weight": 1}],
            "prompts": [{"name": "q", "probability": 1, "start": "n0"}],
            "nodes": nodes,
        }
    )


def test_a_long_chain_is_walked() -> None:
    """One real decision after 1,199 forced ones: grad J = (1/4, -1/4) at p = 1/2, all else 0."""
    found = balls.update(chain(1200), None, 2, "sum_then_normalize")
    assert found.objective.overlaps(arb(0.5))
    assert [float(g.mid()) for g in found.gradient[-2:]] == [0.25, -0.25] and not any(
        g != 0 for g in found.gradient[:-2]
    )


def awkward(count: int, digits: int) -> list[list[str]]:
    """Rewards of so many digits with denominators of their own."""
    return [[f"{7**k % 10 ** (digits - 1) + 1}/{10 ** (digits - 1) + 3 * k + 1}"] for k in range(1, count + 1)]


@pytest.mark.parametrize(
    ("env", "size", "normalization"),
    [
        (families.bandit([["1/2"], ["1/2"]]), 10**9, "sum_then_normalize"),
        (families.bandit([["0"], ["1"]]), 10**9, "sum_then_normalize"),
        (families.bandit([["0"], ["1"], ["1/3"]]), 2000, "sum_then_normalize"),
        (families.bandit(awkward(200, 399)), 2, "sum_then_normalize"),
        (
            families.bandit(
                [[Fraction((7 * k + j * (k + 1)) % 31, 31) for k in range(30)] for j in range(20)], weights=[1] * 30
            ),
            3,
            "normalize_then_sum",
        ),
        (families.random_tree(seed=0, prompts=1, tools=3, answers=6, max_tool_depth=6), 2, "sum_then_normalize"),
    ],
)
def test_what_does_not_fit_is_refused_at_once(env: TAMDP, size: int, normalization: exact.Normalization) -> None:
    start = time.process_time()
    with pytest.raises(CapacityError, match="limit"):
        balls.update(env, None, size, normalization)
    assert time.process_time() - start < 5


def test_groups_too_long_to_write_down_are_refused() -> None:
    """One class, one multiset, but a tuple of 10^9 members; 2,000 out of two classes are 2,001 tuples of
    2,000 and fit.
    """
    with pytest.raises(CapacityError, match=r"members of groups exceed the limit of 10,000,000"):
        balls.check_terms(families.bandit([["1/2"], ["1/2"]]), 0, 10**9)
    balls.check_terms(families.bandit([["0"], ["1"]]), 0, 2000)
