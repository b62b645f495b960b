"""The printed bound of Theorem 3, tool depth, and the settings that are drawn."""

import math
from dataclasses import replace
from fractions import Fraction as F
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bounds import CLAIMS, Generalization, Instance, Verdict
from bounds import symbols as s
from bounds.claims.coverage import coverage
from bounds.claims.depth import tool_runs
from bounds.pac_bayes.setting import around, default_generalization, default_samples, default_target
from tamdp_theory import TAMDP, InputError, LogLinear, Policy, TabularSoftmax, exact, families
from tamdp_theory.strategies import tabular_policies, tamdps
from tests.helpers import oracle
from tests.helpers.domain_shifts import TWO, close

# -- the printed bound ----------------------------------------------------------------------------------------------


def test_the_printed_bound_is_false() -> None:
    check = CLAIMS["T3.printed"].check()
    divergence = 3 / 4 * math.log(3 / 2) + 1 / 4 * math.log(1 / 2)
    assert (check.lhs, check.rhs) == (
        pytest.approx(3 / 4, rel=1e-14),
        pytest.approx(1 / 2 + math.sqrt(divergence / 2) / 4, rel=1e-14),
    )
    assert check.verdict is Verdict.VIOLATED


@pytest.mark.parametrize("n", [1, 2, 3, 16, 10**6, 10**12])
def test_the_printed_bound_fails_from_two_training_prompts_on(n: int) -> None:
    example = CLAIMS["T3.printed"].example()  # type: ignore[misc]
    check = CLAIMS["T3.printed"].check(replace(example, generalization=replace(example.generalization, n=n)))
    assert check.verdict is (Verdict.HOLDS if n == 1 else Verdict.VIOLATED)
    assert CLAIMS["T3.shift.pinsker"].check(example).verdict is Verdict.HOLDS


def test_the_printed_bound_is_false_for_a_posterior_too() -> None:
    """Two questions, one answered never and one always, under a posterior of two policies: nothing depends on them."""
    example = CLAIMS["T3.printed"].example()  # type: ignore[misc]
    several = replace(
        example.generalization, policies=example.generalization.policies * 2, posterior=(F(1, 3), F(2, 3))
    )
    check = CLAIMS["T3.printed"].check(replace(example, generalization=several))
    assert (check.lhs, check.verdict) == (pytest.approx(3 / 4, rel=1e-14), Verdict.VIOLATED)


# -- depth ----------------------------------------------------------------------------------------------------------


def longest(env: TAMDP, policy: Policy) -> tuple[int, int, int]:
    """(most tool calls, most decisions in a row without one, most decisions) over all trajectories."""
    kinds = [[action["kind"] for action in node["actions"]] for node in env.to_dict()["nodes"]]
    calls, runs, length = 0, 0, 0
    for path in oracle.paths(env.to_dict(), policy.probabilities()):
        is_tool = [kinds[x][a] == "tool" for x, a in path.decisions]
        calls, length = max(calls, sum(is_tool)), max(length, len(is_tool))
        runs = max(runs, *(len(run) for run in "".join("t" if tool else "." for tool in is_tool).split("t")))
    return calls, runs, length


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), tamdps(max_nodes=5))
def test_tool_runs_by_walking(data: st.DataObject, env: TAMDP) -> None:
    policy, reference = data.draw(tabular_policies(env)), TabularSoftmax(env)
    calls, run, length = longest(env, policy)
    assert tool_runs(env) == (calls, run)
    assert length <= calls + (calls + 1) * run
    instance = Instance(env, policy, reference=reference)
    check = CLAIMS["T3.depth.horizon"].check(instance)
    assert (check.lhs, check.rhs, check.verdict) == (length, calls + (calls + 1) * run, Verdict.HOLDS)
    numbers = CLAIMS["T3.depth"].measure(instance).numbers
    table, other = policy.probabilities(), reference.probabilities()
    ratio = np.log(np.divide(table, other, out=np.ones_like(table), where=table > 0))
    close(numbers[s.kl_max], (table * ratio).sum(1).max())
    np.testing.assert_allclose(numbers[s.kl], oracle.divergence(env.to_dict(), table, other), atol=1e-10)
    assert (numbers[s.D_tools], numbers[s.B_run], numbers[s.H]) == (calls, run, length)
    # a deterministic policy against itself and a single decision apart: 0 <= 0 and equality
    assert CLAIMS["T3.depth"].check(instance).verdict is not Verdict.VIOLATED


