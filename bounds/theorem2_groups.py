"""How Theorem 2's statements about single groups are measured."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from bounds import symbols as s
from bounds.claim import Grouped, unmet
from bounds.comparison import Bools, Measured
from bounds.decomposition import agree, are_listed, both, groups, in_kernel, scheme_of
from bounds.instance import Instance
from bounds.structure import weighted_columns
from bounds.verdicts import Evidence
from tamdp_theory import TAMDP, CapacityError, exact
from tamdp_theory.exact import Groups, balls
from tamdp_theory.exact.ball_numbers import nearest
from tamdp_theory.model import Floats


def _weights(instance: Grouped) -> Floats:
    """w (K,)."""
    return np.array([float(w) for w in instance.exact_weights])


def _vary(instance: Grouped, tables: Sequence[Groups]) -> dict[str, bool]:
    """Of rollouts, that a reward varies in some group: of silent ones every identity says 0 = 0."""
    if isinstance(instance, Instance):
        return {}
    return {"rewards vary": any(bool((column.squares != 0).any()) for table in tables for column in table.components)}


def measure_identity(instance: Grouped) -> Measured:
    """A^joint and the components' advantages of every member of every active group."""
    scheme = instance.scheme
    joint, parts, spreads, totals = [], [], [], []
    for table in groups(instance):
        active = table.composite.squares != 0
        size = table.size
        joint.append(table.composite.advantages(scheme.eps, scheme.ddof)[active].ravel())
        parts.append(
            np.stack([column.advantages(scheme.eps, scheme.ddof)[active].ravel() for column in table.components])
        )
        spreads.append(np.stack([np.repeat(column.spread(scheme.ddof)[active], size) for column in table.components]))
        totals.append(np.repeat(table.composite.spread(scheme.ddof)[active], size))
    conditions = {"active group": any(len(part) for part in joint)}
    if not conditions["active group"]:
        return Measured({}, conditions)
    numbers = {
        s.A_joint: np.concatenate(joint),
        s.A_part: np.concatenate(parts, axis=1),
        s.sigma: np.concatenate(spreads, axis=1),
        s.sigma_c: np.concatenate(totals),
        s.w: _weights(instance),
        s.K: len(instance.exact_weights),
    }
    return Measured(numbers, conditions)


def measure_spread(instance: Grouped) -> Measured:
    """sigma_c and what it is made of."""
    ddof, tables = instance.scheme.ddof, list(groups(instance))
    weights = _weights(instance)
    conditions = _vary(instance, tables)
    numbers = {
        s.sigma_c: np.concatenate([table.composite.spread(ddof) for table in tables]),
        s.sigma: np.concatenate(
            [np.stack([column.spread(ddof) for column in table.components]) for table in tables], axis=1
        ),
        s.corr: np.moveaxis(np.concatenate([table.correlation for table in tables]), 0, -1),
        s.w: weights,
        s.K: len(weights),
    }
    return Measured(numbers, conditions, scale=weights.sum() ** 2)


def measure_advantage_gap(instance: Grouped) -> Measured:
    """Both kinds of advantages, z and C of every group."""
    scheme, tables = instance.scheme, list(groups(instance))
    conditions = _vary(instance, tables)
    joint, split = (np.concatenate([table.advantages(one) for table in tables]) for one in both(scheme))
    numbers = {
        s.A_joint_of: joint.T,
        s.A_sum_of: split.T,
        s.z: np.concatenate([table.gap() for table in tables]).T,
        s.corr: np.moveaxis(np.concatenate([table.correlation for table in tables]), 0, -1),
        s.K: len(instance.exact_weights),
        s.G: scheme.group_size,
        s.kappa_ddof: scheme.kappa if scheme.ddof else 1.0,
    }
    return Measured(numbers, conditions, scale=max(_weights(instance).sum(), 1.0) ** 2)


def measure_lossless(instance: Grouped) -> Measured:
    """Agreement against the kernel of C, in groups in which something varies."""
    rows = []
    for table in groups(instance, _SINGLE):
        varies = np.any([column.squares != 0 for column in table.components], axis=0)
        rows += [(agree(table, row), in_kernel(table, row)) for row in np.flatnonzero(varies).tolist()]
    if not rows:
        return Measured({}, _vary(instance, []), empty="no reward varies in any group")
    zero, kernel = np.array(rows, dtype=float).T
    return Measured({s.gap_zero: zero, s.kernel_zero: kernel}, evidence=_of_groups(instance))


