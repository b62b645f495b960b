"""Verdicts on rollouts, the exact twin beside them, what is saved and what is drawn from it."""

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from bounds import CLAIMS, Evaluation, Evidence, Verdict
from bounds.pac_bayes import formulas as pac_bayes
from bounds.rollouts.statistics import Statistics
from experiments.console import console
from experiments.lvlm import twin, verdicts
from figures import lvlm as figure
from tamdp_theory import InputError, TabularSoftmax, exact
from tamdp_theory.environments import Blackjack, Decision, NumberLine, ScriptedSource
from tamdp_theory.exact import Normalization, Scheme
from tamdp_theory.sources import ExactSource, RolloutGroups, SampledSource

ONE_MOVE = NumberLine(max_steps=1, max_distance=1)
POLICY = TabularSoftmax.random(ONE_MOVE.twin, np.random.default_rng(0))


def shown(what: str) -> list[str]:
    """Claims that the table shows where rollouts have this."""
    return [claim.id for claim in CLAIMS.values() if claim.shown_on == what]


def scripted(groups: int = 48, size: int = 8) -> RolloutGroups:
    return ScriptedSource(ONE_MOVE, POLICY).rollouts(size, groups, np.random.default_rng(1))


# -- the twin -----------------------------------------------------------------------------------------------------


def test_the_twin_has_the_frequencies() -> None:
    env = ONE_MOVE.twin
    node = env.node_ids[3]
    said = [Decision(node, "-1")] * 6 + [Decision(node, "+1")] * 2
    found = twin.fitted(env, said).probabilities()
    # over all nodes half a count more for each of three actions: 6.5, 2.5 and 0.5 of 9.5, which count as one decision
    # at each node
    overall = np.array([6.5, 2.5, 0.5]) / 9.5
    assert found[3, :3] == pytest.approx((np.array([6, 2, 0]) + overall) / 9, rel=1e-12)
    assert found[0, :3] == pytest.approx(overall, rel=1e-12)


def test_where_nothing_was_seen_the_twin_does_what_the_model_does() -> None:
    """Nine of ten decisions at one of blackjack's thousands of nodes cannot be read: so it is at all of them, and the
    format reward is low.
    """
    env = Blackjack().twin
    said = [Decision(env.node_ids[0], "unparsed")] * 900 + [Decision(env.node_ids[0], "stand")] * 100
    policy = twin.fitted(env, said)
    shares = {name: float(p) for name, p in zip(env.action_names, policy.pair_probability, strict=True)}
    assert shares == pytest.approx({"unparsed": 0.9, "stand": 0.1, "hit": 0.0}, abs=1e-3)
    assert exact.values(env, policy).components[env.component_names.index("format")] < 0.11


def test_the_twin_of_a_scripted_policy_is_that_policy() -> None:
    generator, source = np.random.default_rng(5), ScriptedSource(ONE_MOVE, POLICY)
    decisions = [one for q in range(10) for _ in range(400) for one in source.play(q, generator).episode.decisions]
    assert np.abs(twin.fitted(ONE_MOVE.twin, decisions).probabilities() - POLICY.probabilities()).max() < 0.1


@pytest.mark.parametrize("normalization", ["center", "sum_then_normalize", "normalize_then_sum"])
def test_the_twins_numbers_are_those_of_all_groups(normalization: Normalization) -> None:
    """By the engine against every listed group of two."""
    env, scheme = ONE_MOVE.twin, Scheme(2, normalization, 1e-2, 1)
    listed = Statistics(ExactSource(env, POLICY).rollouts(2), scheme)
    found = twin.numbers(env, POLICY, scheme)
    expected = {"objective": listed.objective, "gap": listed.gap, "silent": listed.silent}
    expected |= {f"component {name}": one for name, one in zip(env.component_names, listed.components, strict=True)}
    if normalization == "normalize_then_sum":
        del expected["silent"]
    assert found == pytest.approx({name: one.value for name, one in expected.items()}, rel=1e-11)
    assert twin.variance_share(env, POLICY, scheme) == pytest.approx(
        listed.variance.value / listed.score_energy.value, rel=1e-11
    )


