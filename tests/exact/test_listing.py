"""Groups listed one by one, against fractions (tests/helpers/oracle.py) and against the trainer's advantages."""

import itertools
import math
from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamdp_theory import CapacityError
from tamdp_theory.exact import NORMALIZATIONS, Groups, Scheme, count_multisets, list_multisets
from tamdp_theory.exact.listing import MAX_GROUPS, root_of_ratio
from tamdp_theory.grpo.advantages import advantages
from tamdp_theory.strategies import SHAPES, reward_tables, schemes
from tamdp_theory.strategies import weights as drawn_weights
from tests.helpers import oracle

Rows = list[list[Fraction]]
TINY = st.sampled_from(
    [Fraction(0), Fraction(1), Fraction(1, 3), Fraction(1, 10**9), Fraction(2, 10**9), Fraction(1, 10**60)]
)
# denominators without a common factor, so that integers over the common one do not fit 64 bits
HUGE = st.builds(Fraction, st.integers(0, 10**18), st.sampled_from([10**18 + 9, 10**20 + 39, 10**40 + 121]))
NEAR = st.builds(lambda n: Fraction(1, 2) + Fraction(n, 10**20), st.integers(-3, 3))


def groups(rows: Rows, weights: list[Fraction], size: int) -> Groups:
    return Groups(list_multisets(len(rows), size)[0], tuple(map(tuple, rows)), tuple(weights))


@st.composite
def tables(draw: st.DrawFn, size: int) -> Groups:
    """Every group of up to four reward vectors: small tables with ties, near ties, tiny rewards, long denominators."""
    kinds, count = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    cells = draw(st.sampled_from([None, None, TINY, HUGE, NEAR]))
    if cells is None:
        rows = draw(reward_tables(kinds, count, draw(st.sampled_from(SHAPES[:5]))))
    else:
        rows = draw(st.lists(st.lists(cells, min_size=count, max_size=count), min_size=kinds, max_size=kinds))
    return groups(rows, draw(drawn_weights(count)), size)


def content(table: Groups) -> dict[str, Any]:
    """As much of a file as the oracle's advantages read."""
    return {"components": [{"weight": w} for w in table.weights]}


def columns(table: Groups, row: int) -> list[list[Fraction]]:
    """Each component, and then the composite, of one group, centred, exactly."""
    members = [table.rewards[m] for m in table.members[row]]
    found = [[rewards[k] for rewards in members] for k in range(len(table.weights))]
    found.append(
        [sum((w * r for w, r in zip(table.weights, rewards, strict=True)), Fraction(0)) for rewards in members]
    )
    return [[v - sum(column) / len(column) for v in column] for column in found]


def ratio(squares: Fraction, others: Fraction) -> float:
    """sqrt(squares / others), where neither square need fit a float."""
    return math.sqrt(squares / others)


@settings(max_examples=150, deadline=None)
@given(st.data(), schemes(4))
def test_against_fractions(data: st.DataObject, scheme: Scheme) -> None:
    table = data.draw(tables(scheme.group_size))
    size, weights = scheme.group_size, table.weights
    assert table.size == size
    found, correlation, gap = table.advantages(scheme), table.correlation, table.gap()
    spreads = [column.spread(scheme.ddof) for column in (*table.components, table.composite)]
    for row in range(len(table.members)):
        chosen = [table.rewards[m] for m in table.members[row]]
        expected = oracle.advantages(content(table), chosen, scheme.normalization, scheme.eps, scheme.ddof)
        scale = max(1.0, float(sum(weights)))
        np.testing.assert_allclose(found[row], expected, rtol=1e-11, atol=1e-13 * scale)
        centred = columns(table, row)
        squares = [sum(v * v for v in column) for column in centred]
        for k, (column, square) in enumerate(zip((*table.components, table.composite), squares, strict=True)):
            assert Fraction(int(column.squares[row]), column.denominator**2) == square
            assert [Fraction(int(d), column.denominator) for d in column.deviation[row]] == centred[k]
            assert spreads[k][row] == pytest.approx(math.sqrt(square / (size - scheme.ddof)), rel=1e-13)
        for k, m in itertools.product(range(len(weights)), repeat=2):
            product = sum(x * y for x, y in zip(centred[k], centred[m], strict=True))
            known = table.components[k].denominator * table.components[m].denominator
            assert Fraction(int(table.covariance(k, m)[row]), known) == product
            wanted = float(product / squares[k]) * ratio(squares[k], squares[m]) if squares[k] and squares[m] else 0.0
            assert correlation[row, k, m] == pytest.approx(wanted, rel=1e-12, abs=1e-14)
        for k, w in enumerate(weights):
            share = ratio(squares[k], squares[-1]) if squares[-1] else 0.0
            assert gap[row, k] == pytest.approx(float(w) * (share - 1), rel=1e-12, abs=1e-13 * float(w))


