"""Claims of the literature: each held by its example and certified, needed assumptions, and a second way to its
numbers.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import sympy as sp
from hypothesis import strategies as st
from scipy import special
from sympy.functions.combinatorial.numbers import stirling

from bounds import CLAIMS, Claim, Evidence, Instance, Verdict, certificates
from bounds.claims.literature.success import right_or_wrong
from bounds.enclosed.literature.noise import noisy
from bounds.testing import claim_test
from tamdp_theory import TabularSoftmax, families
from tamdp_theory.exact import Scheme
from tamdp_theory.strategies import policies, tamdps

F = Fraction
SHELF = [claim for claim in CLAIMS.values() if claim.id.startswith("P.")]
UNENCLOSED: set[str] = set()
WHOLE = "sum_then_normalize"


@st.composite
def one_reward(draw: st.DrawFn, claim: Claim) -> Instance:
    """A small process with one 0/1 component."""
    env = draw(tamdps(max_components=1, shape="two_valued"))
    scheme = draw(st.sampled_from(claim.schemes or (Scheme(4, "center"),)))
    return Instance(env, draw(policies(env)), scheme, seed=draw(st.integers(0, 3)))


@pytest.mark.parametrize("claim", SHELF, ids=lambda claim: claim.id)
def test_the_example_holds_and_is_certified(claim: Claim) -> None:
    check = claim.check()
    assert check.verdict is Verdict.HOLDS, check
    assert "arXiv" in claim.reference or "Mei" in claim.reference
    assert (claim.enclose is None) == (claim.id in UNENCLOSED)
    if claim.enclose is not None and claim.example is not None:
        certificate = certificates.certify(claim, claim.example())
        assert certificate.verdict == Verdict.HOLDS


@pytest.mark.parametrize("claim", [claim for claim in SHELF if claim.kind != "example"], ids=lambda claim: claim.id)
def test_on_drawn_processes_with_one_reward(claim: Claim) -> None:
    claim_test(claim, max_examples=60, strategy=one_reward(claim))()


def at(p: float, scheme: Scheme) -> Instance:
    """Right with probability p."""
    return right_or_wrong(scheme, math.log(p / (1 - p)))


def conflict() -> Instance:
    found = CLAIMS["P.pass_at_k.conflict"].example
    assert found is not None
    return found()


def apart_components() -> Instance:
    """A composite of 0 and 1 from two components that succeed apart."""
    env = families.bandit([(0, 0), (1, 0), (0, 1)], weights=(1, 1))
    return Instance(env, TabularSoftmax(env, [[0.0, 1.0, -1.0]]), Scheme(4, "normalize_then_sum"))


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
]


@pytest.mark.parametrize(("claim_id", "assumption", "make"), NEEDED, ids=[f"{c}-{a}" for c, a, _ in NEEDED])
def test_what_a_claim_needs(claim_id: str, assumption: str, make: Callable[[], Instance]) -> None:
    claim, instance = CLAIMS[claim_id], make()
    assert claim.check(instance).verdict is Verdict.ASSUMPTION_UNMET
    dropped = replace(instance, without=(assumption,))
    assert claim.check(dropped).verdict is Verdict.VIOLATED
    if claim.enclose is not None:
        assert certificates.certify(claim, dropped).verdict == Verdict.VIOLATED


# -- a second way to the numbers ------------------------------------------------------------------------------------


def groups_of(size: int, p: Fraction) -> list[tuple[tuple[int, ...], Fraction]]:
    """Ordered groups of zeros and ones, and their probabilities."""
    found = []
    for group in itertools.product((0, 1), repeat=size):
        found.append((group, math.prod((p if one else 1 - p for one in group), start=F(1))))
    return found


@pytest.mark.parametrize("size", [2, 5, 8])
def test_the_potential_of_standardized_rewards(size: int) -> None:
    """theory.md, L7: sum over s of I_p(s, G - s) / sqrt(s (G - s))."""
    check = CLAIMS["P.potential"].check(at(0.3, Scheme(size, WHOLE)))
    wanted = sum(special.betainc(k, size - k, 0.3) / math.sqrt(k * (size - k)) for k in range(1, size))
    assert (check.lhs, check.rhs) == (pytest.approx(wanted, rel=1e-12), pytest.approx(wanted, rel=1e-12))


def test_the_arcsine_is_the_limit() -> None:
    gaps = []
    for size in (8, 64, 512):
        check = CLAIMS["P.potential.arcsine"].check(at(0.3, Scheme(size, WHOLE)))
        assert check.lhs is not None
        gaps.append(2 * math.asin(math.sqrt(0.3)) - check.lhs)
    assert gaps[2] > 0 and all(later < earlier / 2.5 for earlier, later in itertools.pairwise(gaps))  # as 1 / sqrt G


def test_pass_at_k_by_hand() -> None:
    """Two answers, p = 1/4: p has the derivative p (1 - p) (u_1 - u_0) along u, pass@k k (1 - p)^(k-1) times it."""
    instance = at(0.25, Scheme(4, "center"))
    u = np.random.default_rng(instance.seed).standard_normal(2)
    slope = 3 / 16 * (u[1] - u[0]) / np.linalg.norm(u)
    check = CLAIMS["P.likelihood"].check(instance)
    assert check.lhs == pytest.approx(slope * sum(0.75 ** (k - 1) for k in range(1, 7)), rel=1e-9)


def test_the_conflict_by_hand() -> None:
    """Slopes 1/4 and -4/25, weights (1/2)^2 and (4/5)^2, each prompt one half."""
    gradient = (F(1, 4) - F(4, 25)) / 2
    update = (F(1, 4) * F(1, 4) - F(4, 25) * F(16, 25)) / 2
    check = CLAIMS["P.pass_at_k.conflict"].check()
    assert (check.evidence, check.lhs) == (Evidence.CERTIFIED, pytest.approx(float(gradient * update), rel=1e-14))
    alone = replace(conflict(), scheme=Scheme(4, "leave_one_out"), without=("estimator",))
    assert CLAIMS["P.pass_at_k.conflict"].check(alone).verdict is Verdict.ASSUMPTION_UNMET  # pass@1 itself rises


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("p", [F(1, 5), F(1, 2), F(2, 3)])
def test_mixed_groups_by_listing(size: int, p: Fraction) -> None:
    mixed = [(group, chance) for group, chance in groups_of(size, p) if 0 < sum(group) < size]
    share = sum(chance for _, chance in mixed)
    bias = sum(chance * F(sum(group), size) for group, chance in mixed) / share - p
    instance = at(float(p), Scheme(size, "center"))
    check = CLAIMS["P.baseline.bias"].check(instance)
    assert check.lhs == pytest.approx(float(bias), rel=1e-11, abs=1e-15)
    assert check.rhs == pytest.approx(float(bias), rel=1e-11, abs=1e-15)
    assert CLAIMS["P.silent"].check(instance).rhs == pytest.approx(float(1 - share), rel=1e-12)
    squares = [sum((F(size * c - sum(group), size - 1)) ** 2 for c in group) / size for group, _ in groups_of(size, p)]
    mean = sum(square * chance for square, (_, chance) in zip(squares, groups_of(size, p), strict=True))
    found = CLAIMS["P.rloo.square.mean"].check(at(float(p), Scheme(size, "leave_one_out")))
    assert found.rhs == pytest.approx(float(mean), rel=1e-12)


@pytest.mark.parametrize(("right", "wrong"), [(F(4, 5), F(1, 10)), (F(1, 5), F(3, 5))])
def test_a_noisy_verifier_by_listing(right: Fraction, wrong: Fraction) -> None:
    """Every group of answers and verdicts, three members, leave-one-out: the update along the right answer's logit."""
    p, size = F(1, 4), 3
    outcomes = [
        (answer, said, (p if answer else 1 - p) * (accept if said else 1 - accept))
        for answer, accept in ((1, right), (0, wrong))
        for said in (0, 1)
    ]
    update = F(0)
    for group in itertools.product(outcomes, repeat=size):
        chance, total = math.prod((one[2] for one in group), start=F(1)), sum(one[1] for one in group)
        update += chance * sum(F(size * one[1] - total, size - 1) * (one[0] - p) for one in group) / size
    assert update == (right - wrong) * p * (1 - p)  # the slope of leave-one-out is 1
    env = families.bandit([[0], [1]])
    other = noisy(env, 0, right, wrong)
    assert other.exact_class_rewards == ((0,), (1,)) and other.n_pairs == 2
    assert sorted(other.numbers) == sorted({right, 1 - right, wrong, 1 - wrong})


