"""Claims: the registry, statements against numbers, negative controls, verdicts that must not be passes."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy as sp

import bounds
from bounds import (
    CLAIMS,
    Check,
    Claim,
    Evidence,
    Instance,
    Measured,
    Standing,
    Verdict,
    bibliography,
    registry,
    symbols,
)
from bounds.claims.assumptions import JOINT
from bounds.claims.scaling import component_bandit
from bounds.decision import decide
from bounds.exact_instance import exactly
from experiments.plots import figure_names
from tamdp_theory import TAMDP, InputError, TabularSoftmax, exact, families
from tamdp_theory.exact import Scheme, balls
from tamdp_theory.grpo.enumeration import enumerate_update


def test_registry_speaks_for_theory() -> None:
    wanted = {"L1", "L2", "L3", "L3.bandit", "L3.tree", "L4", "L5", "L6", "L7", "L8", "L9", "L9.two-valued", "L9x"}
    wanted |= {"T1.stationary", "T1.exact", "T1.biased", "T1.drift", "T1.assumption2"}
    assert wanted <= set(CLAIMS)
    assert CLAIMS["L3.tree"].standing is Standing.CONJECTURED
    assert CLAIMS["T1.assumption2"].standing is Standing.PRINTED
    assert CLAIMS["L9x"].standing is Standing.LITERATURE


@pytest.mark.parametrize("claim_id", CLAIMS)
def test_every_claim_is_complete(claim_id: str) -> None:
    claim = CLAIMS[claim_id]
    assert claim.id == claim_id
    assert isinstance(claim.statement, sp.core.relational.Relational)
    assert claim.latex()
    assert claim.reference
    assert claim.proof
    for symbol in claim.symbols:
        assert symbols.meaning(symbol)
    names = [a.name for a in claim.assumptions]
    assert len(names) == len(set(names))


def test_a_claim_is_found_with_its_own_file_alone() -> None:
    code = """
import sys, bounds
assert bounds.CLAIMS["T1.drift"].id == "T1.drift" and "T9" not in bounds.CLAIMS
assert not {"bounds.claims.coverage", "scipy.stats", "scipy.optimize", "matplotlib", "torch"} & set(sys.modules)
assert all(bounds.CLAIMS[name] is claim for name, claim in bounds.CLAIMS.items()) and len(bounds.CLAIMS) > 60
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_figure_of_a_claim_exists() -> None:
    assert {claim.figure for claim in CLAIMS.values()} - {""} <= set(figure_names())


def test_registry_refuses_disorder() -> None:
    claim = CLAIMS["L1"]
    with pytest.raises(ValueError, match="defined twice"):
        registry.checked([claim, claim])
    with pytest.raises(ValueError, match="unknown"):
        registry.checked([replace(claim, depends_on=("L0",))])
    with pytest.raises(ValueError, match="circle"):
        registry.checked([replace(claim, depends_on=("L2",)), replace(CLAIMS["L2"], depends_on=("L1",))])


def test_opposite_components_are_not_comonotone() -> None:
    """Two reward classes alone do not make components move together: (1, 0) and (0, 1) cancel."""
    law = [("1/2", (1, 0)), ("1/2", (0, 1))]
    env = families.bandit([law, law], weights=(1, 1))
    instance = Instance(env, TabularSoftmax(env), Scheme(4, "normalize_then_sum"))
    check = CLAIMS["T1.scaling.comonotone"].check(instance)
    assert (check.verdict, check.assumptions["comonotone"]) == (Verdict.ASSUMPTION_UNMET, False)
    with balls.precision(128):
        assert decide(CLAIMS["T1.scaling.comonotone"], exactly(instance)).assumptions["comonotone"] is False
    assert CLAIMS["T1.scaling.comonotone"].check(replace(instance, without=("comonotone",))).verdict is Verdict.VIOLATED


