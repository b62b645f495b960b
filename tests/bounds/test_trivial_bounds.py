"""True and worthless: for each claim that knows a trivial bound an instance where its right side is no better, in
floats and in exact numbers.
"""

from dataclasses import replace

import numpy as np
import pytest

from bounds import CLAIMS, Evidence, Generalization, Instance, Verdict, certificates
from tamdp_theory import InputError, TabularSoftmax, families
from tamdp_theory.exact import Scheme
from tamdp_theory.exact.update_potential import find_potential

TWO = families.bandit([["0"], ["1"]])
BENT = families.bandit([("3/4", 1), (0, 1), ("1/2", "1/2")], weights=("1/2", "1/2"))
QUESTIONS = families.contextual_bandit([[["0"]], [["1"]]])
HARD = families.contextual_bandit([[["0"]], [["1/10"]]])
SPLIT = Scheme(4, "normalize_then_sum")


def at(env: families.bandit, scheme: Scheme, logits: list[float] | None = None, **more: object) -> Instance:  # type: ignore[valid-type]
    policy = TabularSoftmax(env, None if logits is None else np.array([logits]))
    return Instance(env, policy, scheme, **more)  # type: ignore[arg-type]


ONCE = Generalization(("1/4", "3/4"), (TabularSoftmax(HARD),), n=1)  # one training prompt
FAR = Generalization((1, 0), (TabularSoftmax(QUESTIONS),), n=4)  # only what is never solved: R_T = 1
VACUOUS: dict[str, Instance] = {
    # C ||grad J|| = sqrt 2 (1 - p) at p = pi(good): above 1, which is all that J* - J can be, for p < 1 - 1/sqrt 2
    "L4": at(TWO, SPLIT, [3.0, 0.0]),
    "T2.suboptimality.signed": at(TWO, SPLIT, [3.0, 0.0]),
    "T2.suboptimality.solvable": at(TWO, SPLIT, [3.0, 0.0]),
    # with two arms and two values C ||m|| > osc(h) TV, so that mu = 0 is best: osc(c) TV, whatever the update
    "T2.suboptimality": at(TWO, SPLIT, [3.0, 0.0]),
    # the sum over components is better than at mu = 0, and above osc(c) = 3/8 all the same: 0.385
    "T2.suboptimality.components": at(BENT, Scheme(2, "normalize_then_sum"), [0.8, 2.3, 0.2]),
    # a step: nothing is learned, and the bound is 2 (F* - F_0) / eta and more
    "T1.stationary": at(TWO, Scheme(4, "center"), steps=1, runs=4),
    "T1.stationary.path": at(TWO, Scheme(4, "center"), steps=1, runs=4),
    # 4 L 0.9 kappa/5 > kappa^2/8 for L = kappa/(3 sqrt 3)
    "T1.exact.start": at(TWO, Scheme(4, "center"), logits=[2.2, 0.0], steps=1),
    # success rises from 0.35 to 0.851, F by 0.501 kappa, and 4 L 0.501 kappa/3 = 0.129 kappa^2 > kappa^2/8
    "T1.exact": at(TWO, Scheme(4, "center"), logits=[0.62, 0.0], steps=1),
    "T1.exactly": at(TWO, Scheme(4, "center"), steps=1),
    "T1.exactly.path": at(TWO, Scheme(4, "center"), steps=1),
    "T1.exactly.biased": at(TWO, Scheme(4, "center"), steps=1),
    "T1.step": at(TWO, Scheme(4, "center"), learning_rate=50.0),
    "T1.biased": at(TWO, Scheme(4, "center"), steps=200, runs=128, learning_rate=1e-4),
    "T3.shift": at(QUESTIONS, SPLIT, generalization=FAR),
    "T3.shift.loss": at(QUESTIONS, SPLIT, generalization=FAR),
    "T3.shift.pinsker": at(QUESTIONS, SPLIT, generalization=FAR),
    "T3.shift.chi": at(QUESTIONS, SPLIT, generalization=FAR),
    "T3.kl.tighter": at(HARD, SPLIT, generalization=ONCE),
    "T3.kl": at(HARD, SPLIT, generalization=ONCE),
    "T3.mcallester": at(HARD, SPLIT, generalization=ONCE),
    "T3.catoni": at(HARD, SPLIT, generalization=ONCE),
    "T3.transfer": at(HARD, SPLIT, generalization=ONCE),
}


