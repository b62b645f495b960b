"""Verdicts that were wrong, each on the smallest input that showed it, and the right one. Why it is right is said
beside it.
"""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bounds import CLAIMS, Evidence, Instance, Verdict, certificates
from bounds.claims.assumptions import JOINT
from tamdp_theory import TAMDP, CapacityError, InputError, TabularSoftmax, families
from tamdp_theory.exact import Scheme

HOLDS, VIOLATED, VACUOUS, UNMET = Verdict.HOLDS, Verdict.VIOLATED, Verdict.VACUOUS, Verdict.ASSUMPTION_UNMET
SPLIT, WHOLE = "normalize_then_sum", "sum_then_normalize"
HALVES = ("1/2", "1/2")
F = Fraction


def on(env: TAMDP, scheme: Scheme, **more: object) -> Instance:
    return Instance(env, TabularSoftmax(env), scheme, **more)  # type: ignore[arg-type]


def lottery(p: dict[tuple[int, int], Fraction]) -> TAMDP:
    law = [(chance, row) for row, chance in p.items()]
    return families.bandit([law, law], weights=(1, 1))


GRADED = families.bandit([["0"], ["1/2"], ["1"]])
LARGE = F(65536, 177147)
TINY = F(1, 2**29)
STEP = F(1, 10**7)
NEARLY_FAIR = {(0, 0): F(1, 4) + STEP, (1, 1): F(1, 4) + STEP, (0, 1): F(1, 4) - STEP, (1, 0): F(1, 4) - STEP}
UNFAIR = {(0, 0): F(1, 2) + F(4, 10**6), (1, 1): F(1, 2) - F(4, 10**6)}
MANY = [(F(i, 400), 1 - F(i, 400)) for i in range(401)] + [(F(1, 2), F(1, 3))]

