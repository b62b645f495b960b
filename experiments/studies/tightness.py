"""How tight each inequality is: larger over smaller side of every exact check, on random processes and policies.

Every claim of kind "inequality" that is checked without sampled training is checked, under each of its group schemes,
on random trees, bandits and search tasks. The ratio is rhs/lhs of lhs <= rhs: 1 is equality, below 1 a violation
(expected of printed claims alone). A claim about many rows (groups, prompts, training sets) reports the one of least
slack, as ``Claim.check`` does; the claims of Theorem 3 draw target, policies and training prompts from the seed. Checks
whose smaller side is within their own error, or zero, have no ratio.

The smoothness of L3 is also set against what it replaces, constants of the literature for rewards in [0, 1], times the
same max_q rho_q osc_q(c) that L3 takes half of (the Hessian is block diagonal over prompts, and a constant reward adds
nothing to it):

    bandit       5/2, Mei et al. 2020 (arXiv 2005.06392), Lemma 2: pi . r with softmax pi. As it stands, and only where
                 H = 1.
    discounted   8/(1 - gamma)^3, the same, Lemma 7 (also behind the step size (1 - gamma)^3/8 of Agarwal et al. 2021,
                 JMLR 22(98)): tabular softmax, discounted. Adapted by the effective horizon, 1/(1 - gamma) -> H: 8 H^3.
    one reward   its proof with what holds here: occupancies sum to at most H, later ones to H - 1, not 1/(1 - gamma);
                 values span osc(c), not 1/(1 - gamma), as the only reward comes at the end. With sum |d pi| <= 2 and
                 sum |d^2 pi| <= 6 along a unit direction: 6 H + 2 * 2^2 * H (H - 1) = 8 H^2 - 2 H.

They stand in for the right side of L3, and for L_J in the promise of T2.benefit, against the gain of the step that L3
recommends. A promise is inversely proportional to L; the number of steps that Theorem 1 asks for is proportional to it.

Expected: ratios of at least 1 for all that is proved; L3.bandit and L3.tree near 1 somewhere, since they are attained;
the literature's constants 5 times (bandit), 16 H^3 and 16 H^2 - 4 H times as large as L3, by definition, and further
from the exact norm by what L3 itself is off.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Any, Literal, TypeAlias

import numpy as np
import sympy as sp

from bounds import CLAIMS, Check, Claim, Instance, Measured, Standing, cost
from bounds import symbols as s
from bounds.pac_bayes.setting import default_target
from experiments import tightest
from tamdp_theory import TAMDP, InputError, TabularSoftmax, exact, families
from tamdp_theory.exact import Scheme

Row: TypeAlias = dict[str, Any]
Family: TypeAlias = Literal["bandit", "tree", "search"]
OF_TRAINING = (cost.training, cost.potential_training, cost.paths)  # on instances of their own
STEPS = 25  # of the exact training of T1.exact
LITERATURE: dict[str, Callable[[int], float]] = {  # over max_q rho_q osc_q(c), from H
    "bandit": lambda h: 5 / 2,
    "discounted": lambda h: 8 * h**3,
    "one reward": lambda h: 8 * h**2 - 2 * h,
}
REPLACES = {"L3": s.osc, "T2.benefit": s.L_J}  # where the smoothness enters


@dataclass(frozen=True)
class Config:
    """One process and policy, every claim."""

    family: Family = "tree"
    """Family of processes."""
    components: int = 3
    """Reward components, K; search always has 3."""
    depth: int = 1
    """Tool calls allowed, D; a bandit has none."""
    scale: float = 0.7
    """Deviation of the policy's random logits."""
    seed: int = 0
    """Seed of process and policy, and of what the checks draw."""

    def __post_init__(self) -> None:
        for name, least in (("components", 1), ("depth", 0), ("scale", 0), ("seed", 0)):
            if not getattr(self, name) >= least:
                raise InputError(f"{name}: must be at least {least}, got {getattr(self, name)}")


