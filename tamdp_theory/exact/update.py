"""Mean and variance of GRPO's update direction, exactly (L5, L6): all prompts in the step, independent groups."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from tamdp_theory.estimators.scheme import Aggregation, Keep, Normalization, Scheme
from tamdp_theory.exact.group import GroupPlan
from tamdp_theory.exact.law import ClassLaw
from tamdp_theory.exact.moments import GroupMoments
from tamdp_theory.exact.values import logit_gradient, score_weight
from tamdp_theory.model import TAMDP, Floats, Ints, check_same_process
from tamdp_theory.policies.base import Policy


@dataclass(frozen=True)
class UpdateMoments:
    """mean m (d,); second_moment E||g||^2 >= 0; variance V = E||g - m||^2 >= 0; prompt_variance V_q (N,), before
    rho_q^2.
    """

    mean: Floats
    second_moment: float
    variance: float
    prompt_variance: Floats


@dataclass(frozen=True, eq=False)
class UpdatePlan:
    """What the update's moments need that does not depend on the policy; reuse it along a training path.

    Where the scheme looks at lengths, ``env`` becomes the process whose reward classes are split by length.
    """

    env: TAMDP
    scheme: Scheme
    think_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.scheme.lengths:
            object.__setattr__(self, "env", self.env.by_length)

    @cached_property
    def groups(self) -> tuple[tuple[GroupPlan, Ints], ...]:
        """Prompts with equal reward tables (and lengths) share a plan: (plan, classes (n, M) of these prompts)."""
        length = self.env.class_length
        tables: dict[tuple[tuple[tuple[Fraction, ...], ...], tuple[int, ...] | None], list[Ints]] = {}
        for classes in self.env.prompt_classes:
            table = tuple(self.env.exact_class_rewards[c] for c in classes)
            tables.setdefault((table, None if length is None else tuple(length[classes].tolist())), []).append(classes)
        longest = 1 if length is None else int(length.max())
        return tuple(
            (GroupPlan(table, self.env.exact_weights, self.scheme, lengths, longest), np.stack(members))
            for (table, lengths), members in tables.items()
        )

    def group_moments(self, probability: Floats) -> list[tuple[GroupMoments, Ints]]:
        """Group moments of the prompts that share a plan, at class probabilities (C, S): batch shape (n, S)."""
        return [(plan.moments(_lead(probability[classes])), classes) for plan, classes in self.groups]

    def effective_reward(self, probability: Floats) -> Floats:
        """h of each class (C, S) at class probabilities (C, S)."""
        return self._by_class([(moments.first, classes) for moments, classes in self.group_moments(probability)])

    def signed_rewards(self, probability: Floats) -> tuple[Floats, Floats]:
        """h+ and h- of each class (C, S)."""
        found = self.group_moments(probability)
        positive = self._by_class([(moments.positive, classes) for moments, classes in found])
        return positive, self._by_class([(moments.negative, classes) for moments, classes in found])

    def _by_class(self, parts: list[tuple[Floats, Ints]]) -> Floats:
        result = np.empty((self.env.n_classes, parts[0][0].shape[1]))
        for values, classes in parts:
            result[classes] = _back(values)
        return result

    def mean_sensitivity(self, pi: Floats) -> Floats:
        """m with respect to logits (P, S) under policies pi (P, S)."""
        return self._mean(pi, self.effective_reward(ClassLaw.of(self.env, pi).probability))

    def _mean(self, pi: Floats, effective_reward: Floats) -> Floats:
        terminal = effective_reward[:, None]
        flow = logit_gradient(self.env, pi, terminal, score_weight(self.env, self.think_weight))[:, 0]
        return flow * self.env.prompt_probability[self.env.pair_prompt, None]

    def tabular_variance(self, pi: Floats) -> Floats:
        """V (S,) of tabular policies pi (P, S)."""
        law = ClassLaw.of(self.env, pi, self.think_weight)
        per_prompt = self._prompt_variance(law, self.group_moments(law.probability), law.tabular_energy, None)
        result: Floats = (self.env.prompt_probability[:, None] ** 2 * per_prompt).sum(axis=0)
        return result

    def moments(self, policy: Policy) -> UpdateMoments:
        """m, V and E||g||^2 of any policy."""
        env = self.env
        check_same_process(env, policy.env)
        pi = policy.pair_probability[:, None]
        law = ClassLaw.of(env, pi, self.think_weight)
        found = self.group_moments(law.probability)
        sensitivity = self._mean(pi, self._by_class([(moments.first, classes) for moments, classes in found]))
        mean = policy.pull_back(sensitivity, policy.parameters[:, None])[:, 0]
        per_prompt = self._prompt_variance(law, found, law.energy(policy), policy)[:, 0]
        variance = float((env.prompt_probability**2 * per_prompt).sum())
        return UpdateMoments(mean, float((mean**2).sum()) + variance, variance, per_prompt)

    def _prompt_variance(
        self, law: ClassLaw, found: list[tuple[GroupMoments, Ints]], energy: Floats, policy: Policy | None
    ) -> Floats:
        """V_q (N, S) = (1/G) sum a e + sum_ml (kappa b_ml - h_m h_l) <grad P_m, grad P_l>."""
        result = np.empty((self.env.n_prompts, law.pi.shape[1]))
        size, kappa = self.scheme.group_size, self.scheme.kappa
        for moments, classes in found:
            h = moments.first
            quadratic = kappa * moments.cross - h[..., :, None] * h[..., None, :]
            spread = _back(moments.second)
            for i, row in enumerate(classes):
                prompt = int(self.env.class_prompt[row[0]])
                if policy is None or policy.is_tabular:
                    gram = law.tabular_gram(prompt)
                else:
                    gradient = law.gradients(policy, prompt)
                    gram = np.einsum("md,ld->ml", gradient, gradient)[:, :, None]
                noise = (spread[i] * energy[row]).sum(axis=0) / size
                result[prompt] = noise + np.einsum("sml,mls->s", quadratic[i], gram)
        return np.maximum(result, 0.0)


def update_moments(
    env: TAMDP,
    policy: Policy,
    group_size: int,
    normalization: Normalization,
    eps: float = 0.0,
    ddof: int = 0,
    think_weight: float = 1.0,
    aggregation: Aggregation = "trajectory",
    keep: Keep = "all",
) -> UpdateMoments:
    """Exact m(theta), E||g||^2 and V(theta) of GRPO's estimator with all prompts in every step (L5, L6).

    Raises InputError for bad settings, CapacityError where the group statistics have too many states.

    Args:
        env, policy: the process and the policy that draws the groups.
        group_size: G >= 2.
        normalization: an estimator or its name.
        eps, ddof: of deviations, where the estimator scales.
        think_weight: of think actions in the score, in [0, 1].
        aggregation: what advantages are multiplied by (``estimators.AGGREGATIONS``).
        keep: which groups count, as in ``Scheme``; moments are given that they do.
    """
    scheme = Scheme(group_size, normalization, eps, ddof, aggregation, keep)
    return UpdatePlan(env, scheme, think_weight).moments(policy)


def _lead(probability: Floats) -> Floats:
    """(n, M, S) -> (n, S, M): the batch shape leads."""
    return np.ascontiguousarray(np.swapaxes(probability, 1, 2))


def _back(moments: Floats) -> Floats:
    """(n, S, M) -> (n, M, S)."""
    return np.swapaxes(moments, 1, 2)
