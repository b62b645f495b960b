"""What every log format is read as: steps of groups of rollouts, rewards alone."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tamdp_theory.model import Floats
from tamdp_theory.sources import RolloutGroups


@dataclass(frozen=True, eq=False)
class LoggedStep:
    """One step of a log.

    step: as logged; groups: n groups of G; advantages (n, G): the trainer's, None where the format has none.
    """

    path: Path
    step: int
    groups: RolloutGroups
    advantages: Floats | None


@dataclass(frozen=True, eq=False)
class Log:
    """A log as it was read.

    steps: in the order of the log; those whose groups have other components, where some rewards are missing, are steps
    of their own. dropped: reason -> how many rows were left out. notes: what was decided for want of a word in the log.
    inferred: the weights were read off the advantages, so they are known up to a factor.
    """

    steps: tuple[LoggedStep, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    inferred: bool = False


@dataclass(frozen=True)
class Options:
    """What the reader of a log asks for; None or empty: what the log says.

    group_size: G. components: names of the reward columns; ignore: columns that are none. weights: (K,) numbers, of
    ``components``. ranges: name -> (low, high), of rewards that are not in [0, 1].
    """

    group_size: int | None = None
    components: Sequence[str] | None = None
    weights: Sequence[Any] | None = None
    ignore: Sequence[str] = ()
    ranges: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rollout:
    """One row of a log.

    group: rows of a step with equal keys are a group; None: so many consecutive rows as a group has. rewards: by name;
    None: there is none. advantage: the trainer's; weights: of the rewards, where the log has them; prompt: key of the
    group's prompt, where that is not the group's own.
    """

    step: int
    group: Hashable
    rewards: Mapping[str, float | None]
    advantage: float | None = None
    weights: Mapping[str, float] | None = None
    prompt: Hashable = None