def sweep(quick: bool = False) -> list[Config]:
    """Three families, soft and sharp policies; four seeds, one if quick."""
    kinds: list[tuple[Family, int, int]] = [("bandit", k, 0) for k in (1, 2, 3)]
    kinds += [("tree", k, d) for k in (1, 2, 3) for d in ((1,) if quick else (1, 2))]
    kinds += [("search", 3, d) for d in ((1,) if quick else (1, 2))]
    scales, seeds = ((0.7,), 1) if quick else ((0.7, 2.5), 4)
    return [Config(family, k, d, scale, seed) for (family, k, d), scale, seed in product(kinds, scales, range(seeds))]


def claims() -> list[Claim]:
    """The inequalities with an exact check."""
    return [claim for claim in CLAIMS.values() if claim.kind == "inequality" and claim.cost not in OF_TRAINING]


def make_process(config: Config) -> TAMDP:
    """The random process of a cell."""
    generator = np.random.default_rng([config.seed, config.components, config.depth])
    prompts = 1 + (config.seed + 1) % 3
    if config.family == "tree":
        levels = 3 if config.seed % 4 == 3 else 2
        return families.random_tree(
            config.seed, prompts, 1, answers=2, max_tool_depth=config.depth, components=config.components, levels=levels
        )
    if config.family == "search":
        needs = generator.integers(0, config.depth + 2, prompts).tolist()
        return families.search(prompts, config.depth, Fraction(int(generator.integers(2, 10)), 10), difficulties=needs)
    tables = [[_arm(config.components, generator) for _ in range(generator.integers(2, 5))] for _ in range(prompts)]
    return families.contextual_bandit(
        tables, weights=[Fraction(1, config.components)] * config.components, name="bandit"
    )


def _arm(components: int, generator: np.random.Generator) -> list[tuple[Fraction, tuple[int, ...]]]:
    """One or two outcomes of 0/1 rewards."""
    rewards = sorted({tuple(generator.integers(0, 2, components).tolist()) for _ in range(2)})
    parts = generator.integers(1, 9, len(rewards)).tolist()
    return [(Fraction(part, sum(parts)), one) for part, one in zip(parts, rewards, strict=True)]


def run(config: Config) -> list[Row]:
    """A row for each check that has a ratio: every claim, every scheme that it names, and the literature's
    constants.
    """
    env = make_process(config)
    policy = TabularSoftmax.random(env, np.random.default_rng([config.seed, 7]), config.scale)
    rows: list[Row] = []
    for claim in claims():
        if says_nothing(claim, env, config.seed):
            continue
        for scheme in claim.schemes or (Scheme(8, "center"),):
            instance = Instance(env, policy, scheme, seed=config.seed, steps=STEPS)
            checks = {"own": claim.check(instance)}
            if claim.id in REPLACES:
                names = [name for name in LITERATURE if name != "bandit" or env.horizon == 1]
                checks |= {name: with_constant(claim, name).check(instance) for name in names}
            for constant, check in checks.items():
                if (ratio := larger_over_smaller(claim, check)) is not None:
                    rows.append(
                        {
                            "family": config.family,
                            "components": env.n_components,
                            "depth": config.depth,
                            "scale": config.scale,
                            "seed": config.seed,
                            "horizon": env.horizon,
                            "claim": claim.id,
                            "standing": str(claim.standing),
                            "constant": constant,
                            "normalization": scheme.normalization if claim.schemes else "none",
                            "group_size": scheme.group_size if claim.schemes else 0,
                            "lhs": _rounded(check.lhs),
                            "rhs": _rounded(check.rhs),
                            "ratio": ratio,
                            "verdict": str(check.verdict),
                        }
                    )
    return rows


def says_nothing(claim: Claim, env: TAMDP, seed: int) -> bool:
    """Whether a claim about two domains would compare equal ones, or what is printed was refuted on the first seed."""
    same = s.R_T in claim.symbols and default_target(env, seed) == env.exact_prompt_probability
    return same or (claim.standing is Standing.PRINTED and seed > 0)


def literature(env: TAMDP, constant: str) -> float:
    """A bound of the Hessian norm by a constant of the literature; see the module."""
    return LITERATURE[constant](env.horizon) * float((env.prompt_probability * exact.reward_range(env)).max())


