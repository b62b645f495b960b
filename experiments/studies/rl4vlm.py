"""RL4VLM's table on exact processes: how often each game is won by a uniform policy, at best, and after training, with
thoughts and without, beside the published rates of a 7B model.

Games: those of RL4VLM (arXiv 2405.10292) as families, Points24 with three hands and short formulas, a household of our
own in place of ALFWorld, with a latent thought before every action or without. Methods:
GRPO with an estimator (its expected update, or groups drawn) and PPO's expected step with the exact value function as
critic, which is the policy gradient whatever the critic. ``think_weight`` lambda weighs thoughts in the score, as in
RL4VLM (.5 in card games, .2 in ALFWorld). Start: uniform, or ``taught``: half uniform, half optimal, in place of
RL4VLM's supervised first stage. Reward: the composite of the family (format, accuracy, executability or economy).

Won: accuracy 1 (a draw in blackjack is none). Rates are exact, by the law of the rewards; of drawn groups the mean over
seeds, with an interval that holds at any number of them (betting). What the numbers are for: they show how much of a
game estimator, thoughts and lambda decide where there is no perception and no language to learn; they do not reproduce
a model of seven billion parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from bounds.rollouts.intervals import bounded_mean
from tamdp_theory import InputError, TabularSoftmax, exact, families, grpo
from tamdp_theory.exact.passes import best
from tamdp_theory.model import TAMDP, Floats

Row = dict[str, Any]
Thoughts = Literal["kept", "removed"]
Start = Literal["uniform", "taught"]
GAMES: dict[str, Callable[[bool], TAMDP]] = {
    "number_line": lambda think: families.number_line(think=think),
    "ez_points": lambda think: families.ez_points(think=think),
    "points24": lambda think: families.points24(think=think),
    "blackjack": lambda think: families.blackjack(think=think),
    "household": lambda think: families.household(think=think),
}
PUBLISHED = {  # per cent won by LLaVA-1.6 7B: with and without thoughts (arXiv 2405.10292)
    "number_line": (89.4, 26.9),
    "ez_points": (50.0, 29.9),
    "points24": (2.3, 0.0),
    "blackjack": (40.2, 40.4),
}
CRITIC = "critic"
METHODS = (CRITIC, "center", "sum_then_normalize", "normalize_then_sum")
WEIGHTS = (0.0, 0.2, 0.5, 1.0)
LEVEL = 0.95


@dataclass(frozen=True)
class Config:
    """One training, or as many as there are seeds."""

    game: str = "number_line"
    """Game: number_line, ez_points, points24 (three hands, short formulas), blackjack or household."""
    thoughts: Thoughts = "kept"
    """Whether there is a latent thought before each action."""
    think_weight: float = 1.0
    """Weight of thoughts in the score, lambda; nothing to weigh if they are removed."""
    method: str = "sum_then_normalize"
    """An estimator's name, or critic: the policy gradient."""
    mode: Literal["exact", "sampled"] = "exact"
    """Expected updates, or groups that are drawn."""
    start: Start = "uniform"
    """First policy: uniform, or half uniform and half optimal."""
    group_size: int = 8
    """Rollouts per group, G."""
    steps: int = 200
    """Steps."""
    learning_rate: float = 50.0
    """Step size."""
    seeds: int = 24
    """Trainings, if groups are drawn."""
    prompts_per_step: int = 32
    """Prompts of a step, if groups are drawn."""

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("seeds", 2), ("prompts_per_step", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name}: must be at least {least}, got {getattr(self, name)}")
        if self.game not in GAMES:
            raise InputError(f"game: no game {self.game!r}; there are {', '.join(GAMES)}")
        if self.method == CRITIC and self.mode == "sampled":
            raise InputError("method: the critic's step is there in mode exact")


def sweep(quick: bool = False) -> list[Config]:
    """Every game, start, method and weight, and no thoughts; groups drawn at RL4VLM's weight; less if quick."""
    games, steps = (("number_line", "ez_points"), 30) if quick else (tuple(GAMES), 200)
    variants: list[tuple[Thoughts, float]] = [*(("kept", weight) for weight in WEIGHTS), ("removed", 1.0)]
    starts: tuple[Start, ...] = ("taught",) if quick else ("uniform", "taught")
    found = []
    for game in reversed(games):  # the slow ones first
        for start in starts:
            for thoughts, weight in variants:
                for method in METHODS[1:3] if quick else METHODS:
                    cell = Config(game, thoughts, weight, method, start=start, steps=steps)
                    found.append(cell)
                    if method != CRITIC and weight in (0.5, 1.0) and (thoughts == "removed") == (weight == 1.0):
                        found.append(Config(**{**vars(cell), "mode": "sampled", "seeds": 4 if quick else 24}))
    return found


@cache
def make_process(game: str, think: bool) -> TAMDP:
    """The game as RL4VLM has it."""
    return GAMES[game](think)


def win_rate(env: TAMDP, policy: TabularSoftmax) -> float:
    """Probability that the accuracy is 1."""
    laws = exact.reward_law(env, policy)
    won = wins(env)
    rates = [float(law.probability @ won[own]) for law, own in zip(laws, env.prompt_classes, strict=True)]
    return float(env.prompt_probability @ rates)


def best_rate(env: TAMDP) -> float:
    """The largest probability that the accuracy is 1, over policies."""
    start = best(env, wins(env)[:, None])[0][env.prompt_start, 0]
    return float(env.prompt_probability @ start)


def wins(env: TAMDP) -> Floats:
    """1 for each reward class with accuracy 1 (C,)."""
    place = env.component_names.index("accuracy")
    return np.array([float(rewards[place] == 1) for rewards in env.exact_class_rewards])


