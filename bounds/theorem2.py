"""Theorem 2 of the paper, reward decomposition, as theory.md section 6 states and proves it: joint against
per-component advantages.

``benefit`` says when decomposition helps: both sides of T2.benefit and the exact expected one-step gain.
"""

from fractions import Fraction

import numpy as np
import sympy as sp

from bounds import cost, observed, structure
from bounds import enclosures_theorem2 as e
from bounds import symbols as s
from bounds import theorem2_groups as g
from bounds.benefit import Benefit, Progress, benefit, progress
from bounds.claim import Assumption, Claim, unmet
from bounds.closedness import closed_rows
from bounds.comparison import Measured
from bounds.decomposition import both, scheme_of
from bounds.instance import Instance
from bounds.lemmas import CENTER, DECOMPOSED, JOINT, TABULAR, THREE_VALUES, direction_of, groups_fit
from bounds.rounding import QUANTITY
from bounds.suboptimality import measure_signed, measure_suboptimality
from bounds.verdicts import Evidence, Standing
from tamdp_theory import CapacityError, TabularSoftmax, exact, families
from tamdp_theory.exact import ContrastPlan, GroupPlan, Normalization, Scheme, StepPlan, UpdatePlan, balls
from tamdp_theory.exact.ball_numbers import nearest
from tamdp_theory.exact.law import ClassLaw
from tamdp_theory.grpo.enumeration import enumerate_update
from tamdp_theory.model import Floats

__all__ = ["CLAIMS", "Benefit", "Progress", "benefit", "progress"]

NO_EPS = Assumption("no eps", "eps = 0", lambda i: bool(i.scheme.eps == 0), groups=True)
ACTIVE = Assumption("active group", "in some group the composite varies")
GAP = Assumption("gap", "on some prompt joint and decomposed advantages differ")
UNIT_TOTAL = Assumption("weights sum to one", "W = 1", lambda i: sum(i.exact_weights) == 1, groups=True)
COMONOTONE = Assumption(
    "comonotone groups",
    "the groups in which every component with weight varies and all of them are perfectly positively correlated",
)
UNCORRELATED = Assumption(
    "uncorrelated groups", "the groups in which components are uncorrelated and have one spread; equal weights"
)
ZERO_ONE = Assumption("zero-one", "components with weight are 0 or 1", lambda i: structure.is_zero_one(i.env))
SOLVABLE = Assumption("solvable", "no component is less likely to be 1 under the optimal policy")
TWO_VALUED = Assumption(
    "two-valued components",
    "each component with weight takes at most two values on each prompt",
    lambda i: structure.has_two_valued_components(i.env),
)
INFORMATIVE = Assumption("informative", "some group moves the policy: E||g||^2 > 0")
LISTABLE = Assumption(
    "listable", "groups of trajectories are few enough to be listed; one prompt if parameters are shared"
)
COMPLEMENTARY = Assumption(
    "complementary", "two components that add up to one", lambda i: structure.is_complementary(i.env)
)
OPPOSITE = Assumption(
    "opposite",
    "two components; on each prompt one falls linearly as the other rises",
    lambda i: structure.is_opposite(i.env),
)
COMPOSITE_VARIES = Assumption(
    "composite varies",
    "the composite is not constant, so there is something to learn",
    lambda i: structure.composite_varies(i.env),
)
EQUAL = Assumption("equal weights", "all weights are equal", lambda i: len(set(i.exact_weights)) == 1, groups=True)

MAX_LISTED = 3000  # groups of trajectories whose steps a check follows


# -- the expected update ------------------------------------------------------------------------------------------


