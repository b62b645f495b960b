"""The claims of claims/paths.py: sampled training in rationals, square roots and balls, over every path."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from bounds import symbols as s
from bounds.decision import TRIVIAL, Row
from bounds.enclosed.quantities import (
    best_of,
    composite,
    mean_of,
    potential_at,
    rho,
    smoothness,
    spread,
    two_valued_terms,
)
from bounds.enclosed.smoothness import potential_smoothness
from bounds.exact_instance import ExactInstance
from tamdp_theory.exact import balls
from tamdp_theory.exact.ball_paths import PathLaw
from tamdp_theory.exact.balls import ZERO, BallPolicy, Number, ball, dot, gradient_of, is_zero, number, prompt_update

_GRID = 2**20  # step sizes that a claim recommends are rounded down to its multiples
_RULER = 128  # bits at which that is decided


@dataclass(frozen=True, eq=False)
class _Potential:
    """F of L7 with its constants, prompt by prompt: weight, 1 where a class has the larger value, and spread of each
    term; for ``center`` kappa times the composite.
    """

    i: ExactInstance
    terms: tuple[tuple[tuple[Number, list[int], Number], ...], ...]

    @staticmethod
    def of(i: ExactInstance) -> "_Potential | None":
        if i.scheme.normalization == "center":
            return _Potential(i, ())
        found = [two_valued_terms(i, q) for q in range(i.env.n_prompts)]
        if any(one is None for one in found):
            return None
        return _Potential(i, tuple(tuple(one or ()) for one in found))

    def at(self, q: int, mean: Callable[[list[Number]], Number]) -> Number:
        """F_q, where ``mean`` gives E of a number of each class."""
        i = self.i
        if not self.terms:
            return i.kappa * mean([number(c) for c in composite(i.env, q)])
        return sum(
            (
                weight
                * potential_at(mean([number(h) for h in high]), i.scheme.group_size, i.eps, i.scheme.ddof, spread_)
                for weight, high, spread_ in self.terms[q]
            ),
            ZERO,
        )

    def under(self, policy: BallPolicy, q: int) -> Number:
        """F_q at a policy."""
        return self.at(q, lambda values: mean_of(policy, q, values))

    @cached_property
    def start(self) -> Number:
        """F at the instance's policy."""
        return self._over_prompts(lambda q: self.under(self.i.policy, q))

    @cached_property
    def upper(self) -> Number:
        """F*."""
        return self._over_prompts(lambda q: self.at(q, lambda values: best_of(self.i.env, q, values)))

    @cached_property
    def lower(self) -> Number:
        """What F never falls below."""
        if self.terms:
            return ZERO
        return self.i.kappa * self._over_prompts(lambda q: number(min(composite(self.i.env, q))))

    @cached_property
    def smoothness(self) -> Number:
        """L, zero where nothing varies."""
        return potential_smoothness(self.i) if self.terms else self.i.kappa * smoothness(self.i.env)

    @cached_property
    def variance_bound(self) -> Number:
        """L9 with L2.bound if centred, else L9.decomposed, prompts added with rho_q^2."""
        env, size = self.i.env, self.i.scheme.group_size
        squares = sum((rho(env, q) ** 2 for q in range(env.n_prompts)), ZERO)
        if not self.terms:
            energy = number(env.horizon * Fraction(env.n_actions - 1, env.n_actions))
            return self.i.kappa**2 * self.i.total_weight**2 * energy * squares / size
        total = number(self.i.scheme.estimator.total(env.exact_weights))
        return 4 * env.horizon * total**2 * squares / size

    @cached_property
    def ceiling(self) -> Number:
        """What ||grad F||^2 never exceeds (theory.md section 14)."""
        env, kappa = self.i.env, self.i.kappa
        if not self.terms:
            return kappa**2 / 8 * sum(((rho(env, q) * spread(env, q)) ** 2 for q in range(env.n_prompts)), ZERO)
        weights = [sum((weight for weight, _, _ in own), ZERO) for own in self.terms]
        return kappa / 2 * sum(((rho(env, q) * w) ** 2 for q, w in enumerate(weights)), ZERO)

    def _over_prompts(self, of: Callable[[int], Number]) -> Number:
        return sum((rho(self.i.env, q) * of(q) for q in range(self.i.env.n_prompts)), ZERO)


