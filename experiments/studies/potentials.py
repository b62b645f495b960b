"""What GRPO climbs where a reward has two values: the potential Psi_G of its success probability, from groups of two to
no end.

With two reward values the expected update is psi_G(p) grad p, psi_G = Psi_G' (L7). Computed on a grid that is even in
arcsin sqrt p: Psi_G and psi_G; psi_G by a second route, the difference of the effective reward between success and
failure from the law of the group; its bounds (L7.lower, L7.upper); the limits of large groups, 2 arcsin sqrt p and
1/sqrt(p (1-p)); and the potential kappa p of ``center``, whose slope is the same everywhere.

Expected: psi_2 = 1 and psi_3 = sqrt 2 at every p, so that these groups climb the success probability itself, like
``center``; larger groups weigh rare successes and rare failures more, up to sqrt(G - 1). How fast the limit is reached
is measured: away from the ends the slope should miss by a factor 1 - 1/(8 G p (1-p)) (rollout budgets, theory.md
section 9).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bounds import CLAIMS
from bounds import symbols as s
from tamdp_theory import InputError, exact
from tamdp_theory.exact import Scheme
from tamdp_theory.model import Floats

Row = dict[str, Any]


@dataclass(frozen=True)
class Config:
    """The potential of one group size."""

    group_size: int = 8
    """Rollouts per group, G."""
    points: int = 192
    """Success probabilities are sin^2(pi i / (2 points)), i = 1 to points - 1."""

    def __post_init__(self) -> None:
        if self.points < 2:
            raise InputError(f"points: must be at least 2, got {self.points}")


def sweep(quick: bool = False) -> list[Config]:
    """Groups of 2 to 64; fewer, on a coarser grid, if quick."""
    return (
        [Config(size, 32) for size in (2, 4, 16)]
        if quick
        else [Config(size) for size in (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)]
    )


def grid(points: int) -> Floats:
    """Success probabilities, even in arcsin sqrt p: dense at both ends."""
    p: Floats = np.sin(np.pi * np.arange(1, points) / (2 * points)) ** 2
    return p


def reward_difference(p: Floats, group_size: int) -> Floats:
    """h(success) - h(failure): what an update is worth by the law of the group, without any potential."""
    law = np.stack([1 - p, p], axis=-1)
    h = exact.group_moments(law, [[0], [1]], [1], group_size, "sum_then_normalize").first
    difference: Floats = h[..., 1] - h[..., 0]
    return difference


def run(config: Config) -> list[Row]:
    """One row per success probability."""
    size, p = config.group_size, grid(config.points)
    kappa = Scheme(size, "center").kappa
    slope, half = exact.potential_slope(p, size), exact.potential_slope(0.5, size)
    lower = CLAIMS["L7.lower"].sides({s.psi_half: half, s.psi: slope})[0]
    upper = CLAIMS["L7.upper"].sides({s.psi: slope, s.G: size})[1]
    columns = {
        "potential": exact.potential(p, size),
        "slope": slope,
        "measured_slope": reward_difference(p, size),
        "limit_potential": 2 * np.arcsin(np.sqrt(p)),
        "limit_slope": 1 / np.sqrt(p * (1 - p)),
        "center_potential": kappa * p,
    }
    total = {
        "group_size": size,
        "points": config.points,
        "slope_lower": float(lower),
        "slope_upper": float(upper),
        "center_slope": kappa,
        "total": float(exact.potential(1.0, size)),
    }
    return [
        {**total, "p": float(p[i]), **{name: float(values[i]) for name, values in columns.items()}}
        for i in range(len(p))
    ]


def summary(table: dict[str, list[Any]], out: Any) -> None:
    """How far each group size is from the limit."""
    from rich.table import Table

    shown = Table(
        "\nG",
        "Psi_G(1)\n(limit pi)",
        "missing\nx sqrt G",
        "psi_G(1/2)\n(limit 2)",
        "missing\nx G",
        "weight of a rare\nsuccess, psi_G(0)",
        "limit 10% off\nbelow p =",
        box=None,
    )
    for size in dict.fromkeys(table["group_size"]):
        rows = [i for i, own in enumerate(table["group_size"]) if own == size]
        half, total, upper = (table[name][rows[0]] for name in ("slope_lower", "total", "slope_upper"))
        near = [
            table["p"][i] for i in rows if table["p"][i] <= 0.5 and table["slope"][i] >= 0.9 * table["limit_slope"][i]
        ]
        reached = f"{min(near):.3f}" if near else "everywhere"
        shown.add_row(
            f"{size:.0f}",
            f"{total:.4f}",
            f"{(np.pi - total) * np.sqrt(size):.3f}",
            f"{half:.4f}",
            f"{(2 - half) * size:.3f}",
            f"{upper:.3f}",
            reached,
        )
    out.print(shown)
    worst = max(abs(a / b - 1) for a, b in zip(table["measured_slope"], table["slope"], strict=True))
    out.print(f"the slope by the law of the group agrees with psi_G to {worst:.0e}, relative")
