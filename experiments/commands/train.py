"""``tamdp train``: exact or sampled GRPO on one file."""

from dataclasses import asdict, dataclass, field
from typing import Annotated

import numpy as np
import tyro
from rich.table import Table

from experiments.console import console, number, plain, progress_bar, write_json
from experiments.options import estimators_listing, process_at
from tamdp_theory import TAMDP, InputError, TabularSoftmax, grpo, load_policy, save_policy

ROWS = 12


@dataclass(frozen=True)
class Settings(grpo.Config):
    """How to train."""

    normalization: str = "sum_then_normalize"
    """How groups become advantages: the name of an estimator."""

    def __post_init__(self) -> None:
        pass


@dataclass(frozen=True)
class Train:
    """Train a tabular policy by GRPO and print J and the gradient along the way.

    Example: tamdp train examples/search-small.json --mode sampled --seeds 16 --steps 200 --learning-rate 0.5
    """

    file: Annotated[str, tyro.conf.Positional]
    """A tamdp/1 file, or the name of an environment: its twin."""
    config: Settings = field(default_factory=Settings)
    seeds: int = 8
    """Number of independent runs, seeds 0, 1, ... (sampled mode)."""
    policy: str | None = None
    """A tamdp-policy/1 file to start from; default: uniform."""
    json: str | None = None
    """Write the history as JSON to this file, or to the terminal with "-"."""
    save_policy: str | None = None
    """Write the policy at the end of the first run as a tamdp-policy/1 file."""

    @staticmethod
    def more_help() -> str:
        """The estimators."""
        return estimators_listing()

    def run(self) -> int:
        """Train, print and return 0."""
        if self.seeds < 1:
            raise InputError(f"seeds: must be at least 1, got {self.seeds}")
        config = grpo.Config(**vars(self.config))
        env = process_at(self.file)
        policy = TabularSoftmax(env) if self.policy is None else load_policy(env, self.policy)
        with progress_bar() as bar:
            task = bar.add_task("training", total=config.steps)
            history = grpo.train(
                env, policy, config, range(self.seeds), progress=lambda done: bar.update(task, completed=done)
            )
        if self.save_policy is not None:
            save_policy(policy.with_parameters(history.parameters[0]), self.save_policy)
        if self.json is not None:
            write_json(self.json, history_content(env, history))
        if self.json != "-":
            self._print(env, history)
        return 0

    def _print(self, env: TAMDP, history: grpo.History) -> None:
        table = Table(
            "step", "J", *(f"J {plain(name)}" for name in env.component_names), "||grad J||²", box=None, padding=(0, 2)
        )
        for column in table.columns:
            column.justify = "right"
        for r in np.unique(np.linspace(0, len(history.step) - 1, ROWS).round().astype(int)):
            mean = history.components[:, r].mean(axis=0)
            squares = number(float(history.gradient_norm2[:, r].mean()))
            table.add_row(
                str(history.step[r]), _spread(history.total[:, r]), *(number(float(x)) for x in mean), squares
            )
        console().print(table)
        if len(history.total) > 1:
            console().print(f"means over {len(history.total)} runs; ± is the standard deviation between runs")


def history_content(env: TAMDP, history: grpo.History) -> dict[str, object]:
    """A history as plain content for JSON."""
    content: dict[str, object] = {
        "process": env.name,
        "components": list(env.component_names),
        "config": asdict(history.config),
    }
    for name in ("step", "total", "components", "gradient_norm2", "update_norm2", "drift", "variance"):
        values = getattr(history, name)
        if values is not None:
            content["component_values" if name == "components" else name] = values.tolist()
    return content


def _spread(values: np.ndarray) -> str:
    mean = number(float(values.mean()))
    return mean if len(values) == 1 else f"{mean} ± {number(float(values.std(ddof=1)))}"


COMMAND = Train
