"""What Theorem 2 compares: joint and decomposed advantages in single groups, and their effective rewards on single
prompts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import hypot

import numpy as np

from bounds.claim import Grouped
from bounds.observation import Observation
from tamdp_theory import TAMDP, CapacityError, Policy, TabularSoftmax, exact
from tamdp_theory.exact import GroupPlan, Groups, Normalization, Scheme, balls
from tamdp_theory.exact.law import ClassLaw
from tamdp_theory.exact.passes import backward
from tamdp_theory.model import Floats

MAX_GROUPS = 2000  # of one prompt that a check of single groups looks at


def groups(instance: Grouped, limit: int = MAX_GROUPS) -> Iterator[Groups]:
    """The groups of each prompt: all of them, or ``limit`` drawn with the instance's seed where there are more; the
    first observed ones.
    """
    if isinstance(instance, Observation):
        yield instance.table(limit)
        return
    env, size = instance.env, instance.scheme.group_size
    generator = np.random.default_rng(instance.seed)
    for classes in env.prompt_classes:
        rewards = tuple(env.exact_class_rewards[c] for c in classes)
        if exact.count_multisets(len(classes), size) <= limit:
            members = exact.list_multisets(len(classes), size)[0]
        else:
            members = np.sort(generator.integers(len(classes), size=(limit, size)), axis=1)
        yield Groups(members, rewards, env.exact_weights)


def are_listed(instance: Grouped, limit: int = MAX_GROUPS) -> bool:
    """Whether ``groups`` gives every group, not a sample of them."""
    if isinstance(instance, Observation):
        return len(instance.groups.prompt) <= limit
    return all(
        exact.count_multisets(len(classes), instance.scheme.group_size) <= limit
        for classes in instance.env.prompt_classes
    )


def is_zero(terms: list[tuple[Fraction, int]]) -> bool:
    """Whether sum a sqrt(n) = 0 (a rational, n > 0 integer), exactly."""
    found = balls.vanishes(sum((balls.number(a) * balls.root(balls.number(n)) for a, n in terms), balls.ZERO))
    if found is None:
        raise CapacityError(
            "a sum of roots of numbers with too many digits: no finite precision decides whether it vanishes; round "
            "the rewards"
        )
    return found


def agree(table: Groups, row: int) -> bool:
    """Whether A^joint = A^decomposed for every member of a group, exactly (eps = 0)."""
    columns = [(-Fraction(1), table.composite), *zip(table.weights, table.components, strict=True)]
    active = [(w, column, int(column.squares[row])) for w, column in columns if column.squares[row]]
    # deviation / sqrt(squares): the factor that all standardized values share is left out
    members = np.unique(table.members[row], return_index=True)[1].tolist()  # equal members have equal advantages
    return all(is_zero([(w * int(column.deviation[row, i]) / n, n) for w, column, n in active]) for i in members)


def in_kernel(table: Groups, row: int) -> bool:
    """Whether C z = 0 in a group, exactly (eps = 0); silent components are left out."""
    joint, total = int(table.composite.squares[row]), table.composite.denominator
    active = [k for k, column in enumerate(table.components) if column.squares[row]]
    for k in active:
        # (C z)_k sigma_k = sum_l cov_kl w_l (1/sigma_c - 1/sigma_l), without the first term where the composite is
        # silent
        terms = []
        for m in active:
            column, product = table.components[m], int(table.covariance(k, m)[row]) * table.weights[m]
            if joint:
                terms.append((product * total / (column.denominator * joint), joint))
            terms.append((-product / int(column.squares[row]), int(column.squares[row])))
        if not is_zero(terms):
            return False
    return True


def scheme_of(scheme: Scheme, normalization: Normalization) -> Scheme:
    """The same group size, eps and ddof under another normalization."""
    return Scheme(scheme.group_size, normalization, scheme.eps, scheme.ddof)


def both(scheme: Scheme) -> tuple[Scheme, Scheme]:
    """The joint and the decomposed scheme of one group size, eps and ddof."""
    return scheme_of(scheme, "sum_then_normalize"), scheme_of(scheme, "normalize_then_sum")


@dataclass(frozen=True, eq=False)
class Shortfall:
    """One prompt of T2.suboptimality: composite and effective reward of its classes (M,), component rewards (M, K),
    their own effective rewards (M, K), class laws under theta and under an optimal policy (M,), its constant C,
    ||m_q||, and how large the update is before components cancel."""

    composite: Floats
    effective: Floats
    rewards: Floats
    effective_of: Floats
    law: Floats
    law_star: Floats
    optimum: float
    value: float
    constant: float
    update_norm: float
    update_size: float

    @cached_property
    def total_variation(self) -> float:
        """TV between the two class laws, in [0, 1]."""
        return float(np.abs(self.law_star - self.law).sum() / 2)


def shortfalls(env: TAMDP, policy: Policy, scheme: Scheme) -> list[Shortfall]:
    """The numbers of T2.suboptimality on each prompt; the comparator is optimal for c with the smallest C."""
    pi = policy.pair_probability[:, None]
    # the constant needs the probabilities alone
    domination = exact.gradient_domination(env, policy if policy.is_tabular else TabularSoftmax.like(policy))
    chosen = np.zeros((env.n_pairs, 1))
    chosen[domination.comparator] = 1.0
    slots = np.zeros((env.n_classes, env.n_slots, 1))
    slots[np.arange(env.n_classes), env.class_slot] = 1.0
    best = backward(env, chosen, slots)[0][env.prompt_start[env.class_prompt], env.class_slot, 0]
    law = ClassLaw.of(env, pi)
    found = []
    for q, classes in enumerate(env.prompt_classes):
        p = law.probability[classes, 0]
        rows = tuple(env.exact_class_rewards[c] for c in classes)
        effective = GroupPlan(rows, env.exact_weights, scheme).moments(p).first
        gradient = law.gradients(policy, q)
        norm = hypot(*(effective @ gradient).tolist())  # squares of tiny entries would vanish
        alone = component_rewards(rows, p, scheme)
        size = (
            float(env.weights @ np.linalg.norm(alone.T @ gradient, axis=1))
            if scheme.normalization == "normalize_then_sum"
            else norm
        )
        found.append(
            Shortfall(
                env.class_composite[classes],
                effective,
                env.class_rewards[classes],
                alone,
                p,
                best[classes],
                float(domination.prompt_optimum[q]),
                float(domination.prompt_value[q]),
                float(domination.prompt_constant[q]),
                norm,
                size,
            )
        )
    return found


def component_rewards(rows: tuple[tuple[Fraction, ...], ...], probability: Floats, scheme: Scheme) -> Floats:
    """Effective reward of each component standardized alone (M, K), before weights."""
    alone = Scheme(scheme.group_size, "sum_then_normalize", scheme.eps, scheme.ddof)
    columns = [
        GroupPlan(tuple((row[k],) for row in rows), (Fraction(1),), alone).moments(probability).first
        for k in range(len(rows[0]))
    ]
    return np.stack(columns, axis=1)


def best_scale(rewards: Floats, effective: Floats, weights: Floats, total_variation: float, slope: float) -> float:
    """mu >= 0 that minimizes TV sum_k w_k osc(R_k - mu h_k) + mu slope: convex and piecewise linear, so one of its
    kinks or 0.

    rewards, effective (M, K). A kink needs two classes at the top, or two at the bottom, of one component.
    """
    difference = effective[:, None] - effective[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        kinks = ((rewards[:, None] - rewards[None, :]) / difference).ravel()
    if not np.isfinite(slope):
        return 0.0
    found = np.unique(np.append(kinks[np.isfinite(kinks) & (kinks > 0)], 0.0))
    # kinks that differ by rounding would make the search below compare rounding errors
    found = found[np.append(True, np.diff(found) > 1e-9 * found[1:])]

    def value(i: int) -> float:
        return float(total_variation * np.ptp(rewards - found[i] * effective, axis=0) @ weights + found[i] * slope)

    low, high = 0, len(found) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if value(middle) <= value(middle + 1) else (middle + 1, high)
    return float(found[low])
