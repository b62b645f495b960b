"""How every estimator weighs difficulty: the slope psi of its expected update along the success probability.

With 0/1 rewards every estimator's expected update is psi(p) grad p (T4.slopes), and what it climbs is the integral of
psi. Computed exactly, on a grid that is even in arcsin sqrt p: psi, its integral from 0 by a Gauss rule that is exact
for polynomials of its degree, and psi at one half, which curves are compared by.

Expected: flat for centred rewards, leave-one-out, ranks and ranges; up at both ends for standardized rewards; at hard
prompts alone for pass@k, max@k, the best member and rewards over their mean; down at the ends for signs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments import atlas
from experiments.studies.potentials import grid
from tamdp_theory import InputError
from tamdp_theory.exact import Scheme
from tamdp_theory.guards import check_integer
from tamdp_theory.model import Floats

Row = dict[str, Any]


@dataclass(frozen=True)
class Config:
    """One estimator at one group size."""

    estimator: str = "sum_then_normalize"
    """Name of an estimator."""
    group_size: int = 8
    """Rollouts per group, G."""
    points: int = 96
    """Success probabilities are sin^2(pi i / (2 points)), i = 1 to points - 1."""

    def __post_init__(self) -> None:
        check_integer("group_size", self.group_size, 2)
        if self.points < 2:
            raise InputError(f"points: must be at least 2, got {self.points}")
        _ = Scheme(self.group_size, self.estimator)


def sweep(quick: bool = False) -> list[Config]:
    """Every estimator of the atlas in groups of 4 and 16; of 4, on a coarser grid, if quick."""
    sizes, points = ((4,), 24) if quick else ((4, 16), 96)
    return [Config(name, size, points) for size in sizes for name in atlas.names(size)]


def run(config: Config) -> list[Row]:
    """One row per success probability."""
    scheme, p = atlas.scheme_of(config.estimator, config.group_size), grid(config.points)
    slope, even = atlas.slope_at(scheme, p), float(atlas.slope_at(scheme, np.array([0.5]))[0])
    total = integral(scheme, np.append(p, 1.0))
    fixed = {"estimator": config.estimator, "group_size": config.group_size, "even": even, "height": float(total[-1])}
    return [{**fixed, "p": float(p[i]), "slope": float(slope[i]), "potential": float(total[i])} for i in range(len(p))]


def integral(scheme: Scheme, p: Floats) -> Floats:
    """The integral of psi from 0 to each p: psi is a polynomial of degree G - 1."""
    nodes, weights = np.polynomial.legendre.leggauss(scheme.group_size // 2 + 1)
    places = p[:, None] * (nodes + 1) / 2
    slopes = atlas.slope_at(scheme, places.ravel()).reshape(places.shape)
    result: Floats = p / 2 * (slopes @ weights)
    return result