def _gradient_gap(instance: Instance, bound: str) -> Measured:
    """||m_joint - lambda m_dec|| on each prompt for lambda = 1 and the lambda with the smallest Q."""
    env, policy, scheme = instance.env, instance.policy, instance.scheme
    law = ClassLaw.of(env, policy.pair_probability[:, None], instance.think_weight)
    energy = law.energy(policy)[:, 0]
    norms = (
        exact.score_norm_bound(env, policy, instance.think_weight)
        if bound == "largest"
        else np.full(env.n_prompts, 0.5)
    )
    rows, unknown = [], False
    for q, classes in enumerate(env.prompt_classes):
        p, table = law.probability[classes, 0], tuple(env.exact_class_rewards[c] for c in classes)
        joint, split = (GroupPlan(table, env.exact_weights, one).moments(p) for one in both(scheme))
        alpha, gamma, parts = (
            float(p @ joint.second),
            float(p @ split.second),
            _parts(table, env.exact_weights, scheme, p),
        )
        gradient, total = law.gradients(policy, q), float(energy[classes].sum())
        one = float(p @ ContrastPlan(table, env.exact_weights, scheme).moments(p).second)
        for share in (1.0, *_best_share(alpha, gamma, one, parts)):
            gap = (
                one
                if share == 1.0
                else float(p @ ContrastPlan(table, env.exact_weights, scheme, share).moments(p).second)
            )
            # both are differences of sums of standardized numbers, which are off by a few units of rounding, before
            # anything cancels
            size = alpha + share**2 * parts
            if gap > 10 * _ROUNDING * size:
                distance = float(np.sqrt((((joint.first - share * split.first) @ gradient) ** 2).sum()))
                rows.append(
                    (distance, gap, norms[q], total, _ROUNDING * np.sqrt(size * max(total, norms[q])), _ROUNDING * size)
                )
            else:
                unknown = unknown or size > 0 or scheme.eps > 0  # a large eps brings advantages below the floats
    conditions = {"gap": True if rows else None if unknown else False}
    if not rows:
        return Measured({}, conditions)
    distance, square, norm, total, off_distance, off_square = np.array(rows).T
    numbers = {s.gap_norm: distance, s.kappa: scheme.kappa, s.Q_gap: square, s.lambda_max: norm, s.energy: total}
    errors = {s.gap_norm: off_distance + QUANTITY * distance, s.Q_gap: off_square + QUANTITY * square}
    return Measured(numbers, conditions, errors=errors, scale=0.0)


_ROUNDING = 1e-13  # error of expected products of standardized advantages, relative to their size


def _best_share(alpha: float, gamma: float, one: float, parts: float) -> tuple[float, ...]:
    """The lambda with the smallest Q, where decomposed advantages do not vanish: any lambda is allowed, so this one may
    be rounded.
    """
    if gamma <= 10 * _ROUNDING * max(parts, alpha):
        return ()
    share = float(Fraction((alpha + gamma - one) / (2 * gamma)).limit_denominator(10**9))
    return () if share == 1.0 else (share,)


def _parts(
    rewards: tuple[tuple[Fraction, ...], ...], weights: tuple[Fraction, ...], scheme: Scheme, p: Floats
) -> float:
    """(sum_k w_k sqrt E[(A^k)^2])^2: how large the decomposed advantages are before components cancel."""
    alone = scheme_of(scheme, "sum_then_normalize")
    columns = [(float(w), tuple((row[k],) for row in rewards)) for k, w in enumerate(weights) if w]
    total: float = (
        sum(
            w * np.sqrt(max(float(p @ GroupPlan(column, (Fraction(1),), alone).moments(p).second), 0.0))
            for w, column in columns
        )
        ** 2
    )
    return total


def _center_is_linear(instance: Instance) -> Measured:
    """Two routes: the composite's update by listing groups (from the group moments where they are too many), the
    components' by policy gradients.
    """
    env, policy, scheme = instance.env, instance.policy, instance.scheme
    direction, listed = direction_of(instance), groups_fit(instance)
    found = (
        enumerate_update(env, policy, scheme, instance.think_weight)
        if listed
        else UpdatePlan(env, scheme, instance.think_weight).moments(policy)
    )
    whole = float(found.mean @ direction)
    # h_m = kappa (R_k - J_k) given the prompt; the baseline matters where think scores are weighted, as they then have
    # a mean
    means = exact.values(env, policy).per_prompt[env.class_prompt]
    parts = [
        scheme.kappa
        * exact.policy_gradient(env, policy, env.class_rewards[:, k] - means[:, k], instance.think_weight)
        @ direction
        for k in range(env.n_components)
    ]
    numbers = {s.mean_center: whole, s.mean_center_of: np.array(parts), s.w: env.weights, s.K: env.n_components}
    note = f"composite by {'listing groups' if listed else 'group moments'}, components by policy gradients"
    return Measured(numbers, scale=env.total_weight, note=note)


def _closed(instance: Instance) -> Measured:
    rows = closed_rows(instance.env, instance.scheme)
    if not rows:
        return Measured({}, empty="no component with weight varies")
    return Measured({s.closed: np.array([one[s.closed] for one in rows], dtype=float)}, evidence=Evidence.CERTIFIED)


