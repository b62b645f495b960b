"""Vectors of a known largest norm, the ceilings that ranges are made of, and what decides nothing without them."""

from dataclasses import replace

import numpy as np
import pytest

import bounds
from bounds import Evidence, Instance, Observation, Verdict
from bounds.claims import training
from bounds.rollouts import intervals
from bounds.rollouts.intervals import Estimate
from bounds.rollouts.statistics import Statistics
from tamdp_theory import TAMDP, InputError, TabularSoftmax, exact, families
from tamdp_theory.exact import Normalization, Scheme, UpdatePlan
from tamdp_theory.exact.update_potential import find_potential
from tamdp_theory.sources import ExactSource, SampledSource
from tests.helpers.misses import allowed

# -- vectors of a known largest norm ------------------------------------------------------------------------------


def _vector_misses(runs: int, n: int) -> int:
    """<E a, E b> and ||E a||^2 where one vector in a hundred points the other way, at ten times the length, and some
    are zero.
    """
    generator = np.random.default_rng(n)
    missed, mean = 0, 0.5 * (0.99 * 0.1 - 0.01)  # half of the vectors are zero
    for _ in range(runs):
        size = np.where(generator.random(n) < 0.01, -1.0, 0.1) * (generator.random(n) < 0.5)
        turned = generator.choice([-1.0, 1.0], n) * (generator.random(n) < 0.5)
        a, b = np.stack([size, np.zeros(n)], axis=1), np.stack([-size, turned * np.sqrt(1 - size**2)], axis=1)
        product = intervals.inner_product(a, b, 0.95, generator, (1.0, 1.0))
        norm = intervals.squared_norm(a, 0.95, generator, 1.0)
        assert product.valid and norm.valid
        missed += not (product.low <= -(mean**2) <= product.high and norm.low <= mean**2 <= norm.high)
    return missed


def test_products_of_bounded_vectors_are_covered() -> None:
    assert _vector_misses(60, 30) <= allowed(60, 0.9)


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 31, 400])
def test_products_of_bounded_vectors_are_covered_often(n: int) -> None:
    assert _vector_misses(1000, n) <= allowed(1000, 0.9)


def test_products_of_pairs_by_hand() -> None:
    """Five vectors make two pairs; the interval is that of their two products, the value that of all twenty."""
    a, b = np.random.default_rng(0).random((2, 5, 3)) / 2
    found = intervals.inner_product(a, b, 0.9, np.random.default_rng(0), (1.0, 2.0))
    products = np.array([(a[i] @ b[i + 1] + a[i + 1] @ b[i]) / 2 for i in (0, 2)])
    own = intervals.bounded_mean(products, 0.9, -2.0, 2.0)
    assert (found.low, found.high) == (own.low, own.high)
    assert found.value == pytest.approx(np.mean([a[i] @ b[j] for i in range(5) for j in range(5) if i != j]), rel=1e-12)
    assert intervals.inner_product(a[:1], b[:1], 0.9, np.random.default_rng(0), (1.0, 2.0)).high == 2
    with pytest.raises(InputError, match="not in their known range"):
        intervals.inner_product(9 * a, b, 0.9, np.random.default_rng(0), (1.0, 2.0))


# -- ceilings that ranges are made of -----------------------------------------------------------------------------

ZERO_ONE = families.bandit([("1", "0"), [("1/2", ("1", "1")), ("1/2", ("0", "0"))], ("0", "1")], weights=("1/4", "3/4"))


TREE = families.random_tree(seed=1, prompts=2, tools=1, answers=2, max_tool_depth=1, components=2)


GRADED = families.bandit([["0"], ["1/3"], ["1"]])


@pytest.mark.parametrize("size", [2, 3, 16])
@pytest.mark.parametrize("env", [ZERO_ONE, TREE, GRADED], ids=lambda env: env.name)
def test_no_policy_exceeds_the_ceilings(env: TAMDP, size: int) -> None:
    """||grad F||^2, E||g||^2, |<grad J, m>| and ||grad J||^2 at soft, sharp and balanced policies."""
    generator = np.random.default_rng(size)
    policies = [TabularSoftmax.random(env, generator, scale) for scale in (0.0, 0.3, 1.0, 3.0, 10.0) for _ in range(6)]
    schemes = [Scheme(size, n) for n in ("center", "sum_then_normalize", "normalize_then_sum")] + [
        Scheme(size, "normalize_then_sum", 1e-2, 1)
    ]
    for scheme in schemes:
        potential = find_potential(env, scheme)
        for policy in policies:
            instance, moments = Instance(env, policy, scheme), UpdatePlan(env, scheme).moments(policy)
            gradient = exact.policy_gradient(env, policy)
            if potential is not None:
                assert moments.mean @ moments.mean <= training.gradient_ceiling(potential) * (1 + 1e-9)
            assert moments.second_moment <= training.second_moment_ceiling(instance) * (1 + 1e-9)
            assert abs(gradient @ moments.mean) <= training.drift_ceiling(instance) * (1 + 1e-9)
            assert gradient @ gradient <= (env.prompt_probability**2 * exact.reward_range(env) ** 2).sum() / 8 * (
                1 + 1e-9
            )


