"""Attaching the recorder, what it refuses, its sequences, and two processes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("trl")
import pandas as pd
import torch

from tamdp_theory import grpo
from tamdp_theory.errors import InputError
from tamdp_theory.lvlm.scores import scores
from tamdp_theory.lvlm.trl import hooks as trl_hooks
from tamdp_theory.lvlm.trl.columns import load_records
from tamdp_theory.lvlm.trl.recording import Recorder
from tamdp_theory.lvlm.trl.taps import prompt_digest
from tests.helpers.recording import same
from tests.helpers.training import make, rows

pytestmark = [pytest.mark.lvlm, pytest.mark.filterwarnings("default")]

ROOT = Path(__file__).parents[2]


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
    with pytest.raises(InputError, match="reward_weights: some must not be 0"):
        Recorder().attach(make(tmp_path, reward_weights=[0.0, 0.0]))
    model = make(tmp_path)
    model.reward_funcs[1] = torch.nn.Linear(1, 1)
    with pytest.raises(InputError, match="reward 'parity': a reward model gives logits"):
        Recorder().attach(model)


def test_untested_versions_warn(tmp_path, monkeypatch):
    monkeypatch.setattr(trl_hooks.trl, "__version__", "9.0.0")
    with pytest.warns(UserWarning, match=r"trl 9\.0\.0: .* tested from 1\.16\.0"):
        Recorder().attach(make(tmp_path))


def test_wrong_scores_end_the_recording(tmp_path):
    trainer = make(tmp_path, max_steps=1)
    recorder = Recorder(score=lambda model, items: (np.zeros(8), np.zeros(8))).attach(trainer)
    with pytest.warns(UserWarning, match=r"score: expected shapes \(8,\) and \(8, d\), got \(8,\) and \(8,\)"):
        trainer.train()
    assert trainer.state.global_step == 1 and not recorder.steps


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
    with pytest.warns(UserWarning, match="column 'row': must have the integers"):
        trainer.train()
    assert not recorder.steps
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