@pytest.mark.parametrize("claim_id", ["T1.stationary", "T1.stationary.path", "T1.exact", "T1.exact.start", "T1.biased"])
def test_theorem_1_on_a_small_tree(claim_id: str) -> None:
    env = families.random_tree(seed=1, prompts=2, tools=1, answers=2, max_tool_depth=1, components=2)
    claim = CLAIMS[claim_id]
    for scheme in claim.schemes:
        check = claim.check(
            Instance(env, TabularSoftmax(env), scheme, steps=120, runs=320 if claim_id == "T1.biased" else 128)
        )
        assert check.verdict in (Verdict.HOLDS, Verdict.ASSUMPTION_UNMET), check
        assert (check.verdict is Verdict.ASSUMPTION_UNMET) == (
            claim_id != "T1.biased" and scheme.normalization == "sum_then_normalize"
        ), check
        if check.verdict is Verdict.HOLDS:
            assert check.evidence is (Evidence.EXACT if "exact" in claim_id else Evidence.STATISTICAL)


def test_stationary_left_side_in_closed_form() -> None:
    """One step of two arms from the uniform policy: (1/T) sum over t < 1 is ||grad F(theta_0)||^2 = (kappa/4)^2 * 2."""
    env = families.bandit([["0"], ["1"]])
    check = CLAIMS["T1.stationary"].check(env, steps=1, runs=4, group_size=4, normalization="center")
    assert check.lhs == pytest.approx(2 * (0.75 / 4) ** 2, rel=1e-12)
    smooth, gap = 0.75 / (3 * np.sqrt(3)), 0.75 * 0.5  # L3.bandit
    noise = 0.75**2 * 0.5 / 4
    eta = min(1 / smooth, np.sqrt(2 * gap / (smooth * noise)))
    assert check.rhs == pytest.approx(2 * gap / eta + smooth * eta * noise, rel=1e-12)


def test_a_step_that_is_too_long() -> None:
    env = families.bandit([["0"], ["1"]])
    check = CLAIMS["T1.stationary"].check(env, learning_rate=50.0, steps=5, runs=4)
    assert check.verdict is Verdict.ASSUMPTION_UNMET
    assert check.assumptions["step size"] is False


def test_drift_examples_are_certified() -> None:
    for claim_id, value in (("T1.drift", -3 / 800), ("T1.drift.decomposed", None)):
        check = CLAIMS[claim_id].check()
        assert check.verdict is Verdict.HOLDS
        assert check.evidence is Evidence.CERTIFIED
        assert check.lhs < 0  # type: ignore[operator]
        if value is not None:
            assert check.lhs == pytest.approx(value, rel=1e-14)
    elsewhere = CLAIMS["T1.drift"].check(families.bandit([["0"], ["1"]]), group_size=2, normalization="center")
    assert elsewhere.verdict is Verdict.ASSUMPTION_UNMET


@pytest.mark.parametrize(
    ("comonotone", "normalization", "exponent"),
    [
        (False, "center", 1),
        (True, "center", 2),
        (False, "normalize_then_sum", 1),
        (True, "normalize_then_sum", 2),
        (True, "sum_then_normalize", 0),
    ],
)
def test_variance_against_the_number_of_components(
    comonotone: bool, normalization: exact.Normalization, exponent: int
) -> None:
    """theory.md T1.assumption2: V G grows as 1, K or K^2; only K^1 is what the paper prints."""
    check = CLAIMS["T1.assumption2"].check(
        component_bandit(3, comonotone, "components"), group_size=4, normalization=normalization
    )
    assert check.lhs == pytest.approx(exponent, abs=1e-12)
    assert check.verdict is (Verdict.HOLDS if exponent == 1 else Verdict.VIOLATED)
    assert check.evidence is Evidence.CERTIFIED


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("group_size", [2, 5, 16])
def test_laws_of_the_variance(count: int, group_size: int) -> None:
    """V over K and G by enumeration of all groups for small ones, and as the three laws for all."""
    for shape, claim_id, power in (
        ("independent", "T1.scaling.independent", 1),
        ("comonotone", "T1.scaling.comonotone", 2),
    ):
        env = component_bandit(count, shape == "comonotone", shape)
        check = CLAIMS[claim_id].check(env, group_size=group_size)
        assert check.verdict is Verdict.HOLDS
        assert check.lhs == pytest.approx(0.5 * count**power * (1 - 2.0 ** (1 - group_size)) / group_size, rel=1e-12)
        joint = CLAIMS["T1.scaling.joint"].check(env, group_size=group_size)
        assert joint.verdict is Verdict.HOLDS
        if count <= 2 and group_size == 2:
            brute = enumerate_update(env, TabularSoftmax(env), Scheme(group_size, "sum_then_normalize")).variance
            assert joint.lhs == pytest.approx(brute, rel=1e-12)


