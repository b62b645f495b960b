"""Mean and second moment of the update of one batch, where advantages depend on the whole batch, exactly.

A batch is B groups of G trajectories; prompts are drawn independently from the prompt law, unless they are given. The
update is g = (1 / BG) sum of A f s over all members, f what aggregation multiplies by and s the score. Given the types
of its groups (batch_types.py) an advantage is A = a (x - r) + b with a and b of the group (batch_scales.py), so that,
with h_m = E[A f | class m of a member] and grad P_m,

    E g = sum over prompts of rho_q sum_m h_m grad P_m,

and E||g||^2 adds up from pairs of members: the same one, two of a group, and two of different groups.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from tamdp_theory.errors import CapacityError, InputError
from tamdp_theory.estimators.batch.scheme import BatchScheme, InBatch
from tamdp_theory.estimators.scheme import Aggregation, Keep
from tamdp_theory.exact.batch_integrals import IntegralScales
from tamdp_theory.exact.batch_members import Members, Rest, factors
from tamdp_theory.exact.batch_scales import LimitScales, Scales, Scores, SummedScales
from tamdp_theory.exact.batch_totals import Laws, check_work, totals
from tamdp_theory.exact.batch_types import GroupTypes, TypeLaw, group_types
from tamdp_theory.exact.counted import over
from tamdp_theory.exact.law import ClassLaw
from tamdp_theory.exact.values import policy_gradient
from tamdp_theory.model import TAMDP, Floats, check_same_process
from tamdp_theory.policies.base import Policy

Route: TypeAlias = Literal["auto", "sums", "integrals", "members"]
ROUTES = ("auto", "sums", "integrals", "members")
FEW = 2_000_000  # up to so much work, sums are faster than integrals


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """What the moments of a batch's update need that does not depend on the policy.

    Where the scheme looks at lengths, ``env`` becomes the process whose reward classes are split by length.
    """

    env: TAMDP
    scheme: BatchScheme
    prompts: tuple[int, ...] | None = None
    route: Route = "auto"
    think_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.scheme.lengths:
            object.__setattr__(self, "env", self.env.by_length)
        if self.prompts is not None:
            if len(self.prompts) != self.scheme.batch:
                raise InputError(f"prompts: need {self.scheme.batch}, one for each group, got {len(self.prompts)}")
            for place, q in enumerate(self.prompts):
                if isinstance(q, bool) or not isinstance(q, (int, np.integer)) or not 0 <= q < self.env.n_prompts:
                    raise InputError(
                        f"prompts[{place}]: must be an integer from 0 to {self.env.n_prompts - 1}, got {q!r}"
                    )
        if self.route not in ROUTES:
            raise InputError(f"route: must be one of {', '.join(ROUTES)}; got {self.route!r}")

    @cached_property
    def types(self) -> GroupTypes:
        """Groups by what they add to the batch's sums."""
        return group_types(self.env, self.scheme)

    @cached_property
    def scales(self) -> Scales:
        """What the rest of a batch makes of a group, by the fastest exact way. CapacityError where there is none."""
        scheme, types = self.scheme, self.types
        if scheme.is_limit:
            return LimitScales(types, scheme)
        if self.route == "integrals" and not scheme.has_integrals:
            what = f"{scheme.resolved} with aggregation {scheme.aggregation}"
            raise InputError(f"route: {what} has no integrals that factor")
        found = totals(types, int(scheme.batch))
        many = self.route == "integrals" or (self.route == "auto" and found.work(int(scheme.batch) - 1) > FEW)
        if scheme.has_integrals and many:
            integrals = IntegralScales(types, scheme)
            integrals.check()
            return integrals
        check_work(found, int(scheme.batch), ", as do integrals (route)" if scheme.has_integrals else "")
        return SummedScales(types, scheme, found)

    @cached_property
    def by_members(self) -> bool:
        """Whether members are integrated over one by one: groups are too many to be listed, or ``route`` says so."""
        if self.route == "members":
            if not factors(self.scheme):
                raise InputError(f"route: the members of a batch do not factor for {self.scheme.resolved}")
            return True
        if self.route == "auto" and factors(self.scheme):
            try:
                _ = self.scales
            except CapacityError:
                return True
        return False

    @cached_property
    def factor(self) -> Floats:
        """What an advantage is multiplied by because of the member's own length (C,)."""
        lengths = self.env.class_length
        if lengths is None or self.scheme.aggregation not in ("sequence_mean", "constant"):
            return np.ones(self.env.n_classes)
        longest = np.full(len(lengths), float(lengths.max()))
        return 1 / (lengths if self.scheme.aggregation == "sequence_mean" else longest)

    @cached_property
    def shares(self) -> Floats:
        """Expected share of each prompt among the groups (N,)."""
        if self.prompts is None:
            return self.env.prompt_probability
        return np.bincount(self.prompts, minlength=self.env.n_prompts) / len(self.prompts)

    def update(self, policy: Policy) -> "BatchUpdate":
        """The update of one batch under a policy. CapacityError as ``scales``."""
        check_same_process(self.env, policy.env)
        if not self.by_members:
            _ = self.scales
        return BatchUpdate(self, policy)


