"""The study of decomposition: its processes by hand, the gains by listing pairs, training by a small simulation, its
figure.
"""

from dataclasses import replace
from fractions import Fraction
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import figures.decomposition
from bounds import CLAIMS
from bounds import symbols as s
from experiments.runner import read_table
from experiments.studies import decomposition
from experiments.studies.decomposition import MARGINALS, RATES, SIDES, Config, best_pairs, process, run, sweep
from tamdp_theory import InputError, TabularSoftmax, exact
from tests.helpers.tables import check_figure, quick_table, rows_of

SMALL = Config(steps=6, runs=4)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quick_table(decomposition, tmp_path_factory.mktemp("decomposition"))


def numbers(row: dict[str, Any], *names: str) -> list[float]:
    return [row[name] for name in names or ("guaranteed", "best_gain", "rollouts", "reached", "closed", "closed_error")]


def laws(config: Config) -> list[list[Any]]:
    """(probability, R_1, R_2) of each arm's outcomes, read from the process."""
    actions = process(config).to_dict()["nodes"][0]["actions"]
    return [
        [(float(Fraction(e["probability"])), *(float(Fraction(r)) for r in e["rewards"])) for e in action["next"]]
        for action in actions
    ]


@pytest.mark.parametrize(("task", "coupling"), list(product(MARGINALS, (-1.0, -0.3, 0.0, 0.6, 1.0))))
def test_coupling_leaves_the_marginals(task: Any, coupling: float) -> None:
    for law, (p, q) in zip(laws(Config(task, coupling=coupling)), MARGINALS[task], strict=True):
        first, second = (sum(row[0] for row in law if row[k] > 0) for k in (1, 2))
        assert (first, second) == pytest.approx((float(Fraction(p)), float(Fraction(q))), abs=1e-12)
        both = sum(row[0] for row in law if row[1] > 0 and row[2] > 0)
        sign = np.sign(coupling)
        assert np.sign(round(both - first * second, 12)) == sign


def test_ends_of_the_correlation() -> None:
    env = process(Config("aligned", coupling=1.0))
    assert decomposition.correlation(env, TabularSoftmax(env)) == pytest.approx(1)
    rows = [
        row for law in laws(Config("aligned", coupling=-1.0)) for row in [(chance / 3, *rest) for chance, *rest in law]
    ]
    chance, x, y = np.array(rows).T
    expected = ((chance * x * y).sum() - 0.25) / 0.25
    env = process(Config("aligned", coupling=-1.0))
    assert decomposition.correlation(env, TabularSoftmax(env)) == pytest.approx(expected) and expected < -0.7


def brute(config: Config, decomposed: bool) -> tuple[float, float]:
    """Drift and second moment at the uniform policy by listing every pair of rollouts, G = 2."""
    outcomes = [(chance / 3, arm, np.array(r)) for arm, law in enumerate(laws(config)) for chance, *r in law]
    w = process(config).weights
    drift, second, mean = 0.0, 0.0, sum(chance * (r * w).sum() for chance, _, r in outcomes)
    gradient = np.array(
        [sum(chance * (r * w).sum() for chance, arm, r in outcomes if arm == a) - mean / 3 for a in range(3)]
    )
    for (p, a, r), (q, b, t) in product(outcomes, outcomes):
        gain = (np.sign(r - t) * w).sum() if decomposed else np.sign(round(((r - t) * w).sum(), 12))
        step = gain * (np.eye(3)[a] - np.eye(3)[b]) / 2
        drift, second = drift + p * q * (step * gradient).sum(), second + p * q * (step**2).sum()
    return float(drift), float(second)


@pytest.mark.parametrize(("task", "carrier"), list(product(MARGINALS, ("reward", "weight"))))
def test_guaranteed_gain_by_listing_pairs(task: Any, carrier: Any) -> None:
    config = replace(SMALL, task=task, carrier=carrier, spread=0.5, coupling=-0.5, group_size=2)
    smooth = exact.smoothness(process(config))
    for row in run(config)[:: len(RATES)]:
        drift, second = brute(config, row["side"] == "decomposed")
        assert row["guaranteed"] == pytest.approx(max(drift, 0) ** 2 / (2 * smooth * second), rel=1e-9)
        side = CLAIMS["T2.benefit"].sides(
            {s.drift: drift, s.L_J: smooth, s.second_law: second, s.one_step: row["best_gain"]}
        )
        assert row["guaranteed"] == pytest.approx(float(side[0]), rel=1e-9) and side[0] <= side[1]


def test_the_joint_side_does_not_see_who_carries_the_spread() -> None:
    reward, weight = (
        run(replace(SMALL, task="trade-off", carrier=carrier, spread=0.5, coupling=0.4))
        for carrier in ("reward", "weight")
    )
    n = len(RATES)
    for one, other in zip(reward[:n], weight[:n], strict=True):
        assert one["side"] == "joint" and numbers(one) == pytest.approx(numbers(other), rel=1e-9)
    assert all(
        numbers(one) != pytest.approx(numbers(other), rel=1e-3)
        for one, other in zip(reward[n:], weight[n:], strict=True)
    )


