"""What a claim is checked on where a process is known."""

from dataclasses import dataclass, field
from fractions import Fraction

from bounds.once import Once
from bounds.pac_bayes.setting import Generalization
from tamdp_theory import TAMDP, CapacityError, InputError, Policy, TabularSoftmax, exact
from tamdp_theory.exact import Scheme, UpdatePlan
from tamdp_theory.exact.law import ClassLaw
from tamdp_theory.exact.update_potential import Potential, find_potential
from tamdp_theory.grpo.enumeration import enumerate_update
from tamdp_theory.guards import check_inside_unit, check_unit
from tamdp_theory.model import Floats, check_same_process

BUDGET = 60.0  # seconds
MAX_DENSE = 1000  # actions of a process whose Hessian is formed


@dataclass(frozen=True)
class Instance:
    """What a claim is checked on: a process, a policy, and the scheme of its groups.

    seed drives everything random in a check (directions, training runs); steps, runs and learning_rate are for claims
    about training (learning_rate None: the step size that the claim recommends); level is the confidence of statistical
    evidence. without: names of assumptions to drop, for negative controls; the check still says that they are not met.
    think_weight: weight of think actions in the score that the estimator uses (theory.md section 2). generalization:
    training prompts, policies and target domain of Theorem 3 (None: drawn from the seed). budget: seconds that a check
    may be expected to take; CapacityError beyond. once: where computed quantities are kept; copies share it.
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
    once: Once = field(default_factory=Once, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.steps < 1 or self.runs < 2:
            raise InputError(f"steps, runs: need at least 1 step and 2 runs, got {self.steps} and {self.runs}")
        check_inside_unit("level", self.level)
        if self.scheme.lengths or not self.scheme.is_plain:
            raise InputError(
                "scheme: claims speak of all groups, and of trajectories as units whatever their length; choose "
                "aggregation trajectory, keep all, and an estimator that does not look at lengths"
            )
        check_unit("think_weight", self.think_weight)
        if self.learning_rate is not None and not 0 < self.learning_rate < float("inf"):
            raise InputError(f"learning_rate: must be positive and finite, or None, got {self.learning_rate}")
        given = self.generalization.policies if self.generalization is not None else ()
        for policy in (self.policy, *given, *([] if self.reference is None else [self.reference])):
            check_same_process(self.env, policy.env)
        if not self.budget > 0:
            raise InputError(f"budget: must be a positive number of seconds, got {self.budget}")

    def __repr__(self) -> str:
        return f"Instance({self.name}: {self.env!r}, {self.policy!r}, {self.scheme})"

    @property
    def exact_weights(self) -> tuple[Fraction, ...]:
        """Component weights (K,)."""
        return self.env.exact_weights

    @property
    def name(self) -> str:
        """For tables: process, policy and scheme."""
        return self.label or f"{self.env.name} G={self.scheme.group_size} {self.scheme.normalization}"

    # -- exact quantities, each computed when first read, and then shared by the claims that read it ------------------

    @property
    def values(self) -> exact.Values:
        """J and its components."""
        return self.once(exact.values, self.env, self.policy)

    @property
    def optimum(self) -> exact.Values:
        """J* and its components."""
        return self.once(exact.optimal_values, self.env)

    @property
    def gradient(self) -> Floats:
        """grad J (d,)."""
        return self.once(exact.policy_gradient, self.env, self.policy)

    @property
    def smoothness(self) -> float:
        """L_J of L3."""
        return self.once(exact.smoothness, self.env)

    @property
    def reward_range(self) -> Floats:
        """osc(c) on each prompt (N,)."""
        return self.once(exact.reward_range, self.env)

    @property
    def hessian(self) -> Floats:
        """Hessian of J (d, d). CapacityError where it does not fit."""
        return self.once(_hessian, self.env, self.policy)

    @property
    def domination(self) -> exact.GradientDomination:
        """Comparator and constants of L4, which look at the probabilities alone."""
        return self.once(_domination, self.env, self.policy)

    @property
    def class_law(self) -> ClassLaw:
        """P_m and what follows from it, with one column."""
        return self.once(_class_law, self.env, self.policy, self.think_weight)

    @property
    def laws(self) -> tuple[exact.PromptLaw, ...]:
        """The reward law of each prompt, scores with the instance's think weight."""
        return self.once(_laws, self.env, self.policy, self.think_weight)

    @property
    def trajectories(self) -> exact.Trajectories:
        """Every trajectory. CapacityError where they are too many."""
        return self.once(exact.enumerate_trajectories, self.env)

    @property
    def plan(self) -> UpdatePlan:
        """What the update's moments need that does not depend on the policy."""
        return self.once(UpdatePlan, self.env, self.scheme, self.think_weight)

    @property
    def update(self) -> exact.UpdateMoments:
        """m, V and E||g||^2 from the group moments."""
        return self.once(UpdatePlan.moments, self.plan, self.policy)

    @property
    def listed_update(self) -> exact.UpdateMoments:
        """The same by listing groups of trajectories."""
        return self.once(enumerate_update, self.env, self.policy, self.scheme, self.think_weight)

    @property
    def potential(self) -> Potential | None:
        """The potential of L7, where there is one."""
        return self.once(find_potential, self.env, self.scheme)


def _hessian(env: TAMDP, policy: Policy) -> Floats:
    if env.n_pairs > MAX_DENSE:
        raise CapacityError(
            f"{env.name}: the dense Hessian of {env.n_pairs} actions is not formed; {MAX_DENSE} would fit"
        )
    return exact.hessian(env, policy)


def _domination(env: TAMDP, policy: Policy) -> exact.GradientDomination:
    return exact.gradient_domination(env, policy if policy.is_tabular else TabularSoftmax.like(policy))


def _class_law(env: TAMDP, policy: Policy, think_weight: float) -> ClassLaw:
    return ClassLaw.of(env, policy.pair_probability[:, None], think_weight)


def _laws(env: TAMDP, policy: Policy, think_weight: float) -> tuple[exact.PromptLaw, ...]:
    return tuple(exact.reward_law(env, policy, think_weight))
