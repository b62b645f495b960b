"""Gaussian posteriors on parameters: divergences, true risks by quadrature, failures that happen are seen."""

from math import comb

import numpy as np
import pytest

from bounds import CLAIMS, Generalization, Instance, Verdict
from bounds.pac_bayes import gaussian, sampled_risk_bound
from bounds.pac_bayes.gaussian import GaussianClass, gaussian_coverage
from tamdp_theory import LogLinear, families
from tamdp_theory.posteriors import DiagonalGaussian

ENV = families.contextual_bandit([[["1"], ["0"]], [["0"], ["1"]]], prompt_probability=("3/4", "1/4"))
ONE = LogLinear(ENV, [[1.0], [0.0], [1.0], [0.0]], [0.2])  # one parameter: right on one prompt, wrong on the other


def test_true_risks_by_quadrature() -> None:
    """E of the loss under N(theta_j, 1/4), 3/4 sigmoid(-x) + 1/4 sigmoid(x), inside the interval; KL in closed form."""
    laws = GaussianClass.around(ONE, 0)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    generator = np.random.default_rng([0, 5])
    moves = generator.standard_normal((gaussian.MEANS, 1)) * np.arange(1, gaussian.MEANS + 1)[:, None]
    means = np.concatenate([[0.2], 0.2 + moves[:, 0]])
    for mean, risk, apart in zip(means, laws.risk, laws.divergence, strict=True):
        x = mean + gaussian.SPREAD * nodes
        true = weights @ (0.75 / (1 + np.exp(x)) + 0.25 / (1 + np.exp(-x))) / weights.sum()
        assert abs(risk - true) < laws.half_width
        assert abs(risk - true) < 0.03
        assert apart == pytest.approx((mean - 0.2) ** 2 / (2 * gaussian.SPREAD**2), rel=1e-12, abs=1e-15)
    assert DiagonalGaussian(np.zeros(1), np.ones(1)).divergence(DiagonalGaussian(np.zeros(1), np.ones(1))) == 0


def test_failures_that_happen_are_seen() -> None:
    """A loss of one on a prompt that is never trained on, and half of delta close to one: then the bound can fail."""
    loss = np.zeros((1, gaussian.POOL, 2))
    loss[0, :, 1] = 1.0
    laws = GaussianClass(np.zeros(1), loss, np.array([0.1]), 0.01)
    found = gaussian_coverage(
        laws, np.array([0.9, 0.1]), 40, 400, 0.9, 0.9, sets=3000, generator=np.random.default_rng(0), level=0.999
    )
    # empirical risk k/40 from all draws alike: the bound is below 0.09 only if kl(k/40 || .) allows it
    few = [k for k in range(41) if sampled_risk_bound(k / 40, 400, 40, 0.0, 0.9, 0.9) < 0.09]
    chance = sum(comb(40, k) * 0.1**k * 0.9 ** (40 - k) for k in few)
    assert found.low <= chance <= found.high


def test_the_claim_holds_on_a_policy_of_one_parameter() -> None:
    setting = Generalization(ENV.exact_prompt_probability, (ONE,), n=300, draws=64, delta=0.05, resamples=500)
    check = CLAIMS["T3.gaussian"].check(Instance(ENV, ONE, generalization=setting))
    assert check.verdict in (Verdict.HOLDS, Verdict.UNDECIDED), check
    assert check.lhs == 0 and check.rhs == 0.05
    again = CLAIMS["T3.gaussian"].check(Instance(ENV, ONE, generalization=setting))
    assert again.to_dict() == check.to_dict()
