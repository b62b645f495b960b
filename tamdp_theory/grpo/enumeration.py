"""GRPO's update by brute force: every multiset of trajectories, its advantages, its gradient. The engine's independent
check.
"""

from fractions import Fraction
from itertools import combinations_with_replacement
from math import comb, lcm

import numpy as np
from scipy.special import gammaln

from tamdp_theory.errors import CapacityError
from tamdp_theory.estimators.keep import kept_of
from tamdp_theory.estimators.scheme import Scheme
from tamdp_theory.exact.listing import Groups
from tamdp_theory.exact.trajectories import enumerate_trajectories, prompt_trajectories
from tamdp_theory.exact.update import UpdateMoments
from tamdp_theory.exact.values import score_weight
from tamdp_theory.lengths import class_lengths
from tamdp_theory.model import TAMDP, check_same_process
from tamdp_theory.policies.base import Policy

MAX_GROUPS = 200_000


def count_groups(env: TAMDP, group_size: int) -> int:
    """How many multisets of trajectories ``enumerate_update`` visits for the largest prompt."""
    return comb(int(min(prompt_trajectories(env).max(), 2.0**31)) + group_size - 1, group_size)


def enumerate_update(env: TAMDP, policy: Policy, scheme: Scheme, think_weight: float = 1.0) -> UpdateMoments:
    """m, E||g||^2 and V as ``exact.update_moments`` has them, by listing groups. CapacityError where they
    are too many.

    Args:
        env, policy: the process and the policy that draws the groups.
        scheme: of the update.
        think_weight: of think actions in the score, in [0, 1].
    """
    check_same_process(env, policy.env)
    if (count := count_groups(env, scheme.group_size)) > MAX_GROUPS:
        raise CapacityError(
            f"{env.name}: {count:,} groups exceed the limit of {MAX_GROUPS:,}; use a smaller instance or group"
        )
    env = env.by_length if scheme.lengths else env
    paths = enumerate_trajectories(env)
    law = paths.probability(policy.pair_log_probability[:, None])[:, 0]
    weight = score_weight(env, think_weight)
    scores = policy.scores() if weight is None else policy.scores() * weight[:, None]
    mean, variance = np.zeros(policy.n_parameters), np.zeros(env.n_prompts)
    for prompt in range(env.n_prompts):
        own = np.flatnonzero(paths.prompt == prompt)
        groups_of = np.array(list(combinations_with_replacement(range(len(own)), scheme.group_size)))
        members = own[groups_of]
        repeats = (groups_of[:, :, None] == np.arange(len(own))).sum(axis=1)
        ways = np.exp(gammaln(scheme.group_size + 1) - gammaln(repeats + 1).sum(axis=1))
        probability = np.rint(ways) * law[members].prod(axis=1)
        # groups that differ in their trajectories only share advantages
        outcomes, place = np.unique(env.class_slot[paths.reward_class[members]], axis=0, return_inverse=True)
        rewards = tuple(env.exact_class_rewards[c] for c in env.prompt_classes[prompt])
        lengths = class_lengths(env)
        own_lengths = None if lengths is None else tuple(lengths[c] for c in env.prompt_classes[prompt])
        groups = Groups(outcomes, rewards, env.exact_weights, own_lengths, max(lengths or (1,)))
        gain = groups.advantages(scheme)[place.ravel()]
        if scheme.keep != "all":
            own_composites = [env.exact_class_composite[c] for c in env.prompt_classes[prompt]]
            unit = Fraction(1, lcm(*(c.denominator for c in own_composites)))
            values = np.array([int(c / unit) for c in own_composites], dtype=object)
            counts = (outcomes[:, :, None] == np.arange(len(values))).sum(axis=1)
            kept = kept_of(scheme.kept, values, unit, counts)[place.ravel()]
            share = float(probability @ kept)
            probability = probability * kept / share if share else 0 * probability
        estimate = np.einsum("gi,gid->gd", gain, (paths.visits[own] @ scores)[groups_of]) / scheme.group_size
        first = probability @ estimate
        mean += env.prompt_probability[prompt] * first
        variance[prompt] = probability @ ((estimate - first) ** 2).sum(axis=1)
    total = float(env.prompt_probability**2 @ variance)
    return UpdateMoments(mean, float(mean @ mean) + total, total, variance)
