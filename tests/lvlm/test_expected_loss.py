"""TRL's own loss against the expected update of this package, as ``explain`` reads the same configuration.

TRL's trainer runs whole training steps at a rate of zero on a model whose twin is a small process. Each step is given
one group of completions, until every group was; the gradients of its loss, weighted by the probabilities of the
groups, are the expected gradient to the digits of float32, and their squares the second moment.
"""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("trl")
from trl import GRPOConfig

from experiments.explain.libraries import trl
from experiments.explain.words import silent_noise
from tamdp_theory import exact, grpo
from tamdp_theory.estimators import Scheme
from tamdp_theory.exact.law import ClassLaw
from tamdp_theory.grpo.standardize import whiten
from tamdp_theory.lvlm.trl import hooks
from tests.helpers.language_training import LIMIT, agree, at_choices, expected, moments, recipe, run, trainer
from tests.helpers.languages import Language

pytestmark = [pytest.mark.lvlm, pytest.mark.filterwarnings("default")]

# rewards are dyadic, so that float32 means of equal ones are exact; 0 and 1/2 come in two lengths each
W = {"yes": ["1/2"], "no": ["0"]}
TEXTS = Language({"p": {"yes": ["1"], "no": ["0"], "so it no": ["1/2"], "w": None}, "w": W})
TWO = Language(
    {"p": {"yes": ["1"], "no": ["0"], "w": None}, "w": W, "r": {"no": ["1"], "so it yes": ["0"], "yes": ["1/4"]}}
)
COMPONENTS = Language(
    {
        "p": {"yes": ["1", "0"], "no": ["0", "0"], "so it no": ["1/2", "1"], "w": None},
        "w": {"yes": ["1/4", "1/2"], "no": ["0", "1"]},
    },
    weights=("1/4", "3/4"),
)
CUT = Language({"p": {"yes": ["1"], "no": ["0"], "so it": ["3/4"], "w": None}, "w": W})  # "so it" does not end

LONGEST, CAP = 3, 0.2
# what TRL's loss is of the estimate whose mean and second moment the package gives, but for its sign
SCALE = {
    "grpo": 1.0,  # mean over rows of the mean over tokens
    "bnpo": 1.0,  # over the tokens of the micro-batch
    "dapo": 1.0,  # over the tokens of the generation batch, here one micro-batch
    "dr_grpo": LONGEST / LIMIT,  # over max_completion_length, and not over the longest that there is
    "luspo": 1.0,  # mean over rows of the sum over tokens
    "sapo": 1.0,  # its sigmoid has slope 1 at ratio 1, whatever the temperature
    "vespo": 1.0,  # its weight of ratio 1 is 1
    "cispo": CAP,  # ratios are cut to epsilon_high, which is epsilon where unset, and 1 is above it
}
MAIN = ("grpo", "dapo", "bnpo", "dr_grpo")
GRID = [(loss, scaling, level) for loss in MAIN for scaling in ("group", "none") for level in ("token", "sequence")]
MORE = [("luspo", "group", "sequence"), ("luspo", "none", "token")]
MORE += [("sapo", "group", "token"), ("vespo", "group", "token"), ("cispo", "group", "token")]


@pytest.mark.parametrize(("loss_type", "scale_rewards", "importance_sampling_level"), GRID + MORE)
def test_all_groups(tmp_path: Path, loss_type: str, scale_rewards: str, importance_sampling_level: str) -> None:
    settings = {
        "loss_type": loss_type,
        "scale_rewards": scale_rewards,
        "importance_sampling_level": importance_sampling_level,
    }
    found, second = moments(TEXTS, tmp_path, 3, **settings)
    mean, update = expected(TEXTS, 3, **settings)
    scale = SCALE[loss_type]
    agree(found, scale * mean)
    assert second == pytest.approx(scale**2 * update.second_moment, rel=1e-5)


