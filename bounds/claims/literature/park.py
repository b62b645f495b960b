"""What clipping does to entropy where rewards carry no news (Park et al. 2025)."""

from collections.abc import Callable, Iterable

import numpy as np
import sympy as sp

from bounds import cost
from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.claim import Assumption, Claim, unmet
from bounds.claims.assumptions import TABULAR
from bounds.claims.divergence import reference_of
from bounds.claims.drift import WITNESS
from bounds.claims.slope import central_slope
from bounds.comparison import Measured
from bounds.enclosed.literature import park as enclosed
from bounds.instance import Instance
from bounds.structure import composite_varies, uninformed_law
from bounds.suite import DEFAULT_SCHEMES, SEED, Suite, nowhere
from bounds.verdicts import Standing
from tamdp_theory import TAMDP, TabularSoftmax, exact, families
from tamdp_theory.exact import Scheme
from tamdp_theory.model import Floats

CLIP = float(enclosed.CLIP)
RANGES = ((CLIP, CLIP), (1.0, CLIP), (CLIP, float("inf")))  # both clips, the upper alone, the lower alone
NO_NEWS = Assumption(
    "no news",
    "one prompt and one decision; every action has the same law of rewards, and they vary",
    lambda i: carries_no_news(i.env),
)
MEAN_ZERO = Assumption(
    "mean zero",
    "advantages add up to zero in every group: centred, standardized or leave-one-out",
    lambda i: adds_up_to_zero(i.scheme),
    groups=True,
)
_REFERENCE = "Park et al. 2025, arXiv 2509.26114"


def carries_no_news(env: TAMDP) -> bool:
    """Whether there is one prompt with one decision, and every action has one law of rewards, which vary."""
    return env.horizon == 1 and uninformed_law(env) is not None and composite_varies(env)


def adds_up_to_zero(scheme: Scheme) -> bool:
    """Whether the advantages of every group are centred, up to scale."""
    return scheme.normalization in ("center", "sum_then_normalize", "normalize_then_sum", "leave_one_out")


def coins(arms: int) -> TAMDP:
    """A bandit whose arms all pay a fair coin."""
    return families.bandit([[("1/2", 0), ("1/2", 1)]] * arms, name=f"{arms}-coins")


def _moved(old: list[int], now: list[int]) -> Instance:
    """Arms of coins; probabilities when the groups were drawn, and now, over their sums."""
    env = coins(len(old))
    policies = [TabularSoftmax(env, np.log([[float(v) for v in one]])) for one in (now, old)]
    return Instance(env, policies[0], Scheme(4, "center"), policies[1])


def on_coins(claim: Claim, suite: Suite) -> Iterable[Instance]:
    """Three and five coins, and policies at different distances from the old one."""
    for arms in (3, 5):
        env = coins(arms)
        for seed in range(3):
            generator = np.random.default_rng([SEED, arms, seed])
            old, now = (TabularSoftmax.random(env, generator, scale) for scale in (0.5, 2.0))
            for scheme in claim.schemes or DEFAULT_SCHEMES:
                label = f"{env.name} {seed} {scheme.normalization} G={scheme.group_size}"
                yield Instance(env, now, scheme, old, seed=seed, label=label, once=suite.once)


def _natural(instance: Instance, clip: tuple[float, float]) -> Floats:
    """The natural gradient of the clipped surrogate (A,), up to a constant; groups are drawn by the reference."""
    scheme, policy = instance.scheme, instance.policy
    surrogate = exact.surrogate(
        instance.env,
        policy,
        reference_of(instance),
        scheme.group_size,
        scheme.normalization,
        clip,
        eps=scheme.eps,
        ddof=scheme.ddof,
    )
    found: Floats = surrogate.gradient[instance.env.pair_parameter] / policy.pair_probability
    return found


def _slope(instance: Instance, direction: Floats) -> tuple[float, float]:
    """Derivative of the policy's entropy along changes of its logits, by differences, and its error."""
    logits = instance.policy.pair_log_probability

    def entropy(step: float) -> float:
        moved = np.exp(logits + step * direction)
        moved /= moved.sum()
        return -float(moved @ np.log(moved))

    coarse, fine = (central_slope(entropy, step) for step in (0.04, 0.02))
    return fine, abs(fine - coarse) / 16 + 1e-12


def _unfit(instance: Instance) -> Measured | None:
    conditions = {
        NO_NEWS.name: carries_no_news(instance.env),
        MEAN_ZERO.name: adds_up_to_zero(instance.scheme),
        TABULAR.name: bool(instance.policy.is_tabular),
    }
    if not (conditions[NO_NEWS.name] and conditions[TABULAR.name]):
        return Measured(numbers={}, assumptions=conditions)
    return unmet(instance, conditions)


