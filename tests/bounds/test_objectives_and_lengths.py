"""Claims of theory.md sections 10 and 11: golden values, every slope against enumeration, and what each needs."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from bounds import CLAIMS, Instance
from bounds.claims.lengths import lengths_at_odds
from bounds.claims.objectives import three_arms
from bounds.exact_instance import exactly
from tamdp_theory import InputError, TabularSoftmax, exact, families
from tamdp_theory.estimators import from_function
from tamdp_theory.exact import Scheme
from tamdp_theory.exact.balls import precision

F = Fraction


def exact_left(claim_id: str) -> Any:
    """The left side of a claim's stored example, in exact numbers."""
    claim = CLAIMS[claim_id]
    assert claim.example is not None and claim.enclose is not None
    with precision(128):
        (row,) = claim.enclose(exactly(claim.example()))
    return row[claim.statement.lhs]


@pytest.mark.parametrize(
    ("claim_id", "value"), [("T5.drift.seqmean", F(-3, 4096)), ("T5.drift.tokenmean", F(-1, 5000))]
)
def test_drifts_by_hand(claim_id: str, value: Fraction) -> None:
    """The products of theory.md, in rationals."""
    assert str(exact_left(claim_id)) == str(value)


def test_drift_of_the_length_baseline_by_hand() -> None:
    """Every pair of arms in rationals: h, m and grad J of three arms."""
    c, length, p = (F(1, 5), F(1), F(0)), (1, 100, 1), (F(100, 102), F(1, 102), F(1, 102))
    h = [
        sum(q * (a - (n * a + o * b) / (n + o)) for q, b, o in zip(p, c, length, strict=True))
        for a, n in zip(c, length, strict=True)
    ]
    mean = sum(q * x for q, x in zip(p, h, strict=True))
    total = sum(q * a for q, a in zip(p, c, strict=True))
    drift = sum(q * (a - total) * q * (x - mean) for q, a, x in zip(p, c, h, strict=True))
    assert drift < 0 and str(exact_left("T5.drift.baseline")) == str(drift)


SLOPES: dict[str, Callable[[float, float, int], float]] = {
    "leave_one_out": lambda p, q, size: 1.0,
    "center": lambda p, q, size: (size - 1) / size,
    "rank": lambda p, q, size: (size - 1) / size,
    "range": lambda p, q, size: (size - 1) / size,
    "sign": lambda p, q, size: 2 - p ** (size - 1) - q ** (size - 1),
    "pass_at_1": lambda p, q, size: 1.0,
    "best_minus_second": lambda p, q, size: q ** (size - 1),
    "max_rl": lambda p, q, size: (1 - q ** (size - 1)) / p,
}


@pytest.mark.parametrize("size", [2, 3, 5, 8])
@pytest.mark.parametrize("name", SLOPES)
def test_every_slope_against_enumeration(name: str, size: int) -> None:
    """h_1 - h_0 by listing the other members' successes, with the advantages of single groups."""
    p = 0.3
    others = itertools.product((0, 1), repeat=size - 1)
    scheme = Scheme(size, name)
    total = 0.0
    for rest in others:
        chance = math.prod(p if one else 1 - p for one in rest)
        for own in (0, 1):
            group = exact.Groups(np.array([[own, *rest]]), ((F(0),), (F(1),)), (F(1),))
            total += (2 * own - 1) * chance * float(group.advantages(scheme)[0, 0])
    assert total == pytest.approx(SLOPES[name](p, 1 - p, size), rel=1e-12)


def test_dynamic_sampling_of_pairs_and_triples_is_a_multiple_of_the_logit() -> None:
    """theory.md: psi of a kept group is 1/2 and sqrt2/3 times the derivative of logit p (ddof 0, eps 0)."""
    for size, factor in ((2, 0.5), (3, math.sqrt(2) / 3)):
        for p in (0.01, 0.4, 0.9):
            kept = exact.group_moments([1 - p, p], [[0], [1]], [1], size, "sum_then_normalize", keep="mixed")
            assert kept.first[1] - kept.first[0] == pytest.approx(factor / (p * (1 - p)), rel=1e-11)


