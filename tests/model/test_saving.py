"""What is written is what is read: exact numbers, whole files or none."""

import json
import os
import stat
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamdp_theory import TAMDP, InputError, families
from tamdp_theory.numbers import fraction, to_json
from tamdp_theory.strategies import documents
from tests.helpers.sound import put, sound, text

EXAMPLES = sorted(Path(__file__).parents[2].glob("examples/*.json"))


@settings(max_examples=40, deadline=None)
@given(documents())
def test_dictionary_round_trip(content: dict[str, Any]) -> None:
    env = TAMDP.from_dict(content)
    written = env.to_dict()
    assert TAMDP.from_dict(written).to_dict() == written
    for name in ("prompts", "components"):
        assert [item["name"] for item in written[name]] == [item["name"] for item in content[name]]
    for node, source in zip(written["nodes"], content["nodes"], strict=True):
        assert {**node, "actions": None} == {**source, "actions": None}
        for action, given_action in zip(node["actions"], source["actions"], strict=True):
            assert (action["name"], action["kind"]) == (given_action["name"], given_action["kind"])
            for edge, given_edge in zip(action["next"], given_action["next"], strict=True):
                assert fraction(edge["probability"], "") == given_edge["probability"]
                assert edge.get("node") == given_edge.get("node")
                assert [fraction(r, "") for r in edge.get("rewards", [])] == given_edge.get("rewards", [])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_survive_saving(path: Path, tmp_path: Path) -> None:
    env, copy = TAMDP.load(path), tmp_path / "copy.json"
    env.save(copy)
    assert TAMDP.load(copy).to_dict() == env.to_dict()
    assert json.loads(copy.read_text()) == json.loads(path.read_text())


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 7


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0.30000000000000004", Fraction(30000000000000004, 10**17)),
        ("0.1", Fraction(1, 10)),
        ('"1/3"', Fraction(1, 3)),
        ("1e-7", Fraction(1, 10**7)),
        ("1E+2", Fraction(100)),
        ("2.5e-3", Fraction(1, 400)),
        ("7", Fraction(7)),
        ('"+4/6"', Fraction(2, 3)),
        ("1" * 30, Fraction("1" * 30)),
        ("0." + "7" * 300, Fraction(int("7" * 300), 10**300)),
        ('"' + "9" * 90 + "/" + "7" * 400 + '"', Fraction(int("9" * 90), int("7" * 400))),
        ("-0.0", Fraction(0)),
        ("4.9e-324", Fraction(49, 10**325)),
    ],
)
def test_a_number_means_the_decimal_that_was_written(written: str, value: Fraction, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text('"3/5"', written))
    env = TAMDP.load(path)
    assert env.exact_weights[1] == value
    env.save(path)
    assert TAMDP.load(path).exact_weights == env.exact_weights


@given(
    st.fractions()
    | st.floats(allow_nan=False, allow_infinity=False).map(lambda x: fraction(x, ""))
    | st.integers().map(Fraction)
)
def test_json_form_is_read_back_and_short(value: Fraction) -> None:
    written = to_json(value)
    assert fraction(written, "") == value
    assert fraction(json.loads(json.dumps(written)), "") == value
    assert not isinstance(written, str) or Fraction(repr(float(value))) != value, (
        "a decimal that says it all is preferred"
    )


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_means_its_shortest_decimal(value: float) -> None:
    assert fraction(value, "") == Fraction(repr(value))
    assert float(fraction(value, "")) == value


def test_sums_near_one_are_rescaled() -> None:
    content = sound()
    third = {"rewards": [1, 1, 1], "probability": 1 / 3}
    put("nodes.3.actions.0.next", [third, third, third])(content)
    env = TAMDP.from_dict(content)
    thirds = [env.numbers[env.edge_number[e]] for e in range(env.n_edges) if env.pair_node[env.edge_pair[e]] == 3]
    assert thirds == [Fraction(1, 3)] * 3
    assert env.to_dict()["nodes"][3]["actions"][0]["next"][0]["probability"] == "1/3"