# -- verdicts -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def findings() -> verdicts.Findings:
    """A scripted policy, six training steps, and three checkpoints on held-out prompts."""
    steps = [SampledSource(ONE_MOVE.twin, POLICY).rollouts(4, 8, np.random.default_rng(t)) for t in range(6)]
    losses = (np.random.default_rng(0).random((3, 400)) < 0.3).astype(float)
    return verdicts.judge(
        scripted(),
        Scheme(4, "sum_then_normalize", 1e-4, 1),
        0.99,
        training=steps,
        evaluation=Evaluation(losses),
        label="scripted",
        policy=POLICY,
    )


def row(findings: verdicts.Findings, name: str, part: str = "number", series: str = "", x: float = 0) -> dict[str, Any]:
    (found,) = [
        one for one in findings.rows if (one["part"], one["name"], one["series"], one["x"]) == (part, name, series, x)
    ]
    return found


def test_every_claim_gets_its_verdict(findings: verdicts.Findings) -> None:
    found = {check.claim_id: check for check in findings.checks}
    assert set(found) == {*shown("groups"), *shown("scores"), *shown("training"), *shown("held-out")}
    assert {found[name].verdict for name in shown("groups")} == {Verdict.HOLDS}
    # 48 draws are few for intervals that are valid at any number of them
    assert {found[name].verdict for name in shown("scores")} <= {
        Verdict.HOLDS,
        Verdict.UNDECIDED,
        Verdict.ASSUMPTION_UNMET,
    }
    assert {found[name].verdict for name in shown("training")} == {Verdict.ASSUMPTION_UNMET}
    assert found["L9"].evidence is Evidence.STATISTICAL and found["T2.identity"].evidence is Evidence.EXACT
    assert not verdicts.failed(findings.checks)
    beside = findings.twin_checks
    assert beside["L9"].verdict is beside["T2.gradient"].verdict is beside["T1.stationary"].verdict is Verdict.HOLDS
    assert beside["L9"].evidence is Evidence.EXACT


def test_through_text_it_is_the_twin(findings: verdicts.Findings) -> None:
    """Text, parser and rewards between: the intervals still hold the exact numbers of the policy."""
    for name in ("objective", "silent", "gap", "component format", "component accuracy", "component executability"):
        one = row(findings, name)
        assert one["low"] <= one["twin"] <= one["high"], name
    for normalization in verdicts.NORMALIZATIONS:
        for size in (2, 4):
            one = row(findings, "V/E||s||²", "variance", normalization, size)
            assert one["low"] <= one["twin"] <= one["high"], (normalization, size)
    bound = row(findings, "V/E||s||²", "variance", "L9", 4)
    assert bound["value"] == pytest.approx((3 / 4) ** 2 / 4, rel=1e-12)  # kappa^2 W^2 / G with W = 1


def test_steps_and_checkpoints_are_in_the_table(findings: verdicts.Findings) -> None:
    steps = [one for one in findings.rows if one["part"] == "step"]
    assert {one["x"] for one in steps} == set(range(6))
    running = [one["value"] for one in steps if one["name"] == "update"]
    each = [
        Statistics(
            SampledSource(ONE_MOVE.twin, POLICY).rollouts(4, 8, np.random.default_rng(t)),
            Scheme(4, "sum_then_normalize", 1e-4, 1),
        ).update.value
        for t in range(6)
    ]
    assert running == pytest.approx(np.cumsum(each) / np.arange(1, 7), rel=1e-12)
    # six steps of eight groups: two make a stretch of sixteen
    stretches = [one for one in findings.rows if one["part"] == "stretch" and one["name"] == "component accuracy"]
    assert [one["x"] for one in stretches] == [0.5, 2.5, 4.5]
    rewards = [
        SampledSource(ONE_MOVE.twin, POLICY).rollouts(4, 8, np.random.default_rng(t)).rewards[..., 1].mean()
        for t in range(6)
    ]
    assert [one["value"] for one in stretches] == pytest.approx(np.reshape(rewards, (3, 2)).mean(axis=1), rel=1e-12)
    risks = [one for one in findings.rows if one["part"] == "evaluation"]
    assert len(risks) == 6 and all(b["value"] > a["value"] for a, b in zip(risks[::2], risks[1::2], strict=True))


