"""Claims with content: each side comes from a route of its own, so that a fault in one of them shows."""

import copy
import json
import math
from dataclasses import replace
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from bounds import CLAIMS, Generalization, Instance, Verdict, certificates
from bounds import instance as instances
from bounds import symbols as s
from bounds.certificates import certify, save, verify
from bounds.claims import divergence
from bounds.claims.printed import measure_printed
from bounds.claims.printed import printed_delta as float_delta
from bounds.decision import decide
from bounds.enclosed.printed import printed_delta, printed_rows
from bounds.enclosed.single_groups import Single
from bounds.exact_instance import exactly
from bounds.once import Once
from tamdp_theory import TAMDP, CapacityError, InputError, LogLinear, TabularSoftmax, exact, families
from tamdp_theory.exact import Groups, Scheme, balls
from tests.helpers import oracle

TREE = families.random_tree(seed=1, prompts=2, tools=1, answers=2, max_tool_depth=1, components=3)
SOFT = TabularSoftmax.random(TREE, np.random.default_rng(1))
THOUGHT = families.number_line(3, 1, think=True)


# -- the divergence by listing --------------------------------------------------------------------------------------


def wide(thoughts: int) -> TAMDP:
    """Two thoughts at each of so many nodes in a row: 2^thoughts trajectories."""

    def edge(step: int) -> dict[str, Any]:
        return {"probability": 1, "node": f"x{step + 1}"} if step + 1 < thoughts else {"probability": 1, "rewards": [1]}

    return TAMDP.from_dict(
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
                for step in range(thoughts)
            ],
        }
    )


