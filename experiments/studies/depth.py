"""What tool depth costs: trajectory divergence, horizon, smoothness and PAC-Bayes risk over D, and over thoughts at D =
0.

Search and coding with D = 0 to 3 tool calls allowed, and a chain of 0 to 3 `think` nodes before an answer, which calls
no tool: D = 0 throughout, while its horizon grows. A random tabular policy, a reference at unit deviation from it, and
16 policies around it as the class of a Gibbs posterior. Measured exactly: KL of trajectories (lhs of T3.depth) and H;
the norm of the Hessian (lhs of L3, up to 1000 actions); risk, empirical risk and mean T3.kl bound over all training
sets of n prompts. Beside them the bounds: T3.depth, its horizon D + (D + 1) B (T3.depth.horizon), L1.bound with the
true H, and L3.

Expected: the bound of the trajectory KL grows with D and with B, so that a chain costs what calls cost though its D is
0. L3 has no depth in it, only the range of the reward: one constant for all D >= 1 (at D = 0 no call can fail and the
range is smaller). Nor has the PAC-Bayes bound, which knows KL(Q||Pi) of distributions over policies: it follows the
risk. Whether the measured KL and Hessian follow their bounds is not assumed.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any, Literal, TypeAlias

import numpy as np

from bounds import CLAIMS, Check, Generalization, Instance
from bounds.claims.coverage import coverage
from bounds.claims.depth import tool_runs
from bounds.pac_bayes.setting import around
from tamdp_theory import TAMDP, InputError, TabularSoftmax, families

Row: TypeAlias = dict[str, Any]
CLASS = 16  # policies of the Gibbs posterior


@dataclass(frozen=True)
class Config:
    """One process and policy."""

    task: Literal["search", "coding", "chain"] = "search"
    """Family of processes; chain: thoughts before an answer."""
    depth: int = 1
    """Tool calls allowed, D; for a chain the number of thoughts, its D is 0."""
    scale: float = 1.0
    """Deviation of the policy's random logits."""
    n: int = 100
    """Training prompts."""
    inverse_temperature: float = 20.0
    """Of the Gibbs posterior."""
    delta: float = 0.05
    """Probability with which the PAC-Bayes bound may fail."""
    seed: int = 0
    """Seed of policy, reference and class."""

    def __post_init__(self) -> None:
        for name, least in (("depth", 0), ("scale", 0), ("n", 1), ("inverse_temperature", 0), ("seed", 0)):
            if not getattr(self, name) >= least:
                raise InputError(f"{name}: must be at least {least}, got {getattr(self, name)}")


def sweep(quick: bool = False) -> list[Config]:
    """Three tasks, D (or thoughts) from 0 to 3, sixteen policies; D up to 2 and two policies if quick."""
    tasks: tuple[Literal["search", "coding", "chain"], ...] = ("search", "coding", "chain")
    return [
        Config(task, depth, seed=seed)
        for task, depth, seed in product(tasks, range(3 if quick else 4), range(2 if quick else 16))
    ]


def make_process(task: str, depth: int) -> TAMDP:
    """Three prompts, the same at every depth."""
    if task == "search":
        return families.search(3, depth, difficulties=(0, 1, 2))
    if task == "coding":
        return families.coding(3, depth, images=(("rotated",), ("dark",), ("rotated", "wide")))
    return chain(depth)


def chain(thoughts: int, prompts: int = 3) -> TAMDP:
    """Thoughts, careful or hasty, then an answer; a hasty one cannot be parsed with probability 1/10, which ends it
    with no reward.

    Prompt q: the right answer pays 1 with probability (q + 2)/4 or (q + 1)/4 after a hasty last thought, the guess 1/4.
    Facts: D = 0, B = H = thoughts + 1, 2 thoughts + 1 nodes a prompt; the optimum is (q + 2)/4, by being careful
    throughout.
    """
    nodes: list[dict[str, Any]] = []

    def outcome(p: Fraction) -> list[dict[str, Any]]:
        return [{"probability": share, "rewards": [reward]} for share, reward in ((p, 1), (1 - p, 0)) if share]

    for q, step in product(range(prompts), range(thoughts + 1)):
        for mind in ("careful", "hasty") if step else ("careful",):
            if step == thoughts:
                right = Fraction(min(q, 2) + (2 if mind == "careful" else 1), 4)
                actions = [
                    {"name": name, "kind": "answer", "next": outcome(p)}
                    for name, p in (("answer", right), ("guess", Fraction(1, 4)))
                ]
            else:
                after = {name: f"q{q}/{step + 1}/{name}" for name in ("careful", "hasty")}
                lost = [
                    {"probability": Fraction(9, 10), "node": after["hasty"]},
                    {"probability": Fraction(1, 10), "rewards": [0]},
                ]
                actions = [
                    {"name": "careful", "kind": "think", "next": [{"probability": 1, "node": after["careful"]}]},
                    {"name": "hasty", "kind": "think", "next": lost},
                ]
            nodes.append(
                {
                    "id": f"q{q}/{step}/{mind}" if step else f"q{q}",
                    "depth": 0,
                    "observation": f"q{q}",
                    "actions": actions,
                }
            )
    rho = [{"name": f"q{q}", "probability": Fraction(1, prompts), "start": f"q{q}"} for q in range(prompts)]
    components = [{"name": "accuracy", "weight": 1}]
    content = {
        "schema": "tamdp/1",
        "name": f"chain-{thoughts}",
        "max_tool_depth": 0,
        "components": components,
        "prompts": rho,
        "nodes": nodes,
    }
    return TAMDP.from_dict(content)


