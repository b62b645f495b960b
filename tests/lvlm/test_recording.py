"""The recorder: what TRL's trainer did, seen from outside and unchanged, against what TRL itself writes and against its
own gradient.
"""

import json
import math
import os
import subprocess
import sys
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("trl")

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from transformers import TrainerCallback

from tamdp_theory import grpo
from tamdp_theory.errors import InputError
from tamdp_theory.lvlm.scores import scores
from tamdp_theory.lvlm.trl import hooks as trl_hooks
from tamdp_theory.lvlm.trl.columns import load_records
from tamdp_theory.lvlm.trl.recording import Recorder
from tamdp_theory.lvlm.trl.taps import prompt_digest
from tests.helpers.training import LORA, Gradients, Spy, make, parity, rows, variety

pytestmark = [pytest.mark.lvlm, pytest.mark.filterwarnings("default")]

ROOT = Path(__file__).parents[2]


def parameters(trainer):
    return torch.cat([p.detach().flatten() for p in trainer.model.parameters()]).numpy()


def same(one, other):
    assert one.component_names == other.component_names and one.weights == other.weights
    for name in ("prompt", "rewards", "log_probability", "scores"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def intrusive(model, items):
    """Everything that a score function may do to a trainer."""
    torch.rand(7)
    model.train()
    total = sum(p.sum() for p in model.parameters())
    total.backward()
    return np.zeros(len(items)), np.ones((len(items), 2))


@pytest.mark.parametrize("score", [partial(scores, method="loop"), intrusive])
def test_training_is_unchanged(tmp_path, score):
    """Bit-equal parameters and logs, dropout on, two generation batches in each optimizer step."""
    settings = {"dropout": 0.3, "gradient_accumulation_steps": 2, "steps_per_generation": 1, "max_steps": 3}
    plain = make(tmp_path / "plain", **settings)
    before = parameters(plain)
    plain.train()
    watched = make(tmp_path / "watched", **settings)
    recorder = Recorder(
        score=score, on_step=lambda step, groups: {"mean": groups.rewards.mean()}, folder=tmp_path / "records"
    ).attach(watched)
    watched.train()
    assert abs(parameters(plain) - before).max() > 1e-4
    np.testing.assert_array_equal(parameters(watched), parameters(plain))
    timing = ("step_time", "train_runtime", "train_samples_per_second", "train_steps_per_second")
    for one, other in zip(watched.state.log_history, plain.state.log_history, strict=True):
        assert {k: v for k, v in one.items() if k not in timing and not k.startswith("theory/")} == {
            k: v for k, v in other.items() if k not in timing
        }
    assert recorder.steps == (0, 1, 2)
    assert recorder.groups(1).rewards.shape == (4, 4, 2)  # both generation batches of the step


def test_scores_are_taken_without_dropout(tmp_path):
    def twice(model, items):
        assert not any(module.training for module in model.modules())
        first, second = scores(model, items), scores(model, items)
        np.testing.assert_array_equal(first[1], second[1])
        return first

    recorder = Recorder(score=twice).attach(make(tmp_path, dropout=0.5, max_steps=1))
    recorder._trainer.train()
    assert recorder.groups(0).scores.any()


@pytest.mark.parametrize(
    ("settings", "normalization"),
    [
        ({}, "sum_then_normalize"),
        ({"scale_rewards": "none"}, "center"),
        ({"multi_objective_aggregation": "normalize_then_sum"}, "normalize_then_sum"),
    ],
)
def test_advantages_are_those_of_the_theory(tmp_path, settings, normalization):
    trainer = make(tmp_path, **settings)
    recorder = Recorder().attach(trainer)
    trainer.train()
    for step in (0, 1):
        groups = recorder.groups(step)
        assert groups.weights == (Fraction(1, 5), Fraction(3, 5))
        assert groups.scores is None and groups.log_probability is None
        expected = grpo.advantages(groups.rewards, [0.2, 0.6], normalization, eps=1e-4, ddof=1)
        if normalization == "normalize_then_sum":  # TRL then whitens the batch
            expected = (expected - expected.mean()) / (expected.std(ddof=1) + 1e-4)
        assert expected.any()
        np.testing.assert_allclose(recorder.advantages(step), expected, atol=1e-5)


def test_rewards_prompts_and_advantages_are_in_the_order_of_the_groups(tmp_path):
    """Against TRL's own parquet, and against what the reward functions were called with."""
    spy = Spy(variety, "variety")
    trainer = make(tmp_path, [spy, parity], log_completions=True)
    recorder = Recorder().attach(trainer)
    trainer.train()
    for step in (0, 1):
        table = pd.read_parquet(tmp_path / "completions" / f"completions_{step + 1:05d}.parquet")
        groups = recorder.groups(step)
        np.testing.assert_allclose(groups.rewards.reshape(-1, 2), table[["variety", "parity"]].to_numpy(), atol=1e-7)
        np.testing.assert_allclose(recorder.advantages(step).ravel(), table["advantage"].to_numpy(), atol=1e-7)
        assert len(set(recorder.advantages(step).ravel())) > 2
        (_, prompts, _, values) = spy.calls[step]
        assert np.repeat(groups.prompt, 4).tolist() == prompts
        assert groups.rewards[..., 0].ravel().tolist() == values


@pytest.mark.parametrize(
    ("kind", "more"),
    [("tiny_llava", {}), ("tiny_llava", {"peft_config": LORA}), ("tiny_qwen3_vl", {})],
    ids=["llava", "lora", "qwen"],
)
@pytest.mark.parametrize("loss_type", ["dr_grpo", "grpo", "bnpo", "dapo"])
def test_scores_and_advantages_make_the_trainers_gradient(tmp_path, kind, more, loss_type):
    """TRL's loss is -Σ_i A_i Σ_t (p_it / stop(p_it)) / Z_i, so its gradient is -Σ_i A_i s_i / Z_i, s_i = ∇ log
    pi(completion i).

    B rows in the step, |o_i| tokens written: Z_i = B max_completion_length (dr_grpo), B |o_i| (grpo), Σ_j |o_j| (bnpo
    with one micro-batch, dapo). With dr_grpo it is the theory's mean over groups of (1/G) Σ A_i s_i, over
    max_completion_length. Lengths, prompts and images differ between rows, so a sequence with a wrong token, image or
    mask, or rows in another order than the advantages, breaks it.
    """
    gradients, spy = Gradients(), Spy(variety, "variety")
    trainer = make(
        tmp_path,
        [spy, parity],
        kind,
        loss_type=loss_type,
        callbacks=[gradients],
        temperature=0.7,
        max_steps=1,
        more=more,
    )
    recorder = Recorder(score=partial(scores, temperature=0.7)).attach(trainer)
    trainer.train()
    groups, advantages = recorder.groups(0), recorder.advantages(0)
    lengths = np.array([len(ids) for ids in spy.calls[0][2]], dtype=float)
    assert len(set(lengths)) > 1
    rowwise = {
        "dr_grpo": 8 * 6.0 + 0 * lengths,
        "grpo": 8 * lengths,
        "bnpo": lengths.sum() + 0 * lengths,
        "dapo": lengths.sum() + 0 * lengths,
    }[loss_type]
    expected = -(advantages.ravel() / rowwise) @ groups.scores.reshape(8, -1)
    scale = np.linalg.norm(expected)
    assert scale > 1e-3
    assert np.linalg.norm(gradients.found[0] - expected) < 1e-4 * scale


def test_gradient_over_several_batches(tmp_path):
    """Two generation batches, one optimizer step: the rows of both, with B the rows of the step."""
    gradients = Gradients()
    trainer = make(
        tmp_path,
        loss_type="dr_grpo",
        callbacks=[gradients],
        gradient_accumulation_steps=2,
        steps_per_generation=1,
        max_steps=2,
    )
    recorder = Recorder(score=scores).attach(trainer)
    trainer.train()
    for step in (0, 1):
        groups = recorder.groups(step)
        expected = -np.einsum("ni,nid->d", recorder.advantages(step), groups.scores) / (16 * 6)
        assert np.linalg.norm(gradients.found[step] - expected) < 1e-4 * np.linalg.norm(expected)


def test_a_reused_batch_is_recorded_once(tmp_path):
    trainer = make(tmp_path, num_iterations=2, max_steps=4)
    recorder = Recorder(score=scores, scores_every=2).attach(trainer)
    trainer.train()
    assert recorder.steps == (0, 2)
    with pytest.raises(InputError, match=r"step 1: nothing recorded; recorded steps are 0, 2"):
        recorder.groups(1)


def test_log_probabilities_are_trls(tmp_path):
    """Where a batch is reused TRL computes the log-probabilities of its tokens once before."""
    outputs = []
    trainer = make(tmp_path, num_iterations=2, max_steps=1, temperature=0.7)
    trl_hooks.after_generation(trainer, outputs.append)
    recorder = Recorder(score=partial(scores, temperature=0.7)).attach(trainer)
    trainer.train()
    expected = (outputs[0]["old_per_token_logps"] * outputs[0]["completion_mask"]).sum(dim=1).numpy()
    np.testing.assert_allclose(recorder.groups(0).log_probability.ravel(), expected, rtol=1e-5)
    assert expected.mean() < -1


def test_what_broke_off_is_forgotten(tmp_path):
    calls = []

    def failing(completion_ids, **_):
        calls.append(len(completion_ids))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return parity(completion_ids)

    trainer = make(
        tmp_path,
        [variety, failing],
        evaluation=rows(3),
        eval_strategy="steps",
        eval_steps=1,
        eval_on_start=True,
        max_steps=1,
    )
    recorder = Recorder().attach(trainer)
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert recorder.evaluations == ()
    trainer.train()
    assert [sorted(event.prompt) for event in recorder.evaluations] == [[0, 1, 2], [0, 1, 2]]


def test_scores_every(tmp_path):
    trainer = make(tmp_path, max_steps=3)
    recorder = Recorder(score=scores, scores_every=2).attach(trainer)
    trainer.train()
    assert [recorder.groups(step).scores is not None for step in (0, 1, 2)] == [True, False, True]


def first_missing(completion_ids, prompt_index, trainer_state, **_):
    """None for one completion of prompt 0, and for everything at step 1."""
    seen: dict[int, int] = {}
    values = []
    for ids, prompt in zip(completion_ids, prompt_index, strict=True):
        seen[prompt] = seen.get(prompt, 0) + 1
        missing = trainer_state.global_step == 1 or (prompt == 0 and seen[prompt] == 2)
        values.append(None if missing else float(ids[0] % 2))
    return values


def test_missing_rewards_leave_their_group_out(tmp_path):
    trainer = make(tmp_path, [variety, first_missing], per_device_train_batch_size=16, max_steps=3)
    recorder = Recorder(score=scores, folder=tmp_path / "records").attach(trainer)
    trainer.train()
    assert recorder.steps == (0, 2) and recorder.dropped == 1 + 4 + 1
    assert sorted(recorder.groups(0).prompt) == [1, 2, 3]
    assert recorder.advantages(0).shape == (3, 4)
    assert recorder.groups(0).scores.shape[:2] == (3, 4)
    np.testing.assert_allclose(
        recorder.advantages(0),
        grpo.advantages(recorder.groups(0).rewards, [0.2, 0.6], "sum_then_normalize", 1e-4, 1),
        atol=1e-5,
    )
    loaded = load_records(tmp_path / "records")
    assert loaded.steps[1].groups is None and loaded.steps[1].dropped == 4


def test_silent_groups_are_recorded(tmp_path):
    trainer = make(tmp_path, [lambda completion_ids, **_: [1.0] * len(completion_ids)], max_steps=1)
    recorder = Recorder().attach(trainer)
    trainer.train()
    assert recorder.groups(0).rewards.min() == 1 and not recorder.advantages(0).any()


@pytest.mark.parametrize("value", [1.5, -0.1, math.inf])
def test_rewards_outside_the_unit_interval_are_refused(tmp_path, value):
    trainer = make(tmp_path, [variety, lambda completion_ids, **_: [value] * len(completion_ids)])
    Recorder().attach(trainer)
    with pytest.raises(InputError, match=r"reward '<lambda>': .* at step 0 is not in \[0, 1\]; rescale"):
        trainer.train()


async def later(completion_ids, **_):
    return [float(ids[0] % 2) for ids in completion_ids]


def test_asynchronous_reward_functions(tmp_path):
    trainer = make(tmp_path, [later, parity], max_steps=1)
    recorder = Recorder().attach(trainer)
    trainer.train()
    groups = recorder.groups(0)
    np.testing.assert_array_equal(groups.rewards[..., 0], groups.rewards[..., 1])
    assert groups.component_names == ("later", "parity")


def test_public_hooks_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(trl_hooks, "GENERATE", "_no_such_method")
    trainer = make(tmp_path, evaluation=rows(2), eval_strategy="steps", eval_steps=1)
    with pytest.raises(InputError, match="no _no_such_method; install"):
        Recorder().attach(trainer)
    recorder = Recorder(private_hooks=False).attach(trainer)
    trainer.train()
    assert recorder.steps == (0, 1) and recorder.advantages(0) is None
    assert len(recorder.evaluations) == 2


def test_evaluations(tmp_path):
    spy = Spy(variety, "variety")
    trainer = make(
        tmp_path,
        [spy, parity],
        evaluation=rows(3),
        eval_strategy="steps",
        eval_steps=1,
        num_generations_eval=2,
        eval_on_start=True,
    )
    scored = []

    def score(model, items):
        scored.append(len(items))
        return np.zeros(len(items)), np.zeros((len(items), 1))

    recorder = Recorder(score=score).attach(trainer)
    trainer.train()
    assert scored == [8, 8]  # training batches alone
    assert [event.step for event in recorder.evaluations] == [0, 1, 2]
    assert recorder.steps == (0, 1)
    logged = [entry for entry in trainer.state.log_history if "eval_rewards/variety/mean" in entry]
    held_out = [call for call in spy.calls if len(call[1]) != 8]
    for event, entry in zip(recorder.evaluations, logged, strict=True):
        assert event.rewards.shape == (3, 2, 2) and event.rollouts == 2 and event.dropped == 0
        assert sorted(event.prompt) == [0, 1, 2]
        calls = [call for call in held_out if call[0] == event.step]
        np.testing.assert_array_equal(event.rewards[..., 0].ravel(), [value for call in calls for value in call[3]])
        np.testing.assert_array_equal(np.repeat(event.prompt, 2), [prompt for call in calls for prompt in call[1]])
        np.testing.assert_allclose(event.mean, event.rewards.sum(axis=1) / 2)
        # TRL averages batches, the last of which is smaller
        sizes = [len(call[3]) for call in calls]
        ends = np.cumsum(sizes)
        batch_means = [
            event.rewards[..., 0].ravel()[end - size : end].mean() for size, end in zip(sizes, ends, strict=True)
        ]
        assert entry["eval_rewards/variety/mean"] == pytest.approx(np.mean(batch_means), abs=1e-6)


class Reporter(TrainerCallback):
    def __init__(self):
        self.logs = []

    def on_log(self, args, state, control, logs, **_):
        self.logs.append(dict(logs))


def test_numbers_reach_the_log_and_every_reporter(tmp_path):
    reporter = Reporter()
    trainer = make(
        tmp_path,
        max_steps=4,
        logging_steps=2,
        evaluation=rows(1),
        eval_strategy="steps",
        eval_steps=1,
        callbacks=[reporter],
    )
    seen = {}

    def numbers(step, groups):
        seen[step] = groups.rewards.mean()
        assert groups is recorder.groups(step)
        return {"mean": groups.rewards.mean(), "undefined": math.nan, "sometimes": math.nan if step == 1 else step}

    recorder = Recorder(on_step=numbers).attach(trainer)
    trainer.train()
    expected = [
        {"theory/mean": (seen[0] + seen[1]) / 2, "theory/sometimes": 0.0},
        {"theory/mean": (seen[2] + seen[3]) / 2, "theory/sometimes": 2.5},
    ]
    for logs in (trainer.state.log_history, reporter.logs):
        found = [{k: v for k, v in entry.items() if k.startswith("theory/")} for entry in logs]
        assert [entry for entry in found if entry] == [pytest.approx(entry) for entry in expected]
        assert all("loss" in entry for entry, theory in zip(logs, found, strict=True) if theory)


def test_save_and_load(tmp_path):
    trainer = make(tmp_path / "run", evaluation=rows(2), eval_strategy="steps", eval_steps=2)
    recorder = Recorder(score=scores).attach(trainer)
    trainer.train()
    recorder.save(tmp_path / "records")
    loaded = load_records(tmp_path / "records")
    assert (loaded.component_names, loaded.weights) == (("variety", "parity"), (Fraction(1, 5), Fraction(3, 5)))
    assert tuple(loaded.steps) == recorder.steps == (0, 1)
    for step in recorder.steps:
        same(loaded.steps[step].groups, recorder.groups(step))
        np.testing.assert_array_equal(loaded.steps[step].advantages, recorder.advantages(step))
    (event,), (own,) = loaded.evaluations, recorder.evaluations
    assert event.step == own.step == 2
    np.testing.assert_array_equal(event.prompt, own.prompt)
    np.testing.assert_array_equal(event.rewards, own.rewards)


def test_resumed_run_goes_on(tmp_path):
    """Cut after four steps of which the checkpoint has two: the records of the resumed run are those of one that was
    never cut.

    With LoRA: the Trainer of transformers 5.23 does not find the weights of a whole LLaVA in its own checkpoints, and
    goes on without them. Within one epoch: later ones are shuffled anew by a resumed run.
    """
    saving = {
        "save_strategy": "steps",
        "save_steps": 2,
        "evaluation": rows(1),
        "eval_strategy": "steps",
        "eval_steps": 1,
    }
    settings = {"more": {"peft_config": LORA}, "train": rows(8), "dropout": 0.3, **saving}
    whole = make(tmp_path / "whole", max_steps=4, **settings)
    reference = Recorder(score=scores, folder=tmp_path / "reference").attach(whole)
    whole.train()
    cut = make(tmp_path / "run", max_steps=4, **settings)
    Recorder(score=scores, folder=tmp_path / "records").attach(cut)
    cut.train()
    resumed = make(tmp_path / "run", max_steps=4, **settings)
    recorder = Recorder(score=scores, folder=tmp_path / "records").attach(resumed)
    assert recorder.steps == (0, 1, 2, 3)
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    assert recorder.steps == reference.steps == (0, 1, 2, 3)
    assert [event.step for event in recorder.evaluations] == [1, 2, 3, 4]
    for records in (recorder.records, load_records(tmp_path / "records")):
        for step in reference.steps:
            same(records.steps[step].groups, reference.groups(step))


def test_a_folder_in_use_is_not_overwritten(tmp_path):
    first = make(tmp_path / "run", max_steps=1)
    Recorder(folder=tmp_path / "records").attach(first)
    first.train()
    content = {path: path.read_bytes() for path in (tmp_path / "records").iterdir()}
    again = make(tmp_path / "run", max_steps=1)
    Recorder(folder=tmp_path / "records").attach(again)
    with pytest.raises(InputError, match="holds records of an earlier run; resume"):
        again.train()
    with pytest.raises(InputError, match="other components or weights"):
        Recorder(folder=tmp_path / "records").attach(make(tmp_path / "run", [variety]))
    assert {path: path.read_bytes() for path in (tmp_path / "records").iterdir()} == content


def test_an_evaluation_of_a_run_that_broke_off_is_not_the_next_runs(tmp_path):
    """It would count twice in the class of checkpoints; one of this very run, made before training, stays."""
    settings = {"max_steps": 1, "evaluation": rows(2), "eval_strategy": "no"}
    first = make(tmp_path / "run", **settings)
    recorder = Recorder(folder=tmp_path / "records").attach(first)
    first.evaluate()
    again = make(tmp_path / "run", **settings)
    Recorder(folder=tmp_path / "records").attach(again)
    with pytest.raises(InputError, match="holds records of an earlier run; resume"):
        again.train()
    first.train()
    assert [event.step for event in recorder.evaluations] == [0] and recorder.steps == (0,)


def test_a_folder_that_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="file/records: cannot write there"):
        Recorder(folder=tmp_path / "file" / "records").attach(make(tmp_path / "run"))