def test_joint_variance_hardly_grows_with_independent_components() -> None:
    """sum_then_normalize, independent fair components: V G is 1 up to the share of silent groups, whatever K."""
    check = CLAIMS["T1.assumption2"].check(
        component_bandit(3, False, "components"), group_size=4, normalization="sum_then_normalize"
    )
    assert 0 < check.lhs < 0.1  # type: ignore[operator]
    for count in (1, 2, 3):
        env = component_bandit(count, False, "components")
        moments = exact.update_moments(env, TabularSoftmax(env), 8, "sum_then_normalize")
        total = exact.group_moments(*_law(env), [1] * count, 8, "sum_then_normalize")
        active = float(total.second @ _law(env)[0])
        # scores are independent of rewards, E||s||^2 = 1/2, so V = (active/G) (1/2) with correlated advantages -1/(G-1)
        assert moments.variance == pytest.approx(active / 8 / 2, rel=1e-12)


def _law(env: TAMDP) -> tuple[np.ndarray, list[Any]]:
    law = exact.reward_law(env, TabularSoftmax(env))[0]
    return law.probability, law.rewards.tolist()


def toy(
    lhs: float,
    rhs: float,
    statement: type = sp.Le,
    standing: Standing = Standing.CONJECTURED,
    zero_tells: bool = False,
    **more: Any,
) -> Check:
    """A claim that compares two given numbers, and has no exact form."""
    x, y = sp.symbols("x y")
    claim = replace(
        CLAIMS["L2"],
        statement=statement(x, y),
        measure=lambda i: Measured(numbers={x: lhs, y: rhs}, **more),
        enclose=None,
        standing=standing,
        zero_tells=zero_tells,
    )
    return claim.check(families.drift_bandit())


def test_verdicts() -> None:
    assert toy(1, 2).verdict is Verdict.HOLDS
    assert toy(1, 2).slack == 1
    assert toy(2, 1).verdict is Verdict.VIOLATED
    assert toy(1, 1 + 1e-12).verdict is Verdict.UNDECIDED
    assert toy(1, 1 + 1e-12, attained=True).verdict is Verdict.HOLDS
    assert toy(0, 0, sp.Lt).verdict is Verdict.UNDECIDED
    assert toy(1, 5, trivial=4).verdict is Verdict.VACUOUS
    assert toy(6, 5, trivial=4).verdict is Verdict.VIOLATED
    assert toy(1, 2, half_width=1.5).verdict is Verdict.UNDECIDED
    assert toy(1, 2, half_width=0.5).verdict is Verdict.HOLDS
    assert toy(1, 2, half_width=0.5).evidence is Evidence.STATISTICAL
    assert toy(3, 2, half_width=1.5).verdict is Verdict.UNDECIDED
    assert toy(1, 2, assumptions={"a": False}).verdict is Verdict.ASSUMPTION_UNMET
    assert toy(1, 2, assumptions={"a": False}).slack is None
    assert toy(float("nan"), 2).verdict is Verdict.UNDECIDED
    assert toy(1, float("nan")).verdict is Verdict.UNDECIDED
    assert toy(1, 1 + 1e-6, sp.Eq).verdict is Verdict.VIOLATED
    assert toy(1, 1 + 1e-12, sp.Eq).verdict is Verdict.HOLDS
    assert toy(1, 1 + 1e-12, sp.Eq, standing=Standing.PRINTED).verdict is Verdict.UNDECIDED  # false somewhere
    assert toy(1, 2, sp.Ge).verdict is Verdict.VIOLATED
    assert toy(2, 1, sp.Gt).verdict is Verdict.HOLDS
    worst = toy(np.array([1.0, 3.0, 0.0]), np.array([2.0, 2.5, 9.0]))  # type: ignore[arg-type]
    assert (worst.lhs, worst.rhs, worst.verdict) == (3.0, 2.5, Verdict.VIOLATED)


