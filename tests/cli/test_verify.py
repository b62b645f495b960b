"""``tamdp verify``: the table, the files, and above all the exit code."""

import json
import os
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from bounds import CLAIMS, Check, Evidence, Standing, Verdict
from experiments import suite, verification
from experiments.commands import verify
from experiments.commands.verify import Verify
from tests.helpers.command import Done, here, refused, script

KEYS = {"claim", "instance", "lhs", "rhs", "slack", "verdict", "evidence", "assumptions"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("verify")


@pytest.fixture(scope="module")
def quick(folder: Path) -> Done:
    """One quick verification by the installed command, shared by the tests below."""
    return script("verify", "--quick", "--json", "checks.json", "--out", "out", folder=folder)


@pytest.fixture(scope="module")
def checks(quick: Done, folder: Path) -> list[dict[str, Any]]:
    content = json.loads((folder / "checks.json").read_text())
    assert list(content) == ["checks"]
    return content["checks"]


def test_quick_verification_succeeds(quick: Done, folder: Path) -> None:
    assert (quick.code, quick.err) == (0, "")
    assert sorted(os.listdir(folder)) == ["checks.json", "out"]
    assert {"checks.json", "verdicts.pdf", "verdicts.png"} <= set(os.listdir(folder / "out"))
    assert (folder / "out" / "checks.json").read_text() == (folder / "checks.json").read_text()
    assert (folder / "out" / "verdicts.png").read_bytes().startswith(b"\x89PNG")


def test_the_last_line_is_the_summary(quick: Done, checks: list[dict[str, Any]]) -> None:
    *table, files, last = quick.out.splitlines()
    assert files == "checks and figures: out/checks.json, out/verdicts.pdf, out/verdicts.png"
    must = [claim for claim in CLAIMS.values() if claim.standing in (Standing.PROVED, Standing.LITERATURE)]
    printed = [claim for claim in CLAIMS.values() if claim.standing is Standing.PRINTED]
    held = sum(check["verdict"] == "holds" and CLAIMS[check["claim"]] in must for check in checks)
    no_pass = {
        word: sum(check["verdict"] == word and CLAIMS[check["claim"]] in must for check in checks)
        for word in ("vacuous", "assumption_unmet")
    }
    assert last.startswith(
        f"{len(must)} of {len(must)} proved and literature claims hold on {held} checks; {no_pass['vacuous']} vacuous "
        f"and "
        f"{no_pass['assumption_unmet']} inapplicable checks count as no pass; {len(printed)} of {len(printed)} printed "
        f"claims refuted; conjectured L3.tree "
    )
    for claim_id in CLAIMS:
        assert sum(line.split()[:1] == [claim_id] for line in table) == 1, claim_id


def test_the_checks_have_the_documented_form(checks: list[dict[str, Any]]) -> None:
    assert {check["claim"] for check in checks} == set(CLAIMS)
    for check in checks:
        assert set(check) >= KEYS
        assert check["verdict"] in {str(verdict) for verdict in Verdict}
        assert check["evidence"] in {str(evidence) for evidence in Evidence}
        assert all(isinstance(met, bool) for met in check["assumptions"].values())
        assert set(check["assumptions"]) <= {assumption.name for assumption in CLAIMS[check["claim"]].assumptions}
        if check["verdict"] == "assumption_unmet":
            assert not all(check["assumptions"].values())
        else:
            assert all(check["assumptions"].values())
            assert all(isinstance(check[side], float | int) for side in ("lhs", "rhs", "slack"))
            assert abs(abs(check["slack"]) - abs(check["rhs"] - check["lhs"])) <= 1e-9 * max(
                abs(check["lhs"]), abs(check["rhs"]), 1
            )


@pytest.mark.parametrize("level", ["quick", "standard", "full"])
def test_every_claim_is_checked_at_every_level(level: suite.Level) -> None:
    for claim in CLAIMS.values():
        assert suite.plan([claim.id], level), claim.id


# -- judging -----------------------------------------------------------------------------------------------------------


def check(claim_id: str, verdict: Verdict) -> Check:
    return Check(
        claim_id=claim_id,
        instance="made up",
        lhs=1.0,
        rhs=2.0,
        slack=1.0,
        verdict=verdict,
        evidence=Evidence.EXACT,
        assumptions={},
    )


H, V, N, U, VAC = Verdict.HOLDS, Verdict.VIOLATED, Verdict.ASSUMPTION_UNMET, Verdict.UNDECIDED, Verdict.VACUOUS
PROVED, LITERATURE, CONJECTURED, PRINTED = "L3", "L9x", "L3.tree", "T1.assumption2"
JUDGED = [
    (PROVED, (H,), True),
    (PROVED, (H, N, VAC), True),
    (PROVED, (V,), False),
    (PROVED, (H, H, V), False),
    (PROVED, (U,), False),
    (PROVED, (H, U), False),
    (PROVED, (N,), False),
    (PROVED, (N, N), False),
    (PROVED, (VAC,), False),
    (PROVED, (N, VAC), False),
    (LITERATURE, (H,), True),
    (LITERATURE, (H, V), False),
    (LITERATURE, (U, H), False),
    (LITERATURE, (N,), False),
    (CONJECTURED, (V,), None),
    (CONJECTURED, (H,), None),
    (CONJECTURED, (N,), None),
    (PRINTED, (V,), True),
    (PRINTED, (H, V, N), True),
    (PRINTED, (H,), False),
    (PRINTED, (U, VAC, N), False),
]


@pytest.mark.parametrize(("claim_id", "verdicts", "success"), JUDGED, ids=lambda value: "")
def test_success_and_exit_code(
    claim_id: str,
    verdicts: tuple[Verdict, ...],
    success: bool | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = [check(claim_id, verdict) for verdict in verdicts]
    assert {name: outcome.success for name, outcome in verification.judge(made).items()} == {claim_id: success}
    good = [check(other, V if other == PRINTED else H) for other in (PROVED, LITERATURE, PRINTED) if other != claim_id]
    monkeypatch.setattr(verification, "run", lambda plan, progress, workers: [*made, *good])
    monkeypatch.setattr(verify.plots, "load_figure", lambda name: SimpleNamespace(draw=lambda source, out: []))
    code = Verify(quick=True, out=tmp_path).run()
    summary = capsys.readouterr().out.splitlines()[-1]
    assert code == (1 if success is False else 0)
    assert summary.startswith(f"FAILED ({claim_id}): ") == (success is False)
    assert len(json.loads((tmp_path / "checks.json").read_text())["checks"]) == len(made) + len(good)


@pytest.mark.parametrize("width", [80, 90, 100, 120, 160])
def test_a_narrow_table_cuts_nothing_that_matters(width: int) -> None:
    """Claim ids, numbers and verdicts are whole at any width; columns are dropped instead."""
    made = [
        replace(check(claim_id, H), lhs=-2.776e-17, rhs=1.234e-05, slack=-9.367e-08, instance="a long name " * 8)
        for claim_id in CLAIMS
    ]
    out = Console(width=width, file=StringIO(), color_system=None)
    out.print(verify._table(verification.judge(made), width))
    text = out.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    for claim_id in CLAIMS:
        assert sum(line.split()[:1] == [claim_id] for line in text.splitlines()) == 1
    assert text.count("-2.776e-17") == text.count("-9.367e-08") == len(CLAIMS)


def test_workers_do_not_change_the_result() -> None:
    todo = suite.plan(["L5", "T1.biased"], "quick")[:12]
    assert verification.run(todo, lambda done, what: None, 2) == verification.run(todo, lambda done, what: None)


def test_parts_and_wholes_go_to_different_folders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert here(capsys, "verify", "--claim", "T1.drift").code == 0
    assert [path.name for path in Path("results").iterdir()] == ["verify-part"]


def test_the_standings_used_above() -> None:
    assert [CLAIMS[i].standing for i in (PROVED, LITERATURE, CONJECTURED, PRINTED)] == [
        Standing.PROVED,
        Standing.LITERATURE,
        Standing.CONJECTURED,
        Standing.PRINTED,
    ]


def test_a_false_statement_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: a proved inequality turned round must be violated by the real numbers."""
    claim = CLAIMS["L3.bandit"]
    turned = replace(claim, statement=type(claim.statement)(claim.statement.rhs, claim.statement.lhs))
    monkeypatch.setattr(
        verify, "plan", lambda chosen, level, budget: [(turned, i) for _, i in suite.plan([claim.id], "quick")]
    )
    done = here(capsys, "verify", "--quick", "--claim", "L3.bandit", "--out", str(tmp_path))
    assert done.code == 1
    assert done.out.splitlines()[-1].startswith("FAILED (L3.bandit): 0 of 1 proved and literature claims hold on ")
    assert "violated" in done.out
    verdicts = [found["verdict"] for found in json.loads((tmp_path / "checks.json").read_text())["checks"]]
    assert "violated" in verdicts


def test_chosen_claims_only_and_json_on_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = here(
        capsys, "verify", "--quick", "--claim", "L8.pair", "--claim", "T1.drift", "--out", str(tmp_path), "--json", "-"
    )
    assert (done.code, done.err) == (0, "")
    assert {found["claim"] for found in json.loads(done.out)["checks"]} == {"L8.pair", "T1.drift"}


def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("kept")
    line = refused(here(capsys, "verify", "--quick", "--claim", "T1.drift", "--out", str(tmp_path / "file")))
    assert line.startswith(f"{tmp_path / 'file'}: cannot write there (")
    assert (tmp_path / "file").read_text() == "kept"


def test_the_check_to_show_is_the_worst() -> None:
    made = [check(PROVED, H), replace(check(PROVED, H), slack=0.1, instance="tight"), check(PROVED, VAC)]
    assert verification.judge(made)[PROVED].telling.instance == "tight"
    for worse in (U, V):
        made.append(replace(check(PROVED, worse), instance=str(worse)))
        assert verification.judge(made)[PROVED].telling.instance == str(worse)
