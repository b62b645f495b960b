"""What every log format is read as: steps of groups of rollouts, rewards alone."""

from dataclasses import dataclass
from pathlib import Path

from tamdp_theory.model import Floats
from tamdp_theory.sources import RolloutGroups


@dataclass(frozen=True, eq=False)
class LoggedStep:
    """One step of a log.

    step: as logged; groups: n groups of G; advantages (n, G): the trainer's, None where the format has none; repeated:
    same rows as the step before, to be counted once.
    """

    path: Path
    step: int
    groups: RolloutGroups
    advantages: Floats | None
    repeated: bool = False
