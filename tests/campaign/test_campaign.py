"""A thousand checks of the campaign, faults that it must see, and its files."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sympy as sp

from bounds import CLAIMS, Standing, Verdict
from bounds import symbols as s
from experiments.campaign import chunks
from experiments.campaign.__main__ import Campaign
from experiments.campaign.instances import FAMILIES, draw
from experiments.campaign.judge import ENCLOSED, contradicts, run
from tests.helpers.seeds import moved

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.mark.parametrize("chunk", range(5))
def test_floats_and_exact_arithmetic_do_not_contradict_each_other(chunk: int) -> None:
    tally = run(moved(1), chunk, 4)
    assert not tally.contradictions, tally.contradictions[0]
    assert tally.checks == 4 * len(ENCLOSED)
    pairs = Counter({(floats, exact): 0 for floats in Verdict for exact in Verdict})
    for (_, floats, exact), count in tally.claims.items():
        pairs[floats, exact] += count
    assert pairs[Verdict.HOLDS, Verdict.HOLDS] > 20


def test_faults_are_seen() -> None:
    """A bound that is too small by a factor of four; and numbers that are not the instance's."""
    claim = CLAIMS["L2.bound"]
    small = replace(claim, statement=sp.Le(s.energy, s.H * (1 - 1 / s.A_max) / 4))
    assert any("violates what is proved" in text for text in run(1, 0, 12, (small,)).contradictions)
    blind = replace(
        small,
        standing=Standing.PRINTED,
        measure=lambda i: replace(claim.measure(i), numbers={**claim.measure(i).numbers, s.energy: 1e-9}),
    )
    assert any("contradict each other" in text for text in run(1, 0, 12, (blind,)).contradictions)
    empty = replace(claim, measure=lambda i: replace(claim.measure(i), numbers={s.energy: 0.1, s.H: 1, s.A_max: 2}))
    assert any("where nothing could fail" in text for text in run(1, 0, 40, (empty,)).contradictions)


def test_what_contradicts() -> None:
    proved, printed = CLAIMS["L2"], CLAIMS["T2.printed"]
    assert contradicts(proved, Verdict.UNDECIDED, Verdict.VIOLATED) and not contradicts(
        printed, Verdict.UNDECIDED, Verdict.VIOLATED
    )
    assert contradicts(printed, Verdict.HOLDS, Verdict.VIOLATED) and contradicts(
        printed, Verdict.VIOLATED, Verdict.HOLDS
    )
    assert contradicts(printed, Verdict.HOLDS, Verdict.ASSUMPTION_UNMET) and not contradicts(
        printed, Verdict.VACUOUS, Verdict.HOLDS
    )
    assert not contradicts(proved, Verdict.HOLDS, Verdict.UNDECIDED)


def test_every_family_is_drawn() -> None:
    seen = Counter(draw(np.random.default_rng([3, place]))[0] for place in range(200))
    assert set(seen) == set(FAMILIES)


def test_a_run_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[int] = []

    def chunk(seed: int, number: int) -> dict[str, object]:
        made.append(number)
        return {"key": chunks.key_of(seed, number)} | chunks.content_of(run(seed, number, 1, (CLAIMS["L2"],)))

    class Here:
        def __init__(self, *args: object, **more: object) -> None: ...
        def __enter__(self) -> "Here":
            return self

        def __exit__(self, *args: object) -> None: ...
        def submit(self, function: object, *args: int) -> object:
            from concurrent.futures import Future

            future: Future[object] = Future()
            future.set_result(chunk(*args))
            return future

    monkeypatch.setattr("experiments.campaign.__main__.ProcessPoolExecutor", Here)
    campaign = Campaign(checks=250 * len(ENCLOSED), out=tmp_path / "chunks", summary=tmp_path / "summary.json")
    assert campaign.run() == 0 and made == [0, 1, 2]
    first = (tmp_path / "summary.json").read_bytes()
    (tmp_path / "chunks" / "0-00001.json").write_text("{")
    assert campaign.run() == 0 and made == [0, 1, 2, 1]
    assert (tmp_path / "summary.json").read_bytes() == first
    assert json.loads(first)["checks"] == 3 and json.loads(first)["contradictions"] == 0
    assert "3 checks of floats against exact arithmetic" in capsys.readouterr().out