FIRST = "step-00000000.parquet"


def rewritten(folder, *, about=None, columns=None):
    """The first step's file with other metadata, or with other columns (None: left out)."""
    table = pq.ParquetFile(folder / FIRST).read()
    content = json.loads(table.schema.metadata[b"tamdp"]) | (about or {})
    for name, values in (columns or {}).items():
        place = table.column_names.index(name)
        table = table.remove_column(place)
        if values is not None:
            table = table.add_column(place, name, pa.array(values))
    pq.write_table(table.replace_schema_metadata({b"tamdp": json.dumps(content).encode()}), folder / FIRST)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / FIRST).unlink(), "step-00000001.parquet: the file of step 0 is missing"),
        (lambda f: [path.unlink() for path in f.iterdir()], "no records of a run"),
        (lambda f: (f / FIRST).write_bytes(b"PAR1"), f"{FIRST}: not a readable parquet file"),
        (lambda f: (f / FIRST).write_bytes((f / FIRST).read_bytes()[:200]), f"{FIRST}: not a readable parquet file"),
        (lambda f: pq.write_table(pa.table({"prompt": [1]}), f / FIRST), f"{FIRST}: not of a recorded run"),
        (lambda f: rewritten(f, about={"schema": "x"}), "schema 'x'"),
        (lambda f: rewritten(f, about={"kind": "x"}), "not of a recorded run"),
        (lambda f: rewritten(f, about={"step": "[" * 10_000}), "not of a recorded run"),
        (lambda f: rewritten(f, about={"weights": ["1/0", 1]}), r"weights\[0\]"),
        (lambda f: rewritten(f, about={"weights": [1]}), "1 weights for 2 components"),
        (lambda f: rewritten(f, about={"weights": [1, 2]}), "components or weights are not those of"),
        (lambda f: rewritten(f, about={"components": ["variety", "other"]}), "no column 'reward other'"),
        (lambda f: rewritten(f, about={"group_size": 5}), "rows are no whole groups of 5"),
        (lambda f: rewritten(f, columns={"reward parity": None}), "no column 'reward parity'"),
        (lambda f: rewritten(f, columns={"prompt": ["a"] * 8}), "column 'prompt' has type string, expected int64"),
        (lambda f: rewritten(f, columns={"prompt": list(range(8))}), "column 'prompt' differs within a group"),
        (
            lambda f: rewritten(f, columns={"reward parity": [None] + [0.0] * 7}),
            "column 'reward parity' has type double",
        ),
        (lambda f: rewritten(f, columns={"reward parity": [2.0] * 8}), f"{FIRST}: rewards"),
    ],
)
def test_broken_records(tmp_path, change, message):
    trainer = make(tmp_path / "run", max_steps=2)
    Recorder(folder=tmp_path / "records").attach(trainer)
    trainer.train()
    load_records(tmp_path / "records")
    change(tmp_path / "records")
    with pytest.raises(InputError, match=message) as caught:
        load_records(tmp_path / "records")
    assert "\n" not in str(caught.value)


