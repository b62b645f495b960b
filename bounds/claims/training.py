"""How Theorem 1 is measured: sampled and exact training against its bounds."""

from dataclasses import replace

import numpy as np

from bounds import symbols as s
from bounds.claim import unmet
from bounds.claims.assumptions import PLAIN
from bounds.comparison import Measured
from bounds.instance import Instance
from bounds.rollouts import intervals
from bounds.rollouts.intervals import Estimate
from bounds.verdicts import Evidence
from tamdp_theory import TAMDP, Policy, exact, grpo
from tamdp_theory.exact.update_potential import Potential
from tamdp_theory.model import Floats

_SMALLEST = 8
_FINENESS = 16


def _start(instance: Instance) -> tuple[Potential, dict[str, bool]] | Measured:
    """The potential and the conditions met so far, or why Theorem 1 does not speak of the instance."""
    potential = instance.potential
    conditions = {
        "potential": potential is not None,
        "rewards vary": potential is not None and potential.smoothness > 0,
    }
    if potential is None or not conditions["rewards vary"] or unmet(instance, conditions):
        return Measured(numbers={}, assumptions=conditions)
    return potential, conditions


def _step_size(potential: Potential, gap: float, instance: Instance) -> float:
    """min(1/L, sqrt(2 gap / (L V T))), the step that minimizes the bound."""
    smooth, noise = potential.smoothness, potential.variance_bound
    if gap <= 1e-12 * abs(potential.upper):  # at the optimum up to rounding: any step will do
        return 1 / smooth
    result: float = min(1 / smooth, np.sqrt(2 * gap / (smooth * noise * instance.steps)))
    return result


def _sample(instance: Instance, learning_rate: float) -> grpo.History:
    """Runs of sampled training, with the update's moments recorded along the path."""
    config = replace(_config(instance, learning_rate), mode="sampled", record_variance=True)
    return instance.once(_trained, instance.env, instance.policy, config, instance.seed, instance.runs)


def _config(instance: Instance, learning_rate: float) -> grpo.Config:
    scheme = instance.scheme
    return grpo.Config(
        mode="exact",
        steps=instance.steps,
        learning_rate=learning_rate,
        group_size=scheme.group_size,
        normalization=scheme.normalization,
        eps=scheme.eps,
        ddof=scheme.ddof,
        record_update=True,
    )


def _trained(env: TAMDP, policy: Policy, config: grpo.Config, seed: int, runs: int) -> grpo.History:
    return grpo.train(env, policy, config, [np.random.default_rng([seed, run]) for run in range(runs)])


def gradient_ceiling(potential: Potential) -> float:
    """A number that ||grad F||^2 exceeds at no tabular policy (theory.md section 14): for each prompt kappa^2 osc^2/8
    if centred, else kappa/2 times the squared weight of the rewards that vary; for psi^2 <= kappa/(p (1 - p)), ||grad
    p||^2 <= p (1 - p)/2, and prompts are orthogonal."""
    env, kappa = potential.env, potential.scheme.kappa
    if potential.scheme.normalization == "center":
        return float(kappa**2 / 8 * (env.prompt_probability**2 * exact.reward_range(env) ** 2).sum())
    return float(kappa / 2 * (env.prompt_probability**2 * potential.coefficient.sum(axis=1) ** 2).sum())


def _largest_advantages(instance: Instance) -> Floats:
    """What the root mean square of the advantages of a prompt's groups cannot exceed (N,)."""
    env, scheme = instance.env, instance.scheme
    ceiling = scheme.estimator.ceiling(scheme.group_size, scheme.ddof, instance.reward_range)
    if not np.isfinite(ceiling).all():  # nothing general is known: look at every group
        found = np.zeros(env.n_prompts)
        for plan, classes in exact.UpdatePlan(env, scheme).groups:
            found[env.class_prompt[classes[:, 0]]] = plan.largest()
        return found
    total = float(scheme.estimator.total(env.exact_weights))
    return np.broadcast_to(total * np.asarray(ceiling, dtype=np.float64), env.n_prompts)


