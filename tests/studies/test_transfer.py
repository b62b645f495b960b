"""The transfer study by a second route, and what it says of its own numbers."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments import runner
from experiments.studies import transfer
from experiments.studies.transfer import DEVIATIONS, Config, findings, make_domains, run, sweep, token_features
from figures import transfer as figure
from tamdp_theory import InputError, LogLinear, exact, grpo
from tests.helpers import oracle

CONFIG = Config("coding", "difficulty", depth=1, n=20, steps=15, draws=300, seed=3)


@pytest.fixture(scope="module")
def row() -> dict[str, Any]:
    return run(CONFIG)[0]


def trained() -> tuple[Any, LogLinear, np.ndarray]:
    """The same training with the prompts' probabilities written into the file by hand, prompts that were not drawn
    deleted.
    """
    domains = make_domains(CONFIG)
    counts = np.random.default_rng(CONFIG.seed).multinomial(CONFIG.n, np.array([float(p) for p in domains.source]))
    content = domains.env.to_dict()
    kept = {q for q, count in enumerate(counts) if count}
    content["prompts"] = [
        prompt | {"probability": f"{count}/{CONFIG.n}"}
        for prompt, count in zip(content["prompts"], counts, strict=True)
        if count
    ]
    content["nodes"] = [
        node for node, q in zip(content["nodes"], domains.env.node_prompt.tolist(), strict=True) if q in kept
    ]
    env = type(domains.env).from_dict(content)
    rows = [i for i, x in enumerate(domains.env.pair_node.tolist()) if domains.env.node_ids[x] in set(env.node_ids)]
    policy = LogLinear(env, token_features(domains.env)[rows])
    settings = grpo.Config(
        steps=CONFIG.steps,
        learning_rate=CONFIG.learning_rate,
        group_size=CONFIG.group_size,
        normalization=CONFIG.normalization,
    )
    theta = grpo.train(env, policy, settings).parameters[0]
    return domains, LogLinear(domains.env, token_features(domains.env), theta), counts


def test_risks_by_listing_trajectories(row: dict[str, Any]) -> None:
    domains, policy, counts = trained()
    env, content = domains.env, domains.env.to_dict()
    loss = np.zeros((env.n_prompts, env.n_components))
    calls = np.zeros(env.n_prompts)
    for path in oracle.paths(content, policy.probabilities()):
        loss[path.prompt] += path.probability * (1 - np.array([float(r) for r in path.rewards]))
        kinds = [content["nodes"][x]["actions"][a]["kind"] for x, a in path.decisions]
        calls[path.prompt] += path.probability * kinds.count("tool")
    w = env.weights / env.total_weight
    for name, law in (("source", domains.source), ("target", domains.target), ("train", counts / CONFIG.n)):
        p = np.array([float(v) for v in law])
        assert row[name] == pytest.approx(p @ loss @ w, rel=1e-10)
        if name != "train":
            assert row[f"calls_{name}"] == pytest.approx(p @ calls, rel=1e-10)
            for k, component in enumerate(env.component_names):
                assert row[f"{name}_{component}"] == pytest.approx(p @ loss[:, k], rel=1e-9, abs=1e-12)
    spread = np.ptp(loss, axis=0)
    assert row["shift"] == pytest.approx(w @ spread * 0.5, rel=1e-9)
    assert [row[f"share_{c}"] for c in env.component_names] == pytest.approx(
        (w * spread / (w @ spread)).tolist(), rel=1e-9
    )
    assert row["target"] - row["source"] <= row["shift"] + 1e-12
    start = LogLinear(env, token_features(env))
    assert row["source_start"] == pytest.approx(
        1 - exact.values(env, start).per_prompt @ w @ [float(p) for p in domains.source], rel=1e-10
    )
    assert row["source"] < row["source_start"]


def test_bounds_by_hand(row: dict[str, Any]) -> None:
    """KL of equal deviations, the two confidence terms, and the shift term on top."""
    _, policy, _ = trained()
    assert row["deviation"] in DEVIATIONS
    assert row["kl"] == pytest.approx(float((policy.parameters**2).sum()) / (2 * row["deviation"] ** 2), rel=1e-9)
    delta = CONFIG.delta / len(DEVIATIONS) / 3

    def inverse(p: float, c: float) -> float:
        low, high = p, 1.0
        for _ in range(200):
            q = (low + high) / 2
            value = (p * math.log(p / q) if p else 0) + ((1 - p) * math.log((1 - p) / (1 - q)) if q < 1 else math.inf)
            low, high = (q, high) if value <= c else (low, q)
        return low

    first = inverse(row["posterior_train"], math.log(2 / delta) / CONFIG.draws)
    assert row["bound"] == pytest.approx(
        inverse(first, (row["kl"] + math.log(2 * math.sqrt(CONFIG.n) / delta)) / CONFIG.n), abs=1e-9
    )
    assert row["posterior_source"] <= row["bound"] <= row["bound_target"]
    domains, generator = make_domains(CONFIG), np.random.default_rng(CONFIG.seed)
    generator.multinomial(CONFIG.n, [float(p) for p in domains.source])
    draws = [
        generator.standard_normal((CONFIG.draws, policy.n_parameters))
        for _ in range(DEVIATIONS.index(row["deviation"]) + 1)
    ][-1]
    values = np.array(
        [
            exact.values(domains.env, policy.with_parameters(policy.parameters + row["deviation"] * z)).per_prompt
            for z in draws
        ]
    ).mean(axis=0)
    error = math.sqrt(math.log(2 * values.size / delta) / (2 * CONFIG.draws))
    term = (
        sum(
            w * min(1, spread + 2 * error)
            for w, spread in zip(domains.env.weights, np.ptp(values, axis=0), strict=True)
        )
        / 2
    )
    assert row["bound_target"] == pytest.approx(row["bound"] + term, rel=1e-8)
    assert row["posterior_target"] <= row["bound_target"]


def test_twice_the_same(row: dict[str, Any]) -> None:
    assert run(CONFIG)[0] == row


def test_features_are_shared_where_observations_are() -> None:
    env = make_domains(Config("search", "reliability", 1)).env
    features = token_features(env)
    starts = {env.prompt_names[q]: features[env.pair_start[x]] for q, x in enumerate(env.prompt_start.tolist())}
    np.testing.assert_array_equal(starts["source/q1"], starts["target/q1"])
    assert (starts["source/q1"] != starts["source/q2"]).any()
    assert set(np.unique(features)) == {0.0, 1.0}


def test_the_sweep_asks_for_every_depth() -> None:
    assert {config.depth for config in sweep()} == {0, 1, 2, 3}
    assert {(config.task, config.differ) for config in sweep(quick=True)} == {(c.task, c.differ) for c in sweep()}


def table(target: tuple[float, float], share: float) -> dict[str, list[Any]]:
    return {
        "task": ["search"] * 2,
        "differ": ["reliability"] * 2,
        "depth": [0.0, 2.0],
        "target": list(target),
        "source": [0.4, 0.2],
        "source_start": [0.6, 0.6],
        "target_start": [0.6, 0.6],
        "share_executability": [0.0, share],
    }


def test_findings_follow_the_numbers() -> None:
    (better,), (worse,) = findings(table((0.5, 0.3), 0.25)), findings(table((0.3, 0.35), 0.0))
    assert (
        "2 tool calls lower the target risk after training, 0.500 to 0.300" in better
        and "executability makes up 25%" in better
    )
    assert "training gains 67% on the target" in better
    assert (
        "2 tool calls do not lower the target risk after training, 0.300 to 0.350" in worse and "makes up 0%" in worse
    )


def test_the_figure(row: dict[str, Any], tmp_path: Path) -> None:
    source = tmp_path / "transfer" / "table.csv"
    source.parent.mkdir()
    source.write_text(runner.to_csv([row, row | {"depth": 0}, row | {"task": "search"}]))
    paths = figure.draw(source, tmp_path / "figures")
    assert [path.name for path in paths] == ["transfer.pdf", "transfer.png"]
    assert b"/Type3" not in paths[0].read_bytes()
    first = paths[1].read_bytes()
    source.write_text(runner.to_csv([row | {"target": 0.9}, row | {"depth": 0}, row | {"task": "search"}]))
    assert figure.draw(source, tmp_path / "figures")[1].read_bytes() != first
    assert "n = 20" in (tmp_path / "figures" / "transfer.txt").read_text()
    assert "$" not in (tmp_path / "figures" / "transfer.tex").read_text().replace(r"\$", "")
    with pytest.raises(InputError, match="missing; make it with `tamdp run transfer`"):
        figure.draw(tmp_path / "none" / "transfer" / "table.csv", tmp_path)
    source.write_text("task,differ\na,b\n")
    text = runner.to_csv([row | {"overlap": "abc"}])
    source.write_text(text)
    with pytest.raises(
        InputError, match=r"damaged, overlap of row 1 is 'abc'; make it again with `tamdp run transfer`"
    ):
        figure.draw(source, tmp_path)
    source.write_text("task,differ\na,b\n")
    with pytest.raises(InputError, match=r"table.csv: no column depth, .*; make it again with `tamdp run transfer`"):
        figure.draw(source, tmp_path)


def test_bad_configs() -> None:
    for bad in ({"depth": -1}, {"n": 0}, {"steps": 0}, {"draws": 0}, {"seed": -1}, {"delta": 0.0}, {"delta": 1.0}):
        with pytest.raises(InputError, match=f"^{next(iter(bad))}: must be"):
            Config(**bad)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="overlap"):
        run(Config(overlap=1.5, n=5, steps=1))
    assert transfer.__doc__ and "T3.shift" in transfer.__doc__
