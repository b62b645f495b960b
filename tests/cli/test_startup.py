"""Commands load what they use: which modules each one must not import. Times are measured in benchmarks/."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "search-small.json")
CERTIFICATE = str(Path(__file__).parents[2] / "bounds" / "certified" / "T1.drift.json")
HEAVY = {"matplotlib", "torch", "scipy.stats", "scipy.optimize", "hypothesis", "distributed"}
SYMBOLIC = {"sympy", "bounds.claim", "bounds.registry"}
STUDIES = {"experiments.studies.transfer", "experiments.studies.field"}


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--version"], HEAVY | SYMBOLIC | STUDIES | {"tyro", "rich"}),
        (["--help"], HEAVY | SYMBOLIC | STUDIES | {"rich.table"}),
        (["show", EXAMPLE], HEAVY | SYMBOLIC | STUDIES),
        (["exact", EXAMPLE], HEAVY | SYMBOLIC | STUDIES),
        (["train", EXAMPLE, "--steps", "1"], HEAVY | SYMBOLIC | STUDIES),
        (["run", "--help"], HEAVY | SYMBOLIC | STUDIES),
        (["run", "transfer", "--help"], HEAVY | {"experiments.studies.field", "bounds.claims.lossless"}),
        (["bound", "--risk", "0.2", "--n", "500", "--kl", "3"], HEAVY | STUDIES | {"bounds.claim", "bounds.registry"}),
        (["certify", CERTIFICATE], HEAVY | STUDIES | {"bounds.claims.coverage", "bounds.claims.training"}),
        (["figures", "nothing"], HEAVY | SYMBOLIC | STUDIES),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_what_a_command_does_not_load(arguments: list[str], unwanted: set[str]) -> None:
    code = f"""
import sys
from experiments.cli import main
try:
    main({arguments!r})
except SystemExit:
    pass
print("loaded:", *sorted({unwanted!r} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_the_package_itself_is_light() -> None:
    code = f"import sys, tamdp_theory, bounds; print(sorted({HEAVY | SYMBOLIC!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