def with_constant(claim: Claim, constant: str) -> Claim:
    """L3 or T2.benefit with the literature's smoothness in place of the claim's own."""

    def measure(instance: Instance) -> Measured:
        measured, smooth = claim.measure(instance), literature(instance.env, constant)
        if not measured.numbers:
            return measured
        return replace(
            measured, numbers={**measured.numbers, REPLACES[claim.id]: smooth * 2 if claim.id == "L3" else smooth}
        )

    return replace(claim, measure=measure)


def larger_over_smaller(claim: Claim, check: Check) -> float | None:
    """rhs/lhs of lhs <= rhs, to ten digits; None if the smaller side is zero or within the error, or one is
    not finite.
    """
    if check.lhs is None or check.rhs is None or not np.isfinite([check.lhs, check.rhs]).all():
        return None
    small, large = (check.rhs, check.lhs) if isinstance(claim.statement, (sp.Ge, sp.Gt)) else (check.lhs, check.rhs)
    return _rounded(large / small) if small > 10 * check.error else None


def _rounded(value: float | None) -> float:
    """Ten digits: those after them may depend on the threads of the linear algebra library."""
    return float(f"{value:.10g}")


def summary(table: dict[str, list[Any]], out: Any) -> None:
    """Quartiles and extremes of the ratio by claim, and what the literature's constants cost."""
    from rich.table import Table

    shown = Table(
        "claim",
        "constant",
        "checks",
        "least",
        "quartile",
        "median",
        "quartile",
        "largest",
        "violated",
        box=None,
        padding=(0, 1),
    )
    keys = list(zip(table["claim"], table["constant"], strict=True))
    for key in dict.fromkeys(keys):
        rows = [i for i, own in enumerate(keys) if own == key]
        ratios = np.quantile([table["ratio"][i] for i in rows], (0, 0.25, 0.5, 0.75, 1))
        violated = sum(table["verdict"][i] == "violated" for i in rows)
        shown.add_row(
            key[0],
            "" if key[1] == "own" else key[1],
            str(len(rows)),
            *(f"{ratio:.4g}" for ratio in ratios),
            str(violated or ""),
        )
    out.print(shown)
    for line in [*findings(table), *searched(table)]:
        out.print(line, soft_wrap=True)


def searched(table: dict[str, list[Any]]) -> list[str]:
    """How much nearer to equality a search came than these processes."""
    known, lines = tightest.known(), []
    for claim in dict.fromkeys(table["claim"]):
        own = [
            ratio
            for ratio, name, constant in zip(table["ratio"], table["claim"], table["constant"], strict=True)
            if name == claim and constant == "own"
        ]
        if claim in known and 1 / known[claim].ratio < min(own) * (1 - 1e-6):
            entry = known[claim]
            lines.append(f"{claim}: {min(own):.4g} here, {1 / entry.ratio:.6g} by a search, on {entry.process}")
    return lines


def findings(table: dict[str, list[Any]]) -> list[str]:
    """What is attained, what is violated, and how loose the smoothness is, as the numbers have it."""
    own = [i for i, constant in enumerate(table["constant"]) if constant == "own"]
    least = {
        claim: min(table["ratio"][i] for i in own if table["claim"][i] == claim)
        for claim in dict.fromkeys(table["claim"])
    }
    lines = [
        f"within 1 % of equality somewhere: "
        f"{', '.join(claim for claim, ratio in least.items() if 1 - 1e-9 <= ratio < 1.01)}"
    ]
    broken = dict.fromkeys(
        f"{table['claim'][i]} ({table['standing'][i]})" for i in own if table["verdict"][i] == "violated"
    )
    lines.append(f"violated somewhere: {', '.join(broken) or 'none'}")
    for horizon in sorted(set(table["horizon"])):
        rows = [i for i, h in enumerate(table["horizon"]) if h == horizon and table["claim"][i] == "L3"]
        names = dict.fromkeys(table["constant"][i] for i in rows)
        medians = {
            name: float(np.median([table["ratio"][i] for i in rows if table["constant"][i] == name])) for name in names
        }
        shown = ", ".join(f"{'osc/2 of L3' if name == 'own' else name} {ratio:.3g}" for name, ratio in medians.items())
        lines.append(f"H = {horizon:.0f}, smoothness over exact Hessian norm, median: {shown}")
    return lines
