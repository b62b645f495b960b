"""What explains transfer: GRPO on a small set of source prompts, exact risks on source and target, and what the bounds
say.

A policy with parameters shared between prompts (one per action, and one per action and piece of the observation) is
trained by exact GRPO on n prompts drawn from the source. The posterior is a Gaussian around where training ended, the
prior one around where it began, with a deviation from a short list that was fixed before (a union bound pays for the
choice). Reported: exact risks of the trained policy in both domains, with the start beside them; the PAC-Bayes bound of
the source risk of the posterior (T3.kl.sampled), and of its target risk (plus T3.shift, with Hoeffding's error of the
oscillations, which are means over draws); the share of each component in the shift term; expected tool calls.

Tool use transfers if training lowers the target risk more with tools than without (depth 0), and executability does so
for free if its share of the shift term is zero. Neither is assumed.
"""

import re
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np

from bounds.pac_bayes.formulas import mean_error, sampled_risk_bound, shift_by_components
from tamdp_theory import Domains, InputError, LogLinear, Risks, families, grpo, risks
from tamdp_theory.domains import part, restrict
from tamdp_theory.exact.passes import forward
from tamdp_theory.model import TAMDP, TOOL, Floats
from tamdp_theory.posteriors import DiagonalGaussian

Row = dict[str, Any]
DEVIATIONS = (0.1, 0.3, 1.0)  # of prior and posterior, fixed before the data