@pytest.mark.parametrize(
    "make", [lambda: families.search(2, 2), lambda: families.coding(2), lambda: families.number_line()]
)
def test_tool_runs_of_families(make: Any) -> None:
    env = make()
    assert tool_runs(env) == longest(env, TabularSoftmax(env))[:2]
    policy = TabularSoftmax.random(env, np.random.default_rng(0))
    assert CLAIMS["T3.depth"].check(Instance(env, policy, reference=TabularSoftmax(env))).verdict is Verdict.HOLDS


def test_depth_alone_bounds_nothing() -> None:
    """A chain of think nodes has D = 0, and a divergence that grows with its length."""
    found = []
    for size in (1, 4):
        nodes = [
            {
                "id": f"{x}",
                "depth": 0,
                "observation": "o",
                "actions": [
                    {
                        "name": "on",
                        "kind": "think",
                        "next": [{"probability": 1, **({"node": f"{x + 1}"} if x + 1 < size else {"rewards": [1]})}],
                    },
                    {"name": "out", "kind": "answer", "next": [{"probability": 1, "rewards": [0]}]},
                ],
            }
            for x in range(size)
        ]
        env = TAMDP.from_dict(
            {
                "schema": "tamdp/1",
                "name": "chain",
                "max_tool_depth": 0,
                "components": [{"name": "r", "weight": 1}],
                "prompts": [{"name": "q", "probability": 1, "start": "0"}],
                "nodes": nodes,
            }
        )
        assert tool_runs(env) == (0, size)
        policy = TabularSoftmax(env, np.tile([20.0, 0.0], (size, 1)))
        found.append(CLAIMS["T3.depth"].check(Instance(env, policy, reference=TabularSoftmax(env))))
    assert [one.verdict for one in found] == [Verdict.HOLDS] * 2
    assert found[1].lhs == pytest.approx(4 * found[0].lhs, rel=1e-6)  # type: ignore[operator]


# -- drawn settings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("linear", [False, True])
def test_default_settings_are_drawn_from_the_seed(linear: bool) -> None:
    env = families.search(3, 1)
    policy: Policy = LogLinear(env) if linear else TabularSoftmax(env)
    seen = []
    for seed in range(12):
        one, two = default_generalization(policy, seed), default_generalization(policy, seed)
        assert (one.target, one.n, one.inverse_temperature, one.delta) == (
            two.target,
            two.n,
            two.inverse_temperature,
            two.delta,
        )
        assert one.target == default_target(env, seed) and sum(one.target) == 1 and one.n == default_samples(seed)
        assert len(one.policies) == 4 and one.policies[0] is policy
        for a, b in zip(one.policies, two.policies, strict=True):
            np.testing.assert_array_equal(a.parameters, b.parameters)
        assert len({tuple(a.parameters) for a in one.policies}) == 4
        seen.append((one.target, one.n, one.inverse_temperature))
    for column in zip(*seen, strict=True):
        assert len(set(column)) > 1
    assert len(around(policy, 1, 0)) == 1
    instance = Instance(env, policy, seed=3)
    assert coverage("T3.kl", instance) == coverage(
        "T3.kl", replace(instance, generalization=default_generalization(policy, 3))
    )


POLICY = TabularSoftmax(TWO)


