"""Training: samples against exact moments, exact mode against the definition, determinism, settings."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tamdp_theory import InputError, LogLinear, Network, Policy, TabularSoftmax, exact, families, grpo
from tamdp_theory.exact.trajectories import enumerate_trajectories
from tamdp_theory.grpo import rollouts, trainer
from tamdp_theory.grpo.enumeration import enumerate_update
from tamdp_theory.grpo.rollouts import ListedSampler, WalkingSampler

ENV = families.random_tree(seed=3, prompts=3, tools=1, answers=2, max_tool_depth=1, components=2)
THINK = families.number_line(3, 3, think=True)
POLICY = TabularSoftmax.random(ENV, np.random.default_rng(0))


def one_step(config: grpo.Config, runs: int = 20_000, env: Any = ENV, policy: Policy = POLICY) -> np.ndarray:
    """Estimates g (runs, d): what one sampled step adds."""
    history = grpo.train(env, policy, replace(config, mode="sampled", steps=1, learning_rate=1.0), range(runs))
    return history.parameters - policy.parameters


@pytest.mark.parametrize("walking", [False, True])
@pytest.mark.parametrize("normalization", exact.NORMALIZATIONS)
def test_samples_have_the_exact_mean_and_variance(
    normalization: exact.Normalization, walking: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = WalkingSampler if walking else lambda env: ListedSampler(enumerate_trajectories(env))
    monkeypatch.setattr(trainer, "make_sampler", lambda env, _: make(env))
    g = one_step(grpo.Config(group_size=4, normalization=normalization))
    expected = exact.update_moments(ENV, POLICY, 4, normalization)
    error = g.std(0) / np.sqrt(len(g))
    assert (np.abs(g.mean(0) - expected.mean) <= 4.5 * error + 1e-15).all()
    squares = ((g - expected.mean) ** 2).sum(1)
    assert abs(squares.mean() - expected.variance) <= 4.5 * squares.std() / np.sqrt(len(g))


def test_a_subset_of_prompts_is_unbiased() -> None:
    g = one_step(grpo.Config(group_size=3, prompts_per_step=2))
    error = g.std(0) / np.sqrt(len(g))
    assert (
        np.abs(g.mean(0) - exact.update_moments(ENV, POLICY, 3, "sum_then_normalize").mean) <= 4.5 * error + 1e-15
    ).all()


@pytest.mark.parametrize("think_weight", [1.0, 0.5])
def test_think_weight_in_samples(think_weight: float) -> None:
    policy = TabularSoftmax.random(THINK, np.random.default_rng(1))
    g = one_step(grpo.Config(group_size=4, think_weight=think_weight), 8000, THINK, policy)
    expected = exact.update_moments(THINK, policy, 4, "sum_then_normalize", think_weight=think_weight)
    squares = ((g - expected.mean) ** 2).sum(1)
    assert abs(squares.mean() - expected.variance) <= 4.5 * squares.std() / np.sqrt(len(g))


def test_both_samplers_draw_the_law_of_trajectories() -> None:
    """Frequencies of reward classes and of pairs, per prompt, against the exact law."""
    pi = POLICY.pair_probability[:, None]
    laws = exact.reward_law(ENV, POLICY)
    for sampler in (ListedSampler(enumerate_trajectories(ENV)), WalkingSampler(ENV)):
        size = 200_000
        uniform = np.random.default_rng(0).random((sampler.uniforms, size, ENV.n_prompts, 1))
        drawn = sampler.draw(pi, np.arange(ENV.n_prompts)[:, None], uniform)
        for q, law in enumerate(laws):
            counts = np.bincount(drawn.reward_class[:, q, 0], minlength=ENV.n_classes)[ENV.prompt_classes[q]]
            assert counts.sum() == size
            np.testing.assert_allclose(counts / size, law.probability, atol=5 * 0.5 / np.sqrt(size))
        taken = drawn.flow(np.full(drawn.reward_class.shape, 1 / size))[:, 0]
        expected = exact.occupancy(ENV, POLICY) / ENV.prompt_probability[ENV.node_prompt]
        np.testing.assert_allclose(ENV.node_sum(taken[:, None])[:, 0], expected, atol=5 * 0.5 / np.sqrt(size))
        np.testing.assert_allclose(
            taken, expected[ENV.pair_node] * POLICY.pair_probability, atol=5 * 0.5 / np.sqrt(size)
        )


def test_sampler_edges_of_the_unit_interval() -> None:
    """u = 0 and u just below 1 stay within the prompt, for every prompt."""
    sampler = ListedSampler(enumerate_trajectories(ENV))
    pi = np.repeat(POLICY.pair_probability[:, None], 2, axis=1)
    uniform = np.array([0.0, np.nextafter(1.0, 0)])[None, :, None, None] * np.ones((1, 2, ENV.n_prompts, 2))
    drawn = sampler.draw(pi, np.arange(ENV.n_prompts)[:, None], uniform)
    assert (ENV.class_prompt[drawn.reward_class] == np.arange(ENV.n_prompts)[None, :, None]).all()


def test_choice_of_sampler() -> None:
    assert isinstance(rollouts.make_sampler(ENV, 64), ListedSampler)
    assert isinstance(rollouts.make_sampler(families.blackjack(), 64), WalkingSampler)


def test_a_process_too_large_to_list_trains() -> None:
    env = families.blackjack(dealer_cards=(6, 10), weights=(0, 1, 0))
    history = grpo.train(
        env,
        TabularSoftmax(env),
        grpo.Config(mode="sampled", steps=60, learning_rate=20.0, group_size=8, record_every=60),
        range(3),
    )
    assert (history.total[:, -1] > history.total[:, 0] + 0.05).all()


@pytest.mark.parametrize("companions", [[3], [3, 1, 2], [9, 8, 3], list(range(100))])
@pytest.mark.parametrize("threads", [1, 4])
def test_a_seed_has_the_same_bits_in_any_company(companions: list[int], threads: int) -> None:
    config = grpo.Config(
        mode="sampled",
        steps=12,
        inner_epochs=2,
        kl_coef=0.1,
        learning_rate=0.5,
        prompts_per_step=2,
        record_update=True,
        record_variance=True,
    )
    alone = grpo.train(ENV, POLICY, config, [3])
    together = grpo.train(ENV, POLICY, config, companions, threads=threads)
    place = companions.index(3)
    for name in ("total", "components", "gradient_norm2", "update_norm2", "drift", "variance", "parameters"):
        assert np.array_equal(getattr(alone, name)[0], getattr(together, name)[place]), name


@pytest.mark.parametrize("kind", ["log-linear", "network"])
def test_shared_parameters_too(kind: str) -> None:
    env = families.search(prompts=2, max_tool_depth=1)
    policy: Policy = LogLinear(env) if kind == "log-linear" else Network(env, 4, generator=np.random.default_rng(0))
    config = grpo.Config(mode="sampled", steps=6, learning_rate=0.5)
    alone, together = grpo.train(env, policy, config, [3]), grpo.train(env, policy, config, [1, 2, 3, 4, 5, 6, 7])
    assert np.array_equal(alone.parameters[0], together.parameters[2])
    assert np.array_equal(alone.total[0], together.total[2])


def test_generators_may_be_passed_in() -> None:
    config = grpo.Config(mode="sampled", steps=3)
    numbers = grpo.train(ENV, POLICY, config, [5]).parameters
    assert np.array_equal(numbers, grpo.train(ENV, POLICY, config, [np.random.default_rng(5)]).parameters)
    assert not np.array_equal(numbers, grpo.train(ENV, POLICY, config, [6]).parameters)


@pytest.mark.parametrize("normalization", exact.NORMALIZATIONS)
def test_exact_mode_adds_the_expected_update(normalization: exact.Normalization) -> None:
    config = grpo.Config(
        steps=3, learning_rate=0.3, group_size=3, normalization=normalization, record_update=True, record_variance=True
    )
    history = grpo.train(ENV, POLICY, config)
    policy = POLICY
    assert history.update_norm2 is not None
    for t in range(4):
        moments = exact.update_moments(ENV, policy, 3, normalization)
        gradient = exact.policy_gradient(ENV, policy)
        assert history.total[0, t] == pytest.approx(exact.values(ENV, policy).total, rel=1e-13)
        np.testing.assert_allclose(history.components[0, t], exact.values(ENV, policy).components, rtol=1e-13)
        assert history.gradient_norm2[0, t] == pytest.approx(float(gradient @ gradient), rel=1e-12)
        assert history.update_norm2[0, t] == pytest.approx(float(moments.mean @ moments.mean), rel=1e-12)
        assert history.drift[0, t] == pytest.approx(float(gradient @ moments.mean), rel=1e-12)  # type: ignore[index]
        assert history.variance[0, t] == pytest.approx(moments.variance, rel=1e-12)  # type: ignore[index]
        if t < 3:
            policy = policy.with_parameters(policy.parameters + 0.3 * moments.mean)
    np.testing.assert_allclose(history.parameters[0], policy.parameters, atol=1e-14)


def test_exact_inner_epochs_follow_the_surrogate() -> None:
    config = grpo.Config(steps=1, learning_rate=0.4, group_size=3, inner_epochs=3, clip=(0.1, 0.2), kl_coef=0.2)
    reference = TabularSoftmax(ENV)
    history = grpo.train(ENV, POLICY, config, reference=reference)
    policy = POLICY
    for _ in range(3):
        gradient = exact.surrogate(ENV, policy, POLICY, 3, config.normalization, (0.1, 0.2), 0.2, reference).gradient
        policy = policy.with_parameters(policy.parameters + 0.4 * gradient)
    np.testing.assert_allclose(history.parameters[0], policy.parameters, atol=1e-14)


def test_sampled_inner_epochs_follow_the_surrogate_on_average() -> None:
    """Second inner step, at fixed parameters after the first: mean over groups equals the exact surrogate's
    gradient.
    """
    old = POLICY
    moved = old.with_parameters(old.parameters + 0.4 * np.random.default_rng(2).standard_normal(old.n_parameters))
    paths = enumerate_trajectories(ENV)
    sampler = ListedSampler(paths)
    size = 60_000
    uniform = np.random.default_rng(1).random((1, 3, ENV.n_prompts, size))
    drawn = sampler.draw(
        np.repeat(old.pair_probability[:, None], size, axis=1), np.arange(ENV.n_prompts)[:, None], uniform
    )
    rewards = ENV.class_rewards[drawn.reward_class]
    gain = np.moveaxis(grpo.advantages(np.moveaxis(rewards, 0, -2), ENV.weights, "sum_then_normalize"), -1, 0) * (
        ENV.prompt_probability[:, None] / 3
    )
    log_ratio = (moved.pair_log_probability - old.pair_log_probability)[:, None]
    ratio = np.exp(drawn.along(np.repeat(log_ratio, size, axis=1)))
    flow = drawn.flow(trainer._clipped(gain, ratio, (0.1, 0.2)))
    flow = flow - moved.pair_probability[:, None] * ENV.spread_to_pairs(ENV.node_sum(flow))
    expected = exact.surrogate(ENV, moved, old, 3, "sum_then_normalize", (0.1, 0.2)).gradient[ENV.pair_parameter]
    assert (np.abs(flow.mean(1) - expected) <= 4.5 * flow.std(1) / np.sqrt(size) + 1e-15).all()


def test_whitening_is_trls() -> None:
    """One seed, one step: the update from the rollouts drawn, whitened by hand."""
    config = grpo.Config(
        mode="sampled",
        steps=1,
        learning_rate=1.0,
        group_size=4,
        normalization="normalize_then_sum",
        eps=1e-4,
        ddof=1,
        whiten=True,
    )
    uniform = np.random.default_rng(7).random(4 * ENV.n_prompts).reshape(1, 4, ENV.n_prompts, 1)
    drawn = ListedSampler(enumerate_trajectories(ENV)).draw(
        POLICY.pair_probability[:, None], np.arange(ENV.n_prompts)[:, None], uniform
    )
    rewards = ENV.class_rewards[drawn.reward_class[..., 0]]
    total = grpo.advantages(np.moveaxis(rewards, 0, 1), ENV.weights, "normalize_then_sum", 1e-4, 1).T
    white = (total - total.mean()) / (total.std(ddof=1) + 1e-4)
    flow = drawn.flow((white * ENV.prompt_probability / 4)[..., None])
    flow -= POLICY.pair_probability[:, None] * ENV.spread_to_pairs(ENV.node_sum(flow))
    found = grpo.train(ENV, POLICY, config, [7]).parameters[0] - POLICY.parameters
    np.testing.assert_allclose(found[ENV.pair_parameter], flow[:, 0], atol=1e-14)


@pytest.mark.parametrize("kind", ["log-linear", "network"])
@pytest.mark.parametrize("mode", ["exact", "sampled"])
def test_shared_parameters_train(kind: str, mode: Any) -> None:
    env = families.search(prompts=2, max_tool_depth=1)
    policy: Policy = LogLinear(env) if kind == "log-linear" else Network(env, 4, generator=np.random.default_rng(0))
    config = grpo.Config(
        mode=mode,
        steps=40,
        learning_rate=1.0,
        record_every=20,
        record_update=True,
        record_variance=True,
        inner_epochs=2,
        kl_coef=0.01,
    )
    history = grpo.train(env, policy, config, [0, 1])
    assert (history.total[:, -1] > history.total[:, 0] + 0.05).all()
    end = policy.with_parameters(history.parameters[0])
    assert history.total[0, -1] == pytest.approx(exact.values(env, end).total, rel=1e-12)
    assert history.variance[0, -1] == pytest.approx(
        exact.update_moments(env, end, 8, "sum_then_normalize").variance, rel=1e-10
    )  # type: ignore[index]


def test_a_large_kl_coefficient_holds_the_policy_at_the_reference() -> None:
    config = grpo.Config(mode="sampled", steps=300, learning_rate=0.2, kl_coef=20.0, record_every=300)
    reference = TabularSoftmax(ENV)
    history = grpo.train(ENV, POLICY, config, [0], reference=reference)
    start = exact.divergence(ENV, POLICY, reference).value
    assert exact.divergence(ENV, POLICY.with_parameters(history.parameters[0]), reference).value < 0.02 * start


def test_enumeration_agrees_with_the_engine() -> None:
    for scheme in (
        exact.Scheme(3, "sum_then_normalize", 1e-4, 1),
        exact.Scheme(2, "normalize_then_sum"),
        exact.Scheme(4, "center"),
    ):
        found = enumerate_update(ENV, POLICY, scheme)
        expected = exact.update_moments(
            ENV, POLICY, scheme.group_size, normalization=scheme.normalization, eps=scheme.eps, ddof=scheme.ddof
        )
        np.testing.assert_allclose(found.mean, expected.mean, atol=1e-14)
        np.testing.assert_allclose(found.prompt_variance, expected.prompt_variance, rtol=1e-11)


def test_records_are_where_they_are_asked_for() -> None:
    calls: list[int] = []
    history = grpo.train(
        ENV, POLICY, grpo.Config(mode="sampled", steps=7, record_every=3), [0, 1], progress=calls.append
    )
    assert history.step.tolist() == [0, 3, 6, 7]
    assert history.total.shape == (2, 4)
    assert history.components.shape == (2, 4, ENV.n_components)
    assert history.variance is None
    assert calls[-1] == 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": -1}, "steps"),
        ({"steps": True}, "steps"),
        ({"inner_epochs": 0}, "inner_epochs"),
        ({"record_every": 0}, "record_every"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"group_size": 1}, "group_size"),
        ({"prompts_per_step": 0}, "prompts_per_step"),
        ({"mode": "both"}, "mode"),
        ({"whiten": True}, "whiten"),
        ({"ddof": 2}, "ddof"),
    ],
)
def test_bad_settings(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        grpo.Config(**change)


def test_bad_arguments() -> None:
    sampled = grpo.Config(mode="sampled")
    with pytest.raises(InputError, match="seeds: empty"):
        grpo.train(ENV, POLICY, sampled, [])
    with pytest.raises(InputError, match="clip"):
        grpo.train(ENV, POLICY, grpo.Config(clip=(-0.1, 0.2)))
    with pytest.raises(InputError, match="kl_coef"):
        grpo.train(ENV, POLICY, grpo.Config(kl_coef=-1.0))
    with pytest.raises(InputError, match="think_weight"):
        grpo.train(ENV, POLICY, grpo.Config(think_weight=1.5))
    with pytest.raises(InputError, match="belongs to"):
        grpo.train(THINK, POLICY, sampled)
