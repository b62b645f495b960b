"""Trainers on tiny models for the tests of this folder."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from peft import LoraConfig
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from experiments.demo_model import tiny

LORA = LoraConfig(
    r=4, target_modules=r".*language_model.*\.(q_proj|v_proj)", init_lora_weights=False
)  # random, so that no gradient vanishes
ENDS = 30  # tokens that end a completion, so that lengths differ


@cache
def model_folder(kind: str) -> Path:
    return getattr(tiny, kind)(mkdtemp())


def rows(count: int = 4) -> Dataset:
    """Prompts of different lengths, each with an image of its own."""
    generator = np.random.default_rng(7)
    return Dataset.from_list(
        [
            {
                "prompt": [{"role": "user", "content": "what" + "?" * (3 * place)}],
                "image": Image.fromarray(generator.integers(0, 256, size=(32, 32, 3), dtype=np.uint8)),
                "prompt_index": place,
            }
            for place in range(count)
        ]
    )


def variety(completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float]:
    return [len({token % 4 for token in ids}) / 4 for ids in completion_ids]


def parity(completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float]:
    return [float(ids[0] % 2) for ids in completion_ids]


def make(
    folder: Path,
    rewards: Sequence[Callable[..., Any]] = (variety, parity),
    kind: str = "tiny_llava",
    dropout: float = 0.0,
    train: Any = None,
    callbacks: Sequence[TrainerCallback] = (),
    evaluation: Any = None,
    more: dict[str, Any] | None = None,
    **settings: Any,
) -> GRPOTrainer:
    """A trainer of a whole tiny model on the CPU; ``settings`` go to GRPOConfig, ``more`` to the trainer."""
    source = model_folder(kind)
    model = AutoModelForImageTextToText.from_pretrained(source, dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(source)
    eos = processor.tokenizer.eos_token_id
    model.generation_config.eos_token_id = [eos, *range(20, 20 + ENDS)]
    for module in model.modules():
        if hasattr(module, "attention_dropout"):
            module.attention_dropout = dropout
    vision = sorted(
        {
            token
            for name, token in vars(model.config).items()
            if name.endswith(("token_id", "token_index")) and isinstance(token, int)
        }
    )
    defaults: dict[str, Any] = {
        "output_dir": str(folder),
        "use_cpu": True,
        "bf16": False,
        "report_to": "none",
        "gradient_checkpointing": False,
        "disable_tqdm": True,
        "per_device_train_batch_size": 8,
        "num_generations": 4,
        "max_completion_length": 6,
        "max_steps": 2,
        "logging_steps": 1,
        "learning_rate": 1e-3,
        "reward_weights": [0.2, 0.6][: len(rewards)],
        "save_strategy": "no",
        "max_grad_norm": 1e9,
        "seed": 3,
        "num_completions_to_print": 0,
        "generation_kwargs": {"suppress_tokens": [token for token in vision if token != eos]},
        "per_device_eval_batch_size": 4,
    }
    return GRPOTrainer(
        model=model,
        reward_funcs=list(rewards),
        args=GRPOConfig(**(defaults | settings)),
        train_dataset=rows() if train is None else train,
        eval_dataset=evaluation,
        processing_class=processor,
        callbacks=list(callbacks),
        **(more or {}),
    )


class Gradients(TrainerCallback):
    """The trainer's own gradient before every optimizer step, parameters in order, flattened."""

    def __init__(self) -> None:
        self.found: list[np.ndarray] = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        parts = [
            torch.zeros_like(p) if p.grad is None else p.grad for p in given["model"].parameters() if p.requires_grad
        ]
        self.found.append(torch.cat([part.flatten() for part in parts]).double().numpy())


class Spy:
    """A reward function that notes what it was called with."""

    def __init__(self, function: Callable[..., list[Any]], name: str) -> None:
        self.function, self.calls = function, []
        self.__name__ = name

    def __call__(self, **given: Any) -> list[Any]:
        values = self.function(**given)
        self.calls.append(
            (
                given["trainer_state"].global_step,
                list(given.get("prompt_index", [])),
                [list(ids) for ids in given["completion_ids"]],
                values,
            )
        )
        return values
