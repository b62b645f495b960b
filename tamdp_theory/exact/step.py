"""One sampled GRPO step, exactly: E J(theta + eta g) over every group that could be drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from tamdp_theory.errors import CapacityError, InputError
from tamdp_theory.estimators.scheme import Scheme
from tamdp_theory.exact.listing import MAX_GROUPS, Groups, count_multisets, list_multisets
from tamdp_theory.exact.passes import backward
from tamdp_theory.exact.trajectories import enumerate_trajectories
from tamdp_theory.model import TAMDP, Floats, Ints, check_same_process
from tamdp_theory.policies.base import Policy, softmax

_COLUMNS = 4096  # policies evaluated at once


@dataclass(frozen=True, eq=False)
class StepPlan:
    """The law of GRPO's estimator, prompt by prompt, for steps of any size.

    Tabular policies: a prompt's nodes have logits of their own, so E J(theta + eta g) is a sum over prompts. Shared
    parameters couple the prompts; then there must be one. Raises InputError for more, CapacityError where groups are
    too many to list.
    """

    env: TAMDP
    policy: Policy
    scheme: Scheme
    max_groups: int = MAX_GROUPS

    def __post_init__(self) -> None:
        check_same_process(self.env, self.policy.env)
        if self.scheme.lengths or not self.scheme.is_plain:
            raise InputError("scheme: steps are listed for all groups, and where lengths play no part")
        if not self.policy.is_tabular and self.env.n_prompts > 1:
            raise InputError(
                f"{self.env.name}: steps of policies with shared parameters are listed for one prompt only; use "
                f"TabularSoftmax"
            )

    @cached_property
    def estimates(self) -> tuple[tuple[Floats, Floats], ...]:
        """For each prompt: probabilities (S,) of its distinct groups and g_q of each, with respect to parameters (d,
        S).
        """
        env, policy = self.env, self.policy
        paths = enumerate_trajectories(env, self.max_groups)
        law = paths.probability(policy.pair_log_probability[:, None])[:, 0]
        found = []
        for prompt in range(env.n_prompts):
            own = np.flatnonzero(paths.prompt == prompt)
            # a trajectory counts by its decisions and its reward class
            kinds, inverse = np.unique(
                np.column_stack([paths.reward_class[own], paths.pairs[own]]), axis=0, return_inverse=True
            )
            if (count := count_multisets(len(kinds), self.scheme.group_size)) > self.max_groups:
                raise CapacityError(
                    f"{env.name}: {count:,} groups exceed the limit of {self.max_groups:,}; use a smaller instance or "
                    f"group"
                )
            probability: Floats = np.bincount(inverse.ravel(), weights=law[own], minlength=len(kinds)).astype(
                np.float64
            )
            found.append(self._prompt(kinds, probability))
        return tuple(found)

    def _prompt(self, kinds: Ints, probability: Floats) -> tuple[Floats, Floats]:
        env, policy, size = self.env, self.policy, self.scheme.group_size
        members, ways = list_multisets(len(kinds), size)
        gain = Groups(members, tuple(env.exact_class_rewards[c] for c in kinds[:, 0]), env.exact_weights).advantages(
            self.scheme
        )
        chance = ways * probability[members].prod(axis=1)
        silent = ~gain.any(axis=1)
        visits = np.zeros((len(kinds), env.n_pairs))
        rows, steps = np.nonzero(kinds[:, 1:] >= 0)
        visits[rows, kinds[rows, steps + 1]] = 1.0
        owner = env.node_sum(visits.T)
        logit_score = visits.T - policy.pair_probability[:, None] * env.spread_to_pairs(owner)
        counted = np.zeros((len(members), len(kinds)))
        np.add.at(counted, (np.arange(len(members))[:, None], members), gain)
        logit = np.einsum("pk,gk->pg", logit_score, counted[~silent]) / size
        moving = policy.pull_back_each(logit)
        # all silent groups are one: no step
        return np.append(chance[~silent], chance[silent].sum()), np.column_stack([moving, np.zeros(len(moving))])

    def objective(self, steps: ArrayLike) -> Floats:
        """E J(theta + eta g) for step sizes eta (E,): (E,), all prompts in the step, g = sum_q rho_q g_q."""
        env, policy = self.env, self.policy
        sizes = np.atleast_1d(np.asarray(steps, dtype=np.float64))
        total = np.zeros(len(sizes))
        for prompt, (chance, estimate) in enumerate(self.estimates):
            rho = float(env.prompt_probability[prompt])
            moved = policy.parameters[:, None, None] + rho * estimate[:, :, None] * sizes
            columns = moved.reshape(policy.n_parameters, -1)
            start = np.concatenate(
                [self._start(columns[:, i : i + _COLUMNS], prompt) for i in range(0, columns.shape[1], _COLUMNS)]
            )
            total += rho * np.einsum("s,se->e", chance, start.reshape(len(chance), len(sizes)))
        return total

    def expectation(self, step: float, of: Callable[[int, Floats], Floats]) -> float:
        """sum_q rho_q E of(q, pi) after one step of size eta; ``of`` takes probabilities of pairs (P, B) to (B,)."""
        env, policy, total = self.env, self.policy, 0.0
        for prompt, (chance, estimate) in enumerate(self.estimates):
            rho = float(env.prompt_probability[prompt])
            moved = policy.parameters[:, None] + step * rho * estimate
            found = [
                of(prompt, softmax(env, policy.pair_logits(moved[:, i : i + _COLUMNS])))
                for i in range(0, moved.shape[1], _COLUMNS)
            ]
            total += rho * float(chance @ np.concatenate(found))
        return total

    def _start(self, parameters: Floats, prompt: int) -> Floats:
        """E[c | q] (B,) at parameters (d, B)."""
        env = self.env
        pi = softmax(env, self.policy.pair_logits(parameters))
        result: Floats = backward(env, pi, env.class_composite[:, None, None])[0][env.prompt_start[prompt], 0]
        return result