@settings(max_examples=60, deadline=None)
@given(st.data(), schemes(4))
def test_against_the_trainer(data: st.DataObject, scheme: Scheme) -> None:
    """Floats in, floats out: on rewards where a float tie is a tie."""
    rows = data.draw(reward_tables(data.draw(st.integers(1, 4)), 2, data.draw(st.sampled_from(SHAPES[:5]))))
    table = groups(rows, data.draw(drawn_weights(2)), scheme.group_size)
    rewards = np.array(table.rewards, dtype=float)[table.members]
    expected = advantages(rewards, np.array(table.weights, dtype=float), scheme.normalization, scheme.eps, scheme.ddof)
    np.testing.assert_allclose(table.advantages(scheme), expected, rtol=1e-11, atol=1e-12)


def test_long_denominators_leave_64_bits() -> None:
    short = groups([[Fraction(0)], [Fraction(1, 3)]], [Fraction(1)], 3)
    assert short.components[0].deviation.dtype == np.int64
    for rows in (
        [[Fraction(0)], [Fraction(1, 10**18 + 9)], [Fraction(10**9)]],
        [[Fraction(1, 2**61 - 1)], [Fraction(1)]],
    ):
        assert groups(rows, [Fraction(1)], 3).components[0].deviation.dtype == object
    # large values close together: deviations are small, members are not
    high = groups([[Fraction(2**62 - 1)], [Fraction(2**62)]], [Fraction(1)], 4)
    assert high.components[0].deviation.dtype == object
    assert (
        high.components[0].deviation.tolist()
        == groups([[Fraction(0)], [Fraction(1)]], [Fraction(1)], 4).components[0].deviation.tolist()
    )


@pytest.mark.parametrize("step", [10**6, 10**8, 3 * 10**8, 5 * 10**8, 10**9, 10**10])
def test_nothing_wraps_around_at_the_edge_of_64_bits(step: int) -> None:
    """Two components as far apart as 64 bits allow: squares and products of deviations, in integers."""
    table = groups(
        [[Fraction(0), Fraction(step)], [Fraction(step), Fraction(0)], [Fraction(step), Fraction(1)]],
        [Fraction(1), Fraction(1)],
        4,
    )
    for row in range(len(table.members)):
        centred = columns(table, row)
        for k, column in enumerate(table.components):
            assert int(column.squares[row]) == sum(v * v for v in centred[k]) * column.denominator**2
        assert int(table.covariance(0, 1)[row]) == sum(x * y for x, y in zip(*centred[:2], strict=True)) * 16


def test_ties_are_decided_on_integers() -> None:
    """0.1 + 0.2 and 0.3 are one composite value; values that differ by 10^-40 are two."""
    tie = groups(
        [[Fraction(1), Fraction(1), Fraction(0)], [Fraction(0), Fraction(0), Fraction(1)]],
        [Fraction(1, 10), Fraction(1, 5), Fraction(3, 10)],
        3,
    )
    assert not tie.composite.squares.any()
    assert not tie.advantages(Scheme(3, "sum_then_normalize")).any()
    assert not tie.composite.spread(0).any()
    np.testing.assert_array_equal(tie.gap(), np.tile([-0.1, -0.2, -0.3], (4, 1)))
    apart = groups([[Fraction(1, 3)], [Fraction(1, 3) + Fraction(1, 10**40)]], [Fraction(1)], 2)
    np.testing.assert_allclose(apart.advantages(Scheme(2, "sum_then_normalize")), [[0, 0], [-1, 1], [0, 0]])
    np.testing.assert_allclose(apart.composite.spread(0), [0, 5e-41, 0])