def test_nothing_is_lost_where_equal_components_move_together() -> None:
    rows = run(replace(SMALL, coupling=1.0))
    for joint, split in zip(rows[: len(RATES)], rows[len(RATES) :], strict=True):
        assert numbers(joint) == pytest.approx(numbers(split), rel=1e-9)


def test_training_by_a_simulation() -> None:
    """Restricted mean of rollouts and closed share, by a loop of its own with other random numbers."""
    config, rate, runs = Config("trade-off", spread=0.5, coupling=0.3, steps=40, runs=128), 4.0, 1500
    table, generator = laws(config), np.random.default_rng(7)
    flat = [(chance, arm, r) for arm, law in enumerate(table) for chance, *r in law]
    rewards, arms = np.array([r for *_, r in flat]), np.array([arm for _, arm, _ in flat])
    w, value = (
        process(config).weights,
        np.array([sum(c * (np.array(r) * (0.5, 0.5)).sum() for c, *r in law) for law in table]),
    )
    rows = {(row["side"], row["learning_rate"]): row for row in run(config)}
    for side, _ in SIDES:
        theta, hit = np.zeros((runs, 3)), np.full(runs, config.steps)
        for step in range(config.steps + 1):
            pi = np.exp(theta - theta.max(1, keepdims=True))
            pi /= pi.sum(1, keepdims=True)
            closed = ((pi * value).sum(1) - value.mean()) / (value.max() - value.mean())
            hit[(closed >= 0.9) & (hit == config.steps)] = step
            if step == config.steps:
                break
            law = pi[:, arms] * np.array([c for c, *_ in flat])
            drawn = (generator.random((runs, config.group_size, 1)) > np.cumsum(law, 1)[:, None, :-1]).sum(-1)
            got = rewards[drawn]
            columns, weights = (got, w) if side == "decomposed" else ((got * w).sum(-1, keepdims=True), np.ones(1))
            spread = columns.std(1, keepdims=True)
            gain = (
                np.divide(
                    columns - columns.mean(1, keepdims=True), spread, out=np.zeros_like(columns), where=spread > 1e-9
                )
                * weights
            ).sum(-1)
            score = np.eye(3)[arms[drawn]] - pi[:, None, :]
            theta += rate * (gain[..., None] * score).mean(1)
        row = rows[side, rate]
        for name, values in (("rollouts", hit * config.group_size), ("closed", closed)):
            assert abs(row[name] - values.mean()) < 4.5 * np.hypot(
                row[f"{name}_error"], values.std() / np.sqrt(runs)
            ), (side, name)
        assert abs(row["reached"] - (hit < config.steps).mean()) < 0.2


def test_best_has_the_fewest_rollouts(source: Path) -> None:
    rows = rows_of(source)
    pairs = best_pairs(read_table(source))
    assert len(pairs) == len(sweep(True)) and len(rows) == 2 * len(RATES) * len(pairs)
    for best in (row for pair in pairs for row in pair):
        same = [
            row
            for row in rows
            if all(row[key] == best[key] for key in ("task", "carrier", "spread", "coupling", "side"))
        ]
        assert len(same) == len(RATES) and best["rollouts"] == min(row["rollouts"] for row in same)


def test_the_same_twice_and_other_with_another_seed() -> None:
    first = run(SMALL)
    assert first == run(SMALL)
    assert first != run(replace(SMALL, seed=1))
    assert len(sweep(False)) == len(set(sweep(False))) == 70


def test_what_it_says(source: Path) -> None:
    out = StringIO()
    decomposition.summary(read_table(source), Console(width=200, file=out))
    clear = [int(line.rpartition(" of ")[2].split()[0]) for line in out.getvalue().splitlines() if "foretells" in line]
    last = out.getvalue().splitlines()[-1]
    assert (
        clear[0]
        == clear[1]
        == sum(int(word.strip(",")) for word in (last.split(" on ")[1].split()[0], last.split()[-1]))
    )


def test_figure(source: Path, tmp_path: Path) -> None:
    check_figure(figures.decomposition, source, tmp_path, "rollouts")


def test_a_cell_without_its_other_half_is_named(source: Path, tmp_path: Path) -> None:
    half = tmp_path / "decomposition" / "table.csv"
    half.parent.mkdir()
    lines = source.read_text().splitlines()
    half.write_text("\n".join(line for line in lines if ",decomposed," not in line) + "\n")
    with pytest.raises(InputError, match="no 'decomposed' row"):
        figures.decomposition.draw(half, tmp_path)


@pytest.mark.parametrize(("axis", "value"), [("spread", 0.0), ("coupling", 1.5), ("runs", 1), ("task", "both")])
def test_values_out_of_range_are_named(axis: str, value: Any) -> None:
    with pytest.raises(InputError, match=axis):
        Config(**{axis: value})
