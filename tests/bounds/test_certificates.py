"""Certificates: exact decisions against the float checks, files that verify, and files that must not."""

import copy
import json
import math
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from bounds import CLAIMS, Check, Claim, Generalization, Instance, Standing, Verdict, certificates
from bounds.certificates import Certificate, certify, save, verify
from bounds.claims.scaling import component_bandit
from bounds.decision import Decision, decide
from bounds.exact_instance import exactly, rational_probabilities
from tamdp_theory import TAMDP, CapacityError, InputError, LogLinear, Network, Policy, TabularSoftmax, families
from tamdp_theory.exact import Scheme, balls

SHIPPED = {claim_id: json.loads(path.read_text()) for claim_id, path in certificates.shipped().items()}
TREE = families.random_tree(seed=1, prompts=2, tools=1, answers=2, max_tool_depth=1, components=2)
THREE = families.bandit([["0"], ["1/3"], ["1"]])
BITS = families.bandit([(0, 0), (1, 0), (0, 1), (1, 1)], weights=("1/2", "1/2"))
SKEW = families.bandit([[("1/4", (0, 1)), ("3/4", (1, 0))], [("1/2", (1, 1)), ("1/2", (0, 0))]], weights=("3/4", "1/4"))
FORMS = ("sum_then_normalize", "normalize_then_sum", "center")


# -- against floats -----------------------------------------------------------------------------------------------


def three_policies(env: TAMDP) -> tuple[Policy, Policy, Policy]:
    noise = np.random.default_rng(2)
    linear = LogLinear(env, noise.standard_normal((env.n_pairs, 2)).round(2), [0.5, -0.25])
    return TabularSoftmax(env), TabularSoftmax.random(env, np.random.default_rng(1)), linear


def instances(claim: Claim, without: tuple[str, ...] = ()) -> Iterator[Instance]:
    """The stored example; then each process with each policy, under the claim's first scheme, a plain one, and one with
    eps or ddof.
    """
    if claim.example is not None and not without:
        yield claim.example()
    size = claim.schemes[0].group_size if claim.schemes else 3
    for env in (TREE, THREE, BITS, BITS.with_weights((1, 1)), SKEW):
        for turn, policy in enumerate(three_policies(env)):
            reference = (
                policy.with_parameters([0.1, 0.2])
                if isinstance(policy, LogLinear)
                else TabularSoftmax.random(env, np.random.default_rng(3), 0.3)
            )
            first = claim.schemes[0] if claim.schemes else Scheme(3, "center")
            schemes = [
                first,
                Scheme(3, "normalize_then_sum"),
                Scheme(3, FORMS[turn], (0.25, 0.0, 0.25)[turn], turn % 2),
            ]
            if without:
                schemes += [Scheme(min(size, 4), form, 0.25 * turn) for form in FORMS]
            for scheme in schemes:
                yield Instance(env, policy, scheme, reference=reference, without=without)
    if claim.id.startswith("T1.scaling"):
        for comonotone in (False, True):
            env = component_bandit(2, comonotone, "components")
            yield Instance(env, TabularSoftmax(env), first)


def decided(claim: Claim, instance: Instance) -> tuple[Check, Decision] | None:
    """Both checks; None where the instance is too large for the exact one."""
    try:
        with balls.precision(200):
            return claim.check(instance), decide(claim, exactly(instance))
    except CapacityError:
        return None


def as_float(value: Any) -> float:
    return float(balls.ball(value).mid())


ENCLOSED = [claim.id for claim in CLAIMS.values() if claim.enclose is not None]


