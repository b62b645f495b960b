"""Where decomposed rewards help: GRPO joint against decomposed, over correlation of two components and over their
spread.

Arms of one decision return two components that are 0 or 1, R_1 and R_2. The coupling alone changes between
complementary (-1), independent (0) and comonotone (1) within each arm; the marginals, so J, its gradient and its
optimum, stay. The spread r is the ratio of the components' ranges in the composite R_1/2 + r R_2/2, carried either by
the reward (R_2 is 0 or r, weights equal) or by the weight (R_2 is 0 or 1, weights 1/2 and r/2): the composite, and so
the joint update, is the same, the decomposed one is not. Tasks: ``aligned`` arms are good or bad at both; with
``trade-off`` the arm that is best for the composite is not the best for R_2, once r < 3/4.

Reported for each: T2.benefit at the start (guaranteed gain and exact gain of the best step), rollouts until J has
closed 90% of its gap to the optimum, and the closed share at the end, by sampled GRPO over seeds at several step sizes;
a run that does not get there counts with the budget (restricted mean). ``best`` marks the step size with the fewest
rollouts, chosen for each normalization alone.

Expected: equality where components are comonotone and equal (T2.lossless), also of the criterion; for r < 1 carried by
the reward the decomposed update weighs both components alike, which helps where they agree (R_2 counts as evidence) and
fails where they conflict (its potential, L7b, is another objective). T2.benefit speaks of one step; whether it
foretells training is measured.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any, Literal

import numpy as np

from bounds.claims.benefit import benefit
from tamdp_theory import TAMDP, InputError, TabularSoftmax, exact, families, grpo
from tamdp_theory.exact import Normalization

Row = dict[str, Any]
Task = Literal["aligned", "trade-off"]
Carrier = Literal["reward", "weight"]
SIDES: tuple[tuple[str, Normalization], ...] = (("joint", "sum_then_normalize"), ("decomposed", "normalize_then_sum"))
RATES = (
    1.0,
    1.4,
    2.0,
    2.8,
    4.0,
    5.6,
    8.0,
    16.0,
)  # the best is inside, but where rewards have almost no noise or the potential is wrong
MARGINALS: dict[str, tuple[tuple[str, str], ...]] = {
    "aligned": (("2/5", "2/5"), ("1/2", "1/2"), ("3/5", "3/5")),
    "trade-off": (("7/10", "3/10"), ("2/5", "4/5"), ("3/10", "3/10")),
}  # Pr(R_1 > 0), Pr(R_2 > 0) of each arm
GOAL = 0.9  # share of the gap to the optimum


@dataclass(frozen=True)
class Config:
    """Both normalizations on one process."""

    task: Task = "aligned"
    """Arms: aligned (good or bad at both components) or trade-off."""
    carrier: Carrier = "reward"
    """What makes R_2 count less: the range of the reward or its weight."""
    spread: float = 1.0
    """r, range of R_2 in the composite over that of R_1."""
    coupling: float = 0.0
    """Of the components within an arm: -1 complementary, 0 independent, 1 comonotone; mixtures between."""
    group_size: int = 4
    """Rollouts per group."""
    steps: int = 200
    """Steps of training at most; one group each."""
    runs: int = 128
    """Seeds, the same for both normalizations and every step size."""
    seed: int = 0
    """Where the runs' seeds come from."""

    def __post_init__(self) -> None:
        if self.task not in MARGINALS or self.carrier not in ("reward", "weight"):
            raise InputError(f"task, carrier: unknown {self.task!r}, {self.carrier!r}")
        if not 0 < self.spread <= 1:
            raise InputError(f"spread: must be in (0, 1], got {self.spread}")
        if not -1 <= self.coupling <= 1:
            raise InputError(f"coupling: must be in [-1, 1], got {self.coupling}")
        for name, least in (("group_size", 2), ("steps", 1), ("runs", 2), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name}: must be at least {least}, got {getattr(self, name)}")


def sweep(quick: bool = False) -> list[Config]:
    """Both tasks and carriers; spreads 1 (once), 1/2, 1/4; couplings from -1 to 1; a few of them if quick."""
    tasks: tuple[Task, ...] = ("aligned", "trade-off")
    spreads: tuple[tuple[Carrier, float], ...] = (
        ("reward", 1.0),
        ("reward", 0.5),
        ("reward", 0.25),
        ("weight", 0.5),
        ("weight", 0.25),
    )
    if quick:
        return [
            Config(task, carrier, spread, c, steps=40, runs=16)
            for task, (carrier, spread), c in product(tasks, spreads[::2], (-1.0, 1.0))
        ]
    return [
        Config(task, carrier, spread, c)
        for task, (carrier, spread), c in product(tasks, spreads, (-1.0, -0.7, -0.35, 0.0, 0.35, 0.7, 1.0))
    ]


def process(config: Config) -> TAMDP:
    """The bandit: each arm's law is a mixture of the independent and an extreme coupling of its marginals."""
    r, mix, half = (Fraction(str(x)) for x in (config.spread, config.coupling, 0.5))
    high, weight = (r, half) if config.carrier == "reward" else (Fraction(1), r * half)
    arms = []
    for p, q in ((Fraction(a), Fraction(b)) for a, b in MARGINALS[config.task]):
        extreme = min(p, q) if mix > 0 else max(Fraction(0), p + q - 1)
        both = abs(mix) * extreme + (1 - abs(mix)) * p * q
        law = ((both, (1, high)), (p - both, (1, 0)), (q - both, (0, high)), (1 - p - q + both, (0, 0)))
        arms.append([(chance, rewards) for chance, rewards in law if chance > 0])
    return families.bandit(arms, weights=(half, weight), name=f"{config.task} r={r} {config.carrier} coupling={mix}")


