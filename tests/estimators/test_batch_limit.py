"""The limit of many prompts: batches converge to it at rate 1/B, and what is climbed there."""

import json
import math
from typing import Any

import numpy as np
import pytest

from tamdp_theory import TAMDP, TabularSoftmax, estimators, exact, families
from tests.helpers import oracle
from tests.helpers.batches import decomposed, process
from tests.helpers.seeds import moved

CONTENT = process()
ENV = TAMDP.from_dict(CONTENT)
POLICY = TabularSoftmax.random(ENV, np.random.default_rng(moved(7)))
INFINITE: dict[str, Any] = {"batch": math.inf}
EVERY = [
    "batch_std",
    "batch_std(over=tokens)",
    "reinforce_plus_plus",
    "reinforce_plus_plus(over=sequences)",
    "reinforce_plus_plus_baseline",
    "leave_one_out_batch",
    "gdpo_batch",
    "gdpo_batch(over=tokens, guard=variance)",
    *(f"batch_normalize(mean_level={m}, std_level={s})" for m in ("batch", "group", "none") for s in ("batch", "none")),
]
LEVELS = [f"batch_normalize(mean_level={mean}, std_level=group)" for mean in ("batch", "group", "none")]


@pytest.mark.parametrize("aggregation", ["trajectory", "token_mean"])
@pytest.mark.parametrize("name", [*EVERY, *LEVELS])
def test_batches_converge_at_rate_one_over_b(name: str, aggregation: Any) -> None:
    """m(B) = m + C/B + D/B^2 + ..: 2 m(2B) - m(B) is m but for terms of second order. Two arms, long success."""
    env = families.lengthy([[(1, 1, 3)], [(1, 0, 1)]])
    policy = TabularSoftmax(env, np.log([[0.3, 0.7], *[[1.0, 1.0]] * (env.n_nodes - 1)]))
    settings = {"eps": 0.1, "ddof": 1, "aggregation": aggregation}
    limit, one, two = (exact.batch_update(env, policy, name, 2, b, **settings).mean for b in (math.inf, 60, 120))
    error = float(np.abs(two - limit).max())
    assert float(np.abs(2 * two - one - limit).max()) <= error / 10 + 1e-5
    assert error < 0.05 and (error > 1e-6 or "std_level=none" in name or "std_level=group" in name)


@pytest.mark.parametrize("name", [*EVERY, *LEVELS])
def test_batches_of_two_prompts_converge(name: str) -> None:
    settings = {"eps": 0.5, "ddof": 1}
    limit = exact.batch_update(ENV, POLICY, name, 2, math.inf, **settings).mean
    four, eight, twelve = (
        b * np.abs(exact.batch_update(ENV, POLICY, name, 2, b, **settings).mean - limit).max() for b in (4, 8, 12)
    )
    assert twelve <= 1.5 * max(four, eight) + 1e-12 and twelve < 1


