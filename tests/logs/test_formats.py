"""Every format against what was written: groups, rewards, weights, advantages; whole, shuffled, and spoiled."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tamdp_theory.errors import InputError
from tamdp_theory.lvlm import logs
from tamdp_theory.lvlm.logs import Log
from tests.helpers import logs as written
from tests.helpers.logs import BY_NAME, NAMES, Run


def scaled(name: str) -> dict[str, tuple[float, float]]:
    """The range of totals with weights 1 and 1/2."""
    return {"score" if name in ("verl", "verl_legacy") else "reward": (0, 1.5)}


def read(name: str, path: Path, **more: Any) -> Log:
    settings = BY_NAME[name][2] | more
    if not BY_NAME[name][1]:
        settings |= {"ranges": scaled(name)}
    return logs.read(path, **settings)


def composites(log: Log) -> list[tuple[float, ...]]:
    """Composite rewards of every group, sorted within and among them: whatever the order of the rows."""
    found = []
    for step in log.steps:
        weights = np.array([float(w) for w in step.groups.weights])
        found += [tuple(sorted(row)) for row in (step.groups.rewards @ weights).round(9).tolist()]
    return sorted(found)


def expected(run: Run) -> list[tuple[float, ...]]:
    total = run.total.round(9)
    return sorted(tuple(sorted(row)) for row in total.reshape(-1, total.shape[-1]).tolist())


@pytest.mark.parametrize("name", BY_NAME)
def test_a_log_is_what_was_written(name: str, tmp_path: Path) -> None:
    run = Run.drawn()
    log = read(name, BY_NAME[name][0](run, tmp_path / "log"))
    assert composites(log) == expected(run)
    steps = [0] if name.startswith("verifiers") else [1, 2, 3]
    assert [step.step for step in log.steps] == steps
    assert sum(log.dropped.values()) == 0
    if BY_NAME[name][1]:
        for step in log.steps:
            assert step.groups.component_names == NAMES
            assert [float(w) for w in step.groups.weights] == [1, 0.5]
    for step in log.steps:
        assert len(set(step.groups.prompt.tolist())) == len(step.groups.prompt) == (15 if steps == [0] else 5)


@pytest.mark.parametrize("name", ["ms_swift", "nemo_rl", "csv", "jsonl"])
def test_advantages_go_with_their_rewards(name: str, tmp_path: Path) -> None:
    run = Run.drawn(1)
    log = read(name, BY_NAME[name][0](run, tmp_path / "log"))
    for step, total, advantages in zip(log.steps, run.total, run.advantages, strict=True):
        assert step.advantages is not None
        weights = np.array([float(w) for w in step.groups.weights])
        pairs = zip((step.groups.rewards @ weights).ravel(), step.advantages.ravel(), strict=True)
        assert sorted((round(c, 9), round(a, 9)) for c, a in pairs) == sorted(
            (round(c, 9), round(a, 9)) for c, a in zip(total.ravel(), advantages.ravel(), strict=True)
        )


def shuffle(path: Path, seed: int) -> None:
    """Mix the lines of every file."""
    for file in [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]:
        head, *rest = file.read_text().splitlines()
        kept = [head] if file.suffix == ".csv" else []
        mixed = rest if kept else [head, *rest]
        np.random.default_rng(seed).shuffle(mixed)
        file.write_text("\r\n".join([*kept, *mixed]) + "\r\n")


@pytest.mark.parametrize("name", BY_NAME)
def test_order_and_line_ends_play_no_part(name: str, tmp_path: Path) -> None:
    run = Run.drawn(2)
    path = BY_NAME[name][0](run, tmp_path / "log")
    shuffle(path, 0)
    assert composites(read(name, path)) == expected(run)


@pytest.mark.parametrize("name", [name for name in BY_NAME if name != "csv"])
def test_half_written_lines_are_left_out_and_counted(name: str, tmp_path: Path) -> None:
    """A line that is cut, one that is no object, and a byte order mark; the group that lost a row is left out."""
    run = Run.drawn(3)
    path = BY_NAME[name][0](run, tmp_path / "log")
    files = [path] if path.is_file() else [one for one in path.rglob("*.jsonl") if "eval" not in one.parts]
    file = max((one for one in files if "effective" not in one.parts), key=lambda one: str(one))
    content = file.read_bytes()
    file.write_bytes(b"\xef\xbb\xbf" + content[:-7] + b"\n[1, 2]\n\n\x80\x81\n")
    if name in ("ms_swift",):  # a line is a step
        log = read(name, path)
        assert [step.step for step in log.steps] == [1, 2]
        assert log.dropped == {"no JSON object in the line (half written?)": 3}
        return
    log = read(name, path)
    assert log.dropped["no JSON object in the line (half written?)"] == 3
    if name == "nemo_rl":  # consecutive rows: the last group is short
        assert log.dropped["in groups that are not of 4 (1 of 3)"] == 3
    assert len(composites(log)) == len(expected(run)) - 1
    assert set(composites(log)) <= set(expected(run))


@pytest.mark.parametrize("name", BY_NAME)
def test_the_same_log_twice_counts_once(name: str, tmp_path: Path) -> None:
    run = Run.drawn(4)
    path = BY_NAME[name][0](run, tmp_path / "log")
    again = tmp_path / "again" / path.name
    again.parent.mkdir()
    if path.is_dir():
        shutil.copytree(path, again)
    else:
        shutil.copy(path, again)
    settings = BY_NAME[name][2] | ({} if BY_NAME[name][1] else {"ranges": scaled(name)})
    log = logs.read([path, path, path.parent / path.name], **settings)
    assert composites(log) == expected(run)
    assert log.dropped == {"paths named twice, read once": 2}
    if name != "csv":
        log = logs.read([path, again], **settings)
        assert composites(log) == expected(run)
        assert sum(count for reason, count in log.dropped.items() if "are there twice, read once" in reason) > 0


def test_equal_rows_are_rollouts_of_their_own(tmp_path: Path) -> None:
    """A policy that always says the same: nothing tells its rows apart, and they count all the same."""
    row = {"input": "q", "gts": "1", "output": "yes", "score": 1.0, "step": 3}
    for step in (3, 4):
        written.lines(tmp_path / "verl" / f"{step}.jsonl", [row | {"step": step}] * 4)
        written.lines(tmp_path / "rollout" / str(step) / "task.jsonl", [{"task_id": "t", "reward": 1}] * 4)
    for path in (tmp_path / "verl", tmp_path / "rollout"):
        assert [(s.step, s.groups.rewards.shape) for s in logs.read(path).steps] == [(3, (1, 4, 1)), (4, (1, 4, 1))]


def test_lines_of_ms_swift_that_repeat_are_one(tmp_path: Path) -> None:
    run = Run.drawn(5)
    path = written.ms_swift(run, tmp_path)
    file = path / "completions.jsonl"
    file.write_text(file.read_text() * 2)
    log = logs.read(path)
    assert composites(log) == expected(run)
    assert log.dropped == {"lines that are there twice, read once": 3}


def test_nan_and_null_are_missing_rewards(tmp_path: Path) -> None:
    """Groups are judged over the components that they have; a group whose rows differ in that is left out."""
    rows = [
        {"group": g, "step": 1, "a": 0.5 * i, "b": None if g < 2 else (0.25 if g < 4 or i else None), "n": i}
        for g in range(5)
        for i in range(2)
    ]
    log = logs.read(written.lines(tmp_path / "x.jsonl", rows), components=["a", "b"], weights=[1, 2])
    assert [(step.groups.component_names, len(step.groups.prompt)) for step in log.steps] == [
        (("a", "b"), 2),
        (("a",), 2),
    ]
    assert log.dropped == {"in groups where some rows lack a reward": 2}
    text = (tmp_path / "x.jsonl").read_text().replace('"b": null', '"b": NaN')
    (tmp_path / "y.jsonl").write_text(text)
    again = logs.read(tmp_path / "y.jsonl", components=["a", "b"], weights=[1, 2])
    assert composites(again) == composites(log)


def test_groups_of_another_size_are_counted(tmp_path: Path) -> None:
    rows = [
        {"group": g, "r": i / 4, "t": f"{g}{i}"}
        for g, size in ((0, 4), (1, 4), (2, 3), (3, 5), (4, 1))
        for i in range(size)
    ]
    log = logs.read(written.lines(tmp_path / "x.jsonl", rows))
    assert len(log.steps[0].groups.prompt) == 2 and log.steps[0].groups.group_size == 4
    assert log.dropped == {"in groups that are not of 4 (1 of 1, 1 of 3, 1 of 5)": 9}
    assert logs.read(tmp_path / "x.jsonl", 3).steps[0].groups.rewards[0, :, 0].tolist() == [0, 0.25, 0.5]


def test_rewards_in_a_range_keep_every_advantage(tmp_path: Path) -> None:
    """A penalty in [-1, 0] and a length with a weight below 0: composites change by a constant."""
    generator = np.random.default_rng(0)
    rows = [
        {"group": g, "right": int(generator.integers(2)), "late": -int(generator.integers(5)) / 4, "length": 10 * i + g}
        for g in range(6)
        for i in range(4)
    ]
    path = written.lines(tmp_path / "x.jsonl", rows)
    names = ["right", "late", "length"]
    log = logs.read(path, components=names, weights=[1, 0.5, -0.01], ranges={"late": (-1, 0), "length": (0, 100)})
    (step,) = log.steps
    assert [float(w) for w in step.groups.weights] == [1, 0.5, 1]
    found = step.groups.rewards @ np.array([1, 0.5, 1])
    wanted = np.array([row["right"] + 0.5 * row["late"] - 0.01 * row["length"] for row in rows]).reshape(6, 4)
    np.testing.assert_allclose(
        found - found.mean(axis=1, keepdims=True), wanted - wanted.mean(axis=1, keepdims=True), atol=1e-12
    )
    with pytest.raises(
        InputError, match=r"rewards 'late' are in \[-1, 0\], not in \[0, 1\]; give their range, as late="
    ):
        logs.read(path, components=["right", "late"], weights=[1, 1])
    with pytest.raises(InputError, match="'late' needs low < high, got 0 and 0"):
        logs.read(path, components=["right", "late"], weights=[1, 1], ranges={"late": (0, 0)})


def test_what_is_no_reward_is_asked_about(tmp_path: Path) -> None:
    run = Run.drawn()
    path = written.jsonl(run, tmp_path)
    with pytest.raises(InputError, match=r"which columns are rewards.*there are accuracy, format"):
        logs.read(path)
    ignored = logs.read(path, ignore=["format"])
    assert ignored.steps[0].groups.component_names == ("accuracy",)
    legacy = logs.read(written.verl_legacy(run, tmp_path / "v"), ranges={"score": (0, 2)})
    assert legacy.steps[0].groups.component_names == ("score",)
    assert legacy.notes == ("rewards: score alone; also there: accuracy, format (name them to count them)",)


def test_filtered_rewards_of_nemo_rl(tmp_path: Path) -> None:
    path = written.nemo_rl(Run.drawn(steps=1), tmp_path)
    file = tmp_path / "train_data_step1.jsonl"
    rows = [
        json.loads(line) | {"filtered_rewards": [0.5 * (i % 2)]} for i, line in enumerate(file.read_text().splitlines())
    ]
    written.lines(file, rows)
    (step,) = logs.read(path, 4).steps
    assert step.groups.rewards[..., 0].tolist() == [[0, 0.5, 0, 0.5]] * 5
    with pytest.raises(InputError, match="does not say which rows are a group; give the group size"):
        logs.read(path)


def test_weights_of_prime_rl_that_change(tmp_path: Path) -> None:
    path = written.prime_rl(Run.drawn(), tmp_path)
    file = tmp_path / "step_2" / "train" / "all" / "traces.jsonl"
    file.write_text(file.read_text().replace('"weight": 0.5', '"weight": 0.25'))
    with pytest.raises(
        InputError, match=r"weight of 'format' changes from 0.5 to 0.25 at step 2; read the steps before"
    ):
        logs.read(path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"notes.txt": "x"}, "no log that is known by its name; known are: .*OpenRLHF, EasyR1, R1-V"),
        ({"7.jsonl": ""}, "no rollouts; is it the log of a run that has begun"),
        ({"7.jsonl": "{}\n{\n"}, "no rollouts .1 rows: without score or input; 1 rows: no JSON object"),
        ({"7.jsonl": '{"input": 1, "score": 1}\n'}, "every group has one row"),
        (
            {"7.jsonl": '{"input": 1, "score": "1"}\n{"input": 1, "score": "0", "output": 2}\n'},
            "no numbers are left as rewards",
        ),
        (
            {"7.jsonl": '{"input": 1, "score": 1e400}\n{"input": 1, "score": 2, "uid": "a_b_c"}\n'},
            "every group has one",
        ),
    ],
)
def test_logs_of_nothing(files: dict[str, str], message: str, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        logs.read(tmp_path)


def test_formats_are_asked_for_by_name(tmp_path: Path) -> None:
    run = Run.drawn()
    file = written.jsonl(run, tmp_path).rename(tmp_path / "12.jsonl")
    assert composites(logs.read(file, components=NAMES)) == expected(run)  # it has a column "group"
    with pytest.raises(InputError, match=r"no rollouts .60 rows: without score or input"):
        logs.read(file, format="verl")
    with pytest.raises(InputError, match="format: no format 'verlx'; there are areal, ms_swift"):
        logs.read(file, format="verlx")
    with pytest.raises(InputError, match="of different formats"):
        logs.read([file, written.verl(run, tmp_path / "verl")])


def hostile() -> Sequence[str]:
    deep = "[" * 5000 + "]" * 5000
    return [
        f'{{"group": 1, "r": {deep}}}',
        '{"group": {"a": [1]}, "r": 1}',
        '{"group": 1, "r": 1' + "0" * 400 + "}",
        '{"group": 1, "r": "__import__(\'os\')"}',
        '{"group": 1, "step": "１２", "r": 1}',
        '{"group": 1, "step": 1e300, "r": 1}',
        '{"group": 1, "step": true, "r": 1}',
        '{"group": "\ud800", "r": 0.5, "x": "\\ud800"}'.encode("utf-8", "replace").decode(),
        '{"group": 1, "r": -Infinity}',
        "null",
        "{" * 100_000,
    ]


def test_hostile_lines_are_text(tmp_path: Path) -> None:
    good = [json.dumps({"group": "g", "r": i / 2, "n": i}) for i in range(2)]
    (tmp_path / "x.jsonl").write_text("\n".join([good[0], *hostile(), good[1]]))
    log = logs.read(tmp_path / "x.jsonl", components=["r"])
    assert log.steps[0].groups.rewards.tolist() == [[[0], [0.5]]]
    assert sum(log.dropped.values()) > 5
