"""The potential F with m = grad F, where there is one (L7), and its constants for Theorem 1."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tamdp_theory.estimators.scheme import Scheme
from tamdp_theory.exact.law import PromptLaw, reward_law
from tamdp_theory.exact.passes import backward, best
from tamdp_theory.exact.potential import potential
from tamdp_theory.exact.smoothness import deciding_claim, potential_constants, smoothness
from tamdp_theory.exact.values import optimal_values, values
from tamdp_theory.model import TAMDP, Floats, Ints
from tamdp_theory.policies.base import Policy


@dataclass(frozen=True, eq=False)
class Potential:
    """F of one process and scheme. high (C, J): indicator that a class has the larger of two values, for J terms;
    coefficient and spread (N, J) of each term; for ``center`` F is kappa J and the terms are empty."""

    env: TAMDP
    scheme: Scheme
    high: Floats
    coefficient: Floats
    spread: Floats

    def value(self, policy: Policy) -> float:
        """F(theta)."""
        if self.scheme.normalization == "center":
            return self.scheme.kappa * values(self.env, policy).total
        probability = np.stack([law.probability @ self.high[c] for law, c in self._laws(policy)])
        return self._at(probability)

    def of_prompt(self, prompt: int, pi: Floats) -> Floats:
        """F_q (B,), without rho_q, at probabilities of pairs (P, B)."""
        env, scheme = self.env, self.scheme
        if scheme.normalization == "center":
            start: Floats = backward(env, pi, env.class_composite[:, None, None])[0][env.prompt_start[prompt], 0]
            return scheme.kappa * start
        total = np.zeros(pi.shape[1])
        for j in np.flatnonzero(self.coefficient[prompt]):
            node = backward(env, pi, self.high[:, j, None, None])[0]
            p = node[env.prompt_start[prompt], 0].clip(0, 1)
            spread = float(self.spread[prompt, j])
            total += self.coefficient[prompt, j] * potential(p, scheme.group_size, scheme.eps, scheme.ddof, spread)
        return total

    @property
    def lower(self) -> float:
        """A lower bound of F over policies: the least composites if centred, else 0."""
        if self.scheme.normalization != "center":
            return 0.0
        least = np.array([self.env.class_composite[classes].min() for classes in self.env.prompt_classes])
        return float(self.scheme.kappa * self.env.prompt_probability @ least)

    def success(self, policy: Policy) -> Floats:
        """Probability of the larger value of each term on each prompt (N, J)."""
        return np.stack([law.probability @ self.high[c] for law, c in self._laws(policy)])

    @property
    def upper(self) -> float:
        """F*: an upper bound over policies, attained if all terms can be largest together."""
        if self.scheme.normalization == "center":
            return self.scheme.kappa * optimal_values(self.env).total
        return self._at(best(self.env, self.high)[0][self.env.prompt_start])

    @property
    def smoothness(self) -> float:
        """L for tabular policies, the least that is proved (L3.bandit, L3.trees, L3.all, L7.smooth)."""
        if self.scheme.normalization == "center":
            return self.scheme.kappa * smoothness(self.env)
        constant = potential_constants(self.env, self.scheme.group_size)
        return float((self.env.prompt_probability * self.coefficient.sum(axis=1) * constant).max())

    @property
    def smoothness_claim(self) -> str:
        """The claim that L rests on."""
        return deciding_claim(self.env) if self.scheme.normalization == "center" else "L7.smooth"

    @property
    def variance_bound(self) -> float:
        """A priori bound of V: L9 with L2 for ``center``, else L9.two-valued."""
        env, size = self.env, self.scheme.group_size
        squares = float((env.prompt_probability**2).sum())
        if self.scheme.normalization == "center":
            energy = env.horizon * (1 - 1 / env.n_actions)
            return self.scheme.kappa**2 * env.total_weight**2 * energy * squares / size
        total = float(self.scheme.estimator.total(env.exact_weights))
        return 4 * env.horizon * total**2 * squares / size

    def _laws(self, policy: Policy) -> Iterable[tuple[PromptLaw, Ints]]:
        return zip(reward_law(self.env, policy), self.env.prompt_classes, strict=True)

    def _at(self, probability: Floats) -> float:
        rho, size = self.env.prompt_probability, self.scheme.group_size
        total = 0.0
        for q, j in zip(*np.nonzero(self.coefficient), strict=True):
            p = min(max(float(probability[q, j]), 0.0), 1.0)
            term = potential(p, size, self.scheme.eps, self.scheme.ddof, float(self.spread[q, j]))
            total += rho[q] * self.coefficient[q, j] * float(term)
        return total


def find_potential(env: TAMDP, scheme: Scheme) -> Potential | None:
    """The potential of L7 (a), (b) or (c); None where L7 gives none."""
    if scheme.normalization == "center":
        return Potential(
            env, scheme, np.zeros((env.n_classes, 0)), np.zeros((env.n_prompts, 0)), np.zeros((env.n_prompts, 0))
        )
    if scheme.normalization == "normalize_then_sum":
        terms = [
            (float(w), [row[k] for row in env.exact_class_rewards]) for k, w in enumerate(env.exact_weights) if w > 0
        ]
    elif scheme.normalization == "sum_then_normalize":
        terms = [(1.0, list(env.exact_class_composite))]
    else:
        return None
    high = np.zeros((env.n_classes, len(terms)))
    coefficient, spread = np.zeros((env.n_prompts, len(terms))), np.ones((env.n_prompts, len(terms)))
    for j, (weight, column) in enumerate(terms):
        for q, classes in enumerate(env.prompt_classes):
            own = [column[c] for c in classes]
            levels = sorted(set(own))
            if len(levels) > 2:
                return None
            if len(levels) == 2:
                high[classes, j] = [value == levels[1] for value in own]
                coefficient[q, j], spread[q, j] = weight, float(levels[1] - levels[0])
    return Potential(env, scheme, high, coefficient, spread)