def test_settings_differ() -> None:
    """What the test above could not tell apart it would not test."""
    means = {
        (loss, scaling): expected(TEXTS, 3, loss_type=loss, scale_rewards=scaling)[0]
        for loss in ("grpo", "dapo", "dr_grpo", "luspo")
        for scaling in ("group", "none")
    }
    kinds = [mean / np.linalg.norm(mean) for (loss, _), mean in means.items() if loss != "luspo"]  # dr_grpo, but scale
    assert min(np.linalg.norm(a - b) for i, a in enumerate(kinds) for b in kinds[:i]) > 0.01
    agree(means["luspo", "group"], LONGEST * means["dr_grpo", "group"])


@pytest.mark.parametrize("size", [2, 4])
def test_group_sizes_and_defaults(tmp_path: Path, size: int) -> None:
    """Nothing set but the group size: explain's defaults are TRL's."""
    language = Language({"p": {"yes": ["1"], "no": ["0"], "so it no": ["1/4"]}})
    found, _ = moments(language, tmp_path, size)
    agree(found, expected(language, size)[0])


def test_defaults_are_those_of_trl(tmp_path: Path) -> None:
    filled = trl(GRPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False).to_dict())
    for name in {field.name for field in fields(filled)} - {"known", "assumed", "unknown"}:
        assert getattr(filled, name) == getattr(trl({}), name)


def test_weighted_components(tmp_path: Path) -> None:
    settings = {"loss_type": "grpo"}
    agree(moments(COMPONENTS, tmp_path, 3, **settings)[0], expected(COMPONENTS, 3, **settings)[0])


def test_scaling_over_a_batch_of_one_group_is_that_of_the_group(tmp_path: Path) -> None:
    found, _ = moments(TEXTS, tmp_path, 3, loss_type="grpo", scale_rewards="batch")
    agree(found, expected(TEXTS, 3, loss_type="grpo", scale_rewards="group")[0])
    assert recipe(3, scale_rewards="batch").scheme is None  # with more groups it is not


@pytest.mark.parametrize("together", ["gradient_accumulation_steps", "steps_per_generation"])
@pytest.mark.parametrize("loss_type", MAIN)
def test_micro_batches_of_one_completion(tmp_path: Path, loss_type: str, together: str) -> None:
    """bnpo averages over the tokens of a micro-batch: of one completion, as grpo does. The others do not change, be it
    one step or, on average, a step for each completion.
    """
    settings = {"loss_type": loss_type, "per_device_train_batch_size": 1}
    found, _ = moments(TEXTS, tmp_path, 2, **{together: 2}, **settings)
    agree(found, SCALE[loss_type] * expected(TEXTS, 2, **settings)[0])


@pytest.mark.parametrize("loss_type", MAIN)
def test_several_groups_in_a_batch(tmp_path: Path, loss_type: str) -> None:
    """Each prompt's group in one batch: the mean over prompts, but for averages over the tokens of all groups, as
    explain notes.
    """
    pairs = [(p * q, {"p": one, "r": other}) for p, one in TWO.groups("p", 2) for q, other in TWO.groups("r", 2)]
    chance = np.array([p for p, _ in pairs])
    found = run(TWO, tmp_path, [batch for _, batch in pairs], num_generations=2, loss_type=loss_type)
    mean = SCALE[loss_type] * expected(TWO, 2, loss_type=loss_type)[0]
    notes = " ".join(recipe(2, loss_type=loss_type).notes)
    if loss_type in ("grpo", "dr_grpo"):
        agree(chance @ found, mean)
        assert not notes
    else:
        assert np.linalg.norm(chance @ found - mean) > 0.02 * np.linalg.norm(mean)
        assert "in one group it is token_mean" in notes


