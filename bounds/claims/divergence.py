"""Divergence of two policies over trajectories and over nodes (L1)."""

import numpy as np
import sympy as sp

from bounds import cost
from bounds import symbols as s
from bounds.claim import Claim, unmet
from bounds.claims.assumptions import LISTABLE
from bounds.comparison import Measured
from bounds.enclosed import divergence as enclosed
from bounds.instance import Instance
from bounds.verdicts import Standing
from tamdp_theory import Policy, exact

MAX_LISTED = 100_000  # trajectories that a check lists


def _reference(instance: Instance) -> Policy:
    return instance.reference or instance.once(_drawn_near, instance.policy, instance.seed)


def _drawn_near(policy: Policy, seed: int) -> Policy:
    noise = np.random.default_rng(seed).standard_normal(policy.n_parameters)
    return policy.with_parameters(policy.parameters + noise)


def _by_listing(instance: Instance, reference: Policy) -> tuple[float, float]:
    """Trajectory divergence by listing trajectories, and a bound on the rounding of that sum."""
    return instance.once(_listed_divergence, instance.trajectories, instance.policy, reference)


def _listed_divergence(paths: exact.Trajectories, policy: Policy, reference: Policy) -> tuple[float, float]:
    env = policy.env
    log = np.stack([policy.pair_log_probability, reference.pair_log_probability], axis=1)
    ours, theirs = paths.log_policy(log).T
    weight = env.prompt_probability[paths.prompt] * paths.kernel * np.exp(ours)
    # each logarithm is a sum of at most H terms of one sign, each good to a few units of the last place
    lost = 4 * (env.horizon + 2) * np.finfo(np.float64).eps * float((weight * (np.abs(ours) + np.abs(theirs))).sum())
    return float((weight * (ours - theirs)).sum()), lost


def _few_trajectories(instance: Instance) -> bool:
    return exact.count_trajectories(instance.env) <= MAX_LISTED


def _chain_rule(instance: Instance) -> Measured:
    if failed := unmet(instance, {"listable": _few_trajectories(instance)}):
        return failed
    reference = _reference(instance)
    direct, lost = _by_listing(instance, reference)
    chain = exact.divergence(instance.env, instance.policy, reference).value
    return Measured(numbers={s.kl: direct, s.kl_chain: chain}, assumptions={"listable": True}, error=lost)


def chain_bound(instance: Instance) -> Measured:
    """Trajectory divergence by listing trajectories, the largest per-node one from the tables, and H: nothing that L1
    says is used.
    """
    env, policy = instance.env, instance.policy
    if failed := unmet(instance, {"listable": _few_trajectories(instance)}):
        return failed
    reference = _reference(instance)
    direct, lost = _by_listing(instance, reference)
    log_ratio = policy.pair_log_probability - reference.pair_log_probability
    per_node = env.node_sum((policy.pair_probability * log_ratio)[:, None])
    numbers = {s.kl: direct, s.kl_max: float(per_node.max()), s.H: env.horizon}
    # one node: both sides are its divergence
    return Measured(numbers=numbers, assumptions={"listable": True}, error=lost, attained=env.n_nodes == 1)


CLAIMS = (
    Claim(
        id="L1",
        title="Chain rule of the divergence",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.kl, s.kl_chain),
        measure=_chain_rule,
        reference="docs/theory.md",
        assumptions=(LISTABLE,),
        proof=(
            "The tool kernel cancels in the ratio of trajectory laws; sum the log ratio over decisions and "
            "condition on the node."
        ),
        enclose=enclosed.divergence_rows,
        cost=cost.passes,
        needs_reference=True,
    ),
    Claim(
        id="L1.bound",
        title="Divergence at most H times the largest per node",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.kl, s.H * s.kl_max),
        measure=chain_bound,
        reference="docs/theory.md",
        assumptions=(LISTABLE,),
        proof="A trajectory has at most H decisions, so the occupancies sum to at most H.",
        depends_on=("L1",),
        enclose=enclosed.divergence_rows,
        cost=cost.passes,
        needs_reference=True,
    ),
)
