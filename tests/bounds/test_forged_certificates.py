"""Certificates by a hostile hand: garbage, deep nesting, drawn changes. None verifies, none ends in a
traceback.
"""

import json
import math
import time
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bounds import CLAIMS, Generalization, Instance, Verdict
from bounds.certificates import certify, verify
from tamdp_theory import TAMDP, CapacityError, InputError, LogLinear, Policy, TabularSoftmax
from tamdp_theory.exact import Scheme
from tests.helpers.certificate_files import ROUND_TRIPS, SHIPPED, changed, side, written

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


def as_instance(content: dict[str, Any]) -> Instance:
    """What a certificate speaks of, for the float engine."""
    own = content["instance"]
    env = TAMDP.from_dict(own["process"])

    def policy(record: dict[str, Any]) -> Policy:
        if "features" in record:
            features = [[float(Fraction(str(v))) for v in row] for row in record["features"]]
            return LogLinear(env, features, [float(Fraction(str(v))) for v in record["parameters"]])
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
