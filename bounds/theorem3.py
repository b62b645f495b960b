"""Theorem 3 of the paper as theory.md section 7 states it: PAC-Bayes bounds, change of domain, tool depth.

``risk_bound``, ``sampled_risk_bound`` and the ``shift_`` functions give the same bounds for numbers of your own.
"""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import sympy as sp

from bounds import cost, observed
from bounds import enclosures_theorem3 as e
from bounds import symbols as s
from bounds.claim import Claim
from bounds.comparison import Measured
from bounds.coverage import (
    Coverage,
    Further,
    Learner,
    draw_posterior,
    draw_prompts,
    draw_rollouts,
    elsewhere,
    empirical_risks,
    exact_atoms,
    exact_coverage,
    list_sets,
    resampled_coverage,
    rollout_atoms,
)
from bounds.generalization import Generalization
from bounds.instance import Instance
from bounds.lemmas import LISTABLE, chain_bound
from bounds.pac_bayes import (
    BY_CHI2,
    BY_COMPONENTS,
    BY_DEPTH,
    BY_KL,
    BY_LOSS,
    COMPLEXITY,
    HORIZON,
    RISK,
    SAMPLED,
    binary_kl,
    kl_inverse,
    mean_error,
    risk_bound,
    sampled_risk_bound,
    shift_by_chi_squared,
    shift_by_components,
    shift_by_kl,
    trajectory_kl_bound,
)
from bounds.shift import measure_shift, setting_of
from bounds.verdicts import Standing
from bounds.worst_posterior import CATONI_C, EXCESS
from tamdp_theory import TAMDP, CapacityError, TabularSoftmax, families
from tamdp_theory.model import TOOL
from tamdp_theory.posteriors import divergence, gibbs

__all__ = [
    "CLAIMS",
    "Coverage",
    "binary_kl",
    "coverage",
    "kl_inverse",
    "mean_error",
    "risk_bound",
    "sampled_risk_bound",
    "shift_by_chi_squared",
    "shift_by_components",
    "shift_by_kl",
    "tool_runs",
    "trajectory_kl_bound",
]

PROVED, LITERATURE, PRINTED = Standing.PROVED, Standing.LITERATURE, Standing.PRINTED


# -- coverage -----------------------------------------------------------------------------------------------------

# how each bound fails, and the bound
EVENTS: dict[str, tuple[sp.Rel, sp.Expr]] = {
    "T3.kl": (sp.Gt(s.BinaryKL(s.R_hat, s.R_S), COMPLEXITY), RISK["kl"]),
    "T3.mcallester": (sp.Gt(s.R_S, RISK["mcallester"]), RISK["mcallester"]),
    "T3.catoni": (sp.Gt(s.R_S, RISK["catoni"]), RISK["catoni"]),
    "T3.kl.sampled": (sp.Gt(s.R_S, SAMPLED), SAMPLED),
    "T3.transfer": (sp.Gt(s.R_T, RISK["kl"] + s.shift_term), RISK["kl"] + s.shift_term),
}


def coverage(claim_id: str, instance: Instance, every: bool = True) -> Coverage:
    """How often the bound of a claim fails over training sets: exactly if they are few enough, else on ``resamples`` of
    them.

    every: it fails on a set if it fails for any posterior over the policies; where policies are drawn from a posterior,
    which takes a rule that picks one, for the Gibbs rule or for one that picks the worst by the true risks, whichever
    fails more often. False: for the Gibbs one. Half of delta is for the draw of policies where the posterior is
    sampled; Catoni's constant is 1.
    """
    setting, env = setting_of(instance), instance.env
    numbers = {s.n: float(setting.n), s.delta: setting.delta, s.C_catoni: CATONI_C}
    learner = Learner(
        setting.prior_probability,
        setting.inverse_temperature,
        *EVENTS[claim_id],
        numbers,
        EXCESS.get(claim_id) if every else None,
    )
    if claim_id == "T3.kl.sampled":
        return _sampled_coverage(instance, setting, learner, every)
    more = (
        elsewhere(env, setting.policies, np.array([float(p) for p in setting.target]))
        if claim_id == "T3.transfer"
        else None
    )
    try:
        atoms = (rollout_atoms if setting.rollouts else exact_atoms)(env, setting.policies)
        return exact_coverage(atoms, learner, setting.n, more)
    except CapacityError:  # too many to sum over: draw them
        return _drawn_coverage(instance, setting, learner, np.random.default_rng(instance.seed), instance.level, more)


