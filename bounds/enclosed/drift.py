"""The claims of claims/drift.py in rationals, square roots and balls."""

from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.quantities import total_gradient, update_of
from bounds.exact_instance import ExactInstance
from tamdp_theory.exact.balls import dot


def drift_rows(i: ExactInstance) -> list[Row]:
    """T1.drift: <grad J, m>; none where it is not negative, unless "witness" is dropped."""
    law = i.law
    drift = dot(total_gradient(law), update_of(i, law)[0])
    return [] if drift >= 0 and "witness" not in i.without else [{s.drift: drift}]
