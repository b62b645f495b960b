"""What groups of rollouts say about GRPO's update: each number with its confidence interval, or exactly if the groups
are all there are.

Everything is a mean over independent draws: a prompt from the source's distribution, and groups of that prompt. So an
update is that of a step with one prompt, averaged over prompts, and its variance is that within prompts: E_q ||m||, E_q
V_q where the exact engine, with all prompts in the step, has sums with rho_q and rho_q^2. Scores may be a fixed linear
image of the true ones (a random projection): every statement about updates then holds for the image, word for word.

Intervals are valid at every number of draws where the numbers have a known range: rewards and advantages always do,
scores where their source knows a bound of them (``RolloutGroups.score_bound``). Else they are asymptotic, and
``Estimate.valid`` is False.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bounds.observation import decimals
from bounds.rollouts import intervals
from bounds.rollouts.intervals import Estimate
from bounds.structure import both
from tamdp_theory import InputError, grpo
from tamdp_theory.exact import Normalization, Scheme
from tamdp_theory.guards import check_inside_unit
from tamdp_theory.model import Floats
from tamdp_theory.sources import RolloutGroups


@dataclass(frozen=True, eq=False)
class Statistics:
    """Estimates from groups of the scheme's size (larger ones are cut), each at confidence ``level``; ``seed`` drives
    the bootstrap.
    """

    rollouts: RolloutGroups
    scheme: Scheme
    level: float = 0.99
    seed: int = 0

    def __post_init__(self) -> None:
        check_inside_unit("level", self.level)
        self.rollouts.check_shows(self.scheme.group_size)

    # -- groups -------------------------------------------------------------------------------------------------

    @cached_property
    def groups(self) -> RolloutGroups:
        """The rollouts in groups of the scheme's size."""
        return self.rollouts.in_groups_of(self.scheme.group_size)

    @cached_property
    def weights(self) -> Floats:
        """w (K,)."""
        return np.array([float(w) for w in self.rollouts.weights])

    def advantages(self, normalization: Normalization) -> Floats:
        """A (n, G) of the groups under another normalization, with the scheme's eps and ddof."""
        return grpo.advantages(self.groups.rewards, self.weights, normalization, self.scheme.eps, self.scheme.ddof)

    def largest_advantages(self, normalization: Normalization) -> float:
        """What the root mean square of a group's advantages cannot exceed: sqrt(1 - ddof/G) for each standardized
        reward, half the range if centred.
        """
        scheme = self.scheme.under(normalization)
        ceiling = scheme.estimator.ceiling(scheme.group_size, scheme.ddof, float(self.weights.sum()))
        return float(ceiling) * float(scheme.estimator.total(self.rollouts.weights))

    # -- from rewards alone -------------------------------------------------------------------------------------

    @cached_property
    def components(self) -> tuple[Estimate, ...]:
        """J_k, expected reward of each component."""
        return tuple(self._bounded(self.groups.rewards[:, :, k].mean(axis=1)) for k in range(len(self.weights)))

    @cached_property
    def objective(self) -> Estimate:
        """J, expected composite reward."""
        total = float(self.weights.sum())
        return self._bounded((self.groups.rewards @ self.weights).mean(axis=1) / total).scale(total)

    @cached_property
    def silent(self) -> Estimate:
        """Share of groups whose advantages are all zero: they teach nothing."""
        return self._share(~self.advantages(self.scheme.normalization).any(axis=1))

    def silent_component(self, k: int) -> Estimate:
        """Share of groups in which component k does not vary."""
        return self._share(np.ptp(self.groups.rewards[:, :, k], axis=1) == 0)

    @cached_property
    def gap(self) -> Estimate:
        """Q = E[(1/G) sum (A_joint - A_decomposed)^2], which is E[z'Cz] for eps = 0, ddof = 0 (T2.advantage)."""
        return self._mean((self.difference**2).mean(axis=1), self._largest_difference**2).clipped()

    @cached_property
    def differs(self) -> bool:
        """Whether joint and decomposed advantages surely differ in some group: ties decided on the rewards' decimals,
        and by more than the last digits of the few operations from there."""
        table = decimals(self.groups.rewards, self.rollouts.weights)
        one, other = both(self.scheme)
        joint, split = table.advantages(one), table.advantages(other)
        size = np.abs(joint) + sum(
            abs(float(w)) * np.abs(column.advantages(one))
            for w, column in zip(table.weights, table.components, strict=True)
        )
        return bool((np.abs(joint - split) > 16 * (1 + len(self.weights)) * np.finfo(np.float64).eps * size).any())

    @property
    def _largest_difference(self) -> float:
        return self.largest_advantages("sum_then_normalize") + self.largest_advantages("normalize_then_sum")

    @cached_property
    def difference(self) -> Floats:
        """A_joint - A_decomposed (n, G)."""
        return self.advantages("sum_then_normalize") - self.advantages("normalize_then_sum")

    # -- from scores --------------------------------------------------------------------------------------------

    @cached_property
    def scores(self) -> Floats:
        """s (n, G, d)."""
        if self.groups.scores is None:
            raise InputError("scores: these rollouts have none; ask their source for scores")
        return np.asarray(self.groups.scores, dtype=np.float64)

    @property
    def score_bound(self) -> float | None:
        """A norm that no score exceeds, None if none is known."""
        return self.groups.score_bound

    def largest_update(self, advantages: float) -> float | None:
        """What the norm of a group's estimator cannot exceed, its advantages being at most this in root mean square
        (Cauchy and Schwarz).
        """
        known = self.score_bound is not None and np.isfinite(advantages)
        return advantages * float(self.score_bound or 0.0) if known else None

    def estimator(self, advantages: Floats) -> Floats:
        """(1/G) sum A_i s_i of each group (n, d)."""
        result: Floats = np.einsum("ng,ngd->nd", advantages, self.scores) / self.scheme.group_size
        return result

    @cached_property
    def score_energy(self) -> Estimate:
        """E||s||^2."""
        return self._mean((self.scores**2).sum(axis=-1).mean(axis=1), self._largest_energy).clipped()

    @property
    def _largest_energy(self) -> float | None:
        return None if self.score_bound is None else self.score_bound**2

    @cached_property
    def scores_vary(self) -> bool:
        """Whether rollouts have different scores, beyond the last digits of single precision, in which a model gives
        them: those of a policy do, since their mean is zero, unless nothing was drawn but one."""
        flat = self.scores.reshape(-1, self.scores.shape[-1])
        return float(np.ptp(flat, axis=0).max()) > 16 * float(np.finfo(np.float32).eps) * float(np.abs(flat).max())

    @cached_property
    def off_policy(self) -> bool:
        """Whether the mean score is shown not to be zero, as that of the policy which wrote the rollouts is; of listed
        groups beyond rounding.
        """
        found = self.score_mean
        rounding = len(self.scores) * self.scheme.group_size * float(np.finfo(np.float64).eps)
        return found.low > (rounding**2 * self.score_energy.value if self.rollouts.is_exact else 0.0)

    @cached_property
    def score_mean(self) -> Estimate:
        """||E s||^2: zero if rollouts come from the very policy whose scores these are."""
        return self._squared_norm(self.scores.mean(axis=1), self.score_bound)

    @cached_property
    def update(self) -> Estimate:
        """||m||^2 of the scheme's update."""
        return self._squared_norm(self.estimator(self.advantages(self.scheme.normalization)), self._largest_own)

    @property
    def _largest_own(self) -> float | None:
        return self.largest_update(self.largest_advantages(self.scheme.normalization))

    @cached_property
    def update_gap(self) -> Estimate:
        """||m_joint - m_decomposed||^2."""
        return self._squared_norm(self.estimator(self.difference), self.largest_update(self._largest_difference))

    @cached_property
    def gradient(self) -> Estimate:
        """||grad J||^2, from centred advantages over kappa."""
        return self._squared_norm(self._unbiased_gradient, self._largest_gradient)

    @property
    def _largest_gradient(self) -> float | None:
        return self.largest_update(self.largest_advantages("center") / self.scheme.kappa)

    @cached_property
    def drift(self) -> Estimate:
        """<grad J, m>: negative if the scheme's expected step lowers J."""
        update = self.estimator(self.advantages(self.scheme.normalization))
        if self.groups.weight is not None:
            return Estimate.exact(float((self.groups.weight @ self._unbiased_gradient) @ (self.groups.weight @ update)))
        ends = self._largest_gradient, self._largest_own
        largest = None if ends[0] is None or ends[1] is None else (ends[0], ends[1])
        return intervals.inner_product(
            self._by_draw(self._unbiased_gradient), self._by_draw(update), self.level, self._generator, largest
        )

    @cached_property
    def _unbiased_gradient(self) -> Floats:
        return self.estimator(self.advantages("center")) / self.scheme.kappa

    @cached_property
    def variance(self) -> Estimate:
        """E_q V_q of the scheme's estimator. Drawn groups: needs two of each draw, so rollouts in groups of at least 2
        G.
        """
        estimate = self.estimator(self.advantages(self.scheme.normalization))
        if (chance := self.groups.weight) is not None:
            prompt = self.groups.prompt
            total = float(chance @ (estimate**2).sum(axis=1))
            for q in np.unique(prompt):
                own = prompt == q
                part = chance[own] @ estimate[own]
                total -= float(part @ part / chance[own].sum())
            return Estimate.exact(total)
        rows = self._draws
        if rows is None or rows.shape[1] < 2:
            raise InputError(
                f"variance: needs at least two groups of each draw, of every draw as many; draw groups of "
                f"{2 * self.scheme.group_size}"
            )
        count, largest = rows.shape[1], self._largest_own
        # sum_i ||g_i - mean||^2 <= sum_i ||g_i||^2
        ceiling = None if largest is None else count / (count - 1) * largest**2
        return self._interval(estimate[rows].var(axis=1, ddof=1).sum(axis=-1), ceiling).clipped()

    @cached_property
    def leading_energy(self) -> Estimate:
        """lambda_max(E[s s']), from below: the mean of <v, s>^2 on half of the draws, v the leading direction on the
        other half.

        So the value and the lower end err to the safe side of a bound; the upper end is that of E||s||^2.
        """
        flat = self.scores.reshape(-1, self.scores.shape[-1])
        if self.groups.weight is not None:
            chance = np.repeat(self.groups.weight, self.scheme.group_size) / self.scheme.group_size
            return Estimate.exact(float(np.linalg.svd(flat * np.sqrt(chance)[:, None], compute_uv=False)[0]) ** 2)
        draw = np.arange(len(self.scores)) if self.groups.draw is None else self.groups.draw
        first = np.isin(draw, np.unique(draw)[::2])
        if first.all():
            return Estimate(0.0, 0.0, self.score_energy.high, self.score_energy.valid)
        direction = np.linalg.svd(self.scores[first].reshape(-1, flat.shape[1]), full_matrices=False)[2][0]
        found = self._interval(
            self._average(((self.scores[~first] @ direction) ** 2).mean(axis=1), draw[~first]), self._largest_energy
        )
        return Estimate(
            found.value, max(found.low, 0.0), self.score_energy.high, found.valid and self.score_energy.valid
        )

    # -- estimating ---------------------------------------------------------------------------------------------

    @property
    def _generator(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)

    @cached_property
    def _draws(self) -> Any:
        """Places of the groups of each draw (draws, groups), None if their numbers differ."""
        draw = np.arange(len(self.groups.prompt)) if self.groups.draw is None else self.groups.draw
        order = np.argsort(draw, kind="stable")
        counts = np.unique(draw, return_counts=True)[1]
        return order.reshape(len(counts), -1) if (counts == counts[0]).all() else None

    def _average(self, values: Floats, draw: Any) -> Floats:
        """Mean of values (n, ...) within each draw."""
        _, place, counts = np.unique(draw, return_inverse=True, return_counts=True)
        total = np.zeros((len(counts), *values.shape[1:]))
        np.add.at(total, place.ravel(), values)
        return total / counts.reshape(-1, *[1] * (values.ndim - 1))

    def _by_draw(self, values: Floats) -> Floats:
        return values if self.groups.draw is None else self._average(values, self.groups.draw)

    def _mean(self, values: Floats, ceiling: float | None) -> Estimate:
        """Of numbers between 0 and ``ceiling``, None if there is none."""
        if self.groups.weight is not None:
            return Estimate.exact(float(self.groups.weight @ values))
        return self._interval(self._by_draw(values), ceiling)

    def _interval(self, values: Floats, ceiling: float | None) -> Estimate:
        """The expectation of independent numbers between 0 and ``ceiling``, None if there is none."""
        if ceiling is None:
            return intervals.mean(values, self.level)
        return intervals.bounded_mean(values, self.level, 0.0, ceiling) if ceiling > 0 else Estimate.exact(0.0)

    def _squared_norm(self, vectors: Floats, largest: float | None) -> Estimate:
        if self.groups.weight is not None:
            mean = self.groups.weight @ vectors
            return Estimate.exact(float(mean @ mean))
        return intervals.squared_norm(self._by_draw(vectors), self.level, self._generator, largest)

    def _bounded(self, values: Floats) -> Estimate:
        return self._mean(values, 1.0)

    def _share(self, chosen: Any) -> Estimate:
        if self.groups.weight is not None:
            return Estimate.exact(float(self.groups.weight @ chosen))
        if self.groups.draw is not None:  # groups of one draw are not independent trials: one of each
            chosen = chosen[np.unique(self.groups.draw, return_index=True)[1]]
        return intervals.share(int(chosen.sum()), len(chosen), self.level)