def test_attaching(tmp_path):
    trainer = make(tmp_path)
    recorder = Recorder()
    assert recorder.attach(trainer) is recorder
    with pytest.raises(InputError, match="attached already"):
        recorder.attach(trainer)
    with pytest.raises(InputError, match="private to the trainer"):
        Recorder(score=scores, private_hooks=False)
    with pytest.raises(InputError, match="scores_every"):
        Recorder(scores_every=0)
    masked = make(tmp_path, mask_truncated_completions=True)
    with pytest.raises(InputError, match="mask_truncated_completions"):
        Recorder(score=scores).attach(masked)
    Recorder().attach(masked)
    with pytest.raises(InputError, match="reward_weights: must not be negative"):
        Recorder().attach(make(tmp_path, reward_weights=[-1.0, 1.0]))
    model = make(tmp_path)
    model.reward_funcs[1] = torch.nn.Linear(1, 1)
    with pytest.raises(InputError, match="reward 'parity': a reward model gives logits"):
        Recorder().attach(model)


def test_untested_versions_warn(tmp_path, monkeypatch):
    monkeypatch.setattr(trl_hooks.trl, "__version__", "9.0.0")
    with pytest.warns(UserWarning, match=r"trl 9\.0\.0: .* tested from 1\.16\.0"):
        Recorder().attach(make(tmp_path))


