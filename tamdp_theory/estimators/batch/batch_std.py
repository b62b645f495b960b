"""Centred in the group, divided by the deviation of the batch: TRL's and ms-swift's ``scale_rewards="batch"``.

A_i = (c_i - mean of its group) / (deviation of all composites of the batch + eps); TRL has ddof 1 and eps 1e-4.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from tamdp_theory.estimators.base import Estimator
from tamdp_theory.estimators.batch.base import BatchEstimator, Measured
from tamdp_theory.estimators.center import Center


@dataclass(frozen=True, kw_only=True)
class BatchStd(BatchEstimator):
    """The centred composite (or another base) over the deviation of the batch's composites, between prompts too."""

    uses: ClassVar[tuple[str, ...]] = (
        "TRL scale_rewards=batch (ddof 1, eps 1e-4)",
        "ms-swift grpo, scale_rewards=batch (base leave_one_out: ms-swift rloo)",
    )
    name: str = "batch_std"
    base: Estimator = field(default_factory=Center)

    @property
    def first(self) -> Estimator:
        return self.base

    @property
    def measured(self) -> Measured:
        return "composite"

    @property
    def centred(self) -> bool:
        return False

    @property
    def divisor(self) -> tuple[str, str]:
        return r"\sigma_c", "the deviation of all rewards"


ESTIMATORS = (BatchStd(),)
