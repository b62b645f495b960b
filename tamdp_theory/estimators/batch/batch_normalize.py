"""Mean and deviation each of the batch, of the group, or not at all: AReaL's ``NormConfig``.

The deviation is about the mean that was chosen, whatever its level: with ``mean_level="batch", std_level="group"`` a
group's deviation is about the batch's mean, with ``mean_level="none"`` about 0. AReaL has ddof 1 and eps 1e-5.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

from tamdp_theory.errors import InputError
from tamdp_theory.estimators.base import Estimator
from tamdp_theory.estimators.batch.base import BatchEstimator, Measured, Sums
from tamdp_theory.estimators.center import Center
from tamdp_theory.estimators.standardized import Joint

Level: TypeAlias = Literal["batch", "group", "none"]
LEVELS = ("batch", "group", "none")


@dataclass(frozen=True, kw_only=True)
class BatchNormalize(BatchEstimator):
    """The composite less the mean of mean_level, over the deviation of std_level about that mean."""

    uses: ClassVar[tuple[str, ...]] = ("AReaL NormConfig (ddof 1, eps 1e-5)",)
    name: str = "batch_normalize"
    mean_level: Level = field(default="batch", metadata={"choices": LEVELS})
    std_level: Level = field(default="batch", metadata={"choices": LEVELS})

    def __post_init__(self) -> None:
        super().__post_init__()
        for option in ("mean_level", "std_level"):
            if (value := getattr(self, option)) not in LEVELS:
                raise InputError(f"{self.name}: {option} must be one of {', '.join(LEVELS)}; got {value!r}")

    @property
    def first(self) -> Estimator | None:
        return Center() if self.mean_level == "group" else None

    @property
    def measured(self) -> Measured:
        return "nothing" if self.std_level == "none" and not self.centred else "first"

    @property
    def shifts(self) -> bool:
        return self.mean_level != "none"

    @property
    def plain(self) -> bool:
        return self.std_level == "batch" and self.mean_level != "none"

    @property
    def is_common(self) -> bool:
        return self.std_level != "group"

    @property
    def centred(self) -> bool:
        return self.mean_level == "batch"

    @property
    def like(self) -> Estimator | None:
        if self.std_level != "group":
            return super().like
        return Joint() if self.mean_level == "group" else None

    @property
    def divisor(self) -> tuple[str, str]:
        if self.std_level != "batch":
            return "", ""
        about = {
            "batch": (r"\sigma_c", "the deviation of all rewards"),
            "group": (r"\sigma_{c-\bar c}", "the deviation within groups"),
            "none": (r"\sqrt{\mathbb{E}c^2}", "the root mean square of all rewards"),
        }
        return about[self.mean_level]

    def scale(self, own: Sums, batch: Sums, eps: float) -> Any:
        if self.std_level == "none":
            return 1.0
        held = own if self.std_level == "group" else batch
        return self.inverse(held.about(batch.mean if self.centred else 0.0), eps)

    def check(self, limit: bool, eps: float) -> None:
        if limit and not eps and self.mean_level == "batch" and self.std_level == "group":
            raise InputError(
                f"{self}: with eps 0 and batch inf it is undecided whether a group is equal to the mean of all "
                "rewards, a real number; give eps > 0"
            )


ESTIMATORS = (BatchNormalize(),)
