"""Posteriors over policies: by plain sums, fractions, balls, integrals and draws; and a bound that they
must not break.
"""

import math
from fractions import Fraction as F
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from bounds.pac_bayes.formulas import sampled_risk_bound
from tamdp_theory import InputError, LogLinear, Network, Policy, TabularSoftmax, exact, families
from tamdp_theory.domains import part, prompt_values, restrict
from tamdp_theory.posteriors import DiagonalGaussian, check_distribution, divergence, gibbs

PARTS = st.lists(st.sampled_from([0, 1, 2, 3, 7, 1000]), min_size=1, max_size=6).filter(any)


def shares(parts: list[int]) -> list[F]:
    return [F(p, sum(parts)) for p in parts]


# -- Gibbs ------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.data(), PARTS, st.floats(0, 30))
def test_gibbs_by_hand(data: st.DataObject, parts: list[int], beta: float) -> None:
    prior = [float(p) for p in shares(parts)]
    risk = data.draw(st.lists(st.floats(-1, 1), min_size=len(prior), max_size=len(prior)))
    mass = [p * math.exp(-beta * r) for p, r in zip(prior, risk, strict=True)]
    found = gibbs(prior, risk, beta)
    np.testing.assert_allclose(found, [m / math.fsum(mass) for m in mass], rtol=1e-12)
    assert [p == 0 for p in found] == [p == 0 for p in prior]


def test_gibbs_of_many_training_sets() -> None:
    risk = np.random.default_rng(0).random((4, 3, 5))
    prior = np.array([0.1, 0.2, 0.3, 0.4, 0.0])
    found = gibbs(prior, risk, 3.0)
    assert found.shape == (4, 3, 5)
    for place in np.ndindex(4, 3):
        np.testing.assert_array_equal(found[place], gibbs(prior, risk[place], 3.0))


def test_gibbs_at_temperature_infinity_is_the_prior() -> None:
    np.testing.assert_allclose(gibbs([0.2, 0.0, 0.8], [1.0, 0.0, 0.5], 0.0), [0.2, 0.0, 0.8], rtol=1e-15)


@pytest.mark.parametrize("beta", [1e3, 1e100, 1e308, np.float64(1e308)])
@pytest.mark.parametrize("scale", [1.0, -1.0, 1e5])
def test_gibbs_at_temperature_zero_is_on_the_best(beta: float, scale: float) -> None:
    """A policy without prior mass is never chosen, however good; ties share by prior."""
    np.testing.assert_allclose(
        gibbs([0.25, 0.25, 0.5, 0.0], scale * np.array([0.2, 0.3, 0.4, -9.0]), beta),
        [1, 0, 0, 0] if scale > 0 else [0, 0, 1, 0],
        rtol=0,
        atol=1e-40,
    )
    np.testing.assert_allclose(
        gibbs([0.2, 0.6, 0.2], [0.5, 0.5, 0.75], beta), [0.25, 0.75, 0.0], rtol=1e-14, atol=1e-100
    )


def test_gibbs_keeps_the_digits_of_a_small_difference() -> None:
    """beta times the risk has no digits left for 1e-10 of it; beta times the difference has."""
    step = 2.0**-20
    np.testing.assert_allclose(
        gibbs([0.5, 0.5], [1e6, 1e6 + step], 1 / step), [1 / (1 + math.exp(-1)), 1 / (1 + math.e)], rtol=1e-14
    )