@pytest.mark.parametrize("claim_id", ["L1.bound", "T3.depth"])
def test_the_divergence_is_listed(claim_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the chain rule out of order the left side stays: it never comes from it."""
    instance = Instance(TREE, SOFT, reference=TabularSoftmax(TREE))
    monkeypatch.setattr(exact, "divergence", lambda *_: pytest.fail("the chain rule is not asked"))
    check = CLAIMS[claim_id].check(instance)
    assert check.lhs == pytest.approx(
        oracle.divergence(TREE.to_dict(), SOFT.probabilities(), TabularSoftmax(TREE).probabilities()), rel=1e-12
    )
    assert check.verdict is Verdict.HOLDS


@pytest.mark.parametrize("claim_id", ["L1", "L1.bound", "T3.depth"])
def test_what_cannot_be_listed_is_no_pass(claim_id: str) -> None:
    for thoughts, verdict in ((10, Verdict.HOLDS), (17, Verdict.ASSUMPTION_UNMET)):  # 2^17 > 100,000
        env = wide(thoughts)
        check = CLAIMS[claim_id].check(
            Instance(env, TabularSoftmax(env, np.outer(np.arange(thoughts), [0.1, 0.0])), reference=TabularSoftmax(env))
        )
        assert check.verdict is verdict and check.assumptions["listable"] is (verdict is Verdict.HOLDS)
    assert "listable" in [a.name for a in CLAIMS[claim_id].assumptions]


def test_equality_at_one_node_only() -> None:
    """H = D + (D + 1) B and one node: T3.depth is an equality there, and not with a tool that ends the trajectory."""
    one = families.bandit([["0"], ["1"]])
    tool = TAMDP.from_dict(
        one.to_dict()
        | {
            "max_tool_depth": 1,
            "nodes": [
                node | {"actions": [node["actions"][0] | {"kind": "tool"}, *node["actions"][1:]]}
                for node in one.to_dict()["nodes"]
            ],
        }
    )
    for env, equal in ((one, True), (tool, False)):
        instance = Instance(env, TabularSoftmax(env, [[1.0, 0.0]]), reference=TabularSoftmax(env))
        assert CLAIMS["T3.depth"].measure(instance).attained is equal
        assert CLAIMS["T3.depth"].check(instance).verdict is Verdict.HOLDS


# -- centred updates by two routes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "route"), [(2, "listing groups"), (40, "group moments")])
@pytest.mark.parametrize("think_weight", [1.0, 0.5])
def test_the_two_sides_of_centred_updates_do_not_share_a_route(
    size: int, route: str, think_weight: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = TabularSoftmax.random(THOUGHT, np.random.default_rng(0))
    instance = Instance(THOUGHT, policy, Scheme(size, "center"), think_weight=think_weight)
    check = CLAIMS["T2.lossless.center"].check(instance)
    assert check.verdict is Verdict.HOLDS and route in check.note and "policy gradients" in check.note
    wrong = exact.policy_gradient
    monkeypatch.setattr(exact, "policy_gradient", lambda *args: 1.01 * wrong(*args))
    instance = replace(instance, once=Once())
    # floats see it; the exact route, which was not broken, does not let them violate what is proved
    assert replace(CLAIMS["T2.lossless.center"], enclose=None).check(instance).is_doubtful
    assert CLAIMS["T2.lossless.center"].check(instance).verdict is not Verdict.VIOLATED
    monkeypatch.undo()
    listed = instances.enumerate_update
    moments = exact.UpdatePlan.moments

    def off(found: Any) -> Any:
        return replace(found, mean=1.01 * found.mean)

    monkeypatch.setattr(exact.UpdatePlan, "moments", lambda self, one: off(moments(self, one)))
    monkeypatch.setattr(instances, "enumerate_update", lambda *args: off(listed(*args)))
    instance = replace(instance, once=Once())
    # floats see it; the exact route, which was not broken, does not let them violate what is proved
    assert replace(CLAIMS["T2.lossless.center"], enclose=None).check(instance).is_doubtful
    assert CLAIMS["T2.lossless.center"].check(instance).verdict is not Verdict.VIOLATED


def test_centred_updates_exactly_by_two_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = Instance(THOUGHT, TabularSoftmax(THOUGHT), Scheme(2, "center"), think_weight=0.5)
    assert certify(CLAIMS["T2.lossless.center"], instance).is_exact
    moments = balls.BallGroup.moments

    def wrong(self: Any, probability: Any) -> Any:
        h, second, cross = moments(self, probability)
        return [2 * v for v in h], second, cross

    monkeypatch.setattr(balls.BallGroup, "moments", wrong)
    with balls.precision(128):
        assert decide(CLAIMS["T2.lossless.center"], exactly(replace(instance, once=Once()))).verdict is Verdict.VIOLATED


# -- the printed Delta ----------------------------------------------------------------------------------------------


class Planted(Groups):
    """Groups whose composite is not sum w_k R_k: the first component stands in for it."""

    @property
    def composite(self) -> Any:  # type: ignore[override]
        return self.components[0]


def test_delta_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """R_1 = (0, 1), R_2 = (1, 0), w = (3/4, 1/4). With c = R_1 in place of R_1 3/4 + R_2 / 4 a member misses (1 - 3/4 +
    1/4) / 2 = 1/4, sigma_c = 1/2.
    """
    rewards, weights, members = ((F(0), F(1)), (F(1), F(0))), (F(3, 4), F(1, 4)), np.array([[0, 0], [0, 1], [1, 1]])
    assert float_delta(Groups(members, rewards, weights), 0).tolist() == [0, 0, 0]
    assert float_delta(Planted(members, rewards, weights), 0).tolist() == [0, 0.5, 0]
    np.testing.assert_allclose(
        float_delta(Planted(members, rewards, weights), 1), [0, 0.5 / math.sqrt(2), 0]
    )  # sigma_c = 1/sqrt 2
    monkeypatch.setattr("bounds.claims.printed.Groups", Planted)
    measured = measure_printed(CLAIMS["T2.printed"].example())  # type: ignore[misc]
    assert measured.numbers[s.Delta].tolist() == [0, 0.5, 0]
    # ratios 9/10 and 11/10
    np.testing.assert_allclose(measured.numbers[s.printed_factor], [0.9, 1.0, 1.1])


def test_a_rounding_is_no_delta() -> None:
    """Rewards of 1/3 and weights of 1/7: sums of floats would leave 1e-17."""
    rewards = tuple((F(j, 3), F(2 * j, 7), F(j * j, 11)) for j in range(4))
    table = Groups(exact.listing.list_multisets(4, 4)[0], rewards, (F(1, 7), F(2, 13), F(5, 9)))
    assert not float_delta(table, 0).any()


def test_delta_in_the_exact_route(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = CLAIMS["T2.printed"]
    instance = exactly(claim.example())  # type: ignore[misc]
    decision = decide(claim, instance)
    assert (decision.verdict, str(decision.lhs), str(decision.rhs)) == (Verdict.VIOLATED, "1/20", "0")
    one = Single(instance, 0, (0, 1))
    assert printed_delta(one) == 0
    one.joint_deviation = [F(-1, 2), F(1, 2)]  # of R_1 alone, whose sigma is 1/2; sum w_k R_k deviates by 1/4
    one.sigma_c = balls.number(F(1, 2))
    assert str(printed_delta(one)) == "1/2"
    plain = Single.__init__

    def planted(self: Any, *args: Any) -> None:
        plain(self, *args)
        self.joint_deviation, self.sigma_c = self.deviations[0], self.sigma[0]

    monkeypatch.setattr(Single, "__init__", planted)
    rows = [(str(row[s.Delta]), str(row[s.printed_factor])) for row in printed_rows(instance)]
    assert rows == [("0", "9/10"), ("1/2", "1"), ("0", "11/10")]


# -- what is true beside the quoted K/G -----------------------------------------------------------------------------


def test_the_upper_bound_stands_beside_the_quoted_scaling() -> None:
    """Two equal fair coins, unit weights, G = 4, centred: V = (3/4) (E c'^2 e ...) <= kappa^2 K sum w^2 E||s||^2 / G =
    (9/16) 4 (1/2) / 4.
    """
    claim = CLAIMS["T1.assumption2"]
    check = claim.check()
    assert check.verdict is Verdict.VIOLATED and "V grows as K^2" in check.note
    assert "L9.components holds" in check.note and f"<= {9 / 16 * 4 * 0.5 / 4:.6g}" in check.note
    assert (
        "L9.components" in claim.depends_on
        and "L9.components" in claim.proof
        and claim.title == "The variance scales as K/G"
    )
    lemma = CLAIMS["L9.components"].check(replace(claim.example(), scheme=Scheme(4, "center")))  # type: ignore[misc]
    assert f"V = {lemma.lhs:.6g} <= {lemma.rhs:.6g}" in check.note and lemma.verdict is Verdict.HOLDS


# -- posteriors in certificates -------------------------------------------------------------------------------------

QUIZ = families.contextual_bandit([[["0"], ["1"], ["1/2"]], [["1"], ["0"], ["1/3"]], [["1/4"], ["1"], ["1"]]])
CLASS = tuple(
    TabularSoftmax(QUIZ, np.log(np.array(table, dtype=float)))
    for table in ([[1, 2, 3]] * 3, [[3, 1, 1]] * 3, [[1, 5, 1], [1, 1, 1], [2, 1, 1]])
)
SHARES = (F(1, 6), F(1, 3), F(1, 2))
TARGET = (F(1, 2), F(1, 2), F(0))
MIXED = Instance(QUIZ, CLASS[0], generalization=Generalization(TARGET, CLASS, n=9, posterior=SHARES))


@pytest.mark.parametrize("claim_id", ["T3.shift", "T3.shift.loss", "T3.shift.chi", "T3.printed"])
def test_a_posterior_in_a_certificate(claim_id: str, tmp_path: Path) -> None:
    made, path = certify(CLAIMS[claim_id], MIXED), tmp_path / "made.json"
    save(made, path)
    found, check = verify(path), CLAIMS[claim_id].check(MIXED)
    assert isinstance(found.instance.policies, list) and len(found.instance.policies) == 3
    assert found.verdict == check.verdict
    with balls.precision(200):
        decision = decide(CLAIMS[claim_id], exactly(MIXED))
    assert [float(balls.ball(v).mid()) for v in (decision.lhs, decision.rhs)] == [
        pytest.approx(check.lhs, rel=1e-12),
        pytest.approx(check.rhs, rel=1e-12),
    ]
    # R_T by hand: shares of the policies, halves of the first two questions
    tables = [policy.probabilities() for policy in CLASS]
    values = [
        sum(float(w) * t[q] @ r for w, t in zip(SHARES, tables, strict=True))
        for q, r in ((0, [0, 1, 0.5]), (1, [1, 0, 1 / 3]))
    ]
    assert check.lhs == pytest.approx(1 - sum(values) / 2, rel=1e-12)


def test_policies_without_a_share_are_left_out() -> None:
    alone = replace(MIXED, generalization=replace(MIXED.generalization, posterior=(F(0), F(1), F(0))))
    found = exactly(alone)
    assert len(found.policies) == 1 and found.posterior == (F(1),)
    point = replace(MIXED, policy=CLASS[1], generalization=replace(MIXED.generalization, posterior=None))
    one, two = (certify(CLAIMS["T3.shift"], which) for which in (alone, point))
    assert (one.lhs, one.rhs) == (two.lhs, two.rhs)
    assert "policies" not in msgspec.to_builtins(two)["instance"], "a file without them means a point mass"


def test_only_claims_about_two_domains_keep_a_posterior() -> None:
    assert "posterior" not in msgspec.to_builtins(certify(CLAIMS["L2"], MIXED))["instance"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"posterior": ["1/6", "1/3", "1/3"]},
            "instance.posterior: shares must not be negative and must sum to 1, got the sum 5/6",
        ),
        ({"posterior": ["-1/6", "2/3", "1/2"]}, "instance.posterior: shares must not be negative"),
        ({"posterior": ["1/2", "1/2"]}, "instance.posterior: need one share for each"),
        ({"posterior": None}, "posterior"),
        ({"posterior": ["x", "1/2", "1/2"]}, r"instance.posterior\[0\]: "),
        ({"posterior": [True, 0, 0]}, r"instance.posterior\[0\]: "),
        ({"posterior": ["1/3", "1/6", "1/2"]}, "lhs: computed"),
        ({"policies": []}, "instance.posterior: need one share for each"),
        ({"policies": 3}, "policies"),
        ({"target": [], "samples": 0}, "instance.posterior: belongs to a target"),
    ],
)
def test_a_changed_posterior_is_refused(changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    content: Any = json.loads(json.dumps(msgspec.to_builtins(certify(CLAIMS["T3.shift"], MIXED))))
    content = copy.deepcopy(content)
    content["instance"] |= changes
    content["digest"] = certificates.digest(certificates._decode(json.dumps(content).encode(), "content"))
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=says):
        verify(path)


def test_too_many_policies_are_refused(tmp_path: Path) -> None:
    content: Any = json.loads(json.dumps(msgspec.to_builtins(certify(CLAIMS["T3.shift"], MIXED))))
    content["instance"]["policies"] = content["instance"]["policies"][:1] * 65
    content["instance"]["posterior"] = ["1/65"] * 65
    content["digest"] = certificates.digest(certificates._decode(json.dumps(content).encode(), "content"))
    (tmp_path / "many.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="at most 64 policies"):
        verify(tmp_path / "many.json")


def test_a_log_linear_class_in_a_certificate() -> None:
    linear = LogLinear(QUIZ, np.arange(18).reshape(9, 2) % 4, [0.5, -0.25])
    pair = (linear, linear.with_parameters([0.25, 1.0]))
    instance = Instance(QUIZ, linear, generalization=Generalization(TARGET, pair, posterior=(0.5, 0.5)))
    made = certify(CLAIMS["T3.shift"], instance)
    assert made.verdict == "holds" and made.rhs.startswith("[")


# -- vacuous in the exact route -------------------------------------------------------------------------------------


def test_a_vacuous_bound_is_not_certified() -> None:
    """L4 with a bound above osc(c), and Pinsker's above one: the exact route says so without floats."""
    env = families.bandit([["0"], ["1"]])
    rare = Instance(env, TabularSoftmax(env, [[5.0, 0.0]]))
    two = families.contextual_bandit([[["0"]], [["1"]]])
    far = Instance(two, TabularSoftmax(two), generalization=Generalization((F(1), F(0)), (TabularSoftmax(two),)))
    for claim_id, instance in (("L4", rare), ("T3.shift.pinsker", far)):
        with balls.precision(128):
            decision = decide(CLAIMS[claim_id], exactly(instance))
        assert decision.verdict is CLAIMS[claim_id].check(instance).verdict is Verdict.VACUOUS
        with pytest.raises((InputError, CapacityError), match="vacuous here"):
            certify(CLAIMS[claim_id], exactly(instance))


def test_limits_are_named() -> None:
    assert divergence.MAX_LISTED == 100_000 and certificates.MAX_POLICIES == 64
