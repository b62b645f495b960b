"""``tamdp falsify`` and ``tamdp certify``: what a user runs, and what they get back."""

import json
from pathlib import Path

import pytest

from bounds import CLAIMS, Instance, Standing, certificates
from experiments.falsification.candidate import Chart, of_instance
from experiments.falsification.search import falsify
from experiments.falsification.smooth import descend, is_smooth
from tamdp_theory import TAMDP, TabularSoftmax, families
from tests.helpers.command import DRIFT, here, refused
from tests.helpers.controls import SEARCHED


@pytest.mark.parametrize("claim_id", [c.id for c in CLAIMS.values() if c.standing is Standing.PRINTED])
def test_a_printed_claim_is_refuted_and_certified(
    claim_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = here(capsys, "falsify", claim_id, "--out", str(tmp_path))
    assert (done.code, done.err) == (0, "")
    assert "violated" in done.out.splitlines()[2]
    path = tmp_path / f"{claim_id}.json"
    assert certificates.verify(path).verdict == "violated"
    again = here(capsys, "certify", str(path))
    assert (again.code, again.out.splitlines()[-1]) == (0, "violated on this instance: verified")
    content = json.loads(path.read_text())
    content["lhs"] = "7/8"
    path.write_text(json.dumps(content))
    assert refused(here(capsys, "certify", str(path))).startswith(f"{path}: refused: digest")


@pytest.mark.parametrize(("claim_id", "assumption"), SEARCHED)
def test_a_dropped_assumption_is_refuted(claim_id: str, assumption: str) -> None:
    found = falsify(CLAIMS[claim_id], (assumption,), seconds=60)
    assert found.violated
    assert found.certificate is not None, found.reason
    assert found.certificate.assumptions[assumption] is False
    certificates.check(found.certificate)


@pytest.mark.parametrize("claim_id", ["L3", "L9", "T2.gradient.tabular", "T2.suboptimality"])
def test_a_proved_claim_stands_and_shows_its_tightest_instance(
    claim_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = here(capsys, "falsify", claim_id, "--seconds", "3", "--out", str(tmp_path))
    assert done.code == 0
    assert "not violated; tightest instance met" in done.out
    assert "left over right" in done.out


def test_descent_comes_close_to_the_sharp_constant() -> None:
    """L3.tree: autograd alone brings a random tree from below .6 to above .98 of 27/128."""
    env = families.random_tree(seed=1, prompts=1, tools=1, answers=2, max_tool_depth=1, components=1)
    claim = CLAIMS["L3.tree"]
    start = of_instance(claim_instance(env), claim, ())
    assert start is not None and is_smooth(claim, start)
    ratios = []
    for candidate in (start, *descend(claim, start)):
        check = claim.check(candidate.instance())
        assert check.lhs is not None and check.rhs is not None
        ratios.append(check.lhs / check.rhs)
    assert ratios[0] < 0.6
    assert max(ratios) > 0.98


def claim_instance(env: TAMDP) -> Instance:
    return Instance(env, TabularSoftmax(env))


def test_a_chart_returns_to_where_it_started() -> None:
    env = families.random_tree(seed=1, prompts=2, tools=1, answers=2, max_tool_depth=1, components=2)
    start = of_instance(claim_instance(env), CLAIMS["L9"], ())
    assert start is not None
    for rewards in (False, True):
        chart = Chart(start, rewards)
        back = chart.decode(chart.encode())
        one, two = (CLAIMS["L9"].check(candidate.instance()) for candidate in (start, back))
        assert two.lhs == pytest.approx(one.lhs, rel=1e-6)


def test_bad_requests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(here(capsys, "falsify", "L9", "--without", "gravity", "--out", str(tmp_path))).startswith(
        "without: L9 has no assumption 'gravity'"
    )
    assert refused(here(capsys, "falsify", "L9", "--seconds", "-1", "--out", str(tmp_path))).startswith(
        "seconds: must be positive"
    )
    assert refused(here(capsys, "falsify", "nothing")).startswith("no claim 'nothing'")
    assert "cannot read" in refused(here(capsys, "certify", str(tmp_path / "none.json")))
    assert refused(here(capsys, "certify", DRIFT, "--group-size", "3")).startswith("group-size: belongs to --claim")
    assert refused(here(capsys, "falsify", "L9", "--without", "center", "--without", "center")).startswith(
        "without: given twice: center"
    )
    assert "its check trains, samples or sums over training sets" in refused(
        here(capsys, "certify", DRIFT, "--claim", "T1.stationary")
    )


def test_a_certificate_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "drift.json"
    done = here(capsys, "certify", DRIFT, "--claim", "T1.drift", "--group-size", "2", "--out", str(path))
    assert done.code == 0
    found = certificates.verify(path)
    assert (found.lhs, found.rhs, found.verdict) == ("-3/800", "0", "holds")


def test_shipped_certificates_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    wanted = {c.id for c in CLAIMS.values() if c.standing is Standing.PRINTED or c.kind == "example"}
    assert set(certificates.shipped()) == wanted
    for claim_id, path in certificates.shipped().items():
        assert certificates.verify(path).digest == certificates.example_certificate(CLAIMS[claim_id]).digest
    done = here(capsys, "certify")
    assert (done.code, done.out.splitlines()[-1]) == (0, "all verified")
