"""PAC-Bayes by squared losses: the inequality that it rests on, failures by brute force, and plain numbers."""

import itertools
import math

import numpy as np
import pytest

from bounds import Generalization, Instance, pac_bayes
from bounds.claims.coverage import coverage
from bounds.pac_bayes.bernstein import bernstein_coverage
from bounds.pac_bayes.coverage import Atoms, exact_atoms
from bounds.pac_bayes.formulas import RATES
from tamdp_theory import InputError, TabularSoftmax, families
from tests.helpers.command import here, refused

QUIZ = families.contextual_bandit([[["0"], ["1"]]] * 3, prompt_probability=("1/2", "1/3", "1/6"), name="quiz")
TRIO = tuple(TabularSoftmax(QUIZ, [[0, -2 if q == unknown else 2] for q in range(3)]) for unknown in range(3))


def share(rate: float) -> float:
    return (-math.log(1 - rate) - rate) / rate


def test_the_inequality_behind_it() -> None:
    """exp(-eta x - s eta^2 x^2) <= 1 - eta x on [0, 1], with equality at both ends."""
    x = np.linspace(0, 1, 10_001)
    for rate in map(float, RATES):
        left = np.exp(-rate * x - share(rate) * rate * x**2)
        assert (left <= 1 - rate * x + 1e-15).all()
        assert left[0] == 1 and left[-1] == pytest.approx(1 - rate, rel=1e-14)


def test_numbers_by_hand() -> None:
    found = pac_bayes.bernstein_bound(0.2, 0.1, 100, 2.0, 0.05)
    by_hand = min(
        0.2 + share(rate) * 0.1 + (2 + math.log(8 / 0.05)) / (rate * 100) for rate in (2.0**-k for k in range(1, 9))
    )
    assert found == pytest.approx(by_hand, rel=1e-14) and isinstance(found, float)
    assert pac_bayes.bernstein_bound(0.2, 0.0, 100, 2.0, 0.05) < found
    with pytest.raises(InputError, match="empirical_square"):
        pac_bayes.bernstein_bound(0.2, 0.3, 100, 2.0, 0.05)


@pytest.mark.parametrize("delta", [0.05, 0.9])
def test_failures_for_any_posterior_by_brute_force(delta: float) -> None:
    """Ordered training sets of three prompts, and a fine grid of posteriors on three policies."""
    atoms, prior, n = exact_atoms(QUIZ, TRIO), np.full(3, 1 / 3), 3
    steps = 60
    grid = np.array([(a, b, steps - a - b) for a in range(steps + 1) for b in range(steps + 1 - a)]) / steps
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.nansum(np.where(grid > 0, grid * np.log(grid * 3), 0.0), axis=1)
    failure = 0.0
    for prompts in itertools.product(range(3), repeat=n):
        losses = atoms.loss[:, list(prompts)]
        empirical, square = grid @ losses.mean(axis=1), grid @ (losses**2).mean(axis=1)
        bound = pac_bayes.bernstein_bound(empirical, np.minimum(square, empirical), n, np.maximum(apart, 0), delta)
        if (grid @ atoms.risk > bound).any():
            failure += QUIZ.prompt_probability[list(prompts)].prod()
    found = bernstein_coverage(atoms, prior, 2.0, n, delta, 100, np.random.default_rng(0), 0.99, every=True)
    assert found.is_exact and found.sets == 10
    assert found.failure == pytest.approx(failure, abs=1e-12)


def test_failures_that_happen_are_seen() -> None:
    """A bound that may fail half of the time, on a loss that is 1 rarely: both routes see the same failures."""
    atoms = Atoms(np.array([0.97, 0.03]), np.array([[0.0, 1.0]]), np.array([0.03]))
    prior = np.ones(1)
    exactly = bernstein_coverage(atoms, prior, 0.0, 400, 0.9999, 10, np.random.default_rng(0), 0.999, every=True)
    chance = sum(
        math.comb(400, k) * 0.03**k * 0.97 ** (400 - k)
        for k in range(401)
        if pac_bayes.bernstein_bound(k / 400, k / 400, 400, 0.0, 0.9999) < 0.03
    )
    assert exactly.failure == pytest.approx(chance, rel=1e-9)
    assert exactly.failure <= 0.9999


def test_drawn_sets_hold_the_exact_share() -> None:
    setting = Generalization(QUIZ.exact_prompt_probability, TRIO, n=3, delta=0.9, resamples=4000)
    exactly = coverage("T3.bernstein", Instance(QUIZ, TRIO[0], generalization=setting), every=False)
    many = exact_atoms(QUIZ, TRIO)
    wide = Atoms(
        np.repeat(many.probability / 40, 40),
        np.repeat(many.loss, 40, axis=1) + np.tile(np.arange(40) * 1e-9, 3),
        many.risk,
    )
    drawn = bernstein_coverage(wide, np.full(3, 1 / 3), 4.0, 3, 0.9, 4000, np.random.default_rng(1), 0.999, every=False)
    assert not drawn.is_exact and drawn.sets == 4000
    assert drawn.bound == pytest.approx(exactly.bound, abs=0.02) and drawn.risk == pytest.approx(exactly.risk, abs=0.02)
    assert drawn.low <= exactly.failure <= drawn.high


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    done = here(capsys, "bound", "--risk", "0.02", "--square", "0.005", "--n", "500", "--kl", "3")
    assert f"squared losses (T3.bernstein)    {pac_bayes.bernstein_bound(0.02, 0.005, 500, 3.0, 0.05):.6f}" in done.out
    message = refused(here(capsys, "bound", "--risk", "0.02", "--square", "0.5", "--n", "500", "--kl", "3"))
    assert message.startswith("empirical_square")