def test_a_models_scores_decide_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """No bound of the scores is known, as of a network: shown, marked, explained, and never a pass."""
    groups = dataclasses.replace(scripted(), score_bound=None)
    found = verdicts.judge(groups, Scheme(4, "sum_then_normalize", 1e-4, 1), 0.99)
    updates = [check for check in found.checks if check.claim_id in shown("scores")]
    assert {check.evidence for check in updates if check.lhs is not None} == {Evidence.ASYMPTOTIC}
    assert {check.verdict for check in updates} <= {
        Verdict.UNDECIDED,
        Verdict.ASSUMPTION_UNMET,
    } and not verdicts.failed(found.checks)
    (variance,) = (check for check in updates if check.claim_id == "L9")
    assert "an asymptotic interval at 0.99 says holds; no guarantee" in variance.note
    assert row(found, "score_energy")["interval"] == "asymptotic" and row(found, "objective")["interval"] == "valid"
    console().print(verdicts.tables(found))
    printed = " ".join(capsys.readouterr().out.split())
    assert "has no known bound" in printed and "asymptotic" in printed
    known = verdicts.judge(scripted(), Scheme(4, "sum_then_normalize", 1e-4, 1), 0.99)
    assert row(known, "score_energy")["interval"] == "valid"


def test_a_violation_fails() -> None:
    losses = np.ones((1, 400))
    losses[:, np.random.default_rng(0).permutation(400)[::2]] = 0.0  # learned by heart
    found = verdicts.judge(scripted(16, 4), Scheme(4, "center"), 0.99, evaluation=Evaluation(losses))
    assert verdicts.failed(found.checks)


def test_all_groups_of_a_run_show_the_single_ones() -> None:
    """The evaluation is silent, the run was not: claims about single groups are read off the run."""
    groups = scripted(16, 4)
    silent = RolloutGroups(groups.component_names, groups.weights, groups.prompt, np.ones_like(groups.rewards))
    scheme = Scheme(4, "sum_then_normalize")
    alone, with_run = verdicts.judge(silent, scheme, 0.99), verdicts.judge(silent, scheme, 0.99, everything=groups)
    assert {check.verdict for check in alone.checks} == {Verdict.ASSUMPTION_UNMET} and {
        check.verdict for check in with_run.checks
    } == {Verdict.HOLDS}


def test_a_variance_from_groups_cut_in_two() -> None:
    """Groups of no more than G: L9 is then checked for groups of half the size."""
    (check,) = [
        one
        for one in verdicts.judge(scripted(64, 4), Scheme(4, "sum_then_normalize"), 0.99).checks
        if one.claim_id == "L9"
    ]
    assert (
        check.verdict in (Verdict.HOLDS, Verdict.UNDECIDED)
        and check.assumptions["two groups"]
        and "G=2 center" in check.instance
    )


def test_checkpoints_pay_for_their_number() -> None:
    losses = np.full((4, 100), 0.2)
    rows = verdicts.judge(scripted(16, 4), Scheme(4, "center"), 0.99, evaluation=Evaluation(losses)).rows
    found = [one["value"] for one in rows if one["part"] == "evaluation" and one["name"] == "bound"]
    assert found == pytest.approx([float(pac_bayes.risk_bound(0.2, 100, np.log(4), 0.05))] * 4, rel=1e-12)


def test_rewards_alone() -> None:
    groups = scripted(16, 4)
    bare = RolloutGroups(groups.component_names, groups.weights, groups.prompt, groups.rewards)
    found = verdicts.judge(bare, Scheme(4, "sum_then_normalize"), 0.99)
    assert {check.claim_id for check in found.checks} == set(shown("groups"))
    assert {one["name"] for one in found.rows} == {
        "objective",
        "silent",
        "gap",
        *(f"component {name}" for name in groups.component_names),
    }


