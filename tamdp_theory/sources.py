"""Sources of rollouts: what a check needs of a policy when it is not the exact engine that answers.

A source gives groups of rollouts with component rewards, log-probabilities and scores. ``ExactSource`` lists every
group with its probability, ``SampledSource`` draws groups, a vision-language model generates them
(``tamdp_theory.lvlm``): a check cannot tell them apart, except that from listed groups its numbers are exact and from
drawn ones they have confidence intervals.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Protocol, Self

import numpy as np

from tamdp_theory.errors import CapacityError, InputError
from tamdp_theory.exact.listing import count_multisets, list_multisets
from tamdp_theory.exact.passes import score_norm
from tamdp_theory.exact.trajectories import enumerate_trajectories
from tamdp_theory.exact.values import score_weight
from tamdp_theory.grpo.rollouts import make_sampler
from tamdp_theory.guards import check_unit
from tamdp_theory.model import TAMDP, Floats, Ints, check_same_process
from tamdp_theory.numbers import fraction, reals
from tamdp_theory.policies.base import Policy

MAX_NUMBERS = 50_000_000  # floats of the scores that an exact source lists


def _numbers(values: Any, name: str) -> Floats:
    """Widened to float64."""
    if hasattr(values, "detach"):  # a torch tensor; numpy knows no bfloat16
        values = values.detach().cpu().double().numpy()
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: expected an array of numbers, the same number in each row") from error


def _integers(values: Any, name: str) -> Ints:
    try:
        array = np.asarray(values.detach().cpu().numpy() if hasattr(values, "detach") else values)
    except ValueError as error:
        raise InputError(f"{name}: expected integers (n,), got rows of different lengths") from error
    if array.dtype.kind not in "iu":
        raise InputError(f"{name}: expected integers (n,), got {array.dtype}")
    return array.astype(np.int64, copy=False)


def _weights(values: Any, name: str) -> tuple[Fraction, ...]:
    return tuple(fraction(value, f"{name}[{k}]") for k, value in enumerate(values))


_CONVERTED: dict[str, Callable[[Any, str], Any]] = {
    "weights": _weights,
    "prompt": _integers,
    "rewards": reals,
    "log_probability": _numbers,
    "scores": _numbers,
    "draw": _integers,
    "weight": _numbers,
}


@dataclass(frozen=True, eq=False)
class RolloutGroups:
    """n groups of G rollouts under one policy, K reward components, scores of d numbers.

    component_names, weights: (K,); prompt (n,): which prompt a group belongs to, any integers; rewards (n, G, K) in [0,
    1]; log_probability (n, G): sum of log pi over the policy's own decisions (or tokens), None if unknown; scores (n,
    G, d): its gradient with respect to the parameters, or one fixed linear image of it, None if not computed; draw
    (n,): groups of one draw share a prompt and are independent given it, different draws are independent (None: every
    group is a draw of its own); weight (n,): probabilities of the groups if they are all that there are, None if they
    were drawn; score_bound: a norm that no score of the policy exceeds, drawn or not, None if none is known;
    think_weight: in [0, 1], of thoughts in the scores (theory.md section 2). log_probability is the policy's own
    whatever the weight.

    Everything may be given as lists, arrays or torch tensors and is kept as float64 or int64 arrays. A reward in
    float32, float16 or bfloat16 is read as the shortest decimal of its own type (``numbers.reals``), so that ties are
    ties: 0.1 in float32 is 1/10, not 0.10000000149011612. Log-probabilities and scores are just widened. Raises
    InputError, also for groups of different sizes.
    """

    component_names: tuple[str, ...]
    weights: tuple[Fraction, ...]
    prompt: Ints
    rewards: Floats
    log_probability: Floats | None = None
    scores: Floats | None = None
    draw: Ints | None = None
    weight: Floats | None = None
    score_bound: float | None = None
    think_weight: float = 1.0

    def __post_init__(self) -> None:
        for name, convert in _CONVERTED.items():
            if getattr(self, name) is not None:
                object.__setattr__(self, name, convert(getattr(self, name), name))
        if (
            self.rewards.ndim != 3
            or self.rewards.shape[2] != len(self.weights)
            or len(self.component_names) != len(self.weights)
        ):
            raise InputError(
                f"rewards: expected (n, G, {len(self.weights)}), one column per component, got shape "
                f"{self.rewards.shape}"
            )
        n, size, _ = self.rewards.shape
        if n == 0 or size < 2:
            raise InputError(f"rewards: need at least one group of at least two rollouts, got {n} of {size}")
        if any(w < 0 for w in self.weights) or not sum(self.weights):
            raise InputError("weights: must not be negative, and some must be positive")
        for name, shape in (("prompt", (n,)), ("log_probability", (n, size)), ("draw", (n,)), ("weight", (n,))):
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise InputError(f"{name}: expected shape {shape}, got {value.shape}")
        if self.scores is not None and (
            self.scores.ndim != 3 or self.scores.shape[:2] != (n, size) or not self.scores.shape[2]
        ):
            raise InputError(f"scores: expected ({n}, {size}, d), got shape {self.scores.shape}")
        for name in ("rewards", "log_probability", "scores", "weight"):
            value = getattr(self, name)
            if value is not None and not np.isfinite(value).all():
                where = tuple(int(i) for i in np.argwhere(~np.isfinite(value))[0])
                raise InputError(
                    f"{name}[{', '.join(map(str, where))}]: not finite; a sampled rollout has positive probability, so "
                    f"look at the model's logits"
                )
        if self.rewards.min() < 0 or self.rewards.max() > 1:
            raise InputError(
                f"rewards: must be in [0, 1], got {self.rewards.min():g} to {self.rewards.max():g}; rescale them"
            )
        if self.weight is not None and (self.weight.min() < 0 or abs(self.weight.sum() - 1) > 1e-9):
            raise InputError("weight: probabilities of all groups must sum to 1")
        _check_score_bound(self.scores, self.score_bound)
        check_unit("think_weight", self.think_weight)

    @property
    def group_size(self) -> int:
        """G."""
        return int(self.rewards.shape[1])

    @property
    def is_exact(self) -> bool:
        """Whether these are all groups with their probabilities."""
        return self.weight is not None

    def select(self, groups: Ints) -> Self:
        """Some of the groups, by place."""

        def part(values: Any) -> Any:
            return None if values is None else values[groups]

        return replace(
            self,
            prompt=part(self.prompt),
            rewards=part(self.rewards),
            log_probability=part(self.log_probability),
            scores=part(self.scores),
            draw=part(self.draw),
            weight=None,
        )

    def check_shows(self, size: int) -> None:
        """InputError if the groups are smaller than ``size``."""
        if self.group_size < size:
            raise InputError(
                f"group size: the rollouts come in groups of {self.group_size}, which cannot show groups of {size}"
            )

    def in_groups_of(self, size: int) -> Self:
        """The same rollouts in groups of ``size``: as they are, or cut."""
        return self if self.group_size == size else self.split(size)

    def split(self, size: int) -> Self:
        """The same rollouts in drawn groups of ``size``, as many as fit; groups cut out of one share its draw."""
        n, whole, _ = self.rewards.shape
        if self.is_exact:
            raise InputError("split: these groups were listed, not drawn; list groups of the other size")
        if not 2 <= size <= whole:
            raise InputError(f"group size: must be between 2 and {whole}, the rollouts drawn together, got {size}")
        count = whole // size

        def cut(values: Floats | None) -> Floats | None:
            return (
                None
                if values is None
                else np.ascontiguousarray(values[:, : count * size].reshape(n * count, size, *values.shape[2:]))
            )

        rewards = cut(self.rewards)
        assert rewards is not None
        draw = np.arange(n) if self.draw is None else self.draw
        return replace(
            self,
            prompt=np.repeat(self.prompt, count),
            rewards=rewards,
            log_probability=cut(self.log_probability),
            scores=cut(self.scores),
            draw=np.repeat(draw, count),
        )


def _check_score_bound(scores: Floats | None, bound: float | None) -> None:
    """InputError if a score exceeds the bound, rounding aside."""
    if bound is None:
        return
    if not (bound >= 0 and np.isfinite(bound)):
        raise InputError(
            f"score_bound: must be a finite number that is not negative, got {bound:g}; None if no bound is known"
        )
    if scores is not None:
        largest = float(np.sqrt((scores**2).sum(axis=-1).max()))
        if largest > bound * (1 + 1e-12):
            raise InputError(
                f"score_bound: {bound:g} is exceeded by a score of norm {largest:g}; give a bound of every score, or "
                f"None"
            )


def score_bound(policy: Policy) -> float:
    """A norm that no trajectory's score exceeds: the costliest path of ||g_t||^2 in the tabular case, where increments
    at different nodes are orthogonal and no node comes twice (so at most sqrt(2 H)); else the costliest path of
    ||g_t||."""
    env = policy.env
    cost = (
        score_norm(env, policy.pair_probability[:, None])[:, 0]
        if policy.is_tabular
        else np.linalg.norm(policy.scores(), axis=1)
    )
    value = np.zeros(env.n_nodes + env.n_classes)
    for level in reversed(env.levels):
        after = np.maximum.reduceat(value[level.outgoing.indices], level.outgoing.indptr[:-1])
        value[level.nodes] = np.maximum.reduceat(cost[level.pairs] + after, level.starts)
    largest = float(value[env.prompt_start].max()) * (1 + 1e-12)  # rounding of the sums
    return float(np.sqrt(largest)) if policy.is_tabular else largest


def weighted_scores(policy: Policy, think_weight: float) -> Floats:
    """The score of every pair (P, d), those of thoughts times ``think_weight``."""
    weight = score_weight(policy.env, think_weight)
    return policy.scores() if weight is None else policy.scores() * weight[:, None]


def rewards_of(parts: Sequence[RolloutGroups]) -> RolloutGroups:
    """The groups of several batches in one, of any policies, so with rewards alone; group size and components are the
    first one's.
    """
    prompt, rewards = (np.concatenate([getattr(one, name) for one in parts]) for name in ("prompt", "rewards"))
    return RolloutGroups(parts[0].component_names, parts[0].weights, prompt, rewards)


class RolloutSource(Protocol):
    """Something that acts under one fixed policy and can be asked for groups of rollouts."""

    def rollouts(self, group_size: int, count: int, generator: np.random.Generator) -> RolloutGroups:
        """``count`` independent groups, each of a prompt drawn from the source's distribution; all groups if the source
        is exact.
        """


@dataclass(frozen=True)
class ExactSource:
    """Every group of a finite process under a policy, with its probability (groups are multisets). CapacityError where
    they are too many. think_weight: of thoughts in the scores.
    """

    env: TAMDP
    policy: Policy
    think_weight: float = 1.0

    def rollouts(self, group_size: int, count: int = 0, generator: np.random.Generator | None = None) -> RolloutGroups:
        """All groups of ``group_size``; the other arguments say nothing here."""
        env, policy = self.env, self.policy
        check_same_process(env, policy.env)
        paths = enumerate_trajectories(env)
        law = paths.probability(policy.pair_log_probability[:, None])[:, 0]
        log_pi = paths.log_policy(policy.pair_log_probability[:, None])[:, 0]
        own = [np.flatnonzero(paths.prompt == q) for q in range(env.n_prompts)]
        numbers = sum(count_multisets(len(rows), group_size) for rows in own) * group_size * policy.n_parameters
        if numbers > MAX_NUMBERS:
            raise CapacityError(
                f"{env.name}: listing groups of {group_size} takes {numbers:.2g} numbers, the limit is "
                f"{MAX_NUMBERS:.0g}; sample instead"
            )
        scores = paths.visits @ weighted_scores(policy, self.think_weight)
        members, weight, prompt = [], [], []
        for q, rows in enumerate(own):
            groups, ways = list_multisets(len(rows), group_size)
            members.append(rows[groups])
            weight.append(env.prompt_probability[q] * ways * law[members[-1]].prod(axis=1))
            prompt.append(np.full(len(groups), q))
        index = np.concatenate(members)
        chance = np.concatenate(weight)
        return RolloutGroups(
            env.component_names,
            env.exact_weights,
            np.concatenate(prompt),
            rewards=env.class_rewards[paths.reward_class[index]],
            log_probability=log_pi[index],
            scores=scores[index],
            weight=chance / chance.sum(),
            score_bound=score_bound(policy),
            think_weight=self.think_weight,
        )


@dataclass(frozen=True)
class SampledSource:
    """Groups drawn from a finite process under a policy, as a model would give them. think_weight: of thoughts in the
    scores.
    """

    env: TAMDP
    policy: Policy
    think_weight: float = 1.0

    def rollouts(self, group_size: int, count: int, generator: np.random.Generator) -> RolloutGroups:
        """``count`` groups of prompts drawn from rho."""
        env, policy = self.env, self.policy
        check_same_process(env, policy.env)
        prompt = generator.choice(env.n_prompts, size=count, p=env.prompt_probability)
        sampler = make_sampler(env, group_size * count)
        uniform = generator.random((sampler.uniforms, group_size, count, 1))
        drawn = sampler.draw(
            np.repeat(policy.pair_probability[:, None], 2, axis=1), prompt[:, None], np.repeat(uniform, 2, axis=-1)
        )

        def along(values: Floats) -> Floats:
            return np.ascontiguousarray(drawn.along(np.repeat(values[:, None], 2, axis=1))[..., 0].T)

        scores = np.stack([along(column) for column in weighted_scores(policy, self.think_weight).T], axis=-1)
        rewards = env.class_rewards[drawn.reward_class[..., 0].T]
        return RolloutGroups(
            env.component_names,
            env.exact_weights,
            prompt,
            rewards=rewards,
            log_probability=along(policy.pair_log_probability),
            scores=scores,
            score_bound=score_bound(policy),
            think_weight=self.think_weight,
        )
