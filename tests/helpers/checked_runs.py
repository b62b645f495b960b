"""Tiny training runs whose rewards the theory's check reads."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")
from tamdp_theory.environments import NumberLine
from tamdp_theory.lvlm.trl.tasks import dataset, reward_functions, reward_weights
from tests.helpers.training import make

TASK = NumberLine(max_steps=1, max_distance=1, thoughts=False, pixels=32)


def training(folder: Path, **settings: Any) -> Any:
    """Two steps of four prompts and groups of four; twelve held-out prompts in groups of eight."""
    rows = [dataset(TASK, count, np.random.default_rng(seed)) for seed, count in ((1, 8), (2, 12))]
    given: dict[str, Any] = {
        "max_steps": 2,
        "num_generations": 4,
        "num_generations_eval": 8,
        "per_device_train_batch_size": 16,
        "per_device_eval_batch_size": 16,
        "gradient_accumulation_steps": 1,
        "steps_per_generation": 1,
        "max_completion_length": 8,
        "reward_weights": reward_weights(TASK),
        "eval_strategy": "steps",
        "eval_steps": 1,
        "eval_on_start": True,
        "logging_steps": 1,
        "learning_rate": 1e-2,
        "temperature": 0.8,
    }
    return make(folder, reward_functions(TASK), train=rows[0], evaluation=rows[1], **(given | settings))


def settings(**changes: Any) -> Any:
    given = {"num_generations": 6, "scale_rewards": "group", "multi_objective_aggregation": "sum_then_normalize"}
    return SimpleNamespace(**(given | changes))
