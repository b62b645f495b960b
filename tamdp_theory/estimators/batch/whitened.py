"""Whitened over the batch: (x - mean x) / deviation of x, where x is the composite, or centred in its group first.

REINFORCE++ (arXiv 2501.03262) whitens the return, its baseline form the return less the group's mean. Of whitening over
tokens each member counts once a token: verl has ddof 1 and 1e-8 added to the variance, OpenRLHF and NeMo-RL ddof 0 and
a variance of at least 1e-8. Without discounting, every token of a trajectory has the same return.
"""

from dataclasses import dataclass
from typing import ClassVar

from tamdp_theory.estimators.base import Estimator
from tamdp_theory.estimators.batch.base import BatchEstimator, Over
from tamdp_theory.estimators.center import Center
from tamdp_theory.estimators.leave_one_out import LeaveOneOut


@dataclass(frozen=True, kw_only=True)
class ReinforcePlusPlus(BatchEstimator):
    """The composite, whitened over the batch; no group plays a part."""

    uses: ClassVar[tuple[str, ...]] = ("verl reinforce_plus_plus", "EasyR1 reinforce_plus_plus")
    name: str = "reinforce_plus_plus"
    over: Over = "tokens"

    @property
    def divisor(self) -> tuple[str, str]:
        return r"\sigma_c", "the deviation of all rewards"


@dataclass(frozen=True, kw_only=True)
class ReinforcePlusPlusBaseline(BatchEstimator):
    """The composite less its group's mean, whitened over the batch."""

    uses: ClassVar[tuple[str, ...]] = (
        "verl reinforce_plus_plus_baseline (ddof 1, 1e-8 added to the variance)",
        "OpenRLHF reinforce_baseline (ddof 0, variance at least 1e-8)",
        "NeMo-RL reinforce_plus_plus",
        "ms-swift reinforce_plus_plus, scale_rewards=batch (over sequences, ddof 1, eps 1e-4)",
    )
    name: str = "reinforce_plus_plus_baseline"
    over: Over = "tokens"

    @property
    def first(self) -> Estimator:
        return Center()

    @property
    def divisor(self) -> tuple[str, str]:
        return r"\sigma_{c-\bar c}", "the deviation within groups"


@dataclass(frozen=True, kw_only=True)
class LeaveOneOutBatch(BatchEstimator):
    """Leave-one-out advantages, whitened over the batch."""

    uses: ClassVar[tuple[str, ...]] = ("TRL RLOO, normalize_advantages=True (ddof 1, eps 1e-4)",)
    name: str = "leave_one_out_batch"

    @property
    def first(self) -> Estimator:
        return LeaveOneOut()

    @property
    def divisor(self) -> tuple[str, str]:
        return r"\sigma_A", "the deviation of leave-one-out advantages"


ESTIMATORS = (ReinforcePlusPlus(), ReinforcePlusPlusBaseline(), LeaveOneOutBatch())
