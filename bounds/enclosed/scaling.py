"""The claims of claims/scaling.py in rationals, square roots and balls."""

from fractions import Fraction

from flint import arb

from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.quantities import composite, pow, update_of
from bounds.exact_instance import ExactInstance
from tamdp_theory import InputError
from tamdp_theory.exact.ball_numbers import bits_of, check_effort, effort
from tamdp_theory.exact.balls import ZERO, BallPolicy, Number, ball, prompt_update


def scaling_rows(i: ExactInstance) -> list[Row]:
    """T1.scaling: the variance and what it is made of, on one prompt."""
    if i.env.n_prompts > 1:
        raise InputError("speaks of one prompt; the process has more")
    law = i.law
    by_value: dict[Fraction, Number] = {}
    for c, one in zip(composite(i.env, 0), law.classes[0], strict=True):
        by_value[c] = by_value.get(c, ZERO) + one.probability
    size = i.scheme.group_size
    check_effort(
        effort(size.bit_length(), size * bits_of(by_value.values())),
        f"powers {size} of probabilities",
        "use a smaller group",
    )
    silent = sum((pow(p, size) for p in by_value.values()), ZERO)
    energy = sum((one.energy for one in law.classes[0]), ZERO)
    noise = prompt_update(law, 0, i.scheme)[1]
    return [{s.variance: noise, s.energy: energy, s.silent: silent, s.K: i.env.n_components, s.G: i.scheme.group_size}]


def exponent_rows(i: ExactInstance) -> list[Row]:
    """T1.assumption2: the power of K that the variance grows with."""
    count = i.env.n_components
    alone = i.env.with_weights((1, *[0] * (count - 1)))
    single = BallPolicy(alone, i.policy.probability, i.policy.scores, i.policy.size, i.policy.is_tabular)
    everything, one = update_of(i)[1], update_of(ExactInstance(alone, single, i.scheme))[1]
    ratio = everything / one
    powers = [n for n in range(5) if not isinstance(ratio, arb) and ratio == count**n]
    return [{s.exponent_K: powers[0] if powers else ball(ratio).log() / arb(count).log()}]
