"""Estimators of batches: mean and second moment against every ordered batch, by sums and by integrals."""

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tamdp_theory import TAMDP, CapacityError, InputError, LogLinear, TabularSoftmax, estimators, exact, families, grpo
from tamdp_theory.estimators import AGGREGATIONS
from tests.helpers import oracle
from tests.helpers.batches import Rule, brute, centred, decomposed, over, process, whitened
from tests.helpers.command import REPOSITORY
from tests.helpers.seeds import moved
from tests.helpers.steps import score_table

CONTENT = process()
ENV = TAMDP.from_dict(CONTENT)
POLICY = TabularSoftmax.random(ENV, np.random.default_rng(moved(5)))
NEAR = {"rtol": 1e-10, "atol": 1e-12}
Made = Callable[[float, int], Rule]


def batch_std(eps: float, ddof: int) -> Rule:
    def rule(rewards: Any, weights: Any, lengths: Any) -> Any:
        c = rewards @ weights
        return centred(c) * over(c.var(axis=(-2, -1), keepdims=True, ddof=ddof), eps, "deviation")

    return rule


def plus_plus(of_tokens: bool, baseline: bool, guard: str = "deviation", times: float = 1.0) -> Made:
    def make(eps: float, ddof: int) -> Rule:
        def rule(rewards: Any, weights: Any, lengths: Any) -> Any:
            c = rewards @ weights
            return whitened(times * centred(c) if baseline else c, lengths, of_tokens, eps, ddof, guard)

        return rule

    return make


def gdpo(of_tokens: bool, inner: float, guard: str = "deviation") -> Made:
    def make(eps: float, ddof: int) -> Rule:
        return lambda rewards, weights, lengths: whitened(
            decomposed(rewards, weights, inner, ddof), lengths, of_tokens, eps, ddof, guard
        )

    return make


def levels(mean_level: str, std_level: str) -> Made:
    axes = {"batch": (-2, -1), "group": (-1,)}

    def make(eps: float, ddof: int) -> Rule:
        def rule(rewards: Any, weights: Any, lengths: Any) -> Any:
            c = rewards @ weights
            x = c - c.mean(axis=axes[mean_level], keepdims=True) if mean_level != "none" else c
            if std_level == "none":
                return x
            count = math.prod(c.shape[axis] for axis in axes[std_level])
            spread = (x**2).sum(axis=axes[std_level], keepdims=True) / (count - ddof)
            return x * over(spread, eps, "deviation")

        return rule

    return make


RULES: dict[str, Made] = {
    "batch_std": batch_std,
    "reinforce_plus_plus": plus_plus(True, False),
    "reinforce_plus_plus(over=sequences)": plus_plus(False, False),
    "reinforce_plus_plus(guard=floor)": plus_plus(True, False, "floor"),
    "reinforce_plus_plus_baseline": plus_plus(True, True),
    "reinforce_plus_plus_baseline(guard=variance)": plus_plus(True, True, "variance"),
    "reinforce_plus_plus_baseline(over=sequences)": plus_plus(False, True),
    "gdpo_batch": gdpo(False, 0.0),
    "gdpo_batch(eps_in=1e-4)": gdpo(False, 1e-4),
    "gdpo_batch(over=tokens, guard=variance)": gdpo(True, 0.0, "variance"),
    **{
        f"batch_normalize(mean_level={mean}, std_level={std})": levels(mean, std)
        for mean, std in itertools.product(("batch", "group", "none"), repeat=2)
    },
}
PLAIN = ["batch_std", "reinforce_plus_plus(over=sequences)", "reinforce_plus_plus_baseline(over=sequences)"]
PLAIN += ["gdpo_batch(eps_in=1e-4)", "batch_normalize(mean_level=batch, std_level=batch)", "leave_one_out_batch"]


def listed(rule: Rule, sizes: tuple[int, int], aggregation: str = "trajectory", prompts: Any = None) -> Any:
    table = POLICY.probabilities()
    return brute(CONTENT, table, oracle.tabular_scores(table), rule, sizes, aggregation, prompts)