@pytest.mark.parametrize("claim_id", ENCLOSED)
def test_decisions_agree_with_floats(claim_id: str) -> None:
    claim = CLAIMS[claim_id]
    seen: Counter[Verdict | None] = Counter()
    for instance in instances(claim):
        if (found := decided(claim, instance)) is None:
            continue
        check, decision = found
        seen[decision.verdict] += 1
        assert (decision.verdict is Verdict.ASSUMPTION_UNMET) == (check.verdict is Verdict.ASSUMPTION_UNMET), (
            instance.name
        )
        if decision.verdict is Verdict.ASSUMPTION_UNMET or decision.lhs is None:
            assert check.verdict == decision.verdict
            continue
        assert {
            name: met for name, met in check.assumptions.items() if name in decision.assumptions
        } == decision.assumptions
        assert check.lhs is not None and check.rhs is not None
        left, right = as_float(decision.lhs), as_float(decision.rhs)
        if isinstance(claim.statement, sp.Eq):  # rows of an identity are along other directions
            assert left == pytest.approx(right, rel=1e-9, abs=1e-12) or decision.verdict is Verdict.VIOLATED
        elif max(abs(left), abs(right)) > 1e-15:  # floats look at other rows where all of one is rounding
            assert (left, right) == (
                pytest.approx(check.lhs, rel=1e-7, abs=1e-12),
                pytest.approx(check.rhs, rel=1e-6, abs=1e-12),
            )
        assert (decision.verdict is Verdict.VIOLATED) == (check.verdict is Verdict.VIOLATED), instance.name
        if claim.standing is not Standing.PRINTED:
            assert decision.verdict is not Verdict.VIOLATED
    assert sum(seen[verdict] for verdict in (Verdict.HOLDS, Verdict.VIOLATED)) or claim_id == "L1", seen


def test_chain_rule_in_balls() -> None:
    """L1 equates logarithms, which balls never show equal: it is enclosed, not certified."""
    instance = next(instances(CLAIMS["L1"]))
    with balls.precision(200):
        found = decide(CLAIMS["L1"], exactly(instance))
    assert found.verdict is None
    assert balls.ball(found.lhs).overlaps(balls.ball(found.rhs)) and found.lhs.rad() < 1e-50
    with pytest.raises(CapacityError, match="L1: 2048 bits do not separate the sides"):
        certify(CLAIMS["L1"], instance)


DROPPED = [
    ("L2", "tabular"),
    ("L3.tree", "tabular"),
    ("L8", "joint"),
    ("L9", "center"),
    ("L9x", "center"),
    ("T2.identity", "no eps"),
    ("T2.advantage", "no eps"),
    ("T2.lossless.exactly", "weights sum to one"),
    ("T2.lossless.center", "center"),
    ("T2.scale", "uncorrelated groups"),
    ("T2.lossless.comonotone", "comonotone groups"),
    ("T2.cancel", "complementary"),
    ("T2.closed", "two-valued components"),
]


@pytest.mark.parametrize(("claim_id", "assumption"), DROPPED)
def test_what_floats_violate_is_violated_exactly(claim_id: str, assumption: str) -> None:
    claim, violated = CLAIMS[claim_id], 0
    for instance in instances(claim, (assumption,)):
        found = decided(claim, instance)
        if found is None or found[0].verdict is not Verdict.VIOLATED:
            continue
        decision = found[1]
        assert decision.verdict is Verdict.VIOLATED, instance.name
        assert decision.assumptions[assumption] is False
        violated += 1
    assert violated, "no instance here violates the claim"


# -- round trips --------------------------------------------------------------------------------------------------

LINEAR = LogLinear(TREE, np.random.default_rng(4).standard_normal((TREE.n_pairs, 2)).round(2), [0.5, -0.25])
SOFT = TabularSoftmax.random(TREE, np.random.default_rng(1))
THINK = families.search(prompts=1, max_tool_depth=1, think=True)
ROUND_TRIPS = {
    "rational": ("L9", Instance(BITS, TabularSoftmax(BITS), Scheme(3, "center"))),
    "surd": ("T2.identity", Instance(BITS, TabularSoftmax(BITS), Scheme(3, "center"))),
    "ball": ("T2.gradient", Instance(BITS, TabularSoftmax(BITS), Scheme(3, "sum_then_normalize"))),
    "log-linear": ("L9", Instance(TREE, LINEAR, Scheme(3, "center"))),
    "reference": ("L1.bound", Instance(TREE, SOFT, reference=TabularSoftmax(TREE))),
    "log-linear reference": (
        "T2.printed",
        Instance(TREE, SOFT.with_parameters(0 * SOFT.parameters), Scheme(2, "sum_then_normalize"), reference=LINEAR),
    ),
    "eps": ("T2.gradient.energy", Instance(BITS, TabularSoftmax(BITS), Scheme(3, "sum_then_normalize", 1e-4))),
    "ddof": ("T2.advantage", Instance(BITS, TabularSoftmax(BITS), Scheme(3, "sum_then_normalize", 0.0, 1))),
    "think_weight": ("L9", Instance(THINK, TabularSoftmax(THINK), Scheme(2, "center"), think_weight=0.5)),
    "more than 400 digits": (
        "L7.lower",
        Instance(SKEW, TabularSoftmax.random(SKEW, np.random.default_rng(1)), Scheme(32, "normalize_then_sum")),
    ),
    "without": ("L9", Instance(SKEW, TabularSoftmax(SKEW), Scheme(3, "normalize_then_sum"), without=("center",))),
}


