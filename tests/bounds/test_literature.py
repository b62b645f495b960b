"""Claims of the literature: each held by its example and certified, needed assumptions, and a second way to its
numbers.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import strategies as st

from bounds import CLAIMS, Claim, Instance, Standing, Verdict, certificates
from bounds.claims.literature.success import right_or_wrong
from bounds.exact_instance import exactly
from bounds.testing import claim_test
from tamdp_theory import LogLinear, TabularSoftmax, families
from tamdp_theory.exact import Scheme, balls
from tamdp_theory.strategies import policies, tamdps

F = Fraction
SHELF = [claim for claim in CLAIMS.values() if claim.id.startswith("P.")]
GENERAL = [claim for claim in SHELF if claim.kind != "example" and claim.standing is not Standing.PRINTED]
# exponentials and logarithms, which balls never show equal; derivatives by differences; training
UNENCLOSED = {
    "P.iterate",
    "P.iterate.mean",
    "P.ascent",
    "P.ascent.uniform",
    "P.entropy",
    "P.entropy.natural",
    "P.gap",
    "P.clip",
}
# of one decision, of any rewards, or of special ones: their own instances are below
ELSEWHERE = {
    "P.pairwise": {},
    "P.share.joint": {},
    "P.share.split": {},
    "P.budget": {},
    "P.budget.best": {},
    "P.sequence": {},
    "P.sequence.weighted": {},
    "P.ratio.trajectory": {},
    "P.ratio.once": {"one_decision": True},
    "P.leash": {},
    "P.stationary": {"one_decision": True},
    "P.ascent": {"one_decision": True},
    "P.ascent.uniform": {"one_decision": True},
    "P.entropy": {"one_decision": True},
    "P.entropy.natural": {"one_decision": True},
}
SPECIAL = {"P.distinct", "P.distinct.center", "P.clip"}
WHOLE, SPLIT = "sum_then_normalize", "normalize_then_sum"


@st.composite
def drawn(draw: st.DrawFn, claim: Claim) -> Instance:
    """A small process with one 0/1 component; of the claims ``ELSEWHERE``, with any rewards."""
    options = ELSEWHERE.get(claim.id, {"max_components": 1, "shape": "two_valued"})
    env = draw(tamdps(**options))
    scheme = draw(st.sampled_from(claim.schemes or (Scheme(4, "center"),)))
    return Instance(env, draw(policies(env)), scheme, seed=draw(st.integers(0, 3)))


@pytest.mark.parametrize("claim", SHELF, ids=lambda claim: claim.id)
def test_the_example_shows_it_and_is_certified(claim: Claim) -> None:
    check = claim.check()
    wanted = Verdict.VIOLATED if claim.standing is Standing.PRINTED else Verdict.HOLDS
    assert check.verdict is wanted, check
    assert "arXiv" in claim.reference or "Mei" in claim.reference
    assert (claim.enclose is None) == (claim.id in UNENCLOSED)
    if claim.enclose is not None and claim.example is not None:
        certificate = certificates.certify(claim, claim.example())
        assert certificate.verdict == wanted


@pytest.mark.parametrize("claim", [one for one in GENERAL if one.id not in SPECIAL], ids=lambda claim: claim.id)
def test_on_drawn_processes(claim: Claim) -> None:
    claim_test(claim, max_examples=60, strategy=drawn(claim))()


def at(p: float, scheme: Scheme) -> Instance:
    """Right with probability p."""
    return right_or_wrong(scheme, math.log(p / (1 - p)))


def example(claim_id: str) -> Instance:
    found = CLAIMS[claim_id].example
    assert found is not None
    return found()


def conflict() -> Instance:
    return example("P.pass_at_k.conflict")


def arms(scheme: Scheme) -> Instance:
    env = families.bandit(["0", "2/5", "1"])
    return Instance(env, TabularSoftmax(env), scheme)


def heavy() -> Instance:
    """A reward of 100: the start is further from the best arm than 5 K^2."""
    env = families.bandit([0, 1], weights=(100,))
    return Instance(env, TabularSoftmax(env), Scheme(8, "center"))


def two_decisions() -> Instance:
    """A tree of two decisions; the old policy is the uniform one."""
    env = families.random_tree(seed=1, prompts=1, tools=1, answers=2, max_tool_depth=1, components=1)
    policy = TabularSoftmax.random(env, np.random.default_rng(1))
    return Instance(env, policy, Scheme(4, "center"), TabularSoftmax(env))


def bent() -> Instance:
    """One parameter that moves the logits of the right answer by 10, of the wrong ones by 0 and 30."""
    env = families.bandit([1, 0, 0])
    return Instance(env, LogLinear(env, [[10.0], [0.0], [30.0]], [0.0]), Scheme(4, "center"))


def light() -> Instance:
    """A reward of weight 100: standardized advantages are small next to it."""
    env = families.contextual_bandit([[0, 1], [1, 0, 0]], weights=(100,))
    return Instance(env, TabularSoftmax(env), Scheme(4, "center"))


def apart_components() -> Instance:
    """A composite of 0 and 1 from two components that succeed apart."""
    env = families.bandit([(0, 0), (1, 0), (0, 1)], weights=(1, 1))
    return Instance(env, TabularSoftmax(env, [[0.0, 1.0, -1.0]]), Scheme(4, SPLIT))


NEEDED: list[tuple[str, str, Callable[[], Instance]]] = [
    ("P.potential.arcsine", "joint", lambda: at(0.9, Scheme(16, "max_rl"))),
    ("P.likelihood.group", "estimator", lambda: at(0.3, Scheme(4, "leave_one_out"))),
    ("P.pass_at_k.conflict", "witness", lambda: at(0.3, Scheme(4, "pass_at_3"))),
    ("P.pass_at_k.apart", "tabular", conflict),
    ("P.rloo.square", "estimator", lambda: at(0.3, Scheme(4, "center"))),
    ("P.rloo.square.mean", "estimator", lambda: at(0.3, Scheme(4, "center"))),
    ("P.contrast.group", "composite alone", apart_components),
    ("P.deviation", "joint", lambda: at(0.3, Scheme(4, "center"))),
    ("P.deviation", "plain", lambda: at(0.3, Scheme(4, WHOLE, 0.0, 1))),
    ("P.attenuation", "joint", lambda: at(0.5, Scheme(64, "sign"))),
    ("P.attenuation", "plain", lambda: at(0.5, Scheme(64, WHOLE, 1.0))),
    ("P.attenuation.upper", "joint", lambda: at(0.5, Scheme(64, "sign"))),
    ("P.pairwise", "joint", lambda: arms(Scheme(2, "center"))),
    ("P.pairwise", "pairs", lambda: arms(Scheme(2, WHOLE, 0.0, 1))),
    ("P.ascent", "unit rewards", lambda: heavy()),
    ("P.ascent.uniform", "unit rewards", lambda: heavy()),
    ("P.share.split", "no eps", lambda: replace(example("P.share.split"), scheme=Scheme(4, SPLIT, 0.25))),
    ("P.budget", "center", lambda: replace(example("P.budget"), scheme=Scheme(4, WHOLE))),
    ("P.ratio.trajectory", "center", lambda: replace(example("P.ratio.trajectory"), scheme=Scheme(4, WHOLE))),
    ("P.ratio.once", "one decision", two_decisions),
    ("P.gap", "tabular", bent),
    ("P.clip", "mean zero", lambda: replace(example("P.clip"), scheme=Scheme(4, "signed(negative=0)"))),
    ("P.budget.best", "center", lambda: replace(light(), scheme=Scheme(4, WHOLE))),
]


@pytest.mark.parametrize(("claim_id", "assumption", "make"), NEEDED, ids=[f"{c}-{a}" for c, a, _ in NEEDED])
def test_what_a_claim_needs(claim_id: str, assumption: str, make: Callable[[], Instance]) -> None:
    claim, instance = CLAIMS[claim_id], make()
    assert claim.check(instance).verdict is Verdict.ASSUMPTION_UNMET
    dropped = replace(instance, without=(assumption,))
    if claim.enclose is None:  # floats alone never violate what is proved
        assert claim.check(dropped).is_doubtful
    else:
        assert claim.check(dropped).verdict is Verdict.VIOLATED
        assert certificates.certify(claim, dropped).verdict == Verdict.VIOLATED


def test_distinct_advantages_are_counted_without_eps_alone() -> None:
    eps = replace(example("P.distinct"), scheme=Scheme(4, SPLIT, 0.25))
    assert CLAIMS["P.distinct"].check(replace(eps, without=("no eps",))).verdict is Verdict.ASSUMPTION_UNMET


@pytest.mark.parametrize("claim", [one for one in GENERAL if one.kind == "identity"], ids=lambda claim: claim.id)
def test_floats_alone_see_the_identity(claim: Claim) -> None:
    """Where floats are wrong, exact arithmetic may be right for them: here they are on their own."""
    found = claim.measure(example(claim.id))
    left, right = np.broadcast_arrays(*claim.sides(found.numbers))
    assert np.abs(left).max() > 1e-4
    assert left == pytest.approx(right, rel=1e-8, abs=1e-10)


BY_PROMPT = [
    "P.potential.arcsine",
    "P.likelihood.group",
    "P.pass_at_k.apart",
    "P.baseline.bias",
    "P.rloo.square.mean",
    "P.silent",
    "P.attenuation",
    "P.iterate.fixed",
    "P.distinct",
    "P.budget",
]


@pytest.mark.parametrize("claim_id", BY_PROMPT)
def test_both_routes_give_the_same_numbers(claim_id: str) -> None:
    claim, instance = CLAIMS[claim_id], example(claim_id)
    assert claim.enclose is not None
    numbers = claim.measure(instance).numbers
    with balls.precision(128):
        rows = claim.enclose(exactly(instance))
        for quantity, value in numbers.items():
            found = [row[quantity] for row in rows]
            own = [float(v) if isinstance(v, int) else float(balls.ball(v).mid()) for v in found]
            assert own == pytest.approx(np.broadcast_to(value, (len(rows),)).tolist(), rel=1e-9, abs=1e-12)
