"""What a claim is checked on where a process is known."""

from dataclasses import dataclass, field
from fractions import Fraction

from bounds.pac_bayes.setting import Generalization
from tamdp_theory import TAMDP, InputError, Policy
from tamdp_theory.exact import Scheme
from tamdp_theory.guards import check_inside_unit
from tamdp_theory.model import check_same_process

BUDGET = 60.0  # seconds


@dataclass(frozen=True)
class Instance:
    """What a claim is checked on: a process, a policy, and the scheme of its groups.

    seed drives everything random in a check (directions, training runs); steps, runs and learning_rate are for claims
    about training (learning_rate None: the step size that the claim recommends); level is the confidence of statistical
    evidence. without: names of assumptions to drop, for negative controls; the check still says that they are not met.
    think_weight: weight of think actions in the score that the estimator uses (theory.md section 2). generalization:
    training prompts, policies and target domain of Theorem 3 (None: drawn from the seed). budget: seconds that a check
    may be expected to take; CapacityError beyond.
    """

    env: TAMDP
    policy: Policy
    scheme: Scheme = field(default_factory=lambda: Scheme(8, "center"))
    reference: Policy | None = None
    seed: int = 0
    steps: int = 400
    runs: int = 64
    learning_rate: float | None = None
    level: float = 0.999
    label: str = ""
    without: tuple[str, ...] = ()
    think_weight: float = 1.0
    generalization: Generalization | None = None
    budget: float = BUDGET

    def __post_init__(self) -> None:
        if self.steps < 1 or self.runs < 2:
            raise InputError(f"steps, runs: need at least 1 step and 2 runs, got {self.steps} and {self.runs}")
        check_inside_unit("level", self.level)
        if not 0 <= self.think_weight <= 1:
            raise InputError(f"think_weight: must be in [0, 1], got {self.think_weight}")
        if self.learning_rate is not None and not 0 < self.learning_rate < float("inf"):
            raise InputError(f"learning_rate: must be positive and finite, or None, got {self.learning_rate}")
        given = self.generalization.policies if self.generalization is not None else ()
        for policy in (self.policy, *given, *([] if self.reference is None else [self.reference])):
            check_same_process(self.env, policy.env)
        if not self.budget > 0:
            raise InputError(f"budget: must be a positive number of seconds, got {self.budget}")

    @property
    def exact_weights(self) -> tuple[Fraction, ...]:
        """Component weights (K,)."""
        return self.env.exact_weights

    @property
    def name(self) -> str:
        """For tables: process, policy and scheme."""
        return self.label or f"{self.env.name} G={self.scheme.group_size} {self.scheme.normalization}"
