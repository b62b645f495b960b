"""Bounds and formulas of the variance of the update (L9)."""

from fractions import Fraction

import numpy as np
import sympy as sp
from flint import fmpq

from bounds import symbols as s
from bounds.claim import Assumption, Claim, unmet
from bounds.claims.assumptions import CENTER, JOINT, PLAIN, TABULAR, TWO_VALUED
from bounds.claims.drift import WITNESS, update_in_balls
from bounds.claims.schemes import CENTERED, SCALED
from bounds.comparison import Measured
from bounds.enclosed import variance as enclosed
from bounds.instance import Instance
from bounds.rollouts import measures as observed
from bounds.structure import is_standardized
from bounds.suite import nowhere
from bounds.verdicts import Evidence, Standing
from tamdp_theory import Policy, TabularSoftmax, exact, families
from tamdp_theory.exact import Scheme
from tamdp_theory.exact.ball_numbers import nearest
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


def _graded(instance: Instance) -> Measured:
    """The variance of each prompt on which the composite varies, and what bounds it."""
    env, policy, scheme = instance.env, instance.policy, instance.scheme
    directions = instance.once(exact.score_norm_bound, env, policy)
    rows = []
    for q, law in enumerate(instance.laws):
        if instance.reward_range[q] == 0:
            continue
        c = law.rewards @ env.weights
        spread = float(np.sqrt(law.probability @ (c - law.probability @ c) ** 2))
        energy = float(law.score_energy.sum())
        rows.append((instance.update.prompt_variance[q], energy, directions[q], spread, instance.reward_range[q]))
    if not rows:
        return Measured(numbers={}, empty="no composite varies")
    noise, energy, along, spread, osc = np.array(rows).T
    numbers = {
        s.variance_prompt: noise,
        s.energy_prompt: energy,
        s.energy_direction: along,
        s.sd_prompt: spread,
        s.osc_prompt: osc,
        s.kappa: scheme.kappa,
        s.eps: scheme.eps,
        s.G: scheme.group_size,
        s.H: env.horizon,
    }
    # A sums to zero, so ||g||^2 <= mean A^2 mean ||s_i - mean s||^2 in every group, at most (G - ddof)/G kappa E||s||^2
    ceiling = energy * scheme.kappa * (1 - scheme.ddof / scheme.group_size)
    return Measured(numbers=numbers, trivial=ceiling * (1 - 1e-12), scale=0.0)


def _unbounded(instance: Instance) -> Measured:
    """The variance where one reward in G is far and the others are near."""
    noise = update_in_balls(instance).variance
    conditions = {"witness": bool(noise >= fmpq(3, 128))}
    if failed := unmet(instance, conditions):
        return failed
    value, error = nearest(noise)
    return Measured(
        numbers={s.variance: value}, assumptions=conditions, error=error, scale=0.0, evidence=Evidence.CERTIFIED
    )


def far_and_near(size: int) -> Instance:
    """Rewards 0 and 1/(4G) with probability (1 - 1/G)/2 each, and 1 with probability 1/G."""
    env = families.bandit([["0"], [f"1/{4 * size}"], ["1"]], name="far-and-near")
    law = np.log([[(1 - 1 / size) / 2] * 2 + [1 / size]])
    return Instance(env, TabularSoftmax(env, law), Scheme(size, "sum_then_normalize"))


def two_arms() -> Instance:
    """Large groups of two arms."""
    env = families.bandit([["0"], ["1"]], name="two-arms")
    return Instance(env, TabularSoftmax(env), _LARGE[0])


