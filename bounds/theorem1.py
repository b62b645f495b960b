"""Theorem 1 of the paper, convergence, as theory.md section 5 states and proves it."""

from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import log

import numpy as np
import sympy as sp
from scipy import stats

from bounds import cost, observed, structure
from bounds import enclosures as e
from bounds import symbols as s
from bounds.claim import Assumption, Claim, unmet
from bounds.comparison import Measured
from bounds.instance import Instance
from bounds.lemmas import CLAIMS as LEMMAS
from bounds.lemmas import DECOMPOSED, PLAIN, POTENTIAL, TABULAR
from bounds.potentials import Potential, find_potential
from bounds.structure import is_plain
from bounds.verdicts import Evidence, Standing
from tamdp_theory import TAMDP, TabularSoftmax, exact, families, grpo
from tamdp_theory.exact import Scheme, balls
from tamdp_theory.model import Floats

VARIES = Assumption("rewards vary", "some prompt has two composite rewards, so that L > 0")
STEP = Assumption("step size", "eta <= 1/L")
DRIFT = Assumption("drift", "alpha > 0: the expected update points uphill on average along the path")
WITNESS = Assumption("witness", "the instance shows it; other instances say nothing about existence")
UNINFORMATIVE = Assumption(
    "uninformative scores", "one prompt; scores are independent of rewards: at every node all actions have one law of what follows",
    lambda i: structure.uninformed_law(i.env) is not None,
)  # fmt: skip
INDEPENDENT = Assumption(
    "independent", "components are fair, 0 or 1, independent, of weight one; normalize_then_sum, eps = 0, ddof = 0", structure.is_independent
)
COMONOTONE = Assumption(
    "comonotone", "components are fair, 0 or 1, all equal, of weight one; normalize_then_sum, eps = 0, ddof = 0", structure.is_comonotone
)
PLAIN_JOINT = Assumption(
    "plain joint", "sum_then_normalize, eps = 0, ddof = 0", lambda i: is_plain(i.scheme) and i.scheme.normalization == "sum_then_normalize", groups=True
)
UNIT = Assumption(
    "unit weights", "all weights are 1 and K >= 2, so that one component can be compared with all",
    lambda i: len(i.exact_weights) >= 2 and all(w == 1 for w in i.exact_weights), groups=True,
)  # fmt: skip


def _start(instance: Instance) -> tuple[Potential, dict[str, bool]] | Measured:
    """The potential and the conditions met so far, or why Theorem 1 does not speak of the instance."""
    scheme = instance.scheme
    potential = find_potential(instance.env, scheme)
    plain = scheme.normalization == "center" or is_plain(scheme)
    conditions = {"tabular": instance.policy.is_tabular, "potential": potential is not None, "plain scaling": plain}
    conditions["rewards vary"] = potential is not None and potential.smoothness > 0
    if potential is None or not conditions["rewards vary"] or unmet(instance, conditions):
        return Measured({}, conditions)
    return potential, conditions


def _step_size(potential: Potential, gap: float, instance: Instance) -> float:
    """min(1/L, sqrt(2 gap / (L V T))), the step that minimizes the bound."""
    smooth, noise = potential.smoothness, potential.variance_bound
    if gap <= 1e-12 * abs(potential.upper):  # at the optimum up to rounding: any step will do
        return 1 / smooth
    result: float = min(1 / smooth, np.sqrt(2 * gap / (smooth * noise * instance.steps)))
    return result


def _sample(instance: Instance, learning_rate: float, record_variance: bool = True) -> grpo.History:
    scheme = instance.scheme
    config = grpo.Config(
        mode="sampled", steps=instance.steps, learning_rate=learning_rate, group_size=scheme.group_size,
        normalization=scheme.normalization, eps=scheme.eps, ddof=scheme.ddof, record_update=True, record_variance=record_variance,
    )  # fmt: skip
    seeds = [np.random.default_rng([instance.seed, run]) for run in range(instance.runs)]
    return grpo.train(instance.env, instance.policy, config, seeds)


