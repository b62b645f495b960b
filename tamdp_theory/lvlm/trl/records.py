"""What a training run showed, step by step: groups of rollouts, the trainer's advantages, evaluations."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tamdp_theory.model import Floats, Ints
from tamdp_theory.sources import RolloutGroups

PATTERNS = ("step-*.parquet", "evaluation-*.parquet")


def record_files(folder: str | Path) -> list[Path]:
    """The data files of a recorded run in a folder, steps first, each in order; none if there is no run."""
    return [path for pattern in PATTERNS for path in sorted(Path(folder).glob(pattern))]


@dataclass(frozen=True, eq=False)
class StepRecord:
    """What one optimizer step was made of.

    step: optimizer steps made before it, so these rollouts were drawn under parameters theta_step; groups: None if no
    group could be kept; advantages (n, G): those that the trainer used, None if not seen; dropped: groups left out
    because a reward was missing.
    """

    step: int
    groups: RolloutGroups | None
    advantages: Floats | None = None
    dropped: int = 0


@dataclass(frozen=True, eq=False)
class Batch:
    """A generation batch of all processes: prompt (n,), rewards (n, G, K) with NaN where there is none."""

    step: int
    training: bool
    prompt: Ints
    rewards: Floats
    advantages: Floats | None = None
    log_probability: Floats | None = None
    scores: Floats | None = None

    def record(self, names: tuple[str, ...], weights: tuple[Fraction, ...]) -> StepRecord:
        """The groups without missing rewards, and how many were left out."""
        whole = np.flatnonzero(np.isfinite(self.rewards).all(axis=(1, 2)))
        dropped = len(self.rewards) - len(whole)
        if not len(whole):
            return StepRecord(self.step, None, None, dropped)
        groups = RolloutGroups(
            names,
            weights,
            self.prompt,
            rewards=np.nan_to_num(self.rewards),
            log_probability=self.log_probability,
            scores=self.scores,
        ).select(whole)
        return StepRecord(self.step, groups, None if self.advantages is None else self.advantages[whole], dropped)


def joined(first: StepRecord, second: StepRecord) -> StepRecord:
    """Two generation batches of one step."""
    dropped = first.dropped + second.dropped
    if first.groups is None or second.groups is None:
        return replace(first if second.groups is None else second, dropped=dropped)

    def both(name: str) -> Any:
        parts = [getattr(first.groups, name), getattr(second.groups, name)]
        return None if any(part is None for part in parts) else np.concatenate(parts)

    groups = replace(first.groups, **{name: both(name) for name in ("prompt", "rewards", "log_probability", "scores")})
    advantages = (
        None
        if first.advantages is None or second.advantages is None
        else np.concatenate([first.advantages, second.advantages])
    )
    return StepRecord(first.step, groups, advantages, dropped)


@dataclass(frozen=True, eq=False)
class EvaluationRecord:
    """One evaluation on held-out prompts.

    step: optimizer steps made before it; prompt (n,): one entry per row evaluated; rewards (n, G, K) in [0, 1], G >= 1
    rollouts of each; dropped: rows left out because a reward was missing; log_probability (n, G) and scores (n, G, d):
    of the last evaluation, if it was scored.
    """

    step: int
    prompt: Ints
    rewards: Floats
    dropped: int = 0
    log_probability: Floats | None = None
    scores: Floats | None = None

    @property
    def mean(self) -> Floats:
        """Mean component rewards of every row, (n, K)."""
        result: Floats = self.rewards.mean(axis=1)
        return result

    @property
    def rollouts(self) -> int:
        """G, rollouts per row."""
        return int(self.rewards.shape[1])


@dataclass(frozen=True)
class Records:
    """A run: components (K,), their weights, records by step, evaluations in order."""

    component_names: tuple[str, ...]
    weights: tuple[Fraction, ...]
    steps: Mapping[int, StepRecord] = field(default_factory=dict)
    evaluations: tuple[EvaluationRecord, ...] = ()

    def before(self, step: int) -> "Records":
        """The run up to theta_step: records of the steps before, evaluations up to it."""
        kept = {t: record for t, record in self.steps.items() if t < step}
        return Records(
            self.component_names, self.weights, kept, tuple(event for event in self.evaluations if event.step <= step)
        )