HALVES = (F(1, 2), F(1, 2))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"policies": ()}, "policies: need at least one"),
        ({"target": (F(1),)}, "target: 1 probabilities given for 2 prompts"),
        (
            {"target": (F(1, 2), F(1, 3))},
            "target: probabilities must not be negative and must sum to 1, got the sum 5/6",
        ),
        ({"target": (F(3, 2), F(-1, 2))}, "target: probabilities must not be negative"),
        ({"target": (True, False)}, r"target\[0\]: "),
        ({"target": (math.nan, 1.0)}, r"target\[0\]: "),
        ({"prior": (1.0,)}, "prior: expected 2 probabilities"),
        ({"prior": (0.5, 0.6)}, "prior: .* sum to 1"),
        ({"prior": (1.5, -0.5)}, "prior: .* not negative"),
        ({"posterior": (1.0,)}, "posterior: expected 2 probabilities"),
        ({"posterior": (0.5, 0.6)}, "posterior: .* sum to 1"),
        ({"posterior": (1.5, -0.5)}, "posterior: .* not negative"),
        ({"posterior": ("half", 0.5)}, r"posterior\[0\]: "),
        ({"posterior": (math.nan, 1.0)}, r"posterior\[0\]: "),
        ({"n": 0}, "n: must be an integer of at least 1, got 0"),
        ({"n": 2.0}, "n: must be an integer"),
        ({"n": True}, "n: must be an integer"),
        ({"draws": 0}, "draws: must be an integer"),
        ({"resamples": -5}, "resamples: must be an integer"),
        ({"delta": 0.0}, r"delta: must be in \(0, 1\)"),
        ({"delta": 1}, "delta: "),
        ({"delta": math.nan}, "delta: "),
        ({"inverse_temperature": -1.0}, "inverse_temperature: must be finite and not negative"),
        ({"inverse_temperature": math.inf}, "inverse_temperature: "),
    ],
)
def test_bad_settings(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=f"^{says}"):
        Generalization(**{"target": HALVES, "policies": (POLICY, POLICY), **changes})


def test_targets_are_read_exactly() -> None:
    one = Generalization((0.1, "9/10"), (POLICY,), n=np.int64(3))  # type: ignore[arg-type]
    assert one.target == (F(1, 10), F(9, 10)) and one.prior_probability.tolist() == [1.0]
    third = Generalization(HALVES, (POLICY,) * 3, posterior=(1 / 3, 1 / 3, 1 / 3))
    assert third.posterior == (F(1, 3),) * 3  # decimals that miss one by a rounding are divided by their sum
    for claim_id in ("T3.shift", "T3.transfer", "T3.printed"):
        assert CLAIMS[claim_id].check(Instance(TWO, POLICY, generalization=one)).lhs is not None


def test_policies_of_another_process() -> None:
    other = TabularSoftmax(families.contextual_bandit([[["0"], ["1"]], [["1"]]]))
    numbers = Generalization(HALVES, (other,))
    with pytest.raises(InputError, match="the policy belongs to"):
        CLAIMS["T3.kl"].check(Instance(TWO, POLICY, generalization=numbers))


# -- the tighter of two ---------------------------------------------------------------------------------------------


def test_tighter_on_every_training_set() -> None:
    env = families.contextual_bandit([[["0"], ["1"]], [["1/2"], ["0"]]], prompt_probability=("1/3", "2/3"))
    pair = (TabularSoftmax(env, np.array([[1.0, 0.0], [0.0, 2.0]])), TabularSoftmax(env))
    instance = Instance(env, pair[0], generalization=Generalization(HALVES, pair, n=3, inverse_temperature=7.0))
    measured = CLAIMS["T3.kl.tighter"].measure(instance)
    loss = np.array([1 - exact.values(env, one).per_prompt[:, 0] for one in pair])
    expected, alone = [], set()
    for second in range(4):
        empirical = loss @ [(3 - second) / 3, second / 3]
        mass = np.exp(-7 * empirical)
        q = mass / mass.sum()
        expected.append((float(q @ empirical), float((q * np.log(2 * q)).sum())))
        alone |= {(round(float(one), 12), round(math.log(2), 12)) for one in empirical}
    found = list(zip(measured.numbers[s.R_hat], measured.numbers[s.kl_posterior], strict=True))
    np.testing.assert_allclose(sorted(found[:4]), sorted(expected), rtol=1e-10)
    # then one policy alone on each set, the two in turn
    assert len(found) == 8 and {(round(float(one), 12), round(float(two), 12)) for one, two in found[4:]} <= alone
    assert CLAIMS["T3.kl.tighter"].check(instance).verdict is not Verdict.VIOLATED