def correlation(env: TAMDP, policy: TabularSoftmax) -> float:
    """Of the two components in one rollout under the policy."""
    law = exact.reward_law(env, policy)[0]
    mean = (law.probability[:, None] * law.rewards).sum(0)
    first, second = (law.rewards - mean).T
    covariance, *variances = (
        (law.probability * x * y).sum() for x, y in ((first, second), (first, first), (second, second))
    )
    return float(covariance / np.sqrt(variances[0] * variances[1]))


def run(config: Config) -> list[Row]:
    """One row per normalization and step size."""
    env = process(config)
    policy = TabularSoftmax(env)
    start, optimum = exact.values(env, policy).total, exact.optimal_values(env).total
    found = benefit(env, policy, config.group_size)
    seeds = [int(word) for word in np.random.SeedSequence(config.seed).generate_state(config.runs)]
    shared: Row = {
        "task": config.task,
        "carrier": config.carrier,
        "spread": config.spread,
        "coupling": config.coupling,
        "correlation": correlation(env, policy),
        "group_size": config.group_size,
        "runs": config.runs,
        "budget": config.steps * config.group_size,
        "start": start,
        "optimum": optimum,
    }
    rows = []
    for side, normalization in SIDES:
        progress = getattr(found, side)
        own: list[Row] = [
            shared
            | {"side": side, "guaranteed": progress.guaranteed, "best_gain": progress.best_gain, "learning_rate": rate}
            | train(
                env, policy, config, normalization=normalization, rate=rate, seeds=seeds, start=start, optimum=optimum
            )
            for rate in RATES
        ]
        fewest = min(own, key=lambda row: (row["rollouts"], -row["closed"]))
        rows += [row | {"best": int(row is fewest)} for row in own]
    return rows


def train(
    env: TAMDP,
    policy: TabularSoftmax,
    config: Config,
    normalization: Normalization,
    rate: float,
    seeds: list[int],
    start: float,
    optimum: float,
) -> Row:
    """Sampled runs at one step size: rollouts until the goal, share of runs that reach it, share of the gap closed at
    the end.
    """
    settings = grpo.Config("sampled", config.steps, rate, config.group_size, normalization)
    closed = (grpo.train(env, policy, settings, seeds, threads=1).total - start) / (optimum - start)
    reached = (closed >= GOAL).any(axis=1)
    rollouts = np.where(reached, (closed >= GOAL).argmax(axis=1), config.steps) * config.group_size
    row: Row = {"reached": float(reached.mean())}
    for name, values in (("rollouts", rollouts), ("closed", closed[:, -1])):
        row |= {name: float(values.mean()), f"{name}_error": float(values.std(ddof=1) / np.sqrt(len(seeds)))}
    return row


def summary(table: dict[str, list[Any]], out: Any) -> None:
    """Where decomposition helps, cell by cell, and how often T2.benefit foretells it."""
    from rich.table import Table

    shown = Table(
        "\ntask",
        "spread r\nin the",
        "\nr",
        "corre-\nlation",
        "guaranteed\ndec/joint",
        "best step\ndec/joint",
        "rollouts\njoint",
        "\ndecomposed",
        "closed\njoint",
        "\ndecomposed",
        box=None,
    )
    pairs = best_pairs(table)
    signs = []
    for joint, split in pairs:
        guaranteed, gain = (
            split[name] / joint[name] if joint[name] > 0 else float("inf") for name in ("guaranteed", "best_gain")
        )
        shown.add_row(
            joint["task"],
            joint["carrier"],
            f"{joint['spread']:g}",
            f"{joint['correlation']:+.2f}",
            f"{guaranteed:.2f}",
            f"{gain:.2f}",
            f"{joint['rollouts']:.0f}",
            f"{split['rollouts']:.0f}",
            f"{joint['closed']:.1%}",
            f"{split['closed']:.1%}",
        )
        difference = joint["rollouts"] - split["rollouts"]
        error = np.hypot(joint["rollouts_error"], split["rollouts_error"])
        signs.append((guaranteed, gain, int(np.sign(difference)) if abs(difference) > 2.58 * error else 0))
    out.print(shown)
    decided = [sign for sign in signs if sign[2]]
    for name, place in (("the guaranteed gain (T2.benefit)", 0), ("the exact gain of the best step", 1)):
        right = sum((sign[place] - 1) * sign[2] > 0 for sign in decided)
        out.print(
            f"{name} at the start foretells which needs fewer rollouts on {right} of {len(decided)} cells where that "
            f"is clear (99%)",
            soft_wrap=True,
        )
    helps = sum(sign[2] > 0 for sign in decided)
    out.print(
        f"decomposition needs clearly fewer rollouts on {helps} of {len(signs)} cells, clearly more on "
        f"{len(decided) - helps}",
        soft_wrap=True,
    )


def best_pairs(table: dict[str, list[Any]]) -> list[tuple[Row, Row]]:
    """Joint and decomposed row of each cell at their best step sizes."""
    columns = list(table)
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*(table[name] for name in columns), strict=True)]
    cells: dict[tuple[Any, ...], dict[str, Row]] = {}
    for row in (row for row in rows if row["best"] == 1):
        cells.setdefault(tuple(row[name] for name in ("task", "carrier", "spread", "coupling")), {})[row["side"]] = row
    return [(cell["joint"], cell["decomposed"]) for cell in cells.values()]