@pytest.mark.parametrize(
    ("prior", "risk", "beta", "says"),
    [
        ([0.5, 0.6], [0, 1], 1, "prior: probabilities must sum to 1"),
        ([1.5, -0.5], [0, 1], 1, "prior: .* not negative"),
        ([0.5, np.nan], [0, 1], 1, "prior: .* finite"),
        (["a", "b"], [0, 1], 1, "prior: expected numbers"),
        (1.0, [0.0], 1, "prior: expected"),
        ([[0.5, 0.5]], [0, 1], 1, r"prior: expected shape \(m,\)"),
        ([], [], 1, "prior: "),
        ([0.5, 0.5], [0, 1, 2], 1, "risk: "),
        ([0.5, 0.5], [0, np.inf], 1, "risk: "),
        ([0.5, 0.5], [0, np.nan], 1, "risk: "),
        ([0.5, 0.5], "ab", 1, "risk: "),
        ([0.5, 0.5], 0.5, 1, "risk: "),
        ([0.5, 0.5], [0, 1], -1, "inverse_temperature: "),
        ([0.5, 0.5], [0, 1], np.nan, "inverse_temperature: "),
        ([0.5, 0.5], [0, 1], np.inf, "inverse_temperature: "),
        ([0.5, 0.5], [0, 1], "hot", "inverse_temperature: "),
        ([0.5, 0.5], [0, 1], [1.0, 2.0], "inverse_temperature: "),
    ],
)
def test_gibbs_refuses(prior: Any, risk: Any, beta: Any, says: str) -> None:
    with pytest.raises(InputError, match=f"^{says}"):
        gibbs(prior, risk, beta)


# -- divergence of finite distributions --------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.data(), PARTS)
def test_divergence_in_balls(data: st.DataObject, parts: list[int]) -> None:
    p = shares(parts)
    q = shares(data.draw(st.lists(st.sampled_from([0, 1, 5, 2000]), min_size=len(p), max_size=len(p)).filter(any)))
    given_floats = [float(x) for x in q], [float(x) for x in p]
    if any(a > 0 == b for a, b in zip(q, p, strict=True)):
        with pytest.raises(InputError, match=r"^prior: has zero mass where the posterior has some"):
            divergence(*given_floats)
        return
    with ctx.workprec(200):
        ball = sum(
            (
                arb(a.numerator) / a.denominator * (arb((a / b).numerator) / (a / b).denominator).log()
                for a, b in zip(q, p, strict=True)
                if a
            ),
            arb(0),
        )
    found = divergence(*given_floats)
    assert found >= 0 and found.shape == ()
    assert found == pytest.approx(float(ball), rel=1e-12, abs=1e-15)


def test_divergence_broadcasts_over_posteriors() -> None:
    q, p = np.random.default_rng(0).dirichlet(np.ones(3), (2, 4)), np.array([0.2, 0.3, 0.5])
    assert divergence(q, p).shape == (2, 4)
    np.testing.assert_allclose(divergence(q, p), (q * np.log(q / p)).sum(-1), rtol=1e-12)
    np.testing.assert_allclose(divergence(q, q[::-1]), (q * np.log(q / q[::-1])).sum(-1), rtol=1e-12)


@pytest.mark.parametrize(
    ("posterior", "prior", "says"),
    [
        ([0.5, 0.6], [0.5, 0.5], "posterior: probabilities must sum to 1, got 1.1; divide"),
        ([0.5, 0.5], [0.5, 0.4], "prior: probabilities must sum"),
        ([0.5, 0.5], [1.0], "posterior, prior: 2 and 1 policies"),
        ([1.0, 0.0], [0.0, 1.0], "prior: has zero mass"),
        (1.0, [1.0], "posterior: expected"),
        (["a"], [1.0], "posterior: expected numbers"),
        ([1.0], None, "prior: expected"),
        (np.full((3, 2), 0.5), np.full((2, 2), 0.5), "posterior, prior: shapes"),
        ([np.inf, 0.0], [0.5, 0.5], "posterior: probabilities must be finite"),
    ],
)
def test_divergence_refuses(posterior: Any, prior: Any, says: str) -> None:
    with pytest.raises(InputError, match=f"^{says}"):
        divergence(posterior, prior)


def test_distributions_are_read_with_a_size() -> None:
    assert check_distribution((0.25, 0.75), "x", 2).tolist() == [0.25, 0.75]
    with pytest.raises(InputError, match=r"^x: expected 3 probabilities"):
        check_distribution([0.5, 0.5], "x", 3)
    check_distribution([1 - 5e-10, 0.0], "x")
    with pytest.raises(InputError, match=r"^x: probabilities must sum to 1"):
        check_distribution([1 - 2e-9, 0.0], "x")


