"""Without the extra everything else works, and ``tamdp lvlm`` says which command installs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tamdp_theory import InputError
from tamdp_theory.lvlm import extra
from tests.helpers.command import here, refused


@pytest.mark.parametrize("arguments", [["check", "--model", "x"], ["demo"]])
def test_the_command_names_the_remedy(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda name: None if name in ("trl", "peft") else object())
    assert (
        refused(here(capsys, "lvlm", *arguments))
        == 'vision-language models need trl, peft; install the extra: pip install "tamdp-theory[lvlm]"'
    )


def test_a_log_needs_what_its_format_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda name: None if name in ("trl", "pyarrow") else object())
    (tmp_path / "completions_00001.parquet").touch()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "step-00000000.parquet").touch()
    install = 'pyarrow; install the extra: pip install "tamdp-theory[lvlm]"'
    for path, what in ((tmp_path / "completions_00001.parquet", "completions of TRL"), (tmp_path / "run", "records")):
        message = refused(here(capsys, "lvlm", "from-logs", str(path)))
        assert message.startswith(what) and message.endswith(install)
    (tmp_path / "log.txt").touch()
    assert "no log that is known by its name" in refused(here(capsys, "lvlm", "from-logs", str(tmp_path / "log.txt")))


def test_reading_a_log_loads_no_model_and_no_parquet() -> None:
    code = """
import sys, experiments.lvlm.from_logs
from tamdp_theory.lvlm import logs
assert set(logs.formats()) >= {"trl_completions", "recorded"}
assert not {"torch", "transformers", "trl", "pyarrow"} & set(sys.modules), sorted(sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_nothing_is_missing_if_all_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda name: object())
    extra.require()
    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="datasets"):
        extra.require(("datasets",))


@pytest.mark.parametrize("name", ["check", "from-logs", "demo"])
def test_help_needs_no_extra(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    heavy = {"transformers", "trl", "peft", "datasets"} & set(sys.modules)
    done = here(capsys, "lvlm", name, "--help")
    assert (done.code, done.err) == (0, "") and f"Example: tamdp lvlm {name} " in done.out
    assert {"transformers", "trl", "peft", "datasets"} & set(sys.modules) == heavy