@dataclass(frozen=True, eq=False)
class BatchUpdate:
    """One batch's update: ``mean`` E g (d,), ``second_moment`` E||g||^2 and ``variance`` E||g - E g||^2, each computed
    when first read. In the limit of many prompts the update is its mean, and the variance is 0.
    """

    plan: BatchPlan
    policy: Policy

    @cached_property
    def mean(self) -> Floats:
        """E g (d,)."""
        plan = self.plan
        share = plan.shares / plan.env.prompt_probability
        reward = self.effective_reward * share[plan.env.class_prompt]
        return policy_gradient(plan.env, self.policy, reward, plan.think_weight)

    @cached_property
    def effective_reward(self) -> Floats:
        """h (C,): E[A f] of a member of each class, where its group is kept, over the share of groups that are; 0 on
        prompts that are not in the batch.
        """
        if self.plan.by_members:
            return self._of_members * self.plan.factor
        h = np.zeros(self.plan.env.n_classes)
        if self._is_empty:
            return h
        for q, a, b, *_ in self._singles:
            one, x, _ = self.laws[q].single
            h[self.plan.env.prompt_classes[q]] = x @ a + one @ b
        return h * self.plan.factor * self._inverse_share[self.plan.env.class_prompt]

    @property
    def _of_members(self) -> Floats:
        plan = self.plan
        members = Members(plan.env, plan.scheme, self._class_law.probability[:, 0])
        if plan.scheme.is_limit:
            return members.limit()
        if plan.prompts is None:
            return members.finite([(range(plan.env.n_prompts), self._left(0))])
        return members.finite([([q], self._left(q)) for q in np.flatnonzero(plan.shares).tolist()])

    @property
    def by_type(self) -> tuple[Floats, Floats]:
        """E a and E b (D,) of A = a (x - r) + b, given the type of a group of the first prompt."""
        _, a, b, *_ = self._singles[0]
        return a, b

    @cached_property
    def second_moment(self) -> float:
        """E||g||^2 >= 0. CapacityError where pairs of groups have too many sums."""
        plan, scheme = self.plan, self.plan.scheme
        if scheme.is_limit or (not plan.by_members and self._is_empty):
            return float(self.mean @ self.mean)
        if plan.by_members:
            raise CapacityError(
                f"group_size {scheme.group_size}, batch {scheme.batch}: where groups are too many to be listed the "
                "mean alone is known; use smaller groups or fewer distinct rewards for the second moment"
            )
        size, members = int(scheme.group_size), int(scheme.group_size * scheme.batch)
        energy = self._class_law.energy(self.policy)[:, 0]
        total = 0.0
        for q, _, _, aa, ab, bb in self._singles:
            classes = plan.env.prompt_classes[q]
            factor, gradient = plan.factor[classes], self._gradients(q)
            one, x, squares = self.laws[q].single
            alone = squares @ aa + 2 * (x @ ab) + one @ bb
            weight = plan.shares[q] * self._inverse_share[q] / members
            total += weight * float((alone * factor**2) @ energy[classes])
            pair = self.laws[q].pair(aa, ab, bb)
            gram = gradient @ gradient.T * np.outer(factor, factor)
            total += weight * (size - 1) * float((pair * gram).sum())
        for share, first, second, others in self._pairs:
            both = [Scores(self._by_type(law, 1), self._by_type(law, 0)) for law in (first, second)]
            total += share * plan.scales.cross(others, both[0], both[1])
        return total

    @cached_property
    def variance(self) -> float:
        """E||g - E g||^2 >= 0."""
        return max(self.second_moment - float(self.mean @ self.mean), 0.0)

    @cached_property
    def _class_law(self) -> ClassLaw:
        return ClassLaw.of(self.plan.env, self.policy.pair_probability[:, None], self.plan.think_weight)

    @cached_property
    def laws(self) -> tuple[TypeLaw, ...]:
        """The groups of each prompt."""
        law, env = self._class_law.probability[:, 0], self.plan.env
        return tuple(self.plan.types.law(q, law[classes]) for q, classes in enumerate(env.prompt_classes))

    @cached_property
    def _inverse_share(self) -> Floats:
        """One over the share of groups that are kept, for each prompt (N,): of all prompts' if they are drawn, of its
        own if they are given. 0 where no group is kept.
        """
        plan = self.plan
        if plan.scheme.keep == "all":
            return np.ones(plan.env.n_prompts)
        own = np.array([law.probability.sum() for law in self.laws])
        share = own if plan.prompts is not None else np.full(len(own), plan.env.prompt_probability @ own)
        return over(np.ones(len(own)), share)

    @property
    def _is_empty(self) -> bool:
        """Whether there is no batch, as a group of it is never kept."""
        return bool((self._inverse_share[self.plan.shares > 0] == 0).any())

    def _mixed(self, shares: Floats) -> Floats:
        """Law of the types (D,) of a group whose prompt has a law (N,)."""
        result: Floats = np.zeros(self.plan.types.count)
        for q in np.flatnonzero(shares).tolist():
            result += shares[q] * self._inverse_share[q] * self.laws[q].probability
        return result

    def _only(self, q: int) -> Floats:
        result: Floats = np.eye(self.plan.env.n_prompts)[q]
        return result

    def _left(self, *taken: int) -> Rest:
        """The groups that remain when groups of these prompts are taken out."""
        plan = self.plan
        if plan.prompts is None:
            return [(plan.env.prompt_probability, 1 if plan.scheme.is_limit else int(plan.scheme.batch) - len(taken))]
        counts = np.bincount(plan.prompts, minlength=plan.env.n_prompts)
        np.subtract.at(counts, list(taken), 1)
        return [(self._only(q), int(counts[q])) for q in np.flatnonzero(counts).tolist()]

    def _rest(self, *taken: int) -> Laws:
        """The same as laws of types."""
        return [(self._mixed(shares), groups) for shares, groups in self._left(*taken)]

    @cached_property
    def _singles(self) -> list[tuple[int, Floats, Floats, Floats, Floats, Floats]]:
        """Prompt, and moments of a and b by type, for each prompt that can be in the batch."""
        plan = self.plan
        if plan.prompts is None:
            same = plan.scales.one(self._rest(0))
            return [(q, *same) for q in range(plan.env.n_prompts)]
        return [(int(q), *plan.scales.one(self._rest(int(q)))) for q in np.flatnonzero(plan.shares)]

    @property
    def _pairs(self) -> list[tuple[float, Floats, Floats, Laws]]:
        """Pairs of groups: their share of all N^2 / G^2, the laws (N,) of both prompts, and the rest."""
        plan, batch = self.plan, int(self.plan.scheme.batch)
        if batch == 1:
            return []
        if plan.prompts is None:
            law = plan.env.prompt_probability
            return [((batch - 1) / batch, law, law, self._rest(0, 0))]
        counts, found = np.bincount(plan.prompts, minlength=plan.env.n_prompts), []
        for q in np.flatnonzero(counts).tolist():
            for other in np.flatnonzero(counts).tolist():
                ways = int(counts[q] * (counts[other] - (q == other)))
                if ways:
                    found.append((ways / batch**2, self._only(q), self._only(other), self._rest(q, other)))
        return found

    def _gradients(self, q: int) -> Floats:
        """grad P_m (M, d) of one prompt's classes; in logits where each is a parameter."""
        env, law = self.plan.env, self._class_law
        if not self.policy.is_tabular:
            return law.gradients(self.policy, q)
        return np.ascontiguousarray(law.sensitivity[env.prompt_pairs[q], : len(env.prompt_classes[q]), 0].T)

    def _by_type(self, shares: Floats, part: int) -> Floats:
        """Expected score of a member times 1 or x - r, by the type of its group (D, d), with prompts' ``shares``."""
        env = self.plan.env
        width = env.n_pairs if self.policy.is_tabular else self.policy.n_parameters
        found = np.zeros((self.plan.types.count, width))
        for q in np.flatnonzero(shares).tolist():
            weight = (
                shares[q]
                * self._inverse_share[q]
                * self.laws[q].single[part]
                * self.plan.factor[env.prompt_classes[q]][:, None]
            )
            place = env.prompt_pairs[q] if self.policy.is_tabular else slice(None)
            found[:, place] += weight.T @ self._gradients(q)
        return found


