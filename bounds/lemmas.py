"""Lemmas L1 to L9x of theory.md section 4: statements, assumptions, proofs in a sentence, and how each is measured."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import sympy as sp

from bounds import cost, observed
from bounds import enclosures as e
from bounds import symbols as s
from bounds.claim import FULL_SCORE, Assumption, Claim, unmet
from bounds.closedness import closed_rows
from bounds.comparison import Measured
from bounds.instance import Instance
from bounds.potentials import Potential, find_potential
from bounds.structure import composites, is_plain
from bounds.verdicts import Evidence, Standing
from tamdp_theory import CapacityError, Policy, TabularSoftmax, exact, families
from tamdp_theory.exact import Scheme, UpdatePlan
from tamdp_theory.exact.group import GroupPlan
from tamdp_theory.exact.law import ClassLaw
from tamdp_theory.grpo.enumeration import MAX_GROUPS, count_groups, enumerate_update
from tamdp_theory.model import Floats

TABULAR = Assumption("tabular", "each logit is a parameter of its own", lambda i: bool(i.policy.is_tabular))
LISTABLE = Assumption("listable", "trajectories (or groups of them) are few enough to be listed")
MAX_LISTED = 100_000  # trajectories that a check lists
ONE_DECISION = Assumption(
    "one decision", "every trajectory is a single decision, H = 1", lambda i: bool(i.env.horizon == 1)
)
CENTER = Assumption(
    "center", "advantages are centred, not scaled", lambda i: bool(i.scheme.normalization == "center"), groups=True
)
PLAIN = Assumption(
    "plain scaling",
    "eps = 0 and ddof = 0, unless centred",
    lambda i: is_plain(i.scheme) or i.scheme.normalization == "center",
)
POTENTIAL = Assumption(
    "potential",
    "center; or two-valued components with normalize_then_sum; or a two-valued composite with sum_then_normalize",
)
TWO_VALUED = Assumption("two-valued", "the standardized rewards take at most two values on each prompt")
DECOMPOSED = Assumption(
    "decomposed",
    "normalization is normalize_then_sum",
    lambda i: bool(i.scheme.normalization == "normalize_then_sum"),
    groups=True,
)
JOINT = Assumption(
    "joint",
    "normalization is sum_then_normalize",
    lambda i: bool(i.scheme.normalization == "sum_then_normalize"),
    groups=True,
)
PAIRS = Assumption(
    "pairs", "G = 2, eps = 0, ddof = 0", lambda i: i.scheme.group_size == 2 and is_plain(i.scheme), groups=True
)
THREE_VALUES = Assumption("three values", "some prompt's composite takes at least three values")

_ALL_SCHEMES = (
    Scheme(2, "center"),
    Scheme(3, "sum_then_normalize"),
    Scheme(3, "normalize_then_sum"),
    Scheme(3, "sum_then_normalize", 1e-4, 1),
    Scheme(3, "normalize_then_sum", 1e-4, 1),
)
_SCALED = (
    Scheme(4, "sum_then_normalize"),
    Scheme(4, "normalize_then_sum"),
    Scheme(16, "normalize_then_sum"),
    Scheme(5, "sum_then_normalize", 1e-2, 1),
)


def direction_of(instance: Instance) -> Floats:
    """A random unit vector over parameters, from the instance's seed."""
    direction = np.random.default_rng(instance.seed).standard_normal(instance.policy.n_parameters)
    return direction / np.linalg.norm(direction)


def _reference(instance: Instance) -> Policy:
    if instance.reference is not None:
        return instance.reference
    noise = np.random.default_rng(instance.seed).standard_normal(instance.policy.n_parameters)
    return instance.policy.with_parameters(instance.policy.parameters + noise)


def _by_listing(instance: Instance, reference: Policy) -> tuple[float, float]:
    """Trajectory divergence by listing trajectories, and a bound on the rounding of that sum."""
    env, policy = instance.env, instance.policy
    paths = exact.enumerate_trajectories(env)
    log = np.stack([policy.pair_log_probability, reference.pair_log_probability], axis=1)
    ours, theirs = paths.log_policy(log).T
    weight = env.prompt_probability[paths.prompt] * paths.kernel * np.exp(ours)
    # each logarithm is a sum of at most H terms of one sign, each good to a few units of the last place
    lost = 4 * (env.horizon + 2) * np.finfo(np.float64).eps * float((weight * (np.abs(ours) + np.abs(theirs))).sum())
    return float((weight * (ours - theirs)).sum()), lost


