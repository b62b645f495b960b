"""The study of generalization: coverage by listing every training set, shift bounds by the claims' own checks, its
figure.
"""

import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import figures.generalization
from bounds import CLAIMS, Generalization, Instance
from bounds.pac_bayes.formulas import bernstein_bound, risk_bound
from experiments.runner import read_table
from experiments.studies import generalization
from experiments.studies.generalization import SHIFTS, Config
from tamdp_theory import InputError, risks
from tamdp_theory.domains import restrict
from tests.helpers.tables import check_figure, quick_table, rows_of


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quick_table(generalization, tmp_path_factory.mktemp("generalization"))


@pytest.fixture(scope="module")
def rows(source: Path) -> list[dict[str, Any]]:
    return rows_of(source)


def small_kl(p: float, q: float) -> float:
    return sum(a * math.log(a / b) for a, b in ((p, q), (1 - p, 1 - q)) if a > 0)


@pytest.mark.parametrize("beta", [20.0, 200.0])
def test_coverage_of_the_quiz_by_listing_ordered_training_sets(beta: float) -> None:
    n, delta, rho, loss = 7, 0.6, (1 / 2, 1 / 3, 1 / 6), np.eye(3)  # policy j misses question j
    sets = []
    for drawn in itertools.product(range(3), repeat=n):
        empirical = loss[:, drawn].mean(axis=1)
        posterior = np.exp(-beta * empirical)
        posterior /= posterior.sum()
        divergence = sum(w * math.log(3 * w) for w in posterior if w > 0)
        sets.append(
            (
                math.prod(rho[q] for q in drawn),
                float(posterior @ empirical),
                float(posterior @ (loss @ rho)),
                max(divergence, 0.0),
                float(posterior @ (loss[:, list(drawn)] ** 2).mean(axis=1)),
            )
        )
    chance, learned, risk, divergence, square = np.array(sets).T
    failure, mean = {}, {}
    for claim in generalization.SAMPLES:
        if claim == "T3.bernstein":
            bound = bernstein_bound(learned, square, n, divergence, delta)
        else:
            bound = risk_bound(learned, n, divergence, delta, claim.removeprefix("T3."))
        failed = risk > bound
        if claim == "T3.kl":  # two-sided
            failed = (
                np.array([small_kl(*pair) for pair in zip(learned, risk, strict=True)])
                > (divergence + math.log(2 * math.sqrt(n) / delta)) / n
            )
        failure[claim], mean[claim] = float(chance @ failed), float(chance @ bound)
    found = {row["claim"]: row for row in generalization.run(Config("quiz", n, beta, delta=delta))}
    assert failure["T3.kl"] > 0
    for claim, row in found.items():
        assert row["failure"] == pytest.approx(failure[claim], rel=1e-9, abs=1e-12)
        assert row["bound"] == pytest.approx(mean[claim], rel=1e-9)
        assert row["sets"] == math.comb(n + 2, 2)


@pytest.mark.parametrize("overlap", [0.25, 1.0])
def test_shift_bounds_are_those_of_the_claims(overlap: float) -> None:
    config = Config(
        "shift", 50, inverse_temperature=1e7, overlap=overlap
    )  # so cold that the posterior is the best policy
    found = {row["claim"]: row for row in generalization.run(config)}
    domains, policies = generalization.search_class(overlap, 0)
    best = min(policies, key=lambda policy: risks(domains, policy).source)
    env = domains.source_process  # all prompts, with the source's probabilities
    policy = restrict(best, env)
    instance = Instance(env, policy, generalization=Generalization(domains.target, (policy,), n=50))
    for claim in SHIFTS:
        check = CLAIMS[claim].check(instance)
        assert check.lhs == pytest.approx(found[claim]["risk"], rel=1e-12)
        assert min(check.rhs or 0.0, 1.0) == pytest.approx(found[claim]["bound"], rel=1e-12)
        assert found[claim]["distance"] == 1 - overlap


def test_target_risk_moves_in_a_straight_line_with_the_overlap() -> None:
    # the posterior at zero inverse temperature is the prior, whatever the domains
    risk = {
        o: generalization.run(Config("shift", inverse_temperature=0, overlap=o))[0]["risk"] for o in (0.0, 0.5, 1.0)
    }
    assert risk[0.5] == pytest.approx((risk[0.0] + risk[1.0]) / 2, rel=1e-12)
    assert risk[0.0] > risk[1.0]


def test_failure_keeps_to_delta_and_small_kl_to_the_root(rows: list[dict[str, Any]]) -> None:
    bounds = {
        (row["part"], row["inverse_temperature"], row["n"], row["claim"]): row for row in rows if row["part"] != "shift"
    }
    assert len(bounds) == 2 * 3 * 4 * len(generalization.SAMPLES)
    for (part, beta, n, claim), row in bounds.items():
        assert row["failure"] + row["uncertain"] <= row["delta"]
        if claim == "T3.kl":
            assert row["risk"] < row["bound"] <= bounds[part, beta, n, "T3.mcallester"]["bound"]
    assert max(row["failure"] for row in bounds.values()) > 1e-4  # there is something to see


def test_the_printed_bound_falls_below_the_target_risk_and_no_other(rows: list[dict[str, Any]]) -> None:
    shift = [row for row in rows if row["part"] == "shift"]
    below = {(row["claim"], row["n"], row["overlap"]) for row in shift if row["bound"] < row["risk"] - 1e-12}
    assert below == {("T3.printed", n, overlap) for n in (100.0, 1000.0) for overlap in (0.5, 0.1)}
    terms = {
        row["n"]: row["bound"] - row["empirical"]
        for row in shift
        if row["claim"] == "T3.printed" and row["overlap"] == 0.5
    }
    assert terms[10] * math.sqrt(10) == pytest.approx(terms[1000] * math.sqrt(1000), rel=1e-9)
    apart = {row["claim"]: row["bound"] for row in shift if row["overlap"] == 0}
    assert (
        apart["T3.shift.pinsker"]
        == apart["T3.shift.chi"]
        == apart["T3.printed"]
        == 1
        > apart["T3.shift"]
        >= apart["T3.shift.loss"]
    )


@pytest.mark.parametrize("config", [Config("search", 30), Config("quiz", 30), Config("shift", overlap=0.5)])
def test_the_same_twice(config: Config) -> None:
    first = generalization.run(config)
    generalization.search_class.cache_clear()
    assert generalization.run(config) == first
    if config.part != "quiz":
        assert generalization.run(replace(config, seed=1)) != first


def test_what_it_says(source: Path) -> None:
    lines = generalization.findings(read_table(source))
    assert "T3.printed at n = 100: below the target risk for TV from 0.5 to 0.9" in lines[-2]
    assert sum("never below the target risk" in line for line in lines) == 5


def test_figure(source: Path, tmp_path: Path) -> None:
    check_figure(figures.generalization, source, tmp_path, "bound")


@pytest.mark.parametrize("part", ["quiz", "shift"])
def test_figure_of_one_part(source: Path, tmp_path: Path, part: str) -> None:
    header, *lines = source.read_text().splitlines()
    (tmp_path / "table.csv").write_text("\n".join([header, *(line for line in lines if line.startswith(part))]) + "\n")
    assert figures.generalization.draw(tmp_path / "table.csv", tmp_path)


def test_too_many_training_sets_are_named() -> None:
    with pytest.raises(InputError, match="n: 3000 training prompts have too many training sets"):
        generalization.run(Config("quiz", 3000))