def test_drawn_groups(tmp_path: Path) -> None:
    """TRL's own generation: within five standard errors of the mean, with the package's variance for the errors, and
    not within them of another aggregation's.
    """
    steps, together, size = 25, 64, 3
    made, gradients = trainer(
        TEXTS,
        tmp_path,
        rows=together,
        loss_type="grpo",
        num_generations=size,
        per_device_train_batch_size=together * size,
        max_completion_length=LIMIT,
        max_steps=steps,
        seed=5,
    )
    made.train()
    found = -at_choices(TEXTS, gradients).mean(axis=0)
    mean, update = expected(TEXTS, size, loss_type="grpo")
    error = np.sqrt(update.variance / (steps * together))
    assert np.linalg.norm(found - mean) < 5 * error
    for other in ("dapo", "luspo"):
        assert np.linalg.norm(found - expected(TEXTS, size, loss_type=other)[0]) > 5 * error


# What looks beyond a scheme


@pytest.mark.parametrize("loss_type", ["grpo", "dr_grpo"])
def test_truncated_completions(tmp_path: Path, loss_type: str) -> None:
    """Masked, they count in the advantages of their group and not in the loss: an effective reward of zero for them."""
    found, _ = moments(CUT, tmp_path, 3, loss_type=loss_type, mask_truncated_completions=True)
    scheme = recipe(3, loss_type=loss_type).scheme
    assert scheme is not None
    plan = exact.UpdatePlan(CUT.twin, scheme)
    law = ClassLaw.of(plan.env, CUT.policy.pair_probability[:, None])
    effective = plan.effective_reward(law.probability)[:, 0]
    effective[plan.env.class_composite == 0.75] = 0
    mean = exact.policy_gradient(plan.env, CUT.policy, effective)[CUT.places]
    longest = 2  # of CUT
    agree(found, mean * (longest / LIMIT if loss_type == "dr_grpo" else 1))
    plain = expected(CUT, 3, loss_type=loss_type)[0]
    assert np.linalg.norm(mean - plain) > 0.1 * np.linalg.norm(plain)
    assert "cut off" in " ".join(recipe(3, mask_truncated_completions=True).notes)


def test_decomposed_advantages(tmp_path: Path) -> None:
    """normalize_then_sum, every group a batch of its own: those of this package, whitened over the group."""
    groups = [group for _, group in COMPONENTS.groups("p", 3)]
    outputs: list[dict[str, Any]] = []
    made, _ = trainer(
        COMPONENTS,
        tmp_path,
        [{"p": group} for group in groups],
        num_generations=3,
        per_device_train_batch_size=3,
        max_completion_length=LIMIT,
        multi_objective_aggregation="normalize_then_sum",
    )
    hooks.after_generation(made, outputs.append)
    made.train()
    scheme = Scheme(3, "normalize_then_sum", 1e-4, 1)
    weights = [0.25, 0.75]
    assert len(outputs) == len(groups)
    for group, output in zip(groups, outputs, strict=True):
        rewards = np.array([[float(r) for r in completion.rewards] for completion in group])
        plain = grpo.advantages(rewards, weights, "normalize_then_sum", scheme.eps, scheme.ddof)
        np.testing.assert_allclose(output["advantages"].numpy(), whiten(plain, scheme, 3**0.5), atol=1e-5)


@pytest.mark.parametrize("value", ["1/10", "7/10"])
def test_silent_groups(tmp_path: Path, value: str) -> None:
    """float32 means of equal rewards round: the noise that TRL makes of it is what explain warns of."""
    language = Language({"p": {"yes": [value], "no": [value]}})
    outputs: list[dict[str, Any]] = []
    group = [next(language.completions("p"))] * 8
    made, _ = trainer(
        language,
        tmp_path,
        [{"p": group}],
        num_generations=8,
        per_device_train_batch_size=8,
        max_completion_length=LIMIT,
    )
    hooks.after_generation(made, outputs.append)
    made.train()
    scheme = recipe(8).scheme
    assert scheme is not None
    noise, _ = silent_noise(scheme, [value])
    assert noise > 5e-5
    assert outputs[0]["advantages"].abs().max().item() == pytest.approx(noise, rel=1e-4)