def test_zero_says_nothing_unless_it_is_the_content() -> None:
    """0 = 0 and 0 <= anything, or what may be 0 within the measure's rounding, could not have failed."""
    assert toy(0, 0).verdict is Verdict.VACUOUS
    assert toy(0, 0, sp.Eq).verdict is Verdict.VACUOUS
    assert toy(0, 1).verdict is Verdict.VACUOUS
    assert toy(1e-14, 1).verdict is Verdict.VACUOUS
    assert toy(1e-14, 1, scale=1e-6).verdict is Verdict.HOLDS
    assert toy(2, 0, sp.Ge).verdict is Verdict.VACUOUS
    assert toy(1e-14, 1e-14, sp.Eq).verdict is Verdict.UNDECIDED
    assert toy(0, 0, sp.Eq, zero_tells=True).verdict is Verdict.HOLDS
    assert toy(0, 0.05, zero_tells=True).verdict is Verdict.HOLDS
    assert toy(np.array([0.0, 1.0]), np.array([0.0, 2.0])).verdict is Verdict.HOLDS  # type: ignore[arg-type]
    assert toy(1, 2, empty="nothing varies").verdict is Verdict.VACUOUS
    assert toy(1, 2, empty="nothing varies").note == "nothing varies"


def test_floats_alone_violate_nothing_that_is_proved() -> None:
    check = toy(2, 1, standing=Standing.PROVED)
    assert (check.verdict, check.is_doubtful) == (Verdict.UNDECIDED, True)
    assert not toy(1, 2, standing=Standing.PROVED).is_doubtful
    # the statement is compared exactly where the claim has an exact form, here with the numbers of L2 on the instance:
    # 1/2 = 1/2
    wrong = replace(CLAIMS["L2"], measure=lambda i: Measured(numbers={symbols.energy: 2.0, symbols.energy_nodes: 1.0}))
    check = wrong.check(families.drift_bandit())
    assert (check.verdict, check.evidence, check.lhs, check.rhs) == (Verdict.HOLDS, Evidence.CERTIFIED, 0.5, 0.5)


def test_what_floats_do_not_know_is_decided_or_not_met() -> None:
    unknown = {"tabular": None}
    x, y = sp.symbols("x y")
    assert toy(1, 2, assumptions=unknown).verdict is Verdict.ASSUMPTION_UNMET
    asked = replace(CLAIMS["L2"], measure=lambda i: Measured(numbers={x: 1, y: 2}, assumptions=unknown)).check(
        families.drift_bandit()
    )
    assert (asked.verdict, asked.evidence) == (Verdict.HOLDS, Evidence.CERTIFIED)


def test_centred_advantages_have_no_scaling() -> None:
    """eps and ddof play no part where nothing is divided by a deviation: Theorem 1 speaks of a centred scheme whatever
    they are.
    """
    env = families.bandit([["0"], ["1"]])
    for claim_id in ("T1.exact", "T1.stationary"):
        for normalization, met in (("center", True), ("normalize_then_sum", False)):
            instance = Instance(env, TabularSoftmax(env), Scheme(4, normalization, 1e-4, 1), steps=3, runs=4)  # type: ignore[arg-type]
            assert CLAIMS[claim_id].conditions(instance)["plain scaling"] is met


