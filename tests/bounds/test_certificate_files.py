"""Certificates as files: what is saved verifies, what is changed or cut is refused."""

import re
from pathlib import Path
from typing import Any

import pytest

from bounds import CLAIMS, certificates
from bounds.certificates import certify, save, verify
from tamdp_theory import TAMDP, CapacityError, InputError
from tests.helpers.certificate_files import ROUND_TRIPS, SHIPPED, changed, said, written


@pytest.mark.parametrize("name", ROUND_TRIPS)
def test_a_saved_certificate_verifies(name: str, tmp_path: Path) -> None:
    claim_id, instance = ROUND_TRIPS[name]
    made, path = certify(CLAIMS[claim_id], instance), tmp_path / "made.json"
    save(made, path)
    found = verify(path)
    assert said(found) == said(made)
    assert found.verdict == CLAIMS[claim_id].check(instance).verdict
    own = found.instance
    assert (
        own.group_size,
        own.normalization,
        float(own.eps if isinstance(own.eps, (int, str)) else own.eps.text),
        own.ddof,
    ) == (instance.scheme.group_size, instance.scheme.normalization, instance.scheme.eps, instance.scheme.ddof)
    assert TAMDP.from_dict(own.process).to_dict() == instance.env.to_dict()
    form = {"rational": r"-?\d+(/\d+)?", "surd": r".*\*sqrt\(\d+\).*", "ball": r"\[.* \+/- .*e-\d+\]"}.get(name)
    if form:
        assert any(re.fullmatch(form, side) for side in (found.lhs, found.rhs))
        assert found.is_exact is (name != "ball")
    if name == "more than 400 digits":
        assert max(map(len, re.findall(r"\d+", found.rhs))) > 400
    again = tmp_path / "again.json"
    save(certify(CLAIMS[claim_id], instance), again)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", ["log-linear", "reference"])
def test_enclosures_are_narrow(name: str) -> None:
    made = certify(CLAIMS[ROUND_TRIPS[name][0]], ROUND_TRIPS[name][1])
    assert made.rhs.startswith("[")
    for side in (made.lhs, made.rhs, made.slack):
        middle, _, radius = side.strip("[]").partition(" +/- ")
        assert float(radius) <= 1e-12 * abs(float(middle))


NODE = ("instance", "process", "nodes", 0)


POLICY = ("instance", "policy", "probabilities", "q0")


