"""Change of domain and tool depth: numbers by listing trajectories (tests/helpers/oracle.py), equalities, and the
printed bound.
"""

import itertools
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
from bounds.claims.domains import value_ranges
from bounds.decision import decide
from bounds.exact_instance import exactly
from bounds.pac_bayes.setting import around, default_generalization, default_samples, default_target
from tamdp_theory import TAMDP, InputError, LogLinear, Policy, TabularSoftmax, exact, families
from tamdp_theory.exact import balls
from tamdp_theory.strategies import policies, tabular_policies, tamdps
from tests.helpers import oracle

SHIFTS = ("T3.shift", "T3.shift.loss", "T3.shift.pinsker", "T3.shift.chi")
TWO = families.contextual_bandit([[["0"]], [["1"]]])


def laws(size: int) -> st.SearchStrategy[tuple[F, ...]]:
    parts = st.lists(st.sampled_from([0, 1, 2, 7, 500]), min_size=size, max_size=size).filter(any)
    return parts.map(lambda drawn: tuple(F(p, sum(drawn)) for p in drawn))


def setting(policy: Policy, target: Any, **changes: Any) -> Instance:
    return Instance(policy.env, policy, generalization=Generalization(tuple(target), (policy,), **changes))


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


# -- another domain -------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), tamdps(max_prompts=4, max_nodes=2))
def test_shift_by_brute_force(data: st.DataObject, env: TAMDP) -> None:
    policy, target = data.draw(policies(env)), data.draw(laws(env.n_prompts))
    content, rho = env.to_dict(), env.exact_prompt_probability
    total, prompts = sum(env.exact_weights), range(env.n_prompts)
    members, shares = [policy], (F(1),)
    if data.draw(st.booleans()):
        shares = data.draw(laws(data.draw(st.integers(1, 3))))
        members = [data.draw(policies(env)) for _ in shares]
    paths = [
        (float(share), path)
        for share, one in zip(shares, members, strict=True)
        for path in oracle.paths(content, one.probabilities())
    ]
    values = [
        [math.fsum(w * p.probability * float(p.rewards[k]) for w, p in paths if p.prompt == q) for q in prompts]
        for k in range(env.n_components)
    ]
    loss = [
        1
        - math.fsum(
            w * p.probability * float(oracle.composite(content, p.rewards) / total) for w, p in paths if p.prompt == q
        )
        for q in prompts
    ]
    risk, there = (math.fsum(float(p) * x for p, x in zip(law, loss, strict=True)) for law in (rho, target))
    distance = max(
        abs(sum(target[q] - rho[q] for q in event))
        for size in range(env.n_prompts + 1)
        for event in itertools.combinations(prompts, size)
    )
    variance = math.fsum(float(p) * (x - risk) ** 2 for p, x in zip(rho, loss, strict=True))
    expected = {
        s.R_S: risk,
        s.R_T: there,
        s.w: [float(w) for w in env.exact_weights],
        s.W: float(total),
        s.K: env.n_components,
        s.osc_value: [max(own) - min(own) for own in values],
        s.osc_loss: max(loss) - min(loss),
        s.tv_domains: float(distance),
        s.var_S: variance,
        s.kl_domains: sum(float(t) * math.log(t / p) for p, t in zip(rho, target, strict=True) if t),
        s.chi2_domains: float(sum(t * t / p for p, t in zip(rho, target, strict=True)) - 1),
        s.n: 11,
    }
    by_components = risk + sum(
        float(w / total) * (max(own) - min(own)) for w, own in zip(env.exact_weights, values, strict=True)
    ) * float(distance)
    right = {
        "T3.shift": by_components,
        "T3.shift.loss": risk + (max(loss) - min(loss)) * float(distance),
        "T3.shift.pinsker": risk + math.sqrt(max(expected[s.kl_domains], 0) / 2),
        "T3.shift.chi": risk + math.sqrt(variance * expected[s.chi2_domains]),
        "T3.printed": risk + math.sqrt(max(expected[s.kl_domains], 0) / 2) / math.sqrt(11),
    }
    instance = setting(policy, target, n=11)
    if members != [policy]:
        instance = Instance(env, policy, generalization=Generalization(target, tuple(members), n=11, posterior=shares))
    for claim_id, side in right.items():
        measured = CLAIMS[claim_id].measure(instance)
        for symbol, value in expected.items():
            close(measured.numbers[symbol], value)
        # a square root of what is nearly zero keeps half the digits
        np.testing.assert_allclose(CLAIMS[claim_id].sides(measured.numbers), (there, side), rtol=1e-9, atol=1e-7)
    for claim_id in SHIFTS:
        check = CLAIMS[claim_id].check(instance)
        assert check.verdict in (Verdict.HOLDS, Verdict.VACUOUS) or (
            check.verdict is Verdict.UNDECIDED and abs(check.slack or 0.0) <= check.error
        ), claim_id
    assert right["T3.shift.loss"] <= right["T3.shift"] + 1e-12


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), tamdps(max_prompts=2, max_components=1))
def test_two_prompts_are_equalities(data: st.DataObject, env: TAMDP) -> None:
    """Any two laws of two prompts differ by one movement of mass; where it goes the way of the loss,
    nothing is lost.
    """
    policy, target = data.draw(tabular_policies(env)), data.draw(laws(env.n_prompts))
    instance = setting(policy, target)
    numbers = CLAIMS["T3.shift"].measure(instance).numbers
    for claim_id in ("T3.shift", "T3.shift.loss", "T3.shift.chi"):
        check = CLAIMS[claim_id].check(instance)
        if numbers[s.R_T] >= numbers[s.R_S] + 1e-6 or env.n_prompts == 1:
            assert check.lhs == pytest.approx(check.rhs, rel=1e-9)
            # nothing is said of a target that is the source, as it is with one prompt
            says_nothing = (
                check.rhs >= 1 - 1e-12
                or target == env.exact_prompt_probability
                or len(set(env.exact_class_composite)) == 1
            )
            assert check.verdict is (Verdict.VACUOUS if says_nothing else Verdict.HOLDS), claim_id


