"""Numbers of the literature's claims a second way: by listing, by hand, by maximizing, by iterating."""

import itertools
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from scipy import special

from bounds import CLAIMS, Evidence, Instance, Verdict
from bounds import literature_symbols as ls
from bounds.claims.literature.mroueh import BETAS, EPS
from bounds.claims.literature.success import right_or_wrong
from bounds.enclosed.literature.gdpo import counts
from bounds.enclosed.literature.noise import noisy
from bounds.observation import Observation
from tamdp_theory import TabularSoftmax, exact, families
from tamdp_theory.exact import Scheme
from tamdp_theory.sources import RolloutGroups

F = Fraction
WHOLE, SPLIT = "sum_then_normalize", "normalize_then_sum"


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


def test_the_step_is_the_maximizer() -> None:
    """E[A] - beta KL(P || P_ref) over laws of two answers, on a fine grid."""
    instance = replace(at(0.3, Scheme(8, "center")), reference=at(0.2, Scheme(8, "center")).policy)
    grid = np.linspace(1e-6, 1 - 1e-6, 2_000_001)
    for place, (strength, eps) in enumerate(zip(BETAS, EPS, strict=True)):
        scale = math.sqrt(0.21 + eps)
        kl = grid * np.log(grid / 0.2) + (1 - grid) * np.log((1 - grid) / 0.8)
        best = grid[np.argmax((grid - 0.3) / scale - strength * kl)]
        measured = CLAIMS["P.iterate"].measure(instance).numbers
        assert measured[ls.p_next][place] == pytest.approx(best, abs=2e-6)


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
    assert numbers[ls.beta] == pytest.approx(strength, rel=1e-12)
    assert numbers[ls.push] == pytest.approx(pi * away, rel=1e-12)
    assert numbers[ls.pull] == pytest.approx(pi * away / strength, rel=1e-11)
    wrong = replace(CLAIMS["P.stationary"], statement=sp.Eq(ls.push, 2 * ls.beta * ls.pull))
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
    gap = numbers[ls.shortfall]
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
    assert joint[ls.corr_joint] == pytest.approx([2 / math.sqrt(5), 1 / math.sqrt(5)], rel=1e-12)
    assert split[ls.corr_split] == pytest.approx([0.5, 0.5], rel=1e-12)


# -- ratios, reach, the gradient gap ---------------------------------------------------------------------------------


def test_sequence_ratios_by_hand() -> None:
    """theory.md, T5.drift: m = (-3/512, 3/512) for centred pairs; leave-one-out has twice that."""
    instance = replace(example("P.sequence"), scheme=Scheme(2, "leave_one_out"))
    u = np.random.default_rng(instance.seed).standard_normal(instance.policy.n_parameters)
    first = instance.env.pair_parameter[:2]
    along = 3 / 256 * (u[first[1]] - u[first[0]]) / np.linalg.norm(u)
    assert CLAIMS["P.sequence"].check(instance).lhs == pytest.approx(along, rel=1e-9)


def test_ratios_off_policy_by_listing() -> None:
    """Two decisions: every pair of trajectories, token and trajectory ratios, and both gradients: token ratios give
    neither.
    """
    env = families.random_tree(seed=1, prompts=1, tools=1, answers=2, max_tool_depth=1, components=1)
    policy, old = TabularSoftmax.random(env, np.random.default_rng(1)), TabularSoftmax(env)
    instance = Instance(env, policy, Scheme(2, "center"), old)
    paths, u = exact.enumerate_trajectories(env), np.random.default_rng(0).standard_normal(policy.n_parameters)
    u /= np.linalg.norm(u)
    pi, before, place = policy.pair_probability, old.pair_probability, env.pair_parameter
    token, whole = 0.0, 0.0
    law = [
        (float(kernel) * float(np.prod(before[own[own >= 0]])), own[own >= 0], float(env.class_composite[c]))
        for kernel, own, c in zip(paths.kernel, paths.pairs, paths.reward_class, strict=True)
    ]

    def score(pair: int) -> float:
        node = env.pair_node == env.pair_node[pair]
        return float(u[place[pair]] - pi[node] @ u[place[node]])

    for one, own, c in law:
        for other, _, d in law:
            gain = one * other * (c - d) / 2  # the first of two members; the second adds as much
            ratio = float(np.prod(pi[own] / before[own]))
            whole += gain * ratio * sum(score(x) for x in own)
            token += gain * sum(float(pi[x] / before[x]) * score(x) for x in own)
    numbers = CLAIMS["P.ratio.trajectory"].measure(instance).numbers
    assert numbers[ls.slope_trajectory] == pytest.approx(whole, rel=1e-11)
    assert numbers[ls.slope_token] == pytest.approx(token, rel=1e-11)
    for gradient in (numbers[ls.slope_here], numbers[ls.slope_old]):
        assert abs(token - gradient / 2) > 1e-3 * abs(token)


def test_the_leash_is_attained_by_two_arms() -> None:
    """m = pi (1 - pi) (h_1 - h_0): both sides are equal."""
    check = CLAIMS["P.leash"].check()
    assert check.lhs == check.rhs and check.evidence is Evidence.CERTIFIED


def test_the_gap_of_two_arms_by_hand() -> None:
    """One decision: the log-odds are linear in the logits, so the gain is the whole slope, twice what is claimed."""
    instance = at(0.2, Scheme(4, "center"))
    u = np.random.default_rng(instance.seed).standard_normal(2)
    gap = (u[1] - u[0]) / np.linalg.norm(u)
    check = CLAIMS["P.gap"].check(instance)
    assert check.lhs == pytest.approx(gap**2 / 34, rel=1e-10)
    assert check.rhs == pytest.approx(gap**2 / 17, rel=1e-10)


def test_clips_without_news_by_listing() -> None:
    """Three coins, pairs: every pair of arms and rewards; members above 6/5 or below 4/5 of the old policy are stopped
    where their advantage would push them further.
    """
    instance = replace(example("P.clip"), scheme=Scheme(2, "center"))
    pi, old = np.array([1, 2, 5]) / 8, np.ones(3) / 3
    push = np.zeros(3)
    for a, c, d in itertools.product(range(3), (0, 1), (0, 1)):  # the other member's arm does not matter
        gain, ratio = (c - d) / 2, pi[a] / old[a]
        if not ((gain > 0 and ratio > 1.2) or (gain < 0 and ratio < 0.8)):
            push += old[a] / 4 * gain * ratio * ((np.arange(3) == a) - pi)
    natural = push / pi
    slope = -(pi @ (np.log(pi) * (natural - pi @ natural)))
    numbers = CLAIMS["P.clip"].measure(instance).numbers
    assert numbers[ls.slope_entropy][0] == pytest.approx(slope, rel=1e-9) and abs(slope) > 1e-3
    assert numbers[ls.half_gain] == pytest.approx(1 / 8, rel=1e-13)