def test_ceilings_are_attained() -> None:
    """Two arms at one half: centred ||grad F||^2 = 2 (kappa/4)^2 = kappa^2/8; standardized it tends to 1/2 with the
    group.
    """
    env = families.bandit([["1"], ["0"]])
    for normalization, size, ratio in (
        ("center", 4, 1.0),
        ("sum_then_normalize", 400, 0.99),
        ("normalize_then_sum", 400, 0.99),
    ):
        potential = find_potential(env, Scheme(size, normalization))  # type: ignore[arg-type]
        assert potential is not None
        mean = UpdatePlan(env, potential.scheme).moments(TabularSoftmax(env)).mean
        assert (
            ratio * training.gradient_ceiling(potential)
            <= mean @ mean
            <= training.gradient_ceiling(potential) * (1 + 1e-9)
        )


@pytest.mark.parametrize(
    ("normalization", "expected"),
    [("center", 9 / 16 / 8), ("sum_then_normalize", 3 / 8), ("normalize_then_sum", 3 / 8)],
)
def test_a_right_side_at_the_ceiling_says_nothing(normalization: Normalization, expected: float) -> None:
    """Two arms 1 and 0, uniform, G = 4: kappa = 3/4, B = kappa^2/8 centred and kappa/2 standardized. A right side just
    above it is vacuous, one just below is not: 2 gap/(eta T) + L eta V, with eta chosen for it."""
    env = families.bandit([["1"], ["0"]])
    scheme = Scheme(4, normalization)
    potential = find_potential(env, scheme)
    assert potential is not None and training.gradient_ceiling(potential) == pytest.approx(expected, rel=1e-12)
    gap, noise = potential.upper - potential.value(TabularSoftmax(env)), potential.smoothness * potential.variance_bound
    steps = 60
    for target, verdict in (
        (1.1 * expected, Verdict.VACUOUS),
        (30 * expected, Verdict.VACUOUS),
        (0.97 * expected, Verdict.HOLDS),
    ):
        # the smaller root of noise eta^2 - target eta + 2 gap/T = 0
        root = target**2 - 8 * noise * gap / steps
        assert root > 0
        eta = (target - root**0.5) / (2 * noise)
        check = bounds.CLAIMS["T1.stationary"].check(
            Instance(env, TabularSoftmax(env), scheme, steps=steps, runs=100, learning_rate=eta)
        )
        assert check.rhs == pytest.approx(target, rel=1e-9) and check.verdict is verdict, check


# -- what is not valid decides nothing ----------------------------------------------------------------------------


def test_scores_without_a_bound_decide_nothing() -> None:
    """The same rollouts, with and without a known largest score."""
    env = families.bandit([["1"], ["0"]])
    groups = SampledSource(env, TabularSoftmax(env)).rollouts(4, 800, np.random.default_rng(0))
    claim = bounds.CLAIMS["L9"]
    known = claim.check(groups, group_size=2, normalization="center")
    unknown = claim.check(replace(groups, score_bound=None), group_size=2, normalization="center")
    assert (known.verdict, known.evidence) == (Verdict.HOLDS, Evidence.STATISTICAL)
    assert (unknown.verdict, unknown.evidence) == (Verdict.UNDECIDED, Evidence.ASYMPTOTIC)
    assert "an asymptotic interval at 0.99 says holds; no guarantee at this sample size" in unknown.note


def test_estimates_carry_their_validity_on() -> None:
    one = Estimate(1.0, 0.5, 2.0, valid=False)
    assert not any(other.valid for other in (one.scale(2.0), one.root(), one.clipped())) and Estimate.exact(1.0).valid
    assert (one.distance(3.0), one.distance(0.0)) == (1.0, 0.5)
    rollouts = replace(
        SampledSource(TREE, TabularSoftmax(TREE)).rollouts(4, 40, np.random.default_rng(0)), score_bound=None
    )
    found = Statistics(rollouts, Scheme(2, "sum_then_normalize"))
    assert all(one.valid for one in (found.objective, found.silent, found.gap, *found.components))
    assert not any(
        one.valid
        for one in (
            found.score_energy,
            found.update,
            found.drift,
            found.variance,
            found.leading_energy,
            found.gradient,
            found.score_mean,
        )
    )
    listed = Statistics(
        replace(ExactSource(TREE, TabularSoftmax(TREE)).rollouts(2), score_bound=None), Scheme(2, "center")
    )
    assert listed.update.valid and listed.drift.valid


def test_a_policy_without_a_table_has_no_ranges() -> None:
    """T1.stationary with its condition dropped: nothing bounds what a run shows, so nothing is decided."""
    from tamdp_theory import LogLinear

    policy = LogLinear(GRADED)
    check = bounds.CLAIMS["T1.stationary"].check(
        Instance(GRADED, policy, Scheme(4, "center"), steps=20, runs=8, without=("tabular",))
    )
    assert (check.verdict, check.evidence) == (Verdict.UNDECIDED, Evidence.ASYMPTOTIC)
    kept = bounds.CLAIMS["T1.stationary"].check(Instance(GRADED, policy, Scheme(4, "center"), steps=20, runs=8))
    assert kept.verdict is Verdict.ASSUMPTION_UNMET


def test_rollouts_of_a_run_are_no_guarantee() -> None:
    steps = tuple(SampledSource(TREE, TabularSoftmax(TREE)).rollouts(4, 16, np.random.default_rng(t)) for t in range(5))
    check = bounds.CLAIMS["T1.stationary"].check(Observation(steps[-1], Scheme(4, "center"), training=steps))
    assert check.verdict is Verdict.ASSUMPTION_UNMET and check.evidence is Evidence.ASYMPTOTIC