def measure_lossless_exactly(instance: Grouped) -> Measured:
    """Agreement against moving together, in groups whose composite varies."""
    rows = []
    for table in groups(instance, _SINGLE):
        chosen = _comonotone_groups(table)
        rows += [(agree(table, row), chosen[row]) for row in np.flatnonzero(table.composite.squares != 0).tolist()]
    conditions = {"active group": bool(rows)}
    if not rows:
        return Measured({}, conditions)
    zero, moving = np.array(rows, dtype=float).T
    return Measured({s.gap_zero: zero, s.together: moving}, conditions, evidence=_of_groups(instance))


_SINGLE = 200  # groups of a prompt that are looked at in exact arithmetic


def _of_groups(instance: Grouped) -> Evidence:
    """Exact decisions on every group are certified; on a sample of them they are not."""
    return Evidence.CERTIFIED if are_listed(instance, _SINGLE) else Evidence.EXACT


def _chosen_groups(instance: Grouped, name: str) -> tuple[dict[str, bool], Floats, Floats]:
    """Advantages (n,) of the members of the groups that a special case speaks of, or of all if it is dropped."""
    scheme = instance.scheme
    joint: list[Floats] = []
    split: list[Floats] = []
    seen = False
    for table in list(groups(instance)):
        chosen = _SPECIAL[name](table)
        seen = seen or bool(chosen.any())
        if name in instance.without:
            chosen = np.ones(len(chosen), dtype=bool)
        joint.append(table.advantages(both(scheme)[0])[chosen].ravel())
        split.append(table.advantages(both(scheme)[1])[chosen].ravel())
    equal = name != "uncorrelated groups" or len(set(instance.exact_weights)) == 1
    return {name: seen and equal}, np.concatenate(joint), np.concatenate(split)


def _comonotone_groups(table: Groups) -> Bools:
    chosen: Bools = np.ones(len(table.members), dtype=bool)
    weighted = [k for k, w in enumerate(table.weights) if w]
    for k in weighted:
        one = table.components[k]
        for m in weighted:
            other = table.components[m]
            chosen &= (
                (one.squares != 0)
                & (table.covariance(k, m) > 0)
                & (table.covariance(k, m) ** 2 == one.squares * other.squares)
            )
    return chosen


def _uncorrelated_groups(table: Groups) -> Bools:
    first = table.components[0]
    chosen: Bools = first.squares != 0
    for k, one in enumerate(table.components):
        chosen = chosen & (one.squares * first.denominator**2 == first.squares * one.denominator**2)
        for m in range(k):
            chosen = chosen & (table.covariance(k, m) == 0)
    return chosen


_SPECIAL = {"comonotone groups": _comonotone_groups, "uncorrelated groups": _uncorrelated_groups}


def measure_same_in_comonotone(instance: Grouped) -> Measured:
    """Advantages in the groups that move together."""
    conditions, joint, split = _chosen_groups(instance, "comonotone groups")
    if failed := unmet(instance, conditions):
        return failed
    return Measured({s.A_joint: joint, s.A_sum: split}, conditions)


def measure_scaled_if_uncorrelated(instance: Grouped) -> Measured:
    """Advantages in the groups with uncorrelated components of one spread."""
    conditions, joint, split = _chosen_groups(instance, "uncorrelated groups")
    if failed := unmet(instance, conditions):
        return failed
    return Measured(
        {s.A_joint: joint, s.A_sum: split, s.K: len(instance.exact_weights), s.W: float(sum(instance.exact_weights))},
        conditions,
    )


