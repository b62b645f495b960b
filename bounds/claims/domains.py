"""Risk under another distribution of prompts (T3.shift, T3.printed); equality is decided on rationals."""

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import sympy as sp

from bounds import cost
from bounds import symbols as s
from bounds.claim import Claim
from bounds.comparison import Measured
from bounds.enclosed import domains as enclosed
from bounds.instance import Instance
from bounds.pac_bayes.formulas import BY_CHI2, BY_COMPONENTS, BY_KL, BY_LOSS
from bounds.pac_bayes.setting import Generalization, around, default_generalization, default_target
from bounds.structure import moves_something
from bounds.suite import Suite, each
from bounds.verdicts import Standing
from tamdp_theory import TAMDP, Policy, TabularSoftmax, families
from tamdp_theory.domains import Domains, Risks, prompt_values, risks
from tamdp_theory.exact.balls import Number, moves, number, order
from tamdp_theory.model import Floats

# values of float64 policies are far nearer to the truth than this: an order by more than twice as much is certain
_NEAR = 1e-9
Bounds = list[tuple[Number, Number]]  # of one expected reward on each prompt


def setting_of(instance: Instance) -> Generalization:
    """What the instance says about training prompts and target, or what its seed draws."""
    return instance.generalization or instance.once(default_generalization, instance.policy, instance.seed)


def measure_shift(instance: Instance, by: str) -> Measured:
    """The posterior's risks under both domains and how far apart they are; without a posterior those of the instance's
    policy.

    A process gives every prompt of its own probability, so KL is finite.
    """
    env, setting = instance.env, setting_of(instance)
    domains, found, values = instance.once(_compared, env, instance.policy, setting)
    loss = found.per_prompt
    rho = env.prompt_probability
    numbers = {
        s.R_S: found.source,
        s.R_T: found.target,
        s.w: env.weights,
        s.W: env.total_weight,
        s.K: env.n_components,
        s.osc_value: found.oscillation,
        s.tv_domains: float(domains.total_variation),
        s.osc_loss: float(np.ptp(loss[domains.support])),
        s.kl_domains: domains.divergence,
        s.chi2_domains: float(domains.chi_squared),
        s.var_S: float(rho @ (loss - rho @ loss) ** 2),
        s.n: setting.n,
    }
    empty = (
        ""
        if moves_something(env, setting.target)
        else "the target is the source, or no reward varies: the risk could not change"
    )
    return Measured(numbers=numbers, trivial=1 - 1e-12, attained=_attained(domains, values, by), empty=empty)


def _compared(env: TAMDP, policy: Policy, setting: Generalization) -> tuple[Domains, Risks, Floats]:
    """Both domains, the risks under them, and the expected components of each prompt (N, K)."""
    domains = Domains(env, env.exact_prompt_probability, setting.target)
    policies, posterior = setting.voters(policy)
    values = np.einsum("s,snk->nk", posterior, prompt_values(env, policies))
    return domains, risks(domains, policies, posterior), values


def _attained(domains: Domains, values: Floats, by: str) -> bool:
    """Whether the bound is an equality for reasons known exactly; floats only say where to look. values (N, K)."""
    env = domains.env
    moved = [t - p for p, t in zip(domains.source, domains.target, strict=True)]
    if not any(moved):
        return True
    if by == "kl":
        return False
    composite = values @ env.weights
    columns = (
        [values[:, k] for k in np.flatnonzero(env.weights > 0)]
        if by == "components"
        else [composite / env.total_weight]
    )
    if by != "chi":
        if not all(_seem_to_move_up(column, moved) for column in columns):
            return False
        ranges = value_ranges(env)
        chosen = [ranges[k] for k in np.flatnonzero(env.weights > 0)] if by == "components" else [ranges[-1]]
        return all(moves_up(_narrowed(known, column), moved) for known, column in zip(chosen, columns, strict=True))
    bounds = _narrowed(value_ranges(env)[-1], columns[0])
    if len(bounds) == 2:  # centred functions on two prompts are multiples of each other
        return moves_up(bounds, moved)
    return all(low == high for low, high in bounds) and proportional(
        [-low for low, _ in bounds], domains.source, domains.target
    )


def value_ranges(env: TAMDP) -> list[Bounds]:
    """Least and largest expected reward of each prompt over policies, in rationals: of each component, last of the
    composite over W.
    """
    found = []
    for column in [
        *zip(*env.exact_class_rewards, strict=True),
        [c / sum(env.exact_weights) for c in env.exact_class_composite],
    ]:
        ends = [number(v) for v in column]
        low, high = [[number(0)] * env.n_nodes + ends for _ in range(2)]
        for x in reversed(order(env)):
            for side, choose in ((low, min), (high, max)):
                worth: dict[int, Number] = {}
                for pair, p, target in moves(env, x):
                    worth[pair] = worth.get(pair, number(0)) + p * side[target]
                side[x] = choose(worth.values())
        found.append([(low[x], high[x]) for x in env.prompt_start.tolist()])
    return found


def _narrowed(known: Bounds, values: Floats) -> Bounds:
    """What every policy obeys, with what floats add: they are good to ``_NEAR``."""
    result = []
    for (low, high), value in zip(known, values.tolist(), strict=True):
        least, most = max(low, number(Fraction(value - _NEAR))), min(high, number(Fraction(value + _NEAR)))
        result.append((least, most) if least <= most else (low, high))
    return result


def _seem_to_move_up(values: Floats, moved: list[Fraction]) -> bool:
    sign = np.array([(m > 0) - (m < 0) for m in moved])
    return bool(
        values[sign > 0].max() <= values.min() + 2 * _NEAR and values[sign < 0].min() >= values.max() - 2 * _NEAR
    )


