"""The verdict figure: drawn from the saved checks alone, the same bytes for the same checks, clear errors."""

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest

from figures.verdicts import draw
from tamdp_theory import InputError


def save(folder: Path, *checks: dict[str, Any]) -> None:
    (folder / "checks.json").write_text(json.dumps({"checks": list(checks)}))


def check(claim: str, lhs: float | None, rhs: float | None, verdict: str = "holds") -> dict[str, Any]:
    return {
        "claim": claim,
        "instance": "x",
        "lhs": lhs,
        "rhs": rhs,
        "slack": None,
        "verdict": verdict,
        "evidence": "exact",
        "assumptions": {},
    }


def test_a_figure_is_drawn_and_redrawn_alike(tmp_path: Path) -> None:
    save(
        tmp_path,
        check("L9", 1, 2),
        check("L4", 1, 9, "vacuous"),
        check("L3", 3, 2, "violated"),
        check("L1", None, None, "assumption_unmet"),
    )
    paths = draw(tmp_path / "checks.json", tmp_path)
    assert [path.name for path in paths] == ["verdicts.pdf", "verdicts.png"]
    first = [path.read_bytes() for path in paths]
    assert first[0].startswith(b"%PDF")
    assert first[1].startswith(b"\x89PNG")
    assert "log scale" in (tmp_path / "verdicts.txt").read_text()
    assert [path.read_bytes() for path in draw(tmp_path / "checks.json", tmp_path)] == first
    save(tmp_path, check("L9", 1, 3))
    assert draw(tmp_path / "checks.json", tmp_path)[1].read_bytes() != first[1]
    assert plt.get_fignums() == []


def test_nothing_to_draw(tmp_path: Path) -> None:
    save(tmp_path, check("L1", 1, 1), check("L9", 0, 1), check("T1.drift", -1, 0))
    assert draw(tmp_path / "checks.json", tmp_path) == []


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", '{"checks": [1]}', '{"checks": [{}]}'])
def test_a_damaged_result_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "checks.json").write_text(content)
    with pytest.raises(InputError, match=r"checks\.json: not a result of `tamdp verify`; run it again"):
        draw(tmp_path / "checks.json", tmp_path)


def test_a_missing_result_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        draw(tmp_path / "checks.json", tmp_path)