def test_wrong_scores_are_refused(tmp_path):
    trainer = make(tmp_path, max_steps=1)
    Recorder(score=lambda model, items: (np.zeros(8), np.zeros(8))).attach(trainer)
    with pytest.raises(InputError, match=r"score: expected shapes \(8,\) and \(8, d\), got \(8,\) and \(8,\)"):
        trainer.train()


def test_prompts_without_a_column_are_known_by_their_content(tmp_path):
    trainer = make(
        tmp_path, train=rows(4).rename_column("prompt_index", "other"), per_device_train_batch_size=16, max_steps=2
    )
    recorder = Recorder().attach(trainer)
    trainer.train()
    assert len(set(recorder.groups(0).prompt)) == 4
    assert set(recorder.groups(0).prompt) == set(recorder.groups(1).prompt)
    image, other = rows(2)["image"]

    def message(picture, **empty):
        return [
            {"role": "user", "content": [{"type": "image", "image": picture, **empty}, {"type": "text", "text": "a"}]}
        ]

    assert prompt_digest(message(image)) == prompt_digest(message(image.copy(), text=None))
    assert len({prompt_digest(part) for part in (message(image), message(other), "a", "b", ["a"])}) == 5


def test_groups_must_share_a_prompt(tmp_path):
    trainer = make(tmp_path, max_steps=1, train=rows(4).add_column("row", ["x"] * 4))
    recorder = Recorder(prompt_column="row").attach(trainer)
    with pytest.raises(InputError, match="column 'row': must have the integers"):
        trainer.train()
    recorder = Recorder(private_hooks=False).attach(trainer := make(tmp_path))
    given = {"prompt_index": [0, 0, 0, 1, 2, 2, 2, 2]}
    recorder._rewarded(0, [0.0] * 8, given)
    with pytest.raises(InputError, match="4 consecutive completions have different prompts"):
        recorder._rewarded(1, [0.0] * 8, given)
    recorder._rewarded(0, [0.0] * 6, {"prompt_index": [0] * 6})
    with pytest.raises(InputError, match="6 completions are no whole groups of 4"):
        recorder._rewarded(1, [0.0] * 6, {"prompt_index": [0] * 6})


