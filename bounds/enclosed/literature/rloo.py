"""The claims of claims/literature/rloo.py in rationals, square roots and balls."""

from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.literature.success import successes
from bounds.enclosed.quantities import composite
from bounds.enclosed.single_groups import groups
from bounds.exact_instance import ExactInstance
from tamdp_theory.exact.balls import ZERO, group_of


def square_rows(i: ExactInstance) -> list[Row]:
    """P.rloo.square: every group; none where a reward is neither 0 nor 1 or no group is mixed."""
    rows: list[Row] = []
    for q in range(i.env.n_prompts):
        values = composite(i.env, q)
        if not set(values) <= {0, 1}:
            return []
        for group in groups(i, q):
            found = group_of(i.env, q, i.scheme).advantages(group)
            right = sum(int(values[m]) for m in group)
            rows.append({ls.A_of: [found[m] for m in group], ls.S: right, s.G: i.scheme.group_size})
    return rows if any(row[ls.S] % i.scheme.group_size for row in rows) else []


def mean_square_rows(i: ExactInstance) -> list[Row]:
    """P.rloo.square.mean: each prompt."""
    rows: list[Row] = []
    for one in successes(i):
        law = [1 - one.p, one.p]
        second = one.group.moments(law)[1]
        square = sum((x * a for x, a in zip(law, second, strict=True)), ZERO)
        rows.append({ls.square_mean: square, s.p: one.p, s.G: i.scheme.group_size})
    return rows