def test_every_declared_assumption_is_evaluated() -> None:
    """An assumption added to a claim counts, though its measure knows nothing of it."""
    claim = replace(CLAIMS["L9"], assumptions=(*CLAIMS["L9"].assumptions, JOINT))
    check = claim.check(families.drift_bandit(), normalization="center")
    assert (check.verdict, check.assumptions) == (Verdict.ASSUMPTION_UNMET, {"center": True, "joint": False})
    dropped = claim.check(families.drift_bandit(), normalization="center", without=("joint",))
    assert (dropped.verdict, dropped.assumptions["joint"]) == (Verdict.HOLDS, False)


def test_a_missing_number_is_an_error() -> None:
    with pytest.raises(InputError, match="no number for"):
        CLAIMS["L9"].sides({symbols.variance: 1.0})
    with pytest.raises(InputError, match="no stored example"):
        CLAIMS["L9"].check()


def test_numbers_come_from_the_statement() -> None:
    """Change the statement and the check changes with it: nothing is written twice."""
    env = families.random_tree(seed=1, prompts=1, tools=1, answers=2, max_tool_depth=1)
    claim = CLAIMS["L3"]
    before = claim.check(env)
    halved: Claim = replace(claim, statement=sp.Le(symbols.hessian, symbols.osc / 4))
    assert halved.check(env).rhs == pytest.approx(before.rhs / 2)  # type: ignore[operator]


def test_checks_are_deterministic() -> None:
    env = families.random_tree(seed=1, prompts=2, tools=1, answers=2, max_tool_depth=1)
    for claim_id in ("L5", "T1.stationary.path", "T1.biased"):
        assert CLAIMS[claim_id].check(env, steps=20, runs=4) == CLAIMS[claim_id].check(env, steps=20, runs=4)


@pytest.mark.parametrize("claim_id", ["L5", "L6", "L9", "L9.components"])
def test_claims_that_survive_a_think_weight(claim_id: str) -> None:
    env = families.number_line(3, 1, think=True)
    policy = TabularSoftmax.random(env, np.random.default_rng(0))
    half, whole = (
        CLAIMS[claim_id].check(env, policy, group_size=2, normalization="center", think_weight=weight)
        for weight in (0.5, 1.0)
    )
    assert half.verdict is whole.verdict is Verdict.HOLDS
    assert half.lhs != pytest.approx(whole.lhs, rel=1e-6)


def test_a_think_weight_takes_the_potential_away() -> None:
    """With lambda < 1 the update is the gradient of nothing in general: L7 does not speak, and fails if it
    is made to.
    """
    env = families.number_line(3, 2, think=True)
    instance = Instance(
        env, TabularSoftmax.random(env, np.random.default_rng(0)), Scheme(4, "center"), think_weight=0.5
    )
    assert CLAIMS["L7"].check(instance).verdict is Verdict.ASSUMPTION_UNMET
    assert CLAIMS["L7"].check(replace(instance, without=("full score",))).verdict is Verdict.VIOLATED


def test_package_names() -> None:
    assert bounds.CLAIMS is CLAIMS
    with pytest.raises(TypeError):
        CLAIMS["new"] = CLAIMS["L1"]  # type: ignore[index]


def test_examples_say_that_there_is_one() -> None:
    for claim in CLAIMS.values():
        assert claim.quantifier.startswith("There are a process") == (claim.kind == "example")


def test_every_reference_is_in_the_bibliography() -> None:
    """Once each, with its claims; an arXiv number is a link."""
    found = bibliography.works(CLAIMS.values())
    names = [work.name for work in found]
    assert len(set(names)) == len(names) and names == sorted(names, key=str.lower)
    cited = {claim for work in found for claim in work.claims}
    assert cited == {claim.id for claim in CLAIMS.values() if claim.reference != "docs/theory.md"}
    (davis,) = [work for work in found if work.name == "Davis & Recht 2025, arXiv 2510.13651"]
    assert davis.address == "https://arxiv.org/abs/2510.13651" and davis.title.endswith("reinforcement learning?")
    assert {"L7", "L7.limit"} <= set(davis.claims)
    assert [work.address for work in found if work.name.startswith("Maurer")] == ["https://arxiv.org/abs/cs/0411099"]