# claim, instance, the right verdict
CASES: dict[str, tuple[str, Instance, Verdict]] = {
    # z'Cz = (z_1 - z_2)^2 with z = 3e5: floats lose eleven digits, the identity is exact
    "cancelling z": (
        "T2.advantage",
        on(families.bandit([(0.5, 0.5), (0.2, 0.800001)], weights=(1, 1)), Scheme(2, SPLIT)),
        HOLDS,
    ),
    # K = 1: joint and decomposed advantages are one, and the one component moves with itself
    "sixteen digits": (
        "T2.lossless.exactly",
        on(families.bandit([[0.1234567890123456], [0.9876543210987654]]), Scheme(2, SPLIT)),
        HOLDS,
    ),
    # as at a = 1/3: in comonotone groups both advantages agree
    "products beyond 64 bits": (
        "T2.lossless.comonotone",
        on(families.bandit([(0, 0), (LARGE, 2 * LARGE), (2 * LARGE, LARGE)], weights=HALVES), Scheme(3, SPLIT)),
        HOLDS,
    ),
    "products beyond 64 bits, exactly": (
        "T2.lossless.exactly",
        on(families.bandit([(0, 0), (LARGE, 2 * LARGE), (2 * LARGE, LARGE)], weights=HALVES), Scheme(3, SPLIT)),
        HOLDS,
    ),
    # spreads u and 2u: no group has components of one spread that are uncorrelated
    "tiny unequal spreads": (
        "T2.scale",
        on(families.bandit([(0, 0), (0, 2 * TINY), (TINY, 0), (TINY, 2 * TINY)], weights=HALVES), Scheme(4, SPLIT)),
        UNMET,
    ),
    # steps of 1e-9 on one component at a time: covariance is never 0 with equal spreads
    "close unequal rewards": (
        "T2.scale",
        on(
            families.bandit([("1/2", "1/2"), (0.500000001, "1/2"), ("1/2", 0.500000001)], weights=HALVES),
            Scheme(4, SPLIT),
        ),
        UNMET,
    ),
    # three values: no potential, whatever eps; the curl is of order 1 / eps^2
    "huge eps": ("L8", on(GRADED, Scheme(3, WHOLE, 1e12)), HOLDS),
    "merging values": (
        "L8",
        on(families.bandit([["0"], ["1/10000000000000000"], ["1"]]), Scheme(3, WHOLE, 1e-2)),
        HOLDS,
    ),
    "huge eps, decomposed": (
        "T2.closed",
        on(GRADED, Scheme(3, SPLIT, 1e12), without=("two-valued components",)),
        VIOLATED,
    ),
    "nearly independent": ("T1.scaling.independent", on(lottery(NEARLY_FAIR), Scheme(4, SPLIT)), UNMET),
    "nearly fair": ("T1.scaling.comonotone", on(lottery(UNFAIR), Scheme(4, SPLIT)), UNMET),
    # the listing subtracts members exactly
    "close rewards": ("L5", on(families.bandit([[0.5], [0.50000001], [0.50000003]]), Scheme(3, WHOLE)), HOLDS),
    # (i/400, 1 - i/400) with (1/2, 1/3) has decomposed advantages +-1/2 +-1/2 that do not cancel
    "one group of 81,000": (
        "T2.cancel",
        on(families.bandit(MANY, weights=HALVES), Scheme(2, SPLIT), without=("complementary",)),
        VIOLATED,
    ),
    # the decomposed advantages vanish: lambda = 1 is the row, ||m|| = 1/2 = sqrt(kappa Q lambda_max), attained
    "vanishing decomposed advantages": (
        "T2.gradient",
        on(families.bandit([(1, 0), (0, "1/3")], weights=HALVES), Scheme(3, SPLIT)),
        HOLDS,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_right_verdict(name: str) -> None:
    claim_id, instance, verdict = CASES[name]
    assert CLAIMS[claim_id].check(instance).verdict is verdict
    if name == "one group of 81,000":  # found among all groups, too many for a certificate
        with pytest.raises(CapacityError):
            certificates.certify(CLAIMS[claim_id], instance)
    elif verdict in (HOLDS, VIOLATED):
        assert certificates.certify(CLAIMS[claim_id], instance).verdict == verdict
    else:
        with pytest.raises(InputError):
            certificates.certify(CLAIMS[claim_id], instance)


def test_the_distance_of_updates_where_the_decomposed_one_vanishes() -> None:
    check = CLAIMS["T2.gradient"].check(CASES["vanishing decomposed advantages"][1])
    assert (check.lhs, check.rhs, check.evidence) == (0.5, 0.5, Evidence.CERTIFIED)


@pytest.mark.parametrize(
    ("claim_id", "right"), [("T2.suboptimality.signed", np.sqrt(2)), ("T2.suboptimality.solvable", np.sqrt(2))]
)
def test_a_constant_beyond_1e150(claim_id: str, right: float) -> None:
    """Arms 1 and 0, logits -350 and 0: C = 1/p, ||m|| = psi p (1 - p) sqrt 2, so the right side is sqrt 2 (1 - p),
    above the trivial bound 1.
    """
    env = families.bandit([["1"], ["0"]])
    check = CLAIMS[claim_id].check(Instance(env, TabularSoftmax(env, np.array([[-350.0, 0.0]])), Scheme(4, SPLIT)))
    assert check.verdict is VACUOUS
    assert check.rhs == pytest.approx(right, rel=1e-12)


def test_declared_assumptions_are_evaluated() -> None:
    claim = replace(CLAIMS["L9"], assumptions=(*CLAIMS["L9"].assumptions, JOINT))
    assert claim.check(on(GRADED, Scheme(4, "center"))).verdict is UNMET


# -- where nothing varies -----------------------------------------------------------------------------------------

CONSTANT = families.bandit([HALVES, HALVES], weights=HALVES)
SINGLE = families.bandit([("1/2", "1/3")], weights=HALVES)
# claims that speak of policies or of the process's shape, whatever its rewards; a printed claim that holds is no pass
OF_POLICIES = {
    "L1",
    "L1.bound",
    "L1.k1",
    "L1.k2",
    "L1.k3",
    "L2",
    "L2.bound",
    "L3.node",
    "L3.martingale",
    "L3.dag.martingale",
    "T3.depth",
    "T3.depth.horizon",
    "T3.kl.tighter",
}


@pytest.mark.parametrize("claim_id", CLAIMS)
@pytest.mark.parametrize("env", [CONSTANT, SINGLE], ids=["constant rewards", "single action"])
def test_nothing_that_could_not_fail_passes(claim_id: str, env: TAMDP) -> None:
    claim = CLAIMS[claim_id]
    for scheme in claim.schemes or (Scheme(4, SPLIT), Scheme(4, WHOLE), Scheme(4, "center")):
        check = claim.check(
            Instance(env, TabularSoftmax(env), replace(scheme, group_size=min(scheme.group_size, 4)), steps=10, runs=4)
        )
        allowed = {VACUOUS, UNMET} | ({HOLDS} if claim_id in OF_POLICIES else set())
        assert check.verdict in allowed, check
        if claim.enclose is not None and check.verdict is not HOLDS:
            with pytest.raises((InputError, CapacityError)):
                certificates.certify(claim, Instance(env, TabularSoftmax(env), scheme))


# -- costs --------------------------------------------------------------------------------------------------------


def chain(nodes: int) -> TAMDP:
    """Go on or stop, ``nodes`` times."""
    table = []
    for x in range(nodes):
        on_to = {"probability": 1, "node": f"n{x + 1}"} if x < nodes - 1 else {"probability": 1, "rewards": [1]}
        actions = [
            {"name": "on", "kind": "think", "next": [on_to]},
            {"name": "stop", "kind": "answer", "next": [{"probability": 1, "rewards": [x % 2]}]},
        ]
        table.append({"id": f"n{x}", "depth": 0, "observation": "o", "actions": actions})
    return TAMDP.from_dict(
        {
            "schema": "tamdp/1",
            "name": f"chain-{nodes}",
            "max_tool_depth": 0,
            "components": [{"name": "c", "weight": 1}],
            "prompts": [{"name": "q", "probability": 1, "start": "n0"}],
            "nodes": table,
        }
    )


LONG, DEEP = chain(5000), chain(500)
REFUSED: list[tuple[str, Callable[[], Instance]]] = [
    *(
        (claim_id, lambda: on(LONG, Scheme(8, "center")))
        for claim_id in ("T1.stationary", "T1.stationary.path", "T1.exact", "T1.biased")
    ),
    ("T1.drift", lambda: on(DEEP, Scheme(1000, WHOLE))),
    ("L3", lambda: on(LONG, Scheme(8, "center"))),
    (
        "T2.cancel",
        lambda: on(families.bandit([(F(i, 600), 1 - F(i, 600)) for i in range(600)], weights=HALVES), Scheme(2, SPLIT)),
    ),
]


@pytest.mark.parametrize(
    ("claim_id", "make"), REFUSED, ids=[f"{place} {claim_id}" for place, (claim_id, _) in enumerate(REFUSED)]
)
def test_what_takes_too_long_is_refused_before_work(claim_id: str, make: Callable[[], Instance]) -> None:
    instance = make()
    with pytest.raises(CapacityError) as caught:
        CLAIMS[claim_id].check(instance)
    assert "\n" not in str(caught.value)


def test_a_larger_budget_is_taken() -> None:
    env = families.bandit([["0"], ["1"]])
    instance = Instance(env, TabularSoftmax(env), Scheme(4, "center"), steps=5, runs=4)
    with pytest.raises(
        CapacityError,
        match=r"T1.stationary: a check on bandit may take about .* the budget is 1e-06 s; use a smaller process",
    ):
        CLAIMS["T1.stationary"].check(replace(instance, budget=1e-6))
    assert CLAIMS["T1.stationary"].check(replace(instance, budget=60.0)).verdict is not UNMET


def test_an_equation_that_agrees_to_few_digits_is_decided_exactly() -> None:
    # one ratio a trajectory: the slope is the current policy's, at 10/21; the old one's is at 1/2, 0.2 % more
    env = families.bandit([["3/10"], [F(3, 10) + F(1, 10**11)]])
    instance = Instance(env, TabularSoftmax(env, np.log([[1.0, 1.1]])), Scheme(3, "center"), TabularSoftmax(env))
    check = CLAIMS["P.ratio.token"].check(instance)
    assert (check.verdict, check.evidence) == (VIOLATED, Evidence.CERTIFIED)
    assert replace(CLAIMS["P.ratio.token"], enclose=None).check(instance).verdict is Verdict.UNDECIDED
    assert CLAIMS["P.ratio.once"].check(instance).verdict is HOLDS


def test_a_refuted_equation_never_holds_in_floats() -> None:
    """The prompt that tells the two sides apart has probability 1e-12: so do the sides."""
    tables = [[["5/6"], ["7/12"]], [["3/4"], ["1/2"]]]
    env = families.contextual_bandit(tables, prompt_probability=[F(1, 10**12), 1 - F(1, 10**12)])
    now, old = (TabularSoftmax(env, np.array(rows)) for rows in ([[0.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [1.0, 1.0]]))
    instance = Instance(env, now, Scheme(2, "center"), old)
    check = CLAIMS["P.ratio.token"].check(instance)
    assert (check.verdict, check.evidence) == (VIOLATED, Evidence.CERTIFIED)
    assert replace(CLAIMS["P.ratio.token"], enclose=None).check(instance).verdict is Verdict.UNDECIDED


def test_a_right_side_near_the_trivial_bound_is_decided_exactly() -> None:
    """Rewards 1e-16 apart: at the precision of the measure the bound is within its error of the trivial one."""
    env = families.bandit([[F(8, 10) + F(k, 10**16)] for k in (4, 5, 1, 1)])
    policy = TabularSoftmax(env, np.array([[0.054, 0.778, 1.811, -0.357]]))
    instance = Instance(env, policy, Scheme(2, SPLIT), seed=652, steps=5, runs=2)
    assert CLAIMS["T1.exactly.biased"].check(instance).verdict is VACUOUS
    assert replace(CLAIMS["T1.exactly.biased"], enclose=None).check(instance).verdict is Verdict.UNDECIDED


def test_a_sure_event_is_sure_whatever_its_probabilities_add_up_to() -> None:
    env = families.bandit([["1/2"], ["1/2"], ["1/2"]])
    policy = TabularSoftmax(env, np.array([[0.1, -0.1, 0.6]]))
    assert policy.pair_probability.sum() < 1
    assert CLAIMS["L2.log.square"].check(Instance(env, policy, Scheme(2, "center"))).verdict is VACUOUS


def test_an_exact_form_that_does_not_cover_an_instance_says_nothing_about_it() -> None:
    env = families.bandit([[("1/2", 0), ("1/2", "1/2")]] * 3)
    now, old = (TabularSoftmax(env, np.log([row])) for row in ([8.0, 1.0, 1.0], [2.0, 1.0, 1.0]))
    check = CLAIMS["P.clip.high"].check(Instance(env, now, Scheme(4, "center"), old))
    assert (check.verdict, check.evidence) == (VIOLATED, Evidence.EXACT)


# -- beyond the floats --------------------------------------------------------------------------------------------

TINY_SPREAD = families.bandit([(0, 0), (F(1, 10**30), 0)], weights=(1, 1))
NEARLY_OPPOSITE = families.bandit([(0, F(1, 2)), (F(1, 10**30), F(1, 2) - F(1, 2 * 10**30))], weights=(1, 1))
TINY_CURL = families.bandit([["0"], [F(1, 10**30)], [F(3, 10**30)]])
OPPOSED = families.bandit([(0, 1), (1, 0)], weights=(1, 1))
UNDERFLOW: dict[str, tuple[str, Instance, Verdict]] = {
    # advantages of 1e-330: zero in floats, and not zero
    "T2.cancel": ("T2.cancel", on(TINY_SPREAD, Scheme(3, SPLIT, 1e300), without=("complementary",)), VIOLATED),
    "T2.cancel.lossy": ("T2.cancel.lossy", on(NEARLY_OPPOSITE, Scheme(3, SPLIT, 1e300), without=("no eps",)), VIOLATED),
    # a curl of 1e-430 is a curl
    "T2.open": ("T2.open", on(TINY_CURL, Scheme(3, WHOLE, 1e200)), HOLDS),
    # a drift of exactly zero is not below zero
    "T1.drift": ("T1.drift", on(OPPOSED, Scheme(2, WHOLE), without=("witness",)), VIOLATED),
    # second moments of 1e-16, by eps = 1e8: there is an update all the same
    "T2.benefit": ("T2.benefit", on(families.bandit([["0"], ["1"]]), Scheme(2, SPLIT, 1e8)), HOLDS),
}


@pytest.mark.parametrize("name", UNDERFLOW)
def test_what_underflows_is_not_zero(name: str) -> None:
    claim_id, instance, verdict = UNDERFLOW[name]
    check = CLAIMS[claim_id].check(instance)
    assert (check.verdict, check.evidence) == (verdict, Evidence.CERTIFIED)


def test_training_beyond_the_floats_has_no_traceback() -> None:
    two, tiny = families.bandit([["0"], ["1"]]), families.bandit([["0"], [F(1, 10**200)]])
    assert (
        CLAIMS["T1.biased"].check(on(two, Scheme(2, "center"), steps=3, runs=2, without=("drift",))).verdict
        is Verdict.UNDECIDED
    )
    assert CLAIMS["T1.biased"].check(on(tiny, Scheme(2, "center"), steps=3, runs=20)).verdict is UNMET


def test_an_instance_is_of_one_process() -> None:
    two, three = families.bandit([["0"], ["1"]]), families.bandit([["0"], ["1/2"], ["1"]])
    for make in (
        lambda: Instance(two, TabularSoftmax(three)),
        lambda: Instance(two, TabularSoftmax(two), reference=TabularSoftmax(three)),
        lambda: on(two, Scheme(2, "center"), think_weight=float("nan")),
        lambda: on(two, Scheme(2, "center"), learning_rate=-1.0),
    ):
        with pytest.raises(InputError):
            make()


def test_ratios_beyond_the_floats_are_decided_exactly() -> None:
    env = families.bandit([(0, 0), (1, 0), (0, 1)], weights=HALVES)
    now, old = (TabularSoftmax(env, np.array([row])) for row in ([400.0, -400.0, 0.0], [-400.0, 400.0, 0.0]))
    instance = Instance(env, now, Scheme(2, SPLIT), old)
    assert CLAIMS["T2.printed"].check(instance).verdict is VIOLATED
    assert replace(CLAIMS["T2.printed"], enclose=None).check(instance).verdict is Verdict.UNDECIDED
