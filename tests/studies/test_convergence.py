"""The convergence study by other routes: steps and bounds by hand, the claims' own checks, one run alone, and its
figure.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bounds
from bounds import symbols as s
from experiments import runner
from experiments.studies import convergence as study
from figures import convergence as figure
from tamdp_theory import InputError, TabularSoftmax, exact, families, grpo
from tamdp_theory.exact import Scheme
from tamdp_theory.exact.update_potential import find_potential
from tests.helpers.tables import quick_table

CONFIG = study.Config("composite", "normalize_then_sum", 4, "tuned", steps=16, runs=3, seed=5)


def values(rows: list[dict[str, Any]], series: str) -> dict[int, float]:
    return {row["T"]: row["value"] for row in rows if row["series"] == series}


def start(
    normalization: exact.Normalization = "normalize_then_sum", size: int = 4
) -> tuple[Any, TabularSoftmax, Scheme]:
    env = families.number_line(3, 2)
    return env, TabularSoftmax(env), Scheme(size, normalization)


def test_tuned_steps_and_bounds_by_hand() -> None:
    rows = study.run(CONFIG)
    env, policy, scheme = start()
    potential = find_potential(env, scheme)
    assert potential is not None
    gap, smooth, noise = potential.upper - potential.value(policy), potential.smoothness, potential.variance_bound
    assert sorted(values(rows, "mean")) == [1, 4, 16]
    for steps in (1, 4, 16):
        eta = next(row["eta"] for row in rows if row["T"] == steps)
        assert eta == pytest.approx(min(1 / smooth, np.sqrt(2 * gap / (smooth * noise * steps))), rel=1e-12)
        assert values(rows, "T1.stationary")[steps] == pytest.approx(
            2 * gap / (eta * steps) + smooth * eta * noise, rel=1e-12
        )
        mean_variance = values(rows, "variance")[steps]
        assert values(rows, "T1.stationary.path")[steps] == pytest.approx(
            2 * gap / (eta * steps) + smooth * eta * mean_variance, rel=1e-12
        )
        assert (
            0
            < values(rows, "mean")[steps]
            < values(rows, "T1.stationary.path")[steps]
            < values(rows, "T1.stationary")[steps]
        )


def test_means_by_running_each_seed_alone() -> None:
    """||grad F||^2 from L7's slopes times gradients of success probabilities, along a path of single steps."""
    env, policy, scheme = start()
    potential = find_potential(env, scheme)
    assert potential is not None
    rows = study.run(CONFIG)
    eta = next(row["eta"] for row in rows if row["T"] == 4)
    found = []
    for run in range(CONFIG.runs):
        total = 0.0
        for steps in range(4):
            settings = grpo.Config(
                mode="sampled", steps=steps, learning_rate=eta, group_size=4, normalization="normalize_then_sum"
            )
            at = policy.with_parameters(
                grpo.train(env, policy, settings, [np.random.default_rng([5, 4, run])]).parameters[0]
            )
            gradient = np.zeros(policy.n_parameters)
            for q, (law, classes) in enumerate(zip(exact.reward_law(env, at), env.prompt_classes, strict=True)):
                for j in np.flatnonzero(potential.coefficient[q]):
                    high = potential.high[classes, j]
                    slope = exact.potential_slope(float(high @ law.probability), 4)
                    gradient += (
                        env.prompt_probability[q] * potential.coefficient[q, j] * float(slope) * (high @ law.gradient)
                    )
            total += float(gradient @ gradient) / 4
        found.append(total)
    assert values(rows, "mean")[4] == pytest.approx(np.mean(found), rel=1e-9)
    half = next(row["half"] for row in rows if row["series"] == "mean" and row["T"] == 4)
    assert half == pytest.approx(4.302652729911275 * np.std(found, ddof=1) / np.sqrt(3), rel=1e-9)


def test_exact_training_agrees_with_the_claim() -> None:
    rows = study.run(study.Config("composite", "center", 4, "exact", steps=32))
    env, policy, scheme = start("center")
    check = bounds.CLAIMS["T1.exact.start"].check(bounds.Instance(env, policy, scheme, steps=32))
    assert check.verdict == "holds"
    assert (values(rows, "least")[32], values(rows, "T1.exact.start")[32]) == pytest.approx(
        (check.lhs, check.rhs), rel=1e-12
    )
    j, kappa = exact.values(env, policy), 3 / 4
    eta = 1 / (kappa * exact.smoothness(env))
    assert values(rows, "T1.stationary.path")[32] == pytest.approx(2 * kappa * (1 - j.total) / (eta * 32), rel=1e-12)
    assert "variance" not in {row["series"] for row in rows}
    assert all(row["half"] == 0 for row in rows)


