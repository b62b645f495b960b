"""TheoryCheck on real (tiny) training runs, the commands, and the snippets of the documents."""

import csv
import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")

import torch

from bounds import Verdict
from bounds.rollouts.statistics import Statistics
from experiments.lvlm.check import drawing
from experiments.lvlm.from_logs import _disagreement
from experiments.lvlm.theory_check import TheoryCheck, scheme_of
from tamdp_theory import InputError
from tamdp_theory.environments import NumberLine
from tamdp_theory.exact import Normalization, Scheme
from tamdp_theory.lvlm.logs import LoggedStep
from tamdp_theory.lvlm.trl.tasks import dataset, reward_functions, reward_weights
from tamdp_theory.sources import RolloutGroups
from tests.helpers.command import REPOSITORY, Done, environment, here, refused
from tests.helpers.training import make, model_folder

pytestmark = [pytest.mark.lvlm, pytest.mark.filterwarnings("default")]
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


def settings(**changes: Any) -> Any:
    given = {"num_generations": 6, "scale_rewards": "group", "multi_objective_aggregation": "sum_then_normalize"}
    return SimpleNamespace(**(given | changes))


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
    with pytest.raises(InputError, match="all 4 groups lack a reward"):
        check.report()


# -- commands -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("tiny_llava", "number_line_step"),
        ("tiny_qwen3_vl", "image_repair"),
        ("tiny_llava", "blackjack"),
        ("tiny_llava", "image_repair"),
    ],
)
def test_check_plays_and_judges(kind: str, task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = here(
        capsys,
        "lvlm",
        "check",
        "--model",
        str(model_folder(kind)),
        "--env",
        task,
        "--groups",
        "18",
        "--group-size",
        "2",
        "--max-new-tokens",
        "4",
        "--projection",
        "64",
        "--out",
        str(tmp_path),
    )
    assert done.code == 0 and "exact twin" in done.out and "T2.gradient.energy" in done.out
    content = json.loads((tmp_path / "checks.json").read_text())
    assert {check["claim"] for check in content["checks"]} >= {"T2.identity", "L9", "T1.drift"} and content["twin"][
        "L9"
    ]["verdict"] in ("holds", "vacuous")
    transcripts = json.loads((tmp_path / "transcripts.json").read_text())
    assert len(transcripts) == 72
    with (tmp_path / "table.csv").open() as stream:
        rows = {(row["part"], row["name"]): row for row in csv.DictReader(stream)}
    first = next(name for part, name in rows if part == "number" and name.startswith("component"))
    # the mean over transcripts of the first component, a second way to the table's number
    assert float(rows["number", first]["value"]) == pytest.approx(
        np.mean([one["rewards"][0] for one in transcripts]), abs=1e-12
    )


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for name in ("a", "b"):
        arguments = (
            "--model",
            str(model_folder("tiny_llava")),
            "--env",
            "number_line_step",
            "--groups",
            "4",
            "--max-new-tokens",
            "4",
        )
        assert here(capsys, "lvlm", "check", *arguments, "--out", str(tmp_path / name)).code == 0
        found.append(
            [(tmp_path / name / file).read_bytes() for file in ("checks.json", "table.csv", "transcripts.json")]
        )
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--model", "./none"], "no such folder"),
        (["--model", "MODEL", "--device", "cuda:7"], "device"),
        (["--model", "MODEL", "--dtype", "int4"], "dtype"),
        (["--model", "MODEL", "--group-size", "1"], "group_size"),
        (["--model", "MODEL", "--groups", "0"], "groups"),
        (["--model", "MODEL", "--lora-rank", "-1"], "lora-rank"),
        (["--model", "MODEL", "--level", "1"], "level"),
        (["--model", "MODEL", "--max-new-tokens", "4000"], "context"),
        (["--model", "MODEL", "--adapter", "none"], "adapter_config.json"),
        (["--model", "MODEL", "--temperature", "0"], "temperature"),
        (["--model", "./none", "--level", "2"], "level"),
        (["--model", "MODEL", "--projection", "1000000000000000"], "memory"),
        (["--model", "./none", "--seed", "-1", "--projection", "0"], "seed"),
    ],
)
def test_bad_options_are_one_line(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = [str(model_folder("tiny_llava")) if word == "MODEL" else word for word in arguments]
    more = [] if "--groups" in arguments else ["--groups", "2"]
    line = refused(here(capsys, "lvlm", "check", *chosen, *more, "--env", "number_line_step", "--out", str(tmp_path)))
    assert says in line


def test_logs_of_a_real_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trainer = training(tmp_path, eval_strategy="no", eval_on_start=False, log_completions=True)
    check = TheoryCheck(tmp_path / "theory", scored=False).attach(trainer)
    trainer.train()
    capsys.readouterr()
    logs, out = str(tmp_path / "completions"), tmp_path / "out"
    weights = [str(w) for w in reward_weights(TASK)]
    done = here(capsys, "lvlm", "from-logs", logs, "--weights", *weights, "--group-size", "4", "--out", str(out))
    assert (
        done.code == 0
        and "advantages: the trainer's are those of sum_then_normalize" in done.out
        and "8 groups of 4 from 2 files" in done.out
    )
    recorded = check.report().rows
    with (out / "table.csv").open() as stream:
        steps = [
            float(row["value"]) for row in csv.DictReader(stream) if row["part"] == "step" and row["name"] == "gap"
        ]
    assert steps == pytest.approx(
        [row["value"] for row in recorded if row["part"] == "step" and row["name"] == "gap"], rel=1e-6
    )
    other = here(capsys, "lvlm", "from-logs", logs, "--weights", "1", "0", "0", "--group-size", "4", "--out", str(out))
    centred = here(
        capsys,
        "lvlm",
        "from-logs",
        logs,
        "--weights",
        *weights,
        "--group-size",
        "4",
        "--normalization",
        "center",
        "--out",
        str(out),
    )
    assert other.code == centred.code == 1 and "groups differ from center" in centred.out
    assert "no such file" in refused(
        here(capsys, "lvlm", "from-logs", str(tmp_path / "none.parquet"), "--out", str(out))
    )


@pytest.mark.parametrize(
    ("normalization", "size"), [("sum_then_normalize", 8), ("center", 8), ("sum_then_normalize", 64)]
)
def test_logged_advantages_tell_the_weights(normalization: Normalization, size: int) -> None:
    """TRL's arithmetic in float32 is within rounding, swapped weights are not, though only the 1e-4 in the divisor
    tells them apart.
    """
    generator = np.random.default_rng(0)
    rewards = np.zeros((40, size, 2))
    rewards[:20, :, 1] = generator.random((20, size)) < 0.3
    rewards[20:, :, 0] = 0.5
    rewards[30:, :, 1] = generator.random((10, size))
    sums = torch.tensor(rewards, dtype=torch.float32) @ torch.tensor([0.3, 0.7])
    centred = sums - sums.mean(dim=1, keepdim=True)
    logged = (
        (centred if normalization == "center" else centred / (sums.std(dim=1, keepdim=True) + 1e-4)).double().numpy()
    )
    scheme = Scheme(size, normalization, 0.0 if normalization == "center" else 1e-4, 1)
    found = []
    for weights in (("3/10", "7/10"), ("7/10", "3/10")):
        groups = RolloutGroups(("a", "b"), tuple(map(Fraction, weights)), np.zeros(40, dtype=np.int64), rewards)
        found.append(_disagreement([LoggedStep(Path("a"), 1, groups, logged, False)], scheme)[0])
    assert found == [0, int((np.ptp(rewards[..., 1], axis=1) > 0).sum())]


def test_the_picture_has_its_command() -> None:
    commands = [drawing(Path(name)) for name in ("results/lvlm", "a b/lvlm", "results/other")]
    assert commands == ["; the picture: tamdp figures lvlm", "; the picture: tamdp figures lvlm --results a b", ""]


DEMO = (
    "lvlm",
    "demo",
    "--tiny",
    "--steps",
    "4",
    "--warm-steps",
    "3",
    "--held-out",
    "16",
    "--group-size",
    "4",
    "--prompts-per-step",
    "4",
)


def test_the_demo_goes_on_where_it_was_killed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Killed after its first checkpoint of GRPO, the same command ends with the numbers of an uncut run."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments", *DEMO, "--out", str(cut)],
        cwd=REPOSITORY,
        env=environment(HF_HUB_OFFLINE="1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 240
    while (
        not list((cut / "run").glob("checkpoint-*/trainer_state.json"))
        and process.poll() is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert list((cut / "run").glob("checkpoint-*")) and not (cut / "table.csv").exists()
    for folder in (cut, whole):
        done = here(capsys, *DEMO, "--out", str(folder))
        assert done.code == 0 and "exact twin" in done.out and "T1.stationary" in done.out
        assert {"checks.json", "table.csv", "transcripts.json", "lvlm.png", "lvlm.pdf"} <= {
            path.name for path in folder.iterdir()
        }
    assert (cut / "table.csv").read_bytes() == (whole / "table.csv").read_bytes()
    again = here(capsys, *DEMO, "--out", str(whole))
    assert again.code == 0 and (cut / "table.csv").read_bytes() == (whole / "table.csv").read_bytes()
    other = [*DEMO[:-1], "8", "--out", str(whole)]
    assert "holds a demo with other settings" in refused(here(capsys, *other))
    # broken off before the first checkpoint: it begins again; while the last one was written: it goes on from the one
    # before
    early, writing = tmp_path / "early", tmp_path / "writing"
    for folder, lost in ((early, "run"), (writing, "run/adapter")):
        shutil.copytree(whole, folder)
        shutil.rmtree(folder / lost)
        (folder / "table.csv").unlink()
    (writing / "run" / "checkpoint-4" / "trainer_state.json").write_text("{")
    for folder in (early, writing):
        assert here(capsys, *DEMO, "--out", str(folder)).code == 0
        assert (folder / "table.csv").read_bytes() == (whole / "table.csv").read_bytes()
    shutil.rmtree(early / "records")
    assert "records" in refused_last(here(capsys, *DEMO, "--out", str(early)))


def refused_last(done: Done) -> str:
    """The one line of error after what was said of progress."""
    assert done.code == 2 and done.out == ""
    line = done.err.splitlines()[-1]
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize(
    ("option", "value"), [("--seed", "-1"), ("--warm-steps", "0"), ("--held-out", "1"), ("--steps", "0")]
)
def test_bad_settings_of_the_demo_leave_nothing(
    option: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert option.removeprefix("--") in refused(
        here(capsys, "lvlm", "demo", "--tiny", option, value, "--out", str(tmp_path / "out"))
    )
    assert not (tmp_path / "out").exists()


def test_the_snippets_of_the_document_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs" / "lvlm.md").read_text(), re.S):
        exec(compile(code, "docs/lvlm.md", "exec"), names)
    shown = capsys.readouterr().out
    assert "holds" in shown and "12 verdicts" in shown


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
