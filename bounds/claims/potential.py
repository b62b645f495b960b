"""Where the expected update is the gradient of a potential, and its slope (L7)."""

import numpy as np
import sympy as sp

from bounds import symbols as s
from bounds.claim import FULL_SCORE, Claim
from bounds.claims.assumptions import PLAIN, POTENTIAL, TWO_VALUED
from bounds.claims.schemes import SCALED
from bounds.claims.slope import central_slope, direction_of
from bounds.comparison import Measured
from bounds.enclosed import potential as enclosed
from bounds.instance import Instance
from bounds.structure import is_standardized
from bounds.verdicts import Standing
from tamdp_theory import exact
from tamdp_theory.exact import Scheme


def _potential(instance: Instance) -> Measured:
    policy = instance.policy
    potential = instance.potential
    if potential is None:
        return Measured(numbers={}, assumptions={"potential": False})
    direction = direction_of(instance)
    coarse, slope = (
        central_slope(lambda t: potential.value(policy.with_parameters(policy.parameters + t * direction)), step)
        for step in (0.04, 0.02)
    )
    along = float(instance.update.mean @ direction)
    # the two steps differ by 63 times the error of the finer one; 1e-13 F is what rounding leaves after division by the
    # step
    error = abs(slope - coarse) / 16 + 1e-13 * abs(potential.upper)
    return Measured(
        numbers={s.slope_potential: slope, s.mean_law: along}, assumptions={"potential": True}, error=error, scale=0.0
    )


def _slope_range(instance: Instance) -> Measured:
    scheme = instance.scheme
    potential = instance.potential if is_standardized(scheme) else None
    conditions = {"two-valued": potential is not None}
    if potential is None:
        return Measured(numbers={}, assumptions=conditions)
    active = potential.coefficient > 0
    if not active.any():
        return Measured(numbers={}, assumptions={"two-valued": False}, note="no reward varies")
    p = potential.success(instance.policy)[active]
    slopes = exact.potential_slope(np.clip(p, 0, 1), scheme.group_size)
    half = float(exact.potential_slope(0.5, scheme.group_size))
    # psi is constant for G = 2 and 3
    return Measured(
        numbers={s.psi: slopes, s.psi_half: half, s.G: scheme.group_size},
        assumptions=conditions,
        attained=scheme.group_size <= 3,
    )


def _growth(instance: Instance) -> Measured:
    """psi and its derivative at each term's probability, for G and G + 1."""
    scheme = instance.scheme
    potential = instance.potential if is_standardized(scheme) else None
    conditions = {"two-valued": potential is not None}
    if potential is None:
        return Measured(numbers={}, assumptions=conditions)
    p = potential.success(instance.policy)[potential.coefficient > 0]
    p = p[(p > 0) & (p < 1)]
    if not len(p):
        return Measured(numbers={}, assumptions=conditions, empty="no reward is uncertain")
    size = scheme.group_size
    bends = [np.abs(exact.potential_curvature(p, one)) for one in (size, size + 1)]
    numbers = {
        s.psi: exact.potential_slope(p, size),
        s.psi_next: exact.potential_slope(p, size + 1),
        s.psi_bend: bends[0],
        s.psi_bend_next: bends[1],
        s.p: p,
    }
    # psi_2 and psi_3 are constant
    return Measured(numbers=numbers, assumptions=conditions, attained=False, error=1e-12 * (bends[0] + bends[1]))


_SPLIT_FIRST = (SCALED[1], SCALED[0], *SCALED[2:])

CLAIMS = (
    Claim(
        id="L7",
        title="The expected update is a gradient",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(s.slope_potential, s.mean_law),
        measure=_potential,
        reference="docs/theory.md; compare Davis & Recht 2025, arXiv 2510.13651",
        assumptions=(POTENTIAL, FULL_SCORE),
        proof="With two values h takes two values, so m = (h_1 - h_0) grad p and the difference depends on p alone.",
        depends_on=("L5",),
        schemes=(Scheme(4, "center"), *SCALED),
        weighted=True,
        enclose=enclosed.potential_rows,
        figure="potentials",
    ),
    Claim(
        id="L7.upper",
        title="Slope of the potential, upper end",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.psi, sp.sqrt(s.G - 1)),
        measure=_slope_range,
        reference="docs/theory.md",
        assumptions=(TWO_VALUED, PLAIN),
        proof="psi is convex and symmetric, so largest at the ends, where one success stands alone.",
        depends_on=("L7",),
        schemes=SCALED,
        enclose=enclosed.slopes_rows,
        figure="potentials",
    ),
    Claim(
        id="L7.lower",
        title="Slope of the potential, lower end",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.psi_half, s.psi),
        measure=_slope_range,
        reference="docs/theory.md",
        assumptions=(TWO_VALUED, PLAIN),
        proof="psi is convex and symmetric about one half.",
        depends_on=("L7",),
        schemes=SCALED,
        enclose=enclosed.slopes_rows,
        figure="potentials",
    ),
    Claim(
        id="L7.monotone",
        title="The potential steepens with the group",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.psi, s.psi_next),
        measure=_growth,
        reference="docs/theory.md",
        assumptions=(TWO_VALUED,),
        proof=(
            r"$\psi_{G+1}-\psi_G$ is a polynomial in Bernstein form with coefficients "
            r"$(\delta(s)+\delta(t))/\sqrt{st}$, $s+t=G+1$, $\delta(s)=s-\frac{1}{2}-\sqrt{s(s-1)}$, which are "
            r"positive."
        ),
        depends_on=("L7",),
        schemes=_SPLIT_FIRST,
        enclose=enclosed.growth_rows,
    ),
    Claim(
        id="L7.monotone.bend",
        title="The potential bends more with the group",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.psi_bend, s.psi_bend_next),
        measure=_growth,
        reference="docs/theory.md",
        assumptions=(TWO_VALUED,),
        proof=(
            r"The coefficients of $\psi_{G+1}-\psi_G$ in Bernstein form (L7.monotone) are symmetric and convex, "
            r"because $\delta$ is positive, convex and decreasing; so is the polynomial, and on either side of one "
            r"half its slope has the sign of that of $\psi_G$."
        ),
        depends_on=("L7.monotone",),
        schemes=_SPLIT_FIRST,
        enclose=enclosed.growth_rows,
    ),
    Claim(
        id="L7.limit",
        title="Slope of the potential in the limit",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.psi, 1 / sp.sqrt(s.p * (1 - s.p))),
        measure=_growth,
        reference="docs/theory.md; compare Davis & Recht 2025, arXiv 2510.13651",
        assumptions=(TWO_VALUED,),
        proof=(r"$\psi_G$ grows with $G$ (L7.monotone) and tends to $(p(1-p))^{-1/2}$."),
        depends_on=("L7.monotone",),
        schemes=_SPLIT_FIRST,
        enclose=enclosed.growth_rows,
        figure="potentials",
    ),
    Claim(
        id="L7.limit.bend",
        title="Bend of the potential in the limit",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.psi_bend, sp.Abs(1 - 2 * s.p) / (2 * (s.p * (1 - s.p)) ** sp.Rational(3, 2))),
        measure=_growth,
        reference="docs/theory.md",
        assumptions=(TWO_VALUED,),
        proof=(
            r"For every $m>G$ the difference $\psi_m-\psi_G$ falls on $(0,1/2)$ (L7.monotone.bend), and so does its "
            r"limit $(p(1-p))^{-1/2}-\psi_G$."
        ),
        depends_on=("L7.monotone.bend",),
        schemes=_SPLIT_FIRST,
        enclose=enclosed.growth_rows,
    ),
)
