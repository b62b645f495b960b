"""The study of tightness: which claims it has, ratios by another route, the constants of the literature, its figure."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import figures.tightness
from bounds import CLAIMS
from experiments.runner import read_table
from experiments.studies import tightness
from experiments.studies.tightness import Config
from tamdp_theory import InputError, TabularSoftmax
from tamdp_theory.model import TAMDP
from tests.helpers.tables import check_figure, quick_table, rows_of


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quick_table(tightness, tmp_path_factory.mktemp("tightness"))


@pytest.fixture(scope="module")
def rows(source: Path) -> list[dict[str, Any]]:
    return rows_of(source)


def test_every_inequality_with_an_exact_check_is_there(rows: list[dict[str, Any]]) -> None:
    expected = {claim.id for claim in CLAIMS.values() if claim.kind == "inequality"} - {
        "T1.stationary",
        "T1.stationary.path",
        "T1.biased",
        "T1.exactly",
        "T1.exactly.path",
        "T1.exactly.biased",
    }
    assert {row["claim"] for row in rows} == expected
    assert len(expected) >= 30


def test_what_is_proved_holds_and_what_is_printed_does_not(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        assert row["verdict"] in ("holds", "vacuous") or row["standing"] == "printed", row
        assert row["ratio"] >= 1 - 1e-9 or row["standing"] == "printed"
        assert row["lhs"] * row["ratio"] == pytest.approx(row["rhs"], rel=1e-8, abs=1e-300)
    assert {row["ratio"] for row in rows if row["claim"] == "T2.printed"} == {0.0}


def bandit_hessian(env: TAMDP, policy: TabularSoftmax) -> tuple[float, float]:
    """Norm of the Hessian of a bandit in closed form, and the largest rho_q (max c - min c), from the file format."""
    norms, ranges, pi = [], [], policy.probabilities()
    content = env.to_dict()
    weights = [float(Fraction(component["weight"])) for component in content["components"]]
    for q, (prompt, node) in enumerate(zip(content["prompts"], content["nodes"], strict=True)):
        outcomes = [
            [
                (
                    float(Fraction(edge["probability"])),
                    float(np.dot([float(Fraction(r)) for r in edge["rewards"]], weights)),
                )
                for edge in action["next"]
            ]
            for action in node["actions"]
        ]
        value = np.array([sum(p * c for p, c in arm) for arm in outcomes])
        own = pi[q, : len(value)]
        gain = own * (value - own @ value)
        norms.append(
            float(Fraction(prompt["probability"]))
            * np.abs(np.linalg.eigvalsh(np.diag(gain) - np.outer(gain, own) - np.outer(own, gain))).max()
        )
        ranges.append(float(Fraction(prompt["probability"])) * np.ptp([c for arm in outcomes for _, c in arm]))
    return max(norms), max(ranges)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_smoothness_of_a_bandit_in_closed_form(seed: int) -> None:
    config = Config("bandit", 2, 0, 1.5, seed)
    env = tightness.make_process(config)
    norm, spread = bandit_hessian(env, TabularSoftmax.random(env, np.random.default_rng([seed, 7]), 1.5))
    found = {row["constant"]: row for row in tightness.run(config) if row["claim"] == "L3"}
    for constant, factor in (("own", 1 / 2), ("bandit", 5 / 2), ("discounted", 8), ("one reward", 6)):
        assert found[constant]["lhs"] == pytest.approx(norm, rel=1e-8)
        assert found[constant]["rhs"] == pytest.approx(factor * spread, rel=1e-8)


def test_the_literature_is_looser_by_known_factors(rows: list[dict[str, Any]]) -> None:
    key = ("family", "components", "depth", "claim", "normalization", "group_size")
    seen = set()  # T2.benefit has two rows, joint and decomposed; the one of least slack need not stay the same
    own = {tuple(row[name] for name in key): row for row in rows if row["constant"] == "own"}
    for row in (row for row in rows if row["constant"] != "own"):
        h = row["horizon"]
        own_constant = 1 / 2 if row["claim"] == "L3" else 1 / (3 * np.sqrt(3)) if h == 1 else 9 / 40
        theirs = {"bandit": 5 / 2, "discounted": 8 * h**3, "one reward": 8 * h**2 - 2 * h}[row["constant"]]
        assert row["ratio"] / own[tuple(row[name] for name in key)]["ratio"] == pytest.approx(
            theirs / own_constant, rel=1e-8 if row["claim"] == "L3" else 0.2
        )
        assert row["constant"] != "bandit" or h == 1
        seen.add((row["claim"], row["constant"], h))
    assert {claim for claim, _, _ in seen} == {"L3", "T2.benefit"} and {h for _, _, h in seen} == {1, 2}


def test_the_derivatives_behind_the_constant_of_one_reward() -> None:
    generator, first, second = np.random.default_rng(0), [], []
    for _ in range(300):
        logits, u = 2 * generator.standard_normal((2, generator.integers(2, 5)))
        u /= np.linalg.norm(u)
        pi = np.exp(logits) / np.exp(logits).sum()
        centred = u - pi @ u
        first.append(np.abs(pi * centred).sum())
        second.append(np.abs(pi * (centred**2 - pi @ centred**2)).sum())
    assert 0.5 < max(first) <= 2 and 0.3 < max(second) <= 6


def test_the_same_twice_and_other_with_another_seed() -> None:
    config = Config("tree", 2, 1, 0.7, 2)
    assert tightness.run(config) == tightness.run(config)
    assert tightness.run(config) != tightness.run(Config("tree", 2, 1, 0.7, 3))


def test_what_it_says(source: Path) -> None:
    lines = tightness.findings(read_table(source))
    assert lines[1] == "violated somewhere: T2.printed (printed)"
    assert (
        lines[-1].startswith("H = 2, smoothness over exact Hessian norm, median: osc/2 of L3 ")
        and "bandit" not in lines[-1]
    )


def test_figure(source: Path, tmp_path: Path) -> None:
    check_figure(figures.tightness, source, tmp_path, "ratio")


def test_an_unknown_claim_is_no_row_of_the_figure(source: Path, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(source.read_text().replace("L9.components", "L99"))
    with pytest.raises(InputError, match="damaged, a claim or a constant that is unknown"):
        figures.tightness.draw(tmp_path / "table.csv", tmp_path)


@pytest.mark.parametrize(
    ("axis", "value"), [("components", 0), ("depth", -1), ("scale", -1.0), ("scale", float("nan")), ("seed", -1)]
)
def test_values_out_of_range_are_named(axis: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{axis}: must be at least"):
        Config(**{axis: value})
