"""The runner: resuming, damaged files, kills at any moment, other executors; always the same bytes."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from experiments import runner
from experiments.commands import run as command
from experiments.studies import transfer
from tamdp_theory import InputError
from tests.helpers.command import here, refused, script

SMALL = {"steps": 3, "draws": 20, "n": 12}
CONFIGS = [transfer.Config(depth=depth, seed=seed, **SMALL) for depth in (0, 1) for seed in (0, 1)]  # type: ignore[arg-type]
ARGUMENTS = (
    "run",
    "transfer",
    "--task",
    "search",
    "--differ",
    "reliability",
    "--depth",
    "0",
    "1",
    "--seed",
    "0",
    "1",
    "--steps",
    "3",
    "--draws",
    "20",
    "--n",
    "12",
)


class Inline(Executor):
    """Runs at once, in this process, and counts."""

    def __init__(self, limit: int = 10**9) -> None:
        self.done, self.limit = 0, limit

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if self.done < self.limit:
            future.set_result(fn(*args, **kwargs))
            self.done += 1
        else:
            future.set_exception(KeyboardInterrupt())
        return future


def content(folder: Path) -> dict[str, bytes]:
    """Bytes of everything but the manifest, which holds the time."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """An unbroken run."""
    folder = tmp_path_factory.mktemp("whole") / "transfer"
    runner.run(runner.cells("transfer", CONFIGS, folder), folder, Inline())
    return content(folder)


def test_rows_are_those_of_the_study(whole: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_bytes(whole["table.csv"])
    table = runner.read_table(tmp_path / "table.csv")
    rows = [transfer.run(config)[0] for config in CONFIGS]
    assert list(table) == list(rows[0])
    for name, values in table.items():
        assert values == [row[name] for row in rows]
    assert len(whole) == 1 + len(CONFIGS)


def test_a_broken_run_goes_on_where_it_stopped(whole: dict[str, bytes], tmp_path: Path) -> None:
    folder = tmp_path / "transfer"
    todo = runner.cells("transfer", CONFIGS, folder)
    with pytest.raises(KeyboardInterrupt):
        runner.run(todo, folder, Inline(limit=2))
    kept = content(folder)
    assert len(kept) == 2 and "table.csv" not in kept
    counting, seen = Inline(), []
    runner.run(todo, folder, counting, lambda done, before: seen.append((done, before)))
    assert counting.done == len(CONFIGS) - len(kept)
    assert seen[0] == (len(kept), len(kept)) and seen[-1] == (len(CONFIGS), len(kept))
    assert content(folder) == whole
    again = Inline()
    runner.run(todo, folder, again)
    assert again.done == 0
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["kept_from_before"] == len(CONFIGS)
    assert manifest["configs"] == [asdict(config) for config in CONFIGS]
    assert {"code", "commit", "versions", "machine", "finished", "seconds", "python"} <= set(manifest)


def damage(text: str) -> list[str]:
    """Ways a file can be wrong."""
    data = json.loads(text)
    other = json.loads(text)
    other["rows"][0]["source"] = 0.5
    moved = json.loads(text)
    moved["config"]["seed"] = 7
    return [
        text[: len(text) // 2],
        "",
        "[]",
        "{}",
        "not json",
        json.dumps({**data, "digest": "0"}),
        json.dumps(other),
        json.dumps(moved),
        "[" * 100_000,
    ]


def test_a_damaged_cell_is_named_and_computed_anew(whole: dict[str, bytes], tmp_path: Path) -> None:
    folder = tmp_path / "transfer"
    todo = runner.cells("transfer", CONFIGS[:1], folder)
    runner.run(todo, folder, Inline())
    good = todo[0].path.read_text()
    assert whole[f"cells/{todo[0].path.name}"].decode() == good
    for text in damage(good):
        todo[0].path.write_text(text)
        counting, warnings = Inline(), []
        runner.run(todo, folder, counting, warn=warnings.append)
        assert counting.done == 1
        assert len(warnings) == 1 and warnings[0].startswith(f"{todo[0].path}: damaged")
        assert todo[0].path.read_text() == good
    os.replace(
        todo[0].path, other := runner.cells("transfer", CONFIGS[1:2], folder)[0].path
    )  # a true cell under another's name
    with pytest.raises(InputError, match="damaged"):
        runner.read_cell(runner.Cell("transfer", CONFIGS[1], other))


def test_other_code_is_another_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [cell.path for cell in runner.cells("transfer", CONFIGS, tmp_path)]
    assert len(set(before)) == len(CONFIGS)
    assert [cell.path for cell in runner.cells("transfer", [*CONFIGS, *CONFIGS], tmp_path)] == before
    monkeypatch.setattr(runner, "code_version", lambda: "other")
    assert not set(before) & {cell.path for cell in runner.cells("transfer", CONFIGS, tmp_path)}


def test_a_failing_cell_is_named_and_the_rest_stays(tmp_path: Path) -> None:
    bad = transfer.Config(overlap=2.0, **SMALL)  # type: ignore[arg-type]
    todo = runner.cells("transfer", [CONFIGS[0], bad], tmp_path)

    class Failing(Inline):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            try:
                future.set_result(fn(*args))
            except InputError as error:
                future.set_exception(error)
            return future

    with pytest.raises(InputError, match=r'transfer \{.*"overlap":2.0.*\}: overlap: must be'):
        runner.run(todo, tmp_path, Failing())
    with pytest.raises(InputError, match="overlap: must be"):
        runner.run(todo, tmp_path, Failing())
    counting = Inline()
    runner.run(todo[:1], tmp_path, counting)
    assert counting.done <= 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_workers_do_not_change_a_byte(workers: str, whole: dict[str, bytes], tmp_path: Path) -> None:
    done = script(*ARGUMENTS, "--workers", workers, folder=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert content(tmp_path / "results" / "transfer") == whole


def test_a_dask_cluster_gives_the_same_bytes(whole: dict[str, bytes], tmp_path: Path) -> None:
    """A real scheduler and worker processes, as a user would start them."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        done = script(*ARGUMENTS, "--scheduler", cluster.scheduler_address, folder=tmp_path)
    assert done.code == 0, done.err
    assert content(tmp_path / "results" / "transfer") == whole