def _interval(per_run: Floats, level: float) -> tuple[float, float]:
    """Mean over independent runs and the half-width of its Student-t interval at ``level``."""
    n = len(per_run)
    spread = float(per_run.std(ddof=1)) / np.sqrt(n)
    return float(per_run.mean()), float(stats.t.ppf((1 + level) / 2, n - 1)) * spread


def _gradient_ceiling(instance: Instance, potential: Potential) -> float:
    """A bound of ||grad F||^2 that needs no training: |Cov(h, s)|^2 <= Var(h) E||s||^2, prompts being orthogonal."""
    env, size = instance.env, instance.scheme.group_size
    energy = env.horizon * (1 - 1 / env.n_actions)
    if instance.scheme.normalization == "center":
        deviation = potential.scheme.kappa * exact.reward_range(env) / 2
    else:
        # sd of h for two values is psi sqrt(p (1 - p)) <= min(1, sqrt(G - 1) / 2)
        deviation = potential.coefficient.sum(axis=1) * min(1.0, np.sqrt(size - 1) / 2)
    return float((env.prompt_probability**2 * deviation**2).sum() * energy)


def _stationary(instance: Instance, along_path: bool) -> Measured:
    started = _start(instance)
    if isinstance(started, Measured):
        return started
    potential, conditions = started
    start, ceiling = potential.value(instance.policy), potential.upper
    smooth = potential.smoothness
    eta = instance.learning_rate or _step_size(potential, ceiling - start, instance)
    conditions["step size"] = bool(eta <= 1 / smooth * (1 + 1e-12))
    if failed := unmet(instance, conditions):
        return failed
    history = _sample(instance, eta, along_path)
    assert history.update_norm2 is not None
    # two intervals share the level along the path
    level = (1 + instance.level) / 2 if along_path else instance.level
    mean, half = _interval(history.update_norm2[:, :-1].mean(axis=1), level)
    numbers = {
        s.mean_grad_F: mean, s.F_star: ceiling, s.F_0: start, s.eta: eta, s.T: instance.steps, s.L: smooth, s.variance_bound: potential.variance_bound,
    }  # fmt: skip
    note = f"{instance.runs} runs of {instance.steps} steps, t interval at {instance.level:g}, eta = {eta:.3g}"
    if along_path:
        assert history.variance is not None
        noise, noise_half = _interval(history.variance[:, :-1].mean(axis=1), level)
        numbers[s.variance_path] = noise
        half += smooth * eta * noise_half
    return Measured(numbers, conditions, half_width=half, trivial=_gradient_ceiling(instance, potential), scale=smooth * ceiling, note=note)


def _exact_path(instance: Instance) -> Measured:
    started = _start(instance)
    if isinstance(started, Measured):
        return started
    potential, conditions = started
    env, scheme, smooth = instance.env, instance.scheme, potential.smoothness
    config = grpo.Config(
        mode="exact", steps=instance.steps, learning_rate=1 / smooth, group_size=scheme.group_size, normalization=scheme.normalization,
        eps=scheme.eps, ddof=scheme.ddof, record_update=True,
    )  # fmt: skip
    history = grpo.train(env, instance.policy, config)
    assert history.update_norm2 is not None
    end = instance.policy.with_parameters(history.parameters[0])
    numbers = {
        s.min_grad_F: float(history.update_norm2.min()), s.L: smooth, s.T: instance.steps, s.F_0: potential.value(instance.policy),
        s.F_T: potential.value(end), s.F_star: potential.upper,
    }  # fmt: skip
    # F_T - F_0 carries the rounding of F
    error = 4 * smooth / (3 * instance.steps) * 1e-13 * abs(potential.upper)
    note = f"{instance.steps} exact steps, eta = 1/L"
    return Measured(numbers, conditions, error=error, trivial=_gradient_ceiling(instance, potential), scale=0.0, note=note)