def _drawn_coverage(
    instance: Instance,
    setting: Generalization,
    learner: Learner,
    generator: np.random.Generator,
    level: float,
    more: Further | None,
) -> Coverage:
    atoms = exact_atoms(instance.env, setting.policies)
    if setting.rollouts:
        batches = draw_rollouts(instance.env, setting.policies, setting.n, setting.resamples, generator)
    else:
        batches = draw_prompts(atoms, setting.n, setting.resamples, generator)
    return resampled_coverage(batches, atoms.risk, learner, level, more)


def _sampled_coverage(instance: Instance, setting: Generalization, learner: Learner, every: bool) -> Coverage:
    """Of the two rules on the same training sets, each with half of what the level leaves; what is not failure is told
    of the Gibbs rule.
    """
    half = {s.delta: setting.delta / 2, s.delta_drawn: setting.delta / 2, s.m_drawn: float(setting.draws)}
    gibbs_rule = replace(learner, numbers={**learner.numbers, **half})
    # only risks above the empirical one make this bound fail
    rules = [gibbs_rule, replace(gibbs_rule, adverse=EXCESS["T3.transfer"])] if every else [gibbs_rule]
    level = 1 - (1 - instance.level) / len(rules)
    found = []
    for rule in rules:
        generator = np.random.default_rng(instance.seed)
        found.append(
            _drawn_coverage(instance, setting, rule, generator, level, draw_posterior(setting.draws, generator))
        )
    worst = max(found, key=lambda one: one.high)
    return replace(
        found[0], failure=worst.failure, doubtful=worst.doubtful, low=max(one.low for one in found), high=worst.high
    )


def _coverage(claim_id: str) -> Callable[[Instance], Measured]:
    def measure(instance: Instance) -> Measured:
        found, setting = coverage(claim_id, instance), setting_of(instance)
        share = setting.delta / 2 if claim_id == "T3.kl.sampled" else setting.delta
        numbers = {s.Probability(EVENTS[claim_id][0]): found.failure, s.delta: share, s.delta_drawn: share}
        half = None if found.is_exact else max(found.high - found.failure, found.failure - found.low)
        kind = "every one" if found.is_exact else "drawn,"
        scope = "; failures are for any posterior, the rest for the Gibbs one" if claim_id in EXCESS else ""
        scope += f", undecided with probability {found.doubtful:.2g}" if found.doubtful > 1e-9 else ""
        trivial = min(found.informative, found.naive) if found.bound < 1 else 0.0
        note = (
            f"{kind} of {found.sets:,} training sets, n = {setting.n}: mean bound {found.bound:.4g}, empirical risk "
            f"{found.empirical:.4g}, "
            f"risk {found.risk:.4g}, KL {found.kl:.4g}; below 1 with probability {found.informative:.3g}, "
            f"risk above empirical with "
            f"{found.naive:.3g}{'' if found.is_exact else f'; Clopper-Pearson at {instance.level:g}'}{scope}"
        )
        # below 1 more rarely than delta, or not on average, a bound says nothing; nor does one that has nothing to pay
        # for
        return Measured(
            numbers, {}, found.doubtful if found.is_exact else 0.0, half, trivial=trivial, scale=0.0, note=note
        )

    return measure


def _tighter(instance: Instance) -> Measured:
    """Empirical risk and divergence of every training set, or of a thousand."""
    setting = setting_of(instance)
    atoms = exact_atoms(instance.env, setting.policies).merged()
    try:
        counts = list_sets(len(atoms.probability), setting.n)
    except CapacityError:
        counts = np.random.default_rng(instance.seed).multinomial(
            setting.n, atoms.probability / atoms.probability.sum(), size=1000
        )
    empirical = empirical_risks(counts, atoms.loss, setting.n)
    posterior = gibbs(setting.prior_probability, empirical, setting.inverse_temperature)
    # the Gibbs posterior, and on each set in turn one of the policies alone
    possible = np.flatnonzero(setting.prior_probability > 0)
    chosen = possible[np.arange(len(empirical)) % len(possible)]
    learned = np.concatenate([(posterior * empirical).sum(-1), empirical[np.arange(len(chosen)), chosen]])
    apart = np.concatenate(
        [divergence(posterior, setting.prior_probability), -np.log(setting.prior_probability[chosen])]
    )
    numbers = {s.R_hat: learned, s.kl_posterior: apart, s.n: setting.n, s.delta: setting.delta}
    return Measured(numbers, trivial=1.0, scale=0.0)


# -- depth --------------------------------------------------------------------------------------------------------