def _clipped(instance: Instance) -> Measured:
    if unfit := _unfit(instance):
        return unfit
    env, scheme = instance.env, instance.scheme
    log_pi = instance.policy.pair_log_probability
    ratio = log_pi - reference_of(instance).pair_log_probability
    law = instance.laws[0]
    moments = exact.group_moments(
        law.probability / law.probability.sum(),
        [env.exact_class_rewards[c] for c in env.prompt_classes[0]],
        instance.exact_weights,
        scheme.group_size,
        scheme.normalization,
        scheme.eps,
        scheme.ddof,
    )
    slopes, errors, fell, rose = [], [], [], []
    for low, high in RANGES:
        slope, error = _slope(instance, _natural(instance, (low, high)))
        slopes.append(slope)
        errors.append(error)
        fell.append(ratio < np.log(1 - low) if low < 1 else np.zeros(len(ratio), dtype=bool))
        rose.append(ratio > np.log1p(high))
    if not (np.any(fell) or np.any(rose)):
        return Measured(numbers={}, empty="nothing is clipped")
    numbers = {
        ls.slope_entropy: np.array(slopes),
        ls.half_gain: float(law.probability @ moments.positive),
        ls.fell: np.array(fell, dtype=float).T,
        ls.rose: np.array(rose, dtype=float).T,
        ls.pi_of: np.tile(instance.policy.pair_probability, (len(RANGES), 1)).T,
        ls.log_pi: np.tile(log_pi, (len(RANGES), 1)).T,
        ls.n_arms: len(log_pi),
    }
    return Measured(numbers=numbers, errors={ls.slope_entropy: np.array(errors)})


def _alone(place: int) -> Callable[[Instance], Measured]:
    """The slope of entropy under one of the clips alone."""

    def measure(instance: Instance) -> Measured:
        if unfit := _unfit(instance):
            return unfit
        if instance.reference is None:
            return Measured(numbers={}, assumptions={WITNESS.name: False})
        slope, error = _slope(instance, _natural(instance, RANGES[place]))
        return Measured(numbers={ls.slope_entropy: slope}, error=error, assumptions={WITNESS.name: True})

    return measure


_a = (s.k, 1, ls.n_arms)
_pi, _log, _x = ls.pi_of[s.k], ls.log_pi[s.k], ls.rose[s.k] - ls.fell[s.k]
_covariance = sp.Sum(_pi * _log * _x, _a) - sp.Sum(_pi * _log, _a) * sp.Sum(_pi * _x, _a)

CLAIMS = (
    Claim(
        id="P.clip",
        title="Without news clipping moves entropy by which arms it stops",
        standing=Standing.PROVED,
        kind="identity",
        statement=sp.Eq(ls.slope_entropy, ls.half_gain * _covariance),
        measure=_clipped,
        reference=f"docs/theory.md; beside {_REFERENCE}",
        assumptions=(NO_NEWS, MEAN_ZERO, TABULAR),
        proof=(
            "Unclipped the gradient is E[A] times a score, 0. The clips take E[A+] pi s of the arms that rose, and "
            "-E[A-] pi s of those that fell; E[A+] = E[A-]. So the natural gradient is E[A+]([fell] - [rose]), and "
            "dH = -Cov(log pi, z): arms that rose are pushed down, arms that fell up. Whether entropy falls depends on "
            "whether these are rarer than the mean."
        ),
        depends_on=("P.entropy.natural",),
        schemes=(Scheme(4, "center"), Scheme(3, "sum_then_normalize")),
        example=lambda: _moved([1, 1, 1], [1, 2, 5]),
        instances=on_coins,
        needs_reference=True,
    ),
    Claim(
        id="P.clip.high",
        title="Clip-high lowers entropy",
        standing=Standing.PRINTED,
        kind="sign",
        statement=sp.Le(ls.slope_entropy, 0),
        measure=_alone(1),
        reference=f"{_REFERENCE}, title; conditions of the theorem are not at hand",
        assumptions=(NO_NEWS, MEAN_ZERO, TABULAR, WITNESS),
        proof="By P.clip it raises it where the arm that rose is the likeliest: (1/2, 1/4, 1/4) to (4/5, 1/10, 1/10).",
        depends_on=("P.clip",),
        example=lambda: _moved([2, 1, 1], [8, 1, 1]),
        enclose=enclosed.high_rows,
        cost=cost.nothing,
        instances=nowhere,
        needs_reference=True,
    ),
    Claim(
        id="P.clip.low",
        title="Clip-low raises entropy",
        standing=Standing.PRINTED,
        kind="sign",
        statement=sp.Le(0, ls.slope_entropy),
        measure=_alone(2),
        reference=f"{_REFERENCE}, title; conditions of the theorem are not at hand",
        assumptions=(NO_NEWS, MEAN_ZERO, TABULAR, WITNESS),
        proof="By P.clip it lowers it where the likeliest arm fell: (9/10, 1/20, 1/20) to (3/5, 1/5, 1/5).",
        depends_on=("P.clip",),
        example=lambda: _moved([18, 1, 1], [3, 1, 1]),
        enclose=enclosed.low_rows,
        cost=cost.nothing,
        instances=nowhere,
        needs_reference=True,
    ),
)
