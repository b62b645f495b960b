"""Psi_G, psi_G and the curl: closed forms, limits, derivatives, and the theory's examples."""

from math import comb, sqrt

import numpy as np
import pytest
from scipy import integrate, stats

from tamdp_theory import InputError, TabularSoftmax, exact, families
from tamdp_theory.exact import curl, potential, potential_slope

P = np.linspace(0, 1, 41)


@pytest.mark.parametrize(("group_size", "constant"), [(2, 1.0), (3, sqrt(2))])
def test_small_groups_have_a_constant_slope(group_size: int, constant: float) -> None:
    """psi_2 = 1 and psi_3 = sqrt 2 (theory.md L7)."""
    np.testing.assert_allclose(potential_slope(P, group_size), constant, rtol=1e-13)
    np.testing.assert_allclose(potential(P, group_size), constant * P, rtol=0, atol=1e-13)


@pytest.mark.parametrize("group_size", [2, 5, 16, 101])
def test_slope_is_the_expectation_it_is_defined_as(group_size: int) -> None:
    """E[sqrt(S (G - S))] / (G p (1 - p)), with scipy's binomial law."""
    p = P[1:-1]
    s = np.arange(group_size + 1)
    expected = (stats.binom.pmf(s, group_size, p[:, None]) * np.sqrt(s * (group_size - s))).sum(-1) / (
        group_size * p * (1 - p)
    )
    np.testing.assert_allclose(potential_slope(p, group_size), expected, rtol=1e-11)


@pytest.mark.parametrize(("eps", "ddof", "spread"), [(0.0, 0, 1.0), (1e-2, 1, 0.5), (0.3, 0, 2.0)])
@pytest.mark.parametrize("group_size", [2, 6, 33])
def test_potential_is_the_integral_of_the_slope(group_size: int, eps: float, ddof: int, spread: float) -> None:
    for p in (0.03, 0.4, 0.97):
        area, _ = integrate.quad(
            lambda x: float(potential_slope(x, group_size, eps, ddof, spread)), 0, p, epsabs=1e-12, epsrel=1e-12
        )
        assert float(potential(p, group_size, eps, ddof, spread)) == pytest.approx(area, rel=1e-11)


@pytest.mark.parametrize("group_size", [2, 4, 7, 20, 100])
def test_shape_of_the_slope(group_size: int) -> None:
    """Symmetric, convex, between psi(1/2) and sqrt(G - 1), which it attains at the ends."""
    slope = potential_slope(P, group_size)
    np.testing.assert_allclose(slope, slope[::-1], rtol=1e-11)
    assert (np.diff(slope, 2) >= -1e-10).all()
    assert slope.max() <= sqrt(group_size - 1) * (1 + 1e-12)
    assert slope.min() >= float(potential_slope(0.5, group_size)) * (1 - 1e-12)
    assert slope[0] == pytest.approx(sqrt(group_size - 1), rel=1e-12)


def test_limit_of_large_groups() -> None:
    """Psi_G tends to 2 arcsin sqrt p, at rate 1/G away from the ends."""
    p = np.array([0.1, 0.3, 0.5, 0.8])
    errors = [np.abs(potential(p, g) - 2 * np.arcsin(np.sqrt(p))).max() for g in (100, 400, 1600)]
    # Psi_G(1) misses pi by a term of order 1/sqrt(G) that sits at the end p = 0
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.05


@pytest.mark.parametrize("group_size", [2, 3, 5, 9, 32])
def test_smoothness_of_the_decomposed_potential(group_size: int) -> None:
    """sup_p [psi/2 + |psi'| p (1 - p) / 2] = sqrt(G - 1) / 2, the constant of T1.stationary."""
    p = np.linspace(1e-6, 1 - 1e-6, 20001)
    slope = potential_slope(p, group_size)
    bound = slope / 2 + np.abs(np.gradient(slope, p)) * p * (1 - p) / 2
    assert bound.max() <= sqrt(group_size - 1) / 2 * (1 + 1e-4)


@pytest.mark.parametrize("group_size", [2, 4, 8])
def test_effective_reward_of_two_values(group_size: int) -> None:
    """h_high - h_low = psi_G(p), so that m = psi_G(p) grad p."""
    for p in (0.02, 0.3, 0.77):
        for eps, ddof in ((0.0, 0), (1e-2, 1)):
            h = exact.group_moments(
                [1 - p, p],
                [["1/4"], ["3/4"]],
                [1],
                group_size=group_size,
                normalization="sum_then_normalize",
                eps=eps,
                ddof=ddof,
            ).first
            assert h[1] - h[0] == pytest.approx(float(potential_slope(p, group_size, eps, ddof, 0.5)), rel=1e-12)


def test_potential_errors() -> None:
    for bad in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="p: probabilities"):
            potential(bad, 4)
    with pytest.raises(InputError, match="group_size"):
        potential_slope(0.5, 1)
    with pytest.raises(InputError, match="spread"):
        potential(0.5, 4, spread=0)