def said(certificate: Certificate) -> tuple[Any, ...]:
    """Everything but the instance, whose numbers are read as they are written; the digest covers it."""
    own = certificate
    return own.claim, own.statement, own.verdict, own.lhs, own.rhs, own.slack, own.bits, own.assumptions, own.digest


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


# -- files that must not verify -----------------------------------------------------------------------------------


def written(content: dict[str, Any], path: Path, digest: bool = True) -> Path:
    """A certificate's file, with the digest that fits."""
    if digest:
        with suppress(InputError):  # not JSON at all
            content = content | {
                "digest": certificates.digest(certificates._decode(json.dumps(content).encode(), "content"))
            }
    path.write_text(json.dumps(content))
    return path


def changed(content: dict[str, Any], place: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    result = copy.deepcopy(content)
    part: Any = result
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    return result


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


GARBAGE = [
    "",
    " ",
    "1/0",
    "1/2*sqrt(-4)",
    "-3/800*sqrt(1)",
    "-3/800 + 0*sqrt(2)",
    "-3/800*sqrt(1",
    "1*sqrt(",
    "sqrt(2)",
    " + ",
    "nan",
    "inf",
    "-0.00375",
    "__import__('os')",
    "[nan]",
    "[nan +/- inf]",
    "[1 +/- inf]",
    "[",
    "]",
    "[]",
    "[[1 +/- 1]]",
    "[1..2 +/- 1]",
    "[1.2.3 +/- 1]",
    "[ +/- 1]",
    "[+/- ]",
    "[1 +/- 1",
    "[1 +/- -1]",
    "[+/- 1",
    "[-0.00375]",
    "[-0.00375 +/- 1e]",
    "[0 +/- 1e999999999999999999999999]",
    "[-1e999999999999999999999999 +/- 1]",
    "[" + "1" * 3000 + " +/- 1]",
    "1" * 5000,
    " + ".join(f"1*sqrt({n})" for n in range(2, 5000)),
    "[__import__('os') +/- 1]",
    "\ud83d",
    "½",
    "-٣/800",
]


@pytest.mark.parametrize("place", ["lhs", "rhs", "slack"])
def test_garbage_in_place_of_a_side(place: str, tmp_path: Path) -> None:
    began = time.process_time()
    for text in GARBAGE:
        with pytest.raises(InputError):
            verify(written(SHIPPED["T1.drift"] | {place: text}, tmp_path / "garbage.json"))
    assert time.process_time() - began < 5


def test_eps_is_taken_at_its_word(tmp_path: Path) -> None:
    """A scheme holds a float; an eps that rounds to another one, or to none, is another scheme."""
    identity = json.loads(json.dumps(msgspec.to_builtins(certify(CLAIMS["T2.identity"], ROUND_TRIPS["surd"][1]))))
    for content, eps in ((identity, "1/1" + 399 * "0"), (SHIPPED["T1.drift"], "1/3")):
        with pytest.raises(InputError, match=r"instance\.eps: must be 0 or a positive decimal that float64 holds"):
            verify(written(changed(content, ("instance", "eps"), eps), tmp_path / "eps.json"))


def test_an_unmet_assumption_is_no_verdict(tmp_path: Path) -> None:
    content = SHIPPED["T1.drift"] | {
        "verdict": "assumption_unmet",
        "assumptions": {"tabular": True, "full score": False},
    }
    with pytest.raises(InputError, match="verdict: 'assumption_unmet' is neither 'holds' nor 'violated'"):
        verify(written(changed(content, ("instance", "think_weight"), "1/2"), tmp_path / "unmet.json"))


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    text, path = json.dumps(SHIPPED["T1.drift"]), tmp_path / "deep.json"
    for depth in (10, 100, *range(900, 1010), 100_000):
        path.write_text(text.replace('"bandit-drift"', "[" * depth + "]" * depth))
        with pytest.raises(InputError):
            verify(path)


# -- drawn changes ------------------------------------------------------------------------------------------------

NUMBERS = [
    0,
    1,
    -1,
    2,
    3,
    5,
    0.5,
    0.25,
    1e-5,
    1e300,
    1e-300,
    10**30,
    "0",
    "1",
    "1/2",
    "1/4",
    "3/4",
    "-1/2",
    "1/3",
    "2/1",
    "1e-3",
    "[0.5 +/- 1]",
    "[+/- 1e-9]",
]
WORDS = [
    "",
    "q0",
    "arm0",
    "tool",
    "answer",
    "center",
    "joint",
    "tabular",
    "log-linear",
    "sum_then_normalize",
    "holds",
    "violated",
    "T2.cancel",
    "[",
    "\n",
    "é",
]
DRAWN = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4)
SCALARS = st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.sampled_from(WORDS) | DRAWN
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=2),
    max_leaves=6,
)


