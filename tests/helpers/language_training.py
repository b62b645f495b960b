"""TRL's training steps on a language: the mean and the second moment of its update over all groups of completions."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from experiments.explain.libraries import trl
from experiments.explain.recipe import Recipe
from tamdp_theory import exact
from tamdp_theory.lvlm.trl import hooks
from tests.helpers.languages import Completion, Language
from tests.helpers.training import Gradients

LIMIT = 6  # max_completion_length
Batches = Sequence[Mapping[str, Sequence[Completion]]]


def at_choices(language: Language, gradients: Gradients) -> Any:
    """Gradients of the logits of the choices, (steps, choices). No other logit may have any."""
    count = len(language.tokens)
    table = np.reshape(gradients.found, (-1, count, count)).copy()  # step, next token, last token
    last = [language.tokens.index(state) for state, _ in language.choices]
    first = [language.tokens.index(text.split()[0]) for _, text in language.choices]
    found = table[:, first, last]
    table[:, first, last] = 0
    assert not table.any()  # forced tokens are certain, others impossible
    return found


def trainer(
    language: Language,
    folder: Path,
    batches: Batches | None = None,
    reference: Language | None = None,
    old: Language | None = None,
    rows: int | None = None,
    **settings: Any,
) -> tuple[GRPOTrainer, Gradients]:
    """TRL's trainer at a rate of zero, and its gradients.

    batches: for each generation the completions of each prompt, instead of drawn ones. reference: whose logits the
    reference model has. old: whose logits the model has while TRL generates, and takes its old probabilities, of a
    batch that is used twice. rows: of the data set, which repeats the prompts; default one each.
    """
    uses = 1 if old is None else 2
    gradients, model, place = Gradients(), language.model(), language.tokens.index
    queue = iter(batches or ())

    def give(logits: Language) -> None:
        with torch.no_grad():
            model.lm_head.weight.copy_(logits.table().T)

    def rollout(prompts: Sequence[str], at: GRPOTrainer) -> dict[str, Any]:
        give(old or language)
        left = {prompt: list(group) for prompt, group in next(queue).items()}
        chosen = [left[prompt].pop(0) for prompt in prompts]
        assert not any(left.values())
        return {
            "prompt_ids": [[place(prompt)] for prompt in prompts],
            "completion_ids": [[*map(place, completion.tokens)] for completion in chosen],
            "logprobs": None,
        }

    if settings.get("beta"):
        assert reference is not None
        reference.model().save_pretrained(folder / "reference")
        model.config._name_or_path = str(folder / "reference")  # where TRL takes the reference model from
    defaults: dict[str, Any] = {
        "output_dir": str(folder),
        "use_cpu": True,
        "bf16": False,
        "report_to": "none",
        "gradient_checkpointing": False,
        "disable_tqdm": True,
        "logging_strategy": "no",
        "save_strategy": "no",
        "optim": "sgd",
        "learning_rate": 0.0,
        "max_grad_norm": 0.0,  # no clipping
        "max_steps": uses * settings.get("steps_per_generation", 1) * len(batches or ()),
        "num_iterations": uses,
        "reward_weights": [float(Fraction(w)) for w in language.weights],
    }
    count = rows or len(language.prompts)
    made = GRPOTrainer(
        model=model,
        reward_funcs=[language.reward(k) for k in range(len(language.weights))],
        args=GRPOConfig(**(defaults | settings)),
        train_dataset=Dataset.from_list(
            [{"prompt": language.prompts[row % len(language.prompts)]} for row in range(count)]
        ),
        processing_class=language.tokenizer(),
        callbacks=[gradients],
        rollout_func=None if batches is None else rollout,
    )
    hooks.after_generation(made, lambda output: give(language))
    return made, gradients


def run(language: Language, folder: Path, batches: Batches, old: Language | None = None, **settings: Any) -> Any:
    """Minus the gradient of TRL's loss, (batches, choices): the mean over the steps that a batch takes."""
    rows = sum(map(len, batches[0].values()))
    settings = {"per_device_train_batch_size": rows, "max_completion_length": LIMIT, **settings}
    made, gradients = trainer(language, folder, batches, old=old, **settings)
    made.train()
    found = at_choices(language, gradients)
    return -found.reshape(len(batches), -1, found.shape[1]).mean(axis=1)


def moments(
    language: Language, folder: Path, size: int, old: Language | None = None, **settings: Any
) -> tuple[Any, float]:
    """Mean (choices,) and second moment of TRL's update over all groups."""
    groups = list((old or language).groups("p", size))
    chance = np.array([p for p, _ in groups])
    assert chance.sum() == pytest.approx(1, abs=1e-12)
    found = run(language, folder, [{"p": group} for _, group in groups], old, num_generations=size, **settings)
    return chance @ found, float(chance @ (found**2).sum(axis=1))


def recipe(size: int, **settings: Any) -> Recipe:
    """What explain says of the settings."""
    found = trl({"num_generations": size, **settings})
    assert found.group_size == size
    return found


def expected(language: Language, size: int, **settings: Any) -> tuple[Any, exact.UpdateMoments]:
    """The package's mean (choices,), and all moments, by what explain says of the settings."""
    scheme = recipe(size, **settings).scheme
    assert scheme is not None
    update = exact.update_moments(
        language.twin,
        language.policy,
        size,
        scheme.normalization,
        scheme.eps,
        scheme.ddof,
        aggregation=scheme.aggregation,
        keep=scheme.keep,
    )
    return update.mean[language.places], update


def agree(found: Any, mean: Any) -> None:
    """To the digits of float32."""
    assert np.linalg.norm(mean) > 0.01
    assert np.linalg.norm(found - mean) < 1e-5 * np.linalg.norm(mean)