@pytest.mark.parametrize("claim_id", VACUOUS)
def test_a_right_side_that_is_no_better_than_the_trivial_bound(claim_id: str) -> None:
    instance, claim = VACUOUS[claim_id], CLAIMS[claim_id]
    check = claim.check(instance)
    assert check.verdict is Verdict.VACUOUS, check
    # it is the trivial bound that takes the pass away, and nothing else
    free = replace(claim, measure=lambda i: replace(claim.measure(i), trivial=np.inf), enclose=None).check(instance)
    assert free.verdict in (Verdict.HOLDS, Verdict.UNDECIDED) and free.lhs == check.lhs
    if claim.enclose is not None:
        with pytest.raises(InputError, match="vacuous here"):
            certificates.certify(claim, instance)
    elif check.evidence is not Evidence.STATISTICAL:
        assert free.verdict is Verdict.HOLDS


def test_smoothness_of_potentials() -> None:
    """With one decision W max_q rho_q / 2 for two-valued rewards, kappa max_q rho_q osc_q / (3 sqrt 3) if centred: for
    G = 5 and W = osc = 1 that is 1/2, and 4/5 of .192.
    """
    for scheme, wanted in (
        (Scheme(5, "normalize_then_sum"), 0.5),
        (Scheme(5, "sum_then_normalize"), 0.5),
        (Scheme(5, "center"), 0.8 / (3 * np.sqrt(3))),
    ):
        potential = find_potential(TWO, scheme)
        assert potential is not None and potential.smoothness == pytest.approx(wanted, rel=1e-14)
    weighted = find_potential(families.bandit([(0, 1), (1, 0)], weights=(2, 1)), Scheme(5, "normalize_then_sum"))
    assert weighted is not None and weighted.smoothness == pytest.approx(1.5, rel=1e-15)
    # V: kappa^2 W^2 H (1 - 1/A) / G = (16/25)(1/2)/5 if centred, else 4 H W^2 / G
    for scheme, wanted in ((Scheme(5, "center"), 0.064), (Scheme(5, "normalize_then_sum"), 0.8)):
        potential = find_potential(TWO, scheme)
        assert potential is not None and potential.variance_bound == pytest.approx(wanted, rel=1e-15)


# constants of statements: claim, numbers by name of the symbol, both sides
CONSTANTS = {
    "L3": ({r"\max_q \rho_q \operatorname{osc}_q(c)": 3.0}, 1.5),
    "L3.bandit": ({r"\max_q \rho_q \operatorname{osc}_q(c)": 3.0}, 1 / np.sqrt(3)),
    "L3.tree": ({r"\max_q \rho_q \operatorname{osc}_q(c)": 128.0}, 27.0),
    "L2.bound": ({"H": 3, r"A_{\max}": 4}, 2.25),
    "L7.upper": ({"G": 10}, 3.0),
    "L8.pair": ({}, 2.0),
    "L9": ({r"\kappa": 0.5, "W": 2.0, "G": 4, r"\textstyle\sum_q \rho_q^2\,\mathbb{E}[\|s\|^2|q]": 3.0}, 0.75),
    "L9.decomposed": ({"H": 3, "W": 2.0, "G": 6}, 8.0),
    "T1.exact": ({"L": 2.0, "F(\\theta_T)": 1.0, "F(\\theta_0)": 0.25, "T": 4}, 0.5),
    "T1.exact.start": ({"L": 2.0, r"F^{\star}": 1.0, "F(\\theta_0)": 0.25, "T": 4}, 6 / 14),
    "T1.assumption2": ({}, 1.0),
    "T2.open": ({}, 0.0),
    "T2.closed": ({}, 1.0),
    "T2.cancel": ({}, 0.0),
}


@pytest.mark.parametrize("claim_id", CONSTANTS)
def test_constants_of_statements(claim_id: str) -> None:
    """Each constant at numbers where one computes the right side by hand."""
    given, wanted = CONSTANTS[claim_id]
    right = CLAIMS[claim_id].statement.rhs
    assert {str(symbol) for symbol in right.free_symbols} == set(given)
    assert float(right.subs({symbol: given[str(symbol)] for symbol in right.free_symbols})) == pytest.approx(
        wanted, rel=1e-15
    )
