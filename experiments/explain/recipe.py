"""What a configuration amounts to, whatever library it is of."""

import math
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from tamdp_theory.estimators import Aggregation, BatchScheme, Keep, Scheme, batch_families

Ratio: TypeAlias = Literal["token", "sequence", "trajectory", "none"]
Divergence: TypeAlias = Literal["none", "k1", "k2", "k3", "k3 times ratio", "abs"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """An estimator and what surrounds it.

    library: as people call it. group_size: G. estimator: its name in ``tamdp_theory.estimators``, of groups or of
    batches; None where it is none of them, and ``beyond`` says what it looks at. eps, ddof: of deviations. aggregation,
    keep: as in ``Scheme``; over the batch where the estimator looks at the batch. ratio: the
    level of importance ratios. clip: (low, high), None for none. kl, kl_coef: the estimate of the divergence whose
    gradient is taken, and its weight. known: keys that were understood, with their values; assumed: defaults that play
    a part, as texts; unknown: keys that were not looked at.
    """

    library: str
    group_size: int
    estimator: str | None
    beyond: str = ""
    eps: float = 0.0
    ddof: int = 0
    aggregation: Aggregation = "trajectory"
    keep: Keep = "all"
    ratio: Ratio = "token"
    clip: tuple[float, float] | None = (0.2, 0.2)
    kl: Divergence = "none"
    kl_coef: float = 0.0
    notes: tuple[str, ...] = ()
    known: dict[str, object] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def scheme(self) -> Scheme | None:
        """How groups become advantages; None where the estimator looks beyond a group."""
        if self.estimator is None or self.looks_at_batch:
            return None
        return Scheme(self.group_size, self.estimator, self.eps, self.ddof, self.aggregation, self.keep)

    @property
    def looks_at_batch(self) -> bool:
        """Whether the estimator is one of those that look at the whole batch."""
        return self.estimator is not None and self.estimator.partition("(")[0] in batch_families()

    @property
    def is_of_batches(self) -> bool:
        """Whether a batch is more than its groups: the estimator looks at all of it, or groups are drawn with their
        prompts until enough are kept.
        """
        return self.looks_at_batch or (self.estimator is not None and self.keep != "all")

    def in_batch(self, batch: float = math.inf) -> BatchScheme:
        """How a batch of so many groups becomes advantages."""
        assert self.estimator is not None
        return BatchScheme(self.group_size, batch, self.estimator, self.eps, self.ddof, self.aggregation, self.keep)
