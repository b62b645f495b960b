"""Estimators that know a group by how many members have each value, each against a rule for one ordered group."""

import math
import statistics
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest

from tamdp_theory import InputError, exact, grpo
from tamdp_theory.estimators import Scheme, from_function, named
from tests.helpers.estimators import BINARY, GRADED, Rule, through_every_route

F = Fraction
Scores = list[Fraction]
CLOSE: list[tuple[Sequence[tuple[Fraction, ...]], tuple[Fraction, ...]]] = [
    ([(F(0),), (F(1, 2),), (F(1, 2) + F(1, 10**9),), (F(1),)], (F(1),))
]


def of_scores(rule: Callable[[Scores], Sequence[float | Fraction]]) -> Rule:
    def whole(group: list[tuple[Fraction, ...]], weights: Sequence[Fraction]) -> list[float]:
        scores = [sum((w * r for w, r in zip(weights, row, strict=True)), F(0)) for row in group]
        return [float(a) for a in rule(scores)]

    return whole


def mean(values: Sequence[Fraction]) -> Fraction:
    return sum(values, F(0)) / len(values)


def deviation(values: Sequence[Fraction], ddof: int) -> float:
    return math.sqrt(sum((v - mean(values)) ** 2 for v in values) / (len(values) - ddof))


def rank(c: Scores) -> list[Fraction]:
    return [F(sum((a > b) - (a < b) for b in c), len(c)) for a in c]


def sign(c: Scores) -> list[float]:
    return [float((a > mean(c)) - (a < mean(c))) for a in c]


def over_range(c: Scores) -> list[Fraction]:
    return [(a - mean(c)) / (max(c) - min(c)) if max(c) > min(c) else F(0) for a in c]


def absolute(c: Scores) -> list[Fraction]:
    spread = mean([abs(a - mean(c)) for a in c])
    return [(a - mean(c)) / spread if spread else F(0) for a in c]


def median(c: Scores) -> list[Fraction]:
    return [a - statistics.median(c) for a in c]


def mad(c: Scores) -> list[Fraction]:
    spread = statistics.median([abs(a - statistics.median(c)) for a in c])
    return [(a - statistics.median(c)) / spread if spread else F(0) for a in c]


def lead(c: Scores) -> list[Fraction]:
    first, second = sorted(c, reverse=True)[:2]
    return [first - second if a == first else F(0) for a in c]


def lead_over_deviation(c: Scores) -> list[float]:
    return [float(a) / (deviation(c, 1) + 0.01) if a else 0.0 for a in lead(c)]


def max_rl(c: Scores) -> list[Fraction]:
    return [(a - mean(c)) / mean(c) if mean(c) > 0 else F(0) for a in c]


def softmax(c: Scores) -> list[float]:
    shares = [math.exp(2 * a) for a in c]
    return [len(c) * share / sum(shares) - 1 for share in shares]


def of_the_others(eps: float, ddof: int) -> Callable[[Scores], list[float]]:
    def rule(c: Scores) -> list[float]:
        found = []
        for i, a in enumerate(c):
            others = c[:i] + c[i + 1 :]
            plain = float(a - mean(others))
            spread = deviation(others, ddof) if len(set(others)) > 1 else 0.0
            found.append(plain / (spread + eps) if spread else plain)
        return found

    return rule


def filtered(eps: float, ddof: int) -> Callable[[Scores], list[float]]:
    """NeMo-RL's procedure: rows whose others vary are kept, and their advantages computed anew among them."""

    def rule(c: Scores) -> list[float]:
        kept = [i for i in range(len(c)) if len(set(c[:i] + c[i + 1 :])) > 1]
        found = [0.0] * len(c)
        if len(kept) > 1:
            for i, a in zip(kept, of_the_others(eps, ddof)([c[i] for i in kept]), strict=True):
                found[i] = a
        return found

    return rule


def best_of(k: int) -> Callable[[Scores], list[Fraction]]:
    def value(c: Scores) -> Fraction:
        return mean([max(chosen) for chosen in combinations(c, k)])

    return lambda c: [F(len(c), k) * (value(c) - value(c[:i] + c[i + 1 :])) for i in range(len(c))]


def pass_at_k_training(k: int) -> Callable[[Scores], list[float]]:
    def rule(c: Scores) -> list[float]:
        right = [a == max(c) and max(c) > min(c) for a in c]
        subsets = list(combinations(range(len(c)), k))
        won = {chosen: any(right[i] for i in chosen) for chosen in subsets}
        share = F(sum(won.values()), len(subsets))
        if share in (0, 1):
            return [0.0] * len(c)
        spread = math.sqrt(share * (1 - share))
        own = [[won[chosen] for chosen in subsets if i in chosen] for i in range(len(c))]
        return [float(F(sum(mine), len(mine)) - share) / spread for mine in own]

    return rule


