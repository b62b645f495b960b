"""show, exact, claims and train: what they print, what they write, how they refuse."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

import bounds
from experiments.commands.show import Show
from tamdp_theory import TAMDP, TabularSoftmax, exact, grpo, save_policy
from tests.helpers.command import DRIFT, REPOSITORY, SEARCH, here, refused, script, start

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
Captured = pytest.CaptureFixture[str]


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


# -- claims ------------------------------------------------------------------------------------------------------------


def test_claims_lists_every_claim(capsys: Captured) -> None:
    done = here(capsys, "claims")
    assert (done.code, done.err) == (0, "")
    for claim in bounds.CLAIMS.values():
        assert re.search(rf"^ *{re.escape(claim.id)} +\S.* {claim.standing} +{claim.kind} ", done.out, flags=re.M), (
            claim.id
        )


def test_a_claim_is_told_in_full(capsys: Captured) -> None:
    claim, out = bounds.CLAIMS["T1.stationary"], here(capsys, "claims", "T1.stationary").out
    lines = out.splitlines()
    assert lines[0] == f"T1.stationary  {claim.title}  ({claim.kind})"
    assert any("<=" in line or "≤" in line for line in lines[1:4]), "the statement"
    assert f"  LaTeX: {claim.latex()}" in lines
    assert claim.assumptions
    for assumption in claim.assumptions:
        assert f"  {assumption.name}: {assumption.text}" in lines
    assert f"standing: {claim.standing}" in lines
    assert f"why: {claim.proof}" in lines
    assert f"reference: {claim.reference}" in lines
    assert f"builds on: {', '.join(claim.depends_on)}" in lines


@pytest.mark.parametrize("claim_id", bounds.CLAIMS)
def test_every_claim_can_be_printed(claim_id: str, capsys: Captured) -> None:
    done, claim = here(capsys, "claims", claim_id), bounds.CLAIMS[claim_id]
    assert (done.code, done.err) == (0, "")
    for part in (claim_id, claim.title, claim.latex(), f"standing: {claim.standing}", f"reference: {claim.reference}"):
        assert part in done.out
    assert here(capsys, "claims", claim_id, "--latex").out == claim.latex() + "\n"


def test_all_statements_as_latex(capsys: Captured) -> None:
    out = here(capsys, "claims", "--latex").out
    assert out == "".join(f"% {claim.id}: {claim.title}\n{claim.latex()}\n" for claim in bounds.CLAIMS.values())


# -- train -------------------------------------------------------------------------------------------------------------


def test_exact_training(capsys: Captured, tmp_path: Path) -> None:
    options = [
        "--steps",
        "7",
        "--learning-rate",
        "0.5",
        "--normalization",
        "center",
        "--group-size",
        "3",
        "--record-every",
        "3",
        "--record-update",
    ]
    done = here(capsys, "train", SEARCH, *options, "--json", "-", "--save-policy", str(tmp_path / "p.json"))
    assert (done.code, done.err) == (0, "")
    found, env = json.loads(done.out), TAMDP.load(SEARCH)
    config = grpo.Config(
        steps=7, learning_rate=0.5, normalization="center", group_size=3, record_every=3, record_update=True
    )
    history = grpo.train(env, TabularSoftmax(env), config)
    assert list(found) == [
        "process",
        "components",
        "config",
        "step",
        "total",
        "component_values",
        "gradient_norm2",
        "update_norm2",
        "drift",
    ]
    assert (found["process"], found["components"]) == ("search-small", ["format", "accuracy", "executability"])
    assert found["config"]["steps"] == 7
    assert found["config"]["clip"] == [0.2, 0.2]
    assert found["step"] == [0, 3, 6, 7]
    assert found["total"] == history.total.tolist()
    assert found["component_values"] == history.components.tolist()
    assert found["gradient_norm2"] == history.gradient_norm2.tolist()
    assert found["total"][0][-1] > found["total"][0][0]
    after = json.loads(here(capsys, "exact", SEARCH, "--policy", str(tmp_path / "p.json"), "--json", "-").out)
    assert after["total"] == pytest.approx(found["total"][0][-1], rel=1e-14)
    again = json.loads(
        here(capsys, "train", SEARCH, "--steps", "0", "--policy", str(tmp_path / "p.json"), "--json", "-").out
    )
    assert again["total"][0] == [pytest.approx(after["total"], rel=1e-14)]


def test_sampled_training(tmp_path: Path, capsys: Captured) -> None:
    options = ["train", SEARCH, "--mode", "sampled", "--seeds", "3", "--steps", "5", "--learning-rate", "0.5"]
    done = script(*options, "--json", "h.json", "--save-policy", "p.json", folder=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert sorted(os.listdir(tmp_path)) == ["h.json", "p.json"]
    found, env = json.loads((tmp_path / "h.json").read_text()), TAMDP.load(SEARCH)
    history = grpo.train(env, TabularSoftmax(env), grpo.Config(mode="sampled", steps=5, learning_rate=0.5), range(3))
    assert found["total"] == history.total.tolist()
    assert len({tuple(run) for run in found["total"]}) == 3, "seeds differ"
    rows = re.findall(r"^ +(\d) +(\S+) ± (\S+) ", done.out, flags=re.M)
    assert [int(step) for step, _, _ in rows] == found["step"]
    last = history.total[:, -1]
    assert rows[-1][1:] == (f"{last.mean():.4g}", f"{last.std(ddof=1):.4g}")
    assert done.out.endswith("means over 3 runs; ± is the standard deviation between runs\n")
    after = json.loads(here(capsys, "exact", SEARCH, "--policy", str(tmp_path / "p.json"), "--json", "-").out)
    assert after["total"] == pytest.approx(found["total"][0][-1], rel=1e-14)
    assert json.loads(here(capsys, *options, "--json", "-").out) == found, "same seeds, same numbers"


# -- streams -----------------------------------------------------------------------------------------------------------


def test_a_reader_that_leaves_gets_no_traceback(tmp_path: Path) -> None:
    commands = (["--help"], ["show", SEARCH], ["exact", SEARCH, "--json", "-"])
    running = [start(*arguments, folder=tmp_path) for arguments in commands]
    for process in running:
        assert process.stdout is not None
        process.stdout.close()
    for process in running:
        with process:
            assert process.stderr is not None
            assert process.stderr.read() == ""
        assert process.returncode == 141, "as shells report a broken pipe: neither success nor a failing claim"


def test_a_terminal_without_unicode(tmp_path: Path) -> None:
    done = script(
        "claims", "L9", folder=tmp_path, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii"
    )
    assert (done.code, done.err) == (0, "")
    assert done.out.isascii()
    assert "\\xb2" in done.out, "what cannot be shown is written as an escape"