def hand_made(**more):
    """Two completions: prompts of 2 and 3 tokens, completions of 3 and 2, of which one token is a tool's."""
    return {
        "prompt_ids": torch.tensor([[0, 11, 12], [21, 22, 23]]),
        "prompt_mask": torch.tensor([[0, 1, 1], [1, 1, 1]]),
        "completion_ids": torch.tensor([[13, 14, 15], [24, 25, 0]]),
        "completion_mask": torch.tensor([[1, 1, 1], [1, 1, 0]]),
        "advantages": torch.zeros(2),
        "tool_mask": torch.tensor([[1, 0, 1], [1, 1, 1]]),
        **more,
    }


def test_sequences_have_no_padding_and_no_tool_tokens():
    first, second = trl_hooks.sequences(hand_made(mm_token_type_ids=torch.arange(12).reshape(2, 6)))
    assert first.inputs["input_ids"].tolist() == [[11, 12, 13, 14, 15]] and second.inputs["input_ids"].tolist() == [
        [21, 22, 23, 24, 25]
    ]
    assert first.generated.tolist() == [False, False, True, False, True] and second.generated.tolist() == [
        False,
        False,
        False,
        True,
        True,
    ]
    assert first.inputs["mm_token_type_ids"].tolist() == [[1, 2, 3, 4, 5]] and second.inputs[
        "mm_token_type_ids"
    ].tolist() == [[6, 7, 8, 9, 10]]
    assert first.inputs["attention_mask"].tolist() == [[1] * 5]