def same(found: exact.BatchUpdate, expected: Any) -> None:
    np.testing.assert_allclose(found.mean, expected.mean, **NEAR)
    assert found.second_moment == pytest.approx(expected.second_moment, rel=1e-10, abs=1e-13)
    assert found.variance == pytest.approx(expected.variance, rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize(("eps", "ddof"), [(0.0, 0), (1e-4, 1), (0.3, 0)])
def test_every_estimator_is_its_rule(name: str, eps: float, ddof: int) -> None:
    for sizes in ((1, 2), (1, 3), (2, 2), (3, 2), (2, 3)):
        expected = listed(RULES[name](eps, ddof), sizes)
        same(exact.batch_update(ENV, POLICY, name, sizes[1], sizes[0], eps, ddof), expected)
    assert np.abs(expected.mean).max() > 1e-3


@pytest.mark.parametrize("name", RULES)
def test_three_groups_of_three(name: str) -> None:
    same(exact.batch_update(ENV, POLICY, name, 3, 3, 1e-3, 1), listed(RULES[name](1e-3, 1), (3, 3)))


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("name", ["batch_std", "reinforce_plus_plus_baseline", "gdpo_batch"])
def test_lengths_scale_advantages(name: str, aggregation: Any) -> None:
    expected = listed(RULES[name](0.0, 1), (3, 2), aggregation)
    same(exact.batch_update(ENV, POLICY, name, 2, 3, 0.0, 1, aggregation), expected)


@pytest.mark.parametrize("name", ["batch_std", "reinforce_plus_plus", "gdpo_batch(over=tokens, guard=variance)"])
@pytest.mark.parametrize("prompts", [(0, 0), (1,), (1, 0, 1)])
def test_prompts_may_be_given(name: str, prompts: tuple[int, ...]) -> None:
    expected = listed(RULES[name](1e-3, 1), (len(prompts), 2), prompts=prompts)
    same(exact.batch_update(ENV, POLICY, name, 2, len(prompts), 1e-3, 1, prompts=prompts), expected)


KEPT: dict[str, Callable[[Any], Any]] = {
    "mixed": lambda c: np.ptp(c, axis=-1) > 0,
    "mean_in(low=1/8, high=1)": lambda c: (c.mean(axis=-1) > 1 / 8) & (c.mean(axis=-1) < 1),
    "std_above(least=3/8)": lambda c: c.var(axis=-1, ddof=1) > (3 / 8) ** 2 + 1e-12,
}


@pytest.mark.parametrize("keep", KEPT)
@pytest.mark.parametrize("prompts", [None, (1, 0, 1)])
@pytest.mark.parametrize("name", ["batch_std", "reinforce_plus_plus", "sum_then_normalize"])
def test_batches_of_kept_groups(name: str, prompts: Any, keep: str) -> None:
    table = POLICY.probabilities()
    rule = RULES.get(name, levels("group", "group"))(1e-3, 1)
    scores = oracle.tabular_scores(table)
    expected = brute(CONTENT, table, scores, rule, (3, 2), "token_mean", prompts, KEPT[keep])
    found = exact.batch_update(ENV, POLICY, name, 2, 3, 1e-3, 1, "token_mean", keep, prompts)
    same(found, expected)
    everything = exact.batch_update(ENV, POLICY, name, 2, 3, 1e-3, 1, "token_mean", prompts=prompts)
    assert np.abs(found.mean - everything.mean).max() > 1e-4


def test_batches_where_no_group_is_kept() -> None:
    found = exact.batch_update(ENV, POLICY, "batch_std", 2, 2, keep="mean_in(low=2, high=3)")
    assert not found.mean.any() and not found.second_moment


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize(("eps", "ddof"), [(0.0, 0), (1e-4, 1), (0.3, 0)])
def test_integrals_are_the_same_numbers(name: str, eps: float, ddof: int) -> None:
    for sizes in ((1, 3), (3, 2), (4, 3)):
        settings = (ENV, POLICY, name, sizes[1], sizes[0], eps, ddof)
        one, other = (exact.batch_update(*settings, route=route) for route in ("sums", "integrals"))
        np.testing.assert_allclose(other.mean, one.mean, rtol=1e-11, atol=1e-13)
        assert other.second_moment == pytest.approx(one.second_moment, rel=1e-11)
    given = (ENV, POLICY, name, 2, 3, eps, ddof, "trajectory", "mixed", (0, 1, 1))
    one, other = (exact.batch_update(*given, route=route) for route in ("sums", "integrals"))
    np.testing.assert_allclose(other.mean, one.mean, rtol=1e-11, atol=1e-13)
    assert other.variance == pytest.approx(one.variance, rel=1e-10)


def test_parameters_shared_between_prompts() -> None:
    """Groups of two prompts are then correlated through the scores, too."""
    generator = np.random.default_rng(moved(2))
    policy = LogLinear(ENV, generator.normal(size=(ENV.n_pairs, 3)), generator.normal(size=3))
    found = exact.batch_update(ENV, policy, "batch_std", 2, 3, 1e-4, 1)
    same(found, brute(CONTENT, policy.probabilities(), score_table(ENV, policy), batch_std(1e-4, 1), (3, 2)))
    by_integrals = exact.batch_update(ENV, policy, "batch_std", 2, 3, 1e-4, 1, route="integrals")
    assert by_integrals.variance == pytest.approx(found.variance, rel=1e-10)


def test_a_group_estimator_within_groups() -> None:
    """The mean is that of all prompts in the step; of a batch of drawn prompts the variance is another one."""
    update = exact.update_moments(ENV, POLICY, 3, "sum_then_normalize", 1e-4, 1)
    found = exact.batch_update(ENV, POLICY, "sum_then_normalize", 3, 5, 1e-4, 1)
    np.testing.assert_allclose(found.mean, update.mean, rtol=1e-12, atol=1e-14)
    one = exact.batch_update(ENV, POLICY, "sum_then_normalize", 3, 1, 1e-4, 1)
    assert found.variance == pytest.approx(one.variance / 5)
    both = exact.batch_update(ENV, POLICY, "sum_then_normalize", 3, 2, 1e-4, 1, prompts=(0, 1))
    law = ENV.prompt_probability
    split = (update.prompt_variance / 4).sum()
    assert both.variance == pytest.approx(split) and law.sum() == pytest.approx(1)
    # over tokens of the batch, which are no number of a group
    whole = exact.batch_update(ENV, POLICY, "center", 2, 3, aggregation="token_mean")
    same(whole, listed(lambda rewards, weights, lengths: centred(rewards @ weights), (3, 2), "token_mean"))
    group = exact.update_moments(ENV, POLICY, 2, "center", aggregation="token_mean")
    assert np.abs(whole.mean - group.mean).max() > 1e-4
    alone = exact.batch_update(ENV, POLICY, "center", 2, 1, aggregation="token_mean")
    np.testing.assert_allclose(alone.mean, group.mean, rtol=1e-12, atol=1e-14)


def test_think_weights_and_single_prompts() -> None:
    """A batch of one group of a given prompt is that prompt's step, thoughts weighted or not."""
    env = TAMDP.load(REPOSITORY / "examples" / "number-line-think-small.json")
    policy = TabularSoftmax.random(env, np.random.default_rng(moved(4)))
    for weight in (1.0, 0.3):
        update = exact.update_moments(env, policy, 3, "sum_then_normalize", 1e-4, 1, weight)
        total = np.zeros(policy.n_parameters)
        for q, rho in enumerate(env.prompt_probability):
            found = exact.batch_update(
                env, policy, "sum_then_normalize", 3, 1, 1e-4, 1, prompts=[q], think_weight=weight
            )
            total += rho * found.mean
            assert found.variance == pytest.approx(update.prompt_variance[q], rel=1e-10)
        np.testing.assert_allclose(total, update.mean, rtol=1e-11, atol=1e-14)


def test_rules_in_fractions() -> None:
    """The brute force's own arithmetic, on one batch by hand: composites 0, 1/4 | 3/2, 1 with lengths 1, 1 | 4, 1."""
    c = [[Fraction(0), Fraction(1, 4)], [Fraction(3, 2), Fraction(1)]]
    rewards = np.array([[[[float(v)] for v in group] for group in c]])
    lengths, one = np.array([[[1, 1], [4, 1]]]), np.array([1.0])
    flat = [v for group in c for v in group]
    mean = sum(flat) / 4
    spread = sum((v - mean) ** 2 for v in flat) / 3
    expected = [[float(v - sum(group) / 2) / (math.sqrt(spread) + 1e-4) for v in group] for group in c]
    np.testing.assert_allclose(batch_std(1e-4, 1)(rewards, one, lengths)[0], expected, rtol=1e-14)
    tokens = [Fraction(0), Fraction(1, 4), *[Fraction(3, 2)] * 4, Fraction(1)]
    mean = sum(tokens) / 7
    spread = sum((v - mean) ** 2 for v in tokens) / 6
    expected = [[float(v - mean) / math.sqrt(spread + Fraction(1, 10**8)) for v in group] for group in c]
    made = plus_plus(True, False, "variance")(1e-8, 1)
    np.testing.assert_allclose(made(rewards, one, lengths)[0], expected, rtol=1e-14)


def test_silent_batches_are_decided_exactly() -> None:
    """Rewards that floats cannot add up, all the same in a batch: nothing is learned from it, also with eps 0."""
    env = families.bandit([("1/10",), ("3/10",), ("7/10",)])
    policy = TabularSoftmax(env)
    for name in ("batch_std", "reinforce_plus_plus", "gdpo_batch", "batch_normalize"):
        for batch in (1, 2, math.inf):
            found = exact.batch_update(env, policy, name, 3, batch)
            group = np.array(list(itertools.product([0.1, 0.3, 0.7], repeat=3)))
            assert np.isfinite(found.mean).all() and np.abs(found.effective_reward).max() < group.shape[1]
    # one reward alone is silent whatever it is, also where others have no probability that a float can hold
    for n in range(1, 60):
        known = families.bandit([(0,), (f"{n}/61",)])
        policy = TabularSoftmax(known, [[-2000.0, 0.0]])
        assert not exact.batch_update(known, policy, "reinforce_plus_plus", 3, math.inf).effective_reward[1]
    sure = families.bandit([("1/10",), ("1/10",)])
    for batch in (1, 3, math.inf):
        found = exact.batch_update(sure, TabularSoftmax(sure), "reinforce_plus_plus", 2, batch)
        assert not found.mean.any() and not found.second_moment


def test_components_that_cancel_are_silent() -> None:
    """x = 0 to the last digit where standardized components cancel, though their floats need not."""
    arms = [[Fraction(3 * n, 100), 1 - Fraction(7 * n, 300), Fraction(n, 100)] for n in (1, 7, 22, 32)]
    env = families.bandit(arms, weights=[1, 2, 1])
    for batch in (2, math.inf):
        found = exact.batch_update(env, TabularSoftmax(env), "gdpo_batch", 3, batch, ddof=1)
        assert not found.mean.any()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"batch": 0}, "batch: must be an integer of at least 1, got 0"),
        ({"batch": 1.5}, "batch: must be an integer of at least 1, got 1.5"),
        ({"batch": math.nan}, "batch: must be an integer of at least 1, got nan"),
        ({"group_size": 1}, "group_size: must be an integer of at least 2, got 1"),
        ({"eps": math.nan}, "eps: must be finite and not negative, got nan"),
        ({"eps": -1.0}, "eps: must be finite"),
        ({"ddof": 2}, "ddof: must be 0 or 1, got 2"),
        ({"aggregation": "mean"}, "aggregation: must be one of trajectory"),
        ({"prompts": (0,)}, "prompts: need 2, one for each group, got 1"),
        ({"prompts": (0, 2)}, r"prompts\[1\]: must be an integer from 0 to 1, got 2"),
        ({"prompts": (0, 0.5)}, r"prompts\[1\]: must be an integer"),
        ({"prompts": (0, 1), "batch": math.inf}, "prompts: cannot be given with batch inf"),
        ({"route": "fast"}, "route: must be one of auto, sums, integrals, members; got 'fast'"),
        ({"route": "members", "estimator": "gdpo_batch"}, "route: the members of a batch do not factor for gdpo_batch"),
        ({"route": "integrals", "estimator": "reinforce_plus_plus"}, "has no integrals that factor"),
        ({"estimator": "batch_sdt"}, r"estimator: must be one of .* \(did you mean 'batch_std'\?\)"),
        ({"estimator": "batch_std(over=words)"}, "batch_std: over must be one of sequences, tokens; got 'words'"),
        ({"estimator": "batch_normalize(mean_level=all)"}, "batch_normalize: mean_level must be one of batch, group"),
        ({"estimator": "gdpo_batch(eps_in=-1)"}, r"gdpo_batch\(eps_in=-1\): eps_in must not be negative"),
        ({"estimator": "pass_at_2"}, "pass_at_2 needs groups of at least 3"),
        (
            {"estimator": "batch_normalize(mean_level=batch, std_level=group)", "batch": math.inf},
            "with eps 0 and batch inf it is undecided",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        exact.batch_update(ENV, POLICY, **{"estimator": "batch_std", "group_size": 2, "batch": 2, **settings})


def test_names_and_options() -> None:
    assert set(estimators.batch_families()) == {
        "batch_std",
        "reinforce_plus_plus",
        "reinforce_plus_plus_baseline",
        "leave_one_out_batch",
        "gdpo_batch",
        "batch_normalize",
    }
    made = estimators.named("gdpo_batch", over="tokens", eps_in="1e-6", guard="variance")
    assert str(made) == "gdpo_batch(over=tokens, eps_in=1/1000000, guard=variance)"
    assert estimators.named(str(made)) == made and estimators.resolve_in_batch(str(made)) == made
    assert estimators.named("batch_std", over="sequences") == estimators.named("batch_std")
    for call in (lambda: estimators.Scheme(4, "batch_std"), lambda: estimators.resolve(made)):
        with pytest.raises(InputError, match=r"looks at the whole batch; exact\.batch_update takes it"):
            call()
    with pytest.raises(InputError, match="no option 'level'"):
        estimators.named("batch_std", level="batch")


def test_what_is_too_large_says_what_fits() -> None:
    env = families.bandit([(f"{n}/97",) for n in range(0, 97, 8)])
    policy = TabularSoftmax(env)
    with pytest.raises(CapacityError, match=r"group_size 16: .* multisets of 13 distinct .* groups of up to 9 fit"):
        exact.batch_update(env, policy, "gdpo_batch", 16, 4)
    with pytest.raises(CapacityError, match=r"batch 40: .* batches of up to \d+ groups fit, and batch=math.inf"):
        exact.batch_update(env, policy, "reinforce_plus_plus(guard=floor)", 4, 40)
    by_members = exact.batch_update(env, policy, "batch_std", 16, 4)
    assert by_members.mean.any()
    with pytest.raises(CapacityError, match=r"group_size 16, batch 4: .* the mean alone is known"):
        _ = by_members.variance
    fine = exact.batch_update(env, policy, "batch_std", 4, 40)  # by integrals
    limit = exact.batch_update(env, policy, "batch_std", 4, math.inf)
    np.testing.assert_allclose(fine.mean, limit.mean, rtol=0.05, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in PLAIN if not name.startswith("gdpo")])