def guaranteed_rows(i: ExactInstance) -> list[Row]:
    """T1.exactly, T1.exactly.path: the mean of ||grad F||^2 over every path, and its bounds."""
    potential = _Potential.of(i)
    if potential is None or is_zero(potential.smoothness):
        return []
    eta = i.learning_rate or recommended(i)
    smooth = potential.smoothness
    if not ball(smooth * number(eta)) <= 1 and "step size" not in i.without:
        return []
    squares, noise, _, _ = _along(i, eta)
    return [
        {
            s.mean_grad_F: squares,
            s.variance_path: noise,
            s.F_star: potential.upper,
            s.F_0: potential.start,
            s.eta: eta,
            s.T: i.steps,
            s.L: smooth,
            s.variance_bound: potential.variance_bound,
            TRIVIAL: potential.ceiling,
        }
    ]


def recommended(i: ExactInstance) -> Fraction:
    """The step size that makes the a priori bound least, min(1/L, sqrt(2 gap/(L V T))), on a grid of rationals."""
    with balls.precision(_RULER):
        potential = _Potential.of(i)
        assert potential is not None
        gap = ball(potential.upper - potential.start)
        longest = 1 / ball(potential.smoothness)
        best = (2 * gap / (potential.smoothness * potential.variance_bound * i.steps)).sqrt() if gap > 0 else longest
        return on_grid(min(float(longest.mid()), float(best.mid())))


def on_grid(size: float) -> Fraction:
    """Below ``size`` by less than a part in a thousand."""
    unit = Fraction(1, _GRID)
    while size < unit * 1000:
        unit /= _GRID
    return unit * int(Fraction(size) / unit)


def _along(i: ExactInstance, eta: Fraction) -> tuple[Number, Number, Number, Number]:
    """Means over t < T and every path of ||m||^2, V, <grad J, m> and ||grad J||^2."""
    env = i.env
    totals = [ZERO] * 4
    for q in range(env.n_prompts):

        def numbers(policy: BallPolicy, q: int = q) -> tuple[Number, ...]:
            law = policy.law()
            mean, noise = prompt_update(law, q, i.scheme)
            slope = gradient_of(law, q)
            return dot(mean, mean), noise, dot(slope, mean), dot(slope, slope)

        found = PathLaw(i.policy, q, i.scheme, eta).expectations(numbers, i.steps)
        weight = rho(env, q) * rho(env, q) / i.steps
        sums = [sum(column, ZERO) for column in zip(*found, strict=True)]
        totals = [total + weight * one for total, one in zip(totals, sums, strict=True)]
    return totals[0], totals[1], totals[2], totals[3]


def biased_rows(i: ExactInstance) -> list[Row]:
    """T1.exactly.biased: the mean of ||grad J||^2 over every path, with alpha and the second moment as they are."""
    smooth = smoothness(i.env)
    if is_zero(smooth):
        return []
    eta = i.learning_rate or Fraction(1)
    lengths, noise, drift, squares = _along(i, eta)
    alpha = drift / squares
    if not alpha > 0 and "drift" not in i.without:
        return []
    prompts = [(q, [number(c) for c in composite(i.env, q)]) for q in range(i.env.n_prompts)]
    start = sum((rho(i.env, q) * mean_of(i.policy, q, values) for q, values in prompts), ZERO)
    best = sum((rho(i.env, q) * best_of(i.env, q, values) for q, values in prompts), ZERO)
    ceiling = sum(((rho(i.env, q) * spread(i.env, q)) ** 2 for q in range(i.env.n_prompts)), ZERO) / 8
    return [
        {
            s.mean_grad_J: squares,
            s.second_path: lengths + noise,
            s.alpha: alpha,
            s.J_star: best,
            s.J_0: start,
            s.eta: eta,
            s.T: i.steps,
            s.L_J: smooth,
            TRIVIAL: ceiling,
        }
    ]


def step_rows(i: ExactInstance) -> list[Row]:
    """T1.step: the shortfall of F before and after one sampled step, over every group."""
    potential = _Potential.of(i)
    if potential is None or is_zero(potential.smoothness):
        return []
    eta = i.learning_rate or on_grid(float((1 / ball(potential.smoothness)).mid()))
    env, after = i.env, ZERO
    squares, noise = ZERO, ZERO
    for q in range(env.n_prompts):

        def value(policy: BallPolicy, q: int = q) -> tuple[Number]:
            return (potential.under(policy, q),)

        after += rho(env, q) * PathLaw(i.policy, q, i.scheme, eta).expectations(value, 2)[1][0]
        mean, variance = prompt_update(i.law, q, i.scheme)
        squares += rho(env, q) ** 2 * dot(mean, mean)
        noise += rho(env, q) ** 2 * variance
    return [
        {
            s.shortfall_after: potential.upper - after,
            s.shortfall: potential.upper - potential.start,
            s.grad_F_squared: squares,
            s.variance: noise,
            s.eta: eta,
            s.L: potential.smoothness,
            TRIVIAL: potential.upper - potential.lower,
        }
    ]
