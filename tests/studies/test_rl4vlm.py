"""The study of RL4VLM's games by other routes: rates by walking the file and by trying every deterministic policy, one
step by hand, the critic by its own moments; and its figure.
"""

from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import runner
from experiments.studies import rl4vlm as study
from figures import rl4vlm as figure
from tamdp_theory import InputError, TabularSoftmax, exact, families
from tamdp_theory.model import TAMDP, THINK
from tests.helpers import oracle

SMALL: dict[str, TAMDP] = {
    "number_line": families.number_line(3, 3, think=True),
    "ez_points": families.ez_points([(6, 6)]),
    "blackjack": families.blackjack([6], [(16, False), (19, False)]),
}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    study.make_process.cache_clear()
    monkeypatch.setattr(study, "GAMES", {name: (lambda think, env=env: env) for name, env in SMALL.items()})
    yield  # type: ignore[misc]
    study.make_process.cache_clear()


def won(env: TAMDP, choose: Any) -> float:
    """Probability of accuracy 1, walking the file's content; choose(node) gives each action's probability."""
    content, place = env.to_dict(), env.component_names.index("accuracy")
    nodes = {node["id"]: node for node in content["nodes"]}

    @cache
    def at(node: str) -> float:
        total = 0.0
        for name, p in choose(nodes[node]).items():
            action = next(a for a in nodes[node]["actions"] if a["name"] == name)
            for edge in action["next"]:
                after = at(edge["node"]) if "node" in edge else float(oracle.rational(edge["rewards"][place]) == 1)
                total += p * float(oracle.rational(edge["probability"])) * after
        return total

    return sum(float(oracle.rational(prompt["probability"])) * at(prompt["start"]) for prompt in content["prompts"])


@pytest.mark.parametrize("name", SMALL)
def test_rates_by_walking_the_file(name: str) -> None:
    env = SMALL[name]
    policy = TabularSoftmax.random(env, np.random.default_rng(1), 1.0)
    probability = {}
    for x, node in enumerate(env.node_ids):
        pairs = range(env.pair_start[x], env.pair_start[x] + env.pair_count[x])
        probability[node] = {env.action_names[pair]: float(policy.pair_probability[pair]) for pair in pairs}
    assert study.win_rate(env, policy) == pytest.approx(won(env, lambda node: probability[node["id"]]), rel=1e-12)


def test_the_best_rate_by_trying_every_policy() -> None:
    env = families.blackjack([6], [(19, False)])
    nodes = env.to_dict()["nodes"]
    names = [[action["name"] for action in node["actions"]] for node in nodes]
    tried = []
    for choice in product(*names):
        chosen = {node["id"]: {name: 1.0} for node, name in zip(nodes, choice, strict=True)}
        tried.append(won(env, lambda node, chosen=chosen: chosen[node["id"]]))
    assert study.best_rate(env) == pytest.approx(max(tried), rel=1e-12)


def test_a_draw_is_not_won() -> None:
    env = SMALL["blackjack"]
    assert {float(rewards[env.component_names.index("accuracy")]) for rewards in env.exact_class_rewards} == {0, 0.5, 1}
    assert set(study.wins(env)) == {0, 1}


@pytest.mark.parametrize("name", SMALL)
def test_a_taught_policy_is_half_way_to_the_optimum(name: str) -> None:
    """At every node at least half of it is on actions that are worth most, the rest even."""
    env = SMALL[name]
    policy = study.taught(env)
    value = exact.passes.best(env, env.class_composite[:, None])[1][:, 0]
    for x in range(env.n_nodes):
        own = slice(env.pair_start[x], env.pair_start[x] + env.pair_count[x])
        good = np.isclose(value[own], value[own].max(), rtol=0, atol=1e-12)
        expected = 0.5 / env.pair_count[x] + 0.5 * good / good.sum()
        np.testing.assert_allclose(policy.pair_probability[own], expected, rtol=1e-12)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_the_critic_follows_its_exact_mean(weight: float) -> None:
    """The score of a thought is weighed, and every logit is of one node."""
    env = SMALL["number_line"]
    policy = TabularSoftmax(env)
    share = np.empty(policy.n_parameters)
    share[env.pair_parameter] = np.where(env.pair_kind == THINK, weight, 1.0)
    for _ in range(3):
        policy = policy.with_parameters(policy.parameters + 2.0 * share * exact.critic_moments(env, policy).mean)
    found = study.run(study.Config("number_line", "kept", weight, "critic", steps=3, learning_rate=2.0))[0]
    assert found["won"] == pytest.approx(study.win_rate(env, policy), rel=1e-12)
    assert found["low"] == found["high"] == found["won"]


