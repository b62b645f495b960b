"""Conditions are needed: without each of them exact arithmetic violates the claim on an instance that the condition
excludes.

The instances are those of tests/helpers/controls.py.
"""

from dataclasses import replace
from fractions import Fraction

import pytest

from bounds import CLAIMS, Instance, Verdict, certificates, structure
from tamdp_theory import InputError, TabularSoftmax, families
from tamdp_theory.exact import Scheme
from tests.helpers.controls import CONTROLS, control, is_control


@pytest.mark.parametrize(("claim_id", "assumption"), CONTROLS)
def test_without_the_condition_floats_and_exact_arithmetic_violate_the_claim(claim_id: str, assumption: str) -> None:
    claim, instance = CLAIMS[claim_id], control(claim_id, assumption)
    check = claim.check(instance)
    assert (check.verdict, check.assumptions[assumption]) == (Verdict.VIOLATED, False)
    certificate = certificates.certify(claim, instance)
    assert (certificate.verdict, certificate.assumptions[assumption]) == (Verdict.VIOLATED, False)
    kept = replace(instance, without=())
    if claim.conditions(kept).get(assumption) is not None:  # with it the claim does not speak of the instance
        with pytest.raises(InputError, match="does not speak of this instance"):
            certificates.certify(claim, kept)
        assert claim.check(kept).verdict is Verdict.ASSUMPTION_UNMET


def test_what_is_no_control_is_told() -> None:
    """Dropping what an instance meets anyway, or where the claim holds all the same, shows nothing."""
    assert is_control("L2", control("L2", "tabular"))
    met = control("L3", "tabular")
    assert not is_control("L9", replace(met, without=("center",)))
    assert not is_control("L2", replace(met, policy=TabularSoftmax(met.env), reference=None))


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
