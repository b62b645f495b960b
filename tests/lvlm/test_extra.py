"""Without the extra everything else works, and ``tamdp lvlm`` says which command installs it."""

import sys

import pytest

from tamdp_theory import InputError
from tamdp_theory.lvlm import extra
from tests.helpers.command import here, refused


@pytest.mark.parametrize("arguments", [["check", "--model", "x"], ["from-logs", "x"], ["demo"]])
def test_the_command_names_the_remedy(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda name: None if name in ("trl", "peft") else object())
    assert (
        refused(here(capsys, "lvlm", *arguments))
        == 'vision-language models need trl, peft; install the extra: pip install "tamdp-theory[lvlm]"'
    )


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