def _biased(instance: Instance) -> Measured:
    env, scheme = instance.env, instance.scheme
    smooth = exact.smoothness(env)
    conditions = {"tabular": instance.policy.is_tabular, "rewards vary": smooth > 0}
    if smooth == 0 or unmet(instance, conditions):
        return Measured({}, conditions)
    eta = instance.learning_rate or 0.2
    history = _sample(instance, eta)
    assert history.drift is not None and history.update_norm2 is not None and history.variance is not None
    squares, drift = history.gradient_norm2[:, :-1].sum(axis=1), history.drift[:, :-1].sum(axis=1)
    alpha = float(drift.sum() / squares.sum()) if squares.sum() > 0 else 0.0
    conditions["drift"] = alpha > 0
    if failed := unmet(instance, conditions):
        return failed
    mean, half = _interval(squares / instance.steps, instance.level)
    # alpha comes from the same runs; its error moves the right side by at most rhs * (relative error of alpha)
    _, alpha_half = _interval((drift - alpha * squares) / squares.mean(), instance.level)
    second = float((history.update_norm2 + history.variance).max())
    numbers = {
        s.mean_grad_J: mean, s.J_star: exact.optimal_values(env).total, s.J_0: exact.values(env, instance.policy).total, s.alpha: alpha,
        s.eta: eta, s.T: instance.steps, s.L_J: smooth, s.M_2: second,
    }  # fmt: skip
    rhs = BIASED.sides(numbers)[1]
    ceiling = float((env.prompt_probability**2 * exact.reward_range(env) ** 2).sum() / 4) * env.horizon * (1 - 1 / env.n_actions)
    note = f"{instance.runs} runs of {instance.steps} steps {scheme.normalization}, t interval at {instance.level:g}, alpha = {alpha:.3f}"
    return Measured(numbers, conditions, half_width=half + rhs * alpha_half / alpha, trivial=ceiling, scale=ceiling, note=note)


def _enclosed(instance: Instance, weights: tuple[Fraction, ...] | None = None) -> balls.BallUpdate:
    env, scheme = instance.env, instance.scheme
    process = env if weights is None else env.with_weights(weights)
    return balls.update(process, instance.policy, scheme.group_size, scheme.normalization, scheme.eps, scheme.ddof)


def _drift(instance: Instance) -> Measured:
    enclosure = _enclosed(instance).drift
    conditions = {"witness": bool(enclosure < 0)}
    if failed := unmet(instance, conditions):
        return failed
    numbers = {s.drift: float(enclosure.mid())}
    return Measured(numbers, conditions, error=float(enclosure.rad()), scale=0.0, evidence=Evidence.CERTIFIED)


def _risky_or_safe() -> Instance:
    env = families.drift_bandit()
    return Instance(env, TabularSoftmax(env), Scheme(2, "sum_then_normalize"))


def _decomposed_drift() -> Instance:
    """Arm a: R_1 = 1 with probability 3/4, R_2 = 0. Arm b: R_1 = 1 with 1/4, R_2 = 1 with 1/40, independent; w = (1/20, 19/20)."""
    first = [("3/4", (1, 0)), ("1/4", (0, 0))]
    second = [("1/160", (1, 1)), ("39/160", (1, 0)), ("3/160", (0, 1)), ("117/160", (0, 0))]
    env = families.bandit([first, second], weights=("1/20", "19/20"), name="bandit-drift-decomposed")
    return Instance(env, TabularSoftmax(env), Scheme(4, "normalize_then_sum"))


def _variance_in_components(instance: Instance) -> Measured:
    env = instance.env
    count = env.n_components
    everything = _enclosed(instance).variance
    alone = _enclosed(instance, (Fraction(1), *[Fraction(0)] * (count - 1))).variance
    if not (alone > 0 and everything > 0):
        return Measured({}, empty="the variance vanishes")
    ratio = everything / alone
    exponent = ratio.log() / log(count)
    error = float(exponent.rad()) + 1e-14
    note = f"V grows as K^{float(exponent.mid()):.4g} from one component to K = {count}; {_upper_bound(instance)}"
    return Measured({s.exponent_K: float(exponent.mid())}, error=error, evidence=Evidence.CERTIFIED, note=note)


def _upper_bound(instance: Instance) -> str:
    """What is true beside the quoted scaling: L9.components on the same process, policy and G, advantages centred."""
    centred = replace(instance, scheme=Scheme(instance.scheme.group_size, "center"))
    found = next(claim for claim in LEMMAS if claim.id == "L9.components").check(centred)
    return f"as an upper bound, centred, L9.components {found.verdict}: V = {found.lhs:.6g} <= {found.rhs:.6g}"