def taught(env: TAMDP) -> TabularSoftmax:
    """Half uniform and half optimal (for the composite; optimal actions alike), at every node."""
    value, pair = best(env, env.class_composite[:, None])
    good = pair[:, 0] >= value[env.pair_node, 0] - 1e-12
    share = good / env.spread_to_pairs(env.node_sum(good.astype(np.float64)[:, None]))[:, 0]
    policy = TabularSoftmax(env)
    logits = np.log(0.5 * policy.pair_probability + 0.5 * share)
    parameters = np.zeros(policy.n_parameters)
    parameters[env.pair_parameter] = logits
    return policy.with_parameters(parameters)


def run(config: Config) -> list[Row]:
    """One row: how often the game is won before, after, and at best."""
    env = make_process(config.game, config.thoughts == "kept")
    start = TabularSoftmax(env) if config.start == "uniform" else taught(env)
    ends = [start.with_parameters(end) for end in _train(env, start, config)]
    rates = np.array([win_rate(env, end) for end in ends])
    low = high = float(rates.mean())
    if config.mode == "sampled":
        interval = bounded_mean(rates, LEVEL)
        low, high = float(interval.low), float(interval.high)
    head = {name: value for name, value in vars(config).items() if name not in ("seeds", "prompts_per_step")}
    drawn = config.mode == "sampled"
    with_thoughts, without = PUBLISHED.get(config.game, (None, None))
    published = with_thoughts if config.thoughts == "kept" else without
    return [
        head
        | {
            "seeds": config.seeds if drawn else 1,
            "prompts_per_step": config.prompts_per_step if drawn else env.n_prompts,
        }
        | {"won": float(rates.mean()), "low": low, "high": high}
        | {"won_at_start": win_rate(env, start), "won_at_best": best_rate(env)}
        | {"total": float(np.mean([exact.values(env, end).total for end in ends]))}
        | {"total_at_best": exact.optimal_values(env).total}
        | {"published": "" if published is None else published / 100}
    ]


def _train(env: TAMDP, policy: TabularSoftmax, config: Config) -> Floats:
    """Parameters at the end of each training (S, d)."""
    if config.method == CRITIC:
        for _ in range(config.steps):
            step = exact.policy_gradient(env, policy, think_weight=config.think_weight)
            policy = policy.with_parameters(policy.parameters + config.learning_rate * step)
        return policy.parameters[None]
    settings = grpo.Config(
        mode=config.mode,
        steps=config.steps,
        learning_rate=config.learning_rate,
        group_size=config.group_size,
        normalization=config.method,
        think_weight=config.think_weight,
        prompts_per_step=config.prompts_per_step if config.mode == "sampled" else None,
        record_every=config.steps,
    )
    return grpo.train(env, policy, settings, seeds=range(config.seeds)).parameters


def summary(table: dict[str, list[Any]], out: Any) -> None:
    """How often each game is won, in per cent: rows for game, start, method and mode, a column for each weight."""
    from rich.table import Table

    weights = sorted({w for w, kind in zip(table["think_weight"], table["thoughts"], strict=True) if kind == "kept"})
    shown = Table("game", "start", "method", *(f"lambda {w:g}" for w in weights), "removed", box=None, padding=(0, 1))
    rows = [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
    for game in dict.fromkeys(row["game"] for row in rows):
        own = [row for row in rows if row["game"] == game]
        kept, removed = ([row for row in own if row["thoughts"] == kind] for kind in ("kept", "removed"))
        for start in dict.fromkeys(row["start"] for row in own):
            begin = [_first(row["won_at_start"] for row in part if row["start"] == start) for part in (kept, removed)]
            shown.add_row(game, start, "at the start", *[begin[0]] * len(weights), begin[1])
            for method, mode in dict.fromkeys((row["method"], row["mode"]) for row in own if row["start"] == start):
                chosen = [row for row in own if (row["start"], row["method"], row["mode"]) == (start, method, mode)]
                texts = [
                    _rate([r for r in chosen if r["thoughts"] == "kept" and r["think_weight"] == w]) for w in weights
                ]
                texts.append(_rate([row for row in chosen if row["thoughts"] == "removed"]))
                shown.add_row("", "", f"{method}{', drawn' if mode == 'sampled' else ''}", *texts)
        top = [_first(row["won_at_best"] for row in part) for part in (kept, removed)]
        shown.add_row("", "", "at best", *[top[0]] * len(weights), top[1])
        if game in PUBLISHED:
            with_thoughts, without = PUBLISHED[game]
            texts = ["", *[""] * (len(weights) - 1)]
            texts[weights.index(0.5) if 0.5 in weights else -1] = f"{with_thoughts:.1f}"
            shown.add_row("", "", "RL4VLM, a 7B model", *texts, f"{without:.1f}")
    out.print(shown)
    out.print(
        "Per cent won. Ours: tabular policies on exact processes, no picture and no language; drawn: mean over seeds "
        f"with a {LEVEL:.0%} interval. RL4VLM's row is quoted (arXiv 2405.10292).",
        soft_wrap=True,
    )


def _first(values: Any) -> str:
    found = next(iter(values), None)
    return "" if found is None else f"{100 * found:.1f}"


def _rate(rows: list[Row]) -> str:
    if not rows:
        return ""
    row = rows[0]
    interval = f" [{100 * row['low']:.0f}, {100 * row['high']:.0f}]" if row["mode"] == "sampled" else ""
    return f"{100 * row['won']:.1f}{interval}"
