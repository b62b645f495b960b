"""The variance study by other routes: listing groups, closed forms, drawing groups, and its figure."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import runner
from experiments.studies import variance as study
from figures import variance as figure
from tamdp_theory import InputError, TabularSoftmax, exact, grpo
from tamdp_theory.exact import Scheme
from tamdp_theory.grpo.enumeration import enumerate_update
from tests.helpers.tables import quick_table

CENTER, JOINT, DECOMPOSED = "center", "sum_then_normalize", "normalize_then_sum"


def values(config: study.Config, normalization: str) -> dict[str, float]:
    return {row["series"]: row["value"] for row in study.run(config) if row["normalization"] == normalization}


@pytest.mark.parametrize(("shape", "gap"), list(product(study.SHAPES, (0.0, 0.5))))
def test_variance_by_listing_groups(shape: study.Shape, gap: float) -> None:
    env = study.make_process(shape, 3, gap)
    for normalization in (CENTER, JOINT, DECOMPOSED):
        brute = enumerate_update(env, TabularSoftmax(env), Scheme(4, normalization)).variance
        assert values(study.Config(shape, 3, 4, gap), normalization)["variance"] == pytest.approx(brute, rel=1e-10)


def test_variance_by_drawing_groups() -> None:
    """Arms, coins and advantages drawn by hand: independent components that carry news."""
    rng = np.random.default_rng(0)
    draws, size, count, gap = 200_000, 4, 2, 0.5
    arm = rng.integers(2, size=(draws, size))
    heads = rng.random((draws, size, count)) < (0.5 + gap / 2 - gap * arm)[..., None]
    gain = grpo.advantages(heads.astype(float), np.ones(count), DECOMPOSED)
    score = np.stack([0.5 - arm, arm - 0.5], axis=-1)
    found = (gain[..., None] * score).mean(axis=1)
    engine = values(study.Config("independent", count, size, gap), DECOMPOSED)["variance"]
    assert float(found.var(axis=0).sum()) == pytest.approx(engine, rel=0.01)


@pytest.mark.parametrize(("count", "size"), [(1, 2), (3, 8), (4, 4)])
def test_closed_forms_without_news(count: int, size: int) -> None:
    """E||s||^2 = 1/2; a coin is silent in a group with probability 2^(1 - G); centred, kappa/G of the variance of c."""
    active = 1 - 2.0 ** (1 - size)
    both = {shape: study.Config(shape, count, size) for shape in study.SHAPES}
    assert values(both["independent"], DECOMPOSED)["variance"] == pytest.approx(count * active / (2 * size), rel=1e-12)
    assert values(both["comonotone"], DECOMPOSED)["variance"] == pytest.approx(
        count**2 * active / (2 * size), rel=1e-12
    )
    assert values(both["comonotone"], JOINT)["variance"] == pytest.approx(active / (2 * size), rel=1e-12)
    kappa = (size - 1) / size
    assert values(both["independent"], CENTER)["variance"] == pytest.approx(kappa * count / 4 / (2 * size), rel=1e-12)
    assert values(both["comonotone"], CENTER)["variance"] == pytest.approx(kappa * count**2 / 4 / (2 * size), rel=1e-12)
    left = count % 2  # one coin stays when pairs cancel
    assert values(both["complementary"], DECOMPOSED)["variance"] == pytest.approx(
        left * active / (2 * size), rel=1e-12, abs=1e-15
    )
    for config in both.values():
        assert values(config, DECOMPOSED)["law"] == pytest.approx(count * active / (2 * size), rel=1e-12)
        assert values(config, CENTER)["L9.components"] == pytest.approx(kappa**2 * count**2 / (2 * size), rel=1e-12)
        assert values(config, DECOMPOSED)["L9.decomposed"] == pytest.approx(4 * count**2 / size, rel=1e-12)


def test_claims_appear_where_they_speak() -> None:
    assert {"T1.scaling.joint", "L9.decomposed"} <= values(study.Config("comonotone", 3, 4), JOINT).keys()
    assert "L9.decomposed" not in values(study.Config("independent", 3, 4), JOINT)  # four values of the composite
    assert "T1.scaling.independent" in values(study.Config("independent", 3, 4), DECOMPOSED)
    assert values(study.Config("independent", 3, 4), CENTER).keys() == {
        "variance",
        "alone",
        "law",
        "L9",
        "L9.components",
    }
    informative = values(study.Config("independent", 3, 4, 0.5), DECOMPOSED)
    assert informative.keys() == {"variance", "alone", "law", "L9.decomposed"}
    complementary = values(study.Config("complementary", 2, 4), DECOMPOSED)
    assert "T1.scaling.comonotone" not in complementary and complementary["variance"] == 0


def test_components_are_as_their_shape_says() -> None:
    for shape in study.SHAPES:
        env = study.make_process(shape, 2, 0.5)
        rewards = {tuple(map(int, row)) for row in env.exact_class_rewards}
        expected = {
            "independent": {(0, 0), (0, 1), (1, 0), (1, 1)},
            "comonotone": {(0, 0), (1, 1)},
            "complementary": {(0, 1), (1, 0)},
        }
        assert rewards == expected[shape]
        # pi (c(a) - J) at the better arm, with heads at 3/4 there and 1/4 at the other
        slope = 0.0 if shape == "complementary" else 0.5 * (1.5 - 1.0)
        assert exact.policy_gradient(env, TabularSoftmax(env)) == pytest.approx([slope, -slope], rel=1e-12, abs=1e-15)


def test_exponents_of_a_power_law() -> None:
    cells = [(k, g, 3 * k**1.5 / g) for k in (1.0, 2.0, 3.0) for g in (2.0, 4.0, 8.0)]
    assert study.exponents(cells) == "V ~ K^1.50 at G = 8; V ~ G^-1.00 at K = 3"
    assert study.exponents([(k, g, v * (k != 2)) for k, g, v in cells]).startswith("V = 0 at K = 2;")
    assert study.exponents(cells[:1]) == "one cell, no exponent"
    assert study.exponents([(2.0, 4.0, 0.0)]) == "V = 0 at K = 2"


def test_figure_without_odd_numbers_of_components(tmp_path: Path) -> None:
    path = tmp_path / "variance" / "table.csv"
    path.parent.mkdir()
    path.write_text(runner.to_csv(study.run(study.Config("complementary", 2, 4))))
    assert len(figure.draw(path, tmp_path)) == 2


def test_rows_are_the_same_bits_again() -> None:
    config = study.Config("independent", 3, 8, 0.5)
    assert study.run(config) == study.run(config)


@pytest.mark.parametrize("bad", [{"components": 0}, {"components": 11}, {"gap": 1.0}, {"gap": -0.1}])
def test_bad_settings_are_named(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(bad))):
        study.Config(**bad)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quick_table(study, tmp_path_factory.mktemp("study"))


def test_figure_of_a_quick_table(table: Path, tmp_path: Path) -> None:
    pdf, png = figure.draw(table, tmp_path)
    assert pdf.read_bytes().startswith(b"%PDF") and b"/Type3" not in pdf.read_bytes()
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "K = 3 at the smallest G" in (tmp_path / "variance.txt").read_text()


def test_summary_of_a_quick_table(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    study.summary(runner.read_table(table), Console(width=200))
    said = capsys.readouterr().out
    assert "gap 0, comonotone, normalize_then_sum: V ~ K^2.00 at G = 8" in said
    assert "gap 0, complementary, center: V = 0 at K = 2" in said
    assert "of the bound" in said


@pytest.mark.parametrize(
    ("old", "new"), [("shape", "other"), (",value\n", ",other\n"), ("center", "7"), ("comonotone", '"comonotone')]
)
def test_a_damaged_table_is_named(table: Path, tmp_path: Path, old: str, new: str) -> None:
    bad = tmp_path / "variance" / "table.csv"
    bad.parent.mkdir()
    bad.write_text(table.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match="tamdp run variance"):
        figure.draw(bad, tmp_path)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing; make it with `tamdp run"):
        figure.draw(tmp_path / "variance" / "table.csv", tmp_path)