WITH_EPS = Assumption("with eps", "eps > 0", lambda i: bool(i.scheme.eps > 0), groups=True)
_MIDDLE = (
    Scheme(8, "sum_then_normalize", 1.0),
    Scheme(16, "sum_then_normalize", 0.75, 1),
    Scheme(64, "sum_then_normalize", 0.5),
)
_LARGE = (Scheme(256, "sum_then_normalize"), Scheme(4096, "sum_then_normalize", 1e-4, 1))

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
    Claim(
        id="L9.eps",
        title="Variance of graded rewards with eps",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(
            s.variance_prompt,
            s.kappa**2
            * s.osc_prompt**2
            * (sp.sqrt(s.energy_prompt) + sp.sqrt(s.energy_direction) * s.sd_prompt / (s.sd_prompt + s.eps)) ** 2
            / (s.G * s.eps**2),
        ),
        measure=_graded,
        reference="docs/theory.md",
        assumptions=(JOINT, WITH_EPS),
        proof=(
            r"Let $d=\sigma_q+\varepsilon$, $a=\kappa\nabla J_q/d$, $N=\frac{1}{G}\sum_i(c_i-\mu)s_i$ and $D$ the "
            r"group's own $d$, $D\ge\varepsilon$. Then $\hat g-a=(N-\kappa\nabla J_q)/D+a(\sigma_q-\sigma)/D$, and "
            r"$V_q\le\mathbb{E}\|\hat g-a\|^2$. L9 bounds the first part; "
            r"$\|a\|\le\kappa\lambda_{\max}^{1/2}\sigma_q/d$ by Cauchy-Schwarz; and "
            r"$\mathbb{E}(\sigma-\sigma_q)^2\le\mathbb{E}(\sigma^2-\sigma_q^2)^2/\sigma_q^2$, at most "
            r"$\operatorname{osc}_q(c)^2/G$, for either ddof, because fourth central moments are at most "
            r"$M^2\sigma_q^2$ with $M$ the larger distance of the mean from an end."
        ),
        depends_on=("L9",),
        schemes=_MIDDLE,
        enclose=enclosed.graded_rows,
        figure="variance",
    ),
    Claim(
        id="L9.graded",
        title="Variance of graded rewards, whatever eps",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.variance_prompt, 21 * s.H * s.osc_prompt**2 / (s.G * s.sd_prompt**2)),
        measure=_graded,
        reference="docs/theory.md",
        assumptions=(TABULAR, JOINT),
        proof=(
            r"Where the group's deviation is at least $\sigma_q/2$, as L9.eps with $D\ge d/2$: "
            r"$4(\sqrt{H}+\sqrt{1/2})^2\le 11.7H$ times $\operatorname{osc}_q(c)^2/(G\sigma_q^2)$. Elsewhere, with "
            r"probability at most $16\operatorname{osc}_q(c)^2/(9G\sigma_q^2)$ by Chebyshev for $\sigma^2$, $\|\hat "
            r"g-a\|^2\le(\sqrt{2H}+\sqrt{1/2})^2\le 4.5H$, and $4.5\cdot 16/9=8$."
        ),
        depends_on=("L9.eps",),
        schemes=_LARGE,
        example=two_arms,
        enclose=enclosed.graded_rows,
        figure="variance",
    ),
    Claim(
        id="L9.graded.none",
        title="Graded rewards without eps: no bound that falls with G",
        standing=Standing.PROVED,
        kind="example",
        statement=sp.Ge(s.variance, sp.Rational(3, 128)),
        measure=_unbounded,
        reference="docs/theory.md",
        assumptions=(TABULAR, JOINT, WITNESS),
        proof=(
            r"For each $G$: rewards 0, $\delta$ and 1 with probabilities $(1-1/G)/2$, $(1-1/G)/2$ and $1/G$. Let "
            r"$x=(\hat g_{\delta}-\hat g_0)/\sqrt{2}$ and let $N$ say that no member has reward 1. As $\delta\to 0$, "
            r"$\mathbb{E}[x|N]=\sqrt{2}\psi_G(1/2)/4\ge\sqrt{2}/4$ whatever $\delta$ is, and $0$ otherwise by "
            r"symmetry, while $(1-1/G)^G$ is in $[1/4,1/e]$; so $V\ge\frac{1}{8}\Pr[N](1-\Pr[N])\ge 3/128$ for every "
            r"$G$."
        ),
        depends_on=("L7",),
        schemes=(Scheme(16, "sum_then_normalize"),),
        instances=nowhere,
        example=lambda: far_and_near(16),
        enclose=enclosed.unbounded_rows,
        figure="variance",
    ),
)