def _few_trajectories(instance: Instance) -> bool:
    return exact.count_trajectories(instance.env) <= MAX_LISTED


def _chain_rule(instance: Instance) -> Measured:
    if failed := unmet(instance, {"listable": _few_trajectories(instance)}):
        return failed
    reference = _reference(instance)
    direct, lost = _by_listing(instance, reference)
    chain = exact.divergence(instance.env, instance.policy, reference).value
    return Measured({s.kl: direct, s.kl_chain: chain}, {"listable": True}, error=lost)


def chain_bound(instance: Instance) -> Measured:
    """Trajectory divergence by listing trajectories, the largest per-node one from the tables, and H: nothing that L1
    says is used.
    """
    env, policy = instance.env, instance.policy
    if failed := unmet(instance, {"listable": _few_trajectories(instance)}):
        return failed
    reference = _reference(instance)
    direct, lost = _by_listing(instance, reference)
    log_ratio = policy.pair_log_probability - reference.pair_log_probability
    per_node = env.node_sum((policy.pair_probability * log_ratio)[:, None])
    numbers = {s.kl: direct, s.kl_max: float(per_node.max()), s.H: env.horizon}
    # one node: both sides are its divergence
    return Measured(numbers, {"listable": True}, error=lost, attained=env.n_nodes == 1)


def _score_energy(instance: Instance) -> Measured:
    env, policy = instance.env, instance.policy
    visits = exact.occupancy(env, policy)
    spread = 1 - env.node_sum(policy.pair_probability[:, None] ** 2)[:, 0]
    law = sum(
        rho * one.score_energy.sum()
        for rho, one in zip(env.prompt_probability, exact.reward_law(env, policy), strict=True)
    )
    numbers = {s.energy: float(law), s.energy_nodes: float(visits @ spread), s.H: env.horizon, s.A_max: env.n_actions}
    return Measured(numbers, scale=env.horizon)


def _hessian(instance: Instance) -> Measured:
    env, policy = instance.env, instance.policy
    if env.n_pairs > 1000:
        raise CapacityError(f"{env.name}: the dense Hessian of {env.n_pairs} actions is not formed; 1000 would fit")
    norm = np.linalg.norm(exact.hessian(env, policy), 2)
    osc = 2 * exact.smoothness(env)
    if not any(len(set(values)) > 1 for values in composites(env)):
        return Measured({}, empty="no reward varies")
    return Measured({s.hessian: float(norm), s.osc: osc}, scale=env.total_weight)


def _domination(instance: Instance) -> Measured:
    env, policy = instance.env, instance.policy
    result = exact.gradient_domination(env, policy if policy.is_tabular else TabularSoftmax.like(policy))
    gradient = exact.policy_gradient(env, policy)
    numbers = {
        s.J_star: exact.optimal_values(env).total,
        s.J: exact.values(env, policy).total,
        s.C_theta: result.constant,
        s.grad_J: float(np.sqrt((gradient**2).sum())),
    }
    ceiling = float((env.prompt_probability * exact.reward_range(env)).sum())
    return Measured(numbers, trivial=ceiling * (1 - 1e-12), scale=env.total_weight)


def groups_fit(instance: Instance) -> bool:
    """Whether groups of trajectories are few enough to be listed."""
    groups = count_groups(instance.env, instance.scheme.group_size)
    return groups <= MAX_GROUPS // 10 and groups * instance.policy.n_parameters <= 10**6


def _effective_reward(instance: Instance) -> Measured:
    env, policy, scheme = instance.env, instance.policy, instance.scheme
    if failed := unmet(instance, {"listable": groups_fit(instance)}):
        return failed
    direction = direction_of(instance)
    plan = UpdatePlan(env, scheme, instance.think_weight)
    laws = exact.reward_law(env, policy, instance.think_weight)
    law = np.concatenate([one.probability for one in laws])[:, None]
    h = plan.effective_reward(law)[:, 0]
    along = sum(
        rho * float(h[classes] @ (one.gradient @ direction))
        for rho, classes, one in zip(env.prompt_probability, env.prompt_classes, laws, strict=True)
    )
    direct = float(enumerate_update(env, policy, scheme, instance.think_weight).mean @ direction)
    return Measured({s.mean_direct: direct, s.mean_law: along}, {"listable": True}, scale=env.total_weight)


