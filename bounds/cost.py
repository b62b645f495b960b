"""What a check may be expected to take, in seconds and before any work: rough, from operation counts and rates that
were measured.

A claim says which of these it costs; ``Claim.judge`` refuses what exceeds the instance's budget.
"""

from bounds.instance import Instance
from tamdp_theory import CapacityError
from tamdp_theory.exact import count_multisets
from tamdp_theory.exact.group import FEW_STATES
from tamdp_theory.exact.states import bound_states
from tamdp_theory.exact.trajectories import count_trajectories, prompt_trajectories
from tamdp_theory.exact.update_potential import find_potential

_LEVEL = 2.5e-4  # seconds for the passes through one decision, whatever its width
_PAIR = 5e-8  # for one pair, reward class and column
_STATE = 2e-8  # for one state of a group law and pair of classes
_INTEGRAL = 2e-3  # for one value of a reward that is integrated
_ROLLOUT = 5e-8  # for one decision of one rollout
_MEMBER = 2e-7  # for one member of a listed group and component
_SURD = 2e-4  # for one exact advantage
MEMORY = 2e9  # bytes of one table


def engine(i: Instance) -> float:
    """One pass for the class law and its gradient, and the group moments."""
    return passes(i) + moments(i)


def passes(i: Instance, columns: int = 1) -> float:
    """The law of the reward classes under ``columns`` policies."""
    return i.env.horizon * _LEVEL + i.env.n_pairs * i.env.n_slots * columns * _PAIR


def moments(i: Instance, columns: int = 1) -> float:
    """The group moments at ``columns`` laws; CapacityError where a table would not fit."""
    env, scheme, total = i.env, i.scheme, 0.0
    if scheme.estimator.multiple(scheme.group_size) is not None:
        return env.n_classes**2 / env.n_prompts * columns * _PAIR
    for classes in env.prompt_classes:
        found = scheme.estimator.columns([env.exact_class_rewards[c] for c in classes], env.exact_weights)
        if scheme.estimator.statistics == "counts":
            kinds = len(set(found[0][1]))
            total += kinds * count_multisets(kinds, scheme.group_size) * (1 + columns / 10) * _STATE
            continue
        table = [values for w, values in found if w and len(set(values)) > 1]
        for place, one in enumerate(table):
            for other in table[: place + 1]:
                values, states = bound_states([one, other] if one is not other else [one], scheme.group_size - 1)
                if one is other and scheme.estimator.standard and states > FEW_STATES:
                    total += values * (1 + columns) * _INTEGRAL
                    continue
                if 16 * values**2 * states > MEMORY:
                    raise CapacityError(
                        f"{env.name}: group statistics of {states:,} states and {values} values need "
                        f"{16 * values**2 * states / 1e9:.0f} GB, "
                        f"{MEMORY / 1e9:.0f} would fit; use a smaller group or rewards on a coarser grid"
                    )
                total += values**2 * states * (1 + columns / 10) * _STATE
    return total


def potential_training(i: Instance) -> float:
    """Sampled training, where there is a potential to train for."""
    return 0.0 if find_potential(i.env, i.scheme) is None else training(i)


def training(i: Instance) -> float:
    """Sampled training with exact records: every step draws groups and sums the law of every run."""
    env, runs = i.env, i.runs
    draw = min(
        env.horizon * 8 * _ROLLOUT,
        _ROLLOUT + count_trajectories(env) * _ROLLOUT / max(i.scheme.group_size * env.n_prompts, 1),
    )
    step = passes(i, runs) + moments(i, runs) + i.scheme.group_size * env.n_prompts * runs * draw
    return 2 * (i.steps + 1) * step  # what is recorded costs as much again


def exact_training(i: Instance) -> float:
    """Training by the expected update, where there is a potential."""
    return 0.0 if find_potential(i.env, i.scheme) is None else (i.steps + 1) * (passes(i) + moments(i))


def single_groups(i: Instance) -> float:
    """Listing the groups of reward classes of each prompt, up to the number that a check looks at, and some in exact
    arithmetic.
    """
    size, total = i.scheme.group_size, 0.0
    for classes in i.env.prompt_classes:
        listed = min(count_multisets(len(classes), size), 2000)
        total += (
            listed * size * (len(i.env.exact_weights) + 1) * _MEMBER
            + min(listed, 200) * min(len(classes), size) * i.env.n_components * _SURD
        )
    return total


def listed_updates(i: Instance) -> float:
    """Listing groups of trajectories, where they are few enough to be listed."""
    count = int(prompt_trajectories(i.env).max())
    groups = count_multisets(count, i.scheme.group_size) if count < 10**4 and i.scheme.group_size < 10**4 else 10**9
    return engine(i) + min(groups, 20_000) * i.scheme.group_size * i.policy.n_parameters * 1e-8


def hessian(i: Instance) -> float:
    """Both passes differentiated in every direction, and an eigenvalue."""
    return i.env.horizon * _LEVEL + i.env.n_pairs**2 * i.env.horizon * 1e-8 + i.env.n_pairs**3 * 1e-9


def paths(i: Instance) -> float:
    """Every path of training: they are counted, and refused where they are many, before any work."""
    return 0.0


def nothing(i: Instance) -> float:
    """Bounded by capacities of its own."""
    return 0.0