def moves_up(bounds: Bounds, moved: list[Fraction]) -> bool:
    """Whether mass surely leaves only prompts of the largest reward for prompts of the least: then the range is
    attained.
    """
    pairs = [(q, r) for q in range(len(bounds)) for r in range(len(bounds)) if q != r]
    return all(
        (moved[q] <= 0 or bounds[q][1] <= bounds[r][0]) and (moved[q] >= 0 or bounds[q][0] >= bounds[r][1])
        for q, r in pairs
    )


def proportional(loss: list[Number], source: tuple[Fraction, ...], target: tuple[Fraction, ...]) -> bool:
    """Whether loss and density ratio, both centred, point the same way, or the loss is constant: then Cauchy-Schwarz is
    an equality.
    """
    ratio = [number(t / p - 1) for p, t in zip(source, target, strict=True)]
    mean = sum((number(p) * v for p, v in zip(source, loss, strict=True)), number(0))
    place = next(q for q, r in enumerate(ratio) if r != 0)
    factor = (loss[place] - mean) / ratio[place]
    return factor >= 0 and all(v - mean == factor * r for v, r in zip(loss, ratio, strict=True))


_TWO_DOMAINS = (
    "The source is the process's own prompt distribution; the posterior is any over the class, the policy alone "
    "where none is given. "
)


def two_questions() -> Instance:
    """Two prompts with one answer each, right on one only; the target asks the other one more often (theory.md,
    T3.printed).
    """
    env = families.contextual_bandit([[["0"]], [["1"]]], name="two-questions")
    policy = TabularSoftmax(env)
    return Instance(env, policy, generalization=Generalization((Fraction(3, 4), Fraction(1, 4)), (policy,), n=16))


def suite_setting(instance: Instance) -> Generalization:
    """Eight policies around one, tens of training prompts, and a target drawn from the seed."""
    return instance.once(_setting_around, instance.policy, instance.seed)


def _setting_around(policy: Policy, seed: int) -> Generalization:
    env = policy.env
    n = 60 if env.n_prompts <= 4 else 20
    around_it = around(policy, 8, seed)
    return Generalization(default_target(env, seed), around_it, n=n, inverse_temperature=20.0, resamples=5000)


def _with_posterior(setting: Generalization, shares: tuple[Fraction, ...]) -> Generalization:
    return replace(setting, posterior=shares)


def _between_domains(claim: Claim, suite: Suite) -> Iterable[Instance]:
    """Every process and policy under a target of its own, alone and as the likeliest of eight policies."""
    shares = tuple(Fraction(1, 2 ** min(j + 1, 7)) for j in range(8))
    for instance in each(claim, suite):
        setting = suite_setting(instance)
        yield replace(instance, generalization=setting)
        mixed = instance.once(_with_posterior, setting, shares)
        yield replace(instance, generalization=mixed, label=f"{instance.label} posterior")


def _between_few_domains(claim: Claim, suite: Suite) -> Iterable[Instance]:
    """The same on the quick suite: one violation refutes what is printed."""
    return _between_domains(claim, suite.smallest)


CLAIMS = (
    Claim(
        id="T3.shift",
        title="Another domain, by components",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.R_T, BY_COMPONENTS),
        measure=lambda i: measure_shift(i, "components"),
        reference="docs/theory.md",
        proof=(
            _TWO_DOMAINS
            + "The mean of a function changes by at most its range times TV; "
            + "a component that is equal in both domains adds nothing."
        ),
        enclose=enclosed.shift_rows,
        cost=cost.nothing,
        instances=_between_domains,
        figure="generalization",
    ),
    Claim(
        id="T3.shift.loss",
        title="Another domain, by the loss as a whole",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.R_T, BY_LOSS),
        measure=lambda i: measure_shift(i, "loss"),
        reference="docs/theory.md",
        proof=_TWO_DOMAINS + "The same for the loss; never looser than by components.",
        depends_on=("T3.shift",),
        enclose=enclosed.shift_rows,
        cost=cost.nothing,
        instances=_between_domains,
        figure="generalization",
    ),
    Claim(
        id="T3.shift.pinsker",
        title="Another domain, by divergence",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.R_T, BY_KL),
        measure=lambda i: measure_shift(i, "kl"),
        reference="docs/theory.md",
        proof=_TWO_DOMAINS + "The range is at most 1, and TV <= sqrt(KL/2).",
        depends_on=("T3.shift",),
        enclose=enclosed.shift_rows,
        cost=cost.nothing,
        instances=_between_domains,
        figure="generalization",
    ),
    Claim(
        id="T3.shift.chi",
        title="Another domain, by the chi-squared divergence",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.R_T, BY_CHI2),
        measure=lambda i: measure_shift(i, "chi"),
        reference="docs/theory.md",
        proof=_TWO_DOMAINS + "Cauchy-Schwarz for the covariance of loss and density ratio.",
        enclose=enclosed.shift_rows,
        cost=cost.nothing,
        instances=_between_domains,
        figure="generalization",
    ),
    Claim(
        id="T3.printed",
        title="The shift term falls with the number of training prompts",
        standing=Standing.PRINTED,
        kind="inequality",
        statement=sp.Le(s.R_T, s.R_S + sp.sqrt(s.kl_domains / 2) / sp.sqrt(s.n)),
        measure=lambda i: measure_shift(i, "kl"),
        reference="the paper's Eq. 25 to Eq. 50",
        proof="False: more prompts of the source say nothing about the target.",
        depends_on=("T3.shift.pinsker",),
        example=two_questions,
        enclose=enclosed.shift_rows,
        cost=cost.nothing,
        instances=_between_few_domains,
        figure="generalization",
    ),
)
