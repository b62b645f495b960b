"""claims and train: what they print, what they write; and output nobody reads to its end."""

import json
import os
import re
from pathlib import Path

import pytest

import bounds
from tamdp_theory import TAMDP, TabularSoftmax, grpo
from tests.helpers.command import SEARCH, Captured, here, script, start

# -- claims ------------------------------------------------------------------------------------------------------------


def test_claims_lists_every_claim(capsys: Captured) -> None:
    done = here(capsys, "claims")
    assert (done.code, done.err) == (0, "")
    for claim in bounds.CLAIMS.values():
        assert re.search(rf"^ *{re.escape(claim.id)} +\S.* {claim.standing} +{claim.kind} ", done.out, flags=re.M), (
            claim.id
        )


def test_a_claim_is_told_in_full(capsys: Captured) -> None:
    claim, out = bounds.CLAIMS["T1.stationary"], here(capsys, "claims", "T1.stationary").out
    lines = out.splitlines()
    assert lines[0] == f"T1.stationary  {claim.title}  ({claim.kind})"
    assert any("<=" in line or "≤" in line for line in lines[1:4]), "the statement"
    assert f"  LaTeX: {claim.latex()}" in lines
    assert claim.assumptions
    for assumption in claim.assumptions:
        assert f"  {assumption.name}: {assumption.text}" in lines
    assert f"standing: {claim.standing}" in lines
    assert f"why: {claim.proof}" in lines
    assert f"reference: {claim.reference}" in lines
    assert f"builds on: {', '.join(claim.depends_on)}" in lines


@pytest.mark.parametrize("claim_id", bounds.CLAIMS)
def test_every_claim_can_be_printed(claim_id: str, capsys: Captured) -> None:
    done, claim = here(capsys, "claims", claim_id), bounds.CLAIMS[claim_id]
    assert (done.code, done.err) == (0, "")
    for part in (claim_id, claim.title, claim.latex(), f"standing: {claim.standing}", f"reference: {claim.reference}"):
        assert part in done.out
    assert here(capsys, "claims", claim_id, "--latex").out == claim.latex() + "\n"


def test_all_statements_as_latex(capsys: Captured) -> None:
    out = here(capsys, "claims", "--latex").out
    assert out == "".join(f"% {claim.id}: {claim.title}\n{claim.latex()}\n" for claim in bounds.CLAIMS.values())


# -- train -------------------------------------------------------------------------------------------------------------


def test_exact_training(capsys: Captured, tmp_path: Path) -> None:
    options = [
        "--steps",
        "7",
        "--learning-rate",
        "0.5",
        "--normalization",
        "center",
        "--group-size",
        "3",
        "--record-every",
        "3",
        "--record-update",
    ]
    done = here(capsys, "train", SEARCH, *options, "--json", "-", "--save-policy", str(tmp_path / "p.json"))
    assert (done.code, done.err) == (0, "")
    found, env = json.loads(done.out), TAMDP.load(SEARCH)
    config = grpo.Config(
        steps=7, learning_rate=0.5, normalization="center", group_size=3, record_every=3, record_update=True
    )
    history = grpo.train(env, TabularSoftmax(env), config)
    assert list(found) == [
        "process",
        "components",
        "config",
        "step",
        "total",
        "component_values",
        "gradient_norm2",
        "update_norm2",
        "drift",
    ]
    assert (found["process"], found["components"]) == ("search-small", ["format", "accuracy", "executability"])
    assert found["config"]["steps"] == 7
    assert found["config"]["clip"] == [0.2, 0.2]
    assert found["step"] == [0, 3, 6, 7]
    assert found["total"] == history.total.tolist()
    assert found["component_values"] == history.components.tolist()
    assert found["gradient_norm2"] == history.gradient_norm2.tolist()
    assert found["total"][0][-1] > found["total"][0][0]
    after = json.loads(here(capsys, "exact", SEARCH, "--policy", str(tmp_path / "p.json"), "--json", "-").out)
    assert after["total"] == pytest.approx(found["total"][0][-1], rel=1e-14)
    again = json.loads(
        here(capsys, "train", SEARCH, "--steps", "0", "--policy", str(tmp_path / "p.json"), "--json", "-").out
    )
    assert again["total"][0] == [pytest.approx(after["total"], rel=1e-14)]


def test_sampled_training(tmp_path: Path, capsys: Captured) -> None:
    options = ["train", SEARCH, "--mode", "sampled", "--seeds", "3", "--steps", "5", "--learning-rate", "0.5"]
    done = script(*options, "--json", "h.json", "--save-policy", "p.json", folder=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert sorted(os.listdir(tmp_path)) == ["h.json", "p.json"]
    found, env = json.loads((tmp_path / "h.json").read_text()), TAMDP.load(SEARCH)
    history = grpo.train(env, TabularSoftmax(env), grpo.Config(mode="sampled", steps=5, learning_rate=0.5), range(3))
    assert found["total"] == history.total.tolist()
    assert len({tuple(run) for run in found["total"]}) == 3, "seeds differ"
    rows = re.findall(r"^ +(\d) +(\S+) ± (\S+) ", done.out, flags=re.M)
    assert [int(step) for step, _, _ in rows] == found["step"]
    last = history.total[:, -1]
    assert rows[-1][1:] == (f"{last.mean():.4g}", f"{last.std(ddof=1):.4g}")
    assert done.out.endswith("means over 3 runs; ± is the standard deviation between runs\n")
    after = json.loads(here(capsys, "exact", SEARCH, "--policy", str(tmp_path / "p.json"), "--json", "-").out)
    assert after["total"] == pytest.approx(found["total"][0][-1], rel=1e-14)
    assert json.loads(here(capsys, *options, "--json", "-").out) == found, "same seeds, same numbers"


# -- streams -----------------------------------------------------------------------------------------------------------


def test_a_reader_that_leaves_gets_no_traceback(tmp_path: Path) -> None:
    commands = (["--help"], ["show", SEARCH], ["exact", SEARCH, "--json", "-"])
    running = [start(*arguments, folder=tmp_path) for arguments in commands]
    for process in running:
        assert process.stdout is not None
        process.stdout.close()
    for process in running:
        with process:
            assert process.stderr is not None
            assert process.stderr.read() == ""
        assert process.returncode == 141, "as shells report a broken pipe: neither success nor a failing claim"


def test_a_terminal_without_unicode(tmp_path: Path) -> None:
    done = script(
        "claims", "L9", folder=tmp_path, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii"
    )
    assert (done.code, done.err) == (0, "")
    assert done.out.isascii()
    assert "\\xb2" in done.out, "what cannot be shown is written as an escape"