def test_the_contrast_by_hand() -> None:
    """Two answers: s_+ = (1 - p)(e_1 - e_0), s_- = -p (e_1 - e_0), so the contrast is e_1 - e_0."""
    instance = at(0.2, Scheme(4, WHOLE))
    u = np.random.default_rng(instance.seed).standard_normal(2)
    check = CLAIMS["P.contrast"].check(instance)
    assert check.rhs == pytest.approx(0.4 * (u[1] - u[0]) / np.linalg.norm(u), rel=1e-12)


# -- the remainder of P.attenuation -----------------------------------------------------------------------------------

_x, _y, _t = sp.symbols("x y t")


@cache
def moments() -> dict[int, sp.Expr]:
    """Central moments of X = S (G - S) over its mean, with x = 1/(G p (1 - p)) and y = 1/G, from factorial moments."""
    size, p, w, right = sp.symbols("G p w S")
    mean = size * (size - 1) * w
    found = {}
    for order in (2, 3, 4):
        terms = sp.Poly(sp.expand((right * (size - right) - mean) ** order), right).terms()
        total = sum(
            c * stirling(n, k) * sp.prod([size - i for i in range(k)]) * p**k for (n,), c in terms for k in range(n + 1)
        )
        rest = sp.rem(sp.expand(total), p**2 - p + w, p)  # w = p (1 - p); symmetric in p, so that no p is left
        assert not rest.has(p)
        found[order] = sp.cancel((rest / mean**order).subs({w: 1 / (size * _x)}).subs(size, 1 / _y))
    return found