def kill_and_resume(folder: Path, kills: int, seed: int) -> int:
    """Kill a run and all its workers at random moments, then let one finish; returns how many were killed before their
    end.
    """
    generator, killed = random.Random(seed), 0
    for _ in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-c", "from experiments.cli import main; main()", *ARGUMENTS],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(timeout=generator.uniform(0.8, 2.4))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            killed += 1
    assert script(*ARGUMENTS, folder=folder).code == 0
    return killed


def test_kills_lose_nothing(whole: dict[str, bytes], tmp_path: Path) -> None:
    killed = kill_and_resume(tmp_path, 3, seed=0)
    assert killed >= 1
    assert content(tmp_path / "results" / "transfer") == whole


@pytest.mark.slow
def test_twenty_kills_lose_nothing(whole: dict[str, bytes], tmp_path: Path) -> None:
    for seed in range(5):
        folder = tmp_path / str(seed)
        folder.mkdir()
        kill_and_resume(folder, 4, seed)
        assert content(folder / "results" / "transfer") == whole


def test_a_kill_while_writing_leaves_no_half_file(tmp_path: Path) -> None:
    """The temporary file of a killed write is swept away by the next run."""
    todo = runner.cells("transfer", CONFIGS[:1], tmp_path)
    todo[0].path.parent.mkdir()
    left = todo[0].path.parent / f".{todo[0].path.name}.abc"
    left.write_text("half")
    runner.run(todo, tmp_path, Inline())
    assert not left.exists()


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says so, and what was there stays."""
    todo = runner.cells("transfer", CONFIGS[:2], tmp_path)
    runner.run(todo[:1], tmp_path, Inline())
    before, table = content(tmp_path), (tmp_path / "table.csv").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot write .No space left on device.; nothing was changed"):
        runner.run(todo, tmp_path, Inline())
    assert content(tmp_path) == before
    assert (tmp_path / "table.csv").read_bytes() == table


def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("kept")
    line = refused(here(capsys, *ARGUMENTS, "--out", str(tmp_path / "file")))
    assert line.startswith(f"{tmp_path / 'file'}/transfer/cells: cannot write there (")
    assert (tmp_path / "file").read_text() == "kept"


def test_tables(tmp_path: Path) -> None:
    path = tmp_path / "transfer" / "table.csv"
    with pytest.raises(InputError, match=r"table.csv: missing; make it with `tamdp run transfer`"):
        runner.read_table(path)
    path.parent.mkdir()
    for text in ("", "a,b\n", "a,b\n1\n", "a,b\n1,2,3\n", 'a,b\n1,"2\n', "\udcff"):
        path.write_bytes(text.encode(errors="surrogateescape"))
        with pytest.raises(InputError, match=r"table.csv: damaged; make it again with `tamdp run transfer`"):
            runner.read_table(path)
    path.write_text(runner.to_csv([{"a": 0.1, "b": "x, y"}, {"a": 1e-300, "b": "z", "c": 3}]))
    assert path.read_text() == 'a,b,c\n0.1,"x, y",\n1e-300,z,3\n'
    assert runner.read_table(path) == {"a": [0.1, 1e-300], "b": ["x, y", "z"], "c": ["", 3.0]}


# -- the command -------------------------------------------------------------------------------------------------------


def test_options_replace_axes() -> None:
    @dataclass(frozen=True)
    class Options:
        depth: tuple[int, ...] = ()
        seed: tuple[int, ...] = ()

        def __getattr__(self, name: str) -> tuple[()]:
            return ()

    sweep = transfer.sweep(False)
    assert command.chosen(transfer, False, Options()) == sweep
    some = command.chosen(transfer, False, Options(depth=(1, 5), seed=(9,)))
    assert {(c.depth, c.seed) for c in some} == {(1, 9), (5, 9)}
    assert len(some) == len(set(some)) == 2 * len({(c.task, c.differ) for c in sweep})


def test_help_comes_from_the_dataclass(capsys: pytest.CaptureFixture[str]) -> None:
    for name in runner.studies():
        config = runner.study(name).Config
        texts = command.attribute_texts(config)
        assert set(texts) == set(config.__dataclass_fields__), name
        done = here(capsys, "run", name, "--help")
        assert done.code == 0
        flat = "".join(done.out.replace("│", " ").split())  # words may be broken between lines
        for axis, text in texts.items():
            assert f"--{axis.replace('_', '-')}" in flat
            assert "".join(text.split()) in flat, (name, axis)


def test_bad_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ("--out", str(tmp_path))
    assert refused(here(capsys, "run", "transfer", "--depth", "-1", *out)).startswith(
        "depth: must be at least 0, got -1"
    )
    assert refused(here(capsys, "run", "transfer", "--workers", "0", *out)).startswith(
        "workers: must be at least 1, got 0"
    )
    assert refused(here(capsys, *ARGUMENTS, "--scheduler", "tcp://127.0.0.1:1", *out)).startswith(
        "scheduler: no Dask scheduler answers at tcp://127.0.0.1:1"
    )


def test_a_run_reports_time_honestly(tmp_path: Path) -> None:
    began = time.time()
    runner.run(runner.cells("transfer", CONFIGS[:1], tmp_path), tmp_path, Inline())
    assert 0 <= json.loads((tmp_path / "manifest.json").read_text())["seconds"] <= time.time() - began + 0.1
