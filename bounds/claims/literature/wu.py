"""What on-policy updates cannot reach: actions that are not drawn (Wu et al. 2025)."""

import numpy as np
import sympy as sp

from bounds import literature_symbols as ls
from bounds.claim import Claim
from bounds.claims.assumptions import TABULAR
from bounds.claims.literature.vojnovic import effective_reward
from bounds.claims.schemes import EVERY
from bounds.comparison import Measured
from bounds.enclosed.literature import wu as enclosed
from bounds.instance import Instance
from bounds.structure import composite_varies
from bounds.verdicts import Standing
from tamdp_theory import TabularSoftmax, exact, families
from tamdp_theory.exact import Scheme


def _leash(instance: Instance) -> Measured:
    env, policy = instance.env, instance.policy
    if not policy.is_tabular:
        return Measured(numbers={}, assumptions={TABULAR.name: False})
    if not composite_varies(env):
        return Measured(numbers={}, empty="no composite reward varies")
    h = effective_reward(instance)
    spread = np.array([np.ptp(h[classes]) for classes in env.prompt_classes])
    place = env.pair_node
    visited = exact.occupancy(env, policy)[place]
    numbers = {
        ls.push_pair: instance.update.mean[env.pair_parameter],
        ls.visited: visited,
        ls.pi_pair: policy.pair_probability,
        ls.osc_h: spread[env.node_prompt[place]],
    }
    return Measured(numbers=numbers, scale=env.total_weight)


def _rare() -> Instance:
    """A right answer that is drawn once in a hundred times."""
    env = families.bandit([0, 1], name="rare")
    return Instance(env, TabularSoftmax(env, np.log([[99.0, 1.0]])), Scheme(4, "sum_then_normalize"))


CLAIMS = (
    Claim(
        id="P.leash",
        title="The update of an action is at most as large as its probability",
        standing=Standing.LITERATURE,
        kind="inequality",
        statement=sp.Le(sp.Abs(ls.push_pair), ls.visited * ls.pi_pair * (1 - ls.pi_pair) * ls.osc_h),
        measure=_leash,
        reference="Wu et al. 2025, arXiv 2507.14843, who say that support does not grow",
        assumptions=(TABULAR,),
        proof=(
            "m_(x,a) = d(x) pi(a|x) (H(x,a) - sum_b pi(b|x) H(x,b)), H the mean effective reward of what follows, so "
            "within the range of h; the action's own part cancels. Where pi is 0, so is the update: support stays. A "
            "softmax has full support, so this is what of the statement can fail here."
        ),
        depends_on=("L5",),
        schemes=EVERY,
        example=_rare,
        enclose=enclosed.leash_rows,
    ),
)
