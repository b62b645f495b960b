"""The claims of claims/divergence.py in rationals, square roots and balls."""

from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.quantities import rho
from bounds.exact_instance import ExactInstance
from tamdp_theory import CapacityError
from tamdp_theory.exact.balls import ZERO, ball, largest


def divergence_rows(i: ExactInstance) -> list[Row]:
    """L1, L1.bound: the divergence over trajectories and over nodes."""
    if i.reference is None:
        raise CapacityError("this claim compares with a reference policy; the instance has none")
    law = i.law
    ratio = [ball(a / b).log() for a, b in zip(i.policy.probability, i.reference.probability, strict=True)]
    direct = ZERO
    for q, own in enumerate(law.paths):
        direct += rho(i.env, q) * sum(
            (path.probability * sum((ratio[pair] for pair in path.taken), ZERO) for path in own), ZERO
        )
    per_node = [ZERO] * i.env.n_nodes
    for pair, x in enumerate(i.env.pair_node.tolist()):
        per_node[x] += i.policy.probability[pair] * ratio[pair]
    chain = sum(
        (rho(i.env, int(i.env.node_prompt[x])) * law.visits[x] * per_node[x] for x in range(i.env.n_nodes)), ZERO
    )
    return [{s.kl: direct, s.kl_chain: chain, s.kl_max: largest(per_node), s.H: i.env.horizon}]


def score_mean_rows(i: ExactInstance) -> list[Row]:
    """L1.k1: each component of the mean score, which is the expected gradient of k1 whatever the reference."""
    if (i.env.pair_count == 1).all():
        return []
    total = [ZERO] * i.policy.size
    for q, own in enumerate(i.law.paths):
        for path in own:
            for place, value in enumerate(i.law.score(path)):
                total[place] += rho(i.env, q) * path.probability * value
    return [{s.slope_k1: value} for value in total]
