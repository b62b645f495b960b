"""show, exact, claims and train: what they print, what they write, how they refuse."""

import json
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest

from experiments.commands.show import Show
from tamdp_theory import TAMDP, TabularSoftmax, exact, save_policy
from tests.helpers.command import DRIFT, REPOSITORY, SEARCH, Captured, here, refused, script

SUBCOMMANDS = (
    "verify",
    "show",
    "exact",
    "claims",
    "falsify",
    "certify",
    "bound",
    "run",
    "figures",
    "report",
    "train",
    "lvlm",
)


EXACT_KEYS = ["total", "components", "gradient", "mean", "second_moment", "variance"]


# -- help --------------------------------------------------------------------------------------------------------------


def test_help_lists_the_commands_and_examples(tmp_path: Path) -> None:
    done = script("--help", folder=tmp_path)
    assert (done.code, done.err) == (0, "")
    for name in SUBCOMMANDS:
        assert f"\n  {name} " in done.out
        assert f"  tamdp {name} " in done.out, "an example"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_help_of_each_command_has_an_example(name: str, capsys: Captured) -> None:
    done = here(capsys, name, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"Example: tamdp {name} " in done.out
    assert "--help" in done.out


def test_no_arguments_are_a_call_for_help(capsys: Captured) -> None:
    done = here(capsys)
    assert done.code == 0
    assert done.out.startswith("usage: tamdp ")


@pytest.mark.parametrize("name", ["show", "exact", "claims", "train"])
def test_the_example_in_the_help_works(
    name: str, capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    found = re.search(f"Example: tamdp ({name} .*)", here(capsys, name, "--help").out)
    assert found is not None
    done = here(capsys, *found[1].split())
    assert (done.code, done.err) == (0, "")
    assert done.out


def test_version(capsys: Captured) -> None:
    import tamdp_theory

    assert here(capsys, "--version").out == f"{tamdp_theory.__version__}\n"


# -- bad options -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["exact", SEARCH, "--group-size", "1"], "group_size: must be an integer of at least 2, got 1"),
        (["exact", SEARCH, "--eps", "-1"], "eps: must be finite and not negative, got -1.0"),
        (["exact", SEARCH, "--eps", "nan"], "eps: must be finite and not negative, got nan"),
        (["exact", SEARCH, "--batch", "0"], "batch: must be an integer of at least 1, got 0"),
        (["exact", SEARCH, "--batch", "many"], "batch: must be an integer of at least 1, or inf; got 'many'"),
        (
            ["exact", SEARCH, "--normalization", "batch_std"],
            "normalization: batch_std looks at the whole batch; exact.batch_update takes it",
        ),
        (["exact", SEARCH, "--ddof", "3"], "ddof: must be 0 or 1, got 3"),
        (["exact", SEARCH, "--think-weight", "2"], "think_weight: must be in [0, 1], got 2.0"),
        (
            ["exact", SEARCH, "--policy", "none.json"],
            "none.json: cannot read (No such file or directory); check the path",
        ),
        (["exact", SEARCH, "--policy", SEARCH], f"{SEARCH}: schema: expected 'tamdp-policy/1', found 'tamdp/1'"),
        (["train", SEARCH, "--group-size", "1"], "group_size: must be an integer of at least 2, got 1"),
        (["train", SEARCH, "--steps", "-1"], "steps: must be an integer of at least 0, got -1"),
        (["train", SEARCH, "--learning-rate", "nan"], "learning_rate: must be positive and finite, got nan"),
        (["train", SEARCH, "--learning-rate", "0"], "learning_rate: must be positive and finite, got 0.0"),
        (["train", SEARCH, "--think-weight", "2"], "think_weight: must be in [0, 1], got 2.0"),
        (["train", SEARCH, "--seeds", "0"], "seeds: must be at least 1, got 0"),
        (["train", SEARCH, "--whiten"], "whiten: batch whitening belongs to mode sampled with normalize_then_sum"),
        (["train", SEARCH, "--kl-coef", "nan"], "kl_coef: must be finite and not negative, got nan"),
        (["claims", "T1.stationery"], "no claim 'T1.stationery'; did you mean T1.stationary"),
        (["claims", "?"], "no claim '?'; `tamdp claims` lists them"),
        (["verify", "--claim", "L99"], "no claim 'L99'; did you mean L9"),
        (["verify", "--quick", "--full"], "--quick and --full: choose one"),
    ],
    ids=lambda value: " ".join(value[:1] + value[2:]) if isinstance(value, list) else "",
)
def test_bad_options_are_one_line(
    arguments: list[str], says: str, capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(here(capsys, *arguments)).startswith(says)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["exact", SEARCH, "--mode", "mean"], "Unrecognized options: --mode"),
        (["exact", SEARCH, "--group-size", "many"], "invalid literal for int"),
        (["exact"], "STR"),
        (["train", SEARCH, "--mode", "guess"], "invalid choice 'guess'"),
        (["exact", SEARCH, "--json"], "Missing value for argument '--json'"),
        (["exact", SEARCH, "--no-such-option"], "--no-such-option"),
        (["prove"], "prove"),
    ],
)
def test_what_the_parser_refuses(arguments: list[str], says: str, capsys: Captured) -> None:
    done = here(capsys, *arguments)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert "Traceback" not in done.err


