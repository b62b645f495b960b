"""Theorem 1 exactly: its sides in closed form, in floats, and by the trainer; what it cannot say."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bounds import CLAIMS, Evidence, Instance, Verdict, certificates
from bounds import symbols as s
from bounds.claims.training import gradient_ceiling
from bounds.enclosed import paths as enclosed
from bounds.exact_instance import exactly
from tamdp_theory import InputError, TabularSoftmax, exact, families
from tamdp_theory.exact import Scheme, balls
from tamdp_theory.exact.update_potential import find_potential
from tests.helpers.chains import merged

TWO = families.bandit([["1"], ["0"]])
TREE = families.random_tree(seed=4, prompts=2, tools=1, answers=2, max_tool_depth=1, components=2)
EXACTLY = ["T1.exactly", "T1.exactly.path", "T1.exactly.biased"]


def sigmoid(x: float) -> float:
    return 1 / (1 + np.exp(-x))


def test_two_steps_of_pairs_in_closed_form() -> None:
    """Centred pairs of two arms: A = +-1/2 with probability 2p(1-p), so the logits part by eta/2 or not at all."""
    eta = 0.75
    check = CLAIMS["T1.exactly"].check(
        Instance(TWO, TabularSoftmax(TWO), Scheme(2, "center"), steps=2, learning_rate=eta)
    )
    # grad F = kappa p (1 - p) (1, -1)
    square = lambda p: 2 * (0.5 * p * (1 - p)) ** 2  # noqa: E731
    expected = (square(0.5) + 0.5 * square(0.5) + 0.5 * square(sigmoid(eta / 2))) / 2
    assert check.lhs == pytest.approx(expected, rel=1e-14)
    smooth, noise = 0.5 / (3 * np.sqrt(3)), 0.25 * 0.5 / 2
    assert check.rhs == pytest.approx(2 * 0.5 * 0.5 / (eta * 2) + smooth * eta * noise, rel=1e-14)
    assert check.evidence is Evidence.CERTIFIED


@pytest.mark.parametrize("claim_id", EXACTLY)
@pytest.mark.parametrize("scheme", [Scheme(4, "center"), Scheme(3, "normalize_then_sum")])
def test_the_trainer_sees_the_same_left_side(claim_id: str, scheme: Scheme) -> None:
    """T1.stationary and T1.biased sample what is summed here: within five standard errors of 4,000 runs."""
    policy = TabularSoftmax.random(TWO, np.random.default_rng(1), 0.7)
    instance = Instance(TWO, policy, scheme, steps=10, learning_rate=1.5, runs=4000)
    sampled = CLAIMS["T1.biased" if claim_id.endswith("biased") else "T1.stationary.path"]
    found, drawn = CLAIMS[claim_id].measure(instance), sampled.measure(instance)
    symbol = s.mean_grad_J if claim_id.endswith("biased") else s.mean_grad_F
    assert drawn.numbers[symbol] == pytest.approx(found.numbers[symbol], rel=0.03)
    if claim_id == "T1.exactly.path":
        assert drawn.numbers[s.variance_path] == pytest.approx(found.numbers[s.variance_path], rel=0.03)
        assert found.numbers[s.F_star] == pytest.approx(drawn.numbers[s.F_star], rel=1e-12)
        assert found.numbers[s.F_0] == pytest.approx(drawn.numbers[s.F_0], rel=1e-12)
        assert found.numbers[s.L] == pytest.approx(drawn.numbers[s.L], rel=1e-12)


@pytest.mark.parametrize(
    "scheme", [Scheme(8, "center"), Scheme(5, "normalize_then_sum"), Scheme(4, "sum_then_normalize")]
)
def test_constants_are_those_of_floats(scheme: Scheme) -> None:
    env = families.contextual_bandit([[["1"], ["0"]], [["1/2"], ["1/4"]]], prompt_probability=("1/4", "3/4"))
    policy = TabularSoftmax.random(env, np.random.default_rng(3), 1.0)
    potential = find_potential(env, scheme)
    assert potential is not None
    with balls.precision(128):
        own = enclosed._Potential.of(exactly(Instance(env, policy, scheme)))
        assert own is not None
        found = [own.start, own.upper, own.lower, own.smoothness, own.variance_bound, own.ceiling]
        ours = [float(balls.ball(value).mid()) for value in found]
    expected = [potential.value(policy), potential.upper, potential.lower, potential.smoothness]
    np.testing.assert_allclose(ours, [*expected, potential.variance_bound, gradient_ceiling(potential)], rtol=1e-12)


def test_the_step_is_recommended_once_and_for_all() -> None:
    """min(1/L, sqrt(2 gap/(L V T))), rounded down by less than a thousandth, whatever the precision in force."""
    instance = Instance(TWO, TabularSoftmax(TWO), Scheme(4, "center"), steps=30)
    potential = find_potential(TWO, instance.scheme)
    assert potential is not None
    gap, smooth = potential.upper - potential.value(instance.policy), potential.smoothness
    best = min(1 / smooth, np.sqrt(2 * gap / (smooth * potential.variance_bound * 30)))
    found = set()
    for bits in (64, 128, 1024):
        with balls.precision(bits):
            found.add(enclosed.recommended(exactly(instance)))
    (eta,) = found
    assert isinstance(eta, Fraction) and 0.999 * best < eta <= best


def test_one_step_by_listing_in_floats_and_in_balls() -> None:
    scheme, eta = Scheme(2, "normalize_then_sum", 0.25, 1), 0.8
    policy = TabularSoftmax.random(TREE, np.random.default_rng(1), 0.7)
    instance = Instance(TREE, policy, scheme, learning_rate=eta)
    check = CLAIMS["T1.step"].check(instance)
    assert (check.verdict, check.evidence) == (Verdict.HOLDS, Evidence.EXACT)
    with balls.precision(128):
        (row,) = enclosed.step_rows(exactly(instance))
        exactly_ = {
            name: float(balls.ball(balls.ball(v)).mid()) for name, v in row.items() if not isinstance(v, Fraction)
        }
    measured = CLAIMS["T1.step"].measure(instance).numbers
    for name in (s.shortfall_after, s.shortfall, s.grad_F_squared, s.variance, s.L):
        assert measured[name] == pytest.approx(exactly_[name], rel=1e-9, abs=1e-12), name


def test_a_step_of_a_tree_is_certified_too() -> None:
    instance = Instance(TREE, TabularSoftmax(TREE), Scheme(2, "center"), learning_rate=1.0)
    certificate = certificates.certify(CLAIMS["T1.step"], instance)
    assert certificate.verdict == Verdict.HOLDS and certificate.instance.learning_rate == 1
    certificates.check(certificate)


@pytest.mark.parametrize("claim_id", EXACTLY)
def test_certificates_keep_steps_and_rate(claim_id: str) -> None:
    instance = Instance(TWO, TabularSoftmax(TWO), Scheme(3, "normalize_then_sum"), steps=40, learning_rate=0.75)
    certificate = certificates.certify(CLAIMS[claim_id], instance)
    assert (certificate.instance.steps, certificate.verdict) == (40, Verdict.HOLDS)
    assert Fraction(str(certificate.instance.learning_rate)) == Fraction(3, 4)
    certificates.check(certificate)
    certificate.instance.steps = 41
    with pytest.raises(InputError, match=r"lhs|rhs|slack|digest"):
        certificates.check(certificate)


def test_too_many_paths_and_too_long_steps_are_said() -> None:
    many = CLAIMS["T1.exactly"].check(Instance(TREE, TabularSoftmax(TREE), Scheme(8, "center"), steps=50))
    assert many.verdict is Verdict.ASSUMPTION_UNMET and many.assumptions["few paths"] is False
    assert "states or more in 50 steps" in many.note or "groups exceed" in many.note
    long = Instance(TWO, TabularSoftmax(TWO), Scheme(4, "center"), steps=4, learning_rate=50.0)
    assert CLAIMS["T1.exactly"].check(long).assumptions["step size"] is False
    assert CLAIMS["T1.exactly"].check(replace(long, without=("step size",))).verdict in (
        Verdict.VACUOUS,
        Verdict.VIOLATED,
    )


def test_a_drift_that_is_not_there() -> None:
    """alpha is exact: where the expected update lowers J the claim says nothing."""
    env = families.drift_bandit()
    check = CLAIMS["T1.exactly.biased"].check(
        Instance(env, TabularSoftmax(env), Scheme(2, "sum_then_normalize"), steps=3)
    )
    assert check.verdict is Verdict.ASSUMPTION_UNMET and check.assumptions["drift"] is False


def test_one_step_on_a_process_that_is_no_tree() -> None:
    check = CLAIMS["T1.step"].check(Instance(merged(), TabularSoftmax(merged()), Scheme(3, "sum_then_normalize")))
    assert check.verdict is Verdict.HOLDS
    plan = exact.StepPlan(merged(), TabularSoftmax(merged()), Scheme(3, "sum_then_normalize"))
    assert plan.expectation(0.0, lambda q, pi: np.ones(pi.shape[1])) == pytest.approx(1)