def test_sequences_have_their_own_images():
    patches, grids = torch.arange(14.0).reshape(14, 1), torch.tensor([[1, 2, 2], [1, 1, 2], [1, 2, 4]])
    first, second = trl_hooks.sequences(hand_made(pixel_values=patches, image_grid_thw=grids, num_images=[2, 1]))
    assert first.inputs["pixel_values"].ravel().tolist() == list(range(6)) and second.inputs[
        "pixel_values"
    ].ravel().tolist() == list(range(6, 14))
    assert (
        first.inputs["image_grid_thw"].tolist() == grids[:2].tolist()
        and second.inputs["image_grid_thw"].tolist() == grids[2:].tolist()
    )
    flat = torch.arange(3.0).reshape(3, 1, 1, 1)
    first, second = trl_hooks.sequences(
        hand_made(pixel_values=flat, num_images=[1, 2], image_sizes=torch.arange(6).reshape(3, 2))
    )
    assert (first.inputs["pixel_values"].ravel().tolist(), second.inputs["pixel_values"].ravel().tolist()) == (
        [0],
        [1, 2],
    )
    assert second.inputs["image_sizes"].tolist() == [[2, 3], [4, 5]]
    padded = torch.arange(6.0).reshape(2, 3, 1, 1, 1)
    first, second = trl_hooks.sequences(
        hand_made(pixel_values=padded, num_images=[3, 2], pixel_attention_mask=torch.tensor([[1], [2]]))
    )
    assert second.inputs["pixel_values"].ravel().tolist() == [3, 4, 5] and second.inputs[
        "pixel_attention_mask"
    ].tolist() == [[2]]
    first, second = trl_hooks.sequences(hand_made(pixel_values=flat[:1], num_images=[0, 1]))
    assert "pixel_values" not in first.inputs and second.inputs["pixel_values"].ravel().tolist() == [0]
    with pytest.raises(InputError, match="spatial_shapes, which is not supported"):
        trl_hooks.sequences(hand_made(spatial_shapes=torch.zeros(1)))


