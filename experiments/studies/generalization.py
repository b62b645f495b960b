"""PAC-Bayes bounds over the number of training prompts, and bounds of the target risk over the distance between
domains.

Parts "search" and "quiz": a finite class of policies, a Gibbs posterior on it at a fixed temperature, n prompts drawn
from the source. For each of T3.kl, T3.mcallester, T3.catoni (C = 1) and T3.bernstein: mean bound, empirical and true
risk, and the exact probability that the bound fails, summed over every training set. search: three questions, and
log-linear policies that go by what is observed. quiz: three questions of unequal probability with one right answer
each, and three policies that each know two of them for sure; losses are 0 or 1, so that training sets mislead more.
Expected: failure at most delta for every n and temperature, T3.kl never looser than T3.mcallester (T3.kl.tighter),
bounds that fall to the risk r as n grows (T3.catoni, its C fixed, to (1 - exp(-C r))/(1 - exp(-C)) > r), and more
divergence to pay for at low temperature.

Part "shift": the class of search with its Gibbs posterior for the true source risk, as if from endless data, on
``search_domains`` at overlap 1 (equal) to 0 (disjoint): in the target tools fail more often and questions ask more.
Target risk, and its bounds by T3.shift, .loss, .pinsker and .chi, which have no n; beside them T3.printed, its shift
term divided by sqrt(n). Expected: the four are never below the target risk, the printed one is from some n on wherever
the target is worse. A bound of 1 or more says nothing and is given as 1, as is one without a value: disjoint domains
have no KL and no chi^2.
"""

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, Literal, TypeAlias

import numpy as np

from bounds import CLAIMS, Generalization, Instance
from bounds import symbols as s
from bounds.claims.coverage import coverage
from experiments.studies.transfer import token_features
from tamdp_theory import Domains, InputError, LogLinear, Policy, TabularSoftmax, families, risks
from tamdp_theory.domains import restrict
from tamdp_theory.posteriors import gibbs

Row: TypeAlias = dict[str, Any]
Part: TypeAlias = Literal["search", "quiz", "shift"]
SAMPLES = ("T3.kl", "T3.mcallester", "T3.catoni", "T3.bernstein")
SHIFTS = ("T3.shift", "T3.shift.loss", "T3.shift.pinsker", "T3.shift.chi", "T3.printed")
DRAWS = 32  # policies in the class of search


@dataclass(frozen=True)
class Config:
    """One posterior, on n training prompts or on two domains."""

    part: Part = "search"
    """Bounds over n on a search task or a quiz, or over the distance between domains."""
    n: int = 100
    """Training prompts; under shift they enter the printed bound alone."""
    inverse_temperature: float = 20.0
    """Of the Gibbs posterior: 0 is the prior, large is the best policy on the training set."""
    overlap: float = 1.0
    """Mass that the domains share: 0 disjoint, 1 equal; used under shift."""
    delta: float = 0.05
    """Probability with which a bound over n may fail."""
    seed: int = 0
    """Seed of the class of search."""

    def __post_init__(self) -> None:
        for name, least in (("n", 1), ("inverse_temperature", 0), ("overlap", 0), ("seed", 0)):
            if not getattr(self, name) >= least:
                raise InputError(f"{name}: must be at least {least}, got {getattr(self, name)}")


def sweep(quick: bool = False) -> list[Config]:
    """Two tasks, three temperatures, n from 10 to 1000 (300 if quick); then overlaps from 1 to 0."""
    sizes = (10, 30, 100, 300) if quick else (10, 20, 50, 100, 200, 500, 1000)
    tasks: tuple[Part, ...] = ("search", "quiz")
    overlaps = (1.0, 0.5, 0.1, 0.0) if quick else (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.0)
    found = [Config(task, n, beta) for task, beta, n in product(tasks, (2.0, 20.0, 200.0), sizes)]
    return found + [Config("shift", n, overlap=overlap) for overlap, n in product(overlaps, (10, 100, 1000))]


def run(config: Config) -> list[Row]:
    """A row for each bound."""
    return _shift(config) if config.part == "shift" else _samples(config)


@cache
def search_class(overlap: float, seed: int) -> tuple[Domains, tuple[Policy, ...]]:
    """Domains of search, and log-linear policies with random parameters, shared between prompts and domains."""
    domains = families.search_domains(3, 2, ("9/10", "2/5"), overlap=overlap, difficulties=((0, 1, 2), (1, 2, 3)))
    generator, start = np.random.default_rng(seed), LogLinear(domains.env, token_features(domains.env))
    return domains, tuple(
        start.with_parameters(2 * generator.standard_normal(start.n_parameters)) for _ in range(DRAWS)
    )


def quiz() -> tuple[Policy, ...]:
    """Three policies on three questions, each right on two of them up to e^-30."""
    env = families.contextual_bandit([[["0"], ["1"]]] * 3, prompt_probability=("1/2", "1/3", "1/6"), name="quiz")
    return tuple(TabularSoftmax(env, [[0, -30 if q == unknown else 30] for q in range(3)]) for unknown in range(3))