def test_an_interrupt_is_one_line(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(Show, "run", interrupt)
    done = here(capsys, "show", SEARCH)
    assert (done.code, done.err) == (130, "error: interrupted\n")


# -- show --------------------------------------------------------------------------------------------------------------


def test_show_says_what_is_in_the_file(capsys: Captured) -> None:
    env, done = TAMDP.load(SEARCH), here(capsys, "show", SEARCH)
    assert (done.code, done.err) == (0, "")
    rows = dict(re.findall(r"^  ([a-z ]+?)  +([\d,]+) *$", done.out, flags=re.M))
    assert rows == {
        "prompts": "2",
        "nodes": str(env.n_nodes),
        "legal actions": str(env.n_pairs),
        "edges": str(env.n_edges),
        "trajectories": str(exact.count_trajectories(env)),
        "horizon": "2",
        "tool depth": "1",
    }
    for name in (*env.node_ids, *env.action_names, *env.component_names, *env.prompt_names):
        assert name in done.out
    assert f"J* = {exact.optimal_values(env).total:.4g}" in done.out
    assert "shown" not in done.out, "everything is shown"


def test_show_stops_at_forty_nodes_unless_told(capsys: Captured) -> None:
    path = str(REPOSITORY / "examples" / "blackjack-small.json")
    env = TAMDP.load(path)
    assert env.n_nodes > 40
    short, full = here(capsys, "show", path).out, here(capsys, "show", path, "--all").out
    assert short.endswith(f"... 40 of {env.n_nodes:,} nodes shown; --all shows the rest\n")
    assert "shown" not in full
    assert len(full.splitlines()) > len(short.splitlines())
    for node_id in env.node_ids:
        assert node_id in full


# -- exact -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", ["3", "inf"])
def test_exact_of_a_batch(batch: str, capsys: Captured, tmp_path: Path) -> None:
    out, env = tmp_path / "numbers.json", TAMDP.load(SEARCH)
    options = ["--group-size", "4", "--normalization", "batch_std", "--eps", "1e-4", "--ddof", "1", "--batch", batch]
    done = here(capsys, "exact", SEARCH, *options, "--json", str(out))
    assert done.code == 0 and "batch_std" in done.out
    update = exact.batch_update(env, TabularSoftmax(env), "batch_std", 4, math.inf if batch == "inf" else 3, 1e-4, 1)
    saved = json.loads(out.read_text())
    assert saved["mean"] == update.mean.tolist() and saved["variance"] == update.variance


def test_exact_prints_the_numbers_of_the_library(tmp_path: Path) -> None:
    done = script(
        "exact", SEARCH, "--group-size", "4", "--normalization", "normalize_then_sum", "--json", "-", folder=tmp_path
    )
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert list(found) == EXACT_KEYS
    env = TAMDP.load(SEARCH)
    policy = TabularSoftmax(env)
    update = exact.update_moments(env, policy, 4, "normalize_then_sum")
    assert found["total"] == exact.values(env, policy).total
    assert found["components"] == exact.values(env, policy).components.tolist()
    assert found["gradient"] == exact.policy_gradient(env, policy).tolist()
    assert found["mean"] == update.mean.tolist()
    assert (found["second_moment"], found["variance"]) == (update.second_moment, update.variance)


def test_exact_options_reach_the_library(capsys: Captured, tmp_path: Path) -> None:
    path = str(REPOSITORY / "examples" / "number-line-think-small.json")
    env = TAMDP.load(path)
    policy = TabularSoftmax.random(env, np.random.default_rng(1))
    save_policy(policy, tmp_path / "p.json")
    options = [
        "--eps",
        "0.1",
        "--ddof",
        "1",
        "--think-weight",
        "0.5",
        "--group-size",
        "3",
        "--policy",
        str(tmp_path / "p.json"),
    ]
    done = here(capsys, "exact", path, *options, "--json", "-")
    update = exact.update_moments(env, policy, 3, normalization="sum_then_normalize", eps=0.1, ddof=1, think_weight=0.5)
    found = json.loads(done.out)
    assert found["mean"] == update.mean.tolist()
    assert found["variance"] == update.variance
    assert found["total"] == exact.values(env, policy).total


def test_exact_writes_a_file_and_a_table(capsys: Captured, tmp_path: Path) -> None:
    done = here(capsys, "exact", DRIFT, "--group-size", "2", "--json", str(tmp_path / "deep" / "x.json"))
    assert (done.code, done.err) == (0, "")
    found = json.loads((tmp_path / "deep" / "x.json").read_text())
    assert list(found) == EXACT_KEYS
    assert np.array(found["gradient"]) @ found["mean"] == pytest.approx(-3 / 800, rel=1e-12)
    assert re.search(r"<grad J, m> +-0\.00375 *$", done.out, flags=re.M)
    assert re.search(r"variance V +" + re.escape(f"{found['variance']:.4g}") + " *$", done.out, flags=re.M)


def test_output_is_written_whole_or_not_at_all(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.json"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        assert (
            refused(here(capsys, "exact", DRIFT, "--json", str(path)))
            == f"{path}: cannot write (No space left on device); nothing was changed"
        )
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.json"]
    assert (
        refused(here(capsys, "exact", DRIFT, "--json", str(tmp_path)))
        == f"{tmp_path}: cannot write (Is a directory); nothing was changed"
    )


def test_numbers_that_json_cannot_hold_are_refused(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact, "policy_gradient", lambda *_: np.array([np.inf]))
    path = tmp_path / "x.json"
    assert refused(here(capsys, "exact", DRIFT, "--json", str(path))).startswith(f"{path}: a number is not finite")
    assert not path.exists()
