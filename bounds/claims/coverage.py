"""How often the PAC-Bayes bounds of theory.md section 7 fail over training sets (T3.kl and its relatives)."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import sympy as sp

from bounds import cost
from bounds import symbols as s
from bounds.claim import Assumption, Claim
from bounds.claims.domains import setting_of, suite_setting, two_questions
from bounds.comparison import Measured
from bounds.instance import Instance
from bounds.pac_bayes.bernstein import bernstein_coverage
from bounds.pac_bayes.coverage import (
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
from bounds.pac_bayes.formulas import BERNSTEIN, COMPLEXITY, RISK, SAMPLED
from bounds.pac_bayes.gaussian import MISS, GaussianClass, gaussian_coverage
from bounds.pac_bayes.setting import Generalization
from bounds.pac_bayes.worst_posterior import CATONI_C, EXCESS
from bounds.rollouts import measures as observed
from bounds.suite import SHARED, TRAINED, Suite, each
from bounds.verdicts import Standing
from tamdp_theory import TAMDP, CapacityError, LogLinear, Network, Policy
from tamdp_theory.posteriors import divergence, gibbs

# how each bound fails, and the bound
EVENTS: dict[str, tuple[sp.Rel, sp.Expr]] = {
    "T3.kl": (sp.Gt(s.BinaryKL(s.R_hat, s.R_S), COMPLEXITY), RISK["kl"]),
    "T3.mcallester": (sp.Gt(s.R_S, RISK["mcallester"]), RISK["mcallester"]),
    "T3.catoni": (sp.Gt(s.R_S, RISK["catoni"]), RISK["catoni"]),
    "T3.bernstein": (sp.Gt(s.R_S, BERNSTEIN), BERNSTEIN),
    "T3.kl.sampled": (sp.Gt(s.R_S, SAMPLED), SAMPLED),
    "T3.gaussian": (sp.Gt(s.R_S, SAMPLED), SAMPLED),
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
    if claim_id == "T3.bernstein":
        return _by_squares(instance, setting, every)
    if claim_id == "T3.gaussian":
        return _gaussian(instance, setting)
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
        return _drawn_coverage(
            instance, setting, learner, generator=np.random.default_rng(instance.seed), level=instance.level, more=more
        )


def _by_squares(instance: Instance, setting: Generalization, every: bool) -> Coverage:
    return bernstein_coverage(
        instance.once(exact_atoms, instance.env, setting.policies),
        setting.prior_probability,
        setting.inverse_temperature,
        setting.n,
        setting.delta,
        resamples=setting.resamples,
        generator=np.random.default_rng(instance.seed),
        level=instance.level,
        every=every,
    )


def _gaussian(instance: Instance, setting: Generalization) -> Coverage:
    return gaussian_coverage(
        instance.once(GaussianClass.around, instance.policy, instance.seed),
        instance.env.prompt_probability,
        setting.n,
        setting.draws,
        setting.delta / 2,
        setting.delta / 2,
        sets=setting.resamples,
        generator=np.random.default_rng(instance.seed),
        level=instance.level + MISS,
    )


def _drawn_coverage(
    instance: Instance,
    setting: Generalization,
    learner: Learner,
    generator: np.random.Generator,
    level: float,
    more: Further | None,
) -> Coverage:
    atoms = instance.once(exact_atoms, instance.env, setting.policies)
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
            _drawn_coverage(
                instance, setting, rule, generator=generator, level=level, more=draw_posterior(setting.draws, generator)
            )
        )
    worst = max(found, key=lambda one: one.high)
    return replace(
        found[0], failure=worst.failure, doubtful=worst.doubtful, low=max(one.low for one in found), high=worst.high
    )


def _covers(claim_id: str) -> Callable[[Instance], Measured]:
    def measure(instance: Instance) -> Measured:
        found, setting = coverage(claim_id, instance), setting_of(instance)
        share = setting.delta / 2 if claim_id in ("T3.kl.sampled", "T3.gaussian") else setting.delta
        numbers = {s.Probability(EVENTS[claim_id][0]): found.failure, s.delta: share, s.delta_drawn: share}
        half = None if found.is_exact else max(found.high - found.failure, found.failure - found.low)
        kind = "every one" if found.is_exact else "drawn,"
        every = claim_id in EXCESS or claim_id == "T3.bernstein"
        scope = "; failures are for any posterior, the rest for the Gibbs one" if every else ""
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
            numbers=numbers,
            assumptions={},
            error=found.doubtful if found.is_exact else 0.0,
            half_width=half,
            trivial=trivial,
            scale=0.0,
            note=note,
        )

    return measure


def _gaussian_covers(instance: Instance) -> Measured:
    return _covers("T3.gaussian")(instance)


GIVEN = Assumption(
    "setting", "the setting of the training sets is given", lambda i: getattr(i, "generalization", None) is not None
)


def _tighter(instance: Instance) -> Measured:
    """Empirical risk and divergence of every training set, or of a thousand."""
    setting = setting_of(instance)
    atoms = instance.once(exact_atoms, instance.env, setting.policies).merged()
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
    return Measured(numbers=numbers, trivial=1.0, scale=0.0)


def _coin() -> Instance:
    """The same with one policy: the number of wrong answers among n = 20 is binomial."""
    moved = two_questions()
    return replace(
        moved, generalization=Generalization((Fraction(3, 4), Fraction(1, 4)), (moved.policy,), n=20, delta=0.2)
    )


_ANY = (
    "A training set fails if the bound does for any posterior on the class: searched from below, bounded from "
    "above by ln E_Pi exp(n phi)."
)


def _settings(claim: Claim, suite: Suite) -> Iterable[Instance]:
    """Every process with a class of policies around one."""
    return (replace(i, generalization=suite_setting(i)) for i in each(claim, suite))


def _training_sets(claim: Claim, suite: Suite) -> Iterable[Instance]:
    """Every process with a class of policies, tabular and with shared parameters, and two of them by rollouts."""
    for instance in each(claim, suite, only=(TRAINED, SHARED)):
        setting = suite_setting(instance)
        yield replace(instance, generalization=setting)
        few = replace(setting, policies=setting.policies[:2], rollouts=True)
        yield replace(instance, generalization=few, label=f"{instance.label} rollouts")


def _few_parameters(claim: Claim, suite: Suite) -> Iterable[Instance]:
    """Networks and other policies with shared parameters, on the small processes with several prompts."""
    for instance in each(claim, suite.smallest, only=(TRAINED,)):
        if 1 < instance.env.n_prompts <= 3 and instance.env.n_pairs <= 40:
            for name, policy in _shared(instance.env):
                label = f"{instance.env.name} {name}"
                setting = replace(suite_setting(replace(instance, policy=policy)), n=200, draws=32, resamples=1000)
                yield replace(instance, policy=policy, generalization=setting, label=label)


def _shared(env: TAMDP) -> Iterable[tuple[str, Policy]]:
    features = np.random.default_rng(3).standard_normal((env.n_pairs, 3)).round(2)
    yield "log-linear", LogLinear(env, features, np.zeros(3))
    yield "network", Network(env, 4, generator=np.random.default_rng(4))


CLAIMS = (
    Claim(
        id="T3.kl",
        title="PAC-Bayes, small kl",
        standing=Standing.LITERATURE,
        kind="coverage",
        statement=sp.Le(s.Probability(EVENTS["T3.kl"][0]), s.delta),
        measure=_covers("T3.kl"),
        reference="docs/theory.md; Maurer 2004, cs/0411099; Seeger 2002",
        proof="Change of measure, and E exp(n kl) <= 2 sqrt(n). " + _ANY,
        example=_coin,
        observe=lambda o: observed.generalization(o, "kl"),
        zero_tells=True,
        cost=cost.nothing,
        instances=_training_sets,
        shown_on="held-out",
        figure="generalization",
    ),
    Claim(
        id="T3.mcallester",
        title="PAC-Bayes, square root",
        standing=Standing.LITERATURE,
        kind="coverage",
        statement=sp.Le(s.Probability(EVENTS["T3.mcallester"][0]), s.delta),
        measure=_covers("T3.mcallester"),
        reference="docs/theory.md; McAllester 1999; Maurer 2004, cs/0411099",
        proof="Pinsker on T3.kl. " + _ANY,
        depends_on=("T3.kl",),
        example=_coin,
        observe=lambda o: observed.generalization(o, "mcallester"),
        zero_tells=True,
        cost=cost.nothing,
        instances=_training_sets,
        shown_on="held-out",
        figure="generalization",
    ),
    Claim(
        id="T3.kl.tighter",
        title="The small kl is never the looser bound",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(RISK["kl"], RISK["mcallester"]),
        measure=_tighter,
        reference="docs/theory.md",
        proof="kl(p||q) >= 2 (p - q)^2.",
        depends_on=("T3.kl", "T3.mcallester"),
        cost=cost.nothing,
        instances=_settings,
        figure="generalization",
    ),
    Claim(
        id="T3.catoni",
        title="PAC-Bayes, exponential",
        standing=Standing.LITERATURE,
        kind="coverage",
        statement=sp.Le(s.Probability(EVENTS["T3.catoni"][0]), s.delta),
        measure=_covers("T3.catoni"),
        reference="docs/theory.md; Catoni 2007, Theorem 1.2.6",
        proof="Change of measure with E exp(C n (..)) <= 1; C = 1 here, fixed before the data. " + _ANY,
        example=_coin,
        zero_tells=True,
        cost=cost.nothing,
        instances=_training_sets,
        figure="generalization",
    ),
    Claim(
        id="T3.bernstein",
        title="PAC-Bayes, by squared losses",
        standing=Standing.LITERATURE,
        kind="coverage",
        statement=sp.Le(s.Probability(EVENTS["T3.bernstein"][0]), s.delta),
        measure=_covers("T3.bernstein"),
        reference="docs/theory.md; Mhammedi, Grünwald & Guedj 2019, arXiv 1905.13367; Fan, Grama & Liu 2015",
        proof=(
            r"For $\ell\in[0,1]$ and $0<\eta<1$, $\exp(-\eta\ell-s\eta^2\ell^2)\le 1-\eta\ell$ with "
            r"$s=(-\ln(1-\eta)-\eta)/\eta^2$, so $\mathbb{E}\exp(\eta(R-\ell)-s\eta^2\ell^2)\le 1$; change of measure "
            r"over $n$ prompts, and an eighth of $\delta$ for each of the eight rates. A training set fails if the "
            r"bound does for any posterior, which Gibbs' variational formula tells."
        ),
        example=_coin,
        zero_tells=True,
        cost=cost.nothing,
        instances=_settings,
        figure="generalization",
    ),
    Claim(
        id="T3.kl.sampled",
        title="The same from policies drawn from the posterior",
        standing=Standing.LITERATURE,
        kind="coverage",
        statement=sp.Le(s.Probability(EVENTS["T3.kl.sampled"][0]), s.delta + s.delta_drawn),
        measure=_covers("T3.kl.sampled"),
        reference="docs/theory.md; Langford & Caruana 2001",
        proof=(
            "Chernoff's bound for the mean of independent draws, then T3.kl. "
            "The draws are from one posterior, which a rule picks: the Gibbs rule, or the worst posterior by the true "
            "risks."
        ),
        depends_on=("T3.kl",),
        zero_tells=True,
        cost=cost.nothing,
        instances=_training_sets,
        figure="generalization",
    ),
    Claim(
        id="T3.gaussian",
        title="Gaussian posteriors on the parameters of a policy",
        standing=Standing.LITERATURE,
        kind="coverage",
        statement=sp.Le(s.Probability(EVENTS["T3.gaussian"][0]), s.delta + s.delta_drawn),
        measure=_gaussian_covers,
        reference="docs/theory.md; Langford & Caruana 2001",
        assumptions=(GIVEN,),
        proof=(
            r"T3.kl.sampled, whose proof asks nothing of the class: $\mathrm{KL}(Q\|\Pi)$ of normal laws is in closed "
            r"form, and the draw of policies has its own share of $\delta$. True risks are means over fresh draws, "
            r"with intervals that hold together with probability $1-10^{-4}$; a set counts as a failure only outside "
            r"of them."
        ),
        depends_on=("T3.kl.sampled",),
        zero_tells=True,
        cost=cost.nothing,
        instances=_few_parameters,
        figure="generalization",
    ),
    Claim(
        id="T3.transfer",
        title="Training on the source, risk on the target",
        standing=Standing.PROVED,
        kind="coverage",
        statement=sp.Le(s.Probability(EVENTS["T3.transfer"][0]), s.delta),
        measure=_covers("T3.transfer"),
        reference="docs/theory.md",
        proof="T3.kl and T3.shift for the same posterior: the shift term has no n in it. " + _ANY,
        depends_on=("T3.kl", "T3.shift"),
        zero_tells=True,
        cost=cost.nothing,
        instances=_training_sets,
        figure="generalization",
    ),
)