@pytest.mark.parametrize("moved", [F(1, 2), F(1, 10**6), F(1, 7), F(499, 1000)])
@pytest.mark.parametrize("claim_id", ["T3.shift", "T3.shift.loss", "T3.shift.chi"])
def test_two_questions(claim_id: str, moved: F) -> None:
    policy = TabularSoftmax(TWO)
    there, back = (
        CLAIMS[claim_id].check(setting(policy, law))
        for law in ((F(1, 2) + moved, F(1, 2) - moved), (F(1, 2) - moved, F(1, 2) + moved))
    )
    wanted = (
        Verdict.VACUOUS if moved == F(1, 2) else Verdict.HOLDS
    )  # at most one is no bound, not even where it is attained
    assert (there.verdict, there.lhs) == (wanted, pytest.approx(float(F(1, 2) + moved), rel=1e-12))
    assert there.rhs == back.rhs == pytest.approx(there.lhs, rel=1e-12)
    assert back.verdict is wanted
    assert back.lhs == pytest.approx(float(F(1, 2) - moved), abs=1e-12)


def test_a_component_that_is_equal_everywhere_transfers_free() -> None:
    env = families.contextual_bandit([[(1, 0)], [(1, 1)]], weights=("1/2", "1/2"))
    check = CLAIMS["T3.shift"].check(setting(TabularSoftmax(env), (F(3, 4), F(1, 4))))
    assert (check.lhs, check.rhs) == (pytest.approx(3 / 8), pytest.approx(1 / 4 + 1 / 2 * 1 / 4))
    same = CLAIMS["T3.shift"].measure(setting(TabularSoftmax(env), (F(1, 2), F(1, 2))))
    assert same.numbers[s.tv_domains] == 0 and same.attained


def test_no_equality_where_mass_moves_the_other_way() -> None:
    """Three prompts, and mass that leaves a prompt in the middle: the bounds are strict."""
    env = families.contextual_bandit([[["0"]], [["1/2"]], [["1"]]])
    for target in ((F(2, 3), F(0), F(1, 3)), (F(0), F(1, 3), F(2, 3))):
        instance = setting(TabularSoftmax(env), target)
        for claim_id in SHIFTS:
            measured, check = CLAIMS[claim_id].measure(instance), CLAIMS[claim_id].check(instance)
            assert not np.any(measured.attained) and check.slack > 1e-3 and check.verdict is Verdict.HOLDS, claim_id  # type: ignore[operator]
    up = setting(TabularSoftmax(env), (F(2, 3), F(1, 3), F(0)))
    assert CLAIMS["T3.shift.loss"].measure(up).attained and CLAIMS["T3.shift.chi"].measure(up).attained
    assert (
        not CLAIMS["T3.shift.chi"]
        .measure(setting(TabularSoftmax(env), (F(1, 2), F(1, 3) + F(1, 12), F(1, 12))))
        .attained
    )


def test_a_posterior_is_not_a_policy() -> None:
    """Two policies, each right on one question: alone they differ between the domains, in equal shares they do not."""
    env = families.contextual_bandit([[["0"], ["1"]]] * 2)
    pair = tuple(TabularSoftmax(env, np.array([[0.0, 40.0], [40.0, 0.0]][::step])) for step in (1, -1))
    target = (F(1), F(0))
    rows = []
    for shares in ((F(1, 2), F(1, 2)), (F(1), F(0)), (F(0), F(1)), (F(1, 4), F(3, 4))):
        check = CLAIMS["T3.shift"].check(
            Instance(env, pair[0], generalization=Generalization(target, pair, posterior=shares))
        )
        rows.append((check.lhs, check.rhs))
    # R_S = 1/2 throughout; R_T = 0, 1 of the two; osc = |Q_1 - Q_2|, TV = 1/2
    assert rows == [(pytest.approx(t), pytest.approx(b)) for t, b in ((0.5, 0.5), (0.0, 1.0), (1.0, 1.0), (0.75, 0.75))]


