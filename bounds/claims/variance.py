"""Bounds and formulas of the variance of the update (L9)."""

from fractions import Fraction

import numpy as np
import sympy as sp

from bounds import symbols as s
from bounds.claim import Claim
from bounds.claims.assumptions import CENTER, PLAIN, TABULAR, TWO_VALUED
from bounds.claims.schemes import CENTERED, SCALED
from bounds.comparison import Measured
from bounds.enclosed import variance as enclosed
from bounds.instance import Instance
from bounds.rollouts import measures as observed
from bounds.structure import is_standardized
from bounds.verdicts import Standing
from tamdp_theory import Policy
from tamdp_theory.exact import Scheme
from tamdp_theory.exact.group import GroupPlan
from tamdp_theory.exact.law import ClassLaw
from tamdp_theory.exact.update_potential import Potential
from tamdp_theory.model import Floats


def _variance(instance: Instance) -> Measured:
    env, scheme = instance.env, instance.scheme
    moments = instance.update
    energies = [float(law.score_energy.sum()) for law in instance.laws]
    energy = float((env.prompt_probability**2 * energies).sum())
    numbers = {
        s.variance: moments.variance,
        s.kappa: scheme.kappa,
        s.W: env.total_weight,
        s.G: scheme.group_size,
        s.K: env.n_components,
        s.w_squares: float((env.weights**2).sum()),
        s.energy_squared_rho: energy,
    }
    return Measured(numbers=numbers, scale=env.total_weight**2)


def _standardized(instance: Instance) -> Potential | Measured:
    """The two-valued terms that are standardized, or why L9.two-valued does not speak of the instance."""
    potential = instance.potential if is_standardized(instance.scheme) else None
    return Measured(numbers={}, assumptions={"two-valued": False}) if potential is None else potential


def _gram(law: ClassLaw, policy: Policy, prompt: int) -> Floats:
    gradient = law.gradients(policy, prompt)
    return gradient @ gradient.T


def _variance_component(instance: Instance) -> Measured:
    potential = _standardized(instance)
    if isinstance(potential, Measured):
        return potential
    env, policy, scheme = instance.env, instance.policy, instance.scheme
    law = instance.class_law
    rows = []
    for q, j in zip(*np.nonzero(potential.coefficient), strict=True):
        classes = env.prompt_classes[q]
        probability, high = law.probability[classes, 0], potential.high[classes, j]
        plan = GroupPlan(
            tuple((Fraction(int(x)),) for x in high), (Fraction(1),), Scheme(scheme.group_size, "sum_then_normalize")
        )
        moments = plan.moments(probability)
        h, energy, gram = moments.first, law.energy(policy)[classes, 0], _gram(law, policy, int(q))
        v = float(
            moments.second @ energy / scheme.group_size + ((scheme.kappa * moments.cross - np.outer(h, h)) * gram).sum()
        )
        p = float(probability @ high)
        if 0 < p < 1:
            rows.append((v, p, float(energy @ high) / p, float(energy @ (1 - high)) / (1 - p)))
    if not rows:
        return Measured(numbers={}, assumptions={"two-valued": False}, note="no reward varies")
    v, p, up, down = np.array(rows).T
    numbers = {s.variance_k: v, s.p: p, s.energy_high: up, s.energy_low: down, s.G: scheme.group_size}
    return Measured(numbers=numbers, assumptions={"two-valued": True})


def _variance_decomposed(instance: Instance) -> Measured:
    potential = _standardized(instance)
    if isinstance(potential, Measured):
        return potential
    env, scheme = instance.env, instance.scheme
    per_prompt = instance.update.prompt_variance
    total = float(scheme.estimator.total(env.exact_weights))
    numbers = {s.variance: per_prompt, s.H: env.horizon, s.W: total, s.G: scheme.group_size}
    return Measured(numbers=numbers, assumptions={"two-valued": True}, scale=total**2)