def batch_update(
    env: TAMDP,
    policy: Policy,
    estimator: InBatch,
    group_size: int,
    batch: float,
    eps: float = 0.0,
    ddof: int = 0,
    aggregation: Aggregation = "trajectory",
    keep: Keep = "all",
    prompts: Sequence[int] | None = None,
    think_weight: float = 1.0,
    route: Route = "auto",
) -> BatchUpdate:
    """The exact update of one batch of B groups, for estimators whose advantages depend on the batch.

    Raises InputError for bad settings, CapacityError where neither the sums of a batch nor integrals fit, naming what
    would.

    Args:
        env, policy: the process and the policy that draws the groups.
        estimator: its name (``estimators.batch_names()``), or an estimator; one of groups is taken within each group.
        group_size: G >= 2.
        batch: B >= 1, or ``math.inf`` for the limit of many prompts: the batch's mean and deviation are then those of
            all rewards, and the error of taking that for a batch of B groups is of order 1/B.
        eps, ddof: of the deviation over the batch, and of the first stage.
        aggregation: what advantages are multiplied by; "token_mean" is BG / sum of the batch's lengths.
        keep: which groups the batch is made of, as in ``Scheme``; groups are drawn, each with its prompt, until B are.
        prompts: the prompts of the B groups; drawn from the prompt law if None.
        think_weight: of think actions in the score, in [0, 1].
        route: "sums" over the law of the batch's sums, "integrals" under which groups factor, "members" under which
            members do, without listing groups, which gives the mean alone; "auto" takes the first that fits.
    """
    scheme = BatchScheme(group_size, batch, estimator, eps, ddof, aggregation, keep)
    if prompts is not None and scheme.batch == math.inf:
        raise InputError("prompts: cannot be given with batch inf, where they are drawn from the prompt law")
    plan = BatchPlan(env, scheme, None if prompts is None else tuple(prompts), route, think_weight)
    return plan.update(policy)
