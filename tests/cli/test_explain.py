"""explain: configurations of each library in plain words, against what their sources say, and what is refused."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.explain.libraries import LIBRARIES, library_of, prime_rl, swift, trl, verl
from experiments.explain.reading import arguments, keywords, read
from experiments.explain.recipe import Recipe
from experiments.explain.words import amounts_to, climbs, silent_noise, traps
from tamdp_theory import InputError, TabularSoftmax, exact
from tamdp_theory.estimators import Scheme
from tests.helpers.command import SEARCH, Captured, here, refused

GRADED = ("0", "3/10", "1")
VERL = {"algorithm.adv_estimator": "grpo", "actor_rollout_ref.rollout.n": 8}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, ("sum_then_normalize", 1e-4, 1, "token_mean", "all")),
        ({"scale_rewards": False, "loss_type": "dr_grpo"}, ("center", 0.0, 0, "constant", "all")),
        ({"scale_rewards": "none", "loss_type": "grpo"}, ("center", 0.0, 0, "sequence_mean", "all")),
        ({"scale_rewards": "batch"}, ("batch_std", 1e-4, 1, "token_mean", "all")),
        (
            {"multi_objective_aggregation": "normalize_then_sum"},
            ("gdpo_batch(eps_in=1/10000)", 1e-4, 1, "token_mean", "all"),
        ),
        ({"loss_type": "vespo"}, ("sum_then_normalize", 1e-4, 1, "token_mean", "all")),
        ({"loss_type": "bnpo"}, ("sum_then_normalize", 1e-4, 1, "token_mean", "all")),
        (
            {"loss_type": "bnpo", "per_device_train_batch_size": 1},
            ("sum_then_normalize", 1e-4, 1, "sequence_mean", "all"),
        ),
    ],
)
def test_trl(found: dict[str, object], expected: tuple[object, ...]) -> None:
    recipe = trl(found)
    assert (recipe.estimator, recipe.eps, recipe.ddof, recipe.aggregation, recipe.keep) == expected
    assert recipe.looks_at_batch is (recipe.scheme is None) and not recipe.beyond


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("sum_then_normalize", 1e-6, 1, "token_mean", "all")),
        ({"algorithm.norm_adv_by_std_in_grpo": False}, ("center", 0.0, 0, "token_mean", "all")),
        ({"algorithm.adv_estimator": "rloo"}, ("leave_one_out", 0.0, 0, "token_mean", "all")),
        ({"algorithm.adv_estimator": "opo"}, ("length_baseline", 0.0, 0, "token_mean", "all")),
        ({"algorithm.adv_estimator": "grpo_passk"}, ("best_minus_second(std=True)", 1e-6, 1, "token_mean", "all")),
        (
            {"algorithm.adv_estimator": "reinforce_plus_plus"},
            ("reinforce_plus_plus(guard=variance)", 1e-8, 1, "token_mean", "all"),
        ),
        (
            {"algorithm.adv_estimator": "reinforce_plus_plus", "algorithm.gamma": 0.99},
            (None, 0.0, 0, "token_mean", "all"),
        ),
        (
            {"algorithm.adv_estimator": "reinforce_plus_plus_baseline"},
            ("reinforce_plus_plus_baseline(guard=variance)", 1e-8, 1, "token_mean", "all"),
        ),
        (
            {"algorithm.adv_estimator": "gdpo"},
            ("gdpo_batch(over=tokens, guard=variance, eps_in=1/1000000)", 1e-8, 1, "token_mean", "all"),
        ),
        (
            {"algorithm.filter_groups.enable": True, "actor_rollout_ref.actor.loss_agg_mode": "seq-mean-token-mean"},
            ("sum_then_normalize", 1e-6, 1, "sequence_mean", "mixed"),
        ),
    ],
)
def test_verl(changes: dict[str, object], expected: tuple[object, ...]) -> None:
    recipe = verl({**VERL, **changes})
    assert (recipe.estimator, recipe.eps, recipe.ddof, recipe.aggregation, recipe.keep) == expected


def test_ms_swift_and_prime_rl() -> None:
    assert swift({"advantage_estimator": "rloo"}).estimator == "leave_one_out"
    assert swift({"dynamic_sample": True}).keep == "mixed"
    for kind, scaling, expected in (
        ("grpo", "batch", ("batch_std", 1e-4, 1)),
        ("grpo", "gdpo", ("gdpo_batch(eps_in=1/100000000)", 1e-8, 1)),
        ("rloo", "batch", ("batch_std(base=leave_one_out)", 1e-4, 1)),
        ("rloo", "group", ("sum_then_normalize", 1e-4, 1)),
        ("reinforce_plus_plus", "batch", ("reinforce_plus_plus_baseline(over=sequences)", 1e-4, 1)),
        ("reinforce_plus_plus", "gdpo", ("center", 0.0, 0)),
    ):
        recipe = swift({"advantage_estimator": kind, "scale_rewards": scaling})
        assert (recipe.estimator, recipe.eps, recipe.ddof) == expected
    assert swift({"advantage_estimator": "rloo", "scale_rewards": "group"}).notes
    assert prime_rl(
        {"orchestrator.advantage.type": "max_rl", "orchestrator.rollouts_per_example": 16}
    ).scheme == Scheme(16, "max_rl", aggregation="token_mean")


@pytest.mark.parametrize("library", [trl, swift])
def test_losses_with_ratios_of_their_own(library: Callable[[dict[str, object]], Recipe]) -> None:
    """CISPO cuts ratios to epsilon_high itself, so that the first step shrinks where it is below 1; SAPO cuts none."""
    plain = library({"loss_type": "grpo", "epsilon": 0.1})
    assert plain.clip == (0.1, 0.1)
    assert library({"loss_type": "sapo"}).clip is None
    cut = library({"loss_type": "cispo", "epsilon": 0.1})
    assert cut.clip == (1, -0.9) and dict(amounts_to(cut))["clip"] == "to [0, 0.1]"
    assert "is 0.1 times the one without" in " ".join(cut.notes)
    wide = library({"loss_type": "cispo", "epsilon_high": 5})
    assert wide.clip == (1, 4) and "times the one" not in " ".join(wide.notes)


def test_the_divergence_of_trl() -> None:
    assert trl({}).kl == "none" and not any("divergence" in note for note in trl({}).notes)
    for found, kl in (({}, "k3 times ratio"), ({"use_bias_correction_kl": False}, "k3")):
        recipe = trl({"beta": 0.1, **found})
        assert (recipe.kl, recipe.kl_coef) == (kl, 0.1) and any("each token" in note for note in recipe.notes)
        assert ("L1.k3" in str(list(traps(recipe, GRADED)))) is (kl == "k3")


def test_every_recipe_with_an_estimator_has_a_scheme_and_an_answer() -> None:
    for recipe in (trl({}), trl({"scale_rewards": False, "loss_type": "dr_grpo"}), verl(VERL), swift({}), prime_rl({})):
        assert recipe.scheme is not None
        text = climbs(recipe, GRADED)
        assert text.startswith("nothing: exchanging") or "mean reward" in text


def test_the_answers_are_those_of_the_theory() -> None:
    plain = Recipe(library="TRL", group_size=8, estimator="center", aggregation="constant")
    assert climbs(plain, GRADED).startswith("(G-1)/G times the mean reward")
    assert not list(traps(plain, GRADED))
    over = Recipe(library="TRL", group_size=8, estimator="center", aggregation="sequence_mean")
    assert climbs(over, GRADED).startswith("nothing") and "T5.drift.seqmean" in str(list(traps(over, GRADED)))
    scaled = Recipe(library="TRL", group_size=8, estimator="sum_then_normalize", aggregation="constant", kl="k1")
    assert climbs(scaled, GRADED).startswith("nothing") and "L1.k1" in str(list(traps(scaled, GRADED)))
    assert climbs(scaled, ("0", "1")).startswith("a potential of its own")
    assert "L8" not in str(list(traps(scaled, ("0", "1"))))
    beyond = Recipe(library="TRL", group_size=8, estimator=None, beyond="a batch")
    assert climbs(beyond, GRADED).startswith("not decided: a batch")


def test_silent_groups_make_noise_where_eps_is_small() -> None:
    """.1 eight times in float32: the mean rounds; at eps 1e-4 it hardly shows, at 1e-9 it is most of an advantage."""
    noisy, value = silent_noise(Scheme(8, "sum_then_normalize", 1e-9, 1), ["0", "1/10", "1"])
    quiet, _ = silent_noise(Scheme(8, "sum_then_normalize", 1e-4, 1), ["0", "1/10", "1"])
    exactly, _ = silent_noise(Scheme(8, "sum_then_normalize", 1e-9, 1), ["0", "1"])
    assert value == "1/10" and 0.1 < noisy < 1 and quiet < 1e-3 and exactly == 0


def test_reading(tmp_path: Path) -> None:
    files = {
        "a.yaml": "num_generations: 4\nnested:\n  inner: [1, 2]\n",
        "a.json": '{"num_generations": 4, "nested": {"inner": [1, 2]}}',
        "a.toml": "num_generations = 4\n[nested]\ninner = [1, 2]\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        assert read(tmp_path / name) == {"num_generations": 4, "nested.inner": [1, 2]}
    assert keywords("import trl\nx = trl.GRPOConfig(beta=0.1, loss_type='grpo', steps=N)") == {
        "beta": 0.1,
        "loss_type": "grpo",
        "steps": "N",
    }
    line = "swift rlhf --num-generations 4 --dynamic_sample --beta=0.1 \\\n  a.b=true +c.d=x"
    assert arguments(line) == {"num_generations": 4, "dynamic_sample": True, "beta": 0.1, "a.b": True, "c.d": "x"}


def test_whose_it_is() -> None:
    assert library_of(VERL) == "verl" and library_of({"beta": 1}) == "trl"
    assert library_of({"rlhf_type": "grpo", "beta": 1}) == "ms-swift"
    assert library_of({"rollouts_per_example": 8}) == "prime-rl" and set(LIBRARIES) == {
        "trl",
        "verl",
        "ms-swift",
        "prime-rl",
    }


def test_command(capsys: Captured, tmp_path: Path) -> None:
    config = tmp_path / "grpo.yaml"
    config.write_text("num_generations: 4\nloss_type: grpo\noutput_dir: x\nlerning_rate: 1\n")
    done = here(capsys, "explain", str(config), "--on", SEARCH, "--json", str(tmp_path / "out.json"))
    assert done.code == 0 and "Keys not looked at: lerning_rate, output_dir" in done.out
    saved = json.loads((tmp_path / "out.json").read_text())
    assert saved["not_looked_at"] == ["lerning_rate", "output_dir"]
    assert saved["climbs"].startswith("nothing: exchanging")
    from tamdp_theory import TAMDP

    env = TAMDP.load(SEARCH)
    update = exact.update_moments(
        env, TabularSoftmax(env), 4, "sum_then_normalize", 1e-4, 1, aggregation="sequence_mean"
    )
    assert saved["numbers"][0]["norm"] == pytest.approx(np.linalg.norm(update.mean))
    assert saved["numbers"][1]["cosine"] == pytest.approx(1)  # leave_one_out: the gradient itself


def test_estimators_of_batches_are_explained(capsys: Captured, tmp_path: Path) -> None:
    config = tmp_path / "grpo.yaml"
    config.write_text("num_generations: 4\nscale_rewards: batch\nloss_type: dr_grpo\n")
    out = tmp_path / "out.json"
    done = here(capsys, "explain", str(config), "--on", SEARCH, "--batch", "5", "--json", str(out))
    saved = json.loads(out.read_text())
    assert done.code == 0 and "batch_std, constant, all, B = 5" in done.out and "many prompts" in done.out
    assert saved["climbs"].startswith("(G-1)/G times the mean reward (rewards")
    assert saved["climbs"].endswith(
        "in the limit of many prompts: the step is its gradient over the deviation of all rewards"
    )
    assert "T1.drift" in str(saved["traps"])
    from tamdp_theory import TAMDP

    env = TAMDP.load(SEARCH)
    for row, batch in zip(saved["numbers"][:2], (5, math.inf), strict=True):
        update = exact.batch_update(env, TabularSoftmax(env), "batch_std", 4, batch, 1e-4, 1, "constant")
        assert row["norm"] == pytest.approx(np.linalg.norm(update.mean))
        assert row["variance"] == (None if batch == math.inf else pytest.approx(update.variance))
    assert saved["numbers"][1]["cosine"] == pytest.approx(1) and saved["numbers"][2]["estimator"] == "leave_one_out"


def test_dynamic_sampling_draws_prompts_until_groups_are_kept(capsys: Captured, tmp_path: Path) -> None:
    """verl's filter_groups: rare prompts are not made up for, the direction is that of all groups."""
    config, out = tmp_path / "verl.yaml", tmp_path / "out.json"
    config.write_text(
        "algorithm: {adv_estimator: rloo, filter_groups: {enable: true}}\n"
        "actor_rollout_ref: {rollout: {n: 4}, actor: {loss_agg_mode: seq-mean-token-sum}}\n"
    )
    done = here(capsys, "explain", str(config), "--on", SEARCH, "--batch", "2", "--json", str(out))
    rows = json.loads(out.read_text())["numbers"]
    assert done.code == 0 and [row["estimator"] for row in rows] == [
        "leave_one_out, trajectory, mixed, B = 2",
        "leave_one_out, trajectory, mixed, many prompts",
        "leave_one_out",
        "sum_then_normalize",
    ]
    assert rows[0]["cosine"] == pytest.approx(1) and rows[0]["norm"] == pytest.approx(rows[1]["norm"])
    assert rows[0]["norm"] > rows[2]["norm"] and rows[0]["variance"] > 0


