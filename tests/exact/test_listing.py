"""Groups listed one by one, against fractions (tests/oracle.py) and against the trainer's advantages."""

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
from tamdp_theory.exact.listing import MAX_GROUPS
from tamdp_theory.grpo.advantages import advantages
from tamdp_theory.strategies import SHAPES, reward_tables, schemes
from tamdp_theory.strategies import weights as drawn_weights
from tests import oracle

Rows = list[list[Fraction]]
TINY = st.sampled_from([Fraction(0), Fraction(1), Fraction(1, 3), Fraction(1, 10**9), Fraction(2, 10**9), Fraction(1, 10**60)])
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
    found.append([sum((w * r for w, r in zip(table.weights, rewards, strict=True)), Fraction(0)) for rewards in members])
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
    found, correlation, gap = table.advantages(scheme), table.correlation, table.gap(scheme.ddof)
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
    for rows in ([[Fraction(0)], [Fraction(1, 10**18 + 9)], [Fraction(10**9)]], [[Fraction(1, 2**61 - 1)], [Fraction(1)]]):
        assert groups(rows, [Fraction(1)], 3).components[0].deviation.dtype == object
    # large values close together: deviations are small, members are not
    high = groups([[Fraction(2**62 - 1)], [Fraction(2**62)]], [Fraction(1)], 4)
    assert high.components[0].deviation.dtype == object
    assert high.components[0].deviation.tolist() == groups([[Fraction(0)], [Fraction(1)]], [Fraction(1)], 4).components[0].deviation.tolist()


@pytest.mark.parametrize("step", [10**6, 10**8, 3 * 10**8, 5 * 10**8, 10**9, 10**10])
def test_nothing_wraps_around_at_the_edge_of_64_bits(step: int) -> None:
    """Two components as far apart as 64 bits allow: squares and products of deviations, in integers."""
    table = groups([[Fraction(0), Fraction(step)], [Fraction(step), Fraction(0)], [Fraction(step), Fraction(1)]], [Fraction(1), Fraction(1)], 4)
    for row in range(len(table.members)):
        centred = columns(table, row)
        for k, column in enumerate(table.components):
            assert int(column.squares[row]) == sum(v * v for v in centred[k]) * column.denominator**2
        assert int(table.covariance(0, 1)[row]) == sum(x * y for x, y in zip(*centred[:2], strict=True)) * 16


def test_ties_are_decided_on_integers() -> None:
    """0.1 + 0.2 and 0.3 are one composite value; values that differ by 10^-40 are two."""
    tie = groups([[Fraction(1), Fraction(1), Fraction(0)], [Fraction(0), Fraction(0), Fraction(1)]], [Fraction(1, 10), Fraction(1, 5), Fraction(3, 10)], 3)
    assert not tie.composite.squares.any()
    assert not tie.advantages(Scheme(3, "sum_then_normalize")).any()
    assert not tie.composite.spread(0).any()
    np.testing.assert_array_equal(tie.gap(0), np.tile([-0.1, -0.2, -0.3], (4, 1)))
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
def test_tiny_rewards_have_advantages_or_are_refused(normalization: Any, digits: int) -> None:
    """A file may hold 400 digits; what floats cannot is a CapacityError."""
    table = groups([[Fraction(0)], [Fraction(1, 10**digits)]], [Fraction(1)], 2)
    unit = 10.0**-digits / 2 if normalization == "center" else 1.0
    try:
        found = table.advantages(Scheme(2, normalization))
    except CapacityError:
        assert digits > 300
        return
    np.testing.assert_allclose(found, [[0, 0], [-unit, unit], [0, 0]], rtol=1e-12, atol=1e-320)


def test_too_many_digits_are_refused() -> None:
    table = groups([[Fraction(0)], [Fraction(1, 10**200)], [Fraction(1)]], [Fraction(1)], 2)
    with pytest.raises(CapacityError, match="too many digits"):
        _ = table.components


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
    with pytest.raises(CapacityError, match=r"groups of .* exceed the limit of 100,000; use a smaller group or instance"):
        list_multisets(kinds, size)
