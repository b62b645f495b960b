"""Conditions are needed: without each of them exact arithmetic violates the claim on an instance that the condition
excludes.

Numbers are places in the campaign's stream of instances (experiments/campaign/instances.py), found by walking along it.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bounds import CLAIMS, Instance, Verdict, certificates, structure
from experiments.campaign.instances import draw
from tamdp_theory import InputError, LogLinear, TabularSoftmax, families
from tamdp_theory.exact import Scheme

FOUND = {
    ("L2", "tabular"): 0,
    ("L2.bound", "tabular"): 0,
    ("L3", "tabular"): 0,
    ("L3.bandit", "tabular"): 0,
    ("L3.tree", "tabular"): 0,
    ("L4", "tabular"): 69,
    ("L8", "joint"): 3,
    ("L8.pair", "pairs"): 0,
    ("L8.pair", "joint"): 3,
    ("L9", "center"): 1,
    ("L9.components", "center"): 1,
    ("L9.decomposed", "tabular"): 9,
    ("L9x", "center"): 0,
    ("T1.scaling.joint", "uninformative scores"): 0,
    ("T1.scaling.joint", "plain joint"): 16,
    ("T1.scaling.independent", "independent"): 14,
    ("T1.scaling.comonotone", "comonotone"): 14,
    ("T2.identity", "no eps"): 2,
    ("T2.advantage", "no eps"): 2,
    ("T2.gradient.tabular", "tabular"): 0,
    ("T2.lossless", "no eps"): 6,
    ("T2.lossless.exactly", "no eps"): 6,
    ("T2.lossless.exactly", "weights sum to one"): 11,
    ("T2.lossless.comonotone", "comonotone groups"): 3,
    ("T2.lossless.comonotone", "weights sum to one"): 11,
    ("T2.lossless.comonotone", "no eps"): 6,
    ("T2.lossless.center", "center"): 0,
    ("T2.scale", "uncorrelated groups"): 0,
    ("T2.scale", "no eps"): 5,
    ("T2.suboptimality", "tabular"): 69,
    ("T2.suboptimality.components", "tabular"): 193,
    ("T2.suboptimality.components", "decomposed"): 27,
    ("T2.suboptimality.signed", "decomposed"): 113,
    ("T2.suboptimality.signed", "zero-one"): 41,
    ("T2.suboptimality.solvable", "decomposed"): 113,
}


def instance_at(place: int, assumption: str) -> Instance:
    """The instance with the assumption dropped; for "tabular" under a log-linear policy with large features."""
    g = np.random.default_rng([7, place])
    base = replace(draw(g)[1], without=(assumption,))
    if assumption == "tabular":
        shared = LogLinear(base.env, np.round(8 * g.standard_normal((base.env.n_pairs, 2)), 1), [0.5, -0.25])
        base = replace(base, policy=shared, reference=shared)
    return base


@pytest.mark.parametrize(("claim_id", "assumption"), FOUND)
def test_without_the_condition_exact_arithmetic_violates_the_claim(claim_id: str, assumption: str) -> None:
    instance = instance_at(FOUND[claim_id, assumption], assumption)
    certificate = certificates.certify(CLAIMS[claim_id], instance)
    assert certificate.verdict == Verdict.VIOLATED
    assert certificate.assumptions[assumption] is False
    kept = replace(instance, without=())
    if (
        CLAIMS[claim_id].conditions(kept).get(assumption) is not None
    ):  # with it the claim does not speak of the instance
        with pytest.raises(InputError, match="does not speak of this instance"):
            certificates.certify(CLAIMS[claim_id], kept)
        assert CLAIMS[claim_id].check(kept).verdict is Verdict.ASSUMPTION_UNMET


# -- each fact that a condition rests on, true and false ------------------------------------------------------------

ONE = [("1/2", (1, 1)), ("1/2", (0, 0))]
FREE = [("1/4", (a, b)) for a in (0, 1) for b in (0, 1)]
BENT = [
    (Fraction(1, 4) + Fraction(a * b + (1 - a) * (1 - b), 10**15) - Fraction(a * (1 - b) + b * (1 - a), 10**15), (a, b))
    for a in (0, 1)
    for b in (0, 1)
]
DECOMPOSED = Scheme(4, "normalize_then_sum")


def of(
    law: list, other: list | None = None, weights: tuple[object, object] = (1, 1), scheme: Scheme = DECOMPOSED
) -> Instance:  # type: ignore[type-arg]
    env = families.bandit([law, other or law], weights=weights)
    return Instance(env, TabularSoftmax(env), scheme)


def test_independence_and_equality_are_decided_on_rationals() -> None:
    assert structure.is_independent(of(FREE)) and not structure.is_comonotone(of(FREE))
    assert structure.is_comonotone(of(ONE)) and not structure.is_independent(of(ONE))
    assert not structure.is_independent(of(BENT))  # by 1e-15, beyond any tolerance of floats
    unfair = [(Fraction(1, 2) + Fraction(1, 10**16), (1, 1)), (Fraction(1, 2) - Fraction(1, 10**16), (0, 0))]
    assert not structure.is_comonotone(of(unfair))  # equal, but not fair
    for other in (
        of(ONE, weights=(1, 2)),
        of(ONE, scheme=Scheme(4, "normalize_then_sum", 1e-12)),
        of(ONE, scheme=Scheme(4, "sum_then_normalize")),
        of(ONE, FREE),
        of(ONE, scheme=Scheme(4, "normalize_then_sum", 0.0, 1)),
    ):
        assert not structure.is_comonotone(other) and not structure.is_independent(other)


def test_what_carries_no_news() -> None:
    """A law that no action moves; and none where a trajectory's length does, though its reward's law is one."""
    assert structure.uninformed_law(of(ONE).env) == {0: Fraction(1, 2), 1: Fraction(1, 2)}
    assert structure.uninformed_law(of(ONE, FREE).env) is None
    assert structure.uninformed_law(families.contextual_bandit([[["0"]], [["1"]]])) is None
    tree = families.random_tree(seed=1, prompts=1, tools=1, answers=2, max_tool_depth=1, components=2)
    assert structure.uninformed_law(tree) is None


def test_other_facts() -> None:
    two = families.bandit([(0, 1), (1, 0)], weights=("1/2", "1/2"))
    bent = families.bandit([(0, 1), (1, "1/10000000000000000")], weights=("1/2", "1/2"))
    assert structure.is_complementary(two) and not structure.is_complementary(bent)
    assert structure.is_opposite(two) and structure.is_opposite(bent)  # two points are on a line
    assert not structure.is_opposite(
        families.bandit([(0, 1), ("1/2", "1/2"), (1, "1/10000000000000000")], weights=("1/2", "1/2"))
    )
    assert structure.is_zero_one(two) and not structure.is_zero_one(bent)
    assert structure.has_two_valued_components(bent)
    assert not structure.has_two_valued_components(families.bandit([["0"], ["1/10000000000000000"], ["1"]]))
    assert not structure.composite_varies(two) and structure.composite_varies(bent)
    assert structure.moves_something(bent, (1,)) is False
    apart = families.contextual_bandit([[["0"]], [["1"]]])
    assert structure.moves_something(apart, (Fraction(1, 4), Fraction(3, 4))) and not structure.moves_something(
        apart, (Fraction(1, 2), Fraction(1, 2))
    )
