"""Exact and sampled GRPO.

Departures from the papers and libraries, on purpose:

- DeepSeekMath's GRPO (arXiv 2402.03300) averages the surrogate over tokens, 1/|o_i| in front; here a trajectory is one
  unit and its ratio is P_theta(tau) / P_old(tau), as in the theory. A decision is an action, not a token.
- DeepSeekMath and TRL penalize the k3 estimate of the KL at sampled tokens; here the KL over trajectories is exact
  (L1).
- TRL and verl normalize with ddof = 1 and eps = 1e-4 or 1e-6; the defaults here are ddof = 0, eps = 0, and a silent
  group contributes exactly 0. TRL's GDPO also whitens over the batch (``whiten``), with the same ddof and eps.
- TRL and verl draw prompts from a shuffled data set, without replacement within an epoch; here prompts of a step are
  all of them, weighted by rho, or independent draws from rho. Either way the estimator is unbiased for m.
- Plain gradient ascent; no Adam, no gradient-norm clipping, no learning-rate schedule.

Sampled runs of many seeds go as one batch: arrays end in the seed axis, blocks of seeds run on threads, and every
operation acts on each seed alone. So a seed's result has the same bits whatever its companions and the number of
threads.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tamdp_theory.errors import InputError
from tamdp_theory.exact.multisets import aggregation_factor, known_lengths
from tamdp_theory.exact.passes import backward, forward
from tamdp_theory.exact.surrogate import check_clip, surrogate
from tamdp_theory.exact.update import UpdatePlan
from tamdp_theory.exact.values import divergence_sensitivity, gradient_from_values, score_weight
from tamdp_theory.grpo.config import Config, History
from tamdp_theory.grpo.rollouts import Rollouts, Sampler, make_sampler
from tamdp_theory.grpo.standardize import Distances, Members, whiten
from tamdp_theory.lengths import class_lengths
from tamdp_theory.model import TAMDP, Floats, check_same_process
from tamdp_theory.policies.base import Policy, log_softmax, softmax, softmax_of_centred

BLOCK = 128  # seeds per thread task: small enough for the cache, large enough to hide the cost of a call
_AHEAD = 1 << 21  # uniform numbers drawn at once per block
Seed = int | np.random.Generator
Progress = Callable[[int], None]
Columns = tuple[tuple[float, Distances | Members], ...]


def train(
    env: TAMDP,
    policy: Policy,
    config: Config,
    seeds: Sequence[Seed] = (0,),
    reference: Policy | None = None,
    progress: Progress | None = None,
    threads: int | None = None,
) -> History:
    """Train ``policy`` by GRPO and return its history.

    seeds: one run each (sampled mode; exact mode is one run and ignores them); an int or a numpy Generator. reference:
    the policy of the KL penalty, by default the policy at the start. progress is called with the number of finished
    steps. threads: default one per core; the result does not depend on it. Raises InputError for bad settings.
    """
    check_same_process(env, policy.env)
    reference = policy if reference is None else reference
    check_same_process(env, reference.env)
    env = env.by_length if config.scheme.lengths else env
    check_clip(config.clip, config.kl_coef, reference)
    if config.mode == "exact":
        return _train_exact(env, policy, config, reference, progress)
    if not len(seeds):
        raise InputError("seeds: empty; sampled training needs at least one seed")
    rows = config.prompts_per_step or env.n_prompts
    sampler, columns = make_sampler(env, rows * config.group_size), _columns(env, config)
    blocks = [list(seeds[i : i + BLOCK]) for i in range(0, len(seeds), BLOCK)]
    steps_done = [0] * len(blocks)

    def report(block: int) -> Progress:
        def step(done: int) -> None:
            steps_done[block] = done
            if progress is not None:
                progress(min(steps_done))

        return step

    def run(task: tuple[int, list[Seed]]) -> History:
        return _Batch(env, policy, reference, config=config, sampler=sampler, columns=columns, seeds=task[1]).run(
            report(task[0])
        )

    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        return _join(list(pool.map(run, enumerate(blocks))))


def _train_exact(env: TAMDP, policy: Policy, config: Config, reference: Policy, progress: Progress | None) -> History:
    plan = UpdatePlan(env, config.scheme, config.think_weight)
    record = _Recorder(env, policy, config, plan)
    for step in range(config.steps):
        record.at(step, policy.parameters[:, None])
        old = policy
        for _ in range(config.inner_epochs):
            if policy is old and config.kl_coef == 0:
                gradient = policy.pull_back(
                    plan.mean_sensitivity(policy.pair_probability[:, None]), policy.parameters[:, None]
                )[:, 0]
            else:
                gradient = surrogate(
                    env,
                    policy,
                    old,
                    group_size=config.group_size,
                    normalization=config.normalization,
                    clip=config.clip,
                    kl_coef=config.kl_coef,
                    reference=reference if config.kl_coef else None,
                    eps=config.eps,
                    ddof=config.ddof,
                    think_weight=config.think_weight,
                    aggregation=config.aggregation,
                    keep=config.keep,
                    ratio=config.ratio,
                    dual_clip=config.dual_clip,
                    cispo=config.cispo,
                ).gradient
            policy = policy.with_parameters(policy.parameters + config.learning_rate * gradient)
        if progress is not None:
            progress(step + 1)
    record.at(config.steps, policy.parameters[:, None])
    return record.history(policy.parameters[:, None], 1)


def _columns(env: TAMDP, config: Config) -> Columns:
    """What the estimator looks at, with its coefficients: values that are binary are so on each prompt."""
    estimator, values = config.scheme.estimator, [Fraction(0)] * env.n_classes
    per_prompt = [
        estimator.columns([env.exact_class_rewards[c] for c in own], env.exact_weights) for own in env.prompt_classes
    ]
    found: list[tuple[float, Distances | Members]] = []
    for j, (coefficient, _) in enumerate(per_prompt[0]):
        for own, columns in zip(env.prompt_classes, per_prompt, strict=True):
            for c, value in zip(own.tolist(), columns[j][1], strict=True):
                values[c] = value
        if estimator.statistics == "counts":
            lengths = known_lengths(config.scheme, class_lengths(env), env.n_classes)
            found.append((float(coefficient), Members.of(values, lengths, config.group_size)))
        else:
            found.append((float(coefficient), Distances.of(values, env.prompt_classes)))
    return tuple(found)


@dataclass(eq=False)
class _Batch:
    """Sampled training of one block of seeds."""

    env: TAMDP
    policy: Policy
    reference: Policy
    config: Config
    sampler: Sampler
    columns: Columns
    seeds: list[Seed]

    def run(self, progress: Progress) -> History:
        env, config, policy = self.env, self.config, self.policy
        generators = [np.random.default_rng(seed) for seed in self.seeds]
        # numpy adds up a single column in another order than several, so a lone seed runs twice
        columns = max(2, len(self.seeds))
        theta = np.repeat(policy.parameters[:, None], columns, axis=1)
        if policy.is_tabular:
            # one row per legal action, less the mean of its node: updates sum to zero at a node, so it stays zero
            theta = np.ascontiguousarray(theta[env.pair_parameter])
            mean = env.spread_to_pairs(env.node_sum(theta) / env.pair_count[:, None])
            theta -= mean
        record = _Recorder(env, policy, config, UpdatePlan(env, config.scheme, config.think_weight))
        numbers = _Uniforms(generators, self._numbers_per_step(), config.steps)
        for step in range(config.steps):
            record.at(step, theta)
            theta = self._step(theta, next(numbers))
            progress(step + 1)
        record.at(config.steps, theta)
        return record.history(theta + mean if policy.is_tabular else theta, len(self.seeds))

    def _numbers_per_step(self) -> int:
        rows = self.config.prompts_per_step or self.env.n_prompts
        return self.sampler.uniforms * rows * self.config.group_size + (self.config.prompts_per_step or 0)

    def _step(self, theta: Floats, numbers: Floats) -> Floats:
        env, config = self.env, self.config
        chosen = config.prompts_per_step
        if chosen is None:
            prompt, share = np.arange(env.n_prompts)[:, None], env.prompt_probability[:, None]
        else:
            prompt = np.searchsorted(np.cumsum(env.prompt_probability)[:-1], numbers[:chosen], side="right")
            numbers, share = numbers[chosen:], np.full((chosen, 1), 1 / chosen)
        uniform = numbers.reshape(self.sampler.uniforms, config.group_size, len(share), -1)
        pi = self._policy(theta)
        rollouts = self.sampler.draw(pi, prompt, uniform)
        gain = self._advantages(rollouts) * (share / config.group_size)
        weight, start = score_weight(env, config.think_weight), theta
        for epoch in range(config.inner_epochs):
            coefficient = gain
            if epoch:
                pi = self._policy(theta)
                coefficient = _clipped(gain, np.exp(rollouts.along(self._log_ratio(theta, start))), config.clip)
            flow = rollouts.flow(coefficient)
            if weight is not None:
                flow *= weight[:, None]
            flow -= pi * env.spread_to_pairs(env.node_sum(flow))
            if config.kl_coef:
                flow -= config.kl_coef * self._divergence_flow(theta, pi)
            theta = theta + config.learning_rate * _pull_back(self.policy, flow, theta)
        return theta

    def _policy(self, theta: Floats) -> Floats:
        logits = _logits(self.policy, theta)
        return softmax_of_centred(self.env, logits) if self.policy.is_tabular else softmax(self.env, logits)

    def _log_ratio(self, theta: Floats, other: Floats) -> Floats:
        """log pi_theta - log pi_other of each pair (P, S)."""
        logits = [log_softmax(self.env, _logits(self.policy, t)) for t in (theta, other)]
        return logits[0] - logits[1]

    def _advantages(self, rollouts: Rollouts) -> Floats:
        """Advantages (G, n, S) of groups that lie along the first axis."""
        config, classes = self.config, rollouts.reward_class
        total: Floats | None = None
        for coefficient, column in self.columns:
            part = column.advantages(classes, config.scheme)
            if coefficient != 1:
                part *= coefficient
            total = part if total is None else total + part
        assert total is not None
        if config.aggregation != "trajectory" and self.env.class_length is not None:
            lengths = np.moveaxis(self.env.class_length[classes], 0, -1)
            factor = aggregation_factor(config.scheme, lengths, int(self.env.class_length.max()))
            total = total * np.moveaxis(np.broadcast_to(factor, lengths.shape), -1, 0)
        if not config.whiten:
            return total
        batch = total.reshape(-1, total.shape[-1])
        return whiten(batch, config.scheme, self.env.total_weight * config.group_size**0.5).reshape(total.shape)

    def _divergence_flow(self, theta: Floats, pi: Floats) -> Floats:
        """Gradient of the exact KL to the reference with respect to logits (P, S)."""
        log_ratio = log_softmax(self.env, _logits(self.policy, theta)) - self.reference.pair_log_probability[:, None]
        return divergence_sensitivity(self.env, pi, log_ratio)[1]


class _Uniforms:
    """Uniform numbers of each step (count, S), S >= 2; each seed's generator fills its own column, whatever the block
    size.
    """

    def __init__(self, generators: Sequence[np.random.Generator], count: int, steps: int) -> None:
        self._generators, self._count, self._left = generators, count, steps
        self._ahead = max(1, _AHEAD // max(1, count * len(generators)))
        self._table, self._next = np.empty((0, count, len(generators))), 0

    def __next__(self) -> Floats:
        if self._next == len(self._table):
            steps = min(self._ahead, self._left)
            raw = np.empty((len(self._generators), steps, self._count))
            for row, generator in zip(raw, self._generators, strict=True):
                generator.random(out=row)
            table = np.moveaxis(raw, 0, -1)
            self._table, self._next = np.repeat(table, 2, axis=-1) if len(raw) == 1 else np.ascontiguousarray(table), 0
            self._left -= steps
        self._next += 1
        result: Floats = self._table[self._next - 1]
        return result


class _Recorder:
    """Exact numbers along the path, for all seeds of a block."""

    def __init__(self, env: TAMDP, policy: Policy, config: Config, plan: UpdatePlan) -> None:
        self.env, self.policy, self.config, self.plan = env, policy, config, plan
        self.steps: list[int] = []
        self.rows: list[dict[str, Floats]] = []

    def at(self, step: int, theta: Floats) -> None:
        """Record step t if it is due."""
        if step % self.config.record_every and step != self.config.steps:
            return
        env = self.env
        pi = softmax(env, _logits(self.policy, theta))
        terminal = np.column_stack([env.class_rewards, env.class_composite])[:, :, None]
        node, pair = backward(env, pi, terminal)
        taken = forward(env, pi)[1]
        rho = env.prompt_probability
        per_component = (rho[:, None, None] * node[env.prompt_start, :-1]).sum(axis=0)
        flow = gradient_from_values(env, pi, taken, pair[:, -1:], None)[:, 0] * rho[env.pair_prompt, None]
        gradient = _pull_back(self.policy, flow, theta)
        row = {
            "total": (env.weights[:, None] * per_component).sum(axis=0),
            "components": per_component,
            "gradient_norm2": (gradient**2).sum(axis=0),
        }
        if self.config.record_update:
            mean = _pull_back(self.policy, self.plan.mean_sensitivity(pi), theta)
            row |= {"update_norm2": (mean**2).sum(axis=0), "drift": (gradient * mean).sum(axis=0)}
        if self.config.record_variance:
            row["variance"] = self._variance(pi, theta)
        self.steps.append(step)
        self.rows.append(row)

    def _variance(self, pi: Floats, theta: Floats) -> Floats:
        """V (S,)."""
        if self.policy.is_tabular:
            return self.plan.tabular_variance(pi)
        return np.array([self.plan.moments(self.policy.with_parameters(column)).variance for column in theta.T])

    def history(self, theta: Floats, seeds: int) -> History:
        """Everything recorded for the first ``seeds`` columns, with the seed axis first."""
        columns = {
            name: np.moveaxis(np.stack([row[name] for row in self.rows]), -1, 0)[:seeds] for name in self.rows[0]
        }
        if len(theta) != self.policy.n_parameters:
            full = np.zeros((self.policy.n_parameters, theta.shape[1]))
            full[self.env.pair_parameter] = theta
            theta = full
        return History(self.config, np.array(self.steps), parameters=np.ascontiguousarray(theta.T[:seeds]), **columns)


def _logits(policy: Policy, theta: Floats) -> Floats:
    return theta if len(theta) == policy.env.n_pairs and policy.is_tabular else policy.pair_logits(theta)


def _pull_back(policy: Policy, flow: Floats, theta: Floats) -> Floats:
    return flow if len(theta) == policy.env.n_pairs and policy.is_tabular else policy.pull_back(flow, theta)


def _clipped(gain: Floats, ratio: Floats, clip: tuple[float, float]) -> Floats:
    """Coefficient of each rollout's score in the gradient of the clipped surrogate."""
    active = np.where(gain > 0, ratio <= 1 + clip[1], ratio >= 1 - clip[0])
    return gain * ratio * active


def _join(histories: list[History]) -> History:
    first = histories[0]

    def stack(name: str) -> Floats | None:
        parts = [getattr(h, name) for h in histories]
        return None if parts[0] is None else np.concatenate(parts)

    names = ("total", "components", "gradient_norm2", "parameters", "update_norm2", "drift", "variance")
    return History(config=first.config, step=first.step, **{name: stack(name) for name in names})  # type: ignore[arg-type]
