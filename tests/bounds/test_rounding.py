"""Errors carried through statements: never below what perturbed numbers do, not far above it, and large where terms
cancel.
"""

from typing import Any

import numpy as np
import pytest
import sympy as sp

from bounds import CLAIMS, Claim
from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.rounding import QUANTITY, approximate
from bounds.symbols import INDICES
from tests.helpers.seeds import moved

EVENTS = (s.Probability,)
SIMPLE = [claim for claim in CLAIMS.values() if not claim.statement.atoms(*EVENTS)]
WHOLE = {s.G: 5, s.k_best: 3, s.K: 3, s.H: 4, s.T: 7, s.A_max: 3, s.n: 20, s.D_tools: 2, s.B_run: 3}
WHOLE |= {ls.N_tries: 5, ls.n_arms: 5}
OPEN = {s.R_hat: 0.3, s.delta: 0.05, s.p: 0.2, s.kl_posterior: 1.5, s.R_S: 0.4, s.R_T: 0.45}


def draw(claim: Claim, generator: np.random.Generator) -> dict[Any, Any]:
    """Numbers of order one, of any sign where the statement allows it."""
    found: dict[Any, Any] = {}
    for q in claim.quantities:
        if q in WHOLE or q in OPEN:
            found[q] = WHOLE.get(q, OPEN.get(q))
        else:
            shape = (5 if "_{\\cdot}" in str(q) else 3,) * INDICES.get(q, 0)
            size = generator.uniform(0.1, 2.0, shape)
            free = not (q.is_nonnegative if isinstance(q, sp.Symbol) else q.label.is_nonnegative or q.label.is_positive)
            found[q] = size * generator.choice([-1, 1], shape) if free else size
    return found


def perturbed(numbers: dict[Any, Any], generator: np.random.Generator, size: float) -> dict[Any, Any]:
    return {
        q: v if q in WHOLE else np.asarray(v) * (1 + size * generator.choice([-1, 1], np.shape(v)))
        for q, v in numbers.items()
    }


@pytest.mark.parametrize("claim", SIMPLE, ids=lambda claim: claim.id)
def test_errors_cover_perturbations_and_are_not_far_above_them(claim: Claim) -> None:
    generator = np.random.default_rng(moved(1))
    size = 1e-6  # large against rounding, small against curvature
    for _ in range(5):
        numbers = draw(claim, generator)
        errors = {q: np.abs(np.asarray(v, dtype=float)) * (0.0 if q in WHOLE else size) for q, v in numbers.items()}
        centre = [float(side) for side in claim.sides(numbers)]
        bounds = [
            float(approximate(side, numbers, errors).error) for side in (claim.statement.lhs, claim.statement.rhs)
        ]
        seen = np.zeros(2)
        for _ in range(40):
            sides = claim.sides(perturbed(numbers, generator, size))
            seen = np.maximum(seen, [abs(float(side) - middle) for side, middle in zip(sides, centre, strict=True)])
        for moved_by, bound, middle in zip(seen, bounds, centre, strict=True):
            assert moved_by <= bound * (1 + 1e-4) + 1e-15
            # constants count as good to QUANTITY too, which errs to the safe side
            assert bound <= 12 * moved_by + 10 * QUANTITY * max(1.0, abs(middle)), (moved_by, bound)


def test_cancellation_shows() -> None:
    """1e8 - (1e8 - 1) has the error of 1e8; and the root of a difference near zero is good to half the digits."""
    gap = s.J_star - s.J
    value, error = approximate(gap, {s.J_star: 1e8, s.J: 1e8 - 1}, {})
    assert value == 1.0 and 2e8 * QUANTITY < error < 4e8 * QUANTITY
    root = approximate(sp.sqrt(gap), {s.J_star: 1.0, s.J: 1.0}, {})
    assert root.value == 0 and np.sqrt(2 * QUANTITY) < root.error < np.sqrt(4 * QUANTITY)
    # z'Cz with z = (3e5, -3e5 - 1), C = ((1, 1), (1, 1)): 1, from terms of 1e11
    z, count = np.array([3e5, -3e5 - 1]), 2
    form = sp.Sum(s.z[s.k] * s.corr[s.k, s.l] * s.z[s.l], (s.k, 1, s.K), (s.l, 1, s.K))
    value, error = approximate(form, {s.z: z, s.corr: np.ones((2, 2)), s.K: count}, {})
    assert value == pytest.approx(1.0) and 4 * 9e10 * 2 * QUANTITY < error < 4 * 9e10 * 5 * QUANTITY


def test_products_and_powers() -> None:
    numbers, errors = {s.W: 3.0, s.G: 2.0}, {s.W: 0.1, s.G: 0.0}
    assert float(approximate(s.W * s.G, numbers, errors).error) == pytest.approx(0.2)
    assert float(approximate(s.W**2, numbers, errors).error) == pytest.approx(3.1**2 - 2.9**2, rel=1e-9)
    assert float(approximate(1 / s.W, numbers, errors).error) == pytest.approx(1 / 2.9 - 1 / 3.1, rel=1e-9)
    assert float(approximate(sp.Max(s.W, s.G), numbers, errors).error) == pytest.approx(0.1)
    assert not np.isfinite(float(approximate(1 / s.W, {s.W: 0.05}, {s.W: 0.1}).error))  # the divisor may be zero
