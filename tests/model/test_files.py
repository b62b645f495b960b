"""Bad input: one InputError that names the place and the remedy; on the command line one line on stderr and exit code
2.
"""

import json
import os
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from experiments.cli import main
from tamdp_theory import TAMDP, InputError
from tests.helpers.faults import FAULTS, Fault
from tests.helpers.file_faults import FILE_FAULTS
from tests.helpers.sound import holder, put, sound

by_name = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)


def faulty(fault: Fault) -> dict[str, Any]:
    content = sound()
    fault.change(content)
    return content


def expected(fault: Fault) -> str:
    return f"{fault.place}: {fault.says}" if fault.says else fault.place


def message_of(content: Any) -> str:
    with pytest.raises(InputError) as caught:
        TAMDP.from_dict(content)
    message = str(caught.value)
    assert message.isprintable(), "one line, no control characters"
    assert len(message) < 300
    return message


def error_line(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command line, which must fail in the documented way; returns what follows "error: "."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    out, err = capsys.readouterr()
    assert caught.value.code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.endswith("\n")
    assert err[:-1].isprintable(), "one line, no control characters"
    return err.removeprefix("error: ").removesuffix("\n")


def test_names_in_the_table_are_unique() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_the_sound_content_is_sound() -> None:
    assert TAMDP.from_dict(sound()).n_nodes == 4


@by_name
def test_fault_in_a_dictionary(fault: Fault) -> None:
    assert message_of(faulty(fault)).startswith(expected(fault))


@by_name
def test_fault_in_a_file(fault: Fault, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(faulty(fault)))
    with pytest.raises(InputError) as caught:
        TAMDP.load(path)
    assert str(caught.value).startswith(f"{path}: {expected(fault)}")
    assert error_line(capsys, "show", str(path)) == str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"), [fault[1:] for fault in FILE_FAULTS], ids=[fault[0] for fault in FILE_FAULTS]
)
def test_content_that_no_dictionary_holds(
    content: bytes, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        TAMDP.load(path)
    assert str(caught.value).startswith(f"{path}: {says}")
    assert error_line(capsys, "show", str(path)) == str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("prompts.0.probability", "prompts[0].probability"),
        ("components.2.weight", "components[2].weight"),
        ("nodes.3.actions.0.next.0.rewards.1", "nodes[3].actions[0].next[0].rewards[1]"),
    ],
)
def test_not_finite(place: str, name: str, value: float) -> None:
    content = sound()
    put(place, value)(content)
    assert message_of(content) == f"{name}: expected a finite number, got {value}"


def test_nested_python_objects() -> None:
    deep: Any = 0
    for _ in range(100_000):
        deep = [deep]
    for place, says in (
        ("schema", "schema: expected 'tamdp/1', found a list"),
        ("name", "name: expected `str`, got `array`"),
    ):
        content = sound()
        put(place, deep)(content)
        assert message_of(content) == says
    content = sound()
    put("prompts.0.probability", deep)(content)
    assert message_of(content) == 'prompts[0].probability: expected a number or a string "a/b", got a list'


@pytest.mark.parametrize(("content", "kind"), [([], "list"), (None, "NoneType"), ("tamdp/1", "str"), (3, "int")])
def test_not_a_mapping(content: Any, kind: str) -> None:
    assert message_of(content) == f"expected a tamdp/1 object, got {kind}"


def test_any_mapping_will_do() -> None:
    assert TAMDP.from_dict(types.MappingProxyType(sound())).to_dict() == TAMDP.from_dict(sound()).to_dict()


def test_paths_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing, folder, loop, inside = (
        tmp_path / "missing.json",
        tmp_path / "folder",
        tmp_path / "loop",
        tmp_path / "file" / "x.json",
    )
    folder.mkdir()
    loop.symlink_to(loop)
    (tmp_path / "file").touch()
    for path, reason in (
        (missing, "No such file or directory"),
        (folder, "Is a directory"),
        (loop, "Too many levels"),
        (inside, "Not a directory"),
    ):
        line = error_line(capsys, "show", str(path))
        assert line.startswith(f"{path}: cannot read ({reason}")
        assert line.endswith("; check the path")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, os.strerror(13), str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputError, match=r"x\.json: cannot read \(Permission denied\); check the path"):
        TAMDP.load(tmp_path / "x.json")


def test_a_path_with_a_nul_byte() -> None:
    with pytest.raises(InputError, match=r"^'x\\x00y': not a file name \(embedded null byte\)$"):
        TAMDP.load("x\0y")


@pytest.mark.parametrize(
    "name", ["[bold]x[/]", "[/]", "a\nb", "\x1b[31mred", "\u2028", "\\", "x" * 200, ":warning:", "[link=file:///]"]
)
def test_strange_file_names_stay_on_one_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = error_line(capsys, "show", str(tmp_path / name))
    shown = {"a\nb": "a b", "\x1b[31mred": "\\x1b[31mred", "\u2028": ""}.get(name, name)
    named = tmp_path / shown if shown else str(tmp_path) + "/ "
    assert line == f"{named}: cannot read (No such file or directory); check the path"