def _open(instance: Instance) -> Measured:
    env, scheme = instance.env, instance.scheme
    values = [len({env.exact_class_composite[c] for c in classes}) for classes in env.prompt_classes]
    conditions = {"three values": values[0] >= 3}
    if failed := unmet(instance, conditions):
        return failed
    with balls.precision(128):
        law = [terms.probability for terms in balls.BallLaw(balls.policy_of(instance.policy)).classes[0]]
        norm = balls.curl_norm(balls.group_of(env, 0, scheme), law)
        value, error = nearest(norm)
    return Measured({s.curl_norm: value}, conditions, error=error, scale=0.0, evidence=Evidence.CERTIFIED)


def _benefit(instance: Instance) -> Measured:
    env, policy = instance.env, instance.policy
    conditions = {"listable": policy.is_tabular or env.n_prompts == 1}
    if failed := unmet(instance, conditions):
        return failed
    rows, unknown = [], False
    for scheme in both(instance.scheme):
        moments = exact.UpdatePlan(env, scheme).moments(policy)
        drift = float(exact.policy_gradient(env, policy) @ moments.mean)
        smooth, second = exact.smoothness(env), moments.second_moment
        unknown = unknown or 0 < second <= 1e-14 * env.total_weight**2
        if smooth > 0 and second > 1e-14 * env.total_weight**2 and drift > 0:
            try:
                after = StepPlan(env, policy, scheme, MAX_LISTED).objective(drift / (smooth * second))[0]
            except CapacityError:
                return Measured({}, {**conditions, "listable": False})
            rows.append((float(after) - exact.values(env, policy).total, drift, smooth, second))
    if not rows:
        return Measured({}, {"listable": True, "informative": None if unknown else False})
    conditions["informative"] = True
    gain, drift_of, smooth_of, second_of = np.array(rows).T
    return Measured(
        {s.one_step: gain, s.drift: drift_of, s.L_J: smooth_of, s.second_law: second_of},
        conditions,
        scale=env.total_weight,
    )


# -- stored examples ----------------------------------------------------------------------------------------------


def _two_samples() -> Instance:
    """R_1 = (0, 1), R_2 = (1, 0), w = (3/4, 1/4), ratios (9/10, 11/10)."""
    env = families.bandit([(0, 1), (1, 0)], weights=("3/4", "1/4"), name="two-samples")
    policy = TabularSoftmax(env, np.log([[9 / 20, 11 / 20]]))
    return Instance(env, policy, Scheme(2, "sum_then_normalize"), reference=TabularSoftmax(env))


def _complements() -> Instance:
    env = families.bandit([(0, 1), (1, 0)], weights=("1/2", "1/2"), name="complements")
    return Instance(env, TabularSoftmax(env), Scheme(2, "normalize_then_sum"))


def _opposites() -> Instance:
    env = families.bandit([(0, "1/2"), (1, 0)], weights=("1/2", "1/2"), name="opposites")
    return Instance(env, TabularSoftmax(env), Scheme(3, "normalize_then_sum"))


def _two_bits(normalization: Normalization) -> Instance:
    """Two 0/1 components of equal weight, free to be 0 or 1: the composite takes three values."""
    env = families.bandit([(0, 0), (1, 0), (0, 1), (1, 1)], weights=("1/2", "1/2"), name="two-bits")
    return Instance(env, TabularSoftmax(env), Scheme(4, normalization))


PROVED, PRINTED = Standing.PROVED, Standing.PRINTED
_PAIR = (Scheme(4, "normalize_then_sum"), Scheme(5, "normalize_then_sum", 0.0, 1))
_ANY_EPS = (*_PAIR, Scheme(3, "normalize_then_sum", 1e-2, 1))
_JOINT_AND_SPLIT = (Scheme(4, "sum_then_normalize"), Scheme(4, "normalize_then_sum"), Scheme(8, "center"))
_i, _k, _l = (s.i, 1, s.G), (s.k, 1, s.K), (s.l, 1, s.K)
_PROGRESS = sp.Max(s.drift, 0) ** 2 / (2 * s.L_J * s.second_law)

