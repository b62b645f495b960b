"""How fast GRPO reaches a stationary point: running mean of the squared gradient against the number of steps, and what
Theorem 1 promises.

Process: RL4VLM's number line, three numbers and two steps; tabular policy, uniform at the start. Where L7 gives a
potential F (centred advantages; components that are 0 or 1 under normalize_then_sum; accuracy alone under
sum_then_normalize) the measured number is the mean of ||grad F||^2 over the first T steps, its bounds T1.stationary (a
priori), T1.stationary.path (exact variance along the path) and, for exact updates, T1.stationary.path without variance
and T1.exact.start. The composite reward of three values under sum_then_normalize has no potential (L8): there the
number is the mean of ||grad J||^2, and its bound T1.biased with the drift constant measured along the path.

Schedules: ``tuned`` trains anew for each T with the step that minimizes the bound a priori, ``largest`` is one training
with step 1/L, ``exact`` follows the expected update with step 1/L. The rate is the slope of log mean over log T for T
>= steps/16, fitted for each run, with a Student-t interval over runs. Expected: no mean above its bound; a bound of
slope -1/2 if tuned (-1 while the step is still 1/L), -1 if exact; a floor of the bound a priori at the largest step,
where the measured mean may still fall, since variance vanishes where the policy turns deterministic. A small gradient
is no optimum: ``gap`` is J* - J after T steps.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import sympy as sp

from bounds import CLAIMS, Claim
from bounds import symbols as s
from bounds.quantiles import student
from tamdp_theory import InputError, TabularSoftmax, exact, families, grpo
from tamdp_theory.exact import Normalization, Scheme
from tamdp_theory.exact.update_potential import Potential, find_potential
from tamdp_theory.model import TAMDP, Floats

Row = dict[str, Any]
Schedule = Literal["exact", "tuned", "largest"]
LEVEL = 0.95  # of intervals over runs


@dataclass(frozen=True)
class Config:
    """One way of training, at every number of steps."""

    reward: Literal["composite", "accuracy"] = "composite"
    """Composite of format, accuracy and executability, or accuracy alone."""
    normalization: str = "center"
    """How groups become advantages."""
    group_size: int = 8
    """Rollouts per group, G."""
    schedule: Schedule = "tuned"
    """Sampled with the step tuned to T, sampled with step 1/L, or exact with step 1/L."""
    steps: int = 1024
    """Largest number of steps T; the others are fractions of it."""
    runs: int = 24
    """Sampled runs."""
    seed: int = 0
    """Seed of the runs."""

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("runs", 2), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name}: must be at least {least}, got {getattr(self, name)}")


CASES: tuple[tuple[Literal["composite", "accuracy"], Normalization], ...] = (
    ("composite", "center"),
    ("composite", "normalize_then_sum"),
    ("accuracy", "sum_then_normalize"),
    ("composite", "sum_then_normalize"),
)


def sweep(quick: bool = False) -> list[Config]:
    """Every case, schedule and three group sizes; two sizes, fewer steps and runs if quick."""
    schedules: tuple[Schedule, ...] = ("tuned", "largest", "exact")
    sizes, steps, runs = ((2, 8), 64, 6) if quick else ((2, 4, 16), 1024, 24)
    # the costly ones first
    return [
        Config(*case, size, schedule, steps, runs)
        for size in reversed(sizes)
        for schedule in schedules
        for case in CASES
    ]


def make_process(config: Config) -> TAMDP:
    """The number line, with the weights of the reward."""
    return families.number_line(3, 2, weights=(0, 1, 0) if config.reward == "accuracy" else None)


def horizons(config: Config) -> list[int]:
    """Numbers of steps T: factors of 4 where each is trained anew, else of 2."""
    factor, count = (4, 4) if config.schedule == "tuned" else (2, 7)
    return sorted({config.steps // factor**k for k in range(count)} - {0})


@dataclass(frozen=True)
class Problem:
    """What is maximized, and the numbers of its claim that do not depend on the path."""

    claim: Claim
    potential: Potential | None
    known: dict[sp.Symbol, float]
    noise: sp.Symbol
    smoothness: float

    @staticmethod
    def of(env: TAMDP, policy: TabularSoftmax, scheme: Scheme) -> "Problem":
        """F where L7 has a potential, else J with the second moment at the start."""
        potential = find_potential(env, scheme)
        if potential is not None:
            known = {
                s.F_star: potential.upper,
                s.F_0: potential.value(policy),
                s.L: potential.smoothness,
                s.variance_bound: potential.variance_bound,
            }
            return Problem(CLAIMS["T1.stationary"], potential, known, s.variance_bound, potential.smoothness)
        second = exact.update_moments(env, policy, scheme.group_size, scheme.normalization).second_moment
        smooth = exact.smoothness(env)
        known = {
            s.J_star: exact.optimal_values(env).total,
            s.J_0: exact.values(env, policy).total,
            s.L_J: smooth,
            s.M_2: second,
            s.alpha: 1.0,
        }
        return Problem(CLAIMS["T1.biased"], None, known, s.M_2, smooth)

    def step_size(self, schedule: Schedule, steps: int) -> float:
        """1/L, or less if tuned: the bound is a/eta + b eta, and two of its values give a and b."""
        if schedule != "tuned":
            return 1 / self.smoothness
        numbers = self.known | {s.eta: 1.0, s.T: steps, s.mean_grad_F: 0.0, s.mean_grad_J: 0.0}
        progress = self.claim.sides(numbers | {self.noise: 0.0})[1]
        noise = self.claim.sides(numbers)[1] - progress
        return float(min(1 / self.smoothness, np.sqrt(progress / noise)))

    def bounds(self, schedule: Schedule, steps: int, eta: float, path: grpo.History) -> Row:
        """Right side of each claim that speaks of this training, cut at ``steps``, and the numbers it takes from the
        path.
        """
        assert path.update_norm2 is not None and path.drift is not None
        numbers = self.known | {s.eta: eta, s.T: steps, s.mean_grad_F: 0.0, s.mean_grad_J: 0.0, s.min_grad_F: 0.0}
        variance = np.zeros_like(path.update_norm2) if path.variance is None else path.variance
        found: Row = {} if path.variance is None else {"variance": float(variance[:, :steps].mean())}
        if self.potential is None:
            alpha = float(path.drift[:, :steps].sum() / path.gradient_norm2[:, :steps].sum())
            found["alpha"] = alpha
            numbers |= {s.alpha: alpha, s.M_2: float((path.update_norm2 + variance)[:, : steps + 1].max())}
            claims = ["T1.biased"] if alpha > 0 else []  # no promise where the update points downhill
        else:
            numbers[s.variance_path] = float(variance[:, :steps].mean())
            claims = (
                ["T1.stationary.path", "T1.exact.start"]
                if schedule == "exact"
                else ["T1.stationary", "T1.stationary.path"]
            )
        return found | {name: float(CLAIMS[name].sides(numbers)[1]) for name in claims}


def run(config: Config) -> list[Row]:
    """Rows (series, T, value): measured means, bounds, numbers along the path, and the fitted rate at the largest T."""
    env = make_process(config)
    policy, scheme = TabularSoftmax(env), Scheme(config.group_size, config.normalization)
    problem = Problem.of(env, policy, scheme)
    times, means, path, rows = horizons(config), [], None, []
    objective = "J" if problem.potential is None else "F"

    def note(series: str, steps: int, eta: float, value: float, half: float = 0.0) -> None:
        head = {
            "reward": config.reward,
            "normalization": config.normalization,
            "group_size": config.group_size,
            "schedule": config.schedule,
        }
        rows.append(
            head
            | {
                "runs": config.runs,
                "objective": objective,
                "series": series,
                "T": steps,
                "eta": eta,
                "value": value,
                "half": half,
            }
        )

    for steps in times:
        eta = problem.step_size(config.schedule, steps)
        if path is None or config.schedule == "tuned":
            path = _train(config, env, policy, eta, steps if config.schedule == "tuned" else times[-1])
        squares = path.gradient_norm2 if problem.potential is None else path.update_norm2
        assert squares is not None
        means.append(squares[:, :steps].mean(axis=1))
        note("mean", steps, eta, *interval(means[-1]))
        note("gap", steps, eta, *interval(exact.optimal_values(env).total - path.total[:, steps]))
        if config.schedule == "exact":
            note("least", steps, eta, float(squares[:, : steps + 1].min()))
        for series, value in problem.bounds(config.schedule, steps, eta, path).items():
            note(series, steps, eta, value)
    note("rate", times[-1], eta, *interval(rates(times, np.array(means), config.steps / 16)))
    return rows


def _train(config: Config, env: TAMDP, policy: TabularSoftmax, eta: float, steps: int) -> grpo.History:
    sampled = config.schedule != "exact"
    settings = grpo.Config(
        mode="sampled" if sampled else "exact",
        steps=steps,
        learning_rate=eta,
        group_size=config.group_size,
        normalization=config.normalization,
        record_update=True,
        record_variance=sampled,
    )
    return grpo.train(
        env, policy, settings, [np.random.default_rng([config.seed, steps, one]) for one in range(config.runs)]
    )


def rates(times: list[int], means: Floats, least: float) -> Floats:
    """Slope of log mean (times, runs) over log T, T >= least, for each run (runs,); 0 for a single T."""
    chosen = np.array(times) >= least
    x = np.log(np.array(times, dtype=np.float64)[chosen])
    x -= x.mean()
    found: Floats = (x[:, None] * np.log(means[chosen])).sum(axis=0) / max(float((x**2).sum()), 1e-300)
    return found


def interval(per_run: Floats) -> tuple[float, float]:
    """Mean over runs and half-width of its Student-t interval; 0 for one run."""
    n = len(per_run)
    if n == 1:
        return float(per_run[0]), 0.0
    return float(per_run.mean()), float(student((1 + LEVEL) / 2, n - 1) * per_run.std(ddof=1) / np.sqrt(n))


def summary(table: dict[str, list[Any]], out: Any) -> None:
    """Whether the bounds hold, how far off they are, and the rates."""
    names = ("reward", "normalization", "schedule", "group_size", "T")
    value = {
        (table["series"][i], *(table[name][i] for name in names)): table["value"][i] for i in range(len(table["T"]))
    }
    pairs = [
        (key[0], value["least" if key[0] == "T1.exact.start" else "mean", *key[1:]] / one)
        for key, one in value.items()
        if key[0].startswith("T1.")
    ]
    for claim in dict.fromkeys(name for name, _ in pairs):
        own = [ratio for name, ratio in pairs if name == claim]
        out.print(
            f"{claim}: measured is {min(own):.2g} to {max(own):.2g} of the bound, above it in "
            f"{sum(r > 1 for r in own)} of {len(own)}",
            soft_wrap=True,
        )
    for i in [i for i, name in enumerate(table["series"]) if name == "rate"]:
        text, gap = (
            ", ".join(str(table[name][i]) for name in names[:3]),
            value["gap", *(table[name][i] for name in names)],
        )
        out.print(
            f"{text}, G = {table['group_size'][i]:.0f}: rate {table['value'][i]:.2f} ± {table['half'][i]:.2f}, J* - J "
            f"{gap:.2g}",
            soft_wrap=True,
        )