def test_leaving_one_out_of_the_deviation_loses_the_weight_of_hard_prompts() -> None:
    """theory.md, G = 16, ddof 1, p = .001, .1, .5: next to the group's own deviation."""
    for name, values in (("leave_one_out_normalize", (1.04, 2.72, 2.01)), ("sum_then_normalize", (3.74, 2.76, 1.87))):
        for p, value in zip((0.001, 0.1, 0.5), values, strict=True):
            moments = exact.group_moments([1 - p, p], [[0], [1]], [1], 16, name, ddof=1)
            assert moments.first[1] - moments.first[0] == pytest.approx(value, abs=0.006)


def right_or_wrong(scheme: Scheme) -> Instance:
    env = families.bandit([[0], [1]])
    return Instance(env, TabularSoftmax(env, [[0.0, -0.7]]), scheme)


def apart_components() -> Instance:
    """A composite of 0 and 1 from two components that succeed apart."""
    env = families.bandit([(0, 0), (1, 0), (0, 1)], weights=(1, 1))
    return Instance(env, TabularSoftmax(env, [[0.0, 1.0, -1.0]]), Scheme(4, "normalize_then_sum"))


NEEDED = [
    ("T4.slopes", "composite alone", apart_components),
    ("T4.affine", "ends alike", lambda: three_arms(Scheme(3, "center"))),
    ("T4.affine", "top wins", lambda: three_arms(Scheme(3, from_function(lambda c: [F(0)] * len(c), "nothing")))),
    ("T4.scale", "affine", lambda: three_arms(Scheme(3, "center"))),
    ("T4.scale", "separates", lambda: three_arms(Scheme(3, from_function(lambda c: [F(0)] * len(c), "nothing")))),
    ("T4.slopes.loo", "estimator", lambda: right_or_wrong(Scheme(4, "center"))),
    ("T4.slopes.rank", "estimator", lambda: right_or_wrong(Scheme(4, "leave_one_out"))),
    ("T4.slopes.sign", "estimator", lambda: right_or_wrong(Scheme(4, "rank"))),
    ("T4.slopes.best", "estimator", lambda: right_or_wrong(Scheme(4, "max_rl"))),
    ("T4.slopes.best.std", "no eps", lambda: right_or_wrong(Scheme(4, "best_minus_second(std=True)", 0.1, 1))),
    ("T4.slopes.max_rl", "estimator", lambda: right_or_wrong(Scheme(4, "rank"))),
    ("T5.seqmean", "zero sum", lambda: replace(lengths_at_odds(), scheme=Scheme(3, "signed(negative=0)"))),
]


@pytest.mark.parametrize(("claim_id", "assumption", "make"), NEEDED, ids=[f"{c}-{a}" for c, a, _ in NEEDED])
def test_what_a_claim_needs(claim_id: str, assumption: str, make: Callable[[], Instance]) -> None:
    """Met, it holds on its example; dropped, some instance violates it."""
    claim = CLAIMS[claim_id]
    assert str(claim.check().verdict) == "holds"
    instance = make()
    assert str(claim.check(instance).verdict) == "assumption_unmet"
    assert str(claim.check(replace(instance, without=(assumption,))).verdict) == "violated"


def test_a_potential_shows_both_ways() -> None:
    """T4.potential on the same arms: closed and not, in both columns of the claim."""
    for name, closed in (("max_at_2", 1), ("median", 1), ("rank", 0), ("softmax", 0)):
        found = CLAIMS["T4.potential"].check(three_arms(Scheme(3, name)))
        assert (str(found.verdict), found.lhs, found.rhs) == ("holds", closed, closed)


def test_schemes_that_weigh_groups_or_lengths_are_not_what_other_claims_speak_of() -> None:
    env = families.lengthy([[(1, 1, 2)], [(1, 0, 3)]])
    for scheme in (Scheme(3, "center", aggregation="token_mean"), Scheme(3, "center", keep="mixed")):
        with pytest.raises(InputError, match="claims speak of all groups"):
            Instance(env, TabularSoftmax(env), scheme)
