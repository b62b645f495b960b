"""What cannot be certified is refused in time, and for the right reason."""

import json
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bounds import CLAIMS, Generalization, Instance, Verdict, certificates
from bounds.certificates import certify, save, verify
from bounds.decision import decide
from bounds.exact_instance import exactly, rational_probabilities
from tamdp_theory import TAMDP, CapacityError, InputError, Network, TabularSoftmax, families
from tamdp_theory.exact import Scheme, balls
from tests.helpers.certificate_files import BITS, ENCLOSED, SHIPPED, THREE

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
