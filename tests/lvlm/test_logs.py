"""TRL's parquet logs: files that TRL wrote against what a recorder saw, hand-made ones against what was put in, and bad
ones.
"""

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("trl")

import pandas as pd

from tamdp_theory import grpo
from tamdp_theory.errors import InputError
from tamdp_theory.lvlm import logs
from tamdp_theory.lvlm.trl.recording import Recorder
from tests.helpers.training import make, parity, rows, variety

pytestmark = [pytest.mark.lvlm, pytest.mark.filterwarnings("default")]


@pytest.mark.parametrize("more", [{}, {"group_size": 4, "scale_rewards": "none"}])
def test_files_of_trl_have_what_the_recorder_saw(tmp_path, more):
    trainer = make(tmp_path, log_completions=True, max_steps=3, **{k: v for k, v in more.items() if k != "group_size"})
    recorder = Recorder().attach(trainer)
    trainer.train()
    log = logs.read(tmp_path / "completions", more.get("group_size"), weights=["1/5", 0.6])
    logged = log.steps
    assert [entry.step for entry in logged] == [1, 2, 3] and not log.dropped
    for entry in logged:
        groups = recorder.groups(entry.step - 1)
        assert (entry.groups.component_names, entry.groups.weights) == (groups.component_names, groups.weights)
        np.testing.assert_allclose(entry.groups.rewards, groups.rewards, atol=1e-7)
        np.testing.assert_allclose(entry.advantages, recorder.advantages(entry.step - 1), atol=1e-7)
        assert entry.groups.scores is None
    assert len({tuple(entry.groups.prompt) for entry in logged}) > 1


def test_repeated_files_count_once(tmp_path):
    trainer = make(tmp_path, log_completions=True, max_steps=3, num_iterations=2)
    trainer.train()
    log = logs.read(tmp_path / "completions")
    assert [entry.step for entry in log.steps] == [1, 3]
    assert log.dropped == {"in files that repeat the one before": log.steps[0].groups.rewards[..., 0].size}


def test_an_evaluation_takes_the_place_of_a_file(tmp_path):
    """A trap of TRL's: with rows of two group sizes the file is refused."""
    trainer = make(
        tmp_path,
        log_completions=True,
        max_steps=1,
        evaluation=rows(1),
        eval_strategy="steps",
        eval_steps=1,
        num_generations_eval=2,
    )
    trainer.args.per_device_eval_batch_size = 2
    trainer.train()
    with pytest.raises(
        InputError, match="different prompts; the group size is another, or rows of an evaluation are among them"
    ):
        logs.read(tmp_path / "completions", 4)


def test_extra_columns_are_no_rewards_when_rewards_are_named(tmp_path):
    def extra(completion_ids, log_extra, **_):
        log_extra("length", [len(ids) for ids in completion_ids])
        log_extra("note", ["a"] * len(completion_ids))
        return parity(completion_ids)

    trainer = make(tmp_path, [variety, extra], log_completions=True, max_steps=1)
    trainer.train()
    (entry,) = logs.read(tmp_path / "completions", components=["extra", "variety"], weights=[3, 1]).steps
    assert entry.groups.component_names == ("extra", "variety")
    table = pd.read_parquet(entry.path)
    assert {"length", "note"} <= set(table.columns)
    np.testing.assert_array_equal(entry.groups.rewards.reshape(-1, 2), table[["extra", "variety"]])
    with pytest.raises(InputError, match=r"rewards 'length' are in \[.*, not in \[0, 1\]; give their range"):
        logs.read(tmp_path / "completions")
    with pytest.raises(InputError, match="no numeric column 'note'"):
        logs.read(tmp_path / "completions", components=["note"])


def table(groups=6, size=4, seed=0, step=7, normalization="sum_then_normalize", same_prompt=False, **columns):
    generator = np.random.default_rng(seed)
    rewards = generator.integers(0, 2, size=(groups, size, 2)).astype(float)
    prompts = [f"q{0 if same_prompt else i}" for i in range(groups) for _ in range(size)]
    made = {
        "step": [step] * groups * size,
        "prompt": prompts,
        "completion": [f"c{i}" for i in range(groups * size)],
        "format": rewards[..., 0].ravel(),
        "accuracy": rewards[..., 1].ravel(),
        "advantage": grpo.advantages(rewards, [1, 1], normalization, 1e-4, 1).ravel(),
    }
    return pd.DataFrame(made | columns), rewards


def write(frame, path):
    frame.to_parquet(path)
    return path


@pytest.mark.parametrize("same_prompt", [False, True])
@pytest.mark.parametrize("size", [2, 3, 4, 6, 8, 16])
def test_group_size_is_read_off_the_advantages(tmp_path, size, same_prompt):
    for seed in range(20):
        frame, rewards = table(size=size, groups=12, seed=seed, same_prompt=same_prompt)
        (entry,) = logs.read(write(frame, tmp_path / "completions_00007.parquet")).steps
        assert entry.groups.group_size == size and entry.step == 7
        np.testing.assert_array_equal(entry.groups.rewards, rewards)
        np.testing.assert_array_equal(entry.advantages, frame["advantage"].to_numpy().reshape(12, size))
        assert len(set(entry.groups.prompt)) == (1 if same_prompt else 12)


def test_group_size_is_asked_for_where_nothing_tells_it(tmp_path):
    silent, _ = table(advantage=[0.0] * 24)
    centred, rewards = table(normalization="center")
    batch, _ = table()
    batch["advantage"] = centred["advantage"] / centred["advantage"].std()
    for frame in (silent, centred, batch):
        path = write(frame, tmp_path / "completions_00001.parquet")
        with pytest.raises(InputError, match="do not tell the group size; pass group_size"):
            logs.read(path)
        (entry,) = logs.read(path, 4).steps
        assert entry.groups.rewards.shape == rewards.shape


