"""tamdp bound: the table, JSON, marks of what says nothing, refusals."""

import json
import os
import re
from pathlib import Path

import pytest

from bounds.pac_bayes.formulas import Method, risk_bound, shift_by_components
from tamdp_theory.posteriors import divergence
from tests.helpers.command import Captured, here, refused, script

EXAMPLE = ["bound", "--risk", "0.2", "--n", "500", "--kl", "3", "--delta", "0.05"]
METHODS: tuple[Method, ...] = ("kl", "mcallester", "catoni")
NAMES = {"kl": "small kl (T3.kl)", "mcallester": "square root (T3.mcallester)", "catoni": "exponential (T3.catoni)"}


def row(out: str, method: str) -> list[str]:
    """What stands behind a bound's name."""
    line = next(line for line in out.splitlines() if line.strip().startswith(NAMES[method]))
    return line.strip().removeprefix(NAMES[method]).split()


def test_the_first_example(tmp_path: Path) -> None:
    done = script(*EXAMPLE, folder=tmp_path)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "empirical risk 0.2, n = 500, KL = 3, each bound fails with probability at most 0.05"
    assert "risk under the source" in lines[1] and "target" not in done.out and "vacuous" not in done.out
    for method in METHODS:
        assert row(done.out, method) == [f"{risk_bound(0.2, 500, 3.0, 0.05, method):.6f}"]
    assert row(done.out, "kl") == ["0.286342"]
    assert os.listdir(tmp_path) == []


def test_json_has_the_numbers_of_the_library(capsys: Captured, tmp_path: Path) -> None:
    done = here(capsys, *EXAMPLE, "--json", "-")
    assert (done.code, done.err) == (0, "")
    expected = {"kl": 3.0, "risk": {method: risk_bound(0.2, 500, 3.0, 0.05, method) for method in METHODS}}
    assert json.loads(done.out) == expected
    path = tmp_path / "deep" / "b.json"
    written = here(capsys, *EXAMPLE, "--json", str(path))
    assert json.loads(path.read_text()) == expected and path.read_text() == done.out
    assert written.out == here(capsys, *EXAMPLE).out, "the table is printed beside the file"


def test_a_finite_class_and_another_domain(capsys: Captured) -> None:
    options = [
        "bound",
        "--risk",
        "0.1",
        "--n",
        "900",
        "--posterior",
        "0.7",
        "0.2",
        "0.1",
        "--c",
        "0.5",
        "--total-variation",
        "0.25",
    ]
    found = json.loads(here(capsys, *options, "--oscillation", "0.4", "1", "--weights", "3", "1", "--json", "-").out)
    kl = float(divergence([0.7, 0.2, 0.1], [1 / 3] * 3))
    assert found["kl"] == pytest.approx(kl, rel=1e-13)
    shift = shift_by_components(0.0, 0.25, [0.4, 1.0], [3, 1])
    assert shift == pytest.approx(0.25 * 0.55)
    for method in METHODS:
        assert found["risk"][method] == pytest.approx(
            risk_bound(0.1, 900, kl, delta=0.05, method=method, c=0.5), rel=1e-13
        )
        assert found["target_risk"][method] == pytest.approx(found["risk"][method] + shift, rel=1e-13)
    out = here(capsys, *options, "--prior", "0.6", "0.3", "0.1").out
    assert "risk under the target" in out and f"KL = {float(divergence([0.7, 0.2, 0.1], [0.6, 0.3, 0.1])):.6g}," in out
    source, target = map(float, row(out, "kl"))
    assert target == pytest.approx(source + 0.25, abs=2e-6), "by default one component of range one"
    equal = json.loads(here(capsys, *options, "--oscillation", "0.4", "1", "--json", "-").out)
    assert equal["target_risk"]["kl"] - equal["risk"]["kl"] == pytest.approx(0.25 * 0.7)


def test_what_says_nothing_is_marked(capsys: Captured) -> None:
    out = here(capsys, "bound", "--risk", "0.5", "--n", "10", "--kl", "2", "--total-variation", "0.5").out
    found = {method: risk_bound(0.5, 10, 2.0, 0.05, method) for method in METHODS}
    assert found["kl"] < 1 < found["mcallester"]
    assert row(out, "kl") == [f"{found['kl']:.6f}", f"{found['kl'] + 0.5:.6f}", "vacuous"]
    assert row(out, "mcallester") == [
        f"{found['mcallester']:.6f}",
        "vacuous",
        f"{found['mcallester'] + 0.5:.6f}",
        "vacuous",
    ]
    certain = here(capsys, "bound", "--risk", "1", "--n", "10", "--kl", "0").out
    assert row(certain, "kl") == ["1.000000", "vacuous"]


