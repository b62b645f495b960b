"""The commands check, from-logs and demo, and the snippets of the document."""

import csv
import json
import re
import shutil
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")
import torch

from experiments.lvlm.check import drawing
from experiments.lvlm.theory_check import TheoryCheck
from tamdp_theory.exact import Normalization, Scheme
from tamdp_theory.lvlm.logs import LoggedStep
from tamdp_theory.lvlm.logs.fit import hold
from tamdp_theory.lvlm.trl.tasks import reward_weights
from tamdp_theory.sources import RolloutGroups
from tests.helpers.checked_runs import TASK, training
from tests.helpers.command import REPOSITORY, Done, environment, here, refused
from tests.helpers.training import model_folder

pytestmark = [pytest.mark.lvlm, pytest.mark.filterwarnings("default")]


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


def test_check_with_weighted_thoughts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Claims that need the full score say so, and no number is called a gradient."""
    of = ("lvlm", "check", "--model", str(model_folder("tiny_llava")), "--groups", "17", "--group-size", "2")
    of += ("--max-new-tokens", "4", "--projection", "16", "--think-weight", ".5", "--out", str(tmp_path))
    done = here(capsys, *of, "--env", "number_line_step")
    assert done.code == 0
    checks = {check["claim"]: check for check in json.loads((tmp_path / "checks.json").read_text())["checks"]}
    assert {name for name, check in checks.items() if check["verdict"] == "assumption_unmet"} >= {"T1.drift"}
    assert checks["L9"]["assumptions"].get("full score", True) and not checks["T1.drift"]["assumptions"]["full score"]
    with (tmp_path / "table.csv").open() as stream:
        names = {row["name"] for row in csv.DictReader(stream) if row["part"] == "number"}
    assert "score_energy" in names and not names & {"gradient", "drift"}
    refused = here(capsys, *of, "--env", "image_repair")
    assert refused.code == 2 and "think_weight: image-repair" in refused.err and refused.err.count("\n") == 1


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
        and "8 groups of 4 from 2 steps" in done.out
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
        fit = hold([LoggedStep(Path("a"), 1, groups, logged)], scheme)
        found.append(fit.groups - fit.agree)
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
