"""One 0/1 reward on each prompt: its probability, its gradient, and groups of it, exactly."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import comb

from bounds.enclosed.objectives import composites_of, group_on
from bounds.enclosed.quantities import composite, pow
from bounds.exact_instance import ExactInstance
from tamdp_theory import TAMDP
from tamdp_theory.exact.balls import ZERO, BallGroup, Number

RIGHT = (Fraction(0), Fraction(1))


@dataclass(frozen=True)
class Success:
    """p, and by parameter grad p (d,), of a prompt; groups of the scheme, of zeros and ones."""

    prompt: int
    p: Number
    gradient: list[Number]
    group: BallGroup


def successes(i: ExactInstance) -> Iterator[Success]:
    """Each prompt."""
    for q, terms in enumerate(i.law.classes):
        p, gradient = ZERO, [ZERO] * i.policy.size
        for c, one in zip(composite(i.env, q), terms, strict=True):
            if c == 1:
                p = p + one.probability
                gradient = [x + y for x, y in zip(gradient, one.gradient, strict=True)]
        yield Success(q, p, gradient, group_on(RIGHT, i.scheme))


def slope_at(group: BallGroup, p: Number) -> Number:
    """h_1 - h_0 at a success probability."""
    low, high = group.first([1 - p, p])[0]
    return high - low


def binomial(size: int, p: Number) -> list[Number]:
    """Probabilities of 0..size successes (size + 1,)."""
    return [comb(size, j) * pow(p, j) * pow(1 - p, size - j) for j in range(size + 1)]


def only_reward(env: TAMDP) -> int | None:
    """The one component that has weight, if it is 1 and the component takes the values 0 and 1 on every prompt."""
    chosen = [k for k, w in enumerate(env.exact_weights) if w]
    if len(chosen) != 1 or env.exact_weights[chosen[0]] != 1:
        return None
    return chosen[0] if all(values == RIGHT for values in composites_of(env)) else None
