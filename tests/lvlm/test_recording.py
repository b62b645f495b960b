"""The recorder: what TRL's trainer did, seen from outside and unchanged, against what TRL itself writes and against its
own gradient.
"""

import math
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("trl")
import pandas as pd
import torch
from transformers import TrainerCallback

from tamdp_theory import grpo
from tamdp_theory.errors import InputError
from tamdp_theory.lvlm.scores import scores
from tamdp_theory.lvlm.trl import hooks as trl_hooks
from tamdp_theory.lvlm.trl.columns import load_records
from tamdp_theory.lvlm.trl.recording import Recorder
from tests.helpers.training import LORA, Gradients, Spy, make, parity, rows, variety

pytestmark = [pytest.mark.lvlm, pytest.mark.filterwarnings("default")]


def parameters(trainer):
    return torch.cat([p.detach().flatten() for p in trainer.model.parameters()]).numpy()


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


@pytest.mark.parametrize("value", [1.0000001, 1.5, -1e-9, math.inf])
def test_a_reward_outside_its_range_costs_its_group_alone(tmp_path, value):
    """One warning, the training goes on, the groups are counted."""

    def outside(completion_ids, **_):
        return [value] + [0.0] * (len(completion_ids) - 1)

    trainer = make(tmp_path, [variety, outside], max_steps=2)
    recorder = Recorder().attach(trainer)
    with pytest.warns(UserWarning, match=r"reward 'outside': .* at step 0 is not in \[0, 1\]; groups") as told:
        trainer.train()
    assert sum("is not in" in str(one.message) for one in told) == 1
    assert trainer.state.global_step == 2 and recorder.failure is None
    assert recorder.steps == (0, 1) and recorder.dropped == 2
    assert len(recorder.groups(0).rewards) == 1 and recorder.groups(0).rewards[..., 1].max() == 0


def test_ranges_and_negative_weights(tmp_path):
    """Rewards in [-1, 0] and ones that count against: the composite differs from the trainer's by a constant, so
    recorded rewards have the trainer's advantages.
    """

    def penalty(completion_ids, **_):
        return [-float(ids[0] % 4) / 4 for ids in completion_ids]

    trainer = make(tmp_path, [parity, penalty, variety], max_steps=1, reward_weights=[0.5, 2.0, -0.75])
    recorder = Recorder(ranges={"penalty": (-1, 0), "parity": (0, 2)}).attach(trainer)
    trainer.train()
    groups = recorder.groups(0)
    assert groups.weights == (1, 2, Fraction(3, 4)) and 0 <= groups.rewards.min() <= groups.rewards.max() <= 1
    composite = groups.rewards @ [float(weight) for weight in groups.weights]
    expected = grpo.advantages(composite[..., None], [1.0], "sum_then_normalize", eps=1e-4, ddof=1)
    np.testing.assert_allclose(recorder.advantages(0), expected, atol=1e-5)
    assert abs(expected).max() > 0.5
    with pytest.raises(InputError, match="ranges: no reward 'other'; there are variety, parity"):
        Recorder(ranges={"other": (0, 1)}).attach(make(tmp_path))
    with pytest.raises(InputError, match="'parity' needs low < high, got 1 and 1"):
        Recorder(ranges={"parity": (1, 1)}).attach(make(tmp_path))


def test_a_failure_ends_the_recording_and_not_the_training(tmp_path):
    """The same parameters as without a recorder, one warning; what was recorded before stays."""
    plain = make(tmp_path / "plain", max_steps=3)
    plain.train()
    calls = []

    def broken(step, groups):
        calls.append(step)
        if step == 1:
            raise ValueError("of\nthe user's own")
        return {"fine": 1.0}

    trainer = make(tmp_path / "watched", max_steps=3)
    recorder = Recorder(on_step=broken, folder=tmp_path / "records").attach(trainer)
    with pytest.warns(
        UserWarning, match=r"recording ends at step 1: ValueError: of the user's own; the training"
    ) as told:
        trainer.train()
    assert sum("recording ends" in str(one.message) for one in told) == 1 and calls == [0, 1]
    assert trainer.state.global_step == 3 and recorder.steps == (0, 1)
    assert recorder.failure == "step 1: ValueError: of the user's own"
    assert set(load_records(tmp_path / "records").steps) == {0, 1}
    for one, other in zip(plain.model.parameters(), trainer.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_weights_that_change_end_the_recording(tmp_path):
    class Change(TrainerCallback):
        def on_step_end(self, args, state, control, **given):
            if state.global_step == 1:
                trainer.reward_weights[0] *= 3

    trainer = make(tmp_path, max_steps=3)
    recorder = Recorder().attach(trainer)
    trainer.add_callback(Change())
    with pytest.warns(UserWarning, match="recording ends at step 1: reward_weights: changed before step 1 to"):
        trainer.train()
    assert recorder.steps == (0,) and trainer.state.global_step == 3


def test_processes_fail_together(tmp_path, monkeypatch):
    """None waits for one that has failed."""
    recorder = Recorder().attach(make(tmp_path))
    assert recorder._together(lambda: 7) == 7
    monkeypatch.setattr(recorder, "_gather", lambda values: np.append(values, True))
    with pytest.raises(InputError, match="another process could not record"):
        recorder._together(lambda: 7)
    with pytest.raises(ZeroDivisionError):
        recorder._together(lambda: 1 // 0)


def test_a_full_disk_stops_the_saving_alone(tmp_path, monkeypatch):
    trainer = make(tmp_path, max_steps=2)
    recorder = Recorder(folder=tmp_path / "records").attach(trainer)

    def full(*given):
        raise OSError("no space left")

    monkeypatch.setattr("tamdp_theory.lvlm.trl.recording.save_records", full)
    with pytest.warns(UserWarning, match="records are no longer saved: OSError: no space left") as told:
        trainer.train()
    assert sum("no longer saved" in str(one.message) for one in told) == 1 and recorder.steps == (0, 1)


async def later(completion_ids, **_):
    return [float(ids[0] % 2) for ids in completion_ids]


def test_asynchronous_reward_functions(tmp_path):
    trainer = make(tmp_path, [later, parity], max_steps=1)
    recorder = Recorder().attach(trainer)
    trainer.train()
    groups = recorder.groups(0)
    np.testing.assert_array_equal(groups.rewards[..., 0], groups.rewards[..., 1])
    assert groups.component_names == ("later", "parity")
