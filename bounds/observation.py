"""What a claim is checked on where there is no process to sum over: rollouts of some policy, as their
source gave them.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np

from tamdp_theory import InputError
from tamdp_theory.exact import Groups, Scheme
from tamdp_theory.guards import check_inside_unit
from tamdp_theory.model import Floats
from tamdp_theory.numbers import fraction
from tamdp_theory.posteriors import check_distribution
from tamdp_theory.sources import RolloutGroups


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Losses of a finite class of policies on held-out prompts that no policy was trained on.

    losses (m, n): 1 - composite reward / W of each policy on each prompt, means over rollouts, in [0, 1]; the prompts
    are independent draws. prior (m,): fixed before any of these losses was seen, None for equal. delta: probability
    with which a bound may fail.
    """

    losses: Floats
    delta: float = 0.05
    prior: Floats | None = None

    def __post_init__(self) -> None:
        if self.losses.ndim != 2 or self.losses.shape[0] < 1 or self.losses.shape[1] < 2:
            raise InputError(
                f"losses: expected (policies, prompts) with at least two prompts, got shape {self.losses.shape}"
            )
        if not (np.isfinite(self.losses).all() and self.losses.min() >= 0 and self.losses.max() <= 1):
            raise InputError("losses: must be in [0, 1]")
        check_inside_unit("delta", self.delta)
        if self.prior is not None:
            check_distribution(self.prior, "prior", len(self.losses))

    @property
    def prior_probability(self) -> Floats:
        """The prior (m,)."""
        count = len(self.losses)
        return np.full(count, 1 / count) if self.prior is None else np.asarray(self.prior, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Observation:
    """Rollouts of one policy, and what they are to be read as.

    rollouts: groups of the scheme's size, or larger ones, which are cut (a variance needs groups of twice the size).
    level: confidence of each verdict; seed: of the bootstrap. training: rollouts at successive steps of a run, for
    claims about training; evaluation: for Theorem 3.
    """

    rollouts: RolloutGroups
    scheme: Scheme = field(default_factory=lambda: Scheme(8, "sum_then_normalize"))
    level: float = 0.99
    seed: int = 0
    label: str = ""
    without: tuple[str, ...] = ()
    training: tuple[RolloutGroups, ...] = ()
    evaluation: Evaluation | None = None

    def __post_init__(self) -> None:
        check_inside_unit("level", self.level)
        self.rollouts.check_shows(self.scheme.group_size)

    @property
    def name(self) -> str:
        """For tables."""
        kind = "listed" if self.rollouts.is_exact else "drawn"
        return (
            self.label
            or f"{len(self.groups.prompt)} {kind} groups G={self.scheme.group_size} {self.scheme.normalization}"
        )

    @property
    def exact_weights(self) -> tuple[Fraction, ...]:
        """Component weights (K,)."""
        return self.rollouts.weights

    @property
    def think_weight(self) -> float:
        """Of thoughts in the scores."""
        return self.rollouts.think_weight

    @cached_property
    def groups(self) -> RolloutGroups:
        """The rollouts in groups of the scheme's size."""
        return self.rollouts.in_groups_of(self.scheme.group_size)

    def table(self, limit: int) -> Groups:
        """The first ``limit`` groups, rewards read as their shortest decimals, so that ties are decided exactly."""
        return decimals(self.groups.rewards[:limit], self.rollouts.weights)


def decimals(rewards: Floats, weights: tuple[Fraction, ...]) -> Groups:
    """Groups of rewards (n, G, K), each read as its shortest decimal, so that ties are decided exactly."""
    rows, members = np.unique(rewards.reshape(-1, rewards.shape[-1]), axis=0, return_inverse=True)
    classes = tuple(tuple(fraction(float(value), "rewards") for value in row) for row in rows)
    return Groups(members.reshape(rewards.shape[:2]), classes, weights)