def without(name):
    return table()[0].drop(columns=name)


def changed(name, row, value):
    frame = table()[0]
    frame[name] = frame[name].astype(object if isinstance(value, str) else float)
    frame.loc[row, name] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (without("prompt"), {}, "no column prompt"),
        (without(["format", "accuracy"]), {}, "no reward columns"),
        (table()[0].iloc[:0], {}, "no rows"),
        (table()[0].iloc[:23], {"group_size": 4}, "23 rows are no whole groups of 4"),
        (table()[0], {"group_size": 3}, "3 consecutive rows have different prompts"),
        (table()[0], {"group_size": 1}, "group_size: must be an integer of at least 2"),
        (table()[0], {"weights": [1]}, "weights: 1 given for 2 rewards"),
        (table()[0], {"weights": [1, float("nan")]}, r"weights\[1\]"),
        (table()[0], {"weights": [0, 0]}, "weights: some must not be 0"),
        (table()[0], {"components": []}, "no reward columns"),
        (table()[0], {"components": ["format", "format"]}, "one named twice"),
        (table()[0], {"components": ["speed"]}, "no numeric column 'speed'"),
        (changed("advantage", 3, np.inf), {}, "column 'advantage' has no number in row 3"),
        (changed("accuracy", 5, 1.5), {}, r"rewards 'accuracy' are in \[0, 1.5\], not in \[0, 1\]"),
        (changed("format", 0, -0.5), {}, r"rewards 'format' are in \[-0.5, 1\], not in \[0, 1\]"),
        (changed("step", 2, 9.0), {}, "column 'step' must be one integer, got 7 to 9"),
        (table(advantage=["x"] * 24)[0], {}, "column 'advantage' must have numbers"),
    ],
)
def test_bad_tables(tmp_path, frame, arguments, message):
    path = write(frame, tmp_path / "completions_00007.parquet")
    with pytest.raises(InputError, match=message) as caught:
        logs.read(path, **arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("total", [False, True])
def test_old_files_without_advantages(tmp_path, total):
    """The length of every run of equal prompts is the group size; a column "reward" is the sum."""
    frame, rewards = table()
    old = frame.drop(columns="advantage")
    if total:
        old["reward"] = old["format"] + old["accuracy"]
    (entry,) = logs.read(write(old, tmp_path / "completions_00007.parquet")).steps
    assert entry.advantages is None and entry.groups.component_names == ("format", "accuracy")
    np.testing.assert_array_equal(entry.groups.rewards, rewards)
    same, _ = table(same_prompt=True)
    path = write(same.drop(columns="advantage"), tmp_path / "completions_00008.parquet")
    assert logs.read(path, 3).steps[0].groups.rewards.shape == (8, 3, 2)


def test_a_reward_that_is_missing(tmp_path):
    log = logs.read(write(changed("accuracy", 5, np.nan), tmp_path / "completions_00007.parquet"))
    assert log.dropped == {"in groups where some rows lack a reward": 4}
    assert log.steps[0].groups.rewards.shape == (5, 4, 2)


def test_weights_are_told_by_the_advantages(tmp_path):
    frame, rewards = table(groups=20)
    frame["advantage"] = grpo.advantages(rewards, [0.25, 1], "sum_then_normalize", 1e-4, 1).ravel()
    log = logs.read(write(frame, tmp_path / "completions_00007.parquet"))
    assert [float(w) for w in log.steps[0].groups.weights] == [0.25, 1] and log.inferred
    assert "format 1/4, accuracy 1" in log.notes[0]


def test_penalties_of_trl_have_known_ranges(tmp_path):
    """By the names that TRL gives to its own reward functions."""
    from trl.rewards import get_repetition_penalty_reward, get_soft_overlong_punishment

    for reward in (get_soft_overlong_punishment(100, 20), get_repetition_penalty_reward()):
        frame, rewards = table()
        frame[reward.__name__] = -frame.pop("format")
        frame = frame[["step", "prompt", "completion", reward.__name__, "accuracy", "advantage"]]
        (entry,) = logs.read(write(frame, tmp_path / "completions_00007.parquet"), 4, weights=[1, 1]).steps
        np.testing.assert_array_equal(entry.groups.rewards[..., 0], 1 - rewards[..., 0])


def test_bad_files(tmp_path):
    good = write(table()[0], tmp_path / "good.parquet")
    cut, text, empty, other = (
        tmp_path / name for name in ("cut.parquet", "text.parquet", "empty.parquet", "other.parquet")
    )
    cut.write_bytes(good.read_bytes()[:-100])
    text.write_text("step,prompt\n")
    empty.write_bytes(b"")
    for path in (cut, text, empty):
        with pytest.raises(InputError, match=rf"{path.name}: not a readable parquet file") as caught:
            logs.read(path)
        assert "\n" not in str(caught.value)
    middle = bytearray(good.read_bytes())
    middle[4:200] = bytes(196)
    cut.write_bytes(bytes(middle))
    with pytest.raises(InputError, match=r"cut\.parquet: not a readable"):
        logs.read(cut)
    with pytest.raises(InputError, match="missing: no such file"):
        logs.read(tmp_path / "missing")
    (tmp_path / "folder").mkdir()
    with pytest.raises(
        InputError, match=r"folder: no log that is known by its name; known are: .*completions_\*\.parquet"
    ):
        logs.read(tmp_path / "folder")
    with pytest.raises(InputError, match="paths: none given"):
        logs.read([])
    write(table()[0].rename(columns={"format": "shape"}), other)
    with pytest.raises(InputError, match=r"other\.parquet: reward columns shape, accuracy, elsewhere format, accuracy"):
        logs.read([good, other])
