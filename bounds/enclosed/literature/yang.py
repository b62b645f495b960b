"""The claims of claims/literature/yang.py in rationals, square roots and balls."""

from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.literature.success import binomial, successes
from bounds.exact_instance import ExactInstance
from tamdp_theory.exact.balls import ZERO, number


def bias_rows(i: ExactInstance) -> list[Row]:
    """P.baseline.bias, P.baseline.side: each prompt."""
    rows: list[Row] = []
    for one in successes(i):
        size = one.group.size
        law = binomial(size, one.p)
        mean = sum((k * law[k] for k in range(1, size)), ZERO) / (size * sum(law[1:size], ZERO))
        rows.append({ls.mean_mixed: mean, s.p: one.p, s.G: number(size)})
    return rows
