"""What a configuration amounts to, whatever library it is of."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from tamdp_theory.estimators import Aggregation, Keep, Scheme

Ratio: TypeAlias = Literal["token", "sequence", "trajectory", "none"]
Divergence: TypeAlias = Literal["none", "k1", "k2", "k3", "k3 times ratio", "abs"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """An estimator and what surrounds it.

    library: as people call it. group_size: G. estimator: its name in ``tamdp_theory.estimators``; None where it looks
    beyond a group, and ``beyond`` says how. eps, ddof: of deviations. aggregation, keep: as in ``Scheme``. ratio: the
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
        if self.estimator is None:
            return None
        return Scheme(self.group_size, self.estimator, self.eps, self.ddof, self.aggregation, self.keep)