@pytest.mark.usefixtures("small")
def test_one_step_by_hand() -> None:
    env = SMALL["ez_points"]
    start = study.taught(env)
    step = exact.update_moments(env, start, 8, "sum_then_normalize").mean
    found = study.run(study.Config("ez_points", "removed", steps=1, learning_rate=3.0, start="taught"))[0]
    end = start.with_parameters(start.parameters + 3.0 * step)
    assert found["won"] == pytest.approx(study.win_rate(env, end), rel=1e-12)
    assert found["won_at_start"] == pytest.approx(study.win_rate(env, start), rel=1e-12)
    assert found["published"] == pytest.approx(0.299)


@pytest.mark.usefixtures("small")
def test_drawn_groups_have_an_interval_and_the_weight_matters() -> None:
    settings: dict[str, Any] = {"steps": 20, "learning_rate": 5.0, "start": "uniform"}
    drawn = study.run(study.Config("number_line", mode="sampled", seeds=6, prompts_per_step=4, **settings))[0]
    assert 0 <= drawn["low"] < drawn["won"] < drawn["high"] <= 1 and drawn["seeds"] == 6
    assert drawn == study.run(study.Config("number_line", mode="sampled", seeds=6, prompts_per_step=4, **settings))[0]
    whole, none = (study.run(study.Config("number_line", think_weight=w, **settings))[0]["won"] for w in (1.0, 0.0))
    assert whole > none + 0.01


def test_the_sweep_has_every_method_weight_and_start() -> None:
    cells = study.sweep()
    assert {cell.game for cell in cells} == set(study.GAMES)
    exactly = [cell for cell in cells if cell.mode == "exact"]
    assert len(exactly) == len(study.GAMES) * 2 * len(study.METHODS) * (len(study.WEIGHTS) + 1) == len(set(exactly))
    assert {(cell.thoughts, cell.think_weight) for cell in cells if cell.mode == "sampled"} == {
        ("kept", 0.5),
        ("removed", 1.0),
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"game": "chess"}, "game: no game 'chess'; there are number_line, ez_points, points24, blackjack, household"),
        ({"steps": 0}, "steps: must be at least 1, got 0"),
        ({"seeds": 1}, "seeds: must be at least 2, got 1"),
        ({"method": "critic", "mode": "sampled"}, "method: the critic's step is there in mode exact"),
    ],
)
def test_bad_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        study.Config(**settings)


@pytest.mark.usefixtures("small")
def test_table_and_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    cells = [
        study.Config("ez_points", kind, weight, steps=5, mode=mode, seeds=2, prompts_per_step=2)  # type: ignore[arg-type]
        for kind, weight in (("kept", 0.5), ("kept", 1.0), ("removed", 1.0))
        for mode in ("exact", "sampled")
    ]
    rows = [row for cell in cells for row in study.run(cell)]
    table = {name: [row[name] for row in rows] for name in rows[0]}
    study.summary(table, Console(width=160))
    out = capsys.readouterr().out
    assert f"{100 * rows[0]['won']:.1f}" in out and "RL4VLM, a 7B model" in out and "29.9" in out
    source = tmp_path / "rl4vlm" / "table.csv"
    source.parent.mkdir()
    source.write_text(runner.to_csv(rows))
    paths = figure.draw(source, tmp_path)
    assert [path.name for path in paths] == ["rl4vlm.pdf", "rl4vlm.png"]
    assert "mean of n = 2 trainings" in (tmp_path / "rl4vlm.txt").read_text()
    source.write_text(runner.to_csv([*rows, rows[0] | {"steps": 7}]))
    with pytest.raises(InputError, match="steps varies"):
        figure.draw(source, tmp_path)
