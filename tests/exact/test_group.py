"""Group moments: against enumeration, closed forms, identities, and their limits."""

import itertools
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamdp_theory import CapacityError, InputError, exact
from tamdp_theory.exact import GroupPlan, Scheme, group_moments
from tamdp_theory.exact.states import GridStates, MultisetStates, difference_table, group_states
from tamdp_theory.strategies import TableShape, distributions, reward_tables, schemes
from tamdp_theory.strategies import weights as drawn_weights
from tests.helpers import oracle

BITS = [list(bits) for bits in itertools.product((0, 1), repeat=3)]


def brute(
    probability: np.ndarray, rewards: list[list[Fraction]], weights: list[Fraction], scheme: Scheme
) -> dict[str, np.ndarray]:
    """Sums over all ordered groups."""
    data = {"components": [{"weight": w} for w in weights]}
    m = len(probability)
    out = {name: np.zeros(m) for name in ("first", "positive", "negative", "second")} | {
        name: np.zeros((m, m)) for name in ("cross", "given_pair")
    }
    for group in itertools.product(range(m), repeat=scheme.group_size):
        p = np.prod(probability[list(group)])
        a = oracle.advantages(data, [tuple(rewards[i]) for i in group], scheme.normalization, scheme.eps, scheme.ddof)
        one, two = group[:2]
        out["first"][one] += p / probability[one] * a[0]
        out["positive"][one] += p / probability[one] * max(a[0], 0)
        out["negative"][one] += p / probability[one] * max(-a[0], 0)
        out["second"][one] += p / probability[one] * a[0] ** 2
        out["cross"][one, two] += p / (probability[one] * probability[two]) * a[0] * a[1]
        out["given_pair"][one, two] += p / (probability[one] * probability[two]) * a[0]
    return out


@settings(max_examples=80, deadline=None)
@given(
    st.data(),
    schemes(4),
    st.integers(1, 3),
    st.integers(1, 4),
    st.sampled_from(["free", "ties", "two_valued", "complementary"]),
)
def test_moments_equal_enumeration(
    data: st.DataObject, scheme: Scheme, components: int, classes: int, shape: TableShape
) -> None:
    rows = data.draw(reward_tables(classes, components, shape))
    weights = data.draw(drawn_weights(components))
    probability = np.array(data.draw(distributions(classes)), dtype=float)
    found = group_moments(
        probability,
        rows,
        weights,
        group_size=scheme.group_size,
        normalization=scheme.normalization,
        eps=scheme.eps,
        ddof=scheme.ddof,
    )
    for name, expected in brute(probability, rows, weights, scheme).items():
        np.testing.assert_allclose(getattr(found, name), expected, rtol=0, atol=1e-13, err_msg=name)


def test_grid_and_multisets_agree() -> None:
    """The two ways to keep a group's statistics, on the same values."""
    values = [[Fraction(v, 10) for v in (0, 2, 3, 7)], [Fraction(v, 4) for v in (1, 0, 4, 1)]]
    grid = group_states(values, 5)
    assert isinstance(grid, GridStates)
    multiset = MultisetStates(grid.label, 4, (1.0, 1.0), 5, tuple(difference_table(column) for column in values))
    probability = np.random.default_rng(0).dirichlet(np.ones(4), size=3).T
    for members, which in ((5, 1), (4, 0)):
        for variable, of in itertools.product((0, 1), (0, 2)):
            moments = []
            for states in (grid, multiset):
                centred, spread = states.deviations(members, (0, 2), variable, of)
                law = states.laws(probability)[which]
                np.testing.assert_allclose(law.sum(axis=0), 1, rtol=1e-13)
                unit = states.unit[variable]
                moments.append(
                    [law.T @ f for f in (centred * unit, (centred * unit) ** 2, spread * unit, (spread == 0) * 1.0)]
                )
            np.testing.assert_allclose(moments[0], moments[1], rtol=1e-12)


CLOSE = [
    *[
        [Fraction(1, 2), Fraction(1, 2) + Fraction(1, 10**k), Fraction(1, 2) + Fraction(3, 10**k)]
        for k in (1, 4, 8, 12, 16, 40)
    ],
    [Fraction(0), Fraction(1, 10**16), Fraction(1)],
    [
        Fraction(0),
        Fraction(1),
        1 - Fraction(1, 10**16),
        1 - Fraction(3, 10**16),
    ],  # close to one another, not to zero: shifted floats merge
    [Fraction(0), Fraction(1, 10**200), Fraction(3, 10**200), Fraction(1)],  # squares below what a float holds
    [Fraction(1, 3), Fraction(1, 3) + Fraction(1, 10**9 + 7), Fraction(2, 3)],
    [
        Fraction(1, 3) - Fraction(1, 10**14),
        Fraction(1, 3),
        Fraction(1, 3) + Fraction(1, 10**7 + 3),
        1 - Fraction(1, 10**18),
    ],
]