def test_saved_as_it_is(findings: verdicts.Findings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verdicts.save(findings, tmp_path)
    content = json.loads((tmp_path / "checks.json").read_text())
    assert [check["claim"] for check in content["checks"]] == [check.claim_id for check in findings.checks]
    assert content["twin"]["L9"]["lhs"] == findings.twin_checks["L9"].lhs
    with (tmp_path / "table.csv").open() as stream:
        table = list(csv.DictReader(stream))
    assert len(table) == len(findings.rows) and float(table[0]["value"]) == findings.rows[0]["value"]
    console().print(verdicts.tables(findings))
    shown = capsys.readouterr().out
    assert (
        "T2.gradient.energy" in shown
        and "exact twin" in shown
        and "no smoothness constant" in shown
        and "share of silent groups" in shown
    )


# -- the figure ---------------------------------------------------------------------------------------------------


def test_the_figure_is_drawn_from_the_table(findings: verdicts.Findings, tmp_path: Path) -> None:
    verdicts.save(findings, tmp_path / "lvlm")
    source = tmp_path / figure.SOURCE
    paths = figure.draw(source, tmp_path)
    assert [path.name for path in paths] == ["lvlm.pdf", "lvlm.png"]
    pdf, png = (path.read_bytes() for path in paths)
    assert pdf.startswith(b"%PDF") and b"/Type3" not in pdf and len(png) > 20_000
    assert [path.read_bytes() for path in figure.draw(source, tmp_path)] == [pdf, png]
    caption = (tmp_path / "lvlm.txt").read_text()
    assert all(f"({letter})" in caption for letter in "abcd")


def test_the_figure_shows_what_there_is(tmp_path: Path) -> None:
    found = verdicts.judge(scripted(16, 4), Scheme(2, "center"), 0.99)
    verdicts.save(found, tmp_path / "lvlm")
    figure.draw(tmp_path / figure.SOURCE, tmp_path)
    caption = (tmp_path / "lvlm.txt").read_text()
    assert "(a)" in caption and "(b)" not in caption and "variance" in caption
    groups = scripted(16, 4)
    bare = RolloutGroups(groups.component_names, groups.weights, groups.prompt, groups.rewards)
    verdicts.save(verdicts.judge(bare, Scheme(2, "center"), 0.99), tmp_path / "lvlm")
    assert figure.draw(tmp_path / figure.SOURCE, tmp_path) == [] and not (tmp_path / "lvlm.png").exists()


def test_one_negative_estimate_can_be_seen() -> None:
    """The unbiased estimate of a square may be negative, and a short run has one: a mark within the axes, above a whole
    number.
    """
    axes = Figure().subplots()
    nan = float("nan")
    figure._updates(axes, [{"x": 3.0, "value": -2.0, "low": nan, "high": nan}])
    (mark, _) = axes.lines
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert mark.get_marker() not in ("None", "") and mark.get_xydata().tolist() == [[3.0, -2.0]]
    assert bottom < -2 < 0 < top and left < 3 < right
    assert [tick for tick in axes.get_xticks() if left <= tick <= right] == [3.0]


def test_a_damaged_table_is_one_error(findings: verdicts.Findings, tmp_path: Path) -> None:
    verdicts.save(findings, tmp_path / "lvlm")
    source = tmp_path / figure.SOURCE
    lines = source.read_text().splitlines()
    source.write_text("\n".join([lines[0], lines[1].replace(lines[1].split(",")[4], "much"), *lines[2:]]) + "\n")
    with pytest.raises(InputError, match="damaged, value of row 1 is 'much'"):
        figure.draw(source, tmp_path)
    source.unlink()
    with pytest.raises(InputError, match="missing; make it with `tamdp lvlm demo`"):
        figure.draw(source, tmp_path)
