"""The printed form of Theorem 2, which fails (T2.printed)."""

from fractions import Fraction

import numpy as np
import sympy as sp

from bounds import cost
from bounds import symbols as s
from bounds.claim import Claim, unmet
from bounds.claims.benefit import LISTABLE_GROUPS
from bounds.comparison import Measured
from bounds.enclosed import printed as enclosed
from bounds.instance import Instance
from bounds.structure import both
from bounds.suite import on_quick
from bounds.verdicts import Standing
from tamdp_theory import TAMDP, TabularSoftmax, exact, families
from tamdp_theory.exact import Groups, Scheme
from tamdp_theory.model import Floats


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
    paths = instance.trajectories
    with np.errstate(over="ignore"):  # what leaves the floats stays undecided
        ratio = np.exp(paths.log_policy((policy.pair_log_probability - old.pair_log_probability)[:, None]))[:, 0]
    joint: list[Floats] = []
    split: list[Floats] = []
    delta: list[Floats] = []
    factor: list[Floats] = []
    for q, table in enumerate(trajectory_groups(env, paths, scheme.group_size, instance.seed)):
        own = ratio[paths.prompt == q][table.members]
        for side, one in zip((joint, split), both(scheme), strict=True):
            with np.errstate(invalid="ignore"):
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
    return Measured(
        numbers=numbers, assumptions=conditions, scale=0.0, errors={s.S_joint: off, s.S_dec: off * env.total_weight}
    )


def trajectory_groups(env: TAMDP, paths: exact.Trajectories, size: int, seed: int) -> list[Groups]:
    """Groups of trajectories of each prompt, all or 2000 drawn with the seed; members are places among the prompt's
    trajectories.

    Args:
        env: the process.
        paths: its trajectories.
        size: G.
        seed: of the draw.
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


def _two_samples() -> Instance:
    """R_1 = (0, 1), R_2 = (1, 0), w = (3/4, 1/4), ratios (9/10, 11/10)."""
    env = families.bandit([(0, 1), (1, 0)], weights=("3/4", "1/4"), name="two-samples")
    policy = TabularSoftmax(env, np.log([[9 / 20, 11 / 20]]))
    return Instance(env, policy, Scheme(2, "sum_then_normalize"), reference=TabularSoftmax(env))


CLAIMS = (
    Claim(
        id="T2.printed",
        title="The surrogates differ by at most a function of Delta that vanishes with it",
        standing=Standing.PRINTED,
        kind="inequality",
        statement=sp.Le(sp.Abs(s.S_joint - s.S_dec), s.printed_factor * s.Delta),
        measure=measure_printed,
        reference="the paper's Eq. 40 to 46, as quoted in reviews",
        assumptions=(LISTABLE_GROUPS,),
        proof=(
            "False: Delta comes out 0 in every group (T2.identity), and the surrogates differ: two samples give "
            "1/10 and 1/20. The factor, (1/G) sum r_i here, does not matter."
        ),
        depends_on=("T2.identity",),
        example=_two_samples,
        enclose=enclosed.printed_rows,
        cost=cost.nothing,
        instances=on_quick,
        needs_reference=True,
    ),
)
