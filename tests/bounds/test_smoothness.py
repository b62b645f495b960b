"""Sharper smoothness: the steps of the proofs, the constants, and the quantities by other routes."""

from fractions import Fraction
from math import pi, sqrt

import numpy as np
import pytest
import sympy as sp

from bounds import CLAIMS, Instance, Verdict
from bounds import symbols as s
from bounds.directions import node_directions, pair_directions
from bounds.enclosed import smoothness as enclosed
from bounds.exact_instance import exactly
from tamdp_theory import TAMDP, TabularSoftmax, exact, families
from tamdp_theory.exact import Scheme, balls
from tamdp_theory.exact.shape import objective_claims, one_decision, trees
from tamdp_theory.exact.smoothness import OF_OBJECTIVE, deciding_claim, potential_constants
from tamdp_theory.exact.update_potential import find_potential
from tamdp_theory.families import bandit, number_line, random_tree, search
from tests.helpers.chains import chain, merged
from tests.helpers.shapes import walked_trees

TREE = random_tree(seed=4, prompts=2, tools=1, answers=2, max_tool_depth=1, components=2)
RNG = np.random.default_rng


def test_the_three_atoms_of_a_node() -> None:
    """Three times the slack of L3.node, for gaps x and y, is a sum of products that are not negative."""
    p1, p2, x, y = sp.symbols("p1 p2 x y", positive=True)
    law, place = (p1, p2, 1 - p1 - p2), (0, x, x + y)
    mean = sum(p * v for p, v in zip(law, place, strict=True))
    w = [v - mean for v in place]
    spread, fourth = (sum(p * v**k for p, v in zip(law, w, strict=True)) for k in (2, 4))
    middle = sum(w) / 3
    reach = sum((v - middle) ** 2 for v in w)
    slack = 2 * spread * reach - 4 * spread**2 - (fourth - spread**2)
    a, b, c = law[0] * law[1], law[1] * law[2], law[0] * law[2]
    q = x**2 + x * y + y**2
    shown = a * x**2 * (q + 3 * y * (x + y)) + b * y**2 * (q + 3 * x * (x + y)) + c * (x + y) ** 2 * (x - y) ** 2
    assert sp.expand(3 * slack - shown) == 0


def test_two_atoms_are_equal_and_a_third_action_without_probability_only_helps() -> None:
    p, v = sp.symbols("p v", positive=True)
    w = ((1 - p) * v, -p * v)
    spread, fourth = (p * w[0] ** k + (1 - p) * w[1] ** k for k in (2, 4))
    assert sp.expand(fourth - spread**2 + 4 * spread**2 - 2 * spread * v**2 / 2) == 0


@pytest.mark.parametrize("claim_id", list(OF_OBJECTIVE))
def test_constants_are_those_of_the_statements(claim_id: str) -> None:
    assert float(CLAIMS[claim_id].statement.rhs / s.osc) == pytest.approx(OF_OBJECTIVE[claim_id], rel=1e-15)


def test_what_a_graph_allows() -> None:
    assert trees(chain()).tolist() == [True] and trees(merged()).tolist() == [False]
    assert one_decision(chain()).tolist() == [False] and one_decision(bandit([["0"], ["1"]])).tolist() == [True]
    assert trees(TREE).all() and trees(number_line(size=3, max_steps=3)).all()
    assert objective_claims(TREE) == ("L3.trees", "L3.trees")
    assert deciding_claim(merged()) == "L3.all" and deciding_claim(bandit([["0"], ["1"]])) == "L3.bandit"
    # random successors of one action do not make two ways
    assert trees(search(prompts=1, max_tool_depth=1, reliability="1/2")).all()


@pytest.mark.parametrize(
    "env",
    [chain(), merged(), TREE, number_line(size=3, max_steps=3), search(prompts=2, max_tool_depth=1)],
    ids=lambda env: env.name,
)
def test_trees_by_walking(env: TAMDP) -> None:
    assert trees(env).tolist() == walked_trees(env)


def test_potentials_whatever_the_group() -> None:
    """G = 2 and 3 have the constants of J times 1 and sqrt 2; then 1/2 on trees; elsewhere it stops at 1/sqrt 2."""
    assert potential_constants(chain(), 2) == pytest.approx([9 / 40])
    assert potential_constants(chain(), 3) == pytest.approx([sqrt(2) * 9 / 40])
    assert potential_constants(bandit([["0"], ["1"]]), 3) == pytest.approx([sqrt(2) / (3 * sqrt(3))])
    for size in (4, 64, 10**6):
        assert potential_constants(chain(), size) == pytest.approx([1 / 2])
    found = [float(potential_constants(merged(), size)[0]) for size in (2, 3, 4, 5, 10**6)]
    assert found == pytest.approx([0.285, sqrt(2) * 0.285, 1 / 2, 0.57, 1 / sqrt(2)])


def test_sharp_by_the_deviation() -> None:
    """One coin with p (1 - p) = 1/8: ||Hessian|| = 2 p (1-p) |1 - 2p| /... = sd/2."""
    p = (1 - sqrt(1 / 2)) / 2
    env = bandit([["1"], ["0"]])
    check = CLAIMS["L3.sd"].check(Instance(env, TabularSoftmax(env, np.log([[p, 1 - p]]))))
    assert check.lhs == pytest.approx(check.rhs, rel=1e-12)
    assert check.verdict in (Verdict.HOLDS, Verdict.UNDECIDED)


