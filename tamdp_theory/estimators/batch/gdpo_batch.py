"""GDPO with its second whitening (arXiv 2601.05242): each component is standardized in its group, the weighted sum over
the batch. x = sum_k w_k (R_k - mean R_k) / (deviation of R_k + eps), A = (x - mean x) / (deviation of x + eps).

TRL whitens over sequences with 1e-4 in both places, ms-swift with 1e-8, NeMo-RL with 1e-6 inside and 0 outside; verl
over tokens, with 1e-6 inside and 1e-8 added to the variance outside. All have ddof 1 in both places.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from tamdp_theory.errors import InputError
from tamdp_theory.estimators.base import Estimator
from tamdp_theory.estimators.batch.base import BatchEstimator
from tamdp_theory.estimators.standardized import Decomposed


@dataclass(frozen=True, kw_only=True)
class GDPOBatch(BatchEstimator):
    """Each component standardized in its group, their weighted sum whitened over the batch; eps_in is for groups."""

    uses: ClassVar[tuple[str, ...]] = (
        "TRL normalize_then_sum (ddof 1, eps 1e-4)",
        "verl gdpo (over tokens)",
        "NeMo-RL gdpo",
        "ms-swift scale_rewards=gdpo (ddof 1, eps 1e-8)",
    )
    name: str = "gdpo_batch"
    eps_in: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.eps_in < 0:
            raise InputError(f"{self.name}: eps_in must not be negative, got {self.eps_in}")

    @property
    def first(self) -> Estimator:
        return Decomposed()

    @property
    def divisor(self) -> tuple[str, str]:
        return r"\sigma_x", "the deviation of the sums of standardized components"

    @property
    def inner_eps(self) -> float:
        return float(self.eps_in)


ESTIMATORS = (GDPOBatch(),)
