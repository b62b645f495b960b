"""Running the command: as the installed script, or in this process."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from experiments.cli import main

REPOSITORY = Path(__file__).parents[2]
SEARCH = str(REPOSITORY / "examples" / "search-small.json")
DRIFT = str(REPOSITORY / "examples" / "bandit-drift.json")
Captured = pytest.CaptureFixture[str]
SCRIPT = Path(sys.executable).with_name("tamdp")


@dataclass(frozen=True)
class Done:
    """What a finished command left behind."""

    code: int
    out: str
    err: str


def environment(**changes: str) -> dict[str, str]:
    """This environment without what would colour or resize the output."""
    dropped = ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "TERM")
    return {**{key: value for key, value in os.environ.items() if key not in dropped}, **changes}


def start(*arguments: str, folder: Path, **changes: str) -> subprocess.Popen[str]:
    """The installed script, started in ``folder``."""
    assert SCRIPT.exists(), "the project is not installed beside this Python: pip install -e ."
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [str(SCRIPT), *arguments], cwd=folder, env=environment(**changes), encoding="utf-8", **pipes
    )


def script(*arguments: str, folder: Path, **changes: str) -> Done:
    """The installed script, run to its end in ``folder``."""
    process = start(*arguments, folder=folder, **changes)
    out, err = process.communicate(timeout=300)
    return Done(process.returncode, out, err)


def here(capsys: Captured, *arguments: str) -> Done:
    """The command in this process."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    out, err = capsys.readouterr()
    assert isinstance(caught.value.code, int)
    return Done(caught.value.code, out, err)


def refused(done: Done) -> str:
    """What follows "error: " in the one line that a refused command prints."""
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert done.err.endswith("\n")
    line = done.err.removeprefix("error: ").removesuffix("\n")
    assert line.isprintable()
    return line
