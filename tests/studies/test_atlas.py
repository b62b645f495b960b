"""The atlas: entries against closed forms and the theory's own list, the study's integrals, its figure, the command."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import figures.atlas
from experiments import atlas as entries
from experiments import batch_atlas
from experiments.studies import atlas
from experiments.studies.atlas import Config, integral, run, sweep
from tamdp_theory import InputError, estimators, exact
from tamdp_theory.exact import potential
from tests.helpers.command import Captured, here, refused
from tests.helpers.tables import check_figure, quick_table, rows_of


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quick_table(atlas, tmp_path_factory.mktemp("atlas"))


@pytest.mark.parametrize("size", [2, 5, 8, 17])
def test_integrals_are_the_potentials(size: int) -> None:
    p = np.array([0.001, 0.3, 0.5, 0.99, 1.0])
    found = {
        name: integral(entries.scheme_of(name, size), p) for name in ("leave_one_out", "max_rl", "sum_then_normalize")
    }
    np.testing.assert_allclose(found["leave_one_out"], p, rtol=1e-12)
    np.testing.assert_allclose(found["sum_then_normalize"], potential(p, size), rtol=1e-10)
    series = sum((1 - (1 - p) ** k) / k for k in range(1, size))
    np.testing.assert_allclose(found["max_rl"], series, rtol=1e-10)
    best = integral(entries.scheme_of("best_minus_second", size), p)
    np.testing.assert_allclose(best, (1 - (1 - p) ** size) / size, rtol=1e-10)


def test_every_estimator_is_there_and_says_whether_it_has_an_objective() -> None:
    found = {entry.name: entry for entry in entries.atlas(5, "graded")}
    assert {name.replace("_at_k", "_at_2") for name in estimators.families()} <= set(found)
    closed = {name for name, entry in found.items() if entry.closed}
    assert closed >= {"center", "leave_one_out", "median", "max_at_2", "best_minus_second", "length_baseline", "signed"}
    assert not closed & {
        "sum_then_normalize",
        "rank",
        "sign",
        "range",
        "softmax",
        "max_rl",
        "best_minus_second(std=True)",
    }
    for entry in found.values():
        assert (entry.witness == "") is (entry.closed is True)
        assert 0 <= entry.silent <= 1 and entry.summary
        assert entry.name == "mad" or (entry.variance is not None and entry.variance > 0)
        # what it climbs is said of the kinds that climb something whatever the rewards
        assert not (type(estimators.resolve(entry.name)).climbs[0] and entry.closed is False) or "std" in entry.name
    assert found["center"].lowers == "never" and found["sum_then_normalize"].lowers.startswith("bandit-drift, G = 2")
    assert found["leave_one_out_normalize"].lowers == "never on one prompt" and found["signed"].lowers == "never"
    assert found["signed(negative=0)"].lowers.startswith("likely-or-sure, G = 2")
    assert found["center"].variance == pytest.approx(1) and found["leave_one_out"].hard == pytest.approx(1)
    assert found["sum_then_normalize"].silent == pytest.approx(0.8**5 + 0.2**5)
    # the best member alone learns where it is alone: one success in five
    assert found["best_minus_second"].silent == pytest.approx(1 - 5 * 0.2 * 0.8**4)
    assert found["best_minus_second"].hard == pytest.approx((0.99 / 0.5) ** 4)


def test_what_is_climbed_is_what_is_said() -> None:
    """The words of an objective, evaluated on the law of a group, against the exact objective's table."""
    values, law, size = [0.0, 0.3, 0.45, 1.0], np.array([0.1, 0.2, 0.3, 0.4]), 4
    groups = np.array(list(np.ndindex(*(4,) * size)))
    chance, rewards = law[groups].prod(axis=1), np.array(values)[groups]
    said = {
        "center": (size - 1) / size * law @ values,
        "leave_one_out": law @ values,
        "max_at_2": chance @ rewards[:, :2].max(axis=1) / 2,
        "best_minus_second": chance @ rewards.max(axis=1) / size,
        "median": law @ values - chance @ np.median(rewards, axis=1) / size,
    }
    for name, expected in said.items():
        phi = estimators.objective(name, ["0", "3/10", "9/20", "1"], size).objective
        assert phi is not None
        total = 0.0
        for counts, value in phi.items():
            ways = math.factorial(size) / math.prod(math.factorial(n) for n in counts)
            total += ways * float(np.prod(law ** np.array(counts))) * float(str(value.p)) / float(str(value.q))
        assert total / size == pytest.approx(expected, rel=1e-12), name


