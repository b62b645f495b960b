"""Leave-one-out advantages against their definition, and what they are for: the expected update is the gradient."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from tamdp_theory import TabularSoftmax, exact, families
from tamdp_theory.estimators import Scheme
from tests.helpers.estimators import BINARY, GRADED, through_every_route


def rule(group: list[tuple[Fraction, ...]], weights: Sequence[Fraction]) -> list[float]:
    scores = [sum(w * r for w, r in zip(weights, row, strict=True)) for row in group]
    return [float(c - Fraction(sum(scores) - c) / (len(scores) - 1)) for c in scores]


@pytest.mark.parametrize("size", [2, 3, 4])
def test_every_route(size: int) -> None:
    through_every_route(Scheme(size, "leave_one_out"), rule, [*GRADED, *BINARY])


@pytest.mark.parametrize("size", [2, 5, 64])
def test_the_expected_update_is_the_gradient(size: int) -> None:
    env = families.random_tree(seed=4, prompts=3, tools=1, answers=3, max_tool_depth=1, components=2, levels=4)
    policy = TabularSoftmax.random(env, np.random.default_rng(0))
    found = exact.update_moments(env, policy, size, "leave_one_out").mean
    np.testing.assert_allclose(found, exact.policy_gradient(env, policy), rtol=1e-11, atol=1e-14)
