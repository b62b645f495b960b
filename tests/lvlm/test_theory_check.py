"""TheoryCheck on real (tiny) training runs, the commands, and the snippets of the documents."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")
from bounds import Verdict
from bounds.rollouts.statistics import Statistics
from experiments.lvlm.theory_check import TheoryCheck, scheme_of
from tamdp_theory import InputError
from tamdp_theory.exact import Scheme
from tamdp_theory.lvlm.trl.tasks import reward_weights
from tests.helpers.checked_runs import TASK, settings, training
from tests.helpers.training import make

pytestmark = [pytest.mark.lvlm, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, TheoryCheck, Path]:
    folder = tmp_path_factory.mktemp("run")
    trainer = training(folder)
    check = TheoryCheck(folder / "theory", projection=256, level=0.9).attach(trainer)
    trainer.train()
    return trainer, check, folder / "theory"


def test_the_log_has_the_numbers_of_each_step(finished: tuple[Any, TheoryCheck, Path]) -> None:
    trainer, check, _ = finished
    logged = [entry for entry in trainer.state.log_history if "theory/Q" in entry]
    assert [entry["step"] for entry in logged] == [1, 2] and check.recorder.steps == (0, 1)
    for step, entry in enumerate(logged):
        statistics = Statistics(check.recorder.groups(step), Scheme(4, "sum_then_normalize", 1e-4, 1))
        assert entry["theory/silent_groups"] == pytest.approx(statistics.silent.value)
        assert entry["theory/silent_groups"] == pytest.approx(entry["frac_reward_zero_std"])  # TRL's own count
        assert entry["theory/Q"] == pytest.approx(statistics.gap.value, rel=1e-6)
        assert entry["theory/update_norm2"] == pytest.approx(statistics.update.value, rel=1e-6)
        assert entry["theory/drift"] == pytest.approx(statistics.drift.value, rel=1e-6)


def test_evaluations_are_scored_under_one_policy(finished: tuple[Any, TheoryCheck, Path]) -> None:
    _, check, _ = finished
    events = check.recorder.evaluations
    assert [event.step for event in events] == [0, 1, 2]
    assert [event.scores is None for event in events] == [True, True, False]
    groups = check.recorder.evaluated()
    assert (
        groups is not None
        and groups.scores is not None
        and groups.rewards.shape == (12, 8, 3)
        and groups.scores.shape == (12, 8, 256)
    )
    # scores of the policy that wrote the completions: their mean is zero within a few standard errors, along random
    # directions
    along = groups.scores.reshape(96, 256) @ np.random.default_rng(0).standard_normal((256, 10))
    assert (np.abs(along.mean(axis=0)) < 5 * along.std(axis=0) / 96**0.5).all()
    assert Statistics(groups, Scheme(4, "center")).score_energy.value > 1


def test_verdicts_are_reported_and_saved(finished: tuple[Any, TheoryCheck, Path]) -> None:
    _, check, out = finished
    found = {one.claim_id: one for one in check.report().checks}
    assert found["T2.identity"].verdict is Verdict.HOLDS and "8 drawn groups" in found["T2.identity"].instance
    assert found["L9"].instance == "evaluation at step 2" and found["L9"].verdict in (Verdict.HOLDS, Verdict.UNDECIDED)
    assert (
        found["T1.stationary"].verdict is Verdict.ASSUMPTION_UNMET
        and "over 2 recorded steps" in found["T1.stationary"].note
    )
    assert (
        "policy" in found["T3.kl"].note
        and "of 3" in found["T3.kl"].note
        and found["T3.kl"].assumptions == {"held-out prompts": True}
    )
    saved = json.loads((out / "checks.json").read_text())["checks"]
    assert saved == [one.to_dict() for one in check.report().checks]
    evaluation = check.evaluation()
    assert evaluation is not None and evaluation.losses.shape == (3, 12)
    weights = np.array(reward_weights(TASK))
    last = check.recorder.evaluations[-1]
    assert evaluation.losses[-1] == pytest.approx(1 - last.rewards.mean(axis=1) @ weights, abs=1e-12)


def test_rewards_alone_and_no_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trainer = training(tmp_path, eval_strategy="no", eval_on_start=False, max_steps=1)
    check = TheoryCheck(tmp_path / "theory", scored=False).attach(trainer)
    with pytest.raises(InputError, match="no step was recorded"):
        check.report()
    trainer.train()
    found = {one.claim_id: one for one in check.report().checks}
    assert "L9" not in found and "T3.kl" not in found and found["T2.advantage"].verdict is Verdict.HOLDS
    assert "theory/update_norm2" not in {name for entry in trainer.state.log_history for name in entry}
    assert "T2.advantage" in capsys.readouterr().out
    with pytest.raises(InputError, match="not attached"):
        TheoryCheck(tmp_path / "other").recorder.groups(0)


def test_the_scheme_is_the_trainers() -> None:
    assert scheme_of(settings()) == Scheme(6, "sum_then_normalize", 1e-4, 1)
    assert scheme_of(settings(scale_rewards="none")) == Scheme(6, "center", 0.0, 1)
    assert scheme_of(settings(multi_objective_aggregation="normalize_then_sum")) == Scheme(
        6, "normalize_then_sum", 1e-4, 1
    )
    with pytest.raises(InputError, match="scale_rewards"):
        scheme_of(settings(scale_rewards="batch"))


@pytest.mark.parametrize(("name", "value"), [("top_k", 5), ("top_p", 0.9), ("repetition_penalty", 1.2), ("min_p", 0.1)])
def test_another_law_of_sampling_is_refused(name: str, value: float, tmp_path: Path) -> None:
    trainer = training(tmp_path, **{name: value})
    with pytest.raises(InputError, match=f"{name}: .* another policy than the softmax"):
        TheoryCheck(tmp_path / "theory").attach(trainer)
    TheoryCheck(tmp_path / "theory", scored=False).attach(trainer)
    hidden = training(tmp_path, generation_kwargs={name: value})  # these override the arguments of the same name
    with pytest.raises(InputError, match=f"{name}: .* another policy than the softmax"):
        TheoryCheck(tmp_path / "theory").attach(hidden)


def test_missing_rewards_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def some(completions: list[Any], **_: Any) -> list[float | None]:
        return [None if place < 4 else place % 2 / 2 for place in range(len(completions))]

    def none(completions: list[Any], **_: Any) -> list[None]:
        return [None] * len(completions)

    # one of two groups a step lacks a reward, then all
    for function, dropped in ((some, 2), (none, 4)):
        trainer = make(tmp_path / function.__name__, [some, function], max_steps=2, reward_weights=[1.0, 1.0])
        check = TheoryCheck(tmp_path / function.__name__ / "theory", scored=False).attach(trainer)
        trainer.train()
        shown = capsys.readouterr().out
        assert f"{dropped} groups of training left out" in shown and ("T2.advantage" in shown) == (function is some)
    with pytest.raises(InputError, match="all 4 groups lack a reward or leave its range"):
        check.report()


def test_what_went_wrong_is_told_at_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdicts are those of the steps before; a check that breaks is a line, not the end of the training."""
    calls: list[int] = []

    def late(completions: list[Any], **_: Any) -> list[Any]:
        calls.append(len(completions))
        return [place % 2 / 2 if len(calls) < 2 else 1.5 for place in range(len(completions))]

    trainer = make(tmp_path / "late", [late, late], max_steps=2, reward_weights=[1.0, 1.0])
    check = TheoryCheck(tmp_path / "theory", scored=False, ranges={"late": (0, 1)}).attach(trainer)
    with pytest.warns(UserWarning, match="is not in"):
        trainer.train()
    shown = " ".join(capsys.readouterr().out.split())
    assert trainer.state.global_step == 2
    assert "groups of training left out" in shown and "outside its range" in shown
    trainer = make(tmp_path / "broken", max_steps=2)
    check = TheoryCheck(tmp_path / "other", scored=False).attach(trainer)
    monkeypatch.setattr(check.recorder, "_on_step", lambda step, groups: 1 // 0)
    monkeypatch.setattr(check, "report", lambda: 1 // 0)
    with pytest.warns(UserWarning, match="recording ends at step 0"):
        trainer.train()
    shown = " ".join(capsys.readouterr().out.split())
    assert trainer.state.global_step == 2 and "recorded up to step 0: ZeroDivisionError" in shown
    assert "no verdicts, ZeroDivisionError" in shown


def test_two_policies_differ_from_one(finished: tuple[Any, TheoryCheck, Path]) -> None:
    """Negative control: scores shuffled between the groups of the evaluation no longer give the update that the rewards
    ask for.
    """
    _, check, _ = finished
    groups = check.recorder.evaluated()
    assert groups is not None and groups.scores is not None
    turned = replace(groups, scores=np.roll(groups.scores, 1, axis=1))
    scheme = Scheme(8, "sum_then_normalize", 1e-4, 1)
    right, wrong = (
        Statistics(one, scheme).estimator(Statistics(one, scheme).advantages("sum_then_normalize"))
        for one in (groups, turned)
    )
    assert np.linalg.norm(right - wrong) > 0.1 * np.linalg.norm(right)
