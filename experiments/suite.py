"""The reference suite: the processes and policies that every claim is checked on."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Literal

import numpy as np

from bounds import CLAIMS, Claim, Instance
from bounds.instance import BUDGET
from bounds.suite import Suite, with_example
from tamdp_theory import TAMDP, LogLinear, Network, Policy, TabularSoftmax, environments, families

Level = Literal["quick", "standard", "full"]
_STEPS = {"quick": 100, "standard": 150, "full": 300}  # of claims about training
# runs on processes of up to 3 pairs, up to 60, and more: what intervals that are valid at any number of runs need, so
# that few checks stay undecided
_RUNS = {"quick": (512, 160, 96), "standard": (768, 128, 96), "full": (1024, 256, 128)}


def processes(level: Level) -> dict[str, TAMDP]:
    """The processes by name: bandits, trees, tools, and the games and tasks of the environments."""
    found = [
        families.drift_bandit(),
        families.bandit([["0"], ["1/3"], ["1"]], name="three-arms"),
        families.random_tree(seed=1, prompts=2, tools=1, answers=2, max_tool_depth=1, components=3, name="small-tree"),
        families.search(prompts=2, max_tool_depth=1, name="search"),
        families.number_line(size=3, max_steps=3, name="number-line"),
        families.number_line(size=3, max_steps=1, think=True, name="one-thought"),
    ]
    if level != "quick":
        found += [
            families.random_tree(seed=2, prompts=4, tools=2, answers=3, max_tool_depth=2, components=3, name="tree"),
            families.random_tree(
                seed=3, prompts=3, tools=1, answers=3, max_tool_depth=2, components=2, levels=5, name="graded-tree"
            ),
            families.coding(prompts=3, max_tool_depth=2, name="coding"),
            families.number_line(size=3, max_steps=3, think=True, name="number-line-think"),
            families.blackjack(dealer_cards=(6, 10), hands=((12, False), (16, False), (18, True)), name="blackjack"),
        ]
        found += _environments()
    if level == "full":
        found += [
            families.number_line(name="number-line-full"),
            families.search(prompts=6, max_tool_depth=3, name="search-deep"),
            *(
                families.random_tree(
                    seed=seed, prompts=3, tools=2, answers=2, max_tool_depth=2, components=4, name=f"tree-{seed}"
                )
                for seed in range(10, 16)
            ),
        ]
    return {env.name: env for env in found}


@cache
def _environments() -> tuple[TAMDP, ...]:
    """A small instance of each environment that is not there as a family of its own, with one policy each."""
    return (
        families.ez_points([(6, 6)], name="ez-points"),
        families.points24([(6, 6, 6, 6)], 4, name="points24"),
        families.household(["apple in fridge"], 4, name="household"),
        environments.Search(1, 1).twin,
        environments.Coding(1, 0, pixels=32).twin,
        environments.ImageRepair(1, 1, pixels=32).twin,
    )


def policies(env: TAMDP, level: Level) -> dict[str, Policy]:
    """Policies by name: soft, nearly deterministic, and with shared parameters; drawn with fixed seeds."""
    found: dict[str, Policy] = {"soft": TabularSoftmax.random(env, np.random.default_rng(1), 0.7)}
    if level == "quick" or env.name in {one.name for one in _environments()}:
        return found
    found["sharp"] = TabularSoftmax.random(env, np.random.default_rng(2), 3.0)
    if env.n_pairs <= 400:
        linear = LogLinear(env)
        found["log-linear"] = linear.with_parameters(np.random.default_rng(3).standard_normal(linear.n_parameters))
        found["network"] = Network(env, hidden=4, generator=np.random.default_rng(4))
    return found


def suite(level: Level) -> Suite:
    """Processes, policies, training and group sizes of a level."""
    chosen = tuple(processes(level).values())
    return Suite(
        processes=chosen,
        policies={env.name: policies(env, level) for env in chosen},
        steps=_STEPS[level],
        runs=_RUNS[level],
        sizes=(2, 8, 32) if level == "quick" else (2, 3, 4, 8, 16, 32, 64),
        quick=None if level == "quick" else suite("quick"),
    )


def plan(claim_ids: Iterable[str], level: Level, budget: float = BUDGET) -> list[tuple[Claim, Instance]]:
    """Every check of a verification run, in order; ``budget``: seconds that one of them may be expected to take."""
    whole = suite(level)
    return [
        (CLAIMS[claim_id], replace(instance, budget=budget))
        for claim_id in claim_ids
        for instance in with_example(CLAIMS[claim_id], whole)
    ]