def _law_of_variance(instance: Instance) -> Measured:
    """V and what it is made of, on one prompt."""
    env, policy, scheme = instance.env, instance.policy, instance.scheme
    if env.n_prompts > 1:
        return Measured({}, {"uninformative scores": False}, note="speaks of one prompt")
    law = exact.reward_law(env, policy)[0]
    composite: dict[Fraction, float] = {}
    for c, p in zip(env.exact_class_composite, law.probability.tolist(), strict=True):
        composite[c] = composite.get(c, 0.0) + p
    silent = sum(p**scheme.group_size for p in composite.values())
    variance = exact.update_moments(env, policy, scheme.group_size, scheme.normalization, scheme.eps, scheme.ddof).variance
    energy = float(law.score_energy.sum())
    return Measured({s.variance: variance, s.energy: energy, s.silent: silent, s.K: env.n_components, s.G: scheme.group_size}, scale=energy)


def component_bandit(count: int, comonotone: bool, name: str) -> TAMDP:
    """Two arms with one reward law: ``count`` fair 0/1 components, all equal or independent; unit weights; scores carry no news."""
    if comonotone:
        law = [(Fraction(1, 2), (bit,) * count) for bit in (0, 1)]
    else:
        law = [(Fraction(1, 2**count), bits) for bits in product((0, 1), repeat=count)]
    return families.bandit([law, law], weights=(1,) * count, name=name)


def _comonotone() -> Instance:
    env = component_bandit(2, True, "comonotone-components")
    return Instance(env, TabularSoftmax(env), Scheme(4, "normalize_then_sum"))


PROVED, LITERATURE, PRINTED = Standing.PROVED, Standing.LITERATURE, Standing.PRINTED
_POTENTIAL_SCHEMES = (Scheme(8, "center"), Scheme(8, "normalize_then_sum"), Scheme(4, "sum_then_normalize"))
_GUARANTEE = 2 * (s.F_star - s.F_0) / (s.eta * s.T)

BIASED = Claim(
    "T1.biased", "Convergence without a potential", PROVED, "inequality",
    sp.Le(s.mean_grad_J, (s.J_star - s.J_0) / (s.alpha * s.eta * s.T) + s.L_J * s.eta * s.M_2 / (2 * s.alpha)), _biased, "docs/theory.md",
    (TABULAR, VARIES, DRIFT), "Descent lemma for J; replace <grad J, m> by alpha ||grad J||^2 in the sum.", ("L3",), (Scheme(8, "sum_then_normalize"),),
    observe=observed.convergence, cost=cost.training,
)  # fmt: skip