RULES: dict[str, Callable[[Scores], Sequence[float | Fraction]]] = {
    "rank": rank,
    "sign": sign,
    "range": over_range,
    "absolute_deviation": absolute,
    "median": median,
    "mad": mad,
    "best_minus_second": lead,
    "max_rl": max_rl,
    "softmax(temperature=1/2)": softmax,
    "signed(positive=2, negative=1/3)": lambda c: [max(a, 0) * 2 + min(a, 0) / 3 for a in (v - mean(c) for v in c)],
    "signed(negative=0, base=rank)": lambda c: [max(a, F(0)) for a in rank(c)],
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("size", [2, 3, 4])
def test_every_route(name: str, size: int) -> None:
    through_every_route(Scheme(size, name), of_scores(RULES[name]), [*GRADED, *BINARY, *CLOSE])


@pytest.mark.parametrize("size", [2, 3, 4])
def test_those_with_a_scale_through_every_route(size: int) -> None:
    with_std = of_scores(lead_over_deviation)
    through_every_route(Scheme(size, "best_minus_second(std=True)", 0.01, 1), with_std, [*GRADED, *BINARY])
    for eps, ddof in ((0.0, 0), (1e-3, 1)):
        if size - 1 > ddof:
            scheme = Scheme(size, "leave_one_out_normalize", eps, ddof)
            through_every_route(scheme, of_scores(of_the_others(eps, ddof)), [*GRADED, *BINARY])
            scheme = Scheme(size, "leave_one_out_normalize(filtered=True)", eps, ddof)
            through_every_route(scheme, of_scores(filtered(eps, ddof)), [*GRADED, *BINARY])


def test_filtered_single_successes_teach_nothing() -> None:
    """0/1 rewards: groups with one success, or one failure, count for nothing."""
    groups = np.array([[[1.0], [0.0], [0.0], [0.0]], [[1.0], [1.0], [0.0], [0.0]], [[1.0], [1.0], [1.0], [0.0]]])
    found = grpo.advantages(groups, [1], "leave_one_out_normalize(filtered=True)", 1e-6, 1)
    assert not found[[0, 2]].any() and found[1].all()


@pytest.mark.parametrize(("size", "k"), [(2, 1), (3, 2), (4, 2), (4, 3), (5, 3)])
def test_max_at_k_through_every_route(size: int, k: int) -> None:
    through_every_route(Scheme(size, f"max_at_{k}"), of_scores(best_of(k)), [*GRADED, *BINARY])


@pytest.mark.parametrize(("size", "k"), [(2, 1), (3, 2), (4, 2), (4, 4)])
def test_pass_at_k_training_through_every_route(size: int, k: int) -> None:
    through_every_route(Scheme(size, f"pass_at_{k}_training"), of_scores(pass_at_k_training(k)), BINARY)


def test_a_function_of_ones_own_through_every_route() -> None:
    scheme = Scheme(3, from_function(lambda c: [a * max(c) - mean(c) ** 2 for a in c], "curved"))
    rule = of_scores(lambda c: [a * max(c) - mean(c) ** 2 for a in c])
    through_every_route(scheme, rule, [*GRADED, *BINARY])
    floats = Scheme(3, from_function(lambda c: [math.exp(a) - float(mean(c)) for a in c]))
    through_every_route(floats, of_scores(lambda c: [math.exp(a) - float(mean(c)) for a in c]), GRADED)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (lambda c: c[1:], "own: gives 3 advantages for a group of 4"),
        (lambda c: [c[0]] * 4, "own: in the group .* must not depend on their order"),
        (lambda c: [float("nan")] * 4, "must be a finite number"),
        (lambda c: ["1"] * 4, "must be a finite number"),
        (lambda c: [a if i else a + 1 for i, a in enumerate(c)], "must not depend on their order"),
    ],
)
def test_functions_that_are_no_estimators(rule: Callable[..., Sequence[object]], says: str) -> None:
    with pytest.raises(InputError, match=says):
        exact.group_moments([0.5, 0.5], [[0], [1]], [1], 4, from_function(rule)).first  # noqa: B018


