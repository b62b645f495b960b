"""What is measured: each function returns rows of the table and raises SystemExit where peers disagree."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial

import numpy as np

import tamdp_theory as tt
from benchmarks import jax_grpo, storm
from benchmarks.measure import Row, peak_bytes, require, seconds_of, show_seconds, timed
from tamdp_theory import exact, families, grpo
from tamdp_theory.model import Floats

MISSING = "peer missing: pip install 'tamdp-theory[bench]'"


def training(seeds: int, steps: int, repeats: int) -> list[Row]:
    """Sampled GRPO of many seeds against one jitted JAX program."""
    prompts = size = 16
    env = families.random_tree(seed=0, prompts=prompts, tools=2, answers=3, max_tool_depth=2, components=3)
    policy = tt.TabularSoftmax(env)
    config = grpo.Config(
        mode="sampled", steps=steps, group_size=size, normalization="sum_then_normalize", record_every=steps
    )
    rollouts = seeds * steps * prompts * size
    totals: list[Floats] = []
    logits: list[Floats] = []

    def ours() -> None:
        first = len(totals) * seeds
        totals.append(grpo.train(env, policy, config, seeds=range(first, first + seeds)).total[:, -1])

    def peer(program: Callable[[int], Floats]) -> None:
        logits.append(program(1 + len(logits)))

    ours()
    what = f"sampled training: {seeds} seeds x {steps} steps x {prompts} prompts x G = {size}"
    try:
        program = jax_grpo.make_program(env, seeds, steps, size, config.learning_rate)
    except ImportError:
        (engine,) = timed(ours, repeats=repeats)
        return [Row(what, f"{engine}, {rollouts / engine.best / 1e6:.1f} M rollouts/s", note=MISSING)]
    engine, jax = timed(ours, partial(peer, program), repeats=repeats)
    finals = np.array([exact.values(env, tt.TabularSoftmax(env, x)).total for table in logits for x in table])
    (mean, error), (other, others_error) = _mean_and_error(np.concatenate(totals)), _mean_and_error(finals)
    distance = abs(mean - other) / float(np.hypot(error, others_error))
    require(distance < 5, f"final J of the trainer and of JAX differ by {distance:.1f} standard errors")
    note = (
        f"mean final J {mean:.6f} +- {error:.1e} and {other:.6f} +- {others_error:.1e}: {distance:.1f} standard "
        f"errors apart"
    )
    return [
        Row(what, f"{engine}", f"JAX {jax}", jax.best / engine.best, note),
        Row(
            "  rollouts/s",
            f"{rollouts / engine.best / 1e6:.1f} M",
            f"{rollouts / jax.best / 1e6:.1f} M",
            note="by the minima",
        ),
    ]


def passes(edges: int, repeats: int) -> list[Row]:
    """Exact values and policy gradient of a large process against Storm and against the mat-vecs they consist of."""
    depth = 6
    per_prompt = 8900  # edges of one prompt at this depth, about
    env = families.random_tree(seed=0, prompts=max(1, edges // per_prompt), max_tool_depth=depth)
    policy = tt.TabularSoftmax(env)
    count, kernel, back = env.kernel.nnz, env.kernel, env.kernel.T.tocsr()
    three, one, flow = np.ones((kernel.shape[1], env.n_components)), np.ones(kernel.shape[1]), np.ones(env.n_pairs)

    def values() -> exact.Values:
        return exact.values(env, tt.TabularSoftmax(env))

    def both() -> None:
        fresh = tt.TabularSoftmax(env)
        exact.values(env, fresh)
        exact.policy_gradient(env, fresh)

    def floor() -> None:
        _ = kernel @ three, kernel @ one, back @ flow

    first = seconds_of(both)
    peak = peak_bytes(both)
    what = f"exact J_k and J, {count:,} edges, {env.n_nodes:,} nodes"
    peer_build, check = 0.0, None
    try:
        matrix = storm.chain(env, policy)
        models: list[object] = []
        peer_build = seconds_of(lambda: models.append(storm.build(env, matrix)))
        check = storm.checker(models[0])
    except ImportError:
        pass
    value, gradient, bound, *rest = timed(values, both, floor, *([check] if check else []), repeats=repeats)
    copied = np.ones(1 << 24)
    copy = timed(lambda: copied.copy(), repeats=3)[0].best
    bandwidth, touched = 2 * copied.nbytes / copy, 3 * count * (8 + kernel.indices.itemsize)
    rows = [Row(what, f"{value}", note=MISSING)]
    if check:
        difference = float(np.abs(values().per_prompt @ env.weights - storm.per_prompt(env, check())).max())
        require(difference < 1e-9, f"values differ from Storm's by {difference:.1e}")
        note = (
            f"ours: K + 1 objectives; Storm: J alone, without the {show_seconds(peer_build)} to build its model; "
            f"largest difference {difference:.0e}"
        )
        rows = [Row(what, f"{value}", f"Storm {rest[0]}", rest[0].best / value.best, note)]
    return [
        *rows,
        Row(
            "  J_k, J and policy gradient",
            f"{gradient}",
            f"3 mat-vecs {bound}",
            bound.best / gradient.best,
            f"{count / gradient.best / 1e6:.0f} M edges/s; peak {peak / 2**20:.0f} MiB; first call "
            f"{show_seconds(first)}",
        ),
        Row(
            "  memory traffic of the kernel alone",
            f"{touched / 2**20:.0f} MiB",
            f"at copy speed {show_seconds(touched / bandwidth)}",
            touched / bandwidth / gradient.best,
            f"three passes over the edges; copy {bandwidth / 1e9:.1f} GB/s",
        ),
    ]


def moments(prompts: int, size: int, samples: int, repeats: int) -> list[Row]:
    """Exact update moments against Monte Carlo with our own sampler, extrapolated to equal error.

    The estimate is the mean of ||g - m||^2 over independent sampled updates g, with m given: kinder than Monte Carlo
    deserves.
    """
    env = families.random_tree(seed=0, prompts=prompts, max_tool_depth=2, weights=("1/5", "3/5", "1/5"))
    policy = tt.TabularSoftmax.random(env, np.random.default_rng(0))
    rows = []
    for normalization in exact.NORMALIZATIONS:
        (timing,) = timed(lambda n=normalization: exact.update_moments(env, policy, size, n), repeats=repeats)  # type: ignore[misc]
        result = exact.update_moments(env, policy, size, normalization)
        one = grpo.Config(mode="sampled", steps=1, group_size=size, normalization=normalization, learning_rate=1.0)
        drawn = grpo.train(env, policy, one, seeds=range(samples)).parameters - policy.parameters
        square = ((drawn - result.mean) ** 2).sum(axis=1)
        mean, error = _mean_and_error(square)
        distance = abs(mean - result.variance) / error
        require(distance < 5, f"sampled V of {normalization} is {distance:.1f} standard errors from the exact one")
        spread = float(square.std(ddof=1)) / result.variance
        steps = 10
        long = grpo.Config(
            mode="sampled", steps=steps, group_size=size, normalization=normalization, record_every=steps
        )
        speed = 256 * steps / timed(partial(grpo.train, env, policy, long, seeds=range(256)), repeats=2)[0].best
        needed = {target: (spread / target) ** 2 for target in (1e-3, 1e-10)}
        cost = "; ".join(f"{e:.0e}: {n:.1e} updates, {show_seconds(n / speed)}" for e, n in needed.items())
        rows.append(
            Row(
                f"update moments, {prompts} prompts, G = {size}, {normalization}",
                f"{timing}",
                f"Monte Carlo {cost}",
                needed[1e-3] / speed / timing.best,
                f"extrapolated from {samples} sampled updates: V off by {distance:.1f} standard errors, spread of one "
                f"draw "
                f"{spread:.2g} V; {speed * prompts * size / 1e6:.1f} M rollouts/s; ratio at 1e-3",
            )
        )
    return rows


def groups(size: int, repeats: int) -> list[Row]:
    """Group moments whose composites share no grid, against Monte Carlo, extrapolated to equal error."""
    generator = np.random.default_rng(0)
    count = 6
    rewards, probability = generator.random((count, 2)).round(9), generator.dirichlet(np.ones(count))
    weights = np.array([0.618033989, 0.381966011])
    composite = rewards @ weights

    def ours() -> tuple[Floats, ...]:
        result = exact.group_moments(probability, rewards, weights, size, "sum_then_normalize")
        return result.first, result.positive, result.second, result.cross

    (timing,) = timed(ours, repeats=repeats)
    samples = 50_000
    members = generator.choice(count, size=(samples, size), p=probability)

    def draw() -> Floats:
        return grpo.advantages(rewards[members], weights, "sum_then_normalize")

    speed = samples / timed(draw, repeats=3)[0].best
    value = (draw() * composite[members]).mean(axis=1)
    exactly = float((probability * ours()[0] * composite).sum())
    mean, error = _mean_and_error(value)
    distance = abs(mean - exactly) / error
    require(distance < 5, f"sampled E[A c] is {distance:.1f} standard errors from the exact one")
    needed = {target: (float(value.std(ddof=1)) / exactly / target) ** 2 for target in (1e-3, 1e-10)}
    cost = "; ".join(f"{e:.0e}: {n:.1e} groups, {show_seconds(n / speed)}" for e, n in needed.items())
    note = (
        f"h, h+, a, b; peer estimates E[A c] alone, extrapolated from {samples} groups, off by {distance:.1f} "
        f"standard errors"
    )
    what = f"group moments without a grid: {count} classes, G = {size}"
    return [Row(what, f"{timing}", f"Monte Carlo {cost}", needed[1e-3] / speed / timing.best, note + "; ratio at 1e-3")]


def imports(repeats: int) -> list[Row]:
    """Import time in a fresh interpreter, beside its dependencies alone."""

    def run(modules: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, "-c", f"import {modules}"], check=True)

    bare, base, ours = timed(
        run("sys"), run("numpy, scipy.sparse, msgspec"), run("tamdp_theory"), repeats=max(repeats, 3)
    )
    note = f"whole process; the bare interpreter alone {bare}"
    return [Row("import tamdp_theory", f"{ours}", f"its dependencies alone {base}", base.best / ours.best, note)]


def _mean_and_error(sample: Floats) -> tuple[float, float]:
    return float(sample.mean()), float(sample.std(ddof=1) / np.sqrt(len(sample)))