def test_strange_names_are_shown_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["[red]x[/]", "[/nothing]", "\x1b[31mesc\x07", ":warning:", "back\\", "two\nlines", "\x9b31m"]
    content = sound()
    for place, name in zip(
        (
            "name",
            "components.0.name",
            "prompts.0.name",
            "nodes.3.actions.0.name",
            "nodes.3.observation",
            "nodes.0.actions.2.name",
            "nodes.2.observation",
        ),
        names,
        strict=True,
    ):
        put(place, name)(content)
    path = tmp_path / "x.json"
    path.write_text(json.dumps(content))
    for colour in ("", "1"):
        monkeypatch.setenv("FORCE_COLOR", colour)
        for command in (["show"], ["exact"], ["train", "--steps", "1"]):
            with pytest.raises(SystemExit) as caught:
                main([*command, str(path)])
            assert caught.value.code == 0
            out, err = capsys.readouterr()
            for raw in ("\x1b[31m", "\x07", "\x9b"):
                assert raw not in out + err
            assert "[red]x[/]" in out if command == ["show"] else "[/nothing]" in out
            if command == ["show"]:
                for shown in ("[/nothing]", "\\x1b[31mesc\\x07", ":warning:", "back\\", "two\\nlines", "\\x9b31m"):
                    assert shown in out


# -- fuzz --------------------------------------------------------------------------------------------------------------

numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from(["1/2", "1/0", "-1/3", "2", "1e5", "٣"]),
    st.fractions(),
    st.sampled_from([10**400, 2**63, 5e-324, 1e308]),
)
anything = st.recursive(
    st.none()
    | st.booleans()
    | numbers
    | st.text(max_size=5)
    | st.sampled_from(["q0", "q1", "q0/hit", "tool", "think", "answer", "tamdp/1"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=4) | st.sampled_from(["node", "rewards", "probability"]), inner, max_size=4)
    ),
    max_leaves=8,
)


def places(content: Any, prefix: str = "") -> list[str]:
    """Every place of the content, as ``holder`` reads it."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [place for key, value in items for place in (f"{prefix}{key}", *places(value, f"{prefix}{key}."))]


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    content = sound()
    for _ in range(draw(st.integers(1, 3))):
        found, last = holder(
            content, draw(st.sampled_from(places(sound()).copy()).filter(lambda place: reachable(content, place)))
        )
        action = draw(st.sampled_from(["drop", "replace", "copy"]))
        if action == "drop":
            del found[last]
        elif action == "replace":
            found[last] = draw(anything)
        elif isinstance(found, list):
            found.append(found[last])
    return content


def reachable(content: dict[str, Any], place: str) -> bool:
    try:
        found, last = holder(content, place)
        return isinstance(found, dict | list) and found[last] is not None
    except (LookupError, TypeError):
        return False


def accepted(read: Callable[[], TAMDP]) -> TAMDP | str:
    """The process, or the message of the refusal; anything else that is raised is a bug."""
    try:
        return read()
    except InputError as error:
        return str(error)


def accept_or_refuse(content: dict[str, Any]) -> None:
    env = accepted(lambda: TAMDP.from_dict(content))
    if isinstance(env, str):
        assert env.isprintable()
        assert len(env) < 300
        return
    again = env.to_dict()
    assert TAMDP.from_dict(again).to_dict() == again
    assert env.edge_probability.min() > 0
    assert abs(env.kernel.sum(axis=1) - 1).max() < 1e-12


@settings(max_examples=400, deadline=None)
@given(mutated())
def test_any_change_of_a_dictionary_is_accepted_or_refused(content: dict[str, Any]) -> None:
    accept_or_refuse(content)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([*sound(), "x"]), anything))
def test_any_dictionary_is_accepted_or_refused(content: dict[str, Any]) -> None:
    accept_or_refuse({"schema": "tamdp/1", **content})


@st.composite
def broken_files(draw: st.DrawFn) -> bytes:
    content = json.dumps(sound()).encode()
    start = draw(st.integers(0, len(content)))
    stop = draw(st.integers(start, min(start + 20, len(content))))
    return (
        content[:start]
        + draw(st.binary(max_size=6) | st.sampled_from([b"-", b"9", b"e9", b"1e400", b'"', b"[", b"null"]))
        + content[stop:]
    )


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "x.json"


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=40) | broken_files())
@example(content=json.dumps(sound()).encode())
def test_any_bytes_are_accepted_or_refused(content: bytes, file: Path) -> None:
    file.write_bytes(content)
    env = accepted(lambda: TAMDP.load(file))
    if isinstance(env, str):
        assert env.startswith(f"{file}: ")
        assert env.isprintable()
    else:
        env.save(file)
        assert TAMDP.load(file).to_dict() == env.to_dict()