def tool_runs(env: TAMDP) -> tuple[int, int]:
    """(D, B): most tool calls in a trajectory, and most decisions in a row that call no tool."""
    calls = env.pair_kind == TOOL
    depth = int(env.node_depth[env.pair_node[calls]].max()) + 1 if calls.any() else 0
    inside = env.edge_target < env.n_nodes
    source = env.node_rank[env.pair_node[env.edge_pair]]
    run, longest = np.zeros(env.n_nodes, dtype=np.int64), 0
    for rank, level in enumerate(env.levels):
        after = np.where(calls, 0, run[env.pair_node] + 1)
        longest = max(longest, int(after[level.pairs].max()))
        edges = np.flatnonzero(inside & (source == rank))
        np.maximum.at(run, env.edge_target[edges], after[env.edge_pair[edges]])
    return depth, longest


def _depth(instance: Instance) -> Measured:
    measured, (depth, run) = chain_bound(instance), tool_runs(instance.env)
    if not measured.numbers:
        return measured
    # one node, and as many decisions as calls and runs allow
    attained = bool(measured.attained) and instance.env.horizon == depth + (depth + 1) * run
    return replace(measured, numbers={**measured.numbers, s.D_tools: depth, s.B_run: run}, attained=attained)


def _horizon(instance: Instance) -> Measured:
    depth, run = tool_runs(instance.env)
    longest = depth + (depth + 1) * run
    return Measured(
        {s.H: instance.env.horizon, s.D_tools: depth, s.B_run: run}, attained=instance.env.horizon == longest
    )


# -- stored examples ----------------------------------------------------------------------------------------------


def _moved() -> Instance:
    """Two prompts with one answer each, right on one only; the target asks the other one more often (theory.md,
    T3.printed).
    """
    env = families.contextual_bandit([[["0"]], [["1"]]], name="two-questions")
    policy = TabularSoftmax(env)
    return Instance(env, policy, generalization=Generalization((Fraction(3, 4), Fraction(1, 4)), (policy,), n=16))


def _coin() -> Instance:
    """The same with one policy: the number of wrong answers among n = 20 is binomial."""
    moved = _moved()
    return replace(
        moved, generalization=Generalization((Fraction(3, 4), Fraction(1, 4)), (moved.policy,), n=20, delta=0.2)
    )


_ANY = (
    "A training set fails if the bound does for any posterior on the class: searched from below, bounded from "
    "above by ln E_Pi exp(n phi)."
)
_TWO_DOMAINS = (
    "The source is the process's own prompt distribution; the posterior is any over the class, the policy alone "
    "where none is given. "
)

