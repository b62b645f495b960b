"""What GRPO with the k3 penalty in its loss aligns a policy to (Vojnovic & Yun 2025)."""

from collections.abc import Iterable

import numpy as np
import sympy as sp

from bounds import literature_symbols as ls
from bounds.claim import Claim
from bounds.claims.assumptions import JOINT, ONE_DECISION, PAIRS, TABULAR
from bounds.comparison import Measured
from bounds.enclosed.literature import vojnovic as enclosed
from bounds.instance import Instance
from bounds.structure import composite_varies
from bounds.suite import DEFAULT_SCHEMES, SEED, Suite, each
from bounds.verdicts import Standing
from tamdp_theory import TabularSoftmax, families
from tamdp_theory.exact import Scheme
from tamdp_theory.exact.surrogate import path_gradient
from tamdp_theory.model import Floats


def on_bandits(claim: Claim, suite: Suite) -> Iterable[Instance]:
    """Processes of one decision, of one prompt and of two."""
    two = families.contextual_bandit([[0, "1/2", 1], [[("1/3", 1), ("2/3", 0)], "2/5"]], ["1/3", "2/3"])
    for instance in each(claim, suite):
        if instance.env.horizon == 1:
            yield instance
    for scheme in claim.schemes or DEFAULT_SCHEMES:
        for seed in range(3):
            policy = TabularSoftmax.random(two, np.random.default_rng([SEED, seed]))
            label = f"two-prompts {seed} {scheme.normalization} G={scheme.group_size}"
            yield Instance(two, policy, scheme, seed=seed, label=label, once=suite.once)


def _uneven(scheme: Scheme) -> Instance:
    """Three arms: 0, 2/5 and 1."""
    env = families.bandit(["0", "2/5", "1"], name="three-arms-uneven")
    return Instance(env, TabularSoftmax(env, [[0.0, 1.0, -0.5]]), scheme)


_REFERENCE = "Vojnovic & Yun 2025, arXiv 2502.18548"


def effective_reward(instance: Instance) -> Floats:
    """h of every class (C,)."""
    law = np.concatenate([one.probability for one in instance.laws])[:, None]
    h: Floats = instance.plan.effective_reward(law)[:, 0]
    return h


def _pairs(instance: Instance) -> Measured:
    env, h, rows = instance.env, effective_reward(instance), []
    if not composite_varies(env):
        return Measured(numbers={}, empty="no composite reward varies")
    for classes, law in zip(env.prompt_classes, instance.laws, strict=True):
        values = [env.exact_class_composite[c] for c in classes]
        for c, own in zip(classes, values, strict=True):
            less, more = np.array([v < own for v in values]), np.array([v > own for v in values])
            rows.append((h[c], law.probability[less].sum(), law.probability[more].sum()))
    effective, won, lost = np.array(rows).T
    return Measured(numbers={ls.effective: effective, ls.won: won, ls.lost: lost})


def _stationary(instance: Instance) -> Measured:
    """Both parts of the expected gradient of the loss, the penalty's trajectory by trajectory."""
    env, policy = instance.env, instance.policy
    conditions = {ONE_DECISION.name: env.horizon == 1, TABULAR.name: isinstance(policy, TabularSoftmax)}
    if not all(conditions.values()):
        return Measured(numbers={}, assumptions=conditions)
    if not composite_varies(env):
        return Measured(numbers={}, empty="no composite reward varies")
    paths, pi = instance.trajectories, policy.pair_probability
    action, own = paths.pairs[:, 0], env.pair_parameter
    h = np.bincount(
        action, weights=paths.kernel * effective_reward(instance)[paths.reward_class], minlength=env.n_pairs
    )
    above = h - env.node_sum((pi * h)[:, None])[env.pair_node, 0]
    strength = 1 + 2 * float(np.abs(above).max())
    reference = pi * (1 - above / strength)
    taken = paths.kernel * pi[action]
    # k3 = r - 1 - log r at an action drawn from pi, r = ref / pi; its gradient is (1 - r) times the score
    penalty = path_gradient(paths, (taken - paths.kernel * reference[action])[:, None], policy)[own, 0]
    update = instance.update.mean[own] / env.prompt_probability[env.node_prompt[env.pair_node]]
    return Measured(numbers={ls.push: update, ls.pull: penalty, ls.beta: strength})


CLAIMS = (
    Claim(
        id="P.pairwise",
        title="Standardized pairs: the effective reward is a pairwise preference",
        standing=Standing.LITERATURE,
        kind="identity",
        statement=sp.Eq(ls.effective, ls.won - ls.lost),
        measure=_pairs,
        reference=_REFERENCE,
        assumptions=(JOINT, PAIRS),
        proof="In a group of two different rewards the larger one gets 1 and the smaller one -1.",
        schemes=(Scheme(2, "sum_then_normalize"),),
        example=lambda: _uneven(Scheme(2, "sum_then_normalize")),
        enclose=enclosed.pair_rows,
    ),
    Claim(
        id="P.stationary",
        title="The policy pi_ref / (1 - (A - EA)/beta) is stationary",
        standing=Standing.LITERATURE,
        kind="identity",
        statement=sp.Eq(ls.push, ls.beta * ls.pull),
        measure=_stationary,
        reference=_REFERENCE,
        assumptions=(ONE_DECISION, TABULAR),
        proof=(
            "The update of a logit is pi_a (h_a - mean h); the gradient of the k3 estimate has the mean pi_a - ref_a "
            "(L1.k3). They cancel exactly if pi_a (1 - (h_a - mean h)/beta) = ref_a."
        ),
        depends_on=("L1.k3", "L5"),
        schemes=(
            Scheme(2, "sum_then_normalize"),
            Scheme(4, "sum_then_normalize"),
            Scheme(3, "normalize_then_sum", 1e-4, 1),
            Scheme(4, "center"),
        ),
        example=lambda: _uneven(Scheme(3, "sum_then_normalize")),
        enclose=enclosed.stationary_rows,
        instances=on_bandits,
    ),
)