def test_without_a_potential_the_drift_constant_is_measured() -> None:
    config = study.Config("composite", "sum_then_normalize", 4, "largest", steps=8, runs=3)
    rows = study.run(config)
    env, policy, _ = start()
    eta = 1 / exact.smoothness(env)
    settings = grpo.Config(
        mode="sampled", steps=8, learning_rate=eta, group_size=4, record_update=True, record_variance=True
    )
    path = grpo.train(env, policy, settings, [np.random.default_rng([0, 8, run]) for run in range(3)])
    alpha = path.drift[:, :4].sum() / path.gradient_norm2[:, :4].sum()
    second = (path.update_norm2 + path.variance)[:, :5].max()
    assert {row["objective"] for row in rows} == {"J"}
    assert values(rows, "alpha")[4] == pytest.approx(alpha, rel=1e-12)
    gap = 1 - exact.values(env, policy).total
    rhs = gap / (alpha * eta * 4) + exact.smoothness(env) * eta * second / (2 * alpha)
    assert values(rows, "T1.biased")[4] == pytest.approx(rhs, rel=1e-12)
    assert values(rows, "gap")[8] == pytest.approx(1 - path.total[:, -1].mean(), rel=1e-12)


def test_no_promise_where_the_update_points_downhill() -> None:
    problem = study.Problem(
        bounds.CLAIMS["T1.biased"], None, {s.J_star: 1.0, s.J_0: 0.5, s.L_J: 1.0, s.M_2: 1.0, s.alpha: 1.0}, s.M_2, 1.0
    )
    one = np.ones((2, 3))
    path = grpo.History(
        grpo.Config(),
        np.arange(3),
        one,
        components=one[..., None],
        gradient_norm2=one,
        parameters=one,
        update_norm2=one,
        drift=-one,
        variance=one,
    )
    assert problem.bounds("largest", 2, 0.1, path) == {"variance": 1.0, "alpha": -1.0}


def test_rates_of_powers_and_of_one_point() -> None:
    times = [1, 2, 4, 8]
    means = np.array([[3.0 * t**-0.5, 2.0 * t**-1.0] for t in times])
    means[0] = 99.0  # before the fit begins
    assert study.rates(times, means, 2) == pytest.approx([-0.5, -1.0], rel=1e-12)
    assert study.rates([1], np.array([[2.0]]), 0.5).tolist() == [0.0]


def test_rows_are_the_same_bits_again_and_other_for_another_seed() -> None:
    first, again = study.run(CONFIG), study.run(CONFIG)
    assert first == again
    other = study.run(study.Config("composite", "normalize_then_sum", 4, "tuned", steps=16, runs=3, seed=6))
    assert values(other, "mean") != values(first, "mean")


@pytest.mark.parametrize("bad", [{"steps": 0}, {"runs": 1}, {"seed": -1}])
def test_bad_settings_are_named(bad: dict[str, int]) -> None:
    with pytest.raises(InputError, match=next(iter(bad))):
        study.Config(**bad)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quick_table(study, tmp_path_factory.mktemp("study"))


def test_figure_of_a_quick_table(table: Path, tmp_path: Path) -> None:
    pdf, png = figure.draw(table, tmp_path)
    assert pdf.read_bytes().startswith(b"%PDF") and b"/Type3" not in pdf.read_bytes()
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "n = 6 runs" in (tmp_path / "convergence.txt").read_text()
    assert "T1.biased" in (tmp_path / "convergence.tex").read_text()


def test_every_bound_holds_on_the_quick_table(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    study.summary(runner.read_table(table), Console(width=200))
    said = capsys.readouterr().out
    assert said.count("above it in 0 of") == 4
    assert said.count("rate -") == 24


@pytest.mark.parametrize(
    ("old", "new"), [("series", "other"), (",half\n", ",other\n"), ("center", "7"), ("mean", '"mean')]
)
def test_a_damaged_table_is_named(table: Path, tmp_path: Path, old: str, new: str) -> None:
    bad = tmp_path / "convergence" / "table.csv"
    bad.parent.mkdir()
    bad.write_text(table.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match="tamdp run convergence"):
        figure.draw(bad, tmp_path)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing; make it with `tamdp run"):
        figure.draw(tmp_path / "convergence" / "table.csv", tmp_path)