# values of one component on three prompts, and how the mass moves: equality exactly where it leaves the largest values
# for the least
@pytest.mark.parametrize(
    ("values", "target", "is_equal"),
    [
        (("0", "1/2", "1"), (F(2, 3), F(1, 3), F(0)), True),
        (("0", "1/2", "1"), (F(1, 3), F(2, 3), F(0)), False),
        (("0", "0", "1"), (F(1, 2), F(1, 2), F(0)), True),
        (("0", "1/1000000000000", "1"), (F(1, 2), F(1, 2), F(0)), False),
        (("1/3", "1/3", "1/3"), (F(1), F(0), F(0)), True),
        (("1/3", "3333333333333333/10000000000000000", "1/3"), (F(1), F(0), F(0)), False),
        (("0", "1/2", "1"), (F(1, 3), F(1, 3), F(1, 3)), True),
    ],
)
def test_equality_is_decided_on_rationals(values: tuple[str, ...], target: tuple[F, ...], is_equal: bool) -> None:
    """Differences of 1e-12 and 4e-17 are none to floats that compare with a tolerance."""
    env = families.contextual_bandit([[[v]] for v in values])
    for claim_id in ("T3.shift", "T3.shift.loss"):
        assert CLAIMS[claim_id].measure(setting(TabularSoftmax(env), target)).attained is is_equal, claim_id


@pytest.mark.parametrize(
    ("values", "target", "is_equal"),
    [  # loss (1, 1/2, 0) - 1/2 against t/p - 1
        (("0", "1/2", "1"), (F(1, 2), F(1, 3), F(1, 6)), True),
        (("0", "1/2", "1"), (F(1, 6), F(1, 3), F(1, 2)), False),
        (("0", "1/2", "1"), (F(1, 2), F(1, 3) + F(1, 10**13), F(1, 6) - F(1, 10**13)), False),
        (("1/7", "1/7", "1/7"), (F(1), F(0), F(0)), True),
    ],
)
def test_equality_of_cauchy_and_schwarz_is_decided_on_rationals(
    values: tuple[str, ...], target: tuple[F, ...], is_equal: bool
) -> None:
    env = families.contextual_bandit([[[v]] for v in values])
    assert CLAIMS["T3.shift.chi"].measure(setting(TabularSoftmax(env), target)).attained is is_equal


def test_a_tie_of_a_policy_in_floats_is_no_equality() -> None:
    """The same policy on two equal prompts: values that depend on it are enclosed by floats, which do not show that
    they agree.
    """
    env = families.contextual_bandit([[["0"], ["1"]]] * 2)
    instance = setting(TabularSoftmax(env, np.full((2, 2), 0.3)), (F(3, 4), F(1, 4)))
    assert not CLAIMS["T3.shift.loss"].measure(instance).attained
    with balls.precision(128):  # the exact route: two rationals
        assert decide(CLAIMS["T3.shift.loss"], exactly(instance)).verdict is Verdict.HOLDS


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), tamdps(max_prompts=3, max_nodes=3))
def test_ranges_over_policies(data: st.DataObject, env: TAMDP) -> None:
    """Every policy lies inside, and some deterministic one at each end."""
    ranges = value_ranges(env)
    policy = data.draw(tabular_policies(env))
    found = exact.values(env, policy).per_prompt
    best = exact.optimal_values(env).per_prompt
    for k in range(env.n_components):
        low, high = (np.array([int(end.p) / int(end.q) for end in ends]) for ends in zip(*ranges[k], strict=True))
        assert (low - 1e-12 <= found[:, k]).all() and (found[:, k] <= high + 1e-12).all()
        np.testing.assert_allclose(high, best[:, k], atol=1e-12)
    lowest = [min(float(oracle.composite(env.to_dict(), p.rewards)) for p in paths) for paths in by_prompt(env)]
    total = float(sum(env.exact_weights))
    assert all(int(a.p) / int(a.q) >= low / total - 1e-12 for (a, _), low in zip(ranges[-1], lowest, strict=True))


def by_prompt(env: TAMDP) -> list[list[oracle.Path]]:
    paths = oracle.paths(env.to_dict(), TabularSoftmax(env).probabilities())
    return [[p for p in paths if p.prompt == q] for q in range(env.n_prompts)]


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