def places(part: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place of a JSON value but its root."""
    for key, inner in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
        yield (*at, key)
        yield from places(inner, (*at, key))


def at(content: Any, place: tuple[str | int, ...]) -> Any:
    for step in place:
        content = content[step]
    return content


def side(text: str) -> float:
    """A side as a float, read without the package."""
    if text.startswith("sqrt("):
        return math.sqrt(side(text[5:-1]))
    if text.startswith("["):
        middle, _, _ = text.strip("[]").rpartition("+/-")
        return float(middle or 0)
    terms = [term.partition("*sqrt(") for term in text.split(" + ")]
    return sum(float(Fraction(factor)) * math.sqrt(int(radicand.rstrip(")") or 1)) for factor, _, radicand in terms)


def as_instance(content: dict[str, Any]) -> Instance:
    """What a certificate with tabular policies speaks of, for the float engine."""
    own = content["instance"]
    env = TAMDP.from_dict(own["process"])

    def policy(record: dict[str, Any]) -> Policy:
        logits = np.zeros((env.n_nodes, env.n_actions))
        logits[env.pair_node, env.pair_action] = [
            math.log(Fraction(str(p))) for node in env.node_ids for p in record["probabilities"][node]
        ]
        return TabularSoftmax(env, logits)

    scheme = Scheme(own["group_size"], own["normalization"], float(Fraction(str(own["eps"]))), own["ddof"])
    reference = None if own["reference"] is None else policy(own["reference"])
    target = tuple(Fraction(str(p)) for p in own["target"])
    domain = Generalization(target, (TabularSoftmax(env),), n=own["samples"]) if target else None
    return Instance(
        env,
        policy(own["policy"]),
        scheme,
        reference,
        think_weight=float(Fraction(str(own["think_weight"]))),
        without=tuple(own["without"]),
        generalization=domain,
    )


def survives(content: dict[str, Any], path: Path) -> bool:
    """Whether a file verifies: then the float engine must say the same of its instance; else it is refused, soon and in
    one line.
    """
    began = time.process_time()
    try:
        found = verify(written(content, path))
    except (InputError, CapacityError) as error:
        found, message = None, str(error)
    assert time.process_time() - began < 10
    if found is None:
        assert message.startswith(f"{path}: ") and message.isprintable()
        return False
    check = CLAIMS[found.claim].check(as_instance(content))
    assert check.verdict in (found.verdict, Verdict.UNDECIDED)
    assert (side(found.lhs), side(found.rhs)) == (
        pytest.approx(check.lhs, rel=1e-6, abs=1e-9),
        pytest.approx(check.rhs, rel=1e-6, abs=1e-9),
    )
    return True


def test_drawn_changes(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What verifies after a change is true of what the file then says, by the float engine; everything else
    is refused.
    """
    path, seen = tmp_path_factory.mktemp("drawn") / "drawn.json", Counter[bool]()

    @settings(max_examples=1200, deadline=None, derandomize=True, database=None)
    @given(st.data(), st.sampled_from(sorted(SHIPPED)))
    def change(data: st.DataObject, claim_id: str) -> None:
        content = SHIPPED[claim_id]
        everywhere = [place for place in places(content) if place != ("digest",)]
        place = data.draw(st.sampled_from(everywhere))
        # also values from elsewhere in the file: they have the right form
        value = data.draw(VALUES | st.sampled_from(everywhere).map(lambda other: at(content, other)))
        seen[survives(changed(content, place, value), path)] += 1

    change()
    assert min(seen[True], seen[False]) > 10, seen


# -- what cannot be certified -------------------------------------------------------------------------------------


def test_what_cannot_be_certified() -> None:
    network = Instance(BITS, Network(BITS, hidden=2, generator=np.random.default_rng(0)), Scheme(3, "center"))
    with pytest.raises(InputError, match="Network: enclosures know tabular and log-linear policies only"):
        certify(CLAIMS["L9"], network)
    tabular = Instance(BITS, TabularSoftmax(BITS), Scheme(3, "center"))
    for claim_id in (c for c in CLAIMS if c not in ENCLOSED):
        with pytest.raises(
            InputError,
            match=f"{claim_id}: its check trains, samples or sums over training sets, so there is nothing to enclose",
        ):
            certify(CLAIMS[claim_id], tabular)
    with pytest.raises(InputError, match="L8: does not speak of this instance; not met: joint"):
        certify(CLAIMS["L8"], tabular)
    with pytest.raises(InputError, match=r"L2: does not speak of this instance; not met: .*full score"):
        certify(CLAIMS["L2"], Instance(BITS, TabularSoftmax(BITS), think_weight=0.5))
    constant = families.bandit([(0, 0), (0, 1)], weights=(1, 1))
    with pytest.raises(InputError, match=r"T1\.assumption2: divides by a number that is zero"):
        certify(CLAIMS["T1.assumption2"], Instance(constant, TabularSoftmax(constant), Scheme(4, "normalize_then_sum")))


@pytest.mark.parametrize("claim_id", ["L3", "L5", "L9", "T2.identity", "T2.gradient.tabular", "T2.benefit"])
def test_too_large_for_enclosures(claim_id: str) -> None:
    env = families.bandit([[Fraction(arm, 60)] for arm in range(61)])
    began = time.process_time()
    with pytest.raises(CapacityError, match="use a smaller instance"):
        certify(CLAIMS[claim_id], Instance(env, TabularSoftmax(env), Scheme(6, "center")))
    assert time.process_time() - began < 5


def test_too_many_trajectories() -> None:
    """Eighteen thoughts of two kinds: few nodes, 2^18 ways through them."""

    def edge(step: int) -> dict[str, Any]:
        return {"probability": 1, "node": f"x{step + 1}"} if step < 17 else {"probability": 1, "rewards": [1]}

    env = TAMDP.from_dict(
        {
            "schema": "tamdp/1",
            "name": "thoughts",
            "max_tool_depth": 0,
            "components": [{"name": "r", "weight": 1}],
            "prompts": [{"name": "q", "probability": 1, "start": "x0"}],
            "nodes": [
                {
                    "id": f"x{step}",
                    "depth": 0,
                    "observation": f"x{step}",
                    "actions": [{"name": name, "kind": "think", "next": [edge(step)]} for name in "ab"],
                }
                for step in range(18)
            ],
        }
    )
    with pytest.raises(
        CapacityError, match="thoughts: 262,144 trajectories exceed the limit of 200,000 for enclosures"
    ):
        certify(CLAIMS["L2"], Instance(env, TabularSoftmax(env)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-40, 40), min_size=3, max_size=3))
