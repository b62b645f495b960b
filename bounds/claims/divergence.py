"""Divergence of two policies over trajectories and over nodes, and what its estimates estimate (L1)."""

import numpy as np
import sympy as sp

from bounds import cost
from bounds import symbols as s
from bounds.claim import Claim, unmet
from bounds.claims.assumptions import LISTABLE, TABULAR
from bounds.claims.slope import central_slope, direction_of
from bounds.comparison import Measured
from bounds.enclosed import divergence as enclosed
from bounds.instance import Instance
from bounds.suite import on_quick
from bounds.verdicts import Standing
from tamdp_theory import Policy, exact
from tamdp_theory.exact.surrogate import path_gradient

MAX_LISTED = 100_000  # trajectories that a check lists


def reference_of(instance: Instance) -> Policy:
    """The instance's reference policy; one drawn near the current one where there is none."""
    return instance.reference or instance.once(drawn_near, instance.policy, instance.seed)


def drawn_near(policy: Policy, seed: int) -> Policy:
    """The policy with its parameters moved by standard normal noise of a seed."""
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


def few_trajectories(instance: Instance) -> bool:
    """Whether trajectories are few enough to be listed."""
    return exact.count_trajectories(instance.env) <= MAX_LISTED


def _chain_rule(instance: Instance) -> Measured:
    if failed := unmet(instance, {"listable": few_trajectories(instance)}):
        return failed
    reference = reference_of(instance)
    direct, lost = _by_listing(instance, reference)
    chain = exact.divergence(instance.env, instance.policy, reference).value
    return Measured(numbers={s.kl: direct, s.kl_chain: chain}, assumptions={"listable": True}, error=lost)


def chain_bound(instance: Instance) -> Measured:
    """Trajectory divergence by listing trajectories, the largest per-node one from the tables, and H: nothing that L1
    says is used.
    """
    env, policy = instance.env, instance.policy
    if failed := unmet(instance, {"listable": few_trajectories(instance)}):
        return failed
    reference = reference_of(instance)
    direct, lost = _by_listing(instance, reference)
    log_ratio = policy.pair_log_probability - reference.pair_log_probability
    per_node = env.node_sum((policy.pair_probability * log_ratio)[:, None])
    numbers = {s.kl: direct, s.kl_max: float(per_node.max()), s.H: env.horizon}
    # one node: both sides are its divergence
    return Measured(numbers=numbers, assumptions={"listable": True}, error=lost, attained=env.n_nodes == 1)


def _estimates(instance: Instance) -> Measured:
    """Expected derivatives of the estimates k1, k2 and k3 at drawn trajectories, and of both divergences."""
    if failed := unmet(instance, {"listable": few_trajectories(instance)}):
        return failed
    if (instance.env.pair_count == 1).all():
        return Measured(numbers={}, assumptions={"listable": True}, empty="no node has a choice")
    env, policy, paths = instance.env, instance.policy, instance.trajectories
    reference, direction = reference_of(instance), direction_of(instance)
    log = np.stack([policy.pair_log_probability, reference.pair_log_probability], axis=1)
    ours, theirs = paths.log_policy(log).T
    given = env.prompt_probability[paths.prompt] * paths.kernel
    weight = given * np.exp(ours)
    # products, not ratios, which may overflow: r times the law of the policy is that of the reference
    estimates = np.stack([weight, weight * (ours - theirs), weight - given * np.exp(theirs)], axis=1)
    slopes = direction @ path_gradient(paths, estimates, policy)

    def reverse(step: float) -> float:
        """KL(ref || pi) from the tables, as L1 has it, a step along the direction."""
        moved = policy.with_parameters(policy.parameters + step * direction)
        return exact.divergence(env, reference, moved).value

    coarse, fine = (central_slope(reverse, step) for step in (0.04, 0.02))
    size = float(np.abs(estimates).sum(axis=0).max()) * env.horizon
    forward = float(exact.divergence(env, policy, reference).gradient @ direction)
    return Measured(
        numbers={
            s.slope_k1: slopes[0],
            s.slope_k2: slopes[1],
            s.slope_k3: slopes[2],
            s.slope_kl: forward,
            s.slope_reverse: fine,
        },
        assumptions={"listable": True},
        errors={s.slope_reverse: abs(fine - coarse) / 16 + 1e-12 * size, s.slope_k1: 1e-14 * size},
        scale=size,
    )


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
    Claim(
        id="L1.k1",
        title="The gradient of the k1 estimate estimates nothing",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.slope_k1, 0),
        measure=_estimates,
        reference="docs/theory.md; the estimates: Schulman 2020",
        assumptions=(LISTABLE, TABULAR),
        proof="k1 = log pi - log pi_ref at a drawn trajectory; its gradient is the score, whose mean is zero.",
        depends_on=("L1",),
        enclose=enclosed.score_mean_rows,
        zero_tells=True,
        cost=cost.passes,
        instances=on_quick,  # zero is decided on rationals, and so on small processes
        needs_reference=True,
    ),
    Claim(
        id="L1.k2",
        title="The gradient of the k2 estimate estimates that of the divergence",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.slope_k2, s.slope_kl),
        measure=_estimates,
        reference="docs/theory.md; the estimates: Schulman 2020",
        assumptions=(LISTABLE,),
        proof="k2 = k1^2/2 has the gradient k1 s, and grad KL(pi || ref) = E[k1 s].",
        depends_on=("L1",),
        cost=cost.passes,
        needs_reference=True,
    ),
    Claim(
        id="L1.k3",
        title="The gradient of the k3 estimate estimates that of the reverse divergence",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.slope_k3, s.slope_reverse),
        measure=_estimates,
        reference="docs/theory.md; the estimates: Schulman 2020",
        assumptions=(LISTABLE,),
        proof="k3 = r - 1 - log r, r = pi_ref/pi, has the gradient (1 - r) s, of mean -E_ref[s] = grad KL(ref || pi).",
        depends_on=("L1",),
        cost=cost.passes,
        needs_reference=True,
    ),
)