def leave_one_out(instance: Instance) -> Measured:
    """Variance of the leave-one-out update of each prompt, and the traces that it is made of."""
    env, scheme = instance.env, instance.scheme
    per_prompt = instance.update.prompt_variance / scheme.kappa**2
    projection, kernel = [], []
    for law, classes in zip(instance.laws, env.prompt_classes, strict=True):
        c, p, e, g = env.class_composite[classes], law.probability, law.score_energy, law.gradient
        gradient = c @ g
        projection.append(float(((c - p @ c) ** 2) @ e - gradient @ gradient))
        cross = e[:, None] * p + p[:, None] * e - 2 * g @ g.T
        kernel.append(float(((c[:, None] - c) ** 2 * cross).sum() / 4 - gradient @ gradient))
    numbers = {
        s.variance: per_prompt,
        s.trace_projection: np.array(projection),
        s.trace_kernel: np.array(kernel),
        s.G: scheme.group_size,
    }
    return Measured(numbers=numbers, scale=env.total_weight**2)


CLAIMS = (
    Claim(
        id="L9",
        title="Variance of centred advantages",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.variance, s.kappa**2 * s.W**2 * s.energy_squared_rho / s.G),
        measure=_variance,
        reference="docs/theory.md; Hoeffding 1948",
        assumptions=(CENTER,),
        proof=(
            "The estimator over kappa is a U-statistic with kernel (c_i - c_j)(s_i - s_j)/2; Var <= (2/G) "
            "E||kernel||^2 and |c_i - c_j| <= W."
        ),
        schemes=CENTERED,
        weighted=True,
        observe=observed.variance,
        enclose=enclosed.variance_rows,
        shown_on="scores",
        figure="variance",
    ),
    Claim(
        id="L9.components",
        title="Variance and the number of components",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.variance, s.kappa**2 * s.K * s.w_squares * s.energy_squared_rho / s.G),
        measure=_variance,
        reference="docs/theory.md",
        assumptions=(CENTER,),
        proof="W^2 <= K sum w_k^2 by Cauchy-Schwarz.",
        depends_on=("L9",),
        schemes=CENTERED,
        weighted=True,
        observe=observed.variance,
        enclose=enclosed.variance_rows,
        figure="variance",
    ),
    Claim(
        id="L9.two-valued",
        title="Variance of one standardized two-valued reward",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(
            s.variance_k, (s.energy_high * (1 - (1 - s.p) ** (s.G - 1)) + s.energy_low * (1 - s.p ** (s.G - 1))) / s.G
        ),
        measure=_variance_component,
        reference="docs/theory.md; Efron & Stein 1981",
        assumptions=(TABULAR, TWO_VALUED, PLAIN),
        proof="Efron-Stein: replace one member at a time.",
        schemes=SCALED,
        enclose=enclosed.variance_component_rows,
        figure="variance",
    ),
    Claim(
        id="L9.decomposed",
        title="Variance of decomposed advantages",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.variance, 4 * s.H * s.W**2 / s.G),
        measure=_variance_decomposed,
        reference="docs/theory.md",
        assumptions=(TABULAR, TWO_VALUED, PLAIN),
        proof="Minkowski over components and E||s||^2 given a reward at most 2H.",
        depends_on=("L9.two-valued",),
        schemes=SCALED,
        enclose=enclosed.variance_decomposed_rows,
        figure="variance",
    ),
    Claim(
        id="L9x",
        title="Exact variance of the leave-one-out form",
        standing=Standing.LITERATURE,
        kind="identity",
        statement=sp.Eq(
            s.variance, (s.G - 2) / (s.G - 1) * s.trace_projection / s.G + 2 * s.trace_kernel / (s.G * (s.G - 1))
        ),
        measure=leave_one_out,
        reference="Zhou et al. 2026, arXiv 2603.01162",
        assumptions=(CENTER,),
        proof="Variance of a U-statistic of order two by its Hoeffding decomposition.",
        depends_on=("L9",),
        schemes=CENTERED,
        enclose=enclosed.leave_one_out_rows,
        figure="variance",
    ),
)