def test_rational_probabilities(logits: list[float]) -> None:
    policy = TabularSoftmax(THREE, np.array([logits]))
    found = rational_probabilities(policy)
    assert sum(found) == 1 and min(found) > 0
    assert [float(p) for p in found] == pytest.approx(policy.pair_probability.tolist(), rel=1e-9, abs=1e-15)


def test_simple_probabilities_are_named() -> None:
    policy = TabularSoftmax(THREE, np.log([[1, 2, 4]]))
    assert rational_probabilities(policy) == [Fraction(1, 7), Fraction(2, 7), Fraction(4, 7)]


# -- files that say what is true and says nothing -------------------------------------------------------------------

TWO = families.bandit([["0"], ["1"]])
APART = families.contextual_bandit([[["0"]], [["1"]]])
FAR = Generalization((1, 0), (TabularSoftmax(APART),), n=4)
HALF = families.bandit([("1/2", "1/2"), ("1/2", "1/2")], weights=("1/2", "1/2"))
NOTHING: dict[str, Instance] = {
    "L4": Instance(TWO, TabularSoftmax(TWO, np.log([[7.0, 1.0]])), Scheme(3, "center")),
    "T3.shift.pinsker": Instance(APART, TabularSoftmax(APART), Scheme(3, "center"), generalization=FAR),
    "T2.suboptimality.components": Instance(TWO, TabularSoftmax(TWO), Scheme(3, "normalize_then_sum")),
    "L9": Instance(HALF, TabularSoftmax(HALF), Scheme(3, "center")),
    "T2.identity.spread": Instance(HALF, TabularSoftmax(HALF), Scheme(3, "normalize_then_sum")),
    "L5": Instance(HALF, TabularSoftmax(HALF), Scheme(3, "sum_then_normalize")),
}


