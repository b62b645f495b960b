"""Policies along a training run: a finite class for PAC-Bayes (theory.md section 7)."""

from dataclasses import replace

import numpy as np

from tamdp_theory.grpo.config import Config
from tamdp_theory.grpo.trainer import Seed, train
from tamdp_theory.guards import check_integer
from tamdp_theory.model import TAMDP
from tamdp_theory.policies.base import Policy


def checkpoints(env: TAMDP, policy: Policy, config: Config, every: int, seed: Seed = 0) -> tuple[Policy, ...]:
    """The policy at step 0, ``every``, 2 ``every``, .. and at the last step of one run, which is the run that ``train``
    makes, up to rounding.

    every >= 1. As a prior's support the class must come from data other than the training set that a bound is for.

    Args:
        env, policy: the process and where training begins.
        config: of training.
        every: steps between checkpoints, >= 1.
        seed: of the run.
    """
    check_integer("every", every, 1)
    generator = seed if isinstance(seed, np.random.Generator) else np.random.default_rng(seed)
    found, done = [policy], 0
    while done < config.steps:
        steps = min(every, config.steps - done)
        part = replace(config, steps=steps, record_every=steps, record_update=False, record_variance=False)
        found.append(policy.with_parameters(train(env, found[-1], part, [generator], reference=policy).parameters[0]))
        done += steps
    return tuple(found)