def _second_moment(instance: Instance) -> Measured:
    env, policy, scheme = instance.env, instance.policy, instance.scheme
    if failed := unmet(instance, {"listable": groups_fit(instance)}):
        return failed
    direct = enumerate_update(env, policy, scheme, instance.think_weight).second_moment
    law = UpdatePlan(env, scheme, instance.think_weight).moments(policy).second_moment
    return Measured({s.second_direct: direct, s.second_law: law}, {"listable": True}, scale=env.total_weight**2)


def _potential(instance: Instance) -> Measured:
    env, policy, scheme = instance.env, instance.policy, instance.scheme
    potential = find_potential(env, scheme)
    if potential is None:
        return Measured({}, {"potential": False})
    direction = direction_of(instance)
    coarse, slope = (
        _slope(lambda t: potential.value(policy.with_parameters(policy.parameters + t * direction)), step)
        for step in (0.04, 0.02)
    )
    along = float(UpdatePlan(env, scheme, instance.think_weight).moments(policy).mean @ direction)
    # the two steps differ by 63 times the error of the finer one; 1e-13 F is what rounding leaves after division by the
    # step
    error = abs(slope - coarse) / 16 + 1e-13 * abs(potential.upper)
    return Measured({s.slope_potential: slope, s.mean_law: along}, {"potential": True}, error=error, scale=0.0)


def _slope(function: Callable[[float], float], step: float) -> float:
    """Derivative at 0 by the central difference of order six."""
    low3, low2, low1, high1, high2, high3 = (function(k * step) for k in (-3, -2, -1, 1, 2, 3))
    return (high3 - low3 - 9 * (high2 - low2) + 45 * (high1 - low1)) / (60 * step)


def _slope_range(instance: Instance) -> Measured:
    env, scheme = instance.env, instance.scheme
    potential = find_potential(env, scheme) if scheme.normalization != "center" else None
    conditions = {"two-valued": potential is not None}
    if potential is None:
        return Measured({}, conditions)
    active = potential.coefficient > 0
    if not active.any():
        return Measured({}, {"two-valued": False}, note="no reward varies")
    p = potential.success(instance.policy)[active]
    slopes = exact.potential_slope(np.clip(p, 0, 1), scheme.group_size)
    half = float(exact.potential_slope(0.5, scheme.group_size))
    # psi is constant for G = 2 and 3
    return Measured(
        {s.psi: slopes, s.psi_half: half, s.G: scheme.group_size}, conditions, attained=scheme.group_size <= 3
    )


def _closed(instance: Instance) -> Measured:
    """Whether the one-form of L8 is closed, against the number of values, on each prompt whose composite varies; both
    decided exactly.
    """
    rows = closed_rows(instance.env, instance.scheme)
    if not rows:
        return Measured({}, empty="no composite reward varies")
    closed, two = np.array([(one[s.closed], one[s.two_valued]) for one in rows], dtype=float).T
    return Measured({s.closed: closed, s.two_valued: two}, evidence=Evidence.CERTIFIED)


