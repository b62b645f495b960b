"""Classes of policies: along a run, and on a grid."""

import numpy as np
import pytest

from tamdp_theory import InputError, LogLinear, TabularSoftmax, families, grpo
from tamdp_theory.posteriors import parameter_grid

ENV = families.search(prompts=2, max_tool_depth=1)


@pytest.mark.parametrize("mode", ["exact", "sampled"])
@pytest.mark.parametrize("kl_coef", [0.0, 0.1])
def test_checkpoints_are_on_the_unbroken_run(mode: str, kl_coef: float) -> None:
    start = TabularSoftmax.random(ENV, np.random.default_rng(1))
    config = grpo.Config(
        mode=mode,
        steps=7,
        learning_rate=0.3,
        group_size=4,
        kl_coef=kl_coef,
        prompts_per_step=2 if mode == "sampled" else None,
    )  # type: ignore[arg-type]
    found = grpo.checkpoints(ENV, start, config, every=3, seed=5)
    assert len(found) == 4
    assert found[0] is start
    whole = [
        grpo.train(ENV, start, grpo.Config(**{**vars(config), "steps": steps}), [np.random.default_rng(5)])
        for steps in (3, 6, 7)
    ]
    for policy, history in zip(found[1:], whole, strict=True):
        np.testing.assert_allclose(policy.parameters, history.parameters[0], rtol=1e-11, atol=1e-13)


def test_a_bad_interval() -> None:
    for every in (0, -1, 1.5, True):
        with pytest.raises(InputError, match="every: must be an integer of at least 1"):
            grpo.checkpoints(ENV, TabularSoftmax(ENV), grpo.Config(steps=2), every)  # type: ignore[arg-type]


def test_grid() -> None:
    policy = LogLinear(ENV, np.eye(ENV.n_pairs)[:, :3], [7.0, 8.0, 9.0])
    found = parameter_grid(policy, (2, 0), [-1.0, 0.0])
    assert [one.parameters.tolist() for one in found] == [[-1, 8, -1], [0, 8, -1], [-1, 8, 0], [0, 8, 0]]
    for coordinates, values, place in (
        ((0, 0), [1.0], "coordinates"),
        ((3,), [1.0], "coordinates"),
        ((0,), [], "values"),
        ((0,), [np.nan], "values"),
        ((0, 1, 2), np.zeros(99), "values"),
    ):
        with pytest.raises(InputError, match=f"^{place}: "):
            parameter_grid(policy, coordinates, values)
