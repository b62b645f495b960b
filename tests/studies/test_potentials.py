"""The study of potentials: closed forms, the limit of large groups, its figure."""

from io import StringIO
from math import pi, sqrt
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scipy import integrate, stats

import figures.potentials
from experiments.runner import read_table
from experiments.studies import potentials
from experiments.studies.potentials import Config, grid, run, sweep
from tamdp_theory import InputError, TabularSoftmax, exact, families
from tests.helpers.tables import check_figure, quick_table, rows_of

ZETA_HALF = -1.4603545088095868


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quick_table(potentials, tmp_path_factory.mktemp("potentials"))


@pytest.mark.parametrize(("size", "slope"), [(2, 1.0), (3, sqrt(2))])
def test_small_groups_climb_the_success_probability(size: int, slope: float) -> None:
    for row in run(Config(size, 12)):
        assert row["potential"] == pytest.approx(slope * row["p"], rel=1e-12)
        assert row["slope"] == pytest.approx(slope, rel=1e-12)
        assert row["slope_lower"] == pytest.approx(slope) and row["slope_upper"] == pytest.approx(slope)


def test_slope_as_an_expectation_and_as_a_derivative(source: Path) -> None:
    for row in rows_of(source):
        size, p = int(row["group_size"]), row["p"]
        s = np.arange(size + 1)
        expected = (stats.binom.pmf(s, size, p) * np.sqrt(s * (size - s))).sum() / (size * p * (1 - p))
        assert row["slope"] == pytest.approx(expected, rel=1e-9)
        assert row["measured_slope"] == pytest.approx(expected, rel=1e-9)
        assert row["slope_lower"] * (1 - 1e-9) <= row["slope"] <= row["slope_upper"] == pytest.approx(sqrt(size - 1))
    last = [row for row in rows_of(source) if row["group_size"] == 16]
    for name in ("", "limit_"):
        area = integrate.trapezoid([row[f"{name}slope"] for row in last], [row["p"] for row in last])
        assert last[-1][f"{name}potential"] - last[0][f"{name}potential"] == pytest.approx(area, rel=0.02)


def test_update_of_a_process_is_slope_times_gradient() -> None:
    row = run(Config(6, 8))[2]
    policy = TabularSoftmax(families.bandit([0, 1]), np.log([[1 - row["p"], row["p"]]]))
    gradient = row["p"] * (1 - row["p"])
    assert exact.update_moments(policy.env, policy, 6, "sum_then_normalize").mean[1] == pytest.approx(
        row["slope"] * gradient, rel=1e-10
    )
    assert exact.update_moments(policy.env, policy, 6, "center").mean[1] == pytest.approx(
        row["center_slope"] * gradient, rel=1e-10
    )
    assert row["center_potential"] == pytest.approx(5 / 6 * row["p"])


def test_height_falls_short_of_pi_by_the_square_root() -> None:
    """sum_s 1/sqrt(s (G - s)) = pi + 2 zeta(1/2)/sqrt G + O(G^(-3/2))."""
    for size in (16, 64):
        total = run(Config(size, 2))[0]["total"]
        assert total == pytest.approx(sum(1 / sqrt(s * (size - s)) for s in range(1, size)), rel=1e-12)
        assert (pi - total) * sqrt(size) == pytest.approx(-2 * ZETA_HALF, rel=0.1 / size)


def test_rate_of_the_slope_away_from_the_ends() -> None:
    row = next(row for row in run(Config(64, 16)) if abs(row["p"] - 0.5) < 1e-9)
    assert 1 - row["slope"] / row["limit_slope"] == pytest.approx(1 / (8 * 64 * 0.25), rel=0.02)


def test_grid_and_sweep() -> None:
    p = grid(32)
    assert len(p) == 31 and p[15] == pytest.approx(0.5) and np.allclose(p + p[::-1], 1)
    np.testing.assert_allclose(np.diff(np.arcsin(np.sqrt(p))), pi / 64, rtol=1e-9)
    assert {config.group_size for config in sweep(True)} < {config.group_size for config in sweep(False)}


def test_the_same_twice() -> None:
    assert run(Config(16, 40)) == run(Config(16, 40))


def test_what_it_says(source: Path) -> None:
    out = StringIO()
    potentials.summary(read_table(source), Console(width=200, file=out))
    line = next(line.split() for line in out.getvalue().splitlines() if line.split()[:1] == ["16"])
    assert line[1:5] == ["2.4081", "2.934", "1.9341", "1.054"] and 0.1 < float(line[-1]) < 0.2


def test_figure(source: Path, tmp_path: Path) -> None:
    check_figure(figures.potentials, source, tmp_path, "slope")


def test_values_out_of_range_are_named() -> None:
    with pytest.raises(InputError, match="points"):
        Config(points=1)
    with pytest.raises(InputError, match="group_size"):
        run(Config(1))