def measure_cancel(instance: Instance) -> Measured:
    """The largest decomposed advantage in any group, certified."""
    one = scheme_of(instance.scheme, "normalize_then_sum")
    largest = balls.ZERO
    for table in groups(instance, MAX_CANCELLING):
        if len(table.members) == MAX_CANCELLING and not are_listed(instance, MAX_CANCELLING):
            raise CapacityError(
                f"{instance.env.name}: more than {MAX_CANCELLING:,} groups on a prompt, each to be looked at; use a "
                f"smaller group or process"
            )
        # floats propose where an advantage is left; only if none is, every group must be looked at
        order = np.argsort(-np.abs(table.advantages(one)).max(axis=1), kind="stable").tolist()
        found = balls.group_advantages(table, one, order[0])
        if balls.is_zero(found):
            found = balls.largest([balls.group_advantages(table, one, row) for row in order])
        largest = balls.largest([largest, found])
    value, error = nearest(largest)
    if not any(len(set(values)) > 1 for values in weighted_columns(instance.env)):
        return Measured({}, empty="no component varies")
    return Measured({s.A_largest: value}, error=error, evidence=Evidence.CERTIFIED)


MAX_CANCELLING = 100_000  # groups of a prompt


def measure_printed(instance: Instance) -> Measured:
    """Surrogates of groups of trajectories, ratios r from ``instance.reference`` (None: parameters zero) to the policy.

    Printed is a function of Delta that vanishes with it; at Delta = 0 any finite factor gives one verdict. Taken is
    (1/G) sum_i r_i, with which (1/G) sum_i r_i Delta_i would stay below factor times Delta.
    """
    env, policy, scheme = instance.env, instance.policy, instance.scheme
    old = (
        instance.reference if instance.reference is not None else policy.with_parameters(np.zeros(policy.n_parameters))
    )
    conditions = {"listable": exact.count_trajectories(env) <= 10_000}
    if failed := unmet(instance, conditions):
        return failed
    paths = exact.enumerate_trajectories(env)
    ratio = np.exp(paths.log_policy((policy.pair_log_probability - old.pair_log_probability)[:, None]))[:, 0]
    joint: list[Floats] = []
    split: list[Floats] = []
    delta: list[Floats] = []
    factor: list[Floats] = []
    for q, table in enumerate(trajectory_groups(env, paths, scheme.group_size, instance.seed)):
        own = ratio[paths.prompt == q][table.members]
        for side, one in zip((joint, split), both(scheme), strict=True):
            side.append((own * table.advantages(one)).mean(axis=1))
        delta.append(printed_delta(table, scheme.ddof))
        factor.append(own.mean(axis=1))
    numbers = {
        s.S_joint: np.concatenate(joint),
        s.S_dec: np.concatenate(split),
        s.Delta: np.concatenate(delta),
        s.printed_factor: np.concatenate(factor),
    }
    # a surrogate is off by the rounding of its terms, which may cancel: ratios times advantages, at most sqrt(G) or W
    # sqrt(G)
    off = 1e-13 * np.concatenate(factor) * np.sqrt(scheme.group_size)
    return Measured(numbers, conditions, scale=0.0, errors={s.S_joint: off, s.S_dec: off * env.total_weight})


def trajectory_groups(env: TAMDP, paths: exact.Trajectories, size: int, seed: int) -> list[Groups]:
    """Groups of trajectories of each prompt, all or 2000 drawn with the seed; members are places among the prompt's
    trajectories.
    """
    generator, found = np.random.default_rng(seed), []
    for q in range(env.n_prompts):
        classes = paths.reward_class[paths.prompt == q]
        if exact.count_multisets(len(classes), size) <= 2000:
            members = exact.list_multisets(len(classes), size)[0]
        else:
            members = generator.integers(len(classes), size=(2000, size))
        found.append(Groups(members, tuple(env.exact_class_rewards[c] for c in classes), env.exact_weights))
    return found


def printed_delta(table: Groups, ddof: int) -> Floats:
    """The paper's Delta of every group (S,): the largest |(c_i - mean c) - sum_k w_k (R_ki - mean R_k)| / sigma_c, its
    numerator in rationals.
    """
    total = table.composite.deviation.astype(object) * Fraction(1, table.composite.denominator)
    for w, column in zip(table.weights, table.components, strict=True):
        total = total - column.deviation.astype(object) * (w / column.denominator)
    largest = np.array([float(max(map(abs, row))) for row in total])
    with np.errstate(divide="ignore"):  # where a wrong composite is silent nothing bounds what is left
        result: Floats = np.divide(largest, table.composite.spread(ddof), out=np.zeros(len(largest)), where=largest > 0)
    return result