def test_two_processes(tmp_path):
    """Every process has all groups, the second of which lies across both; their scores make the gradient that the
    processes share.
    """
    batch = 6
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node",
        "2",
        "-m",
        "tests.helpers.two_processes",
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [*command, str(tmp_path), str(batch)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    first, second, written = (load_records(tmp_path / name) for name in ("rank-0", "rank-1", "records"))
    gradients = np.load(tmp_path / "gradients-0.npy", allow_pickle=False)
    for step in (0, 1):
        groups, advantages = first.steps[step].groups, first.steps[step].advantages
        assert groups.rewards.shape == (batch // 2, 4, 2)
        same(groups, second.steps[step].groups)
        same(groups, written.steps[step].groups)
        np.testing.assert_allclose(
            advantages, grpo.advantages(groups.rewards, [0.2, 0.6], "sum_then_normalize", 1e-4, 1), atol=1e-5
        )
        if step == 0:  # the evaluation at step 2 replaces the other file
            table = pd.read_parquet(tmp_path / "completions" / "completions_00001.parquet")
            np.testing.assert_allclose(
                groups.rewards.reshape(-1, 2), table[["variety", "parity"]].to_numpy(), atol=1e-7
            )
        expected = -np.einsum("ni,nid->d", advantages, groups.scores) / (2 * batch * 6)
        assert np.linalg.norm(expected) > 1e-3
        assert np.linalg.norm(gradients[step] - expected) < 1e-4 * np.linalg.norm(expected)
    (event,) = first.evaluations
    assert sorted(event.prompt) == [0, 1, 2, 3] and event.rewards.shape == (4, 4, 2)
