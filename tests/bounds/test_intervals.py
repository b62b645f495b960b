"""Confidence intervals: against SciPy, against the definition by loops, and by how often they miss."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bounds.pac_bayes.formulas import binary_kl
from bounds.rollouts import intervals
from tamdp_theory import InputError

RUNS, LEVEL = 200, 0.95
# misses allowed: binomial at the nominal rate, exceeded with probability 1e-4
ALLOWED = int(stats.binom.ppf(1 - 1e-4, RUNS, 1 - LEVEL))


def test_share_is_clopper_and_pearson() -> None:
    found = intervals.share(3, 20, 0.99)
    # by its definition: the tails of the binomial at the ends are alpha/2
    assert found.value == 0.15
    assert stats.binom.sf(2, 20, found.low) == pytest.approx(0.005, rel=1e-9)
    assert stats.binom.cdf(3, 20, found.high) == pytest.approx(0.005, rel=1e-9)
    assert intervals.share(0, 20, 0.99).low == 0 and intervals.share(20, 20, 0.99).high == 1


def test_mean_is_student() -> None:
    values = np.random.default_rng(0).standard_normal(12)
    low, high = stats.t.interval(0.9, 11, loc=values.mean(), scale=stats.sem(values))
    found = intervals.mean(values, 0.9)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)
    assert intervals.mean(values[:1], 0.9).half_width == np.inf


def test_chernoff_is_its_definition_and_never_misses_more_often() -> None:
    values = np.array([0.0, 0.25, 1.0, 0.5, 0.0, 0.0])
    found, allowance = intervals.chernoff(values, 0.9), np.log(20) / 6
    for end in (found.low, found.high):
        assert float(binary_kl(values.mean(), end)) == pytest.approx(allowance, rel=1e-9)
    assert found.low < found.value < found.high
    generator, missed = np.random.default_rng(0), 0
    for _ in range(RUNS):
        one = intervals.chernoff((generator.random(8) < 0.9).astype(float), LEVEL)
        missed += not one.low <= 0.9 <= one.high
    assert missed <= ALLOWED


def test_a_number_that_is_not_negative_has_no_negative_end() -> None:
    assert intervals.Estimate(0.5, -1.0, 2.0).clipped() == intervals.Estimate(0.5, 0.0, 2.0)


def test_equal_values_are_no_certainty() -> None:
    """Thirty ones: the stake on the largest bet, a fifth, grows by 1/m each time; with the rest of the stake the bound
    is a little better.
    """
    found = intervals.bounded_mean(np.ones(30), 0.95)
    assert found.high == 1 and (0.2 * 0.025) ** (1 / 30) < found.low < 0.025 ** (1 / 30)
    zeros = intervals.bounded_mean(np.zeros(30), 0.95)
    assert (zeros.low, zeros.value) == (0, 0) and zeros.high == pytest.approx(1 - found.low, rel=1e-9)
    # ranges scale, and the two ends are one-sided bounds with half of the misses
    scaled = intervals.bounded_mean(np.full(30, 5.0), 0.95, 1.0, 5.0)
    assert (scaled.low, scaled.high) == pytest.approx((1 + 4 * found.low, 5), rel=1e-9)
    values = np.random.default_rng(0).random(40)
    both = intervals.bounded_mean(values, 0.9)
    assert (both.low, both.high) == (intervals.lower_bound(values, 0.05), intervals.upper_bound(values, 0.05))


def test_a_bound_by_its_definition() -> None:
    """The stake by a loop over bets and numbers, at the bound and beside it."""
    x, miss = np.array([0.2, 0.9, 0.9, 0.4, 0.0, 1.0]), 0.2
    found = intervals.lower_bound(x, miss)

    def stake(m: float) -> float:
        rungs = int(np.ceil(np.log(6) / 0.5))
        parts = [
            (0.2 if k == 0 else 0.3 / rungs) * np.prod([1 + 6 ** (-k / rungs) * (v / m - 1) for v in x])
            for k in range(rungs + 1)
        ]
        plug_in, total, centre_sum, squares = 1.0, 0.5, 0.0, 0.25
        for i, v in enumerate(x, start=1):
            bet = min(np.sqrt(2 * np.log(1 / miss) / (6 * squares / i)), 0.9 / m)
            plug_in *= 1 + bet * (v - m)
            centre_sum += v
            squares += (v - (0.5 + centre_sum) / (i + 1)) ** 2
        return float(sum(parts) + total * plug_in)

    assert stake(found * (1 - 1e-6)) > 1 / miss > stake(found * (1 + 1e-6))
    assert intervals.is_mean_above(x, found * (1 - 1e-6), miss) and not intervals.is_mean_above(
        x, found * (1 + 1e-6), miss
    )
    assert (
        intervals.is_mean_above(x, -0.1, miss)
        and not intervals.is_mean_above(x, 1.0, miss)
        and not intervals.is_mean_above(0 * x, 0.0, miss)
    )


@pytest.mark.parametrize(
    ("draw", "n", "most"),
    [
        (lambda g, n: (g.random(n) < 0.5) * 1.0, 256, 1.45),
        (lambda g, n: (g.random(n) < 0.05) * 1.0, 2000, 1.7),
        (lambda g, n: g.beta(10, 90, n), 5000, 2.0),
        (lambda g, n: g.beta(10, 10, n), 2000, 1.45),
        (lambda g, n: g.random(n), 256, 1.45),
    ],
)
def test_bounds_are_not_much_wider_than_students(draw: Callable[..., Any], n: int, most: float) -> None:
    """Where Student's t is near the truth, at 99 %: a bound by Markov's inequality cannot be less than sqrt(2
    ln(1/miss))/quantile, 1.26 times as wide.
    """
    values = draw(np.random.default_rng(1), n)
    assert intervals.bounded_mean(values, 0.99).half_width <= most * intervals.mean(values, 0.99).half_width


def test_rare_numbers_are_bounded_as_by_clopper_and_pearson() -> None:
    values = np.zeros(500)
    values[::250] = 1.0
    found, best = intervals.bounded_mean(values, 0.99), intervals.share(2, 500, 0.99)
    assert best.low / 8 < found.low < best.low and best.high < found.high < 1.3 * best.high


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [([0.5, 1.1], 0.0, 1.0), ([0.5, -0.1], 0.0, 1.0), ([], 0.0, 1.0), ([0.5], 1.0, 1.0), ([np.nan], 0.0, 1.0)],
)
def test_numbers_outside_of_their_range_are_refused(values: list[float], low: float, high: float) -> None:
    with pytest.raises(InputError, match="bound of a mean"):
        intervals.lower_bound(np.array(values), 0.1, low, high)


def test_squared_norm_is_the_mean_over_pairs() -> None:
    generator = np.random.default_rng(1)
    a, b = generator.standard_normal((2, 17, 3))
    pairs = [(i, j) for i in range(17) for j in range(17) if i != j]
    assert intervals.squared_norm(a, 0.9, generator).value == pytest.approx(
        np.mean([a[i] @ a[j] for i, j in pairs]), rel=1e-12
    )
    assert intervals.inner_product(a, b, 0.9, generator).value == pytest.approx(
        np.mean([a[i] @ b[j] for i, j in pairs]), rel=1e-12
    )


@pytest.mark.parametrize("size", [0.0, 0.15, 0.3, 0.6, 2.0])
@pytest.mark.parametrize(("n", "d", "share"), [(16, 1, 1.0), (32, 1, 1.0), (32, 10, 0.2), (64, 100, 1.0)])
def test_squared_norm_covers(size: float, n: int, d: int, share: float) -> None:
    """Degenerate (norm 0), in between, and far from it; also where four of five vectors are zero, as silent groups make
    them.
    """
    generator = np.random.default_rng([n, d])
    missed = missed_product = 0
    wide = 0
    for _ in range(RUNS):
        noise = generator.standard_normal((n, d)) * (generator.random((n, 1)) < share) / share**0.5
        mean = np.full(d, size / d**0.5)
        found = intervals.squared_norm(noise + mean, LEVEL, generator)
        missed += not found.low <= size**2 <= found.high
        wide += found.high > 100 * (size**2 + d / n + 1)
        product = intervals.inner_product(
            noise + mean, 0.5 * noise - mean, LEVEL, generator
        )  # pairs may depend on each other
        missed_product += not product.low <= -(size**2) <= product.high
    assert missed <= ALLOWED and missed_product <= ALLOWED
    assert wide == 0


def test_few_or_no_vectors() -> None:
    generator = np.random.default_rng(0)
    few = intervals.squared_norm(np.ones((intervals.LEAST - 1, 2)), 0.9, generator)
    assert (few.value, few.low, few.high) == (2.0, 0.0, np.inf)
    silent = intervals.inner_product(np.zeros((20, 2)), np.ones((20, 2)), 0.9, generator)
    assert (silent.low, silent.value, silent.high) == (-np.inf, 0, np.inf)
    # equal vectors show no noise, which does not mean that there is none
    for same, value in ((np.full((20, 2), 0.3), 0.18), (np.zeros((20, 2)), 0.0)):
        found = intervals.squared_norm(same, 0.9, generator)
        assert found.value == pytest.approx(value, abs=1e-12) and (found.low, found.high) == (0, np.inf)
    almost = np.vstack([np.full((19, 2), 0.3), [[0.3, 0.31]]])
    assert intervals.squared_norm(almost, 0.9, generator).high < 1
    assert intervals.squared_norm(1e-30 * almost, 0.9, generator).high < 1e-60


def test_a_zero_that_was_not_drawn() -> None:
    """One in eight vectors is zero, the others nearly equal: of 16 there is none with probability 0.12, and then ||E
    a||^2 is not what is seen.
    """
    generator, runs, missed, unseen = np.random.default_rng(3), 300, 0, 0
    for _ in range(runs):
        active = generator.random(16) < 7 / 8
        vectors = (active * (1 + 0.05 * generator.standard_normal(16)))[:, None] * np.ones(3)
        found = intervals.squared_norm(vectors, 0.99, generator)
        missed += not found.low <= 3 * (7 / 8) ** 2 <= found.high
        unseen += bool(active.all())
    assert unseen > 20 and missed <= stats.binom.ppf(1 - 1e-4, runs, 0.01)
    # the share of zeros that 16 without any leave possible, by Clopper and Pearson
    share = intervals.share(0, 16, 0.99).high
    full = 1 + 1e-5 * np.arange(16.0)[:, None]
    assert intervals.squared_norm(full, 0.99, generator).low == pytest.approx((1 - share) ** 2, rel=1e-3)
    longer = np.vstack([np.tile(full, (4, 1)), [[0.0]]])
    assert intervals.squared_norm(longer, 0.99, generator).low > 0.8  # once one was drawn, it is part of the noise


def test_far_from_zero_it_is_students_interval_squared() -> None:
    """One dimension, mean 100 standard deviations: the upper end is that of the mean, squared."""
    values = 100 + np.random.default_rng(8).standard_normal(40)
    expected = stats.t.interval(0.95, 39, loc=values.mean(), scale=stats.sem(values))[1] ** 2
    found = intervals.squared_norm(values[:, None], 0.95, np.random.default_rng(0))
    assert found.high - found.value == pytest.approx(expected - values.mean() ** 2, rel=0.01)


def test_noise_of_pairs() -> None:
    """Where the mean is zero: (sum e_i a_i)^2 - sum e_i^2 a_i^2 over n (n - 1), e normal, stretched as Student's t is.
    Drawn again here.
    """
    n, tail = 16, 0.025
    a = np.resize([1.0, -1.0], n)
    found = np.mean(
        [intervals._pair_noise(np.outer(a, a), tail, np.random.default_rng(seed)) for seed in range(40)], axis=0
    )
    e = np.random.default_rng(99).standard_normal((200_000, n))
    law = ((e @ a) ** 2 - (e**2) @ a**2) / (n * (n - 1))
    assert found == pytest.approx(
        np.quantile(law, [tail, 1 - tail]) * stats.t.ppf(0.975, n - 1) / stats.norm.ppf(0.975), rel=0.03
    )


def test_a_product_is_two_norms_at_once() -> None:
    """Each at the level that leaves half of the misses, from one stream of multipliers."""
    a, b = np.random.default_rng(9).standard_normal((2, 30, 3))
    a, b = a / np.sqrt((a**2).sum()), b / np.sqrt((b**2).sum())
    generator = np.random.default_rng(1)
    plus, minus = (intervals.squared_norm(one, 0.95, generator) for one in (a + b, a - b))
    found = intervals.inner_product(a, b, 0.9, np.random.default_rng(1))
    assert (found.low, found.high) == pytest.approx(
        ((plus.low - minus.high) / 4, (plus.high - minus.low) / 4), rel=1e-9
    )


def test_proportional_pairs_are_one_norm() -> None:
    """b = 3 a in every pair, zeros among them: their product is 3 ||E a||^2, and its interval never goes below zero."""
    a = np.random.default_rng(4).standard_normal((40, 3)) + 0.4
    a[::4] = 0
    found, norm = (
        one(0.9, np.random.default_rng(5))
        for one in (
            lambda level, generator: intervals.inner_product(a, 3 * a, level, generator),
            lambda level, generator: intervals.squared_norm(a, level, generator),
        )
    )
    assert (
        found.value == pytest.approx(3 * norm.value, rel=1e-12)
        and 0 <= found.low <= 3 * norm.low
        and 3 * norm.high <= found.high < np.inf
    )


def test_levels_that_would_take_for_ever() -> None:
    a = np.random.default_rng(6).standard_normal((20, 2))
    with pytest.raises(InputError, match="level: too near 1"):
        intervals.squared_norm(a, 1 - 1e-9, np.random.default_rng(0))


def test_one_generator_one_interval() -> None:
    a = np.random.default_rng(2).standard_normal((40, 5))
    first, second = (intervals.squared_norm(a, 0.99, np.random.default_rng(7)) for _ in range(2))
    assert first == second
    assert intervals.squared_norm(a, 0.99, np.random.default_rng(8)) != first


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, 2.0])
def test_a_level_is_a_probability(level: float) -> None:
    with pytest.raises(InputError, match="level: must be in"):
        intervals.mean(np.zeros(3), level)
