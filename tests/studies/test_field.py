"""The study of the update as a vector field: closed forms of its curl, Stokes, listing of groups, its figure."""

from io import StringIO
from itertools import product
from math import pi
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import figures.field
from experiments.runner import read_table
from experiments.studies import field
from experiments.studies.field import ARMS, Config, circulation, grid, one_form, run, sweep
from tamdp_theory import InputError, TabularSoftmax, exact, families
from tests.helpers.tables import check_figure, quick_table, rows_of

JOINT: Any = "sum_then_normalize"
SPLIT: Any = "normalize_then_sum"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quick_table(field, tmp_path_factory.mktemp("field"))


def listed(config: Config, p: Any) -> Any:
    """h by every group of three arms, from the definition of advantages."""
    rows, w = np.array(ARMS[config.rewards][0], dtype=float), np.array(ARMS[config.rewards][1], dtype=float)
    h = np.zeros(3)
    for group in product(range(3), repeat=config.group_size):
        rewards = rows[list(group)]
        columns, weights = (
            (rewards, w) if config.normalization == SPLIT else ((rewards * w).sum(1, keepdims=True), np.ones(1))
        )
        spread = columns.std(0)
        live = spread > 1e-12
        advantage = float(((columns[0] - columns.mean(0))[live] / spread[live] * weights[live]).sum())
        h[group[0]] += np.prod(p[list(group[1:])]) * advantage
    return h - h.mean()


@pytest.mark.parametrize(("rewards", "normalization"), list(product(ARMS, (JOINT, SPLIT))))
def test_one_form_by_listing_groups(rewards: Any, normalization: Any) -> None:
    config, p = Config(rewards, normalization, group_size=4), np.array([0.2, 0.5, 0.3])
    np.testing.assert_allclose(one_form(config, p), listed(config, p), rtol=1e-10)


@pytest.mark.parametrize(("rewards", "normalization"), list(product(ARMS, (JOINT, SPLIT))))
def test_curl_by_differences_of_the_one_form(rewards: Any, normalization: Any) -> None:
    config, step = Config(rewards, normalization, group_size=5, points=7), 1e-5
    rows = run(config)
    inside = next(row for row in rows if min(row[f"p_{a}"] for a in range(3)) > 0.2)
    p = np.array([inside[f"p_{a}"] for a in range(3)])
    to_middle, to_best = np.array([-1, 1, 0]), np.array([-1, 0, 1])
    slope = [
        (one_form(config, p + step * move) - one_form(config, p - step * move)) / (2 * step)
        for move in (to_middle, to_best)
    ]
    assert inside["curl"] == pytest.approx(
        float((slope[0] * to_best).sum() - (slope[1] * to_middle).sum()), rel=1e-6, abs=1e-7
    )


@pytest.mark.parametrize("size", [2, 5, 8])
def test_circulation_is_the_height_of_the_potential_and_the_integral_of_the_curl(size: int) -> None:
    kinds: list[Any] = list(ARMS)
    for rewards in kinds:
        joint = Config(rewards, JOINT, size)
        assert circulation(joint) == pytest.approx(float(exact.potential(1.0, size)), rel=1e-12)
        assert circulation(joint) < pi
    assert circulation(Config("graded", SPLIT, size)) == pytest.approx(
        -float(exact.potential(1.0, size)) / 2, rel=1e-12
    )
    assert circulation(Config("stairs", SPLIT, size)) == pytest.approx(0, abs=1e-12)
    # Gauss in both coordinates of the triangle: exact for polynomials of this degree
    nodes, weights = np.polynomial.legendre.leggauss(size + 2)
    x, y = np.meshgrid((1 + nodes) / 2, (1 + nodes) / 2, indexing="ij")
    p = np.stack([(1 - x) * (1 - y), x * (1 - y), y], axis=-1).reshape(-1, 3)
    area = (weights[:, None] * weights * (1 - y) / 4).ravel()
    cases: tuple[tuple[Any, Any], ...] = (("stairs", JOINT), ("graded", SPLIT))
    for rewards, normalization in cases:
        twist = exact.curl(p, *ARMS[rewards], size, normalization)
        curl = np.einsum("i,nij,j->n", [-1, 1, 0], twist, [-1, 0, 1])
        assert (area * curl).sum() == pytest.approx(circulation(Config(rewards, normalization, size)), rel=1e-10)


def test_where_there_is_curl(source: Path) -> None:
    for row in rows_of(source):
        turning = row["normalization"] == JOINT or (row["normalization"] == SPLIT and row["rewards"] == "graded")
        assert (row["curl"] != 0) == turning
    np.testing.assert_allclose([row["curl"] for row in run(Config("trade-off", JOINT, 2, 6))], 2, rtol=1e-12)


def test_angle_is_that_of_the_tabular_update() -> None:
    config = Config("graded", SPLIT, 4, 10)
    env = families.bandit(ARMS["graded"][0], weights=ARMS["graded"][1])
    row = next(row for row in run(config) if min(row[f"p_{a}"] for a in range(3)) > 0.25)
    policy = TabularSoftmax(env, np.log([[row[f"p_{a}"] for a in range(3)]]))
    update, gradient = exact.update_moments(env, policy, 4, SPLIT).mean, exact.policy_gradient(env, policy)
    assert row["drift"] == pytest.approx(float((update * gradient).sum()), rel=1e-10)
    assert row["update_norm"] * row["gradient_norm"] == pytest.approx(
        float(np.linalg.norm(update) * np.linalg.norm(gradient)), rel=1e-10
    )
    assert 0 < row["drift"] < 0.9999 * row["update_norm"] * row["gradient_norm"]


def test_grid_and_sweep() -> None:
    p = grid(9)
    assert len(p) == 55 == len(np.unique(p, axis=0)) and p.min() == 0 and np.allclose(p.sum(1), 1)
    assert len(sweep(False)) == len(set(sweep(False))) == 27 and len(sweep(True)) == 9


def test_the_same_twice() -> None:
    assert run(Config("graded", SPLIT, 6, 8)) == run(Config("graded", SPLIT, 6, 8))


def test_what_it_says(source: Path) -> None:
    out = StringIO()
    field.summary(read_table(source), Console(width=200, file=out))
    assert (
        "center: no curl anywhere" in out.getvalue()
        and "normalize_then_sum: curl with rewards graded\n" in out.getvalue()
    )


def test_figure(source: Path, tmp_path: Path) -> None:
    check_figure(figures.field, source, tmp_path, "curl")


def test_a_table_of_other_cells_is_named(source: Path, tmp_path: Path) -> None:
    other = tmp_path / "field" / "table.csv"
    other.parent.mkdir()
    other.write_text(
        source.read_text().replace("stairs", "ladder").replace("trade-off", "deal").replace("graded", "marks")
    )
    with pytest.raises(InputError, match="are missing; make it again"):
        figures.field.draw(other, tmp_path)


@pytest.mark.parametrize(("axis", "value"), [("rewards", "none"), ("points", 2)])
def test_values_out_of_range_are_named(axis: str, value: Any) -> None:
    with pytest.raises(InputError, match=axis):
        Config(**{axis: value})
