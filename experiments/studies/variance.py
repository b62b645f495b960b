"""Does the variance of GRPO's update scale as K/G? Exact variance over the number of components K and the group size G.

Process: one prompt and two arms, tabular policy, uniform. Each of K components of weight one is a fair coin on average:
comonotone components are all equal, independent ones are drawn one by one, and complementary ones are alternately a
coin and its opposite. ``gap`` is how much likelier the coin is heads at the better arm (0: scores carry no news about
rewards).

Per normalization: the exact variance V (L6); what the printed law (T1.assumption2) makes of the variance of one
component alone, K times it; the exact laws T1.scaling.* and the bounds L9, L9.components, L9.decomposed, each where its
assumptions are met. Expected for gap 0: V grows as K^2 for equal components, centred or decomposed, as K for
independent ones, and not at all where jointly normalized; it is 0 for an even number of complementary ones (T2.cancel),
where K/G is no law either. All fall as 1/G, silent groups aside. For gap > 0 no claim gives the exponent; the bounds
still hold.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any, Literal

import numpy as np

from bounds import CLAIMS, Instance
from bounds import symbols as s
from tamdp_theory import InputError, TabularSoftmax, exact, families
from tamdp_theory.exact import NORMALIZATIONS, Scheme
from tamdp_theory.model import TAMDP

Row = dict[str, Any]
Shape = Literal["comonotone", "independent", "complementary"]
SHAPES: tuple[Shape, ...] = ("independent", "comonotone", "complementary")
LAWS = {
    "comonotone": ("T1.scaling.joint", "T1.scaling.comonotone"),
    "independent": ("T1.scaling.joint", "T1.scaling.independent"),
    "complementary": ("T1.scaling.joint",),
}
BOUNDS = ("L9", "L9.components", "L9.decomposed")


@dataclass(frozen=True)
class Config:
    """One process and one group size, under every normalization."""

    shape: Shape = "comonotone"
    """How the components hang together."""
    components: int = 2
    """Number of components, K."""
    group_size: int = 8
    """Rollouts per group, G."""
    gap: float = 0.0
    """Probability of heads at the better arm less that at the worse one, in [0, 1)."""

    def __post_init__(self) -> None:
        if not 1 <= self.components <= 10:
            raise InputError(f"components: must be 1 to 10, got {self.components}")
        if not 0 <= self.gap < 1:
            raise InputError(f"gap: must be at least 0 and less than 1, got {self.gap}")


def sweep(quick: bool = False) -> list[Config]:
    """Every shape, K from 1 to 7, G from 2 to 32, scores with and without news; fewer if quick."""
    counts, sizes, gaps = ((1, 2, 3), (2, 8), (0.0,)) if quick else (range(1, 8), (2, 4, 8, 16, 32), (0.0, 0.5))
    # the costly ones first
    return [Config(*cell) for cell in product(SHAPES, sorted(counts, reverse=True), sorted(sizes, reverse=True), gaps)]


def make_process(shape: Shape, count: int, gap: float = 0.0) -> TAMDP:
    """Two arms with heads at 1/2 + gap/2 and 1/2 - gap/2, unit weights."""
    arms = []
    for sign in (1, -1):
        heads = Fraction(1, 2) + sign * Fraction(str(gap)) / 2
        if shape == "independent":
            tosses = product((1, 0), repeat=count)
            arms.append([(heads ** sum(bits) * (1 - heads) ** (count - sum(bits)), bits) for bits in tosses])
        else:
            turned = [shape == "complementary" and k % 2 == 1 for k in range(count)]
            arms.append([(p, tuple(bit ^ turn for turn in turned)) for p, bit in ((heads, 1), (1 - heads, 0))])
    return families.bandit(arms, weights=(1,) * count, name=f"{shape}-{count}")


def run(config: Config) -> list[Row]:
    """Rows (normalization, series, value): exact variance, law K/G, and each claim that speaks of the instance."""
    env = make_process(config.shape, config.components, config.gap)
    alone = make_process("comonotone", 1, config.gap)
    exponent = float(CLAIMS["T1.assumption2"].sides({s.exponent_K: 1.0})[1])
    rows: list[Row] = []
    for normalization in NORMALIZATIONS:
        instance = Instance(env, TabularSoftmax(env), Scheme(config.group_size, normalization))
        one = exact.update_moments(alone, TabularSoftmax(alone), config.group_size, normalization).variance
        found = {"variance": exact.update_moments(env, instance.policy, config.group_size, normalization).variance}
        found["alone"], found["law"] = one, one * config.components**exponent
        found |= {
            name: value for name in (*LAWS[config.shape], *BOUNDS) if (value := right_side(name, instance)) is not None
        }
        head = {
            "shape": config.shape,
            "components": config.components,
            "group_size": config.group_size,
            "gap": config.gap,
        }
        rows += [
            head | {"normalization": normalization, "series": series, "value": value} for series, value in found.items()
        ]
    return rows


def right_side(name: str, instance: Instance) -> float | None:
    """Right side of a claim on one prompt, or none if its assumptions are not met there."""
    claim = CLAIMS[name]
    if not all(claim.conditions(instance).values()):
        return None
    measured = claim.measure(instance)
    if not measured.numbers or not all(measured.assumptions.values()):
        return None
    return float(np.ravel(CLAIMS[name].sides(measured.numbers)[1])[0])


def summary(table: dict[str, list[Any]], out: Any) -> None:
    """Fitted exponents in K and G, and how the laws and bounds do."""
    names = ("shape", "normalization", "gap", "components", "group_size")
    value = {
        (table["series"][i], *(table[name][i] for name in names)): table["value"][i] for i in range(len(table["value"]))
    }
    for gap, shape, normalization in product(sorted(set(table["gap"])), SHAPES, NORMALIZATIONS):
        cells = [
            (key[4], key[5], one) for key, one in value.items() if key[:4] == ("variance", shape, normalization, gap)
        ]
        if cells:
            out.print(f"gap {gap:g}, {shape}, {normalization}: {exponents(cells)}", soft_wrap=True)
    for name in dict.fromkeys(name for name in table["series"] if name.startswith(("T1.", "L9"))):
        pairs = [(value["variance", *key[1:]], one) for key, one in value.items() if key[0] == name]
        if name.startswith("T1."):
            worst = max(abs(one - v) / max(one, v, 1e-300) for v, one in pairs)
            out.print(
                f"{name}: largest relative difference from the exact variance {worst:.1g} on {len(pairs)} cells",
                soft_wrap=True,
            )
        else:
            ratios = [v / one for v, one in pairs]
            out.print(
                f"{name}: variance is {min(ratios):.2g} to {max(ratios):.2g} of the bound on {len(pairs)} cells",
                soft_wrap=True,
            )


def exponents(cells: list[tuple[float, float, float]]) -> str:
    """Slope of log V over log K at the largest G, and over log G at the largest odd K and three largest G, in words;
    cells (K, G, V).
    """
    size, odd = max(g for _, g, _ in cells), max([k for k, _, v in cells if v > 0 and k % 2 == 1], default=0)
    by_count = sorted((k, v) for k, g, v in cells if g == size)
    by_size = sorted((g, v) for k, g, v in cells if k == odd)
    zeros = [f"{k:.0f}" for k, v in by_count if v == 0]
    said = [f"V = 0 at K = {', '.join(zeros)}"] if zeros else []
    if not zeros and len(by_count) > 1:
        said.append(f"V ~ K^{_slope(by_count):.2f} at G = {size:.0f}")
    if len(by_size) > 1:
        said.append(f"V ~ G^{_slope(by_size[-3:]):.2f} at K = {odd:.0f}")
    return "; ".join(said) or "one cell, no exponent"


def _slope(points: list[tuple[float, float]]) -> float:
    x, y = np.log(np.array(points)).T
    x = x - x.mean()
    return float((x * y).sum() / (x**2).sum())