TAMPERED: list[tuple[str, tuple[str | int, ...], Any, str]] = [
    ("T1.drift", (*NODE, "actions", 1, "next", 0, "rewards", 0), 0.26, "lhs: computed"),
    (
        "T1.drift",
        (*NODE, "actions", 0, "next"),
        [{"probability": 0.41, "rewards": [1]}, {"probability": 0.59, "rewards": [0]}],
        "lhs: computed",
    ),
    (
        "T1.drift",
        (*NODE, "actions", 0, "next", 0, "probability"),
        0.5,
        r"instance.process: nodes\[0\].actions\[0\].next: probabilities sum to 1.1",
    ),
    ("T1.drift", ("instance", "process", "components", 0, "weight"), 2, "lhs: computed"),
    ("T1.drift", ("instance", "process", "schema"), "tamdp/2", "instance.process: schema"),
    ("T1.drift", POLICY, ["1/3", "2/3"], "lhs: computed"),
    (
        "T1.drift",
        POLICY,
        ["1/3", "1/3"],
        r"instance.policy.probabilities\['q0'\]: need 2 positive numbers that sum to one",
    ),
    ("T1.drift", POLICY, ["3/2", "-1/2"], r"instance.policy.probabilities\['q0'\]: need 2 positive"),
    ("T1.drift", POLICY, ["half", "1/2"], r"instance.policy.probabilities\['q0'\]\[0\]: 'half' is not a number"),
    (
        "T1.drift",
        ("instance", "policy"),
        {"kind": "log-linear", "features": [["0"]], "parameters": ["0"]},
        "instance.policy.features: need one row",
    ),
    (
        "T1.drift",
        ("instance", "policy"),
        {"kind": "log-linear", "features": [["0"], ["0"]], "parameters": ["0"]},
        "assumptions: computed",
    ),
    ("T1.drift", ("instance", "policy"), {"kind": "network"}, "instance.policy"),
    (
        "T1.drift",
        ("instance", "reference"),
        {"kind": "tabular", "probabilities": {}},
        r"instance.reference.probabilities\['q0'\]",
    ),
    ("T1.drift", ("instance", "group_size"), 3, "lhs: computed"),
    ("T1.drift", ("instance", "group_size"), 1, "instance: group_size"),
    ("T1.drift", ("instance", "group_size"), 10**9, "terms exceed the limit"),
    ("T1.drift", ("instance", "normalization"), "center", "assumptions: computed"),
    ("T1.drift", ("instance", "normalization"), "none", "instance: normalization"),
    ("T1.drift", ("instance", "eps"), 0.001, "lhs: computed"),
    ("T1.drift", ("instance", "eps"), -0.5, "instance.eps: must be 0 or"),
    ("T1.drift", ("instance", "eps"), "1" + 399 * "0", "instance.eps: must be 0 or"),
    ("T1.drift", ("instance", "ddof"), 1, "lhs: computed"),
    ("T1.drift", ("instance", "ddof"), 2, "instance: ddof"),
    ("T1.drift", ("instance", "think_weight"), "1/2", "assumptions: computed"),
    ("T1.drift", ("instance", "think_weight"), 2, "instance.think_weight: must be in"),
    ("T1.drift", ("instance", "without"), ["witness"], "assumptions: computed"),
    ("T1.drift", ("instance", "without"), ["gravity"], "instance.without: T1.drift has no assumption 'gravity'"),
    ("T1.drift", ("instance", "extra"), 1, "instance.*extra"),
    ("T1.drift", ("lhs",), "-3/801", "lhs: computed -3/800, the file says '-3/801'"),
    ("T1.drift", ("lhs",), "-6/1600", "lhs: computed -3/800"),
    ("T1.drift", ("lhs",), "[-0.00376 +/- 1e-6]", "lhs: computed -3/800, which the file's .* does not contain"),
    (
        "T1.drift",
        ("lhs",),
        "[-0.00375 +/- 0.01]",
        "lhs, rhs, slack: as written they do not show 'holds'; the enclosures are too wide",
    ),
    ("T1.drift", ("rhs",), "1", "rhs: computed 0"),
    ("T1.drift", ("slack",), "-3/800", "slack: computed 3/800"),
    ("T1.drift", ("slack",), "[0 +/- 1]", "slack: as written they do not show 'holds'"),
    ("T1.drift", ("verdict",), "violated", "verdict: computed holds"),
    ("T1.drift", ("verdict",), "undecided", "verdict: 'undecided' is neither"),
    ("T1.drift", ("bits",), 16, "bits: 16 is not between"),
    ("T1.drift", ("bits",), 10**6, "bits: 1000000 is not between"),
    ("T1.drift", ("assumptions", "witness"), False, "assumptions: computed"),
    ("T1.drift", ("assumptions",), {"tabular": True}, "assumptions: computed"),
    ("T1.drift", ("statement",), "0 < 1", "statement: the registry states T1.drift as"),
    ("T1.drift", ("claim",), "L9", "statement: the registry states L9 as"),
    ("T1.drift", ("claim",), "T9", "claim: 'T9' is not in the registry"),
    ("T1.drift", ("claim",), "T1.stationary", "statement"),
    ("T1.drift", ("schema",), "tamdp-certificate/2", "schema: expected"),
    ("T1.drift.decomposed", (*NODE, "actions", 0, "next", 0, "rewards", 1), 1, "assumptions: computed|lhs: computed"),
    ("T1.drift.decomposed", ("lhs",), "[-0.00000001 +/- 1e-7]", "lhs: computed|too wide"),
    ("T2.open", ("lhs",), "[3.4527665 +/- 4]", "too wide"),
    ("T2.open", ("lhs",), "[3.4527665 +/- 1e-9]", "lhs: computed .* does not contain"),
    ("T2.open", ("lhs",), "7/2", "lhs: computed"),
    ("T2.open", ("instance", "without"), ["three values"], "assumptions: computed"),
    ("T2.printed", ("lhs",), "1/21", "lhs: computed 1/20"),
    ("T2.printed", ("verdict",), "holds", "verdict: computed violated, the file says 'holds'"),
    ("T2.printed", ("instance", "reference"), None, "the instance names none as reference"),
    ("T1.assumption2", ("lhs",), "1", "lhs: computed 2"),
    ("T2.cancel", ("rhs",), "[0 +/- 1e-30]", "too wide"),
]


@pytest.mark.parametrize(("claim_id", "place", "value", "says"), TAMPERED)
def test_a_changed_certificate_is_refused(
    claim_id: str, place: tuple[str | int, ...], value: Any, says: str, tmp_path: Path
) -> None:
    """By its digest as it is; and with a digest made to fit, by what does not come out again."""
    content = changed(SHIPPED[claim_id], place, value)
    path = written(content, tmp_path / "changed.json", digest=False)
    with pytest.raises(InputError, match="refused: "):
        verify(path)
    with pytest.raises((InputError, CapacityError), match=f"refused: .*({says})") as caught:
        verify(written(content, path))
    assert str(caught.value).startswith(f"{path}: refused: ")
    assert str(caught.value).isprintable() and len(str(caught.value)) < 600


def test_what_the_digest_is_for(tmp_path: Path) -> None:
    """Names say nothing about numbers: only the digest shows that they were changed."""
    content = changed(SHIPPED["T1.drift"], ("instance", "process", "name"), "other")
    with pytest.raises(InputError, match="refused: digest: does not fit the content"):
        verify(written(content, tmp_path / "name.json", digest=False))
    assert verify(written(content, tmp_path / "name.json")).lhs == "-3/800"


@pytest.mark.parametrize("claim_id", ["T1.drift", "T2.printed"])
def test_a_cut_file_is_refused(claim_id: str, tmp_path: Path) -> None:
    content, path = certificates.shipped()[claim_id].read_bytes().rstrip(), tmp_path / "cut.json"
    for end in range(len(content)):
        path.write_bytes(content[:end])
        with pytest.raises(InputError) as caught:
            verify(path)
        assert str(caught.value).startswith(f"{path}: ")
    path.write_bytes(content)
    assert verify(path).claim == claim_id
