"""The claims of claims/domains.py in rationals, square roots and balls."""

from fractions import Fraction

from bounds import symbols as s
from bounds.decision import TRIVIAL, Row
from bounds.enclosed.quantities import composite, reward, rho
from bounds.exact_instance import ExactInstance
from bounds.structure import moves_something
from tamdp_theory import InputError
from tamdp_theory.exact.balls import ZERO, Number, ball, dot, largest, number


def _range(values: list[Number]) -> Number:
    return largest(values) + largest([-v for v in values])


def shift_rows(i: ExactInstance) -> list[Row]:
    """T3.shift and T3.printed: both risks and every distance of the two domains."""
    env, prompts = i.env, range(i.env.n_prompts)
    if len(i.target) != env.n_prompts:
        raise InputError(f"instance.target: need a target probability for each of {env.n_prompts} prompts")
    law = class_laws(i)
    loss = [1 - dot(law[q], [number(v) for v in composite(env, q)]) / i.total_weight for q in prompts]
    values = [[dot(law[q], [number(v) for v in reward(env, q, k)]) for q in prompts] for k in range(env.n_components)]
    source, target = [rho(env, q) for q in prompts], [number(p) for p in i.target]
    risk = dot(source, loss)
    exact = list(zip(env.exact_prompt_probability, i.target, strict=True))
    distance = sum((abs(t - p) for p, t in exact), Fraction(0)) / 2
    divergence = sum((number(t) * ball(number(t / p)).log() for p, t in exact if t), ZERO) if distance else ZERO
    return [
        {
            s.R_S: risk,
            s.R_T: dot(target, loss),
            s.W: i.total_weight,
            s.K: env.n_components,
            s.w: [number(w) for w in env.exact_weights],
            s.osc_value: [_range(own) for own in values],
            s.osc_loss: _range(loss),
            s.tv_domains: distance,
            s.kl_domains: divergence,
            s.chi2_domains: sum(((t - p) ** 2 / p for p, t in exact), Fraction(0)),
            s.var_S: dot(source, [(one - risk) * (one - risk) for one in loss]),
            s.n: i.samples,
            TRIVIAL: int(
                moves_something(env, i.target)
            ),  # where the risk could not change, no right side says anything
        }
    ]


def class_laws(i: ExactInstance) -> list[list[Number]]:
    """Law of the classes of each prompt under the posterior; without one under the instance's policy."""
    members = list(zip(i.policies, i.posterior, strict=True)) or [(i.policy, Fraction(1))]
    found = [[ZERO] * len(own) for own in i.env.prompt_classes]
    for policy, share in members:
        if share:
            for own, terms in zip(found, policy.law().classes, strict=True):
                for m, one in enumerate(terms):
                    own[m] += number(share) * one.probability
    return found