CLAIMS = (
    Claim(
        "T1.stationary", "Convergence to a stationary point of the potential, a priori", PROVED, "inequality",
        sp.Le(s.mean_grad_F, _GUARANTEE + s.L * s.eta * s.variance_bound), lambda i: _stationary(i, False), "docs/theory.md",
        (TABULAR, POTENTIAL, PLAIN, VARIES, STEP), "Descent lemma for F with E g = grad F, telescoped; constants from L2, L3, L7 and L9.",
        ("L2.bound", "L3", "L7", "L9", "L9.decomposed"), _POTENTIAL_SCHEMES, observe=observed.convergence, cost=cost.training,
    ),
    Claim(
        "T1.stationary.path", "Convergence to a stationary point of the potential, along the path", PROVED, "inequality",
        sp.Le(s.mean_grad_F, _GUARANTEE + s.L * s.eta * s.variance_path), lambda i: _stationary(i, True), "docs/theory.md",
        (TABULAR, POTENTIAL, PLAIN, VARIES, STEP), "As a priori, with the exact variance at each visited point in place of its bound.",
        ("L3", "L6", "L7"), _POTENTIAL_SCHEMES, observe=observed.convergence, cost=cost.training,
    ),
    Claim(
        "T1.exact", "Rate of the expected update, from the progress made", LITERATURE, "inequality",
        sp.Le(s.min_grad_F, 4 * s.L * (s.F_T - s.F_0) / (3 * s.T)), _exact_path, "tight for L-smooth functions; PEPit's non-convex gradient descent",
        (TABULAR, POTENTIAL, PLAIN, VARIES), "Interpolation of L-smooth functions, summed with the multipliers of the tight proof.",
        ("L3", "L7"), _POTENTIAL_SCHEMES, observe=observed.convergence, cost=cost.exact_training,
    ),
    Claim(
        "T1.exact.start", "Rate of the expected update, from the start", LITERATURE, "inequality",
        sp.Le(s.min_grad_F, 4 * s.L * (s.F_star - s.F_0) / (3 * s.T + 2)), _exact_path, "tight for L-smooth functions; PEPit's non-convex gradient descent",
        (TABULAR, POTENTIAL, PLAIN, VARIES), "As T1.exact with F* - F_T >= ||grad F_T||^2 / (2L).", ("T1.exact",), _POTENTIAL_SCHEMES,
        observe=observed.convergence, cost=cost.exact_training,
    ),
    BIASED,
    Claim(
        "T1.drift", "The expected update can lower the objective", PROVED, "example", sp.Lt(s.drift, 0), _drift, "docs/theory.md", (TABULAR, WITNESS),
        "One prompt, arms 1 with probability 2/5 and 1/4 surely, pi = 1/2, G = 2: <grad J, m> = -3/800.", ("L5",), (), _risky_or_safe, observe=observed.drift,
        enclose=e.drift_rows, cost=cost.nothing,
    ),
    Claim(
        "T1.drift.decomposed", "So can the decomposed one", PROVED, "example", sp.Lt(s.drift, 0), _drift,
        "docs/theory.md", (TABULAR, DECOMPOSED, WITNESS), "psi_G differs between components, and reweights a sum of opposed gradients.", ("L5", "L7"),
        (), _decomposed_drift, observe=lambda o: observed.drift(o, True),
        enclose=e.drift_rows, cost=cost.nothing,
    ),
    Claim(
        "T1.scaling.joint", "Variance under joint normalization: 1/G, whatever K", PROVED, "scaling", sp.Eq(s.variance, s.energy * (1 - s.silent) / s.G),
        _law_of_variance, "docs/theory.md", (UNINFORMATIVE, PLAIN_JOINT),
        "Scores of different members are independent and centred, so V = E[A^2] E||s||^2 / G; a group that is not silent has mean A^2 = 1.", ("L6",),
        (Scheme(8, "sum_then_normalize"),),
        enclose=e.scaling_rows,
    ),
    Claim(
        "T1.scaling.independent", "Variance of independent decomposed components: K/G", PROVED, "scaling",
        sp.Eq(s.variance, s.energy * s.K * (1 - 2 ** (1 - s.G)) / s.G), _law_of_variance, "docs/theory.md",
        (UNINFORMATIVE, INDEPENDENT), "As T1.scaling.joint; standardized independent components are uncorrelated, each silent with probability 2^(1-G).",
        ("L6",), (Scheme(8, "normalize_then_sum"),),
        enclose=e.scaling_rows,
    ),
    Claim(
        "T1.scaling.comonotone", "Variance of equal decomposed components: K^2/G", PROVED, "scaling",
        sp.Eq(s.variance, s.energy * s.K**2 * (1 - 2 ** (1 - s.G)) / s.G), _law_of_variance, "docs/theory.md",
        (UNINFORMATIVE, COMONOTONE), "The summed advantage is K times one component's.", ("T1.scaling.independent",), (Scheme(8, "normalize_then_sum"),),
        enclose=e.scaling_rows,
    ),
    Claim(
        "T1.assumption2", "The variance scales as K/G", PRINTED, "scaling", sp.Eq(s.exponent_K, 1), _variance_in_components,
        "the paper's Assumption 2, as quoted in reviews", (TABULAR, UNIT),
        "False as a scaling, V proportional to K/G: with equal components of weight one the variance grows as K^2, centred or decomposed; jointly "
        "normalized it does not grow. True as an upper bound for centred advantages: V <= kappa^2 K sum w_k^2 E||s||^2 / G (L9.components).",
        ("T1.scaling.joint", "T1.scaling.comonotone", "L9.components"), (), _comonotone,
        enclose=e.exponent_rows, cost=cost.nothing,
    ),
)  # fmt: skip
