"""What the recorder asks of its host and hands on: public hooks, evaluations, the log and its reporters."""

import math

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("trl")
from transformers import TrainerCallback

from tamdp_theory.errors import InputError
from tamdp_theory.lvlm.trl import hooks as trl_hooks
from tamdp_theory.lvlm.trl.recording import Recorder
from tests.helpers.training import Spy, make, parity, rows, variety

pytestmark = [pytest.mark.lvlm, pytest.mark.filterwarnings("default")]


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
