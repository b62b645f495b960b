"""The reward law of each prompt: class probabilities, their gradients and score energies (theory.md section 3)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tamdp_theory.exact.passes import backward, forward, score_norm
from tamdp_theory.exact.values import gradient_from_values, score_weight
from tamdp_theory.model import TAMDP, Floats, Ints, check_same_process
from tamdp_theory.policies.base import Policy


@dataclass(frozen=True, eq=False)
class ClassLaw:
    """The law of reward classes under S policies at once, before any gradient is carried to parameters.

    probability (C, S); sensitivity (P, M, S): E[s; m] of each pair's prompt with respect to logits, M class slots;
    pair (P, M, S): Pr(class m | pair); taken (P, S): probability of taking the pair, given the prompt.
    """

    env: TAMDP
    pi: Floats
    probability: Floats
    pair: Floats
    taken: Floats
    sensitivity: Floats
    weight: Floats | None

    @staticmethod
    def of(env: TAMDP, pi: Floats, think_weight: float = 1.0) -> "ClassLaw":
        """Two passes over the nodes; pi (P, S)."""
        weight = score_weight(env, think_weight)
        slots = np.zeros((env.n_classes, env.n_slots, 1))
        slots[np.arange(env.n_classes), env.class_slot] = 1.0
        node, pair = backward(env, pi, slots)
        taken = forward(env, pi)[1]
        probability = node[env.prompt_start[env.class_prompt], env.class_slot]
        return ClassLaw(
            env,
            pi,
            probability,
            pair=pair,
            taken=taken,
            sensitivity=gradient_from_values(env, pi, taken, pair, weight),
            weight=weight,
        )

    @cached_property
    def tabular_energy(self) -> Floats:
        """E[||s||^2; m] (C, S) where each logit is a parameter: scores at distinct nodes are orthogonal."""
        env, pi = self.env, self.pi
        norm = score_norm(env, pi)
        if self.weight is not None:
            norm = norm * self.weight[:, None] ** 2
        return env.prompt_sum((self.taken * norm)[:, None] * self.pair)[env.class_prompt, env.class_slot]

    def tabular_gram(self, prompt: int) -> Floats:
        """<E[s; m], E[s; l]> (M, M, S) of one prompt's classes, in logit coordinates."""
        rows = self.sensitivity[self.env.prompt_pairs[prompt], : len(self.env.prompt_classes[prompt])]
        result: Floats = np.einsum("pms,pls->mls", rows, rows)
        return result

    def gradients(self, policy: Policy, prompt: int) -> Floats:
        """E[s; m] in parameter coordinates (M, d) of one prompt; S = 1."""
        env = self.env
        count, pairs = len(env.prompt_classes[prompt]), env.prompt_pairs[prompt]
        spread = np.zeros((env.n_pairs, count))
        spread[pairs] = self.sensitivity[pairs, :count, 0]
        return policy.pull_back_each(spread).T

    def shared_energy(self, policy: Policy) -> Floats:
        """E[||s||^2; m] (C, 1) with parameters shared between nodes: the cross terms of theory.md section 3."""
        env, pi = self.env, self.pi[:, 0]
        scores = policy.scores()
        if self.weight is not None:
            scores = scores * self.weight[:, None]
        norm = np.einsum("pd,pd->p", scores, scores)
        energy = np.empty((env.n_nodes, env.n_slots))
        for slot in range(env.n_slots):
            # columns: U_m (d of them), then S_m
            tail = np.zeros((env.n_nodes + env.n_classes, policy.n_parameters + 1))
            for level in reversed(env.levels):
                after = level.outgoing @ tail
                reach, g = self.pair[level.pairs, slot, 0], scores[level.pairs]
                after[:, -1] += norm[level.pairs] * reach + 2 * np.einsum("pd,pd->p", g, after[:, :-1])
                after[:, :-1] += g * reach[:, None]
                tail[level.nodes] = level.members @ (pi[level.pairs, None] * after)
            energy[:, slot] = tail[: env.n_nodes, -1]
        return energy[env.prompt_start[env.class_prompt], env.class_slot][:, None]

    def energy(self, policy: Policy) -> Floats:
        """E[||s||^2; m] (C, 1)."""
        return self.tabular_energy if policy.is_tabular else self.shared_energy(policy)


@dataclass(frozen=True, eq=False)
class PromptLaw:
    """The reward law of one prompt: rewards (M, K), probability (M,), score_energy (M,) and, when read, gradient (M,
    d).
    """

    rewards: Floats
    probability: Floats
    score_energy: Floats
    _law: ClassLaw
    _policy: Policy
    _prompt: int

    @cached_property
    def gradient(self) -> Floats:
        """grad P_m (M, d); with think_weight < 1, E[s_lambda; m]."""
        return self._law.gradients(self._policy, self._prompt)


def reward_law(env: TAMDP, policy: Policy, think_weight: float = 1.0) -> tuple[PromptLaw, ...]:
    """The reward law of each prompt (theory.md section 3), one backward and one forward pass."""
    check_same_process(env, policy.env)
    law = ClassLaw.of(env, policy.pair_probability[:, None], think_weight)
    energy = law.energy(policy)

    def one(prompt: int, classes: Ints) -> PromptLaw:
        return PromptLaw(
            env.class_rewards[classes],
            law.probability[classes, 0],
            energy[classes, 0],
            _law=law,
            _policy=policy,
            _prompt=prompt,
        )

    return tuple(one(prompt, classes) for prompt, classes in enumerate(env.prompt_classes))