def test_what_is_climbed_over_a_batch() -> None:
    """Where 1/l leaves the direction to the group estimator, and where the batch's mean has one of its own."""

    def said(estimator: str, aggregation: Any) -> str:
        return climbs(
            Recipe(library="TRL", group_size=8, estimator=estimator, ddof=1, eps=1e-4, aggregation=aggregation), GRADED
        )

    # the batch's token mean is one number in the limit, whatever it is in a group
    assert said("batch_std", "token_mean").startswith("(G-1)/G times the mean reward")
    assert said("reinforce_plus_plus", "trajectory").startswith("the mean reward")
    for estimator in ("batch_std", "reinforce_plus_plus_baseline(over=sequences)"):
        assert said(estimator, "sequence_mean").startswith("nothing") and "that of center" in said(
            estimator, "sequence_mean"
        )
    for estimator in ("reinforce_plus_plus", "reinforce_plus_plus_baseline"):
        assert said(estimator, "sequence_mean").startswith("not decided: with 1/l the mean of the batch")
    mixed = Recipe(library="verl", group_size=8, estimator="reinforce_plus_plus", keep="mixed")
    assert climbs(mixed, GRADED).startswith("not decided: in groups that are kept the mean of the batch")
    scaled = Recipe(library="TRL", group_size=8, estimator="batch_std", keep="mixed")
    assert climbs(scaled, GRADED).startswith("(G-1)/G times the mean reward")
    assert "all prompts end up with one factor" in str(list(traps(scaled, GRADED)))
    assert said("gdpo_batch", "trajectory").startswith("nothing: exchanging")
    assert "that of normalize_then_sum" in said("gdpo_batch", "trajectory")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.yaml", "", "the file is empty"),
        ("a.yaml", "[1, 2]", "not readable as .yaml: expected keys and values at the top, got list"),
        ("a.yaml", "a: [", "not readable as .yaml"),
        ("a.yaml", "!!python/object/apply:os.system ['true']", "not readable as .yaml"),
        ("a.json", "{", "not readable as .json"),
        ("a.toml", "a =", "not readable as .toml"),
        ("a.py", "print(1)", "no call of a ...Config"),
        ("a.py", "def", "not readable as .py"),
        ("a.sh", "python train.py", "no --key value"),
        ("a.yaml", "lr: 1", "no key tells whose configuration this is"),
        ("a.yaml", "num_generations: 1", "num_generations: groups need at least 2 members, got 1"),
        ("a.yaml", "num_generations: many", "num_generations: expected a number"),
        ("a.yaml", "loss_type: best", "loss_type: 'best' is not known; one of grpo"),
        (
            "a.yaml",
            "algorithm: {adv_estimator: grpo}",
            "actor_rollout_ref.rollout.n: groups need at least 2 members, got 1",
        ),
        ("a.yaml", "algorithm: {adv_estimator: best}", "algorithm.adv_estimator: 'best' is not known"),
        ("a.sh", "swift rlhf --rlhf_type dpo", "rlhf_type: 'dpo' is no group-relative training"),
    ],
)
def test_bad_configurations(name: str, text: str, says: str, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / name).write_text(text)
    assert says in refused(here(capsys, "explain", str(tmp_path / name)))


def test_bad_options(tmp_path: Path, capsys: Captured) -> None:
    config = tmp_path / "a.yaml"
    config.write_text("scale_rewards: batch")
    assert "rewards: give at least two" in refused(here(capsys, "explain", str(config), "--rewards", "1", "1"))
    assert "rewards[0]" in refused(here(capsys, "explain", str(config), "--rewards", "much", "1"))
    bad = here(capsys, "explain", str(config), "--on", SEARCH, "--batch", "0")
    assert "batch: must be an integer of at least 1" in refused(bad)
    config.write_text("scale_rewards: group")
    bad = here(capsys, "explain", str(config), "--on", SEARCH, "--batch", "4")
    assert "--batch: sum_then_normalize looks at single groups" in refused(bad)
    config.write_text("algorithm: {adv_estimator: gae}\nactor_rollout_ref: {rollout: {n: 4}}")
    assert "looks beyond groups and batches" in refused(here(capsys, "explain", str(config), "--on", SEARCH))
    with pytest.raises(InputError, match="scale_rewards: 'x' is not known"):
        trl({"scale_rewards": "x"})