def positive(expression: sp.Expr, ends: tuple[Fraction, Fraction]) -> bool:
    """Whether a polynomial of x and t is >= 0 for x between the ends and t in [0, 1], by Bernstein coefficients."""
    low, high = ends
    moved = sp.expand(expression.subs(_x, sp.Rational(low) + sp.Rational(high - low) * _x))
    table = sp.Poly(moved, _x, _t)
    n, m = table.degree(_x), table.degree(_t)
    given = {powers: F(int(c.p), int(c.q)) for powers, c in table.terms()}
    smallest = min(
        sum(
            c * F(math.comb(i, a), math.comb(n, a)) * F(math.comb(j, b), math.comb(m, b))
            for (a, b), c in given.items()
            if a <= i and b <= j
        )
        for i in range(n + 1)
        for j in range(m + 1)
    )
    if smallest >= 0:
        return True
    middle = (low + high) / 2
    assert high - low > F(1, 64), "not decided"
    return positive(expression, (low, middle)) and positive(expression, (middle, high))


def test_the_moments_that_the_remainder_rests_on() -> None:
    for order, found in moments().items():
        for size, p in ((2, F(1, 3)), (5, F(1, 4)), (7, F(2, 3))):
            mean = size * (size - 1) * p * (1 - p)
            wanted = sum(
                math.comb(size, k) * p**k * (1 - p) ** (size - k) * (F(k * (size - k)) / mean - 1) ** order
                for k in range(size + 1)
            )
            value = found.subs({_x: sp.Rational(1 / (size * p * (1 - p))), _y: sp.Rational(1, size)})
            assert value == sp.Rational(wanted)


def test_the_remainder_is_bounded_as_stated() -> None:
    """With y = t x / 4 (p (1 - p) <= 1/4): 1 - y/2 - y^2/2 <= sqrt(1 - y) <= 1 - y/2 - y^2/8, and T between them."""
    found = moments()
    third = 1 - found[2] / 8 + found[3] / 16
    fourth = third - sp.Rational(5, 16) * found[4]
    upper = 1 - _x / 8 + _x**2 / 16 - (1 - _y / 2 - _y**2 / 8) * third
    lower = [
        factor * fourth - 1 + _x / 8 + sp.Rational(5, 4) * _x**2 for factor in (sp.Integer(1), 1 - _y / 2 - _y**2 / 2)
    ]
    for expression, end in ((upper, 2), (lower[0], 1), (lower[1], 1)):
        # times a power of 1 - y >= 1/2 it is a polynomial, which x divides, or x^2
        cleared = sp.expand(sp.cancel(expression * (1 - _y) ** 3).subs(_y, _t * _x / 4))
        quotient = sp.expand(cleared / _x ** min(power for (power, _), _ in sp.Poly(cleared, _x, _t).terms()))
        assert positive(quotient, (F(0), F(end)))
