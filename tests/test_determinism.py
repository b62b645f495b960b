"""The same input gives the same bits, whatever the threads of the libraries and the order of hashing."""

import hashlib
import os
import subprocess
import sys

import pytest

PROGRAM = """
import hashlib, numpy as np
from tamdp_theory import TabularSoftmax, LogLinear, Network, exact, families, grpo
digest = hashlib.sha256()
env = families.random_tree(seed=0, prompts=6, tools=2, answers=3, max_tool_depth=2)
generators = [np.random.default_rng(seed) for seed in (0, 1)]
for policy in (TabularSoftmax.random(env, generators[0]), LogLinear(env), Network(env, generator=generators[1])):
    digest.update(exact.policy_gradient(env, policy).tobytes())
    for normalization in exact.NORMALIZATIONS:
        found = exact.update_moments(env, policy, 12, normalization)
        digest.update(found.mean.tobytes() + np.float64(found.variance).tobytes())
    digest.update(exact.fisher_information(env, policy)[:40, :40].tobytes())
config = grpo.Config(mode="sampled", steps=5, record_update=True, record_variance=True)
history = grpo.train(env, TabularSoftmax(env), config, range(130))
digest.update(history.parameters.tobytes() + history.variance.tobytes() + history.total.tobytes())
print(digest.hexdigest())
"""


def run(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, env={**os.environ, **environment}, check=True
    )
    return done.stdout.strip()


def test_bits_do_not_depend_on_threads_or_hashing() -> None:
    one = run(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", PYTHONHASHSEED="1")
    assert len(one) == len(hashlib.sha256().hexdigest())
    assert run(OPENBLAS_NUM_THREADS="4", OMP_NUM_THREADS="4", PYTHONHASHSEED="2") == one


@pytest.mark.parametrize("module", ["torch", "matplotlib", "sympy", "scipy.stats", "flint", "jax", "transformers"])
def test_heavy_libraries_load_only_when_used(module: str) -> None:
    program = (
        f"import sys, tamdp_theory; from tamdp_theory import exact, families, grpo; sys.exit({module!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
