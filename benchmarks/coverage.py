"""Coverage of a PAC-Bayes bound on drawn training sets, against one set at a time in numpy and against the product it
consists of.
"""

import math

import numpy as np

import tamdp_theory as tt
from benchmarks.measure import Row, peak_bytes, require, show_seconds, timed
from bounds import symbols as s
from bounds.claims.coverage import EVENTS
from bounds.pac_bayes.coverage import Coverage, Learner, draw_prompts, exact_atoms, resampled_coverage
from tamdp_theory import families
from tamdp_theory.model import Floats


def coverage(sets: int, repeats: int) -> list[Row]:
    """``sets`` training sets of 64 prompts and 32 policies in one batch run; the loop takes a hundredth of them and is
    extrapolated.
    """
    prompts, count, n, delta, beta = 64, 32, 64, 0.05, 200.0
    env = families.random_tree(seed=0, prompts=prompts, tools=2, answers=3, max_tool_depth=1, components=2)
    class_ = tuple(tt.TabularSoftmax.random(env, np.random.default_rng(seed), scale=3.0) for seed in range(count))
    atoms, prior = exact_atoms(env, class_), np.full(count, 1 / count)
    learner = Learner(prior, beta, *EVENTS["T3.kl"], {s.n: float(n), s.delta: delta})
    sample = max(1, sets // 100)

    def ours(size: int = sets) -> Coverage:
        return resampled_coverage(draw_prompts(atoms, n, size, np.random.default_rng(0)), atoms.risk, learner)

    def loop() -> Floats:
        generator, totals = np.random.default_rng(0), np.zeros(4)
        right = math.log(2 * math.sqrt(n) / delta) / n
        for _ in range(sample):
            empirical = atoms.loss @ generator.multinomial(n, atoms.probability) / n
            mass = prior * np.exp(-beta * (empirical - empirical.min()))
            posterior = mass / mass.sum()
            kl = float((posterior * np.log(np.maximum(posterior, 1e-300) / prior)).sum())
            p, q = float(posterior @ empirical), float(posterior @ atoms.risk)
            left = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
            totals += np.array([left > kl / n + right, kl, p, q]) / sample
        return totals

    drawn = np.random.default_rng(0).multinomial(n, atoms.probability, size=sets)
    counts, loss = drawn.astype(np.float64), np.ascontiguousarray(atoms.loss.T)

    def product() -> Floats:
        result: Floats = counts @ loss
        return result

    def draw() -> object:
        return np.random.default_rng(0).multinomial(n, atoms.probability, size=sets)

    found, means = ours(sample), loop()
    in_batch = [found.failure, found.kl, found.empirical, found.risk]
    require(
        np.allclose(in_batch, means, rtol=1e-9, atol=1e-12),
        f"failures, KL and risks differ: {in_batch} in a batch, {means.tolist()} one by one",
    )
    batch, single, floor, drawing = timed(ours, loop, product, draw, repeats=repeats)
    each = single.best / sample * sets
    # counts written, read, made float, read; empirical risks and posteriors written and read a few times
    moved = 8 * sets * (4 * prompts + 2 * 6 * count)
    least = 8 * sets * (prompts + count)
    peak, whole = peak_bytes(ours), ours()
    return [
        Row(
            f"coverage, {sets:,} training sets of {n}, {prompts} prompts, {count} policies",
            f"{batch}",
            f"one by one {show_seconds(each)}",
            each / batch.best,
            f"loop over {sample:,} sets, extrapolated, without the inverted bound; same mean KL and risks; "
            f"{sets / batch.best / 1e6:.2f} M sets/s, "
            f"peak {peak / 2**20:.0f} MiB; mean bound {whole.bound:.3g}, risk {whole.risk:.3g}, KL {whole.kl:.3g}",
        ),
        Row(
            "  its product counts x losses alone",
            f"{batch}",
            f"mat-mat {floor}",
            floor.best / batch.best,
            f"{moved / 2**20:.0f} MiB moved, about; the product needs {least / 2**20:.0f} MiB; drawing alone {drawing}",
        ),
    ]
