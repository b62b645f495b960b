"""The claims of claims/literature/barakat.py in rationals, square roots and balls."""

from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.literature.success import successes
from bounds.enclosed.quantities import norm, total_gradient, update_of
from bounds.enclosed.slopes import estimator_numbers
from bounds.exact_instance import ExactInstance
from tamdp_theory.exact.balls import dot, largest, number


def apart_rows(i: ExactInstance) -> list[Row]:
    """P.pass_at_k.apart."""
    gradient = total_gradient(i.law)
    return [
        {
            s.drift: dot(update_of(i)[0], gradient),
            s.grad_J: norm(gradient),
            ls.p_most: largest([one.p for one in successes(i)]),
            s.k_best: number(estimator_numbers(i.scheme)[s.k_best]),
        }
    ]
