"""What an estimator is whose advantages depend on a whole batch of groups, not on the member's own group alone.

Every such estimator in use has two stages. The first gives a member a number x from its own group: the composite
itself, or what a group estimator makes of it. The second takes sums over the batch, and

    A = scale (x - centre),

where ``scale`` and ``centre`` are the same for all members of a group. So a family says what its first stage is, whose
spread it measures and over what, and ``scale`` and ``centre``; exact/batch_update.py does the rest.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from tamdp_theory.errors import InputError
from tamdp_theory.estimators.base import Estimator
from tamdp_theory.estimators.leave_one_out import LeaveOneOut

Over: TypeAlias = Literal["sequences", "tokens"]
Guard: TypeAlias = Literal["deviation", "variance", "floor"]
Measured: TypeAlias = Literal["composite", "first", "nothing"]
OVER = {"sequences": "each member counts once", "tokens": "each member counts once a token"}
GUARDS = {
    "deviation": "1 / (deviation + eps)",
    "variance": "1 / sqrt(variance + eps)",
    "floor": "1 / sqrt(max(variance, eps))",
}


@dataclass(frozen=True)
class Sums:
    """Of the measured numbers y over some members, arrays of one shape: their weight (members or tokens), mean, and
    ``spread``, the sum of squared distances from that mean, exactly 0 where all agree. lost: what a variance loses of
    the weight, its ddof.
    """

    weight: Any
    mean: Any
    spread: Any
    lost: float

    @property
    def variance(self) -> Any:
        """About the own mean."""
        return self.spread / (self.weight - self.lost)

    def about(self, centre: Any) -> Any:
        """About any centre."""
        return (self.spread + self.weight * (self.mean - centre) ** 2) / (self.weight - self.lost)


@dataclass(frozen=True, kw_only=True)
class BatchEstimator:
    """How a batch of B groups of G rewards becomes advantages.

    name: what files and commands call it. over: what mean and deviation of the batch count. guard: how eps keeps the
    divisor from zero; 0 is given where it stays zero, which is where all that is measured agrees. Of the kind:
    ``uses``, who uses it and under which name.
    """

    uses: ClassVar[tuple[str, ...]] = ()
    name: str
    over: Over = "sequences"
    guard: Guard = "deviation"

    def __post_init__(self) -> None:
        for option, known in (("over", OVER), ("guard", GUARDS)):
            if (value := getattr(self, option)) not in known:
                raise InputError(f"{self.name}: {option} must be one of {', '.join(known)}; got {value!r}")

    @property
    def first(self) -> Estimator | None:
        """The group estimator of the first stage; None where x is the composite itself."""
        return None

    @property
    def inner_eps(self) -> float | None:
        """eps of the first stage; None: that of the second."""
        return None

    @property
    def measured(self) -> Measured:
        """Whose spread is taken: of the "composite", of the "first" stage, or of "nothing"."""
        return "first"

    @property
    def shifts(self) -> bool:
        """Whether adding a constant to all rewards changes nothing."""
        return True

    @property
    def plain(self) -> bool:
        """Whether ``scale`` is the guard of the batch's variance and nothing else."""
        return True

    @property
    def is_common(self) -> bool:
        """Whether ``scale`` is the same for all groups of a batch."""
        return True

    @property
    def centred(self) -> bool:
        """Whether ``centre`` is the batch's mean; 0 if not."""
        return True

    @property
    def like(self) -> Estimator | None:
        """The group estimator of whose expected update, with trajectories as units, its own is a positive multiple in
        the limit of many prompts: there it is the same multiple on all prompts. None if there is none.
        """
        return LeaveOneOut() if self.first is None else self.first

    @property
    def divisor(self) -> tuple[str, str]:
        """What that multiple is one over, in LaTeX and in words; empty if it is 1."""
        return r"\sigma_x", "the deviation of all x"

    def scale(self, own: Sums, batch: Sums, eps: float) -> Any:
        """What x - centre is multiplied by, for members of a group with sums ``own`` in a batch."""
        return self.inverse(batch.variance, eps)

    def inverse(self, variance: Any, eps: float) -> Any:
        """One over a guarded deviation; 0 where that is 0."""
        if self.guard == "deviation":
            below = np.sqrt(variance) + eps
        else:
            below = np.sqrt(variance + eps if self.guard == "variance" else np.maximum(variance, eps))
        return np.divide(1.0, below, out=np.zeros(np.shape(below)), where=below > 0)

    def check(self, limit: bool, eps: float) -> None:
        """InputError where it has no meaning in the limit of many prompts, or at this eps."""

    def __str__(self) -> str:
        return self.name
