"""The study of tool depth: the chain, divergence by listing trajectories, the Hessian by differences, its figure."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import figures.depth
from bounds.pac_bayes.formulas import risk_bound
from experiments.runner import read_table
from experiments.studies import depth
from experiments.studies.depth import Config
from tamdp_theory import InputError, exact
from tamdp_theory.model import THINK, TOOL
from tests.helpers.tables import check_figure, quick_table, rows_of


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quick_table(depth, tmp_path_factory.mktemp("depth"))


@pytest.fixture(scope="module")
def rows(source: Path) -> list[dict[str, Any]]:
    return rows_of(source)


@pytest.mark.parametrize("thoughts", [0, 1, 3])
def test_the_chain_calls_no_tool_and_its_optimum_is_known(thoughts: int) -> None:
    env = depth.chain(thoughts)
    assert (env.horizon, env.max_tool_depth, env.n_nodes) == (thoughts + 1, 0, 3 * (2 * thoughts + 1))
    assert not (env.pair_kind == TOOL).any() and (env.pair_kind == THINK).any() == (thoughts > 0)
    assert exact.optimal_values(env).total == pytest.approx((2 / 4 + 3 / 4 + 4 / 4) / 3)


@pytest.mark.parametrize(("task", "d"), [("search", 1), ("coding", 1), ("chain", 2)])
def test_divergence_by_listing_trajectories(task: Any, d: int) -> None:
    config = Config(task, d, seed=3)
    env, policy = depth.make_instance(config).env, depth.make_instance(config).policy
    noise = np.random.default_rng(3).standard_normal(policy.n_parameters)
    reference = policy.with_parameters(policy.parameters + noise)
    paths = exact.enumerate_trajectories(env)
    ours, theirs = paths.log_policy(
        np.stack([np.log(policy.pair_probability), np.log(reference.pair_probability)], axis=1)
    ).T
    chance = env.prompt_probability[paths.prompt] * paths.kernel * np.exp(ours)
    assert chance.sum() == pytest.approx(1)
    row = depth.run(config)[0]
    assert row["kl"] == pytest.approx(float(chance @ (ours - theirs)), rel=1e-9)
    pi, other = (np.where(one.probabilities() > 0, one.probabilities(), 1.0) for one in (policy, reference))
    largest = (np.where(pi < 1, pi * np.log(pi / other), 0.0)).sum(axis=1).max()
    calls = 0 if task == "chain" else d
    longest = calls + (calls + 1) * (d + 1 if task == "chain" else 1)
    assert row["kl_bound"] == pytest.approx(longest * largest, rel=1e-9)
    assert row["kl_by_horizon"] == pytest.approx((d + 1) * largest, rel=1e-9)


@pytest.mark.parametrize(("task", "d"), [("coding", 1), ("chain", 1)])
def test_hessian_by_differences_of_the_gradient(task: Any, d: int) -> None:
    config, h = Config(task, d, seed=1), 1e-5
    env, policy = depth.make_instance(config).env, depth.make_instance(config).policy
    steps = h * np.eye(policy.n_parameters)
    difference = [
        (
            exact.policy_gradient(env, policy.with_parameters(policy.parameters + e))
            - exact.policy_gradient(env, policy.with_parameters(policy.parameters - e))
        )
        for e in steps
    ]
    assert depth.run(config)[0]["hessian"] == pytest.approx(
        np.abs(np.linalg.eigvalsh(np.array(difference) / (2 * h))).max(), rel=1e-6
    )


def test_what_bounds_know_of_depth(rows: list[dict[str, Any]]) -> None:
    assert {(row["task"], row["depth"]) for row in rows} == {
        (task, d) for task in ("search", "coding", "chain") for d in (0, 1, 2)
    }
    for row in rows:
        d, chain = row["depth"], row["task"] == "chain"
        assert (row["D"], row["B"], row["horizon"]) == (0 if chain else d, d + 1 if chain else 1, d + 1)
        assert row["horizon_bound"] == (d + 1 if chain else 2 * d + 1)
        assert row["smoothness"] == pytest.approx(
            (1 if chain or d else 0.8) / 6, rel=1e-9
        )  # rho = 1/3; no call, no failed call
        assert 0 < row["hessian"] <= row["smoothness"] and 0 < row["kl"] <= row["kl_by_horizon"] <= row["kl_bound"]
        assert row["risk"] < row["risk_bound"] < 1 and row["failure"] <= row["delta"]
        # concave in what is averaged over, nearly constant: the bound of the means is close to the mean bound
        assert row["risk_bound"] == pytest.approx(
            risk_bound(row["empirical"], row["n"], row["kl_posterior"], row["delta"]), abs=2e-3
        )


def test_the_same_twice() -> None:
    config = Config("coding", 2, seed=5)
    assert depth.run(config) == depth.run(config)
    assert depth.run(replace(config, seed=6)) != depth.run(config)


def test_what_it_says(source: Path) -> None:
    lines = depth.findings(read_table(source))
    assert [line.partition(":")[0] for line in lines] == [
        "search, D 0 to 2 (D = 2 at the end)",
        "coding, D 0 to 2 (D = 2 at the end)",
        "chain, thoughts 0 to 2 (D = 0 at the end)",
    ]


def test_figure(source: Path, tmp_path: Path) -> None:
    check_figure(figures.depth, source, tmp_path, "kl_bound")


def test_figure_without_a_hessian(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    from experiments.runner import to_csv

    (tmp_path / "table.csv").write_text(
        to_csv([row | ({"hessian": ""} if row["task"] == "search" else {}) for row in rows])
    )
    assert figures.depth.draw(tmp_path / "table.csv", tmp_path)


@pytest.mark.parametrize("axis", ["depth", "n", "seed"])
def test_values_out_of_range_are_named(axis: str) -> None:
    with pytest.raises(InputError, match=f"{axis}: must be at least"):
        Config(**{axis: -1})
