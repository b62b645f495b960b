"""Settings whose coverage the tests share."""

import math
from fractions import Fraction as F
from typing import Any

import numpy as np
import sympy as sp

from bounds import Generalization
from bounds import symbols as s
from bounds.pac_bayes.coverage import Atoms, Learner
from tamdp_theory import TAMDP, Policy
from tests.helpers import oracle
from tests.helpers.coverage import TRIO

# -- one training set after another ---------------------------------------------------------------------------------


def coin_kl(p: float, q: float) -> float:
    return sum(a * math.log(a / b) if b > 0 else math.inf for a, b in ((p, q), (1 - p, 1 - q)) if a > 1e-14)


def inverse(p: float, c: float) -> float:
    low, high = p, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if coin_kl(p, middle) <= c else (low, middle)
    return high


def upper(method: str, empirical: float, n: int, kl: float, delta: float) -> float:
    complexity = (kl + math.log(2 * math.sqrt(n) / delta)) / n
    if method == "mcallester":
        return empirical + math.sqrt(complexity / 2)
    if method == "catoni":
        return (1 - math.exp(-empirical - (kl + math.log(1 / delta)) / n)) / (1 - math.exp(-1))
    return inverse(empirical, complexity)


def outcomes(env: TAMDP, policies: tuple[Policy, ...]) -> list[list[list[tuple[float, float]]]]:
    """[policy][prompt]: (probability, loss) of one rollout, by listing trajectories."""
    content = env.to_dict()
    total, result = sum(env.exact_weights), []
    for policy in policies:
        table: list[list[tuple[float, float]]] = [[] for _ in range(env.n_prompts)]
        for path in oracle.paths(content, policy.probabilities()):
            table[path.prompt].append((path.probability, float(1 - oracle.composite(content, path.rewards) / total)))
        result.append(table)
    return result


# -- bounds that must fail ------------------------------------------------------------------------------------------

HALF = Atoms(np.array([0.5, 0.5]), np.array([[0.0, 1.0]]), np.array([0.5]))


def learner(event: sp.Rel, bound: sp.Expr, count: int, n: int, delta: float, beta: float = 0.0) -> Learner:
    return Learner(np.full(count, 1 / count), beta, event, bound, {s.n: float(n), s.delta: delta, s.C_catoni: 1.0})


# -- drawn training sets --------------------------------------------------------------------------------------------


def setting(**changes: Any) -> Generalization:
    return Generalization(
        (F(1, 4), F(1, 2), F(1, 4)), TRIO, **{"n": 5, "delta": 0.9, "inverse_temperature": 5.0, **changes}
    )