def test_lengths_weigh_the_baseline() -> None:
    """Against ordered groups of classes that differ in reward, in length, or in both."""
    rewards, lengths = [F(0), F(1, 2), F(1, 2), F(1)], [3, 1, 7, 2]
    p = np.array([0.1, 0.2, 0.3, 0.4])

    def rule(group: tuple[int, ...]) -> list[Fraction]:
        tokens = sum(lengths[m] for m in group)
        base = sum((lengths[m] * rewards[m] for m in group), F(0)) / tokens
        return [rewards[m] - base for m in group]

    first, cross = np.zeros(4), np.zeros((4, 4))
    for group in np.ndindex(4, 4, 4):
        a = rule(group)
        first[group[0]] += p[group[1]] * p[group[2]] * float(a[0])
        cross[group[0], group[1]] += p[group[2]] * float(a[0] * a[1])
    found = exact.group_moments(p, [[c] for c in rewards], [1], 3, "length_baseline", lengths=lengths)
    np.testing.assert_allclose(found.first, first, rtol=1e-12)
    np.testing.assert_allclose(found.cross, cross, rtol=1e-12)
    drawn = grpo.advantages([[[0.0], [0.5], [0.5]]], [1], "length_baseline", lengths=[[3, 1, 7]])
    np.testing.assert_allclose(drawn, [[float(a) for a in rule((0, 1, 2))]], rtol=1e-14)
    with pytest.raises(InputError, match="length_baseline: needs the lengths"):
        exact.group_moments(p, [[c] for c in rewards], [1], 3, "length_baseline").first  # noqa: B018


@pytest.mark.parametrize("size", [16, 64])
def test_large_groups_and_certain_or_impossible_classes(size: int) -> None:
    """Against the engine of sums, which knows the centred reward from the count of nothing."""
    p = np.array([[0.2, 0.3, 0.5], [0.0, 0.5, 0.5], [1e-300, 1.0, 0.0], [0.0, 1.0, 0.0]])
    table = [[0], ["1/3"], [1]]
    counted = from_function(lambda c: [a - mean(c) for a in c])
    own = exact.group_moments(p, table, [1], min(size, 16), counted)
    plain = exact.group_moments(p, table, [1], min(size, 16), "center")
    for name in ("first", "second", "cross", "given_pair"):
        np.testing.assert_allclose(getattr(own, name), getattr(plain, name), rtol=1e-10, atol=1e-12)
    one, other = (exact.group_moments(p, table, [1], size, name) for name in ("max_at_1", "leave_one_out"))
    np.testing.assert_allclose(one.first, other.first, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(one.cross, other.cross, rtol=1e-9, atol=1e-12)


def test_names_carry_options() -> None:
    assert named("pass_at_k", k=4) == named("pass_at_4") and named("pass_at_4").name == "pass_at_4"
    assert named("signed", negative="0").name == "signed(negative=0)"
    assert named("signed(negative=0)") == named("signed", negative=0) != named("signed")
    assert named("softmax", temperature=1) == named("softmax")
    for name, options, says in (
        ("softmax", {"heat": 1}, "softmax: no option 'heat'; it takes temperature"),
        ("signed", {"negativ": 1}, r"did you mean 'negative'\?"),
        ("medain", {}, r"did you mean 'median'\?"),
        ("medain", {"k": 1}, r"no 'medain' \(did you mean 'median'\?\)"),
        ("max_at_k", {}, "needs its number"),
        ("max_at_k", {"k": 0}, "k must be an integer from 1 up"),
        ("softmax", {"temperature": "hot"}, "temperature must be a number"),
        ("signed(base=normalize_then_sum)", {}, "adds up several columns"),
        ("best_minus_second", {"std": "perhaps"}, "std must be true or false"),
    ):
        with pytest.raises(InputError, match=says):
            named(name, **options)


def test_what_tilts_has_a_slope_that_only_the_others_set() -> None:
    """The others' rewards held, the advantage is a rising line in the own reward, and for the rest it is not."""
    for name in ("leave_one_out_normalize", "leave_one_out_normalize(filtered=True)", "sum_then_normalize", "softmax"):
        worst = 0.0
        for others in ([0, 0, 0], [0, 0, 1], [0, 0.5, 1], [0.25, 0.5, 1]):
            own = np.array([0, 0.25, 0.5, 0.75, 1])
            groups = np.array([[[c], *([v] for v in others)] for c in own])
            advantage = grpo.advantages(groups, [1], name, 1e-6, 1)[:, 0]
            slopes = np.diff(advantage) / np.diff(own)
            assert name != "leave_one_out_normalize" or (slopes > 0).all()
            worst = max(worst, float(np.ptp(slopes)))
        assert (worst < 1e-9) is named(name).tilts, name