def population() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probability over prompts too, composite and tokens of every trajectory."""
    paths, share = oracle.paths(CONTENT, POLICY.probabilities()), oracle.prompt_weights(CONTENT)
    chance = np.array([share[path.prompt] * path.probability for path in paths])
    c = np.array([float(oracle.composite(CONTENT, path.rewards)) for path in paths])
    tokens = [sum(CONTENT["nodes"][x]["actions"][a]["tokens"] for x, a in path.decisions) for path in paths]
    return chance, c, np.array(tokens)


def deviation(weight: np.ndarray, values: np.ndarray) -> float:
    weight = weight / weight.sum()
    return math.sqrt(float(weight @ (values - weight @ values) ** 2))


def test_what_is_climbed_is_the_mean_reward_over_one_number() -> None:
    chance, c, tokens = population()
    gradient, size, eps = exact.policy_gradient(ENV, POLICY), 3, 0.01
    kappa = (size - 1) / size
    sigma, over_tokens = deviation(chance, c), deviation(chance * tokens, c)
    within = sum(
        share
        * deviation(
            np.array([p.probability for p in own]), np.array([float(oracle.composite(CONTENT, p.rewards)) for p in own])
        )
        ** 2
        for q, share in enumerate(oracle.prompt_weights(CONTENT))
        for own in [[p for p in oracle.paths(CONTENT, POLICY.probabilities()) if p.prompt == q]]
    )
    expected = {
        "batch_std": kappa * gradient / (sigma + eps),
        "reinforce_plus_plus(over=sequences)": gradient / (sigma + eps),
        "reinforce_plus_plus": gradient / (over_tokens + eps),
        # the centred reward has variance kappa times that of the prompt
        "reinforce_plus_plus_baseline(over=sequences)": kappa * gradient / (math.sqrt(kappa * within) + eps),
        "leave_one_out_batch": gradient / (math.sqrt(within / kappa) + eps),
        "batch_normalize": gradient / (sigma + eps),
        "batch_normalize(mean_level=none, std_level=batch)": gradient / (math.sqrt(float(chance @ c**2)) + eps),
    }
    for name, mean in expected.items():
        found = exact.batch_update(ENV, POLICY, name, size, math.inf, eps)
        np.testing.assert_allclose(found.mean, mean, rtol=1e-11, atol=1e-14, err_msg=name)
        assert found.variance == 0 and found.second_moment == pytest.approx(float(mean @ mean))


def test_gdpo_rescales_its_first_stage() -> None:
    """The constant that is subtracted has no expectation times the score; the deviation is that of all x."""
    size, eps = 3, 1e-4
    first = exact.update_moments(ENV, POLICY, size, "normalize_then_sum", eps, 1)
    paths, weights = oracle.paths(CONTENT, POLICY.probabilities()), np.array([1.0, 0.5])
    square = 0.0
    for q, share in enumerate(oracle.prompt_weights(CONTENT)):
        own = [path for path in paths if path.prompt == q]
        groups = np.stack(np.meshgrid(*[np.arange(len(own))] * size), axis=-1).reshape(-1, size)
        chance = np.array([path.probability for path in own])[groups].prod(axis=1)
        rewards = np.array([[float(r) for r in path.rewards] for path in own])[groups]
        square += share * float(chance @ (decomposed(rewards, weights, eps, 1) ** 2).mean(axis=1))
    found = exact.batch_update(ENV, POLICY, "gdpo_batch(eps_in=1e-4)", size, math.inf, eps, 1)
    np.testing.assert_allclose(found.mean, first.mean / (math.sqrt(square) + eps), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("name", [*EVERY, *LEVELS])
def test_the_group_estimator_that_it_is_like(name: str) -> None:
    """A positive multiple, the same on all prompts; where none is named, there is none among those in the package."""
    batch = estimators.resolve_in_batch(name)
    mean = exact.batch_update(ENV, POLICY, name, 3, math.inf, 1e-3, 1).mean

    def cosine(other: Any) -> float:
        against = exact.update_moments(ENV, POLICY, 3, other, 1e-3, 1).mean
        return float(mean @ against / np.linalg.norm(mean) / np.linalg.norm(against))

    if batch.like is None:
        assert max(cosine(one) for one in ("leave_one_out", "sum_then_normalize", "normalize_then_sum")) < 1 - 1e-6
        return
    inner = 0.0 if batch.inner_eps == 0 else 1e-3
    against = exact.update_moments(ENV, POLICY, 3, batch.like, inner, 1).mean
    multiple = float(mean @ against / (against @ against))
    np.testing.assert_allclose(mean, multiple * against, rtol=1e-10, atol=1e-13)
    assert multiple > 0 and (batch.divisor[1] == "") is (multiple == pytest.approx(1, rel=1e-9))


def test_drawing_until_groups_are_mixed_is_one_factor_for_all_prompts() -> None:
    """Silent groups teach centred estimators nothing, so leaving them out divides by the share of the others; the
    batch's mean, which others subtract, then has a direction of its own.
    """
    for name in ("center", "sum_then_normalize", "batch_std", "gdpo_batch"):
        one, kept = (exact.batch_update(ENV, POLICY, name, 3, math.inf, 1e-3, keep=k).mean for k in ("all", "mixed"))
        multiple = float(kept @ one / (one @ one))
        np.testing.assert_allclose(kept, multiple * one, rtol=1e-10, atol=1e-13)
    plain = exact.batch_update(ENV, POLICY, "center", 3, math.inf).mean
    kept = exact.batch_update(ENV, POLICY, "center", 3, math.inf, keep="mixed")
    share = sum(rho * float(law.probability.sum()) for rho, law in zip(ENV.prompt_probability, kept.laws, strict=True))
    np.testing.assert_allclose(kept.mean, plain / share, rtol=1e-11)
    one, kept_mean = (
        exact.batch_update(ENV, POLICY, "reinforce_plus_plus", 3, math.inf, keep=k).mean for k in ("all", "mixed")
    )
    assert float(kept_mean @ one / np.linalg.norm(kept_mean) / np.linalg.norm(one)) < 1 - 1e-6


def test_one_group_is_the_group_estimator() -> None:
    """A batch of one group: the batch's deviation is the group's, so TRL's batch scaling is its group scaling."""
    one = exact.batch_update(ENV, POLICY, "batch_std", 3, 1, 1e-4, 1)
    group = exact.update_moments(ENV, POLICY, 3, "sum_then_normalize", 1e-4, 1)
    np.testing.assert_allclose(one.mean, group.mean, rtol=1e-12, atol=1e-14)


