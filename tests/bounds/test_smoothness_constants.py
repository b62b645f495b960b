"""The computer-assisted constants: each is proved in ball arithmetic, and a constant that is too small is not."""

from fractions import Fraction

import pytest

from bounds import CLAIMS
from bounds import symbols as s
from tamdp_theory.exact import balls
from tests.helpers import smoothness_certificates as certificates


def constant(claim_id: str) -> Fraction:
    found = CLAIMS[claim_id].statement.rhs / s.osc
    return Fraction(int(found.p), int(found.q))


def test_trees() -> None:
    """||Hessian|| <= E|N| osc/2 and E|N| <= 9/20 on trees: every cell of nodes of at most three atoms."""
    assert constant("L3.trees") == Fraction(9, 40)
    with balls.precision(64):
        assert certificates.trees(2 * constant("L3.trees")) > 10_000


def test_every_process() -> None:
    assert constant("L3.all") == Fraction(57, 200)
    with balls.precision(64):
        assert certificates.all_processes(2 * constant("L3.all")) > 100


def test_the_lower_end_of_the_potential() -> None:
    with balls.precision(64):
        assert certificates.log_constant(Fraction(342, 1000)) > 50


def test_what_is_false_or_out_of_reach_is_not_proved() -> None:
    """27/64 would be the sharp constant of trees; .565 is below what two fair coins need; .341 below the maximum."""
    with balls.precision(64):
        with pytest.raises(certificates.NotProven):
            certificates.trees(Fraction(2, 5), depths=9)
        with pytest.raises((certificates.NotProven, AssertionError)):
            certificates.all_processes(Fraction(55, 100))
        with pytest.raises(certificates.NotProven):
            certificates.log_constant(Fraction(341, 1000))
