"""The claims of claims/lossless.py in rationals, square roots and balls."""

from collections.abc import Callable

from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.single_groups import Single, groups, joint_and_split
from bounds.exact_instance import ExactInstance
from bounds.structure import contrast
from tamdp_theory import CapacityError
from tamdp_theory.exact.balls import Number, dot, group_of, is_zero


def lossless_rows(i: ExactInstance) -> list[Row]:
    """T2.lossless: whether the two advantages agree, and whether C z = 0, in groups in which something varies."""
    rows: list[Row] = []
    for q in range(i.env.n_prompts):
        gap = group_of(i.env, q, contrast(i.scheme))
        for group in groups(i, q):
            one = Single(i, q, group)
            if not any(one.covariance[k][k] for k in range(len(one.sigma))):
                continue  # nothing varies
            correlation, shares = one.correlation(), one.gap()
            rows.append(
                {
                    s.gap_zero: _vanish(list(gap.advantages(group).values())),
                    s.kernel_zero: _vanish([dot(row, shares) for row in correlation]),
                }
            )
    return rows


def lossless_exactly_rows(i: ExactInstance) -> list[Row]:
    """T2.lossless.exactly: agreement against moving together, in groups whose composite varies."""
    rows: list[Row] = []
    for q in range(i.env.n_prompts):
        gap = group_of(i.env, q, contrast(i.scheme))
        for group in groups(i, q):
            one = Single(i, q, group)
            if one.covariance[-1][-1]:
                rows.append(
                    {s.gap_zero: _vanish(list(gap.advantages(group).values())), s.together: int(moves_together(one))}
                )
    return rows


def _vanish(values: list[Number]) -> int:
    if all(is_zero(v) for v in values):
        return 1
    if any(v > 0 or v < 0 for v in values):
        return 0
    raise CapacityError("a ball around zero: no finite precision decides whether it vanishes")


def chosen_rows(i: ExactInstance, name: str, fits: Callable[[Single], bool]) -> list[Row]:
    """Both advantages of the members of the groups that ``fits``, or of all where ``name`` is dropped."""
    rows: list[Row] = []
    for q in range(i.env.n_prompts):
        joint, split = joint_and_split(i, q)
        for group in groups(i, q):
            if name in i.without or fits(Single(i, q, group)):
                a, b = joint.advantages(group), split.advantages(group)
                rows += [
                    {s.A_joint: a[m], s.A_sum: b[m], s.K: i.env.n_components, s.W: i.total_weight} for m in set(group)
                ]
    return rows


def moves_together(one: Single) -> bool:
    """Whether all components with weight vary and are perfectly positively correlated."""
    c, components = one.covariance, [k for k, w in enumerate(one.weights) if w]
    return all(c[k][k] and c[k][m] > 0 and c[k][m] ** 2 == c[k][k] * c[m][m] for k in components for m in components)


def uncorrelated(one: Single) -> bool:
    """Whether components are uncorrelated and have one spread and one weight."""
    c, components = one.covariance, range(len(one.sigma))
    alike = all(c[k][k] == c[0][0] and c[0][0] for k in components) and len(set(one.weights)) == 1
    return alike and all(not c[k][m] for k in components for m in range(k))