def _curl_pair(instance: Instance) -> Measured:
    env, scheme = instance.env, instance.scheme
    values = next((v for v in (sorted(set(found)) for found in composites(env)) if len(v) >= 3), None)
    conditions = {"three values": values is not None}
    if values is None:
        return Measured({}, conditions)
    chosen = [values[0], values[len(values) // 2], values[-1]]
    p = np.random.default_rng(instance.seed).dirichlet(np.ones(3), size=8)
    twist = exact.curl(p, [[v] for v in chosen], [1], scheme.group_size, scheme.normalization, scheme.eps, scheme.ddof)
    low, mid, top = np.eye(3)
    return Measured({s.curl_pair: np.einsum("i,pij,j->p", mid - low, twist, top - low)}, conditions)


def _variance(instance: Instance) -> Measured:
    env, policy, scheme = instance.env, instance.policy, instance.scheme
    moments = UpdatePlan(env, scheme, instance.think_weight).moments(policy)
    energies = [float(law.score_energy.sum()) for law in exact.reward_law(env, policy, instance.think_weight)]
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
    return Measured(numbers, scale=env.total_weight**2)


def _standardized(instance: Instance) -> Potential | Measured:
    """The two-valued terms that are standardized, or why L9.two-valued does not speak of the instance."""
    potential = find_potential(instance.env, instance.scheme) if instance.scheme.normalization != "center" else None
    return Measured({}, {"two-valued": False}) if potential is None else potential


def _gram(law: ClassLaw, policy: Policy, prompt: int) -> Floats:
    gradient = law.gradients(policy, prompt)
    return gradient @ gradient.T


def _variance_component(instance: Instance) -> Measured:
    potential = _standardized(instance)
    if isinstance(potential, Measured):
        return potential
    env, policy, scheme = instance.env, instance.policy, instance.scheme
    law = ClassLaw.of(env, policy.pair_probability[:, None])
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
        return Measured({}, {"two-valued": False}, note="no reward varies")
    v, p, up, down = np.array(rows).T
    numbers = {s.variance_k: v, s.p: p, s.energy_high: up, s.energy_low: down, s.G: scheme.group_size}
    return Measured(numbers, {"two-valued": True})


def _variance_decomposed(instance: Instance) -> Measured:
    potential = _standardized(instance)
    if isinstance(potential, Measured):
        return potential
    env, scheme = instance.env, instance.scheme
    per_prompt = UpdatePlan(env, scheme).moments(instance.policy).prompt_variance
    total = env.total_weight if scheme.normalization == "normalize_then_sum" else 1.0
    numbers = {s.variance: per_prompt, s.H: env.horizon, s.W: total, s.G: scheme.group_size}
    return Measured(numbers, {"two-valued": True}, scale=total**2)


def _leave_one_out(instance: Instance) -> Measured:
    env, policy, scheme = instance.env, instance.policy, instance.scheme
    per_prompt = UpdatePlan(env, scheme).moments(policy).prompt_variance / scheme.kappa**2
    projection, kernel = [], []
    for law, classes in zip(exact.reward_law(env, policy), env.prompt_classes, strict=True):
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
    return Measured(numbers, scale=env.total_weight**2)


def _single_three_arm() -> Instance:
    env = families.bandit([["0"], ["1/3"], ["1"]], name="three-arms")
    return Instance(env, TabularSoftmax(env), Scheme(2, "sum_then_normalize"))


PROVED, LITERATURE, CONJECTURED = Standing.PROVED, Standing.LITERATURE, Standing.CONJECTURED
_CENTER = (Scheme(2, "center"), Scheme(8, "center"), Scheme(32, "center"))

CLAIMS = (
    Claim(
        "L1",
        "Chain rule of the divergence",
        PROVED,
        "identity",
        sp.Eq(s.kl, s.kl_chain),
        _chain_rule,
        "docs/theory.md",
        (LISTABLE,),
        "The tool kernel cancels in the ratio of trajectory laws; sum the log ratio over decisions and condition on "
        "the node.",
        enclose=e.divergence_rows,
        cost=cost.passes,
    ),
    Claim(
        "L1.bound",
        "Divergence at most H times the largest per node",
        PROVED,
        "inequality",
        sp.Le(s.kl, s.H * s.kl_max),
        chain_bound,
        "docs/theory.md",
        (LISTABLE,),
        "A trajectory has at most H decisions, so the occupancies sum to at most H.",
        ("L1",),
        enclose=e.divergence_rows,
        cost=cost.passes,
    ),
    Claim(
        "L2",
        "Score energy, node by node",
        PROVED,
        "identity",
        sp.Eq(s.energy, s.energy_nodes),
        _score_energy,
        "docs/theory.md",
        (TABULAR,),
        "Scores at distinct nodes are orthogonal; at one node E||e_a - pi||^2 = 1 - sum pi^2.",
        enclose=e.energy_rows,
        cost=cost.passes,
    ),
    Claim(
        "L2.bound",
        "Score energy bound",
        PROVED,
        "inequality",
        sp.Le(s.energy, s.H * (1 - 1 / s.A_max)),
        _score_energy,
        "docs/theory.md",
        (TABULAR,),
        "sum pi^2 >= 1/A at every node, and occupancies sum to at most H.",
        ("L2",),
        enclose=e.energy_rows,
        cost=cost.passes,
    ),
    Claim(
        "L3",
        "Smoothness of the objective",
        PROVED,
        "inequality",
        sp.Le(s.hessian, s.osc / 2),
        _hessian,
        "docs/theory.md",
        (TABULAR,),
        "Centre c; the Hessian is E[(c - W/2)(s s^T + grad s)]; both terms are block diagonal with blocks of norm at "
        "most d(x)/2.",
        enclose=e.hessian_rows,
        cost=cost.hessian,
    ),
    Claim(
        "L3.bandit",
        "Smoothness with one decision",
        PROVED,
        "inequality",
        sp.Le(s.hessian, s.osc / (3 * sp.sqrt(3))),
        _hessian,
        "docs/theory.md",
        (TABULAR, ONE_DECISION),
        "The quadratic form is Cov(c, (v - mean v)^2), linear in c; reduce to two values of c and two actions; "
        "maximize the cubic.",
        ("L3",),
        enclose=e.hessian_rows,
        cost=cost.hessian,
    ),
    Claim(
        "L3.tree",
        "Smoothness of trees and DAGs, sharp constant",
        CONJECTURED,
        "inequality",
        sp.Le(s.hessian, sp.Rational(27, 128) * s.osc),
        _hessian,
        "docs/theory.md",
        (TABULAR,),
        "No proof; 27/128 = max 2 p^3 (1 - p) is attained by a chain of two nodes with p = 3/4.",
        ("L3",),
        enclose=e.hessian_rows,
        cost=cost.hessian,
    ),
    Claim(
        "L4",
        "Gradient domination",
        PROVED,
        "inequality",
        sp.Le(s.J_star - s.J, s.C_theta * s.grad_J),
        _domination,
        "docs/theory.md",
        (TABULAR,),
        "Performance difference lemma for the comparator, then Cauchy-Schwarz with grad_xa = d pi A.",
        enclose=e.domination_rows,
        cost=cost.passes,
    ),
    Claim(
        "L5",
        "Effective reward",
        PROVED,
        "identity",
        sp.Eq(s.mean_direct, s.mean_law),
        _effective_reward,
        "docs/theory.md",
        (LISTABLE,),
        "Members are exchangeable; condition on the class of member 1.",
        (),
        _ALL_SCHEMES,
        weighted=True,
        enclose=e.effective_reward_rows,
        cost=cost.listed_updates,
    ),
    Claim(
        "L6",
        "Second moment",
        PROVED,
        "identity",
        sp.Eq(s.second_direct, s.second_law),
        _second_moment,
        "docs/theory.md",
        (LISTABLE,),
        "Split the double sum over members into equal and distinct ones; condition on their classes. Prompts add in "
        "variance.",
        ("L5",),
        _ALL_SCHEMES,
        weighted=True,
        enclose=e.second_moment_rows,
        cost=cost.listed_updates,
    ),
    Claim(
        "L7",
        "The expected update is a gradient",
        PROVED,
        "identity",
        sp.Eq(s.slope_potential, s.mean_law),
        _potential,
        "docs/theory.md; compare Davis & Recht 2025, arXiv 2510.13651",
        (POTENTIAL, FULL_SCORE),
        "With two values h takes two values, so m = (h_1 - h_0) grad p and the difference depends on p alone.",
        ("L5",),
        (Scheme(4, "center"), *_SCALED),
        weighted=True,
        enclose=e.potential_rows,
    ),
    Claim(
        "L7.upper",
        "Slope of the potential, upper end",
        PROVED,
        "inequality",
        sp.Le(s.psi, sp.sqrt(s.G - 1)),
        _slope_range,
        "docs/theory.md",
        (TWO_VALUED, PLAIN),
        "psi is convex and symmetric, so largest at the ends, where one success stands alone.",
        ("L7",),
        _SCALED,
        enclose=e.slopes_rows,
    ),
    Claim(
        "L7.lower",
        "Slope of the potential, lower end",
        PROVED,
        "inequality",
        sp.Le(s.psi_half, s.psi),
        _slope_range,
        "docs/theory.md",
        (TWO_VALUED, PLAIN),
        "psi is convex and symmetric about one half.",
        ("L7",),
        _SCALED,
        enclose=e.slopes_rows,
    ),
    Claim(
        "L8",
        "No potential beyond two values",
        PROVED,
        "equivalence",
        sp.Eq(s.closed, s.two_valued),
        _closed,
        "docs/theory.md",
        (JOINT,),
        "The curl is a polynomial in P; at a vertex of the face of three values it is an explicit non-zero number.",
        ("L5",),
        (Scheme(3, "sum_then_normalize"), Scheme(4, "sum_then_normalize", 1e-2, 1)),
        _single_three_arm,
        enclose=lambda i: closed_rows(i.env, i.scheme),
        zero_tells=True,
        cost=cost.nothing,
    ),
    Claim(
        "L8.pair",
        "Curl of pairs",
        PROVED,
        "identity",
        sp.Eq(s.curl_pair, 2),
        _curl_pair,
        "docs/theory.md",
        (PAIRS, JOINT, THREE_VALUES),
        "With G = 2 advantages are signs, h is linear in P, and the derivative is sign(c_m - c_l).",
        ("L8",),
        (Scheme(2, "sum_then_normalize"),),
        _single_three_arm,
        enclose=e.curl_pair_rows,
    ),
    Claim(
        "L9",
        "Variance of centred advantages",
        PROVED,
        "inequality",
        sp.Le(s.variance, s.kappa**2 * s.W**2 * s.energy_squared_rho / s.G),
        _variance,
        "docs/theory.md; Hoeffding 1948",
        (CENTER,),
        "The estimator over kappa is a U-statistic with kernel (c_i - c_j)(s_i - s_j)/2; Var <= (2/G) E||kernel||^2 "
        "and |c_i - c_j| <= W.",
        (),
        _CENTER,
        weighted=True,
        observe=observed.variance,
        enclose=e.variance_rows,
    ),
    Claim(
        "L9.components",
        "Variance and the number of components",
        PROVED,
        "inequality",
        sp.Le(s.variance, s.kappa**2 * s.K * s.w_squares * s.energy_squared_rho / s.G),
        _variance,
        "docs/theory.md",
        (CENTER,),
        "W^2 <= K sum w_k^2 by Cauchy-Schwarz.",
        ("L9",),
        _CENTER,
        weighted=True,
        observe=observed.variance,
        enclose=e.variance_rows,
    ),
    Claim(
        "L9.two-valued",
        "Variance of one standardized two-valued reward",
        PROVED,
        "inequality",
        sp.Le(
            s.variance_k, (s.energy_high * (1 - (1 - s.p) ** (s.G - 1)) + s.energy_low * (1 - s.p ** (s.G - 1))) / s.G
        ),
        _variance_component,
        "docs/theory.md; Efron & Stein 1981",
        (TABULAR, TWO_VALUED, PLAIN),
        "Efron-Stein: replace one member at a time.",
        (),
        _SCALED,
        enclose=e.variance_component_rows,
    ),
    Claim(
        "L9.decomposed",
        "Variance of decomposed advantages",
        PROVED,
        "inequality",
        sp.Le(s.variance, 4 * s.H * s.W**2 / s.G),
        _variance_decomposed,
        "docs/theory.md",
        (TABULAR, TWO_VALUED, PLAIN),
        "Minkowski over components and E||s||^2 given a reward at most 2H.",
        ("L9.two-valued",),
        _SCALED,
        enclose=e.variance_decomposed_rows,
    ),
    Claim(
        "L9x",
        "Exact variance of the leave-one-out form",
        LITERATURE,
        "identity",
        sp.Eq(s.variance, (s.G - 2) / (s.G - 1) * s.trace_projection / s.G + 2 * s.trace_kernel / (s.G * (s.G - 1))),
        _leave_one_out,
        "Zhou et al. 2026, arXiv 2603.01162",
        (CENTER,),
        "Variance of a U-statistic of order two by its Hoeffding decomposition.",
        ("L9",),
        _CENTER,
        enclose=e.leave_one_out_rows,
    ),
)