# -- Gaussians ---------------------------------------------------------------------------------------------------------

GAUSSIANS = st.tuples(st.floats(-3, 3), st.floats(0.1, 4))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(GAUSSIANS, GAUSSIANS), min_size=1, max_size=3))
def test_gaussian_divergence_by_integration(both: list[tuple[tuple[float, float], tuple[float, float]]]) -> None:
    expected = 0.0
    for (mean, deviation), (other, wide) in both:
        q, p = stats.norm(mean, deviation), stats.norm(other, wide)
        integrand = lambda x, q=q, p=p: q.pdf(x) * (q.logpdf(x) - p.logpdf(x))  # noqa: E731
        expected += integrate.quad(
            integrand, mean - 12 * deviation, mean + 12 * deviation, points=[mean], epsabs=1e-11
        )[0]
    (m, s), (n, t) = (np.array(side).T for side in zip(*both, strict=True))
    assert DiagonalGaussian(m, s).divergence(DiagonalGaussian(n, t)) == pytest.approx(expected, rel=1e-9, abs=1e-10)


def test_gaussian_divergence_by_drawing() -> None:
    generator = np.random.default_rng(0)
    m, n, s, t = (
        generator.normal(size=4),
        generator.normal(size=4),
        0.5 + generator.random(4),
        0.5 + generator.random(4),
    )
    x = m + s * generator.standard_normal((200_000, 4))
    ratio = (stats.norm.logpdf(x, m, s) - stats.norm.logpdf(x, n, t)).sum(-1)
    found = DiagonalGaussian(m, s).divergence(DiagonalGaussian(n, t))
    assert abs(found - ratio.mean()) < 4 * ratio.std() / math.sqrt(len(x))


@pytest.mark.parametrize(
    "deviation",
    [
        1.0,
        1 + 2**-52,
        1 - 2**-53,
        1 + 1e-12,
        1 + 1e-8,
        1 - 1e-5,
        1.01,
        0.7,
        0.5,
        1.5,
        2.0,
        1e-3,
        1e-7,
        1e-9,
        1e-100,
        1e-200,
        1e-300,
        1e100,
    ],
)
@pytest.mark.parametrize("wide", [1.0, 0.3])
def test_gaussian_divergence_of_equal_means_in_balls(deviation: float, wide: float) -> None:
    """Nearly equal deviations keep their digits; very different ones give no infinity."""
    own = deviation * wide
    with ctx.workprec(2500):
        ratio = (arb(own) / arb(wide)) ** 2
        expected = float((ratio - 1 - ratio.log()) / 2)
    gap = abs(own - wide) / wide
    found = DiagonalGaussian([0.3], [own]).divergence(DiagonalGaussian([0.3], [wide]))
    assert found == pytest.approx(expected, rel=1e-13 + 1e-15 / max(gap, 1e-16), abs=1e-40)
    assert found >= 0


def test_gaussian_divergence_adds_means() -> None:
    prior = DiagonalGaussian([0.0, 0.0, 1.0], [1.0, 2.0, 4.0])
    assert DiagonalGaussian([1.0, 2.0, -3.0], [1.0, 2.0, 4.0]).divergence(prior) == pytest.approx(
        (1 + 1 + 1) / 2, rel=1e-15
    )
    assert prior.divergence(prior) == 0
    assert DiagonalGaussian([0.0], [1e300]).divergence(DiagonalGaussian([0.0], [1e-300])) == math.inf
    np.testing.assert_array_equal(DiagonalGaussian([0, 1], 3).deviation, [3.0, 3.0])