@pytest.mark.parametrize("claim_id", NOTHING)
def test_vacuous_and_empty_instances_are_refused(claim_id: str, tmp_path: Path) -> None:
    """Also in a file whose sides and digest are right, and whose verdict would be true."""
    claim, instance, path = CLAIMS[claim_id], NOTHING[claim_id], tmp_path / "nothing.json"
    with pytest.raises(InputError, match="vacuous here"):
        certify(claim, instance)
    exact = exactly(instance)
    if claim_id != "T3.shift.pinsker":
        exact = replace(exact, target=(), samples=0)
    with balls.precision(128):
        decision = decide(claim, exact)
    assert decision.verdict is Verdict.VACUOUS
    save(certificates._record(claim, exact, replace(decision, verdict=Verdict.HOLDS), 128), path)
    with pytest.raises(InputError, match="refused: vacuous here"):
        verify(path)


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    """Readers differ in which of the two they take."""
    path, text = tmp_path / "twice.json", json.dumps(SHIPPED["T1.drift"])
    for key, value in (("verdict", '"violated"'), ("weight", "2"), ("group_size", "3")):
        path.write_text(text.replace(f'"{key}":', f'"{key}": {value}, "{key}":', 1))
        with pytest.raises(InputError, match=f"the key '{key}' is given twice in one object; keep one"):
            verify(path)
    path.write_text(text)
    assert verify(path).verdict == "holds"


LARGE: dict[str, Instance] = {
    "10^9 members of one class": Instance(HALF, TabularSoftmax(HALF), Scheme(10**9, "sum_then_normalize")),
    "10^9 members of two classes": Instance(TWO, TabularSoftmax(TWO), Scheme(10**9, "sum_then_normalize")),
    "200 rewards of 390 digits": Instance(
        many := families.bandit([[Fraction(2 * k + 1, 10**390 - 1 - k)] for k in range(200)]),
        TabularSoftmax(many),
        Scheme(3, "normalize_then_sum"),
    ),
    "30 components": Instance(
        wide := families.bandit([[(k >> (m % 5)) % 2 for m in range(30)] for k in range(20)], weights=(1,) * 30),
        TabularSoftmax(wide),
        Scheme(4, "normalize_then_sum"),
    ),
}


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize(
    "claim_id",
    [
        "L5",
        "L7",
        "L7.upper",
        "L9x",
        "T1.scaling.joint",
        "T2.identity.spread",
        "T2.advantage",
        "T2.gradient",
        "T2.benefit",
        "T2.printed",
    ],
)
def test_costs_are_bounded_before_work_starts(name: str, claim_id: str) -> None:
    """Refused in one line, or done; a hang or an exhausted memory would show."""
    instance, said = replace(LARGE[name], reference=TabularSoftmax(LARGE[name].env)), "holds"
    try:
        verdict = certify(CLAIMS[claim_id], instance).verdict
    except (InputError, CapacityError) as error:
        verdict, said = "holds", str(error)
    assert verdict == "holds" and "\n" not in said