def make_instance(config: Config) -> Instance:
    """What the claims are checked on; the reference is drawn from the instance's seed."""
    env = make_process(config.task, config.depth)
    policy = TabularSoftmax.random(env, np.random.default_rng([config.seed, config.depth]), config.scale)
    setting = Generalization(
        env.exact_prompt_probability,
        around(policy, CLASS, config.seed),
        n=config.n,
        delta=config.delta,
        inverse_temperature=config.inverse_temperature,
    )
    return Instance(env, policy, seed=config.seed, generalization=setting)


def run(config: Config) -> list[Row]:
    """Both sides of each claim: one row. hessian is left empty where the matrix would be too large."""
    instance = make_instance(config)
    checks = {name: CLAIMS[name].check(instance) for name in ("T3.depth", "T3.depth.horizon", "L1.bound", "L3")}
    calls, silent = tool_runs(instance.env)
    found = coverage("T3.kl", instance, every=False)
    row: Row = {
        "task": config.task,
        "depth": config.depth,
        "seed": config.seed,
        "n": config.n,
        "delta": config.delta,
        "nodes": instance.env.n_nodes,
        "D": calls,
        "B": silent,
        "horizon": _side(checks["T3.depth.horizon"], 0),
        "horizon_bound": _side(checks["T3.depth.horizon"], 1),
        "kl": _side(checks["T3.depth"], 0),
        "kl_bound": _side(checks["T3.depth"], 1),
        "kl_by_horizon": _side(checks["L1.bound"], 1),
        "hessian": _side(checks["L3"], 0),
        "smoothness": _side(checks["L3"], 1),
        "risk": found.risk,
        "empirical": found.empirical,
        "risk_bound": found.bound,
        "kl_posterior": found.kl,
        "failure": found.failure,
    }
    return [row]


def _side(check: Check, which: int) -> float | str:
    """A side of a check to ten digits, as the rest may depend on the threads of the linear algebra library; empty if it
    was not made.
    """
    value = (check.lhs, check.rhs)[which]
    return "" if value is None else float(f"{value:.10g}")


def summary(table: dict[str, list[Any]], out: Any) -> None:
    """Means over policies."""
    from rich.table import Table

    columns = (
        "D",
        "horizon",
        "horizon_bound",
        "kl",
        "kl_by_horizon",
        "kl_bound",
        "hessian",
        "smoothness",
        "risk",
        "risk_bound",
        "kl_posterior",
    )
    titles = (
        "D",
        "H",
        "bound",
        "KL of\ntrajectories",
        "H max KL",
        "T3.depth",
        "Hessian",
        "L3",
        "risk",
        "T3.kl",
        "KL(Q||Pi)",
    )
    shown = Table("task", "calls or\nthoughts", *titles, box=None, padding=(0, 1))
    for task, depth in dict.fromkeys(zip(table["task"], table["depth"], strict=True)):
        shown.add_row(task, f"{depth:.0f}", *(f"{mean(table, task, depth, name):.4g}" for name in columns))
    out.print(shown)
    for line in findings(table):
        out.print(line, soft_wrap=True)


def mean(table: dict[str, list[Any]], task: str, depth: float, column: str) -> float:
    """Mean over policies; nan if a number is missing."""
    rows = [i for i, own in enumerate(zip(table["task"], table["depth"], strict=True)) if own == (task, depth)]
    values = [table[column][i] for i in rows]
    return float("nan") if "" in values else float(np.mean(values))


def findings(table: dict[str, list[Any]]) -> list[str]:
    """How much each quantity grows from the smallest to the largest depth."""
    lines = []
    for task in dict.fromkeys(table["task"]):
        depths = sorted({depth for own, depth in zip(table["task"], table["depth"], strict=True) if own == task})
        first, last = (
            {name: mean(table, task, depth, name) for name in table if name != "task"}
            for depth in (depths[0], depths[-1])
        )
        growth = ", ".join(
            f"{title} {first[name]:.3g} to {last[name]:.3g}"
            for name, title in (
                ("kl", "KL of trajectories"),
                ("kl_bound", "its bound"),
                ("hessian", "Hessian norm"),
                ("smoothness", "L3"),
                ("risk", "risk"),
                ("risk_bound", "PAC-Bayes bound"),
            )
        )
        lines.append(
            f"{task}, {'thoughts' if task == 'chain' else 'D'} {depths[0]:.0f} to {depths[-1]:.0f} (D = "
            f"{last['D']:.0f} at the end): {growth}"
        )
    return lines