def test_silent_components_have_no_correlation() -> None:
    table = groups([[Fraction(0), Fraction(1)], [Fraction(1), Fraction(1)]], [Fraction(1, 2), Fraction(1, 2)], 2)
    np.testing.assert_array_equal(table.correlation[:, 1], 0)
    np.testing.assert_allclose(table.correlation[:, 0, 0], [0, 1, 0], rtol=1e-15)
    # theory.md T2.lossless: joint (-1, 1), decomposed (-1/2, 1/2)
    np.testing.assert_allclose(table.advantages(Scheme(2, "sum_then_normalize"))[1], [-1, 1], rtol=1e-15)
    np.testing.assert_allclose(table.advantages(Scheme(2, "normalize_then_sum"))[1], [-0.5, 0.5], rtol=1e-15)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("digits", [20, 150, 307, 310, 399])
def test_tiny_rewards_have_advantages(normalization: Any, digits: int) -> None:
    """A file may hold 400 digits; standardized values are of size one whatever the rewards."""
    table = groups([[Fraction(0)], [Fraction(1, 10**digits)]], [Fraction(1)], 2)
    unit = float(Fraction(1, 2 * 10**digits)) if normalization == "center" else 1.0
    np.testing.assert_allclose(
        table.advantages(Scheme(2, normalization)), [[0, 0], [-unit, unit], [0, 0]], rtol=1e-15, atol=0
    )
    np.testing.assert_array_equal(table.gap(), [[-1], [0], [-1]])


def test_rewards_of_many_scales() -> None:
    """0, 10^-200 and 1: squares of 400 digits. Of (0, 10^-200, 1) the deviations are -1/3, -1/3, 2/3 to 200 digits,
    sigma sqrt(2)/3.
    """
    table = groups([[Fraction(0)], [Fraction(1, 10**200)], [Fraction(1)]], [Fraction(1)], 3)
    row = table.members.tolist().index([0, 1, 2])
    np.testing.assert_allclose(
        table.advantages(Scheme(3, "sum_then_normalize"))[row], [-(0.5**0.5), -(0.5**0.5), 2**0.5], rtol=1e-15
    )
    assert table.composite.spread(0)[row] == pytest.approx(2**0.5 / 3, rel=1e-15)
    assert table.composite.spread(0)[1] == pytest.approx(2**0.5 / 3 * 1e-200, rel=1e-15)  # (0, 0, 10^-200)


def test_too_many_digits_are_refused() -> None:
    rows = [[Fraction(1, 10**390 + place)] for place in range(8)]
    with pytest.raises(CapacityError, match="too many digits"):
        _ = groups(rows, [Fraction(1)], 2).components


@pytest.mark.parametrize("a", [Fraction(65536, 177147), Fraction(1, 3), Fraction(2**40, 3**26)])
def test_products_of_squares_do_not_wrap(a: Fraction) -> None:
    """Arms (0,0), (a,2a), (2a,a), groups of three: Cauchy-Schwarz with equality exactly in the groups of one line.

    At a = 65536/177147 the squares are multiples of 2^32, whose products are 0 modulo 2^64. Of (0,0), (a,2a), (2a,a)
    the deviations are a (-1, 0, 1) and a (-1, 1, 0): squares 2 a^2, covariance a^2.
    """
    table = groups([[0 * a, 0 * a], [a, 2 * a], [2 * a, a]], [Fraction(1, 2)] * 2, 3)
    one, two = table.components
    assert all(type(v) is int for v in [*one.squares, *two.squares, *table.covariance(0, 1)])
    row = table.members.tolist().index([0, 1, 2])
    scale = one.denominator * two.denominator
    assert (
        Fraction(one.squares[row], one.denominator**2) == 2 * a**2
        and Fraction(table.covariance(0, 1)[row], scale) == a**2
    )
    assert one.squares[row] * two.squares[row] == 4 * (a**2 * scale) ** 2
    together = [
        i
        for i in range(len(table.members))
        if one.squares[i] and table.covariance(0, 1)[i] ** 2 == one.squares[i] * two.squares[i]
    ]
    # (0,0) with (a,2a) alone, (0,0) with (2a,a) alone, and (a,2a) with (2a,a), which fall as they rise
    assert [table.members[i].tolist() for i in together] == [
        [0, 0, 1],
        [0, 0, 2],
        [0, 1, 1],
        [0, 2, 2],
        [1, 1, 2],
        [1, 2, 2],
    ]
    np.testing.assert_array_equal(table.correlation[together, 0, 1], [1, 1, 1, 1, -1, -1])
    assert table.correlation[row, 0, 1] == pytest.approx(0.5, rel=1e-15)


