"""Chain of thought: what becomes of the expected update, and of success, if thoughts count less in the score, or are
left out.

Processes: RL4VLM's number line, EZPoints and blackjack, and the household after ALFWorld, all small, with a latent
thought, careful or hasty, before every action; a hasty
thought makes the action unparsable more often (then a random action is taken and format is lost). ``think_weight``
lambda multiplies the score at think actions; ``removed`` is the same game without thoughts, and so without parse
failures: an upper end, not the same task. Tabular policy, uniform start (seed 0) or random, trained by exact GRPO; at
each recorded step the drift <grad J, m(lambda)>, with the full gradient and the weighted update, and exact success (the
accuracy component; a draw in blackjack counts one half).

Expected (theory.md section 2; no claim promises more): for lambda < 1 the update is no gradient of J. Decisions at
think nodes and at others have parameters of their own, so <grad J, m> = a + lambda b with the same a and b for every
lambda at one policy; centred, a and b are kappa times squared norms and the drift cannot be negative. With lambda = 0
thoughts stay as they were, so their parse failures set a ceiling.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tamdp_theory import InputError, TabularSoftmax, exact, families, grpo
from tamdp_theory.exact import Normalization
from tamdp_theory.model import TAMDP, THINK

Row = dict[str, Any]
GAMES: dict[str, Callable[[bool], TAMDP]] = {
    "number_line": lambda think: families.number_line(4, 4, think),
    "ez_points": lambda think: families.ez_points([(6, 6)], think),
    "household": lambda think: families.household(["apple in fridge"], 5, think),
    "blackjack": lambda think: families.blackjack((6, 10), ((12, False), (16, False), (18, True)), think),
}
NORMALIZATIONS: tuple[Normalization, ...] = ("sum_then_normalize", "normalize_then_sum", "center")
WEIGHTS = (0.0, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Config:
    """One training."""

    task: str = "number_line"
    """Game: number_line, ez_points, household or blackjack."""
    thoughts: Literal["kept", "removed"] = "kept"
    """Whether there is a thought before each action."""
    think_weight: float = 1.0
    """Weight of thoughts in the score, lambda; nothing to weigh if they are removed."""
    normalization: str = "sum_then_normalize"
    """How groups become advantages."""
    group_size: int = 8
    """Rollouts per group, G."""
    steps: int = 300
    """Steps of exact GRPO."""
    learning_rate: float = 5.0
    """Step size."""
    seed: int = 0
    """Start: 0 uniform, else random logits."""

    def __post_init__(self) -> None:
        if self.task not in GAMES:
            raise InputError(f"task: no game {self.task!r}; there are {', '.join(GAMES)}")
        for name, least in (("steps", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name}: must be at least {least}, got {getattr(self, name)}")


def sweep(quick: bool = False) -> list[Config]:
    """Every game, every weight and no thoughts at all, three normalizations, uniform and two random starts; less if
    quick.
    """
    normalizations, seeds, steps = (NORMALIZATIONS[:1], 1, 60) if quick else (NORMALIZATIONS, 3, 300)
    found = []
    for task in reversed(GAMES):  # the slow one first
        for normalization in normalizations:
            for seed in range(seeds):
                found += [Config(task, "kept", weight, normalization, steps=steps, seed=seed) for weight in WEIGHTS]
                found.append(Config(task, "removed", 1.0, normalization, steps=steps, seed=seed))
    return found


def make_process(task: str, think: bool) -> TAMDP:
    """A game with or without thoughts."""
    return GAMES[task](think)


def run(config: Config) -> list[Row]:
    """One row per recorded step, on a grid that is even in log(1 + t)."""
    env = make_process(config.task, config.thoughts == "kept")
    policy = TabularSoftmax(env) if config.seed == 0 else TabularSoftmax.random(env, np.random.default_rng(config.seed))
    settings = grpo.Config(
        steps=config.steps,
        learning_rate=config.learning_rate,
        group_size=config.group_size,
        normalization=config.normalization,
        think_weight=config.think_weight,
        record_update=True,
    )
    path = grpo.train(env, policy, settings)
    assert path.update_norm2 is not None and path.drift is not None
    accuracy, optimum = env.component_names.index("accuracy"), exact.optimal_values(env)
    end = policy.with_parameters(path.parameters[0])
    head: Row = {
        "task": config.task,
        "thoughts": config.thoughts,
        "think_weight": config.think_weight,
        "normalization": config.normalization,
    }
    head |= {"group_size": config.group_size, "learning_rate": config.learning_rate, "seed": config.seed}
    tail = {"optimum": optimum.total, "best_success": float(optimum.components[accuracy])}
    tail |= {"careful_start": careful(env, policy), "careful_end": careful(env, end)}
    rows = []
    for t in np.unique(np.rint(np.expm1(np.linspace(0, np.log1p(config.steps), 61))).astype(int)).tolist():
        size = float(np.sqrt(path.gradient_norm2[0, t] * path.update_norm2[0, t]))
        drift = float(path.drift[0, t])
        row = {
            "t": t,
            "success": float(path.components[0, t, accuracy]),
            "total": float(path.total[0, t]),
            "drift": drift,
        }
        rows.append(head | row | {"cosine": drift / size if size > 0 else 0.0} | tail)
    return rows


def careful(env: TAMDP, policy: TabularSoftmax) -> float:
    """Share of careful thoughts among those of a trajectory, in expectation; 0 without thoughts."""
    thinks = env.pair_kind == THINK
    taken = exact.occupancy(env, policy)[env.pair_node] * policy.pair_probability * thinks
    chosen = np.array([name == "careful" for name in env.action_names])
    return float((taken * chosen).sum() / taken.sum()) if thinks.any() else 0.0


def summary(table: dict[str, list[Any]], out: Any) -> None:
    """Success at the end, when 90 % of the optimal objective is reached, and the least drift, averaged over starts."""
    from rich.table import Table

    titles = (
        "success\nat the end",
        "J / J*\nat the end",
        "first t with\nJ >= 0.9 J*",
        "least\ndrift",
        "least\ncosine",
        "careful\nat the end",
    )
    shown = Table("task", "normalization", "thoughts", *titles, box=None, padding=(0, 1))
    keys = list(zip(*(table[name] for name in ("task", "normalization", "thoughts", "think_weight")), strict=True))
    for key in dict.fromkeys(keys):
        runs: dict[float, list[int]] = {}
        for i, own in enumerate(keys):
            if own == key:
                runs.setdefault(table["seed"][i], []).append(i)
        last = [rows[-1] for rows in runs.values()]
        reached = [
            next((table["t"][i] for i in rows if table["total"][i] >= 0.9 * table["optimum"][i]), None)
            for rows in runs.values()
        ]
        first = "never" if None in reached else f"{np.mean([t for t in reached if t is not None]):.0f}"
        means = [float(np.mean([table[name][i] for i in last])) for name in ("success", "total", "careful_end")]
        ratio = means[1] / table["optimum"][last[0]]
        low = [min(table[name][i] for rows in runs.values() for i in rows) for name in ("drift", "cosine")]
        thoughts = "removed" if key[2] == "removed" else f"weight {key[3]:g}"
        share = "" if key[2] == "removed" else f"{means[2]:.3f}"
        shown.add_row(
            str(key[0]),
            str(key[1]),
            thoughts,
            f"{means[0]:.3f}",
            f"{ratio:.3f}",
            first,
            f"{low[0]:.2g}",
            f"{low[1]:.3f}",
            share,
        )
    out.print(shown)
    starts = {
        (*own[:2], own[3]): i
        for i, own in enumerate(keys)
        if table["t"][i] == 0 and table["seed"][i] == 0 and own[2] == "kept"
    }
    for task, normalization in dict.fromkeys(key[:2] for key in starts):
        drifts = [
            table["drift"][starts[task, normalization, weight]]
            for weight in (0.0, 1.0)
            if (task, normalization, weight) in starts
        ]
        if len(drifts) == 2:
            out.print(
                f"{task}, {normalization}: thoughts make up {1 - drifts[0] / drifts[1]:.1%} of the drift at the "
                f"uniform start",
                soft_wrap=True,
            )
