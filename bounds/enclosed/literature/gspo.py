"""The claims of claims/literature/gspo.py in rationals, square roots and balls."""

from dataclasses import replace

from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.lengths import has_lengths, law_by_length
from bounds.enclosed.quantities import probabilities, rho, update_of
from bounds.exact_instance import ExactInstance
from bounds.structure import composite_varies
from tamdp_theory.exact.balls import ZERO, group_of, is_zero, number


def sequence_rows(i: ExactInstance) -> list[Row]:
    """P.sequence, P.sequence.weighted: each parameter; scores over lengths trajectory by trajectory, and class by
    class.
    """
    if not has_lengths(i.env) or not composite_varies(i.env):
        return []
    law, split, size = i.law, law_by_length(i), i.policy.size
    over, weighted, classwise = [ZERO] * size, [ZERO] * size, [ZERO] * size
    scheme = replace(i.scheme, aggregation="sequence_mean")
    for q, paths in enumerate(law.paths):
        first, share = int(i.env.prompt_classes[q][0]), rho(i.env, q)
        h = group_of(i.env, q, i.scheme).first(probabilities(law.classes[q]))[0]
        for path in paths:
            tokens = sum(int(i.env.pair_tokens[pair]) for pair in path.taken)
            weight = share * path.probability * h[path.reward_class - first]
            for place, value in enumerate(law.score(path)):
                if not is_zero(value):
                    over[place] += weight * value / tokens
                    weighted[place] += weight * (value / tokens) * tokens
        found = group_of(split.env, q, scheme).first(probabilities(split.classes[q]))[0]
        for one, terms in zip(found, split.classes[q], strict=True):
            classwise = [x + share * one * v for x, v in zip(classwise, terms.gradient, strict=True)]
    plain = update_of(i)[0]
    rows = zip(over, weighted, classwise, plain, strict=True)
    return [
        {ls.slope_sequence: one, ls.slope_weighted: two, ls.along_mean: three, s.mean_law: four}
        for one, two, three, four in rows
        if not (is_zero(one) and is_zero(four) and is_zero(number(0) + three))
    ]