@pytest.mark.parametrize("unit", [Fraction(1, 2**29), Fraction(1, 10**9), Fraction(1, 10**200)])
@pytest.mark.parametrize("base", [Fraction(0), Fraction(1, 2)])
def test_squares_times_denominators_do_not_wrap(unit: Fraction, base: Fraction) -> None:
    """Arms (0,0), (0,2u), (u,0), (u,2u) above a base: the second component has twice the first one's spread, whatever
    u.
    """
    table = groups(
        [[base, base], [base, base + 2 * unit], [base + unit, base], [base + unit, base + 2 * unit]],
        [Fraction(1)] * 2,
        4,
    )
    one, two = table.components
    row = table.members.tolist().index([0, 1, 2, 3])
    assert one.squares[row] * two.denominator**2 * 4 == two.squares[row] * one.denominator**2 != 0
    assert table.covariance(0, 1)[row] == 0 == table.correlation[row, 0, 1]
    assert two.spread(0)[row] / one.spread(0)[row] == pytest.approx(2, rel=1e-15)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**400), st.integers(1, 10**400), st.integers(-300, 300))
def test_roots_of_ratios(n: int, d: int, shift: int) -> None:
    """Against integer roots of 40 more digits."""
    n = n * 2**shift if shift > 0 else n
    d = d * 2**-shift if shift < 0 else d
    found = root_of_ratio(n, d)
    more = 10**900
    exact = Fraction(math.isqrt(n * d * more**2), d * more)
    if Fraction(1, 10**307) < exact < 10**308:
        assert abs(Fraction(found) - exact) <= exact / 2**52
    assert root_of_ratio(n * n, n * n or 1) == (n > 0)


def test_the_gap_does_not_cancel() -> None:
    """R_2 = 10^-10 R_1, weights 1: c = (1 + 10^-10) R_1, so sigma_1 / sigma_c - 1 = -10^-10 / (1 + 10^-10)."""
    small = Fraction(1, 10**10)
    table = groups([[Fraction(0), Fraction(0)], [Fraction(1), small]], [Fraction(1)] * 2, 2)
    np.testing.assert_allclose(
        table.gap()[1], [float(-small / (1 + small)), float(small / (1 + small) - 1)], rtol=1e-15
    )


# -- lists --------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 6))
def test_multisets(kinds: int, size: int) -> None:
    members, ways = list_multisets(kinds, size)
    assert members.shape == (count_multisets(kinds, size), size)
    assert members.dtype == np.int64
    orders = Counter(tuple(sorted(group)) for group in itertools.product(range(kinds), repeat=size))
    assert {tuple(row): way for row, way in zip(members.tolist(), ways.tolist(), strict=True)} == orders
    assert ways.sum() == kinds**size


def test_large_multisets_count_their_orders() -> None:
    members, ways = list_multisets(3, 40)
    assert len(members) == math.comb(42, 2)
    assert ways.sum() == pytest.approx(3.0**40, rel=1e-13)
    assert (np.diff(members, axis=1) >= 0).all()


@pytest.mark.parametrize(("kinds", "size"), [(2, MAX_GROUPS), (50, 4), (2, 10**30), (5000, 10**5)])
def test_too_many_groups_are_refused(kinds: int, size: int) -> None:
    assert count_multisets(2, MAX_GROUPS - 1) == MAX_GROUPS
    with pytest.raises(
        CapacityError, match=r"groups of .* exceed the limit of 100,000; use a smaller group or instance"
    ):
        list_multisets(kinds, size)