CLAIMS = (
    Claim(
        "T3.kl",
        "PAC-Bayes, small kl",
        LITERATURE,
        "coverage",
        sp.Le(s.Probability(EVENTS["T3.kl"][0]), s.delta),
        _coverage("T3.kl"),
        "docs/theory.md; Maurer 2004, cs/0411099; Seeger 2002",
        (),
        "Change of measure, and E exp(n kl) <= 2 sqrt(n). " + _ANY,
        (),
        (),
        _coin,
        observe=lambda o: observed.generalization(o, "kl"),
        zero_tells=True,
        cost=cost.nothing,
    ),
    Claim(
        "T3.mcallester",
        "PAC-Bayes, square root",
        LITERATURE,
        "coverage",
        sp.Le(s.Probability(EVENTS["T3.mcallester"][0]), s.delta),
        _coverage("T3.mcallester"),
        "docs/theory.md; McAllester 1999; Maurer 2004, cs/0411099",
        (),
        "Pinsker on T3.kl. " + _ANY,
        ("T3.kl",),
        (),
        _coin,
        observe=lambda o: observed.generalization(o, "mcallester"),
        zero_tells=True,
        cost=cost.nothing,
    ),
    Claim(
        "T3.kl.tighter",
        "The small kl is never the looser bound",
        PROVED,
        "inequality",
        sp.Le(RISK["kl"], RISK["mcallester"]),
        _tighter,
        "docs/theory.md",
        (),
        "kl(p||q) >= 2 (p - q)^2.",
        ("T3.kl", "T3.mcallester"),
        cost=cost.nothing,
    ),
    Claim(
        "T3.catoni",
        "PAC-Bayes, exponential",
        LITERATURE,
        "coverage",
        sp.Le(s.Probability(EVENTS["T3.catoni"][0]), s.delta),
        _coverage("T3.catoni"),
        "docs/theory.md; Catoni 2007, Theorem 1.2.6",
        (),
        "Change of measure with E exp(C n (..)) <= 1; C = 1 here, fixed before the data. " + _ANY,
        (),
        (),
        _coin,
        zero_tells=True,
        cost=cost.nothing,
    ),
    Claim(
        "T3.kl.sampled",
        "The same from policies drawn from the posterior",
        LITERATURE,
        "coverage",
        sp.Le(s.Probability(EVENTS["T3.kl.sampled"][0]), s.delta + s.delta_drawn),
        _coverage("T3.kl.sampled"),
        "docs/theory.md; Langford & Caruana 2001",
        (),
        "Chernoff's bound for the mean of independent draws, then T3.kl. "
        "The draws are from one posterior, which a rule picks: the Gibbs rule, or the worst posterior by the true "
        "risks.",
        ("T3.kl",),
        zero_tells=True,
        cost=cost.nothing,
    ),
    Claim(
        "T3.shift",
        "Another domain, by components",
        PROVED,
        "inequality",
        sp.Le(s.R_T, BY_COMPONENTS),
        lambda i: measure_shift(i, "components"),
        "docs/theory.md",
        (),
        _TWO_DOMAINS
        + "The mean of a function changes by at most its range times TV; "
        + "a component that is equal in both domains adds nothing.",
        enclose=e.shift_rows,
        cost=cost.nothing,
    ),
    Claim(
        "T3.shift.loss",
        "Another domain, by the loss as a whole",
        PROVED,
        "inequality",
        sp.Le(s.R_T, BY_LOSS),
        lambda i: measure_shift(i, "loss"),
        "docs/theory.md",
        (),
        _TWO_DOMAINS + "The same for the loss; never looser than by components.",
        ("T3.shift",),
        enclose=e.shift_rows,
        cost=cost.nothing,
    ),
    Claim(
        "T3.shift.pinsker",
        "Another domain, by divergence",
        PROVED,
        "inequality",
        sp.Le(s.R_T, BY_KL),
        lambda i: measure_shift(i, "kl"),
        "docs/theory.md",
        (),
        _TWO_DOMAINS + "The range is at most 1, and TV <= sqrt(KL/2).",
        ("T3.shift",),
        enclose=e.shift_rows,
        cost=cost.nothing,
    ),
    Claim(
        "T3.shift.chi",
        "Another domain, by the chi-squared divergence",
        PROVED,
        "inequality",
        sp.Le(s.R_T, BY_CHI2),
        lambda i: measure_shift(i, "chi"),
        "docs/theory.md",
        (),
        _TWO_DOMAINS + "Cauchy-Schwarz for the covariance of loss and density ratio.",
        enclose=e.shift_rows,
        cost=cost.nothing,
    ),
    Claim(
        "T3.transfer",
        "Training on the source, risk on the target",
        PROVED,
        "coverage",
        sp.Le(s.Probability(EVENTS["T3.transfer"][0]), s.delta),
        _coverage("T3.transfer"),
        "docs/theory.md",
        (),
        "T3.kl and T3.shift for the same posterior: the shift term has no n in it. " + _ANY,
        ("T3.kl", "T3.shift"),
        zero_tells=True,
        cost=cost.nothing,
    ),
    Claim(
        "T3.depth.horizon",
        "Tool depth bounds the horizon",
        PROVED,
        "inequality",
        sp.Le(s.H, HORIZON),
        _horizon,
        "docs/theory.md",
        (),
        "D calls cut a trajectory into at most D + 1 runs. Depth alone bounds nothing: without calls H = B.",
        weighted=True,
        enclose=e.runs_rows,
        cost=cost.nothing,
    ),
    Claim(
        "T3.depth",
        "Trajectory divergence over tool depth",
        PROVED,
        "inequality",
        sp.Le(s.kl, BY_DEPTH),
        _depth,
        "docs/theory.md",
        (LISTABLE,),
        "L1 with T3.depth.horizon. Between policies, not between distributions over policies.",
        ("L1.bound", "T3.depth.horizon"),
        weighted=True,
        enclose=e.depth_rows,
        cost=cost.passes,
    ),
    Claim(
        "T3.printed",
        "The shift term falls with the number of training prompts",
        PRINTED,
        "inequality",
        sp.Le(s.R_T, s.R_S + sp.sqrt(s.kl_domains / 2) / sp.sqrt(s.n)),
        lambda i: measure_shift(i, "kl"),
        "the paper's Eq. 25 to Eq. 50",
        (),
        "False: more prompts of the source say nothing about the target.",
        ("T3.shift.pinsker",),
        (),
        _moved,
        enclose=e.shift_rows,
        cost=cost.nothing,
    ),
)
