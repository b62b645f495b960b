"""Theorem 2's quantities by brute force: ordered groups of trajectories (tests/helpers/oracle.py), single groups in
fractions.
"""

import itertools
import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from tamdp_theory import TAMDP, Policy
from tamdp_theory.exact import Scheme
from tests.helpers import oracle
from tests.helpers.steps import score_table


class Prompt:
    """One prompt by brute force: its law of reward vectors, and sums over ordered groups."""

    def __init__(self, env: TAMDP, policy: Policy, q: int, think_weight: float = 1.0) -> None:
        self.content = env.to_dict()
        everything = oracle.paths(self.content, policy.probabilities())
        self.paths = [p for p in everything if p.prompt == q]
        self.classes = sorted({p.rewards for p in self.paths})
        self.law = [sum(p.probability for p in self.paths if p.rewards == rewards) for rewards in self.classes]
        self.composite = [oracle.composite(self.content, rewards) for rewards in self.classes]
        scores, weight = score_table(env, policy), oracle.think_weights(self.content, think_weight)
        self.vectors = [oracle.score(p, scores, weight) for p in self.paths]

    def advantages(self, rewards: Any, name: str, scheme: Scheme) -> list[float]:
        return oracle.advantages(self.content, list(rewards), name, scheme.eps, scheme.ddof)

    def update(self, contrast: Callable[[Any], list[float]], size: int) -> np.ndarray:
        """E of the estimator whose advantages are ``contrast`` of the group's rewards."""
        mean = np.zeros_like(self.vectors[0])
        for group in itertools.product(range(len(self.paths)), repeat=size):
            chance = math.prod(self.paths[i].probability for i in group)
            a = contrast([self.paths[i].rewards for i in group])
            mean += chance * sum(x * self.vectors[i] for x, i in zip(a, group, strict=True)) / size
        return mean

    def given_first(self, of: Callable[[list[Any]], float], size: int) -> np.ndarray:
        """E[of(group) | class of member 1] (M,)."""
        found = np.zeros(len(self.classes))
        for group in itertools.product(range(len(self.classes)), repeat=size):
            found[group[0]] += math.prod(self.law[m] for m in group[1:]) * of([self.classes[m] for m in group])
        return found

    def effective(self, scheme: Scheme) -> np.ndarray:
        return self.given_first(
            lambda rewards: self.advantages(rewards, scheme.normalization, scheme)[0], scheme.group_size
        )

    def alone(self, k: int, scheme: Scheme) -> np.ndarray:
        """Effective reward of one component, standardized alone."""
        return self.given_first(
            lambda rewards: oracle.standardize([row[k] for row in rewards], scheme.eps, scheme.ddof)[0],
            scheme.group_size,
        )


class Group:
    """One group of reward vectors in fractions, and its square roots with 60 digits."""

    def __init__(self, weights: tuple[Fraction, ...], rewards: list[tuple[Fraction, ...]], ddof: int) -> None:
        size, self.weights = len(rewards), weights
        columns = [[row[k] for row in rewards] for k in range(len(weights))]
        columns.append([sum((w * r for w, r in zip(weights, row, strict=True)), Fraction(0)) for row in rewards])
        centred = [[v - sum(column) / size for v in column] for column in columns]
        self.covariance = [
            [sum(x * y for x, y in zip(a, b, strict=True)) / (size - ddof) for b in centred] for a in centred
        ]
        self.sigma = [self.decimal(self.covariance[k][k]).sqrt() for k in range(len(columns))]
        parts = [
            [self.decimal(v) / spread if spread else Decimal(0) for v in column]
            for column, spread in zip(centred, self.sigma, strict=True)
        ]
        *self.parts, self.joint = parts
        self.split = [
            sum(self.decimal(w) * part[i] for w, part in zip(weights, self.parts, strict=True)) for i in range(size)
        ]
        *_, total = self.sigma
        self.z = [
            self.decimal(w) * ((own / total if total else 0) - 1)
            for w, own in zip(weights, self.sigma[:-1], strict=True)
        ]

    @staticmethod
    def decimal(value: Fraction) -> Decimal:
        return Decimal(value.numerator) / Decimal(value.denominator)

    def correlation(self, k: int, m: int) -> Decimal:
        scale = self.sigma[k] * self.sigma[m]
        return self.decimal(self.covariance[k][m]) / scale if scale else Decimal(0)

    @property
    def agrees(self) -> bool:
        return all(abs(a - b) < Decimal("1e-45") for a, b in zip(self.joint, self.split, strict=True))

    @property
    def in_kernel(self) -> bool:
        count = range(len(self.weights))
        return all(abs(sum(self.correlation(k, m) * self.z[m] for m in count)) < Decimal("1e-45") for k in count)

    @property
    def together(self) -> bool:
        c, count = self.covariance, [k for k, w in enumerate(self.weights) if w]
        return all(c[k][k] and c[k][m] > 0 and c[k][m] ** 2 == c[k][k] * c[m][m] for k in count for m in count)

    @property
    def uncorrelated(self) -> bool:
        c, count = self.covariance, range(len(self.weights))
        return all(c[k][k] == c[0][0] != 0 for k in count) and not any(c[k][m] for k in count for m in range(k))
