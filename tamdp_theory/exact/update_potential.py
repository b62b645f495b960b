"""The potential F with m = grad F, where there is one (L7), and its constants for Theorem 1."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tamdp_theory.estimators.scheme import Scheme
from tamdp_theory.exact.geometry import smoothness
from tamdp_theory.exact.law import PromptLaw, reward_law
from tamdp_theory.exact.passes import best
from tamdp_theory.exact.potential import potential
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
        """L of theory.md section 5 (tabular; eps = 0 and ddof = 0 unless ``center``)."""
        if self.scheme.normalization == "center":
            return self.scheme.kappa * smoothness(self.env)
        active = self.coefficient.sum(axis=1)
        return float((self.env.prompt_probability * active).max() * np.sqrt(self.scheme.group_size - 1) / 2)

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
