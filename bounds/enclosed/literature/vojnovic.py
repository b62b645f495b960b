"""The claims of claims/literature/vojnovic.py in rationals, square roots and balls."""

from fractions import Fraction

from bounds import literature_symbols as ls
from bounds.decision import Row
from bounds.enclosed.quantities import composite, probabilities
from bounds.exact_instance import ExactInstance
from bounds.structure import composite_varies
from tamdp_theory.exact.balls import ONE, ZERO, Number, absolute, group_of, largest, prompt_update


def pair_rows(i: ExactInstance) -> list[Row]:
    """P.pairwise: each reward class."""
    rows: list[Row] = []
    if not composite_varies(i.env):
        return rows
    for q in range(i.env.n_prompts):
        values, law = composite(i.env, q), probabilities(i.law.classes[q])
        found = group_of(i.env, q, i.scheme).first(law)[0]
        for own, h in zip(values, found, strict=True):
            less, more = (sum((p for v, p in zip(values, law, strict=True) if kind(v, own)), ZERO) for kind in _ORDERS)
            rows.append({ls.effective: h, ls.won: less, ls.lost: more})
    return rows


def _below(value: Fraction, own: Fraction) -> bool:
    return value < own


def _above(value: Fraction, own: Fraction) -> bool:
    return value > own


_ORDERS = (_below, _above)


def stationary_rows(i: ExactInstance) -> list[Row]:
    """P.stationary: each action, by the law of its outcomes and by trajectories."""
    rows: list[Row] = []
    if not composite_varies(i.env) or i.env.horizon > 1:
        return rows
    law = i.law
    above: dict[int, Number] = {}
    for q, paths in enumerate(law.paths):
        first = int(i.env.prompt_classes[q][0])
        h = group_of(i.env, q, i.scheme).first(probabilities(law.classes[q]))[0]
        mean = sum((path.probability * h[path.reward_class - first] for path in paths), ZERO)
        for path in paths:
            (pair,) = path.taken
            share = path.probability / i.policy.probability[pair]
            above[pair] = above.get(pair, -mean) + share * h[path.reward_class - first]
    strength = ONE + 2 * largest([absolute(one) for one in above.values()])
    for q, paths in enumerate(law.paths):
        update = prompt_update(law, q, i.scheme)[0]
        penalty = [ZERO] * i.policy.size
        for path in paths:
            (pair,) = path.taken
            weight = path.probability * above[pair] / strength  # 1 - r, r = ref / pi
            penalty = [x + weight * v for x, v in zip(penalty, law.score(path), strict=True)]
        rows += [
            {ls.push: update[pair], ls.pull: penalty[pair], ls.beta: strength}
            for pair in sorted({path.taken[0] for path in paths})
        ]
    return rows
