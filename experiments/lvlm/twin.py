"""The exact twin of a model in an environment: the same process under a tabular policy with the model's own action
frequencies.
"""

from collections.abc import Iterable

import numpy as np

from bounds.structure import contrast
from tamdp_theory import TAMDP, Policy, TabularSoftmax, exact
from tamdp_theory.environments import Decision
from tamdp_theory.exact import GroupPlan, Scheme, UpdatePlan

PRIOR = 0.5  # added to the count of every action over all nodes: a policy has full support


def fitted(env: TAMDP, decisions: Iterable[Decision]) -> TabularSoftmax:
    """The tabular policy with the frequencies of these decisions: at each node its own, and those over all nodes with
    the weight of one decision.

    A process has thousands of nodes and a model visits few: at the others the twin does what the model does on the
    whole.
    """
    counts = np.zeros(env.n_pairs)
    place = {(env.node_ids[x], env.action_names[i]): i for i, x in enumerate(env.pair_node.tolist())}
    for decision in decisions:
        counts[place[decision.node, decision.action]] += 1
    name = np.unique(env.action_names, return_inverse=True)[1]
    overall = PRIOR + np.bincount(name, counts)[name]
    overall /= np.bincount(env.pair_node, overall)[env.pair_node]
    logits = np.zeros(env.n_nodes * env.n_actions)
    logits[env.pair_parameter] = np.log(counts + overall)
    return TabularSoftmax(env, logits.reshape(env.n_nodes, env.n_actions))


def numbers(env: TAMDP, policy: Policy, scheme: Scheme) -> dict[str, float]:
    """What ``bounds.rollouts.statistics`` estimates, exactly: those numbers that do not depend on how the policy is
    parametrized.
    """
    values, law, rho = exact.values(env, policy), exact.reward_law(env, policy), env.prompt_probability
    found = {
        "objective": values.total,
        **{f"component {name}": float(v) for name, v in zip(env.component_names, values.components, strict=True)},
    }
    silent = gap = 0.0
    for q, classes in enumerate(env.prompt_classes):
        p, rows = law[q].probability, tuple(env.exact_class_rewards[c] for c in classes)
        gap += rho[q] * float(p @ GroupPlan(rows, env.exact_weights, contrast(scheme)).moments(p).second)
        composite = np.unique([float(env.exact_class_composite[c]) for c in classes], return_inverse=True)[1]
        silent += rho[q] * float((np.bincount(composite, p) ** scheme.group_size).sum())
    found["gap"] = gap
    if len(scheme.estimator.mixtures(env.exact_weights)) == 1:  # the advantages of several columns may also cancel
        found["silent"] = silent
    return found


def variance_share(env: TAMDP, policy: Policy, scheme: Scheme) -> float:
    """E_q V_q / E||s||^2 of the scheme's estimator; it depends on the parametrization, here one logit for every action
    of a node.
    """
    rho = env.prompt_probability
    return float(
        rho @ UpdatePlan(env, scheme).moments(policy).prompt_variance / (rho @ exact.score_energy(env, policy))
    )
