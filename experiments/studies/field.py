"""The expected update as a vector field: where it turns in circles, so that no objective can be behind it.

Three arms with fixed rewards of two components; a policy is a point of the triangle of arm probabilities. GRPO's
expected update is the pull-back of the one-form h (L5, L8). Its curl is given in the coordinates of L8.pair: at steps
towards the middle and the best arm, both away from the worst, so it is the circulation per unit area of dP_mid dP_top.
By Stokes the whole triangle adds up to the circulation of h along its border, which is Psi_G(1) for any three
composites under sum_then_normalize. All of it is exact.

Expected: no curl under center (L7a), and under normalize_then_sum if components have two values each (L7b, T2.closed);
curl everywhere under sum_then_normalize (L8: three values), exactly 2 for groups of two (L8.pair); curl under
normalize_then_sum too if a component is graded. How far the update points away from the gradient of J, and whether ever
against it (T1.drift), is measured, not expected.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from tamdp_theory import InputError, exact
from tamdp_theory.exact import NORMALIZATIONS
from tamdp_theory.model import Floats

Row = dict[str, Any]
Rewards = Literal["stairs", "trade-off", "graded"]
_HALF, _QUARTER = Fraction(1, 2), Fraction(1, 4)
ARMS: dict[str, tuple[tuple[tuple[Fraction | int, ...], ...], tuple[Fraction, ...]]] = {
    "stairs": (((0, 0), (1, 0), (1, 1)), (_QUARTER, 1 - _QUARTER)),
    "trade-off": (((0, 0), (1, 0), (0, 1)), (_QUARTER, 1 - _QUARTER)),
    "graded": (((0, 0), (0, 1), (1, _HALF)), (_HALF, _HALF)),
}  # rewards of the arms, the worst composite first, and the components' weights


@dataclass(frozen=True)
class Config:
    """The field of one normalization on one triangle."""

    rewards: Rewards = "stairs"
    """Rewards (R_1, R_2) of the arms: (0,0) (1,0) (1,1); trade-off (0,0) (1,0) (0,1); graded (0,0) (0,1) (1,1/2)."""
    normalization: str = "sum_then_normalize"
    """How groups become advantages."""
    group_size: int = 8
    """Rollouts per group."""
    points: int = 24
    """Steps of the grid along an edge."""

    def __post_init__(self) -> None:
        if self.rewards not in ARMS:
            raise InputError(f"rewards: must be one of {', '.join(ARMS)}, got {self.rewards!r}")
        if self.points < 3:
            raise InputError(f"points: must be at least 3, got {self.points}")


def sweep(quick: bool = False) -> list[Config]:
    """Every set of rewards and normalization, groups of 2, 8 and 32; of 8 and on a coarser grid if quick."""
    sizes, points = ((8,), 12) if quick else ((2, 8, 32), 24)
    return [
        Config(rewards, normalization, size, points)
        for rewards in ("stairs", "trade-off", "graded")
        for size in sizes
        for normalization in NORMALIZATIONS
    ]


def grid(points: int) -> Floats:
    """Arm probabilities (n, 3) on the triangle, border included."""
    steps = [(points - i - j, i, j) for i in range(points + 1) for j in range(points + 1 - i)]
    return np.array(steps, dtype=np.float64) / points


def one_form(config: Config, probability: Floats) -> Floats:
    """h (..., 3) less its mean: the part that a step within the triangle feels."""
    h = exact.group_moments(probability, *ARMS[config.rewards], config.group_size, config.normalization).first
    centred: Floats = h - h.mean(-1, keepdims=True)
    return centred


def circulation(config: Config) -> float:
    """Integral of h along the border, worst to middle to best arm and back: exact, since h is a polynomial of degree G
    - 1.
    """
    nodes, weights = np.polynomial.legendre.leggauss(config.group_size // 2 + 1)
    arms, total = np.eye(3), 0.0
    for start, end in ((0, 1), (1, 2), (2, 0)):
        path = (1 + nodes[:, None]) / 2 * arms[end] + (1 - nodes[:, None]) / 2 * arms[start]
        h = one_form(config, path)
        total += float(((h[:, end] - h[:, start]) * weights).sum() / 2)
    return total


def push(probability: Floats, reward: ArrayLike) -> Floats:
    """Gradient (n, 3) of the mean of a fixed reward (n, 3) in the logits of a tabular policy: pi_a (r_a - mean r)."""
    r = np.asarray(reward, dtype=np.float64)
    moved: Floats = probability * (r - (probability * r).sum(-1, keepdims=True))
    return moved


def run(config: Config) -> list[Row]:
    """One row per point of the grid."""
    rewards, weights = ARMS[config.rewards]
    p = grid(config.points)
    h = one_form(config, p)
    twist = exact.curl(p, rewards, weights, config.group_size, config.normalization)
    worst, middle, best = np.eye(3)
    curl = np.einsum("i,nij,j->n", middle - worst, twist, best - worst)
    # what is left of terms of this size is rounding
    largest = np.abs(exact.group_moments(p, rewards, weights, config.group_size, config.normalization).given_pair).max()
    curl[np.abs(curl) < 1e-12 * config.group_size * largest] = 0.0
    composite = [float(sum(w * r for w, r in zip(weights, row, strict=True))) for row in rewards]
    update, gradient, around = push(p, h), push(p, composite), circulation(config)
    drift = (update * gradient).sum(-1)
    norms = [np.sqrt((vector**2).sum(-1)) for vector in (update, gradient)]
    return [
        {
            "rewards": config.rewards,
            "normalization": config.normalization,
            "group_size": config.group_size,
            "points": config.points,
            **{f"p_{a}": float(p[i, a]) for a in range(3)},
            **{f"h_{a}": float(h[i, a]) for a in range(3)},
            "curl": float(curl[i]),
            "drift": float(drift[i]),
            "update_norm": float(norms[0][i]),
            "gradient_norm": float(norms[1][i]),
            "circulation": around,
        }
        for i in range(len(p))
    ]


def summary(table: dict[str, list[Any]], out: Any) -> None:
    """Curl, circulation and the worst angle of each cell."""
    from rich.table import Table

    titles = (
        "\nrewards",
        "\nnormalization",
        "\nG",
        "curl\nsmallest",
        "\nlargest",
        "circulation\nof the border",
        "smallest cosine\nwith the gradient",
    )
    shown = Table(*titles, box=None)
    keys = list(zip(table["rewards"], table["normalization"], table["group_size"], strict=True))
    turning = []
    for key in dict.fromkeys(keys):
        rows = [i for i, own in enumerate(keys) if own == key]
        curl = [table["curl"][i] for i in rows]
        norms = [(i, table["update_norm"][i] * table["gradient_norm"][i]) for i in rows]
        angle = min(table["drift"][i] / size for i, size in norms if size > 1e-12)
        if any(curl):
            turning.append(key)
        numbers = (min(curl), max(curl), table["circulation"][rows[0]])
        shown.add_row(
            key[0], key[1], f"{key[2]:.0f}", *(f"{0.0 if abs(x) < 1e-12 else x:.3f}" for x in numbers), f"{angle:.3f}"
        )
    out.print(shown)
    for normalization in dict.fromkeys(table["normalization"]):
        kinds = list(dict.fromkeys(key[0] for key in turning if key[1] == normalization))
        out.print(
            f"{normalization}: " + (f"curl with rewards {', '.join(kinds)}" if kinds else "no curl anywhere"),
            soft_wrap=True,
        )