def test_curl_of_pairs_is_two() -> None:
    """G = 2, three values: curl(e_mid - e_low, e_top - e_low) = 2 at every P (theory.md L8)."""
    low, mid, top = np.eye(3)
    for p in np.random.default_rng(0).dirichlet(np.ones(3), size=5):
        assert (mid - low) @ curl(p, [[0], ["1/5"], [1]], [1], 2, "sum_then_normalize") @ (top - low) == pytest.approx(
            2, rel=1e-12
        )


@pytest.mark.parametrize(("group_size", "eps", "ddof"), [(3, 0.0, 0), (4, 1e-2, 1)])
def test_curl_is_the_circulation_of_the_one_form(group_size: int, eps: float, ddof: int) -> None:
    """Integrate sum_m h_m dP_m around a small parallelogram: Stokes, without any derivative."""
    rewards, base = [[0], ["1/3"], ["1/2"], [1]], np.array([0.2, 0.3, 0.1, 0.4])
    u, v = np.array([1.0, -1.0, 0, 0]), np.array([0, 1.0, 1.0, -2.0])
    side = 1e-3

    def along(start: np.ndarray, step: np.ndarray) -> float:
        nodes, weights = np.polynomial.legendre.leggauss(4)
        points = [start + step * (x + 1) / 2 for x in nodes]
        h = [
            exact.group_moments(
                p, rewards, [1], group_size=group_size, normalization="sum_then_normalize", eps=eps, ddof=ddof
            ).first
            for p in points
        ]
        return sum(w / 2 * float(x @ step) for w, x in zip(weights, h, strict=True))

    du, dv = side * u, side * v
    corner = base - du / 2 - dv / 2
    loop = along(corner, du) + along(corner + du, dv) - along(corner + dv, du) - along(corner, dv)
    twist = (
        u @ curl(base, rewards, [1], group_size=group_size, normalization="sum_then_normalize", eps=eps, ddof=ddof) @ v
    )
    # d(sum h_m dP_m)(u, v) = D_u h . v - D_v h . u = u (dh - dh^T) v with (dh)_lm = dh_m / dP_l
    assert loop / side**2 == pytest.approx(twist, rel=1e-4)


@pytest.mark.parametrize(
    ("normalization", "rewards", "weights", "zero"),
    [
        ("center", [[0, 0], [1, "1/2"], [0, "1/3"], [1, 1]], [1, 2], True),
        ("normalize_then_sum", [[0, 0], [0, 1], [1, 0], [1, 1]], [1, 2], True),
        ("normalize_then_sum", [[0], ["1/2"], [1]], [1], False),
        ("sum_then_normalize", [[0], [1]], [1], True),
        ("sum_then_normalize", [[0, 0], [0, 1], [1, 0], [1, 1]], [1, 2], False),
        ("sum_then_normalize", [[0, 0], [0, 1], [1, 0]], [1, 1], True),
    ],
)
def test_where_the_update_is_closed(
    normalization: exact.Normalization, rewards: list, weights: list, zero: bool
) -> None:
    p = np.random.default_rng(1).dirichlet(np.ones(len(rewards)), size=3)
    twist = curl(p, rewards, weights, 4, normalization)
    np.testing.assert_allclose(twist, -np.swapaxes(twist, -1, -2), atol=1e-13)
    np.testing.assert_allclose(twist.sum(-1), 0, atol=1e-12)
    assert (np.abs(twist).max() < 1e-12) == zero


def test_silent_share() -> None:
    """Probability of a silent group p^G + (1-p)^G, read off a = E[A^2]: sum P a = 1 - silent share when eps = 0, ddof =
    0.
    """
    for p, size in ((0.3, 4), (0.05, 16)):
        moments = exact.group_moments([1 - p, p], [[0], [1]], [1], size, "sum_then_normalize")
        assert float(moments.second @ [1 - p, p]) == pytest.approx(1 - p**size - (1 - p) ** size, rel=1e-12)
        expected = (
            sum(comb(size, s) * p**s * (1 - p) ** (size - s) * sqrt(s * (size - s)) for s in range(1, size)) / size / p
        )
        assert float(moments.first[1]) == pytest.approx(expected, rel=1e-12)


def test_update_is_the_gradient_of_the_potential() -> None:
    env = families.random_tree(seed=4, prompts=2, tools=1, answers=2, max_tool_depth=1, components=3)
    policy = TabularSoftmax.random(env, np.random.default_rng(0))

    def value(theta: np.ndarray) -> float:
        laws = exact.reward_law(env, policy.with_parameters(theta))
        return sum(
            rho * w * float(potential(law.probability @ law.rewards[:, k], 5))
            for rho, law in zip(env.prompt_probability, laws, strict=True)
            for k, w in enumerate(env.weights)
        )

    step, at = 1e-5, policy.parameters
    slope = [(value(at + step * e) - value(at - step * e)) / (2 * step) for e in np.eye(len(at))]
    np.testing.assert_allclose(exact.update_moments(env, policy, 5, "normalize_then_sum").mean, slope, atol=1e-9)