def test_rows_of_the_study(source: Path) -> None:
    table = rows_of(source)
    assert {row["estimator"] for row in table} == {config.estimator for config in sweep(quick=True)}
    for row in run(Config("rank", 4, 6)):
        assert row["slope"] == pytest.approx(0.75) and row["potential"] == pytest.approx(0.75 * row["p"])
    with pytest.raises(InputError, match="pass_at_4 needs groups of at least 5"):
        Config("pass_at_4", 4)


def test_figure(source: Path, tmp_path: Path) -> None:
    check_figure(figures.atlas, source, tmp_path, "slope")


def test_command(capsys: Captured, tmp_path: Path) -> None:
    done = here(capsys, "atlas", "--group-size", "3", "--reward", "levels", "--json", str(tmp_path / "atlas.json"))
    assert done.code == 0 and "sum_then_normalize" in done.out and "none: 0 →" in done.out
    saved = json.loads((tmp_path / "atlas.json").read_text())
    assert saved["group_size"] == 3 and {"closed", "climbs", "lowers", "uses"} <= set(saved["entries"][0])
    table = here(capsys, "atlas", "--group-size", "3", "--latex").out
    assert table.startswith(r"\begin{tabular}") and table.count(r"\\") == len(saved["entries"]) + 1
    for size in ("1", "65"):
        assert refused(here(capsys, "atlas", "--group-size", size)).startswith("group_size:")


def test_estimators_of_batches() -> None:
    """In the limit of many prompts: closed forms of the weights, silent shares, and B V by the delta method."""
    found = {entry.name: entry for entry in batch_atlas.entries(5, "graded")}
    assert {*estimators.batch_families()} <= set(found)
    for name, entry in found.items():
        like = entry.scheme.resolved.like  # type: ignore[union-attr]
        if like is None:
            assert entry.closed is None and entry.lowers == "not decided" and not entry.climbs
        elif name.startswith("gdpo"):
            same = entries.entry("normalize_then_sum", 5, "graded")
            assert entry.closed is False and entry.hard == pytest.approx(same.hard)
        else:
            assert entry.closed and entry.hard == pytest.approx(1) and entry.lowers == "never"
            assert "mean reward" in entry.climbs and ", over the" in entry.climbs
    assert found["batch_std"].silent == pytest.approx(0.8**5 + 0.2**5)
    assert found["reinforce_plus_plus"].silent == 0
    assert found["batch_normalize(mean_level=none, std_level=batch)"].silent == pytest.approx(0.8**5)
    # a prompt of p = .01 beside one of 1/2: about M = .255 the deviation of a group
    mean, size = 0.255, 5

    def slope(p: float) -> float:
        total = 0.0
        for k in range(size):
            chance = math.comb(size - 1, k) * p**k * (1 - p) ** (size - 1 - k)
            of = [math.sqrt(((k + own) * (1 - mean) ** 2 + (size - k - own) * mean**2) / (size - 1)) for own in (0, 1)]
            total += chance * ((1 - mean) / (of[1] + batch_atlas.EPS) + mean / (of[0] + batch_atlas.EPS))
        return total

    about = found["batch_normalize(mean_level=batch, std_level=group)"]
    assert about.hard == pytest.approx(slope(0.01) / slope(0.5), rel=1e-9)
    # one over the deviation: sqrt(p (1 - p)) of all members in place of p (1 - p), so a quarter of the variance
    scheme = batch_atlas.scheme_of("reinforce_plus_plus", 5, 4000)
    policy = batch_atlas._coins((0.2,))
    update = exact.batch_update(policy.env, policy, "reinforce_plus_plus", 5, 400, ddof=1)
    slope_of = float(np.diff(update.effective_reward)[0])
    alone = exact.update_moments(policy.env, policy, 4000, "leave_one_out").variance * 4000
    assert update.variance * 2000 / slope_of**2 == pytest.approx(alone / 4, rel=0.01) and scheme.batch == 4000
    assert batch_atlas.formula("batch_std") == r"\nabla\,\kappa\,\mathbb{E}c\,/\,\sigma_c"
    assert batch_atlas.formula("gdpo_batch") == ""
