"""The claims of claims/literature/park.py in balls."""

from collections.abc import Callable
from fractions import Fraction

from bounds import literature_symbols as ls
from bounds.decision import Row
from bounds.enclosed.literature.success import RIGHT, binomial
from bounds.enclosed.objectives import composites_of, group_on
from bounds.enclosed.quantities import composite
from bounds.enclosed.slopes import gain_tables
from bounds.exact_instance import ExactInstance
from tamdp_theory import CapacityError
from tamdp_theory.exact.balls import ZERO, Number, ball, number

CLIP = Fraction(1, 5)


def _rows(i: ExactInstance, stops: Callable[[Number, bool], bool]) -> list[Row]:
    """The slope of entropy along the natural gradient of a clipped surrogate: arm by arm, reward by reward, others'
    successes one number at a time; rewards 0 and 1.

    stops: whether a member of this ratio, and with an advantage above zero or not, is clipped.
    """
    if i.reference is None or i.env.n_prompts > 1 or i.env.horizon > 1:
        return []
    if composites_of(i.env)[0] != RIGHT:
        raise CapacityError("the exact form is written for rewards 0 and 1")
    now, before = i.policy.probability, i.reference.probability
    old = i.reference.law()
    p = sum((one.probability for c, one in zip(composite(i.env, 0), old.classes[0], strict=True) if c == 1), ZERO)
    right, wrong = gain_tables(group_on(RIGHT, i.scheme))
    law = binomial(i.scheme.group_size - 1, p)
    means = [
        sum((q * gain for q, gain in zip(law, table, strict=True) if kind(gain)), ZERO)
        for table in (right, wrong)
        for kind in (_up, _down)
    ]
    push: list[Number] = []
    for pair in range(i.env.n_pairs):
        ratio = now[pair] / before[pair]
        gains = [ZERO if stops(ratio, up) else ball(1) for up in (True, False)]
        push.append(
            p * (means[0] * gains[0] + means[1] * gains[1]) + (1 - p) * (means[2] * gains[0] + means[3] * gains[1])
        )
    mean = sum((x * y for x, y in zip(now, push, strict=True)), ZERO)
    slope = sum((-(x * ball(x).log() * (y - mean)) for x, y in zip(now, push, strict=True)), ZERO)
    return [{ls.slope_entropy: slope}]


def _up(gain: Number) -> bool:
    return bool(gain > 0)


def _down(gain: Number) -> bool:
    return bool(gain < 0)


def high_rows(i: ExactInstance) -> list[Row]:
    """P.clip.high: ratios above 6/5 of advantages above zero are stopped."""
    return _rows(i, lambda ratio, up: up and bool(ratio > number(1 + CLIP)))


def low_rows(i: ExactInstance) -> list[Row]:
    """P.clip.low: ratios below 4/5 of advantages below zero are stopped."""
    return _rows(i, lambda ratio, up: not up and bool(ratio < number(1 - CLIP)))