@pytest.mark.parametrize(("eps", "ddof"), [(0.0, 0), (1e-4, 1), (0.3, 0)])
def test_members_one_by_one_are_the_same_numbers(name: str, eps: float, ddof: int) -> None:
    for sizes, prompts in (((1, 2), None), ((1, 3), None), ((3, 2), None), ((4, 3), None), ((3, 2), (0, 1, 1))):
        settings = (ENV, POLICY, name, sizes[1], sizes[0], eps, ddof, "sequence_mean", "all", prompts)
        one, other = (exact.batch_update(*settings, route=route).mean for route in ("sums", "members"))
        np.testing.assert_allclose(other, one, rtol=1e-11, atol=1e-13)


def test_members_one_by_one_beyond_what_can_be_listed() -> None:
    """101 rewards in groups of 64: the limit in closed form, and batches that converge to it."""
    env = families.bandit([(f"{n}/100",) for n in range(101)])
    policy = TabularSoftmax.random(env, np.random.default_rng(moved(3)))
    gradient, c, p = exact.policy_gradient(env, policy), np.arange(101) / 100, policy.pair_probability
    sigma = math.sqrt(float(p @ (c - p @ c) ** 2))
    for name, expected in (
        ("batch_std", 63 / 64 / (sigma + 1e-4)),
        ("reinforce_plus_plus(over=sequences)", 1 / (sigma + 1e-4)),
        ("reinforce_plus_plus_baseline(over=sequences)", 63 / 64 / (math.sqrt(63 / 64) * sigma + 1e-4)),
    ):
        limit = exact.batch_update(env, policy, name, 64, math.inf, 1e-4, 1).mean
        np.testing.assert_allclose(limit, expected * gradient, rtol=1e-10, atol=1e-14)
        one, two = (exact.batch_update(env, policy, name, 64, b, 1e-4, 1).mean for b in (50, 100))
        error = float(np.abs(two - limit).max())
        assert 0 < error < 1e-3 and float(np.abs(2 * two - one - limit).max()) < error / 20


def test_sampled_training_takes_such_steps() -> None:
    """One whitened step of many seeds, prompts drawn: mean and variance within five standard errors."""
    settings: dict[str, Any] = {"normalization": "normalize_then_sum", "eps": 1e-4, "ddof": 1, "whiten": True}
    config = grpo.Config(mode="sampled", group_size=3, prompts_per_step=4, steps=1, learning_rate=1.0, **settings)
    steps = grpo.train(ENV, POLICY, config, seeds=range(moved(1), moved(1) + 6000)).parameters - POLICY.parameters
    exactly = exact.batch_update(ENV, POLICY, "gdpo_batch(eps_in=1e-4)", 3, 4, 1e-4, 1)
    error = steps.std(axis=0, ddof=1) / math.sqrt(len(steps))
    assert (np.abs(steps.mean(axis=0) - exactly.mean) <= 5 * error + 1e-12).all()
    squares = ((steps - exactly.mean) ** 2).sum(axis=1)
    assert abs(squares.mean() - exactly.variance) <= 5 * squares.std() / math.sqrt(len(steps))
    assert np.abs(exactly.mean).max() > 20 * error.max() / 5
