"""Processes and policies for tests of coverage."""

import itertools

import numpy as np

from bounds.pac_bayes.coverage import Atoms
from tamdp_theory import TabularSoftmax, families

# every way to be wrong on four of eight equally likely prompts: some policy is right on all of four examples
WRONG = np.array([[float(q in chosen) for q in range(8)] for chosen in itertools.combinations(range(8), 4)])


MANY = Atoms(np.full(8, 1 / 8), WRONG, WRONG.mean(1))


TASK = families.contextual_bandit(
    [[[("1/4", (1, 0)), ("3/4", (0, 1))], (1, 1)], [(0, 0), (1, "1/2")], [(0, 1), ("1/3", 0)]],
    prompt_probability=("1/6", "1/3", "1/2"),
    weights=("2/3", "1/3"),
)


TRIO = tuple(TabularSoftmax.random(TASK, np.random.default_rng(seed)) for seed in range(3))
