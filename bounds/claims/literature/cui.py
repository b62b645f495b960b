"""What a step does to entropy, at first order (Cui et al. 2025)."""

from collections.abc import Callable

import numpy as np
import sympy as sp

from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.claim import Claim
from bounds.claims.assumptions import ONE_DECISION, TABULAR
from bounds.claims.literature.vojnovic import effective_reward, on_bandits
from bounds.claims.slope import central_slope
from bounds.comparison import Measured
from bounds.instance import Instance
from bounds.structure import composite_varies
from bounds.verdicts import Standing
from tamdp_theory import TabularSoftmax, families
from tamdp_theory.exact import Scheme
from tamdp_theory.model import Floats

_REFERENCE = "Cui et al. 2025, arXiv 2505.22617"


def _entropies(natural: bool) -> Callable[[Instance], Measured]:
    """Entropy of each prompt's policy along the update, or along the expected advantages, by differences."""

    def measure(instance: Instance) -> Measured:
        env, policy = instance.env, instance.policy
        conditions = {ONE_DECISION.name: env.horizon == 1, TABULAR.name: isinstance(policy, TabularSoftmax)}
        if not all(conditions.values()):
            return Measured(numbers={}, assumptions=conditions)
        if not composite_varies(env):
            return Measured(numbers={}, empty="no composite reward varies")
        paths, pi, log_pi = instance.trajectories, policy.pair_probability, policy.pair_log_probability
        places = np.split(log_pi, env.pair_start[1:])
        uneven = np.array([np.ptp(own) > 0 for own in places])  # elsewhere entropy is at its top, and nothing moves it
        if not uneven.any():
            return Measured(numbers={}, empty="every policy is uniform")
        h = effective_reward(instance)[paths.reward_class]
        mean = np.bincount(paths.pairs[:, 0], paths.kernel * h, minlength=env.n_pairs)
        above = mean - env.node_sum((pi * mean)[:, None])[env.pair_node, 0]
        direction = np.zeros(policy.n_parameters)
        if natural:
            direction[env.pair_parameter] = above
        else:  # every prompt by its own update, as if it were alone
            update = instance.update.mean[env.pair_parameter]
            direction[env.pair_parameter] = update / env.prompt_probability[env.node_prompt[env.pair_node]]

        def entropy(step: float) -> Floats:
            moved = policy.with_parameters(policy.parameters + step * direction)
            total: Floats = -env.node_sum((moved.pair_probability * moved.pair_log_probability)[:, None])[:, 0]
            return total

        coarse, fine = (central_slope(entropy, step) for step in (0.04, 0.02))
        table = np.zeros((3, env.n_actions, env.n_nodes))
        place = np.arange(env.n_pairs) - env.pair_start[env.pair_node]
        table[:, place, env.pair_node] = pi, log_pi, above
        numbers = {
            ls.slope_entropy: fine[uneven],
            ls.pi_of: table[0][:, uneven],
            ls.log_pi: table[1][:, uneven],
            ls.A_arm: table[2][:, uneven],
            ls.n_arms: env.n_actions,
        }
        return Measured(numbers=numbers, errors={ls.slope_entropy: (np.abs(fine - coarse) / 16 + 1e-12)[uneven]})

    return measure


_a = (s.k, 1, ls.n_arms)
_pi, _log, _A = ls.pi_of[s.k], ls.log_pi[s.k], ls.A_arm[s.k]


def _covariance(one: sp.Expr, other: sp.Expr) -> sp.Expr:
    return sp.Sum(_pi * one * other, _a) - sp.Sum(_pi * one, _a) * sp.Sum(_pi * other, _a)


def _three_arms() -> Instance:
    env = families.bandit(["0", "2/5", "1"], name="three-arms-uneven")
    return Instance(env, TabularSoftmax(env, [[0.0, 1.0, -0.5]]), Scheme(3, "sum_then_normalize"))


_SCHEMES = (Scheme(4, "sum_then_normalize"), Scheme(4, "center"), Scheme(4, "leave_one_out"))

CLAIMS = (
    Claim(
        id="P.entropy",
        title="First-order change of entropy by a policy gradient",
        standing=Standing.LITERATURE,
        kind="identity",
        statement=sp.Eq(ls.slope_entropy, -_covariance(_log, _pi * _A)),
        measure=_entropies(False),
        reference=f"{_REFERENCE}, who have it for a step eta, to first order",
        assumptions=(ONE_DECISION, TABULAR),
        proof=(
            "dH = -Cov(log pi, z) for a change z of the logits, and z = pi A. With more decisions the z of a node has "
            "the node's occupancy as a factor."
        ),
        depends_on=("L5",),
        schemes=_SCHEMES,
        example=_three_arms,
        instances=on_bandits,
    ),
    Claim(
        id="P.entropy.natural",
        title="And by a natural gradient",
        standing=Standing.LITERATURE,
        kind="identity",
        statement=sp.Eq(ls.slope_entropy, -_covariance(_log, _A)),
        measure=_entropies(True),
        reference=f"{_REFERENCE}, who have it for a step eta, to first order",
        assumptions=(ONE_DECISION, TABULAR),
        proof="As P.entropy with z = A.",
        depends_on=("P.entropy",),
        schemes=_SCHEMES,
        example=_three_arms,
        instances=on_bandits,
    ),
)
