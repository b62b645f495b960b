"""A group estimator in a batch: its advantages look no further than the group, though what they are averaged over may.

Not listed under a name of its own: give the group estimator's name.
"""

from dataclasses import dataclass, field
from typing import Any

from tamdp_theory.estimators.base import Estimator
from tamdp_theory.estimators.batch.base import BatchEstimator, Measured, Sums
from tamdp_theory.estimators.center import Center


@dataclass(frozen=True, kw_only=True)
class Within(BatchEstimator):
    """The advantages of a group estimator, as they are."""

    name: str = "within"
    base: Estimator = field(default_factory=Center)

    @property
    def first(self) -> Estimator:
        return self.base

    @property
    def measured(self) -> Measured:
        return "nothing"

    @property
    def plain(self) -> bool:
        return False

    @property
    def centred(self) -> bool:
        return False

    @property
    def divisor(self) -> tuple[str, str]:
        return "", ""

    def scale(self, own: Sums, batch: Sums, eps: float) -> Any:
        return 1.0
