"""The claims of claims/literature/pang.py in rationals, square roots and balls. The old policy is the reference."""

from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.quantities import probabilities, rho, total_gradient
from bounds.exact_instance import ExactInstance
from bounds.structure import composite_varies
from tamdp_theory import CapacityError
from tamdp_theory.exact.balls import ZERO, group_of, is_zero


def off_policy_rows(i: ExactInstance) -> list[Row]:
    """P.ratio.*: each parameter; every trajectory of the old policy with its ratios."""
    if i.reference is None:
        raise CapacityError("this claim compares with an old policy, the reference; the instance has none")
    if not composite_varies(i.env):
        return []
    law, old, size = i.law, i.reference.law(i.think_weight), i.policy.size
    ratio = [a / b for a, b in zip(i.policy.probability, i.reference.probability, strict=True)]
    whole, single = [ZERO] * size, [ZERO] * size
    for q, paths in enumerate(old.paths):
        first, share = int(i.env.prompt_classes[q][0]), rho(i.env, q)
        h = group_of(i.env, q, i.scheme).first(probabilities(old.classes[q]))[0]
        for path in paths:
            weight = share * path.probability * h[path.reward_class - first]
            product = weight
            for pair in path.taken:
                product = product * ratio[pair]
            for place, value in enumerate(law.score(path)):
                if not is_zero(value):
                    whole[place] += product * value
            for pair in path.taken:
                for place, value in i.policy.scores[pair].items():
                    single[place] += weight * ratio[pair] * value
    here, there = total_gradient(law), total_gradient(old)
    return [
        {ls.slope_trajectory: one, ls.slope_token: two, ls.slope_here: three, ls.slope_old: four, s.kappa: i.kappa}
        for one, two, three, four in zip(whole, single, here, there, strict=True)
    ]
