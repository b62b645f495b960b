"""The property test of a claim: passes for proved ones, fails for a false one and for one that never speaks."""

import json
from dataclasses import replace

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from bounds import CLAIMS, Claim, Instance, Measured, Verdict
from bounds.claims.scaling import component_bandit
from bounds.testing import claim_test, describe, instances
from tamdp_theory import TAMDP, CapacityError, LogLinear, TabularSoftmax, families
from tamdp_theory.exact import Scheme

L9 = CLAIMS["L9"]
TURNED: Claim = replace(L9, id="turned", statement=sp.Ge(L9.statement.lhs, L9.statement.rhs))

# collected by pytest, as the docstring promises
test_variance = claim_test(L9)
test_effective_reward = claim_test(CLAIMS["L5"], max_examples=60)


def test_a_false_claim_fails_with_a_small_instance() -> None:
    with pytest.raises(AssertionError, match="turned violated: lhs") as failure:
        claim_test(TURNED)()
    message = str(failure.value)
    check = json.loads(
        next(line for line in message.splitlines() if line.startswith("check: ")).removeprefix("check: ")
    )
    assert (check["claim"], check["verdict"]) == ("turned", "violated")
    env = TAMDP.from_dict(json.loads(message.partition("process: ")[2]))
    assert (env.n_prompts, env.n_nodes, env.n_pairs, env.n_edges, env.n_components) == (1, 1, 2, 2, 1)
    assert '"logits": [[0.0, 0.0]]' in message
    assert TURNED.check(env, group_size=2, normalization="center").verdict is Verdict.VIOLATED


def test_a_claim_that_never_speaks_fails() -> None:
    mute = replace(L9, id="mute", measure=lambda instance: Measured(numbers={}, assumptions={"center": False}))
    with pytest.raises(AssertionError, match=r"mute holds on no drawn instance \(\d+ assumption_unmet\)"):
        claim_test(mute, max_examples=20)()


def test_an_instance_that_is_too_large_is_no_pass() -> None:
    def refuse(instance: Instance) -> Measured:
        raise CapacityError("too large")

    with pytest.raises(AssertionError, match=r"holds on no drawn instance \(\d+ too large\)"):
        claim_test(replace(L9, measure=refuse), max_examples=20)()


def test_instances_of_ones_own() -> None:
    """A claim about special instances speaks once it is given some."""
    claim = CLAIMS["T1.scaling.independent"]
    env = component_bandit(2, False, "components")
    own = st.integers(2, 6).map(lambda size: Instance(env, TabularSoftmax(env), Scheme(size, "normalize_then_sum")))
    claim_test(claim, max_examples=5, strategy=own)()
    with pytest.raises(AssertionError, match="violated"):
        claim_test(
            replace(claim, statement=sp.Eq(claim.statement.lhs, 2 * claim.statement.rhs)), max_examples=5, strategy=own
        )()


def test_options_and_determinism() -> None:
    drawn: list[str] = []

    def note(instance: Instance) -> Measured:
        drawn.append(describe(CLAIMS["L1"].check(instance), instance))
        return L9.measure(instance)

    test = claim_test(replace(L9, measure=note), max_examples=15)
    test()
    first, count = list(drawn), len(drawn)
    test()
    assert drawn == first * 2
    assert 15 <= count <= 20
    assert test.__name__ == "test L9"


@settings(max_examples=60, deadline=None)
@given(instances(L9), instances(CLAIMS["L4"]), instances())
def test_drawn_instances(variance: Instance, domination: Instance, any_claim: Instance) -> None:
    assert variance.scheme in L9.schemes
    assert variance.think_weight in (0.5, 1.0)
    assert domination.think_weight == any_claim.think_weight == 1.0
    assert domination.scheme.group_size <= 4
    assert (any_claim.steps, any_claim.runs) == (20, 64)


def test_features_are_described() -> None:
    env = families.bandit([["0"], ["1"]])
    instance = Instance(env, LogLinear(env, [[0.25], [0.5]], [2.0]))
    assert '{"parameters": [2.0], "features": [[0.25], [0.5]]}' in describe(L9.check(instance), instance)
