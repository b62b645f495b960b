"""The thought study by other routes: the drift in two parts, one step by hand, ceilings, listing trajectories, and its
figure.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import runner
from experiments.studies import thought as study
from figures import thought as figure
from tamdp_theory import InputError, TabularSoftmax, exact, families
from tamdp_theory.model import THINK
from tests.helpers import oracle


def rows_of(**settings: Any) -> list[dict[str, Any]]:
    return study.run(study.Config(**({"steps": 5} | settings)))


@pytest.mark.parametrize("task", study.GAMES)
def test_drift_is_linear_in_the_weight_at_one_policy(task: str) -> None:
    drift = {
        weight: rows_of(task=task, think_weight=weight, seed=1, steps=1)[0]["drift"] for weight in (0.0, 0.25, 1.0)
    }
    assert drift[0.25] == pytest.approx(0.75 * drift[0.0] + 0.25 * drift[1.0], rel=1e-10)
    assert drift[1.0] != pytest.approx(drift[0.0], rel=1e-3)


def test_centred_drift_is_made_of_squared_norms() -> None:
    """kappa (||gradient at actions||^2 + lambda ||gradient at thoughts||^2), with the gradient by differences."""
    env = families.number_line(4, 4, True)
    policy = TabularSoftmax.random(env, np.random.default_rng(2))
    gradient = exact.policy_gradient(env, policy)
    direction = np.random.default_rng(0).standard_normal(policy.n_parameters)
    ahead, behind = (
        exact.values(env, policy.with_parameters(policy.parameters + h * direction)).total for h in (1e-5, -1e-5)
    )
    assert gradient @ direction == pytest.approx((ahead - behind) / 2e-5, rel=1e-6)
    by_pair = gradient[env.pair_parameter] ** 2
    thoughts, actions = by_pair[env.pair_kind == THINK].sum(), by_pair[env.pair_kind != THINK].sum()
    for weight in (0.0, 0.5, 1.0):
        found = rows_of(normalization="center", think_weight=weight, seed=2)[0]
        assert found["drift"] == pytest.approx(7 / 8 * (actions + weight * thoughts), rel=1e-10)
    assert rows_of(normalization="center", seed=2)[0]["cosine"] == pytest.approx(1, rel=1e-10)


def test_the_drift_is_the_slope_of_the_objective() -> None:
    """One short exact step changes J by the drift times its length."""
    rows = rows_of(think_weight=0.5, steps=1, learning_rate=1e-5, seed=1)
    assert (rows[1]["total"] - rows[0]["total"]) / 1e-5 == pytest.approx(rows[0]["drift"], rel=1e-4)


def test_success_and_careful_thoughts_by_listing_trajectories() -> None:
    found = rows_of(seed=3, steps=1)[0]
    env = families.number_line(4, 4, True)
    policy = TabularSoftmax.random(env, np.random.default_rng(3))
    content, success, careful, thoughts = env.to_dict(), 0.0, 0.0, 0.0
    for path in oracle.paths(content, policy.probabilities()):
        weight = path.probability * env.prompt_probability[path.prompt]
        success += weight * float(path.rewards[1])
        names = [content["nodes"][x]["actions"][a]["name"] for x, a in path.decisions]
        careful += weight * names.count("careful")
        thoughts += weight * (names.count("careful") + names.count("hasty"))
    assert found["success"] == pytest.approx(success, rel=1e-10)
    assert found["careful_start"] == pytest.approx(careful / thoughts, rel=1e-10)


def test_unweighted_thoughts_stay_below_the_ceiling_of_their_failures() -> None:
    """With lambda = 0 a uniform thought fails with probability (1/20 + 1/4)/2 = 3/20, whatever the actions learn."""
    ceiling = exact.optimal_values(families.number_line(4, 4, True, parse_failure=("3/20", "3/20"))).components[1]
    still, free = rows_of(think_weight=0.0, steps=150)[-1], rows_of(think_weight=1.0, steps=150)[-1]
    assert still["success"] < ceiling < free["success"] < free["best_success"]
    assert still["careful_end"] == pytest.approx(0.5, abs=1e-12) and free["careful_end"] > 0.7


def test_removed_thoughts_leave_the_game_without_parse_failures() -> None:
    rows = rows_of(thoughts="removed", task="blackjack")
    env = families.blackjack((6, 10), ((12, False), (16, False), (18, True)))
    assert rows[0]["success"] == pytest.approx(exact.values(env, TabularSoftmax(env)).components[1], rel=1e-12)
    assert (rows[0]["careful_start"], rows[0]["optimum"]) == (0.0, exact.optimal_values(env).total)


def test_rows_are_the_same_bits_again() -> None:
    assert rows_of(seed=1) == rows_of(seed=1)
    assert rows_of(seed=2) != rows_of(seed=1)
    assert [row["t"] for row in rows_of(steps=5)] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("bad", [{"steps": 0}, {"seed": -1}, {"task": "chess"}])
def test_bad_settings_are_named(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(bad))):
        study.Config(**bad)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quick sweep, with fewer steps."""
    path = tmp_path_factory.mktemp("study") / "thought" / "table.csv"
    path.parent.mkdir()
    configs = [study.Config(c.task, c.thoughts, c.think_weight, c.normalization, steps=8) for c in study.sweep(True)]
    path.write_text(runner.to_csv([row for config in configs for row in study.run(config)]))
    return path


def test_figure_of_a_quick_table(table: Path, tmp_path: Path) -> None:
    pdf, png = figure.draw(table, tmp_path)
    assert pdf.read_bytes().startswith(b"%PDF") and b"/Type3" not in pdf.read_bytes()
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "from the uniform policy" in (tmp_path / "thought.txt").read_text()


def test_summary_of_a_quick_table(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    study.summary(runner.read_table(table), Console(width=200))
    said = capsys.readouterr().out
    assert said.count("weight 0.25") == said.count("removed") == len(study.GAMES)
    columns = runner.read_table(table)
    rows = [
        i
        for i, t in enumerate(columns["t"])
        if t == 0 and columns["task"][i] == "blackjack" and columns["thoughts"][i] == "kept"
    ]
    least, most = (columns["drift"][i] for i in rows if columns["think_weight"][i] in (0.0, 1.0))
    assert f"blackjack, sum_then_normalize: thoughts make up {1 - least / most:.1%} of the drift" in said


@pytest.mark.parametrize(
    ("old", "new"), [("task", "other"), ("cosine", "other"), ("kept", "7"), ("number_line", '"number_line')]
)
def test_a_damaged_table_is_named(table: Path, tmp_path: Path, old: str, new: str) -> None:
    bad = tmp_path / "thought" / "table.csv"
    bad.parent.mkdir()
    bad.write_text(table.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match="tamdp run thought"):
        figure.draw(bad, tmp_path)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing; make it with `tamdp run"):
        figure.draw(tmp_path / "thought" / "table.csv", tmp_path)