@pytest.mark.parametrize("env", [TREE, number_line(size=3, max_steps=2), merged()], ids=lambda env: env.name)
def test_the_martingale_is_the_second_derivative(env: TAMDP) -> None:
    """E[c N] along v is v' (Hessian) v, with N from listed trajectories; and E N = 0."""
    policy = TabularSoftmax.random(env, RNG(3), 1.0)
    paths = exact.enumerate_trajectories(env)
    chance = paths.probability(policy.pair_log_probability[:, None])[:, 0] * env.prompt_probability[paths.prompt]
    hessian = exact.hessian(env, policy)
    pi = policy.pair_probability
    for v in pair_directions(env):
        w = v - env.node_sum((pi * v)[:, None])[env.pair_node, 0]
        spread = env.node_sum((pi * w**2)[:, None])[env.pair_node, 0]
        n = (paths.visits @ w) ** 2 - paths.visits @ spread
        full = np.zeros(policy.n_parameters)
        full[env.pair_parameter] = v
        assert chance @ n == pytest.approx(0, abs=1e-12)
        assert (chance * env.class_composite[paths.reward_class]) @ n == pytest.approx(full @ hessian @ full, abs=1e-12)


@pytest.mark.parametrize("scheme", [Scheme(4, "normalize_then_sum"), Scheme(5, "normalize_then_sum", 0.25, 1)])
def test_the_hessian_of_the_potential_by_differences(scheme: Scheme) -> None:
    env = random_tree(seed=4, prompts=2, tools=1, answers=2, max_tool_depth=1, components=2)
    policy = TabularSoftmax.random(env, RNG(1), 0.7)
    potential = find_potential(env, scheme)
    assert potential is not None
    step, size = 1e-3, policy.n_parameters
    plan = exact.UpdatePlan(env, scheme)
    slopes = [
        [plan.moments(policy.with_parameters(policy.parameters + sign * step * e)).mean for sign in (1, -1)]
        for e in np.eye(size)
    ]
    hessian = np.array([(up - down) / (2 * step) for up, down in slopes])
    check = CLAIMS["L7.smooth"].check(Instance(env, policy, scheme))
    assert check.lhs == pytest.approx(np.linalg.norm((hessian + hessian.T) / 2, 2), rel=1e-5)
    assert check.rhs == pytest.approx(potential.smoothness)
    with balls.precision(128):
        (row,) = enclosed.potential_rows(exactly(Instance(env, policy, scheme)))
        assert float(balls.ball(row[s.L]).mid()) == pytest.approx(potential.smoothness, rel=1e-14)


@pytest.mark.parametrize("size", [2, 3, 4, 7])
@pytest.mark.parametrize(("eps", "ddof", "spread"), [(0.0, 0, 1.0), (0.3, 1, 0.5)])
def test_bends_are_derivatives(size: int, eps: float, ddof: int, spread: float) -> None:
    p = sp.Symbol("p")
    small = sp.Rational(str(eps)) / sp.Rational(str(spread))
    scale = {k: sp.sqrt(sp.Rational(k * (size - k), size * (size - ddof))) + small for k in range(1, size)}
    law = {k: sp.binomial(size - 2, k - 1) * p ** (k - 1) * (1 - p) ** (size - k - 1) for k in range(1, size)}
    slope = sum(law[k] * sp.Rational(size - 1, size) / scale[k] for k in scale)
    for value in (Fraction(1, 10), Fraction(1, 2), Fraction(7, 8)):
        at = sp.Rational(value.numerator, value.denominator)
        settings = (float(value), size, eps, ddof, spread)
        assert exact.potential_slope(*settings) == pytest.approx(float(slope.subs(p, at)), rel=1e-12)
        bend = float(sp.diff(slope, p).subs(p, at))
        assert exact.potential_curvature(*settings) == pytest.approx(bend, rel=1e-11, abs=1e-12)


def test_the_potential_tends_to_an_angle() -> None:
    """psi_G to 1/sqrt(p q) and its derivative to that one's, from below (L7.limit, L7.limit.bend)."""
    p = 0.3
    assert exact.potential_slope(p, 4000) == pytest.approx(1 / sqrt(p * (1 - p)), rel=2e-4)
    assert abs(exact.potential_curvature(p, 4000)) == pytest.approx((1 - 2 * p) / 2 / (p * (1 - p)) ** 1.5, rel=1e-3)
    assert exact.potential(1.0, 4000) == pytest.approx(pi, abs=0.06)


def test_directions_are_integers_and_none_is_empty() -> None:
    env = families.search(prompts=3, max_tool_depth=1)
    found = pair_directions(env)
    assert (found == np.round(found)).all() and found.shape[1] == env.n_pairs
    assert all(np.abs(found[:, env.pair_prompt == q]).any(axis=1).all() for q in range(env.n_prompts))
    assert (node_directions(3)[:3] == np.eye(3)).all()


def test_each_theorem_says_which_constant_it_uses() -> None:
    env = merged()
    policy = TabularSoftmax(env, np.log([[0.5, 0.5], [0.3, 0.7]]))
    for scheme, claim in ((Scheme(8, "center"), "L3.all"), (Scheme(8, "normalize_then_sum"), "L7.smooth")):
        check = CLAIMS["T1.exact"].check(Instance(env, policy, scheme, steps=20))
        assert f"L by {claim}" in check.note