def second_moment_ceiling(instance: Instance) -> float:
    """A number that E||g||^2 exceeds at no tabular policy: ||g_q||^2 <= mean A^2 mean ||s||^2 by Cauchy and Schwarz,
    and L2; where eps > 0 divides the composite, also by L9.eps, in ||g_q|| <= ||a|| + ||g_q - a|| on average.
    """
    env, scheme = instance.env, instance.scheme
    energy = env.horizon * (1 - 1 / env.n_actions)
    found = energy * _largest_advantages(instance) ** 2
    if scheme.normalization == "sum_then_normalize" and scheme.eps > 0:
        noise = instance.reward_range * (np.sqrt(energy) + np.sqrt(0.5)) / (scheme.eps * np.sqrt(scheme.group_size))
        found = np.minimum(found, scheme.kappa**2 * (np.sqrt(0.5) + noise) ** 2)
    return float((env.prompt_probability**2 * found).sum())


def drift_ceiling(instance: Instance) -> float:
    """A number that |<grad J, m>| exceeds at no tabular policy: ||grad J_q||^2 <= osc^2/8 and ||m_q||^2 = ||E[h s]||^2
    <= E[h^2]/2 <= E[A^2]/2.
    """
    env = instance.env
    return float((env.prompt_probability**2 * instance.reward_range * _largest_advantages(instance)).sum() / 4)


def _over_runs(instance: Instance, per_run: Floats, level: float, low: float, high: float) -> Estimate:
    """The expectation of a statistic of a run that is in [low, high] if the policy is tabular."""
    return (
        intervals.bounded_mean(per_run, level, low, high)
        if instance.policy.is_tabular
        else intervals.mean(per_run, level)
    )


def _evidence(found: Estimate) -> Evidence:
    return Evidence.STATISTICAL if found.valid else Evidence.ASYMPTOTIC


def stationary(instance: Instance, along_path: bool) -> Measured:
    """The mean of ||grad F||^2 over a run against its bound, with the variance bounded a priori or met
    along the path.
    """
    started = _start(instance)
    if isinstance(started, Measured):
        return started
    potential, conditions = started
    start, best, smooth, noise = (
        potential.value(instance.policy),
        potential.upper,
        potential.smoothness,
        potential.variance_bound,
    )
    eta = instance.learning_rate or _step_size(potential, best - start, instance)
    conditions["step size"] = bool(eta <= 1 / smooth * (1 + 1e-12))
    if failed := unmet(instance, conditions):
        return failed
    history = _sample(instance, eta)
    assert history.update_norm2 is not None
    squares, ceiling = history.update_norm2[:, :-1].mean(axis=1), gradient_ceiling(potential)
    numbers = {
        s.mean_grad_F: float(squares.mean()),
        s.F_star: best,
        s.F_0: start,
        s.eta: eta,
        s.T: instance.steps,
        s.L: smooth,
        s.variance_bound: noise,
    }
    progress, weight = 2 * (best - start) / (eta * instance.steps), smooth * eta
    if along_path:
        assert history.variance is not None
        # both sides of a run in one number, which has one interval
        largest = (
            min(noise, second_moment_ceiling(instance))
            if PLAIN.met is not None and PLAIN.met(instance)
            else second_moment_ceiling(instance)
        )
        variances = history.variance[:, :-1].mean(axis=1)
        numbers[s.variance_path] = float(variances.mean())
        found = _over_runs(instance, squares - weight * variances, instance.level, -weight * largest, ceiling)
        half = found.distance(progress)
    else:
        found = _over_runs(instance, squares, instance.level, 0.0, ceiling)
        half = found.distance(progress + weight * noise)
    trivial = ceiling if instance.policy.is_tabular else np.inf
    note = (
        f"{instance.runs} runs of {instance.steps} steps, interval at {instance.level:g}, eta = {eta:.3g}, L by "
        f"{potential.smoothness_claim}, at most {ceiling:.4g} whatever the run"
    )
    return Measured(
        numbers=numbers,
        assumptions=conditions,
        half_width=half,
        trivial=trivial,
        scale=smooth * best,
        evidence=_evidence(found),
        note=note,
    )


