"""The reference suite: the processes and policies that every claim is checked on."""

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Literal

import numpy as np

from bounds import CLAIMS, Claim, Generalization, Instance, Standing
from bounds import symbols as s
from bounds.generalization import around, default_target
from bounds.instance import BUDGET
from bounds.theorem1 import component_bandit
from tamdp_theory import TAMDP, LogLinear, Network, Policy, TabularSoftmax, families
from tamdp_theory.exact import Scheme
from tamdp_theory.model import THINK

Level = Literal["quick", "standard", "full"]
_STEPS = {"quick": 100, "standard": 150, "full": 300}  # of claims about training
# runs on processes of up to 3 pairs, up to 60, and more: what intervals that are valid at any number of runs need, so
# that few checks stay undecided
_RUNS = {"quick": (256, 96, 64), "standard": (384, 128, 64), "full": (1024, 256, 128)}
_SCHEMES = (Scheme(8, "center"), Scheme(4, "sum_then_normalize"), Scheme(4, "normalize_then_sum"))


def processes(level: Level) -> dict[str, TAMDP]:
    """The processes by name: bandits, trees, tools, and RL4VLM's games."""
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


def policies(env: TAMDP, level: Level) -> dict[str, Policy]:
    """Policies by name: soft, nearly deterministic, and with shared parameters; drawn with fixed seeds."""
    found: dict[str, Policy] = {"soft": TabularSoftmax.random(env, np.random.default_rng(1), 0.7)}
    if level == "quick":
        return found
    found["sharp"] = TabularSoftmax.random(env, np.random.default_rng(2), 3.0)
    if env.n_pairs <= 400:
        linear = LogLinear(env)
        found["log-linear"] = linear.with_parameters(np.random.default_rng(3).standard_normal(linear.n_parameters))
        found["network"] = Network(env, hidden=4, generator=np.random.default_rng(4))
    return found


def instances(claim: Claim, level: Level) -> Iterable[Instance]:
    """What one claim is checked on at a level; printed claims and examples also on their stored example."""
    steps, numbers_of_runs = _STEPS[level], _RUNS[level]
    if claim.example is not None:
        yield replace(claim.example(), label=claim.example().env.name + " (stored)")
    if claim.standing is Standing.PRINTED and claim.kind == "scaling":
        for shape in ("independent", "comonotone"):
            env = component_bandit(3, shape == "comonotone", f"{shape}-components")
            for scheme in _SCHEMES:
                yield Instance(
                    env, TabularSoftmax(env), replace(scheme, group_size=4), label=f"{env.name} {scheme.normalization}"
                )
        return
    if claim.kind == "example":
        return
    if claim.kind == "scaling":
        yield from _components(claim, level)
        return
    training, generalization = claim.id.startswith("T1."), claim.id.startswith("T3.")
    if claim.standing is Standing.PRINTED:
        level = "quick"  # one violation is enough
    for env in processes(level).values():
        if training and env.n_pairs > 600:
            continue
        runs = numbers_of_runs[0 if env.n_pairs <= 3 else 1 if env.n_pairs <= 60 else 2]
        if claim.id == "T1.biased":  # a drift is seen while there is one, before training has nearly ended
            steps, runs = _STEPS["quick"], max(128, runs)
        for name, policy in policies(env, level).items():
            if (training and name != "soft") or (claim.kind == "coverage" and name not in ("soft", "log-linear")):
                continue
            for scheme in claim.schemes or _SCHEMES[:1]:
                instance = Instance(
                    env,
                    policy,
                    scheme,
                    seed=7,
                    steps=steps,
                    runs=runs,
                    label=_label(env, name, scheme, bool(claim.schemes)),
                )
                if generalization:
                    yield from _generalizations(claim, instance)
                    continue
                yield instance
                if claim.weighted and (env.pair_kind == THINK).any():
                    yield replace(instance, think_weight=0.5, label=f"{instance.label} think weight 1/2")


def _generalizations(claim: Claim, instance: Instance) -> Iterable[Instance]:
    """Eight policies around one, tens of training prompts, and a target drawn from the seed; coverage also from
    rollouts.
    """
    policy, seed = instance.policy, instance.seed
    n = 60 if instance.env.n_prompts <= 4 else 20
    setting = Generalization(
        default_target(instance.env, seed), around(policy, 8, seed), n=n, inverse_temperature=20.0, resamples=5000
    )
    yield replace(instance, generalization=setting)
    if (
        s.R_T in claim.symbols and claim.kind != "coverage"
    ):  # any posterior: here shares 1/2, 1/4, ... of the eight policies
        shares = tuple(Fraction(1, 2 ** min(j + 1, 7)) for j in range(8))
        yield replace(instance, generalization=replace(setting, posterior=shares), label=f"{instance.label} posterior")
    if claim.kind == "coverage":
        few = replace(setting, policies=setting.policies[:2], rollouts=True)
        yield replace(instance, generalization=few, label=f"{instance.label} rollouts")


def _components(claim: Claim, level: Level) -> Iterable[Instance]:
    """The variance over K and G: bandits whose scores carry no news of the reward."""
    sizes = (2, 8, 32) if level == "quick" else (2, 3, 4, 8, 16, 32, 64)
    for shape in ("independent", "comonotone"):
        for count in (1, 2, 3, 4):
            env = component_bandit(count, shape == "comonotone", f"{shape} K={count}")
            for size in sizes:
                scheme = replace(claim.schemes[0], group_size=size)
                yield Instance(env, TabularSoftmax(env), scheme, label=f"{env.name} {scheme.normalization} G={size}")


def plan(claim_ids: Iterable[str], level: Level, budget: float = BUDGET) -> list[tuple[Claim, Instance]]:
    """Every check of a verification run, in order; ``budget``: seconds that one of them may be expected to take."""
    return [
        (CLAIMS[claim_id], replace(instance, budget=budget))
        for claim_id in claim_ids
        for instance in instances(CLAIMS[claim_id], level)
    ]


def _label(env: TAMDP, policy: str, scheme: Scheme, speaks_of_groups: bool) -> str:
    text = f"{env.name} {policy}"
    if speaks_of_groups:
        text += f" {scheme.normalization} G={scheme.group_size}"
    if scheme.eps or scheme.ddof:
        text += f" eps={scheme.eps:g} ddof={scheme.ddof}"
    return text