@pytest.mark.parametrize("values", CLOSE, ids=lambda values: " ".join(f"{float(v):.6g}" for v in values))
@pytest.mark.parametrize(("eps", "ddof"), [(0.0, 0), (0.0, 1), (1e-9, 0)])
@pytest.mark.parametrize("size", [2, 4])
def test_close_rewards_keep_their_advantages(values: list[Fraction], eps: float, ddof: int, size: int) -> None:
    """Against sums over all groups in fractions: on a grid where 64 bits hold it, else from a table of differences."""
    probability = np.arange(1, len(values) + 1) / sum(range(1, len(values) + 1))
    rows, scheme = [[v] for v in values], Scheme(size, "sum_then_normalize", eps, ddof)
    expected = brute(probability, rows, [Fraction(1)], scheme)
    loose = GroupPlan(tuple((v,) for v in values), (Fraction(1),), scheme)
    states = MultisetStates(
        np.argsort(np.argsort(values)), len(values), (1.0,), size - 1, (difference_table(sorted(values)),)
    )
    loose._states[(0,)] = states
    for plan in (GroupPlan(tuple((v,) for v in values), (Fraction(1),), scheme), loose):
        found = plan.moments(probability)
        for name, value in expected.items():
            np.testing.assert_allclose(getattr(found, name), value, rtol=1e-14, atol=4e-15, err_msg=name)


def test_differences_below_floats_are_refused() -> None:
    with pytest.raises(CapacityError, match="1e-290"):
        difference_table([Fraction(0), Fraction(1, 10**300), Fraction(1)])
    table = difference_table([Fraction(1, 3), Fraction(1, 3), Fraction(1, 3) + Fraction(1, 10**280)])
    assert (table[:2, :2] == 0).all() and table[2, 0] == 1e-280 == -table[0, 2]


def test_rewards_below_floats_on_a_grid() -> None:
    """0 and 10^-399: one step of a grid whose unit underflows. eps = 0: as 0 and 1; eps > 0: no advantage is left."""
    tiny, bit = (
        group_moments([0.25, 0.75], [[0], [v]], [1], 4, "sum_then_normalize")
        for v in (Fraction(1, 10**399), Fraction(1))
    )
    np.testing.assert_array_equal(tiny.first, bit.first)
    assert not group_moments(
        [0.25, 0.75], [[0], [Fraction(1, 10**399)]], [1], group_size=4, normalization="sum_then_normalize", eps=1e-6
    ).first.any()


def test_grid_states_merge_and_multisets_do_not() -> None:
    grid = group_states([[Fraction(v, 5) for v in range(6)]], 20)
    assert isinstance(grid, GridStates)
    assert len(grid.keys[20]) < comb(25, 5) / 10
    loose = group_states([[Fraction(v) + Fraction(v * v, 10**9 + 7) for v in range(6)]], 4)
    assert isinstance(loose, MultisetStates)
    assert [len(parent) for parent, _, _ in loose.steps] == [comb(n + 5, 5) for n in range(1, 5)]


@pytest.mark.parametrize("unit", [Fraction(10**9), Fraction(10**9, 7), Fraction(1, 10**9)])
def test_the_grid_is_the_coarsest(unit: Fraction) -> None:
    """Values that are multiples of a large or odd number take no more states than small integers do."""
    states = group_states([[unit * v + Fraction(1, 3) for v in (0, 2, 3)]], 500)
    assert isinstance(states, GridStates)
    assert states.unit == (float(unit),)
    np.testing.assert_array_equal(states.values[0], [0, 2, 3])


@pytest.mark.parametrize("members", [0, 1, 2, 40])
def test_deviations_of_multisets_member_by_member(members: int) -> None:
    """Each state written out as its members, in rationals."""
    values = [Fraction(0), Fraction(1), Fraction(10**9 + 7, 10**9)]
    states = group_states([values], 40)
    assert isinstance(states, MultisetStates)
    groups: list[tuple[int, ...]] = [()]
    for parent, appended, _ in states.steps[:members]:
        groups = [(*groups[p], j) for p, j in zip(parent, appended, strict=True)]
    for extra, of in (((1,), 1), ((2, 1), 2), ((1, 0), 0)):
        centred, spread = states.deviations(members, extra, 0, of)
        for group, distance, deviation in zip(groups, centred, spread, strict=True):
            joined = [values[j] for j in (*group, *extra)]
            n, total = len(joined), sum(joined, Fraction(0))
            assert distance == pytest.approx(float(n * values[of] - total), rel=1e-13, abs=0)
            square = n * sum((v * v for v in joined), Fraction(0)) - total**2
            assert deviation == pytest.approx(float(square) ** 0.5, rel=1e-12, abs=0)