def exact_path(instance: Instance) -> Measured:
    """The least ||grad F||^2 along the expected update with step 1/L."""
    started = _start(instance)
    if isinstance(started, Measured):
        return started
    potential, conditions = started
    smooth = potential.smoothness
    config = _config(instance, 1 / smooth)
    history = instance.once(grpo.train, instance.env, instance.policy, config)
    assert history.update_norm2 is not None
    end = instance.policy.with_parameters(history.parameters[0])
    numbers = {
        s.min_grad_F: float(history.update_norm2.min()),
        s.L: smooth,
        s.T: instance.steps,
        s.F_0: potential.value(instance.policy),
        s.F_T: potential.value(end),
        s.F_star: potential.upper,
    }
    # F_T - F_0 carries the rounding of F
    error = 4 * smooth / (3 * instance.steps) * 1e-13 * abs(potential.upper)
    note = f"{instance.steps} exact steps, eta = 1/L, L by {potential.smoothness_claim}"
    return Measured(
        numbers=numbers, assumptions=conditions, error=error, trivial=gradient_ceiling(potential), scale=0.0, note=note
    )


def biased(instance: Instance) -> Measured:
    """The mean of ||grad J||^2 over a run against its bound, with a drift constant that is shown at the level."""
    env, scheme = instance.env, instance.scheme
    smooth = instance.smoothness
    conditions = {"rewards vary": smooth > 0}
    if smooth == 0 or unmet(instance, conditions):
        return Measured(numbers={}, assumptions=conditions)
    eta = instance.learning_rate or 0.2
    history = _sample(instance, eta)
    assert history.drift is not None
    squares, drift = history.gradient_norm2[:, :-1].mean(axis=1), history.drift[:, :-1].mean(axis=1)
    ceiling = float((env.prompt_probability**2 * instance.reward_range**2).sum() / 8)
    estimate = float(drift.sum() / squares.sum()) if squares.sum() > 0 else 0.0
    # the constant and the left side share the level
    alpha = (
        drift_constant(drift, squares, (1 - instance.level) / 2, drift_ceiling(instance), ceiling)
        if instance.policy.is_tabular
        else estimate
    )
    conditions["drift"] = alpha > 0
    constant = f"alpha at least {alpha:.3f}, about {estimate:.3f}"
    note = (
        f"{instance.runs} runs of {instance.steps} steps {scheme.normalization}, interval at {instance.level:g}, "
        f"{constant}"
    )
    if failed := unmet(instance, conditions):
        return Measured(numbers=failed.numbers, assumptions=conditions, note=f"not met: drift; {note}")
    found = _over_runs(instance, squares, (1 + instance.level) / 2, 0.0, ceiling)
    gap, second = (instance.optimum.total - instance.values.total, second_moment_ceiling(instance))
    numbers = {
        s.mean_grad_J: float(squares.mean()),
        s.J_star: instance.optimum.total,
        s.J_0: instance.values.total,
        s.alpha: alpha,
        s.eta: eta,
        s.T: instance.steps,
        s.L_J: smooth,
        s.M_2: second,
    }
    half = found.distance((gap / (eta * instance.steps) + smooth * eta * second / 2) / alpha) if alpha else np.inf
    return Measured(
        numbers=numbers,
        assumptions=conditions,
        half_width=half,
        trivial=ceiling,
        scale=ceiling,
        evidence=_evidence(found),
        note=note,
    )


def drift_constant(drift: Floats, squares: Floats, miss: float, largest_drift: float, largest_square: float) -> float:
    """alpha >= 0 with E drift >= alpha E square except with probability ``miss``, from independent pairs (n,) of known
    ranges; 0 if none is shown.

    The largest number of a fixed geometric grid such that for it and all before it E[drift - alpha square] > 0 is
    shown. If it is too large, so is the first grid number above E drift / E square, of which a false thing was shown:
    that has probability ``miss``.

    Args:
        drift: per run, within +-``largest_drift`` (n,).
        squares: per run, in [0, ``largest_square``] (n,).
        miss: probability in (0, 1).
        largest_drift, largest_square: > 0, else nothing is shown.
    """
    if not (largest_square > 0 and largest_drift > 0):  # beyond the floats
        return 0.0
    unit, shown = largest_drift / largest_square, 0.0
    for k in range(-_SMALLEST * _FINENESS, _SMALLEST * _FINENESS + 1):
        alpha = float(unit * 2 ** (k / _FINENESS))
        if not intervals.is_mean_above(
            drift - alpha * squares, 0.0, miss, -largest_drift - alpha * largest_square, largest_drift
        ):
            break
        shown = alpha
    return shown
