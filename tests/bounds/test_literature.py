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
from bounds.claims.literature.mroueh import BETAS, EPS
from bounds.claims.literature.success import right_or_wrong
from bounds.enclosed.literature.gdpo import counts
from bounds.enclosed.literature.noise import noisy
from bounds.literature_symbols import beta, corr_joint, corr_split, p_next, pull, push, shortfall
from bounds.observation import Observation
from bounds.testing import claim_test
from tamdp_theory import TabularSoftmax, families
from tamdp_theory.exact import Scheme
from tamdp_theory.sources import RolloutGroups
from tamdp_theory.strategies import policies, tamdps

F = Fraction
SHELF = [claim for claim in CLAIMS.values() if claim.id.startswith("P.")]
# exponentials and logarithms, which balls never show equal; derivatives by differences; training
UNENCLOSED = {"P.iterate", "P.iterate.mean", "P.ascent", "P.ascent.uniform", "P.entropy", "P.entropy.natural"}
# of one decision, of any rewards, or of special ones: their own instances are below
ELSEWHERE = {
    "P.pairwise": {},
    "P.share.joint": {},
    "P.share.split": {},
    "P.budget": {},
    "P.budget.best": {},
    "P.stationary": {"one_decision": True},
    "P.ascent": {"one_decision": True},
    "P.ascent.uniform": {"one_decision": True},
    "P.entropy": {"one_decision": True},
    "P.entropy.natural": {"one_decision": True},
}
SPECIAL = {"P.distinct", "P.distinct.center"}
WHOLE, SPLIT = "sum_then_normalize", "normalize_then_sum"


@st.composite
def drawn(draw: st.DrawFn, claim: Claim) -> Instance:
    """A small process with one 0/1 component; of the claims ``ELSEWHERE``, with any rewards."""
    options = ELSEWHERE.get(claim.id, {"max_components": 1, "shape": "two_valued"})
    env = draw(tamdps(**options))
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


@pytest.mark.parametrize(
    "claim", [one for one in SHELF if one.kind != "example" and one.id not in SPECIAL], ids=lambda claim: claim.id
)
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


def test_joint_and_decomposed_are_counted_by_listing() -> None:
    """GDPO's own example, two rewards and two rollouts: 2 groups of joint advantages, 3 decomposed; and by floats."""
    assert counts(2, 2) == (2, 3, 3)
    for components, size in ((1, 4), (2, 3), (2, 5), (3, 3)):
        cube = list(itertools.product((0, 1), repeat=components))
        joint, center, split = set(), set(), set()
        for group in itertools.combinations_with_replacement(cube, size):
            table = np.array(group, dtype=float)
            parts = table - table.mean(axis=0)
            spread, sums = parts.std(axis=0), table.sum(axis=1)
            away = sums - sums.mean()
            center.add(tuple(np.round(np.sort(away), 9) + 0.0))
            joint.add(tuple(np.round(np.sort(away / (away.std() or 1)), 9) + 0.0))
            split.add(tuple(np.round(np.sort((parts / np.where(spread > 0, spread, 1)).sum(axis=1)), 9) + 0.0))
        assert counts(components, size) == (len(joint), len(center), len(split))


def test_distinct_advantages_are_counted_without_eps_alone() -> None:
    eps = replace(example("P.distinct"), scheme=Scheme(4, SPLIT, 0.25))
    assert CLAIMS["P.distinct"].check(replace(eps, without=("no eps",))).verdict is Verdict.ASSUMPTION_UNMET


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


# -- iterated steps, stationary policies, entropy, budgets ----------------------------------------------------------


def test_the_step_is_the_maximizer() -> None:
    """E[A] - beta KL(P || P_ref) over laws of two answers, on a fine grid."""
    instance = replace(at(0.3, Scheme(8, "center")), reference=at(0.2, Scheme(8, "center")).policy)
    grid = np.linspace(1e-6, 1 - 1e-6, 2_000_001)
    for place, (strength, eps) in enumerate(zip(BETAS, EPS, strict=True)):
        scale = math.sqrt(0.21 + eps)
        kl = grid * np.log(grid / 0.2) + (1 - grid) * np.log((1 - grid) / 0.8)
        best = grid[np.argmax((grid - 0.3) / scale - strength * kl)]
        measured = CLAIMS["P.iterate"].measure(instance).numbers
        assert measured[p_next][place] == pytest.approx(best, abs=2e-6)


def test_the_cycle_by_iterating() -> None:
    p, seen = 0.5, []
    for _ in range(500):
        p = 1 / (1 + 249 * math.exp(-1 / math.sqrt(p * (1 - p) + 0.01)))
        seen.append(p)
    assert sorted(seen[-2:]) == [pytest.approx(0.0287, abs=1e-4), pytest.approx(0.4067, abs=1e-4)]
    assert seen[-1] == pytest.approx(seen[-3], abs=1e-12)


