"""How a batch of groups becomes advantages: its sizes, an estimator, and what scales it."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from tamdp_theory.errors import InputError
from tamdp_theory.estimators.base import Estimator
from tamdp_theory.estimators.batch.base import BatchEstimator
from tamdp_theory.estimators.keep import KeepRule
from tamdp_theory.estimators.names import keep_rule, resolve_in_batch
from tamdp_theory.estimators.scheme import AGGREGATIONS, Aggregation, Keep, Scheme
from tamdp_theory.guards import check_integer

InBatch: TypeAlias = str | BatchEstimator | Estimator


@dataclass(frozen=True)
class BatchScheme:
    """How a batch becomes advantages.

    group_size: G >= 2. batch: B >= 1 groups, or ``math.inf`` for the limit of many prompts. estimator: a name or an
    estimator, of batches or of groups. eps >= 0 and ddof (0 or 1) are those of the deviation over the batch, and of the
    first stage where the estimator has no others. aggregation: what an advantage is multiplied by (``AGGREGATIONS``),
    where "token_mean" is B G / sum of the batch's lengths. keep: which groups a batch is made of, as in ``Scheme``:
    groups are drawn, each with its prompt, until so many are kept (DAPO). InputError for anything else.
    """

    group_size: int
    batch: float
    estimator: InBatch
    eps: float = 0.0
    ddof: int = 0
    aggregation: Aggregation = "trajectory"
    keep: Keep = "all"

    def __post_init__(self) -> None:
        check_integer("group_size", self.group_size, 2)
        if self.batch != math.inf:
            check_integer("batch", self.batch, 1)
        found = resolve_in_batch(self.estimator)
        if not (np.isfinite(self.eps) and self.eps >= 0):
            raise InputError(f"eps: must be finite and not negative, got {self.eps}")
        if self.ddof not in (0, 1):
            raise InputError(f"ddof: must be 0 or 1, got {self.ddof!r}")
        if self.aggregation not in AGGREGATIONS:
            raise InputError(f"aggregation: must be one of {', '.join(AGGREGATIONS)}; got {self.aggregation!r}")
        if found.first is not None:
            found.first.check_size(int(self.group_size))
        if isinstance(self.keep, str):
            object.__setattr__(self, "keep", keep_rule(self.keep).name)
        found.check(self.is_limit, self.eps)

    @cached_property
    def resolved(self) -> BatchEstimator:
        """What turns a batch into advantages."""
        return resolve_in_batch(self.estimator)

    @property
    def is_limit(self) -> bool:
        """Whether B is infinite."""
        return self.batch == math.inf

    @cached_property
    def kept(self) -> KeepRule:
        """Which groups a batch is made of."""
        return keep_rule(self.keep)

    @cached_property
    def inner(self) -> Scheme | None:
        """The first stage, as a scheme of groups; None where it is the composite."""
        if self.resolved.first is None:
            return None
        eps = self.eps if self.resolved.inner_eps is None else self.resolved.inner_eps
        return Scheme(int(self.group_size), self.resolved.first, eps, self.ddof)

    @property
    def has_integrals(self) -> bool:
        """Whether groups factor under integrals: the scale is 1 / (deviation over the batch's sequences + eps)."""
        found = self.resolved
        over_sequences = found.over == "sequences" and self.aggregation != "token_mean"
        return found.plain and found.guard == "deviation" and over_sequences

    @property
    def tokens(self) -> bool:
        """Whether sums over the batch count tokens."""
        return self.resolved.over == "tokens" and self.resolved.measured != "nothing"

    @property
    def counts_tokens(self) -> bool:
        """Whether a batch differs from another by its members' lengths."""
        first = self.resolved.first
        return self.tokens or self.aggregation == "token_mean" or (first is not None and first.lengths)

    @property
    def lengths(self) -> bool:
        """Whether lengths of trajectories play a part, if only a member's own."""
        return self.counts_tokens or self.aggregation != "trajectory"