@pytest.mark.parametrize("normalization", exact.NORMALIZATIONS)
@pytest.mark.parametrize("group_size", [2, 7, 64])
def test_identities_of_centred_groups(normalization: exact.Normalization, group_size: int) -> None:
    """Advantages of a group sum to zero: sum_m P_m h_m = 0, h + (G-1) E[A_2|m] = 0, and a + (G-1) E[A_1 A_2|m] = 0."""
    probability = np.random.default_rng(1).dirichlet(np.ones(8), size=2)
    found = group_moments(probability, BITS, ["1/5", "3/5", "1/5"], group_size, normalization)
    np.testing.assert_allclose((probability * found.first).sum(-1), 0, atol=1e-13)
    others = np.einsum("sml,sm->sl", found.given_pair, probability)
    np.testing.assert_allclose(found.first + (group_size - 1) * others, 0, atol=1e-11)
    np.testing.assert_allclose(found.first, np.einsum("sml,sl->sm", found.given_pair, probability), atol=1e-12)
    np.testing.assert_allclose(
        found.second + (group_size - 1) * np.einsum("sml,sl->sm", found.cross, probability), 0, atol=1e-10
    )
    np.testing.assert_allclose(found.cross, np.swapaxes(found.cross, -1, -2), atol=1e-15)


def test_no_grid_at_group_size_16_works() -> None:
    """Eight composite values without a common grid: 170,544 multisets of 15, against the same numbers by simulation."""
    weights = [0.2137, 0.6171311, 0.212345678901]
    probability = np.random.default_rng(2).dirichlet(np.ones(8))
    found = group_moments(probability, BITS, weights, 16, "sum_then_normalize")
    assert isinstance(found.plan.states((0,)), MultisetStates)
    generator = np.random.default_rng(3)
    others = generator.choice(8, p=probability, size=(200_000, 15))
    group = np.concatenate([np.full((200_000, 1), 5), others], axis=1)
    c = np.array(BITS) @ weights
    values = c[group]
    a = (values[:, 0] - values.mean(1)) / values.std(1)
    assert abs(a.mean() - found.first[5]) < 5 * a.std() / np.sqrt(len(a))
    assert abs((a**2).mean() - found.second[5]) < 5 * (a**2).std() / np.sqrt(len(a))


def test_too_many_states_is_an_error_that_says_what_would_fit() -> None:
    found = group_moments(np.full(8, 1 / 8), BITS, [0.2137, 0.6171311, 0.212345678901], 64, "sum_then_normalize")
    with pytest.raises(
        CapacityError,
        match=r"multisets of 8 distinct values exceed the limit of 20,000,000 .*; use a smaller group or fewer",
    ):
        _ = found.positive
    with pytest.raises(CapacityError, match="at least"):
        group_states([[Fraction(v, 1000) for v in (0, 1, 17, 230, 411, 677, 802, 999)]], 200).laws(
            np.full((8, 1), 1 / 8)
        )


@pytest.mark.parametrize("group_size", [2000, 100_000, 10**9])
def test_huge_groups_are_refused_before_the_work(group_size: int) -> None:
    """Two standardized columns on a grid too; one has integrals, and ``center`` closed forms, for any size."""
    rewards, probability = [[0, 0], [0, 1], [1, 0], [1, 1]], [0.3, 0.3, 0.2, 0.2]
    with pytest.raises(CapacityError, match="at least"):
        _ = group_moments(probability, rewards, [1, 2], group_size, "normalize_then_sum").second
    joint = group_moments(probability, rewards, [1, 2], group_size, "sum_then_normalize")
    assert joint.second @ probability == pytest.approx(1, rel=1e-11)
    centred = group_moments(probability, rewards, [1, 2], group_size, "center")
    assert centred.second @ probability == pytest.approx(
        (group_size - 1) / group_size * 1.24, rel=1e-9
    )  # Var = 0.24 + 4 * 0.25


def test_silent_groups_contribute_nothing_exactly() -> None:
    """0.1 + 0.2 and 0.3 are one composite value: their groups are silent although floats differ."""
    rewards, weights = [[1, 1, 0], [0, 0, 1]], ["1/10", "2/10", "3/10"]
    found = group_moments([0.5, 0.5], rewards, weights, 4, "sum_then_normalize")
    assert np.array_equal(found.first, [0, 0])
    assert np.array_equal(found.second, [0, 0])
    assert np.array_equal(found.cross, np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"group_size": 1}, "group_size: must be an integer of at least 2"),
        ({"group_size": 2.5}, "group_size: must be an integer of at least 2"),
        ({"normalization": "both"}, "normalization: must be one of"),
        ({"eps": -1.0}, "eps: must be finite and not negative"),
        ({"eps": float("nan")}, "eps: must be finite and not negative"),
        ({"ddof": 2}, "ddof: must be 0 or 1"),
        ({"probability": [0.5, 0.6]}, "sum to 1"),
        ({"probability": [1.5, -0.5]}, "must be >= 0"),
        ({"probability": [1.0]}, "do not fit"),
        ({"rewards": [[0, 1], [1]]}, "do not fit"),
        ({"weights": [-1]}, "weights: must not be negative"),
        ({"rewards": [[float("inf")], [0]]}, r"rewards\[0\]\[0\]: expected a finite number"),
    ],
)
def test_bad_settings(change: dict[str, object], message: str) -> None:
    good: dict[str, object] = {
        "probability": [0.5, 0.5],
        "rewards": [[0], [1]],
        "weights": [1],
        "group_size": 3,
        "normalization": "center",
    }
    group_moments(**good)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        group_moments(**(good | change))  # type: ignore[arg-type]