CLAIMS = (
    Claim(
        "T2.identity",
        "The joint advantage is a reweighted sum of the components'",
        PROVED,
        "identity",
        sp.Eq(s.A_joint, sp.Sum(s.w[s.k] * s.sigma[s.k] * s.A_part[s.k], _k) / s.sigma_c),
        g.measure_identity,
        "docs/theory.md",
        (NO_EPS, ACTIVE),
        "c - mean c = sum w_k (R_k - mean R_k), divided by sigma_c. The paper's Delta is this identity, so always 0: "
        "it measures nothing.",
        (),
        _PAIR,
        weighted=True,
        observe=g.measure_identity,
        enclose=e.identity_rows,
        cost=cost.single_groups,
    ),
    Claim(
        "T2.identity.spread",
        "The composite's deviation",
        PROVED,
        "identity",
        sp.Eq(s.sigma_c**2, sp.Sum(s.w[s.k] * s.w[s.l] * s.sigma[s.k] * s.sigma[s.l] * s.corr[s.k, s.l], _k, _l)),
        g.measure_spread,
        "docs/theory.md",
        (),
        "Variance of a sum.",
        ("T2.identity",),
        _PAIR,
        weighted=True,
        observe=g.measure_spread,
        enclose=e.spread_rows,
        cost=cost.single_groups,
    ),
    Claim(
        "T2.advantage",
        "Mean squared difference of joint and decomposed advantages",
        PROVED,
        "identity",
        sp.Eq(
            sp.Sum((s.A_joint_of[s.i] - s.A_sum_of[s.i]) ** 2, _i) / s.G,
            s.kappa_ddof * sp.Sum(s.z[s.k] * s.corr[s.k, s.l] * s.z[s.l], _k, _l),
        ),
        g.measure_advantage_gap,
        "docs/theory.md",
        (NO_EPS,),
        "By T2.identity the difference is sum z_k A^k, and the standardized components have second moments C.",
        ("T2.identity",),
        _PAIR,
        weighted=True,
        observe=g.measure_advantage_gap,
        enclose=e.advantage_gap_rows,
        cost=cost.single_groups,
    ),
    Claim(
        "T2.gradient",
        "Distance of the joint from the decomposed update",
        PROVED,
        "inequality",
        sp.Le(s.gap_norm, sp.sqrt(s.kappa * s.Q_gap * s.lambda_max)),
        lambda i: _gradient_gap(i, "largest"),
        "docs/theory.md",
        (GAP,),
        "Advantages sum to zero, so scores may be centred in the group; then Cauchy-Schwarz along every direction. "
        "Attained at G = 2 and 3.",
        ("L5", "T2.advantage"),
        _ANY_EPS,
        weighted=True,
        observe=lambda o: observed.gradient_gap(o, "largest"),
        enclose=e.gradient_gap_rows,
    ),
    Claim(
        "T2.gradient.energy",
        "The same by the score energy",
        PROVED,
        "inequality",
        sp.Le(s.gap_norm, sp.sqrt(s.kappa * s.Q_gap * s.energy)),
        lambda i: _gradient_gap(i, "energy"),
        "docs/theory.md",
        (GAP,),
        "The largest eigenvalue is at most the trace.",
        ("T2.gradient",),
        _ANY_EPS,
        weighted=True,
        observe=lambda o: observed.gradient_gap(o, "energy"),
        enclose=e.gradient_gap_rows,
    ),
    Claim(
        "T2.gradient.tabular",
        "The same without looking at the scores",
        PROVED,
        "inequality",
        sp.Le(s.gap_norm, sp.sqrt(s.kappa * s.Q_gap / 2)),
        lambda i: _gradient_gap(i, "tabular"),
        "docs/theory.md",
        (TABULAR, GAP),
        "Blocks d(x) (diag pi - pi pi') have norm at most 1/2.",
        ("T2.gradient",),
        _ANY_EPS,
        enclose=e.gradient_gap_rows,
    ),
    Claim(
        "T2.lossless",
        "Nothing is lost exactly where z is in the kernel of C",
        PROVED,
        "equivalence",
        sp.Eq(s.gap_zero, s.kernel_zero),
        g.measure_lossless,
        "docs/theory.md",
        (NO_EPS,),
        "C is positive semidefinite, so z'Cz = 0 iff Cz = 0; by T2.advantage z'Cz is the squared difference.",
        ("T2.advantage",),
        _PAIR,
        _complements,
        weighted=True,
        observe=g.measure_lossless,
        enclose=e.lossless_rows,
        zero_tells=True,
        cost=cost.single_groups,
    ),
    Claim(
        "T2.lossless.exactly",
        "Nothing is lost exactly where all components move together",
        PROVED,
        "equivalence",
        sp.Eq(s.gap_zero, s.together),
        g.measure_lossless_exactly,
        "docs/theory.md",
        (NO_EPS, UNIT_TOTAL, ACTIVE),
        "||sum w_k Z_k|| <= sum w_k = 1 for standardized Z_k, with equality iff all are equal; the joint advantage has "
        "norm 1.",
        ("T2.lossless",),
        _PAIR,
        lambda: _two_bits("normalize_then_sum"),
        weighted=True,
        observe=g.measure_lossless_exactly,
        enclose=e.lossless_exactly_rows,
        zero_tells=True,
        cost=cost.single_groups,
    ),
    Claim(
        "T2.lossless.comonotone",
        "Nothing is lost where all components move together",
        PROVED,
        "identity",
        sp.Eq(s.A_joint, s.A_sum),
        g.measure_same_in_comonotone,
        "docs/theory.md",
        (COMONOTONE, UNIT_TOTAL, NO_EPS),
        "All A^k are one A, and sum w_k sigma_k = sigma_c, so both sides are A. A silent component breaks it.",
        ("T2.identity",),
        _PAIR,
        weighted=True,
        observe=g.measure_same_in_comonotone,
        enclose=lambda i: e.chosen_rows(i, "comonotone groups", e.moves_together),
        cost=cost.single_groups,
    ),
    Claim(
        "T2.lossless.center",
        "Centred advantages decompose",
        PROVED,
        "identity",
        sp.Eq(s.mean_center, sp.Sum(s.w[s.k] * s.mean_center_of[s.k], _k)),
        _center_is_linear,
        "docs/theory.md",
        (CENTER,),
        "c - mean c is linear in the components, and the centred update of R_k is kappa grad J_k (L7).",
        ("L5", "L7"),
        (Scheme(2, "center"), Scheme(8, "center")),
        weighted=True,
        enclose=e.center_is_linear_rows,
    ),
    Claim(
        "T2.scale",
        "Uncorrelated components of one spread differ by a factor",
        PROVED,
        "identity",
        sp.Eq(s.A_joint, sp.sqrt(s.K) / s.W * s.A_sum),
        g.measure_scaled_if_uncorrelated,
        "docs/theory.md",
        (UNCORRELATED, NO_EPS),
        "sigma_c = (W/K) sigma sqrt K in T2.identity.",
        ("T2.identity",),
        _PAIR,
        lambda: _two_bits("normalize_then_sum"),
        weighted=True,
        observe=g.measure_scaled_if_uncorrelated,
        enclose=lambda i: e.chosen_rows(i, "uncorrelated groups", e.uncorrelated),
        cost=cost.single_groups,
    ),
    Claim(
        "T2.suboptimality",
        "Shortfall of a nearly stationary policy",
        PROVED,
        "inequality",
        sp.Le(s.J_star - s.J, s.osc_residual * s.tv + s.mu * s.C_star * s.m_norm),
        measure_suboptimality,
        "docs/theory.md",
        (TABULAR,),
        "Split c = (c - mu h) + mu h; the first part moves by at most osc TV, the second by L4 for the reward h. mu = "
        "0 is allowed: never above W.",
        ("L4", "L5"),
        _JOINT_AND_SPLIT,
        enclose=e.suboptimality_rows,
    ),
    Claim(
        "T2.suboptimality.components",
        "The same, split over components",
        PROVED,
        "inequality",
        sp.Le(s.J_star - s.J, sp.Sum(s.w[s.k] * s.osc_residual_of[s.k], _k) * s.tv + s.mu * s.C_star * s.m_norm),
        lambda i: measure_suboptimality(i, split=True),
        "docs/theory.md",
        (TABULAR, DECOMPOSED),
        "Triangle inequality for the range.",
        ("T2.suboptimality",),
        (Scheme(4, "normalize_then_sum"), Scheme(8, "normalize_then_sum", 1e-2, 1)),
        enclose=lambda i: e.suboptimality_rows(i, split=True),
    ),
    Claim(
        "T2.suboptimality.signed",
        "The same for 0/1 components, with signs",
        PROVED,
        "inequality",
        sp.Le(
            s.J_star - s.J,
            sp.Sum(s.w[s.k] * (1 - s.mu * s.psi_of[s.k]) * (s.p_star_of[s.k] - s.p_of[s.k]), _k)
            + s.mu * s.C_star * s.m_norm,
        ),
        lambda i: measure_signed(i, False),
        "docs/theory.md",
        (TABULAR, DECOMPOSED, ZERO_ONE, Assumption("rewards vary", "a component with weight varies")),
        "h differs by psi_G(p_k) between the two values of component k.",
        ("T2.suboptimality", "L7"),
        (Scheme(4, "normalize_then_sum"), Scheme(8, "normalize_then_sum", 1e-2, 1)),
        enclose=lambda i: e.signed_rows(i, False),
    ),
    Claim(
        "T2.suboptimality.solvable",
        "No gap term where everything can be solved together",
        PROVED,
        "inequality",
        sp.Le(s.J_star - s.J, s.C_star * s.m_norm / s.psi_min),
        lambda i: measure_signed(i, True),
        "docs/theory.md",
        (TABULAR, DECOMPOSED, ZERO_ONE, Assumption("rewards vary", "a component with weight varies"), SOLVABLE),
        "With 1/mu the smallest psi every term of the gap is at most zero.",
        ("T2.suboptimality.signed",),
        (Scheme(4, "normalize_then_sum"), Scheme(8, "normalize_then_sum", 1e-2, 1)),
        enclose=lambda i: e.signed_rows(i, True),
    ),
    Claim(
        "T2.benefit",
        "Guaranteed progress of one step",
        PROVED,
        "inequality",
        sp.Le(_PROGRESS, s.one_step),
        _benefit,
        "docs/theory.md",
        (TABULAR, LISTABLE, INFORMATIVE),
        "Descent lemma for J with L_J of L3 at the step <grad J, m> / (L_J E||g||^2). Compare the right sides: "
        "benefit().",
        ("L3", "L6"),
        (Scheme(3, "normalize_then_sum"), Scheme(4, "normalize_then_sum", 1e-2, 1)),
        enclose=e.benefit_rows,
    ),
    Claim(
        "T2.closed",
        "Decomposed, two-valued components: there is a potential",
        PROVED,
        "equivalence",
        sp.Eq(s.closed, 1),
        _closed,
        "docs/theory.md",
        (DECOMPOSED, TWO_VALUED),
        "L7 (b): each component's update is psi_G(p_k) grad p_k.",
        ("L7",),
        (Scheme(3, "normalize_then_sum"), Scheme(4, "normalize_then_sum", 1e-2, 1)),
        lambda: _two_bits("normalize_then_sum"),
        enclose=lambda i: closed_rows(i.env, i.scheme),
        cost=cost.nothing,
    ),
    Claim(
        "T2.open",
        "Joint, the same components: there is none",
        PROVED,
        "example",
        sp.Gt(s.curl_norm, 0),
        _open,
        "docs/theory.md",
        (JOINT, THREE_VALUES, TABULAR),
        "Two bits of equal weight add up to three values; the curl at the uniform policy is not zero.",
        ("L8",),
        (),
        lambda: _two_bits("sum_then_normalize"),
        enclose=e.open_rows,
        cost=cost.nothing,
    ),
    Claim(
        "T2.cancel",
        "Complementary components cancel",
        PROVED,
        "example",
        sp.Eq(s.A_largest, 0),
        g.measure_cancel,
        "docs/theory.md",
        (COMPLEMENTARY, EQUAL),
        "R_2 = 1 - R_1 has the opposite deviations and the same spread. Here the composite is constant: nothing is "
        "lost.",
        (),
        (),
        _complements,
        weighted=True,
        enclose=e.cancel_rows,
        zero_tells=True,
        cost=cost.nothing,
    ),
    Claim(
        "T2.cancel.lossy",
        "Opposite components cancel though the composite varies",
        PROVED,
        "example",
        sp.Eq(s.A_largest, 0),
        g.measure_cancel,
        "docs/theory.md",
        (OPPOSITE, EQUAL, NO_EPS, COMPOSITE_VARIES),
        "R_2 = (1 - R_1)/2 standardizes to minus R_1: the decomposed update stands still while J* - J = 1/8.",
        ("T2.cancel",),
        (),
        _opposites,
        weighted=True,
        enclose=e.cancel_rows,
        zero_tells=True,
        cost=cost.nothing,
    ),
    Claim(
        "T2.printed",
        "The surrogates differ by at most a function of Delta that vanishes with it",
        PRINTED,
        "inequality",
        sp.Le(sp.Abs(s.S_joint - s.S_dec), s.printed_factor * s.Delta),
        g.measure_printed,
        "the paper's Eq. 40 to 46, as quoted in reviews",
        (LISTABLE,),
        "False: Delta comes out 0 in every group (T2.identity), and the surrogates differ: two samples give 1/10 and "
        "1/20. "
        "The factor, (1/G) sum r_i here, does not matter.",
        ("T2.identity",),
        (),
        _two_samples,
        enclose=e.printed_rows,
        cost=cost.nothing,
    ),
)
