"""The claims of claims/single_groups.py in rationals, square roots and balls."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations_with_replacement
from math import comb

from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.quantities import check_groups, composite, reward
from bounds.exact_instance import ExactInstance
from bounds.structure import both, weighted_columns
from tamdp_theory.exact.ball_numbers import check_effort, effort
from tamdp_theory.exact.balls import ZERO, BallGroup, Number, absolute, group_of, largest, number, root

MAX_SINGLE = 2000  # groups of classes looked at one by one


def groups(i: ExactInstance, q: int) -> Iterator[tuple[int, ...]]:
    """The groups of a prompt that are looked at: those given, or every multiset of classes."""
    if i.groups is not None:
        yield from i.groups
        return
    kinds, size, components = len(composite(i.env, q)), i.scheme.group_size, i.env.n_components
    check_groups(i.env.name, kinds, size, MAX_SINGLE)
    work = comb(kinds + size - 1, size) * components * (size + 10 * components)
    check_effort(
        effort(work, 50),
        f"{i.env.name}: groups of {components} components",
        "use a smaller instance, or fewer components",
    )
    yield from combinations_with_replacement(range(kinds), size)


def joint_and_split(i: ExactInstance, q: int) -> tuple[BallGroup, BallGroup]:
    """Joint and decomposed advantages of a prompt."""
    joint, split = both(i.scheme)
    return group_of(i.env, q, joint), group_of(i.env, q, split)


class Single:
    """One group in exact numbers: rational covariances of the components, deviations, advantages of the members."""

    def __init__(self, i: ExactInstance, q: int, group: tuple[int, ...]) -> None:
        env, size = i.env, i.scheme.group_size
        columns = [
            [values[m] for m in group]
            for values in (*(reward(env, q, k) for k in range(env.n_components)), composite(env, q))
        ]
        centred = [[v - sum(column, Fraction(0)) / size for v in column] for column in columns]
        free = size - i.scheme.ddof
        self.covariance = [
            [sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0)) / free for b in centred] for a in centred
        ]
        *parts, self.joint_deviation = centred
        self.deviations = parts
        self.sigma = [root(number(self.covariance[k][k])) for k in range(env.n_components)]
        self.sigma_c = root(number(self.covariance[-1][-1]))
        self.weights = env.exact_weights

    def correlation(self) -> list[list[Number]]:
        """C, 0 in rows of silent components."""
        count = len(self.sigma)

        def entry(k: int, m: int) -> Number:
            own, other, shared = self.covariance[k][k], self.covariance[m][m], self.covariance[k][m]
            return ZERO if not (own and other) else number(shared) / root(number(own * other))

        return [[entry(k, m) for m in range(count)] for k in range(count)]

    def gap(self) -> list[Number]:
        """z."""
        joint = self.covariance[-1][-1]
        shares = [ZERO if not joint else root(number(self.covariance[k][k] / joint)) for k in range(len(self.sigma))]
        return [number(w) * (share - 1) for w, share in zip(self.weights, shares, strict=True)]


def identity_rows(i: ExactInstance) -> list[Row]:
    """T2.identity: every member of every active group."""
    rows: list[Row] = []
    for q in range(i.env.n_prompts):
        alone = [
            BallGroup(((Fraction(1), tuple(reward(i.env, q, k))),), both(i.scheme)[0])
            for k in range(i.env.n_components)
        ]
        for group in groups(i, q):
            one = Single(i, q, group)
            if one.covariance[-1][-1]:
                joint, parts = joint_and_split(i, q)[0].advantages(group), [part.advantages(group) for part in alone]
                rows += [
                    {
                        s.A_joint: joint[m],
                        s.A_part: [part[m] for part in parts],
                        s.sigma: one.sigma,
                        s.sigma_c: one.sigma_c,
                        s.w: i.env.exact_weights,
                        s.K: i.env.n_components,
                    }
                    for m in set(group)
                ]
    return rows


def spread_rows(i: ExactInstance) -> list[Row]:
    """T2.identity.spread: every group."""
    return [
        {
            s.sigma_c: one.sigma_c,
            s.sigma: one.sigma,
            s.corr: one.correlation(),
            s.w: i.env.exact_weights,
            s.K: i.env.n_components,
        }
        for q in range(i.env.n_prompts)
        for group in groups(i, q)
        for one in (Single(i, q, group),)
    ]


def advantage_gap_rows(i: ExactInstance) -> list[Row]:
    """T2.advantage: every group."""
    rows: list[Row] = []
    for q in range(i.env.n_prompts):
        joint, split = joint_and_split(i, q)
        for group in groups(i, q):
            one, a, b = Single(i, q, group), joint.advantages(group), split.advantages(group)
            rows.append(
                {
                    s.A_joint_of: [a[m] for m in group],
                    s.A_sum_of: [b[m] for m in group],
                    s.z: one.gap(),
                    s.corr: one.correlation(),
                    s.K: i.env.n_components,
                    s.G: i.scheme.group_size,
                    s.kappa_ddof: i.kappa if i.scheme.ddof else 1,
                }
            )
    return rows


def cancel_rows(i: ExactInstance) -> list[Row]:
    """T2.cancel: the largest decomposed advantage of every group; none where no component varies."""
    rows: list[Row] = []
    if not any(len(set(values)) > 1 for values in weighted_columns(i.env)):
        return rows
    for q in range(i.env.n_prompts):
        split = group_of(i.env, q, both(i.scheme)[1])
        rows += [
            {s.A_largest: largest([absolute(a) for a in split.advantages(group).values()])} for group in groups(i, q)
        ]
    return rows