def test_small_batches_can_lower_the_mean_reward_and_many_prompts_cannot() -> None:
    env = families.drift_bandit()
    policy = TabularSoftmax(env)
    gradient = exact.policy_gradient(env, policy)
    drift = [
        float(gradient @ exact.batch_update(env, policy, "batch_std", 2, batch).mean) for batch in (1, 4, math.inf)
    ]
    assert drift[0] < 0 < drift[2] and drift[0] < drift[1] < drift[2]


@pytest.mark.parametrize("name", ["batch_std", "reinforce_plus_plus(over=sequences)", "gdpo_batch(eps_in=1e-4)"])
def test_integrals_at_sizes_beyond_sums(name: str) -> None:
    """Errors at B and 2B extrapolate to the limit: to second order in 1/B."""
    values = {b: exact.batch_update(ENV, POLICY, name, 4, b, 1e-4, 1, route="integrals").mean for b in (500, 1000)}
    limit = exact.batch_update(ENV, POLICY, name, 4, math.inf, 1e-4, 1).mean
    error = float(np.abs(values[1000] - limit).max())
    assert float(np.abs(2 * values[1000] - values[500] - limit).max()) < error / 100 and error < 1e-3


def test_integrals_where_rewards_are_close() -> None:
    """Gaps of 1e-6 beside gaps of one half: nothing cancels in either way."""
    env = families.bandit([(0,), ("1/1000000",), ("1/2",)])
    policy = TabularSoftmax(env, np.log([[0.3, 0.5, 0.2]]))
    for name in ("batch_std", "reinforce_plus_plus(over=sequences)"):
        one, other = (exact.batch_update(env, policy, name, 2, 3, route=way).mean for way in ("sums", "integrals"))
        np.testing.assert_allclose(other, one, rtol=1e-11)


def test_zero_one_rewards_climb_the_arcsine_of_all_prompts_together() -> None:
    """grad 2 arcsin sqrt J, J over all prompts; standardized in groups it is the mean of the prompts' own arcsines."""
    env = families.random_tree(seed=moved(4), prompts=3, tools=1, answers=2, components=1, levels=2)
    policy = TabularSoftmax.random(env, np.random.default_rng(moved(8)))
    found = exact.batch_update(env, policy, "reinforce_plus_plus(over=sequences)", 2, math.inf).mean
    step = 1e-6 * np.random.default_rng(moved(9)).normal(size=policy.n_parameters)

    def potential(sign: int) -> float:
        moved_by = policy.with_parameters(policy.parameters + sign * step)
        return 2 * math.asin(math.sqrt(exact.values(env, moved_by).total / env.total_weight))

    assert {float(c) / env.total_weight for c in env.exact_class_composite} == {0.0, 1.0}
    assert found @ step == pytest.approx((potential(1) - potential(-1)) / 2, rel=1e-6)


@pytest.mark.parametrize("aggregation", ["trajectory", "sequence_mean", "token_mean"])
@pytest.mark.parametrize("name", [name for name in EVERY if not name.startswith("gdpo")])
def test_the_limit_without_listing_groups(name: str, aggregation: Any) -> None:
    settings = (ENV, POLICY, name, 3, math.inf, 1e-3, 1, aggregation)
    one, other = (exact.batch_update(*settings, route=route).mean for route in ("sums", "members"))
    np.testing.assert_allclose(other, one, rtol=1e-11, atol=1e-14)


def test_silent_prompts_without_listing_groups() -> None:
    """One reward on each prompt, several over all: nothing varies in groups, though it does between prompts."""
    content = families.bandit([("1/10",), ("1/10",)]).to_dict()
    node, prompt = content["nodes"][0], content["prompts"][0]
    other = json.loads(json.dumps({**node, "id": "other"}).replace("0.1", "0.7").replace("1/10", "7/10"))
    content["nodes"] = [node, other]
    halves = {"probability": "1/2"}
    content["prompts"] = [{**prompt, **halves}, {**prompt, **halves, "name": "two", "start": "other"}]
    env = TAMDP.from_dict(content)
    assert len(set(env.exact_class_composite)) == 2
    for name in ("reinforce_plus_plus_baseline(over=sequences)", "leave_one_out_batch", "batch_std"):
        for batch in (2, math.inf):
            found = exact.batch_update(env, TabularSoftmax(env), name, 3, batch, route="members")
            np.testing.assert_allclose(found.effective_reward, 0, atol=1e-12)
    apart = exact.batch_update(env, TabularSoftmax(env), "reinforce_plus_plus", 3, math.inf, route="members")
    np.testing.assert_allclose(np.abs(apart.effective_reward), 1)