def test_sums_of_exactly_one_are_kept() -> None:
    content = sound()
    put("prompts.0.probability", 0.3)(content)
    put("prompts.1.probability", 0.7)(content)
    assert TAMDP.from_dict(content).exact_prompt_probability == (Fraction(3, 10), Fraction(7, 10))


@pytest.mark.parametrize(("miss", "accepted"), [("1e-9", True), ("-1e-9", True), ("1.1e-9", False), ("-1.1e-9", False)])
def test_how_near_one_is_near_enough(miss: str, accepted: bool) -> None:
    content = sound()
    put("prompts.0.probability", Fraction(3, 4) + Fraction(miss))(content)
    if accepted:
        env = TAMDP.from_dict(content)
        assert sum(env.exact_prompt_probability) == 1
        assert env.exact_prompt_probability[0] == (Fraction(3, 4) + Fraction(miss)) / (1 + Fraction(miss))
    else:
        with pytest.raises(InputError, match=r"^prompts: probabilities sum to (1\.0000000011|0\.9999999989), not 1$"):
            TAMDP.from_dict(content)


# -- whole files or none -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full disk", "interrupt"]
)
def test_a_failing_write_leaves_the_old_file(
    call: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.json"
    path.write_text("old")

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(os, call, fail)
    expected = InputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        families.drift_bandit().save(path)
    if expected is InputError:
        assert str(caught.value) == f"{path}: cannot write (No space left on device); nothing was changed"
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.json"]


def test_saving_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("old" * 10**5)
    families.drift_bandit().save(path)
    assert TAMDP.load(path).name == "bandit-drift"
    assert os.listdir(tmp_path) == ["x.json"]


def test_saving_makes_folders(tmp_path: Path) -> None:
    families.drift_bandit().save(tmp_path / "new" / "deep" / "x.json")
    assert TAMDP.load(tmp_path / "new" / "deep" / "x.json").name == "bandit-drift"


def test_the_mode_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        families.drift_bandit().save(tmp_path / "x.json")
        assert os.umask(0o027) == 0o027, "saving leaves the umask alone"
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.json").stat().st_mode) == 0o640


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("kept")
    folder.mkdir()
    for path, reason in ((file / "x.json", "Not a directory|File exists"), (folder, "Is a directory")):
        with pytest.raises(InputError, match=f"cannot write \\(({reason})\\); nothing was changed$"):
            families.drift_bandit().save(path)
    with pytest.raises(InputError, match=r"x\\x00y': cannot write \(.*null byte\); nothing was changed$"):
        families.drift_bandit().save(str(tmp_path / "x\0y"))
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    assert file.read_text() == "kept"
    assert os.listdir(folder) == []


def test_text_that_utf8_cannot_hold(tmp_path: Path) -> None:
    content = sound()
    put("name", "\ud800")(content)
    with pytest.raises(InputError, match=r"x\.json': cannot write \(.*surrogates not allowed\); nothing was changed$"):
        TAMDP.from_dict(content).save(tmp_path / "x.json")
    assert os.listdir(tmp_path) == []


def test_a_link_stays_and_what_it_names_is_replaced(tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text("old")
    link.symlink_to(real)
    families.drift_bandit().save(link)
    assert link.is_symlink()
    assert TAMDP.load(real).name == "bandit-drift"


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()), daemon=True)
    reader.start()
    families.drift_bandit().save(pipe)
    assert pipe.is_fifo()
    reader.join(10)
    assert json.loads(received[0])["name"] == "bandit-drift"


def test_names_are_written_as_they_are(tmp_path: Path) -> None:
    content = sound()
    put("nodes.0.observation", 'Bild \u00e4\u4e2d\U0001f600\u2028\x1b\n"\\')(content)
    path = tmp_path / "x.json"
    TAMDP.from_dict(content).save(path)
    assert TAMDP.load(path).observations[0] == content["nodes"][0]["observation"]
    assert "\u4e2d" in path.read_text(encoding="utf-8")