def instance(config: Config) -> Instance:
    """What the bounds over n are checked on."""
    if config.part == "quiz":
        policies = quiz()
    else:
        domains, members = search_class(0.0, config.seed)
        policies = tuple(restrict(policy, domains.source_process) for policy in members)
    env = policies[0].env
    setting = Generalization(
        env.exact_prompt_probability,
        policies,
        n=config.n,
        delta=config.delta,
        inverse_temperature=config.inverse_temperature,
    )
    return Instance(env, policies[0], generalization=setting)


def _samples(config: Config) -> list[Row]:
    rows: list[Row] = []
    for claim in SAMPLES:
        found = coverage(claim, instance(config), every=False)
        if not found.is_exact:
            raise InputError(f"n: {config.n} training prompts have too many training sets to sum over; use fewer")
        rows.append(
            _row(
                config,
                claim,
                bound=found.bound,
                risk=found.risk,
                empirical=found.empirical,
                kl=found.kl,
                failure=found.failure,
                uncertain=found.doubtful,
                informative=found.informative,
                sets=found.sets,
            )
        )
    return rows


def _shift(config: Config) -> list[Row]:
    domains, policies = search_class(config.overlap, config.seed)
    prior = np.full(len(policies), 1 / len(policies))
    alone = np.array([risks(domains, policy).source for policy in policies])
    posterior = gibbs(prior, alone, config.inverse_temperature)
    found = risks(domains, policies, posterior)
    numbers = shift_numbers(domains, found.per_prompt, found.oscillation) | {
        s.R_S: found.source,
        s.R_T: found.target,
        s.n: config.n,
    }
    rows = []
    for claim in SHIFTS:
        with np.errstate(invalid="ignore"):
            right = float(CLAIMS[claim].sides(numbers)[1])
        bound = min(right, 1.0) if right == right else 1.0
        rows.append(
            _row(
                config,
                claim,
                bound=bound,
                risk=found.target,
                empirical=found.source,
                distance=float(domains.total_variation),
            )
        )
    return rows


def shift_numbers(domains: Domains, loss: Any, oscillation: Any) -> dict[Any, Any]:
    """What the claims about two domains take, but for risks and n; loss (N,) by prompt, oscillation (K,)."""
    env, source = domains.env, np.array([float(p) for p in domains.source])
    mean = (source * loss).sum()
    return {
        s.w: env.weights,
        s.W: env.total_weight,
        s.K: env.n_components,
        s.osc_value: oscillation,
        s.tv_domains: float(domains.total_variation),
        s.osc_loss: float(np.ptp(loss[domains.support])),
        s.kl_domains: domains.divergence,
        s.chi2_domains: float(domains.chi_squared),
        s.var_S: float((source * (loss - mean) ** 2).sum()),
    }


def _row(config: Config, claim: str, **numbers: float) -> Row:
    """empirical: risk on the training set, or on the source; risk: on the source, or on the target."""
    empty = dict.fromkeys(
        ("bound", "risk", "empirical", "distance", "kl", "failure", "uncertain", "informative", "sets"), 0.0
    )
    known = {
        "part": config.part,
        "claim": claim,
        "n": config.n,
        "inverse_temperature": config.inverse_temperature,
        "overlap": config.overlap,
    }
    return (
        known
        | {"delta": config.delta, "seed": config.seed}
        | empty
        | {name: float(value) for name, value in numbers.items()}
    )


def summary(table: dict[str, list[Any]], out: Any) -> None:
    """Which bound fails how often, and where the printed one falls below the target risk."""
    for line in findings(table):
        out.print(line, soft_wrap=True)


def findings(table: dict[str, list[Any]]) -> list[str]:
    """The same as lines."""
    rows, lines = [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)], []
    for part, claim in product(("search", "quiz"), SAMPLES):
        own = [row for row in rows if row["part"] == part and row["claim"] == claim]
        if own:
            worst, last = max(own, key=lambda row: row["failure"] + row["uncertain"]), max(row["n"] for row in own)
            gap = np.mean([row["bound"] - row["risk"] for row in own if row["n"] == last])
            most = worst["failure"] + worst["uncertain"]
            lines.append(
                f"{part}, {claim}: fails with probability at most {most:.2g} (n = {worst['n']:.0f}), allowed "
                f"{worst['delta']:g}; "
                f"bound minus risk at n = {last:.0f}: {gap:.3f}"
            )
    for claim in SHIFTS:
        own = [row for row in rows if row["part"] == "shift" and row["claim"] == claim]
        sizes = sorted({row["n"] for row in own}) if claim == "T3.printed" else [0.0]
        for n in sizes:
            chosen = [row for row in own if n in (0, row["n"])]
            below = [row["distance"] for row in chosen if row["bound"] < row["risk"] - 1e-12]
            where = (
                f"below the target risk for TV from {min(below):g} to {max(below):g}"
                if below
                else "never below the target risk"
            )
            slack = np.mean([row["bound"] - row["risk"] for row in chosen]) if chosen else 0.0
            if chosen:
                lines.append(
                    f"{claim}{f' at n = {n:.0f}' if n else ''}: {where}; mean of bound minus target risk {slack:+.3f}"
                )
    return lines
