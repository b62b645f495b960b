"""The tightest instances that are kept: each certificate verifies, and its sides are as near as the table says."""

from pathlib import Path

import pytest

from bounds import CLAIMS, certificates
from bounds.decision import settle
from experiments import tightest

KNOWN = tightest.known()


@pytest.mark.parametrize("claim_id", [claim for claim, entry in KNOWN.items() if entry.certificate])
def test_certificates_verify_and_are_that_tight(claim_id: str) -> None:
    entry = KNOWN[claim_id]
    path = tightest.FOLDER / str(entry.certificate)
    certificate = certificates.verify(path)
    assert (certificate.claim, certificate.verdict) == (claim_id, "holds")
    decision, _ = settle(CLAIMS[claim_id], certificates._read_instance(certificate.instance))
    sides = sorted(float(certificates.balls.ball(side).mid()) for side in (decision.lhs, decision.rhs))
    assert entry.ratio >= tightest.KEPT
    assert sides[0] / sides[1] == pytest.approx(entry.ratio, rel=2e-6)


def test_the_table_is_of_inequalities_and_nothing_is_left_over() -> None:
    ids = {claim.id for claim in tightest.candidates()}
    assert set(KNOWN) <= ids and len(KNOWN) > 25
    files = {path.name for path in tightest.FOLDER.glob("*.json")} - {tightest.TABLE}
    assert files == {entry.certificate for entry in KNOWN.values() if entry.certificate}
    for entry in KNOWN.values():
        assert 0 < entry.ratio <= 1 + 1e-12 and bool(entry.certificate) == (entry.ratio >= tightest.KEPT)


def test_a_search_keeps_what_is_tighter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tightest, "FOLDER", tmp_path)
    assert tightest.known() == {}
    assert tightest.main(["L2.bound", "--seconds", "1"]) == 0
    (first,) = tightest.known().values()
    assert first.ratio == pytest.approx(1, abs=1e-3) and (tmp_path / "L2.bound.json").is_file()
    worse = {"L2.bound": tightest.Tightest(2.0, "never", 2, "center", None)}
    assert tightest.update(worse, CLAIMS["L2.bound"], 0.5, 1) == worse