def test_another_reference_is_not_stationary() -> None:
    """The gradient of both parts by hand, three deterministic arms, pairs: h = (won - lost), and pi - ref."""
    instance = replace(arms(Scheme(2, WHOLE)), policy=TabularSoftmax(arms(Scheme(2, WHOLE)).env, np.log([[2.0, 3, 5]])))
    pi = np.array([0.2, 0.3, 0.5])
    h = np.array([-0.8, -0.3, 0.5])
    away = h - pi @ h
    numbers = CLAIMS["P.stationary"].measure(instance).numbers
    strength = 1 + 2 * np.abs(away).max()
    assert numbers[beta] == pytest.approx(strength, rel=1e-12)
    assert numbers[push] == pytest.approx(pi * away, rel=1e-12)
    assert numbers[pull] == pytest.approx(pi * away / strength, rel=1e-11)
    wrong = replace(CLAIMS["P.stationary"], statement=sp.Eq(push, 2 * beta * pull))
    assert wrong.check(instance).verdict is Verdict.VIOLATED


def test_entropy_after_a_small_step() -> None:
    instance = replace(arms(Scheme(4, WHOLE)), policy=TabularSoftmax(arms(Scheme(4, WHOLE)).env, [[0.0, 1.0, -0.5]]))
    for claim_id, natural in (("P.entropy", False), ("P.entropy.natural", True)):
        check = CLAIMS[claim_id].check(instance)
        pi, eta = instance.policy.pair_probability, 1e-6
        step = instance.update.mean / (pi if natural else 1)
        moved = np.exp(instance.policy.parameters + eta * step)
        moved /= moved.sum()
        change = (-(moved @ np.log(moved)) + pi @ np.log(pi)) / eta
        assert check.lhs == pytest.approx(change, abs=1e-5) and check.lhs != pytest.approx(0, abs=1e-3)


def test_ascent_on_two_arms_by_hand() -> None:
    """Arms 0 and 1 from the uniform policy: the gap is 1 - p, and the first step moves both logits by 1/10."""
    numbers = CLAIMS["P.ascent.uniform"].measure(replace(right_or_wrong(Scheme(8, "center")), steps=3)).numbers
    gap = numbers[shortfall]
    assert gap[0] == 0.5 and gap[1] == pytest.approx(1 / (1 + math.exp(0.2)), rel=1e-14)
    second = gap[1] * (1 - gap[1])
    assert gap[2] == pytest.approx(1 / (1 + math.exp(0.2 + 0.8 * second)), rel=1e-13)


@pytest.mark.parametrize("size", [2, 3])
def test_the_error_of_a_budget_by_listing(size: int) -> None:
    """One prompt drawn, G rollouts: leave-one-out updates of all groups against grad J, in rationals."""
    prompts = [[F(0), F(1)], [F(1, 4), F(1, 2), F(1)]]
    env = families.contextual_bandit(prompts)
    gradients = [[c - sum(own) / len(own) for c in own] for own in prompts]
    total = [g / len(own) / 2 for own, row in zip(prompts, gradients, strict=True) for g in row]
    error = F(0)
    for q, own in enumerate(prompts):
        start = sum(len(other) for other in prompts[:q])
        for group in itertools.product(range(len(own)), repeat=size):
            mean = sum(own[a] for a in group) / size
            update = [F(0)] * len(total)
            for a in group:
                gain = (own[a] - mean) * F(size, size - 1) / size
                for b in range(len(own)):
                    update[start + b] += gain * ((a == b) - F(1, len(own)))
            chance = F(1, 2) * F(1, len(own)) ** size
            error += chance * sum((x - y) ** 2 for x, y in zip(update, total, strict=True))
    check = CLAIMS["P.budget"].check(Instance(env, TabularSoftmax(env), Scheme(size, "center")))
    assert check.lhs == pytest.approx(float(size * error), rel=1e-12)


def test_shares_of_uncorrelated_components() -> None:
    """Every pair of zeros and ones once: joint by spread, decomposed 1/sqrt 2."""
    rewards = np.array([[[0, 0], [1, 0], [0, 0.5], [1, 0.5]]], dtype=float)
    once = Observation(RolloutGroups(("a", "b"), (F(1), F(1)), np.zeros(1, dtype=np.int64), rewards), Scheme(4, SPLIT))
    joint, split = (CLAIMS[claim_id].observe(once).numbers for claim_id in ("P.share.joint", "P.share.split"))  # type: ignore[misc]
    assert joint[corr_joint] == pytest.approx([2 / math.sqrt(5), 1 / math.sqrt(5)], rel=1e-12)
    assert split[corr_split] == pytest.approx([0.5, 0.5], rel=1e-12)