@pytest.mark.parametrize(
    ("mean", "deviation", "says"),
    [
        ([0.0], [0.0], "deviations positive"),
        ([0.0], [-1.0], "deviations positive"),
        ([0.0], [np.nan], "finite"),
        ([np.inf], [1.0], "finite"),
        ([0.0, 1.0], [1.0], "need"),
        (0.0, 1.0, "need"),
        ([[0.0]], 1.0, "need"),
        (["a"], 1.0, "mean: expected numbers"),
        ([0.0], "a", "deviation: expected"),
    ],
)
def test_gaussians_refuse(mean: Any, deviation: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        DiagonalGaussian(mean, deviation)


def test_gaussians_of_other_sizes() -> None:
    env = families.bandit([["0"], ["1"]])
    with pytest.raises(InputError, match=r"^prior: has 3 parameters, the posterior 2"):
        DiagonalGaussian([0.0, 0.0], 1.0).divergence(DiagonalGaussian(np.zeros(3), 1.0))
    with pytest.raises(InputError, match=r"^policy: has 2 parameters, the distribution 3"):
        DiagonalGaussian(np.zeros(3), 1.0).sample(TabularSoftmax(env), 1, np.random.default_rng(0))
    with pytest.raises(InputError, match=r"^count: must be at least 1, got 0"):
        DiagonalGaussian(np.zeros(2), 1.0).sample(TabularSoftmax(env), 0, np.random.default_rng(0))


def test_samples_are_normal_and_repeatable() -> None:
    env = families.bandit([["0"], ["1"]])
    policy, distribution = LogLinear(env, np.eye(2), np.zeros(2)), DiagonalGaussian([1.0, -2.0], [0.5, 3.0])
    drawn = [distribution.sample(policy, 4000, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    values = [np.array([one.parameters for one in own]) for own in drawn]
    np.testing.assert_array_equal(values[0], values[1])
    assert (values[0] != values[2]).all()
    assert all(one.env is env and np.array_equal(one.features, policy.features) for one in drawn[0])
    standard = (values[0] - distribution.mean) / distribution.deviation
    for column in standard.T:
        assert stats.kstest(column, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(standard.T)[0, 1]) < 4 / math.sqrt(4000)
    assert abs(np.corrcoef(standard[:-1, 0], standard[1:, 0])[0, 1]) < 4 / math.sqrt(4000)


# -- a bound at work ---------------------------------------------------------------------------------------------------

TASK = families.contextual_bandit(
    [[[("1/4", 1), ("3/4", 0)], ["1"]], [["1"], ["0"]], [["1/2"], ["1"]], [["1"], ["1/3"]]],
    prompt_probability=("1/8", "1/2", "1/4", "1/8"),
)


@pytest.mark.parametrize("kind", ["log-linear", "network"])
def test_a_gaussian_posterior_on_weights(kind: str) -> None:
    """The mean takes one gradient step on the training prompts; both confidence terms together fail no more often than
    they may.
    """
    generator = np.random.default_rng(0)
    env, sets, n, draws, many, delta, share = TASK, 150, 16, 30, 50, 0.3, 0.3
    policy: Policy = LogLinear(env, generator.standard_normal((env.n_pairs, 3)), np.zeros(3))
    if kind == "network":
        policy = Network(env, hidden=2, generator=generator)
    prior = DiagonalGaussian(policy.parameters, 0.5)
    fails, found = 0, []
    for counts in generator.multinomial(n, env.prompt_probability, size=sets):
        seen = part(
            env, [F(int(c), n) for c in counts]
        )  # log-linear and network policies keep their parameters on a part
        posterior = DiagonalGaussian(policy.parameters + 2 * exact.policy_gradient(seen, restrict(policy, seen)), 0.45)
        loss = 1 - prompt_values(env, posterior.sample(policy, draws + many, generator))[:, :, 0]
        truth, error = (
            (loss[draws:] @ env.prompt_probability).mean(),
            (loss[draws:] @ env.prompt_probability).std() / math.sqrt(many),
        )
        bound = sampled_risk_bound(
            float((loss[:draws] @ counts).mean() / n),
            draws,
            n,
            kl=posterior.divergence(prior),
            delta=delta,
            delta_drawn=share,
        )
        fails += truth - 4 * error > bound
        found.append(bound)
    assert stats.binomtest(fails, sets, delta + share, alternative="greater").pvalue > 1e-3
    assert max(found) < 1 and max(found) > min(found) + 0.02
