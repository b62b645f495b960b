"""An estimator through every route of the package, against ordered brute force with a rule of the test's own.

A rule takes the rewards of one group, a list of G tuples of K Fractions, and weights, and gives the G advantages as
floats. It is all that a test of an estimator has to write.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import pytest

from experiments.falsification import smooth
from tamdp_theory import TabularSoftmax, exact, families, grpo
from tamdp_theory.estimators import Scheme
from tamdp_theory.exact import Groups, balls
from tamdp_theory.grpo.standardize import Distances, Members

F = Fraction
Table = Sequence[tuple[Fraction, ...]]
Rule = Callable[[list[tuple[Fraction, ...]], Sequence[Fraction]], list[float]]

GRADED: list[tuple[Table, tuple[Fraction, ...]]] = [
    ([(F(0),), (F(1, 3),), (F(1),)], (F(1),)),
    ([(F(0), F(1)), (F(1, 2), F(0)), (F(1), F(1))], (F(1, 4), F(3, 4))),
    ([(F(1, 2), F(1, 2)), (F(1, 5), F(4, 5)), (F(1), F(0))], (F(1), F(1))),  # a composite that never varies
]
BINARY: list[tuple[Table, tuple[Fraction, ...]]] = [
    ([(F(0),), (F(1),)], (F(1),)),
    ([(F(1, 5),), (F(3, 5),), (F(3, 5),)], (F(1, 2),)),
    ([(F(0), F(0)), (F(1), F(0)), (F(0), F(1))], (F(1, 4), F(1, 4))),
]


def through_every_route(
    scheme: Scheme, rule: Rule, tables: Sequence[tuple[Table, tuple[Fraction, ...]]], tensors: bool = True
) -> None:
    """h, h+-, a and b in floats and exactly, and the advantages of every group listed, drawn, and as tensors; and that
    the estimator's ceiling of their root mean square is one.
    """
    for table, weights in tables:
        p = [Fraction(m + 1, math.comb(len(table) + 1, 2)) for m in range(len(table))]
        _moments(scheme, rule, table, weights, p)
        _groups(scheme, rule, table, weights, tensors)


def _moments(scheme: Scheme, rule: Rule, table: Table, weights: tuple[Fraction, ...], p: list[Fraction]) -> None:
    size, kinds = scheme.group_size, range(len(table))
    first, second, plus = (np.zeros(len(table)) for _ in range(3))
    cross = np.zeros((len(table), len(table)))
    for group in itertools.product(kinds, repeat=size):
        found = rule([table[m] for m in group], weights)
        others = math.prod(float(p[m]) for m in group[1:])
        first[group[0]] += others * found[0]
        second[group[0]] += others * found[0] ** 2
        plus[group[0]] += others * max(found[0], 0.0)
        cross[group[0], group[1]] += math.prod(float(p[m]) for m in group[2:]) * found[0] * found[1]
    settings = (scheme.group_size, scheme.normalization, scheme.eps, scheme.ddof)
    moments = exact.group_moments([float(v) for v in p], table, weights, *settings)
    near = {"rtol": 1e-11, "atol": 1e-13}
    np.testing.assert_allclose(moments.first, first, **near)
    np.testing.assert_allclose(moments.second, second, **near)
    np.testing.assert_allclose(moments.positive, plus, **near)
    np.testing.assert_allclose(moments.negative, plus - first, **near)
    np.testing.assert_allclose(moments.cross, cross, **near)
    env = families.bandit(list(table), weights=weights)
    place = [env.exact_class_rewards.index(row) for row in table]
    group = balls.group_of(env, 0, scheme)
    law = [
        balls.number(sum((q for q, own in zip(p, place, strict=True) if own == c), F(0))) for c in range(group.classes)
    ]
    h, a, b = group.moments(law)
    exactly = [[float(balls.ball(v).mid()) for v in row] for row in (h, a, *b)]
    np.testing.assert_allclose([exactly[0][c] for c in place], first, **near)
    np.testing.assert_allclose([exactly[1][c] for c in place], second, **near)
    np.testing.assert_allclose([[exactly[2 + c][d] for d in place] for c in place], cross, **near)
    # the expected update, from the same moments
    policy = TabularSoftmax(env, np.log([[float(v) for v in p]]))
    mean = exact.update_moments(env, policy, *settings).mean
    h_of = np.array([float(v) for v in p]) * first
    np.testing.assert_allclose(mean, h_of - np.array([float(v) for v in p]) * h_of.sum(), rtol=1e-10, atol=1e-13)


def _groups(scheme: Scheme, rule: Rule, table: Table, weights: tuple[Fraction, ...], tensors: bool) -> None:
    torch = pytest.importorskip("torch")
    size = scheme.group_size
    groups = np.array(list(itertools.product(range(len(table)), repeat=size)))
    expected = np.array([rule([table[m] for m in group], weights) for group in groups])
    near = {"rtol": 1e-12, "atol": 1e-13}
    composites = [sum(w * r for w, r in zip(weights, row, strict=True)) for row in table]
    bound = scheme.estimator.ceiling(size, scheme.ddof, float(max(composites) - min(composites)))
    sizes = np.sqrt((expected**2).mean(axis=1))
    # an infinite one says nothing, whatever the sign of the coefficients
    assert np.isinf(bound) or sizes.max() <= float(bound) * float(scheme.estimator.total(weights)) * (1 + 1e-12)
    listed = Groups(groups, tuple(tuple(row) for row in table), weights).advantages(scheme)
    np.testing.assert_allclose(listed, expected, **near)
    rewards = np.array([[[float(r) for r in table[m]] for m in group] for group in groups])
    settings = (scheme.normalization, scheme.eps, scheme.ddof)
    # floats are read as their shortest decimals, which may break a tie
    read = [tuple(F(repr(float(r))) for r in row) for row in table]
    own_weights = [F(repr(float(w))) for w in weights]
    as_read = np.array([rule([read[m] for m in group], own_weights) for group in groups])
    np.testing.assert_allclose(grpo.advantages(rewards, [float(w) for w in weights], *settings), as_read, **near)
    columns = scheme.estimator.columns(table, weights)
    if scheme.estimator.statistics == "counts":
        drawn = Members.of(columns[0][1], [1] * len(table), size).advantages(groups.T, scheme)
    else:
        drawn = sum(
            float(w) * Distances.of(values, [np.arange(len(table))]).advantages(groups.T, scheme)
            for w, values in columns
        )
    np.testing.assert_allclose(np.asarray(drawn).T, expected, **near)
    if tensors and smooth._has_slope(scheme):
        as_tensors = smooth._advantages(torch, torch.tensor(rewards), torch.tensor([float(w) for w in weights]), scheme)
        np.testing.assert_allclose(as_tensors.numpy(), expected, rtol=1e-9, atol=1e-12)
