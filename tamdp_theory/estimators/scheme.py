"""How a group becomes advantages: its size, an estimator, and what scales it."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from tamdp_theory.errors import InputError
from tamdp_theory.estimators.base import Estimator
from tamdp_theory.estimators.keep import KeepRule
from tamdp_theory.estimators.names import keep_rule, resolve
from tamdp_theory.guards import check_integer

Normalization: TypeAlias = str | Estimator
Aggregation: TypeAlias = Literal["trajectory", "sequence_mean", "token_mean", "constant"]
Keep: TypeAlias = str | KeepRule
AGGREGATIONS = {
    "trajectory": "1: a trajectory is one unit, whatever its length",
    "sequence_mean": "1 / l, its length in tokens (GRPO; verl's seq-mean-token-mean)",
    "token_mean": "G / sum of the group's lengths (DAPO and BNPO over one group; verl's token-mean)",
    "constant": "1 / the length of the longest trajectory there is (Dr. GRPO)",
}
NORMALIZATIONS = ("center", "sum_then_normalize", "normalize_then_sum")  # those that theory.md sections 2 to 9 speak of


@dataclass(frozen=True)
class Scheme:
    """How a group becomes advantages (theory.md section 2).

    group_size: G >= 2. normalization: a name (``estimators.names()``) or an estimator. eps >= 0 is added to deviations,
    which have ddof 0 or 1; both play a part only where the estimator scales. aggregation: what an advantage is
    multiplied by (``AGGREGATIONS``). keep: which groups count, a name or a rule (keep.py): "all", those that are
    "mixed", whose composites are not all equal (dynamic sampling), "mean_in(low=0, high=1)", "std_above(least=1/1000)".
    InputError for anything else.
    """

    group_size: int
    normalization: Normalization
    eps: float = 0.0
    ddof: int = 0
    aggregation: Aggregation = "trajectory"
    keep: Keep = "all"

    def __post_init__(self) -> None:
        check_integer("group_size", self.group_size, 2)
        estimator = resolve(self.normalization)
        if not isinstance(self.normalization, str) and _registered(estimator):
            object.__setattr__(self, "normalization", estimator.name)
        estimator.check_size(int(self.group_size))
        if not (np.isfinite(self.eps) and self.eps >= 0):
            raise InputError(f"eps: must be finite and not negative, got {self.eps}")
        if self.ddof not in (0, 1):
            raise InputError(f"ddof: must be 0 or 1, got {self.ddof!r}")
        if self.aggregation not in AGGREGATIONS:
            raise InputError(f"aggregation: must be one of {', '.join(AGGREGATIONS)}; got {self.aggregation!r}")
        if isinstance(self.keep, str):
            object.__setattr__(self, "keep", keep_rule(self.keep).name)

    @cached_property
    def estimator(self) -> Estimator:
        """What turns a group into advantages."""
        return resolve(self.normalization)

    @cached_property
    def kept(self) -> KeepRule:
        """Which groups count."""
        return keep_rule(self.keep)

    @property
    def filters(self) -> bool:
        """Whether groups are looked at one by one to know which are kept; silent ones can be taken away from sums."""
        return self.keep not in ("all", "mixed")

    def under(self, normalization: Normalization) -> "Scheme":
        """The same group size, eps and ddof with another estimator."""
        return replace(self, normalization=normalization)

    @property
    def lengths(self) -> bool:
        """Whether lengths of trajectories play a part."""
        return self.estimator.lengths or self.aggregation != "trajectory"

    @property
    def is_plain(self) -> bool:
        """Whether every group counts, and every trajectory as one, as in theory.md sections 2 to 9."""
        return self.aggregation == "trajectory" and self.keep == "all"

    @property
    def kappa(self) -> float:
        """(G - 1) / G."""
        return (self.group_size - 1) / self.group_size


def _registered(estimator: Estimator) -> bool:
    """Whether its name alone gives this very estimator."""
    try:
        return resolve(estimator.name) == estimator
    except InputError:
        return False