@dataclass(frozen=True)
class Config:
    """One training run and its bounds."""

    task: Literal["search", "coding"] = "search"
    """Family of processes."""
    differ: Literal["reliability", "difficulty"] = "reliability"
    """What differs between the domains: how often tools work, or how much the questions ask."""
    depth: int = 1
    """Tool calls allowed, D."""
    overlap: float = 0.5
    """Mass that the domains share: 0 disjoint, 1 equal."""
    n: int = 100
    """Training prompts drawn from the source."""
    steps: int = 150
    """Steps of exact GRPO."""
    learning_rate: float = 0.5
    """Step size."""
    group_size: int = 8
    """Rollouts per group."""
    normalization: str = "sum_then_normalize"
    """How groups become advantages."""
    draws: int = 2000
    """Policies drawn from the posterior."""
    delta: float = 0.05
    """Probability with which the bounds may fail, the draw of policies included."""
    seed: int = 0
    """Seed of the training prompts and of the draws."""

    def __post_init__(self) -> None:
        for name, least in (("depth", 0), ("n", 1), ("steps", 1), ("draws", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name}: must be at least {least}, got {getattr(self, name)}")
        if not 0 < self.delta < 1:
            raise InputError(f"delta: must be in (0, 1), ends excluded, got {self.delta}")


def sweep(quick: bool = False) -> list[Config]:
    """Every task, kind of shift and tool depth 0 to 3; four sets of training prompts each, one if quick."""
    tasks: tuple[Literal["search", "coding"], ...] = ("search", "coding")
    kinds: tuple[Literal["reliability", "difficulty"], ...] = ("reliability", "difficulty")
    depths = (0, 1) if quick else (0, 1, 2, 3)
    steps, seeds = (40, 1) if quick else (150, 4)
    return [
        Config(task, differ, depth, steps=steps, seed=seed)
        for task, differ, depth, seed in product(tasks, kinds, depths, range(seeds))
    ]


def make_domains(config: Config) -> Domains:
    """Source and target; format and tool grammar are the same in both."""
    works = ("9/10", "1/2") if config.differ == "reliability" else ("4/5", "4/5")
    if config.task == "search":
        needs = ((0, 1, 2),) * 2 if config.differ == "reliability" else ((0, 1, 1), (1, 2, 3))
        return families.search_domains(3, config.depth, works, overlap=config.overlap, difficulties=needs)
    easy, hard = (
        (("rotated",), ("dark",), ("wide",)),
        (("rotated", "dark"), ("dark", "wide"), ("rotated", "dark", "wide")),
    )
    images = ((("rotated",), ("dark",), ("rotated", "wide")),) * 2 if config.differ == "reliability" else (easy, hard)
    return families.coding_domains(3, config.depth, works, overlap=config.overlap, images=images)


def token_features(env: TAMDP) -> Floats:
    """Indicators (n_pairs, d) of the action, and of the action with each piece of the observation: shared between
    prompts and domains.
    """
    rows = []
    for x, action in zip(env.pair_node.tolist(), env.action_names, strict=True):
        tokens = [token.strip() for token in re.split(r"[,+]", env.observations[x])]
        rows.append([(action, ""), *((action, token) for token in tokens)])
    columns = {key: i for i, key in enumerate(dict.fromkeys(key for row in rows for key in row))}
    features = np.zeros((env.n_pairs, len(columns)))
    for i, row in enumerate(rows):
        features[i, [columns[key] for key in row]] = 1.0
    return features


def run(config: Config) -> list[Row]:
    """Train, measure, bound: one row."""
    generator = np.random.default_rng(config.seed)
    domains = make_domains(config)
    env = domains.env
    start = LogLinear(env, token_features(env))
    source = np.array([float(p) for p in domains.source])
    counts = generator.multinomial(config.n, source)
    drawn = part(env, [f"{count}/{config.n}" for count in counts], f"{env.name}, {config.n} training prompts")
    settings = grpo.Config(
        steps=config.steps,
        learning_rate=config.learning_rate,
        group_size=config.group_size,
        normalization=config.normalization,
        record_every=config.steps,
    )
    learned = start.with_parameters(grpo.train(drawn, restrict(start, drawn), settings).parameters[0])
    before, after = risks(domains, start), risks(domains, learned)
    shares = env.weights / env.total_weight * after.oscillation
    row: Row = {
        "task": config.task,
        "differ": config.differ,
        "depth": config.depth,
        "overlap": config.overlap,
        "n": config.n,
        "seed": config.seed,
        "source_start": before.source,
        "target_start": before.target,
        "source": after.source,
        "target": after.target,
        "train": float(counts @ after.per_prompt / config.n),
        "tv": float(domains.total_variation),
    }
    for k, name in enumerate(env.component_names):
        row |= {
            f"source_{name}": after.source_components[k],
            f"target_{name}": after.target_components[k],
            f"oscillation_{name}": after.oscillation[k],
        }
        row[f"share_{name}"] = float(shares[k] / shares.sum()) if shares.sum() > 0 else 0.0
    row["shift"] = float(shares.sum() * domains.total_variation)
    row |= dict(zip(("calls_source", "calls_target"), tool_calls(domains, learned), strict=True))
    row |= dict(zip(("calls_source_start", "calls_target_start"), tool_calls(domains, start), strict=True))
    return [row | _bounds(config, domains, start, learned=learned, counts=counts, generator=generator)]


def _bounds(
    config: Config, domains: Domains, start: LogLinear, learned: LogLinear, counts: Any, generator: np.random.Generator
) -> Row:
    """The best of the bounds over the deviations, each at its share of delta."""
    best: Row = {}
    share = (
        config.delta / len(DEVIATIONS) / 3
    )  # for the training prompts, the mean risk of the draws, and the oscillation over the draws
    env = domains.env
    error = mean_error(env.n_prompts * env.n_components, config.draws, share)
    for deviation in DEVIATIONS:
        posterior = DiagonalGaussian(learned.parameters, deviation)
        kl = posterior.divergence(DiagonalGaussian(start.parameters, deviation))
        found: Risks = risks(domains, posterior.sample(learned, config.draws, generator))
        empirical = float(counts @ found.per_prompt / config.n)
        bound = sampled_risk_bound(empirical, config.draws, config.n, kl=kl, delta=share, delta_drawn=share)
        if not best or bound < best["bound"]:
            oscillation = np.minimum(found.oscillation + 2 * error, 1.0)
            target = shift_by_components(min(bound, 1.0), float(domains.total_variation), oscillation, env.weights)
            best = {
                "deviation": deviation,
                "kl": kl,
                "posterior_train": empirical,
                "posterior_source": found.source,
                "posterior_target": found.target,
                "bound": bound,
                "bound_target": target,
            }
    return best


def tool_calls(domains: Domains, policy: LogLinear) -> tuple[float, float]:
    """Expected number of tool calls in a trajectory under source and target."""
    env = domains.env
    taken = forward(env, policy.pair_probability[:, None])[1][:, 0]
    calls = np.bincount(
        env.pair_prompt[env.pair_kind == TOOL], weights=taken[env.pair_kind == TOOL], minlength=env.n_prompts
    )
    source, target = (
        float(sum(float(p) * c for p, c in zip(law, calls, strict=True))) for law in (domains.source, domains.target)
    )
    return source, target


def summary(table: dict[str, list[Any]], out: Any) -> None:
    """What the rows say, averaged over sets of training prompts."""
    from rich.table import Table

    columns = (
        "source_start",
        "target_start",
        "source",
        "target",
        "bound",
        "bound_target",
        "share_format",
        "share_accuracy",
        "share_executability",
    )
    titles = (
        "source\nbefore",
        "target\nbefore",
        "source\nafter",
        "target\nafter",
        "source\nbound",
        "target\nbound",
        "shift by\nformat",
        "shift by\naccuracy",
        "shift by\nexecutability",
    )
    shown = Table("\ntask", "\ndiffers in", "\nD", *titles, box=None, padding=(0, 1))
    keys = list(dict.fromkeys(zip(table["task"], table["differ"], table["depth"], strict=True)))
    for key in keys:
        rows = [
            i for i, own in enumerate(zip(table["task"], table["differ"], table["depth"], strict=True)) if own == key
        ]
        means = [float(np.mean([table[name][i] for i in rows])) for name in columns]
        shown.add_row(key[0], key[1], f"{key[2]:.0f}", *(f"{mean:.3f}" for mean in means))
    out.print(shown)
    for line in findings(table):
        out.print(line, soft_wrap=True)


def findings(table: dict[str, list[Any]]) -> list[str]:
    """Whether tool use transferred, for each task and kind of shift, as the numbers have it."""
    lines = []
    cells = list(zip(table["task"], table["differ"], strict=True))
    for task, differ in dict.fromkeys(cells):
        rows = [i for i, own in enumerate(cells) if own == (task, differ)]
        gains = {
            name: float(np.mean([table[f"{name}_start"][i] - table[name][i] for i in rows]))
            for name in ("source", "target")
        }
        depths = sorted({table["depth"][i] for i in rows})
        target = {
            depth: float(np.mean([table["target"][i] for i in rows if table["depth"][i] == depth])) for depth in depths
        }
        least, most = min(target), max(target)
        if least == most:
            continue
        share = float(np.mean([table["share_executability"][i] for i in rows if table["depth"][i] == most]))
        verb = {True: ("lower", "do not lower"), False: ("lowers", "does not lower")}[most > 1][
            target[most] >= target[least]
        ]
        ratio = f"{gains['target'] / gains['source']:.0%}" if gains["source"] > 0 else "-"
        lines.append(
            f"{task}, {differ} differs: {most:.0f} tool call{'s' if most > 1 else ''} {verb} the target risk after "
            f"training, "
            f"{target[least]:.3f} to {target[most]:.3f}; training gains {ratio} on the target of what it gains on the "
            f"source; "
            f"executability makes up {share:.0%} of the shift term"
        )
    return lines