def test_an_infinite_divergence(capsys: Captured) -> None:
    done = here(capsys, "bound", "--risk", "0.2", "--n", "5", "--kl", "inf")
    assert done.code == 0 and all("vacuous" in row(done.out, method) for method in METHODS)
    assert "not finite" in refused(here(capsys, "bound", "--risk", "0.2", "--n", "5", "--kl", "inf", "--json", "-"))


def test_the_examples_of_the_help_work(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    examples = re.findall(r"Example: tamdp (bound .*)", here(capsys, "bound", "--help").out)
    assert len(examples) == 2
    for example in examples:
        done = here(capsys, *example.split())
        assert (done.code, done.err) == (0, "") and "small kl" in done.out


SOUND = {"--risk": ["0.2"], "--n": ["500"], "--kl": ["3"]}
FAULTS: list[tuple[dict[str, list[str]], str]] = [
    ({"--risk": ["1.5"]}, "empirical_risk: must be in [0, 1], got 1.5"),
    ({"--risk": ["-0.1"]}, "empirical_risk: must be in [0, 1], got -0.1"),
    ({"--risk": ["nan"]}, "empirical_risk: must be in [0, 1], got nan"),
    ({"--n": ["0"]}, "n: must be a whole number of at least 1, got 0"),
    ({"--n": ["-3"]}, "n: must be a whole number of at least 1, got -3"),
    ({"--n": ["1" + "0" * 40]}, "n: "),
    ({"--kl": ["-1"]}, "kl: must be 0 or more, got -1"),
    ({"--kl": ["nan"]}, "kl: must be 0 or more, got nan"),
    ({"--delta": ["0"]}, "delta: must be in (0, 1), ends excluded, got 0"),
    ({"--delta": ["1"]}, "delta: must be in (0, 1), ends excluded, got 1"),
    ({"--delta": ["nan"]}, "delta: must be in (0, 1)"),
    ({"--c": ["0"]}, "c: must be positive and finite, got 0"),
    ({"--c": ["inf"]}, "c: must be positive and finite, got inf"),
    ({"--kl": []}, "kl, posterior: give one of them"),
    ({"--posterior": ["0.5", "0.5"]}, "kl, posterior: give one of them"),
    ({"--kl": [], "--posterior": ["0.5", "0.6"]}, "posterior: probabilities must sum to 1, got 1.1"),
    ({"--kl": [], "--posterior": ["0.5", "0.5"], "--prior": ["1"]}, "posterior, prior: 2 and 1 policies"),
    (
        {"--kl": [], "--posterior": ["0.5", "0.5"], "--prior": ["1", "0"]},
        "prior: has zero mass where the posterior has some",
    ),
    ({"--kl": [], "--posterior": ["nan", "0.5"]}, "posterior: probabilities must be finite"),
    ({"--total-variation": ["1.5"]}, "total_variation: must be in [0, 1], got 1.5"),
    ({"--total-variation": ["0.1"], "--oscillation": ["2"]}, "oscillation: must be in [0, 1], got 2"),
    (
        {"--total-variation": ["0.1"], "--oscillation": ["0.5", "0.5"], "--weights": ["1"]},
        "oscillation, weights: need one number per component",
    ),
    (
        {"--total-variation": ["0.1"], "--weights": ["0"]},
        "oscillation, weights: need one number per component and some weight",
    ),
    ({"--total-variation": ["0.1"], "--weights": ["-1"]}, "weights: must be 0 or more and finite, got -1"),
    ({"--json": ["."]}, ".: cannot write (Is a directory); nothing was changed"),
]


@pytest.mark.parametrize(
    ("changes", "says"),
    FAULTS,
    ids=[" ".join(part for k, v in changes.items() for part in (k, *v)) for changes, _ in FAULTS],
)
def test_bad_numbers_are_one_line(
    changes: dict[str, list[str]], says: str, capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [part for option, values in {**SOUND, **changes}.items() if values for part in (option, *values)]
    assert refused(here(capsys, "bound", *arguments)).startswith(says)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--n", "1.5"], "invalid literal for int"), (["--risk", "low"], "could not convert"), (["--m", "3"], "--m")],
)
def test_what_the_parser_refuses(arguments: list[str], says: str, capsys: Captured) -> None:
    done = here(capsys, *EXAMPLE, *arguments)
    assert (done.code, done.out) == (2, "") and says in done.err and "Traceback" not in done.err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--kl", "1", "--prior", "0.5", "0.5"), "prior: belongs to --posterior"),
        (("--kl", "1", "--weights", "1"), "oscillation, weights: belong to"),
        (("--kl", "1", "--oscillation", "0.5"), "oscillation, weights: belong to"),
    ],
)
def test_options_that_would_be_ignored(more: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(here(capsys, "bound", "--risk", "0.2", "--n", "10", *more)).startswith(message)
