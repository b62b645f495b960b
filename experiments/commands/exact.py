"""``tamdp exact``: objective, gradient and update moments of one file."""

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import tyro
from rich.table import Table

from experiments.console import console, number, plain, write_json
from experiments.options import estimators_listing, process_at
from tamdp_theory import TAMDP, InputError, Policy, TabularSoftmax, estimators, exact, load_policy


@dataclass(frozen=True)
class Exact:
    """Compute J, grad J, and the exact mean and variance of GRPO's update.

    Example: tamdp exact examples/search-small.json --group-size 8 --normalization sum_then_normalize --json -
    """

    file: Annotated[str, tyro.conf.Positional]
    """A tamdp/1 file, or the name of an environment: its twin."""
    group_size: int = 8
    """G, at least 2."""
    normalization: str = "sum_then_normalize"
    """How groups become advantages: the name of an estimator."""
    eps: float = 0.0
    """Added to deviations."""
    ddof: int = 0
    """Degrees of freedom removed in deviations, 0 or 1."""
    aggregation: estimators.Aggregation = "trajectory"
    """What an advantage is multiplied by for its length in tokens: trajectory (1), sequence_mean (1 / l), token_mean (G
    over the group's tokens) or constant (1 / the longest)."""
    keep: str = "all"
    """Groups that count: all, mixed (composites not all equal: dynamic sampling), "mean_in(low=1/100, high=99/100)" or
    "std_above(least=1/1000000)"."""
    batch: str | None = None
    """Groups in a batch whose prompts are drawn, or inf for the limit of many prompts; default: one group of every
    prompt. Estimators that look at the whole batch need it."""
    think_weight: float = 1.0
    """Weight of think actions in the score, in [0, 1]."""
    policy: str | None = None
    """A tamdp-policy/1 file; default: the uniform policy."""
    json: str | None = None
    """Write the numbers as JSON to this file, or to the terminal with "-"."""

    @staticmethod
    def more_help() -> str:
        """The estimators."""
        return estimators_listing(of_batches=True)

    def run(self) -> int:
        """Print and return 0."""
        env = process_at(self.file)
        policy = TabularSoftmax(env) if self.policy is None else load_policy(env, self.policy)
        values = exact.values(env, policy)
        gradient = exact.policy_gradient(env, policy)
        update = self._update(env, policy)
        if self.json is not None:
            write_json(
                self.json,
                {
                    "total": values.total,
                    "components": values.components.tolist(),
                    "gradient": gradient.tolist(),
                    "mean": update.mean.tolist(),
                    "second_moment": update.second_moment,
                    "variance": update.variance,
                },
            )
            if self.json == "-":
                return 0
        table = Table(box=None, padding=(0, 2), show_header=False)
        table.add_row("estimator", plain(str(estimators.named(self.normalization))))
        table.add_row("J", number(values.total))
        for k, name in enumerate(env.component_names):
            table.add_row(f"J of {plain(name)}", number(float(values.components[k])))
        table.add_row("norm of grad J", number(float(np.sqrt((gradient**2).sum()))))
        table.add_row("norm of the expected update m", number(float(np.sqrt((update.mean**2).sum()))))
        table.add_row("<grad J, m>", number(float((gradient * update.mean).sum())))
        table.add_row("E||g||^2", number(update.second_moment))
        table.add_row("variance V", number(update.variance))
        console().print(table)
        return 0

    def _update(self, env: TAMDP, policy: Policy) -> exact.UpdateMoments | exact.BatchUpdate:
        settings = (self.group_size, self.normalization, self.eps, self.ddof)
        if self.batch is None:
            return exact.update_moments(env, policy, *settings, self.think_weight, self.aggregation, self.keep)
        if self.batch != "inf" and not self.batch.isdecimal():
            raise InputError(f"batch: must be an integer of at least 1, or inf; got {self.batch!r}")
        batch = math.inf if self.batch == "inf" else int(self.batch)
        scheme = estimators.BatchScheme(
            self.group_size, batch, self.normalization, self.eps, self.ddof, self.aggregation, self.keep
        )
        return exact.BatchPlan(env, scheme, think_weight=self.think_weight).update(policy)


COMMAND = Exact
