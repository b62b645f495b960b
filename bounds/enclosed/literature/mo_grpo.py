"""The claims of claims/literature/mo_grpo.py in rationals, square roots and balls."""

from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.single_groups import Single, groups, joint_and_split
from bounds.exact_instance import ExactInstance
from tamdp_theory.exact.balls import BallGroup, absolute, dot, number, root, vanishes


def _rows(i: ExactInstance, joint: bool) -> list[Row]:
    rows: list[Row] = []
    for q in range(i.env.n_prompts):
        form: BallGroup = joint_and_split(i, q)[0 if joint else 1]
        for group in groups(i, q):
            gains = form.advantages(group)
            advantages = [gains[m] for m in group]
            square = dot(advantages, advantages)
            if vanishes(square) is not False:
                continue
            one = Single(i, q, group)
            matrix = one.correlation()
            for k, own in enumerate(one.deviations):
                if one.covariance[k][k]:
                    product = dot([number(x) for x in own], advantages)
                    total = number(sum(x * x for x in own)) * square
                    # the root of a sum of roots has no exact form
                    found = product / root(total) if joint else product * absolute(product) / total
                    rows.append(
                        {
                            ls.corr_joint if joint else ls.corr_split: found,
                            ls.corr_own: matrix[k],
                            s.sigma: one.sigma,
                            s.sigma_c: one.sigma_c,
                            s.corr: matrix,
                            s.w: i.env.exact_weights,
                            s.K: i.env.n_components,
                        }
                    )
    return rows


def joint_rows(i: ExactInstance) -> list[Row]:
    """P.share.joint: every component that varies in a group whose composite does."""
    return _rows(i, True)


def split_rows(i: ExactInstance) -> list[Row]:
    """P.share.split: the same with the decomposed advantages."""
    return _rows(i, False)
