"""One-decision processes: multi-armed bandits with vector rewards.

A prompt is one node at depth 0 and an arm is an answer action, so H = 1 and D = 0: GRPO in its smallest form, where
every quantity has a formula of its own. Source: the examples of theory.md (T1.drift, T2.lossless, T2.cancel) and the
softmax bandit of Mei et al. (2020).

Facts, with arm a of mean composite c(a) and pi the policy at a prompt:
    J = sum_a pi(a) c(a),   J* = max_a c(a),   dJ/dtheta_a = pi(a) (c(a) - J),   E||s||^2 = 1 - sum_a pi(a)^2.
    ``drift``: at pi = (1/2, 1/2) the gradient is (3/80, -3/80), while the expected ``sum_then_normalize`` update for
        G = 2 is (-1/20, 1/20): the expected step lowers J (T1.drift).
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, TypeAlias

from tamdp_theory.document import Action, Edge, Node
from tamdp_theory.errors import InputError
from tamdp_theory.families._build import Number, document, probability, sequence, uniform
from tamdp_theory.model import TAMDP
from tamdp_theory.numbers import fraction, show

Rewards: TypeAlias = Number | Sequence[Number]
Arm: TypeAlias = Rewards | Sequence[tuple[Number, Rewards]]


def bandit(arms: Sequence[Arm], weights: Sequence[Number] | None = None, name: str = "bandit") -> TAMDP:
    """Return a bandit with one prompt.

    arms: at least one. An arm is a reward vector (K,) in [0, 1], or a sequence of (probability, reward vector) pairs
    with probabilities in (0, 1] that sum to one; where K = 1 a reward vector may be a bare number. weights: (K,) >= 0,
    not all zero; default 1/K each.

    >>> bandit([(1, 0), [("2/5", (1, 1)), ("3/5", (0, 1))]]).n_actions
    2

    Raises InputError naming the arm. Facts: see the module.
    """
    return contextual([arms], weights=weights, name=name)


def contextual(
    prompts: Sequence[Sequence[Arm]],
    prompt_probability: Sequence[Number] | None = None,
    weights: Sequence[Number] | None = None,
    name: str = "contextual-bandit",
) -> TAMDP:
    """Return a bandit with several prompts, each with arms of its own (``bandit`` says what an arm is).

    prompt_probability: (N,) in (0, 1], sums to one; default 1/N each. Raises InputError naming prompt and arm.
    Facts: J is the mean of the prompts' values, and no policy parameter is shared between prompts.
    """
    groups = sequence(prompts, "prompts")
    if not groups:
        raise InputError("prompts: empty; give at least one sequence of arms")
    places = ["arms" if len(groups) == 1 else f"prompts[{q}]" for q in range(len(groups))]
    tables = [
        [_arm(arm, f"{place}[{a}]") for a, arm in enumerate(sequence(arms, place))]
        for arms, place in zip(groups, places, strict=True)
    ]
    for table, place in zip(tables, places, strict=True):
        if not table:
            raise InputError(f"{place}: empty; a prompt needs at least one arm")
    n_components = len(tables[0][0][0][1])
    for table, place in zip(tables, places, strict=True):
        for a, arm in enumerate(table):
            for _, rewards in arm:
                if len(rewards) != n_components:
                    raise InputError(f"{place}[{a}]: {len(rewards)} rewards, but the first arm has {n_components}")
    names = [f"q{q}" for q in range(len(tables))]
    nodes = [
        Node(
            id=prompt,
            depth=0,
            observation=prompt,
            actions=[
                Action(name=f"arm{a}", kind="answer", next=[Edge(probability=p, rewards=rewards) for p, rewards in arm])
                for a, arm in enumerate(table)
            ],
        )
        for prompt, table in zip(names, tables, strict=True)
    ]
    rho = uniform(names)
    if prompt_probability is not None:
        values = sequence(prompt_probability, "prompt_probability")
        if len(values) != len(names):
            raise InputError(f"prompt_probability: {len(values)} given for {len(names)} prompts")
        given = [probability(p, f"prompt_probability[{q}]", positive=True) for q, p in enumerate(values)]
        rho = list(zip(names, given, strict=True))
    default = [Fraction(1, n_components)] * n_components
    components = ["reward"] if n_components == 1 else [f"reward{k}" for k in range(n_components)]
    return document(name, 0, components, weights=default if weights is None else weights, prompts=rho, nodes=nodes)


def drift() -> TAMDP:
    """Return the example of T1.drift: a risky arm (1 with probability 2/5, else 0) and a safe one (1/4).

    Facts: at the uniform policy, G = 2: gradient (3/80, -3/80), expected update (-1/20, 1/20), product -3/800.
    """
    risky = [(Fraction(2, 5), 1), (Fraction(3, 5), 0)]
    return bandit([risky, Fraction(1, 4)], name="bandit-drift")


def _arm(arm: Any, place: str) -> list[tuple[Fraction, tuple[Fraction, ...]]]:
    if not _is_distribution(arm):
        return [(Fraction(1), _rewards(arm, place))]
    outcomes = []
    for i, item in enumerate(arm):
        pair = sequence(item, f"{place}[{i}]")
        if len(pair) != 2:
            raise InputError(f"{place}[{i}]: expected a (probability, rewards) pair, got {item!r}")
        outcomes.append(
            (probability(pair[0], f"{place}[{i}][0]", positive=True), _rewards(pair[1], f"{place}[{i}][1]"))
        )
    total = sum((p for p, _ in outcomes), Fraction(0))
    if abs(total - 1) > Fraction(1, 10**9):
        raise InputError(f"{place}: probabilities sum to {show(total)}, not 1")
    return outcomes


def _is_distribution(arm: Any) -> bool:
    return isinstance(arm, Sequence) and not isinstance(arm, str) and any(isinstance(x, list | tuple) for x in arm)


def _rewards(value: Any, place: str) -> tuple[Fraction, ...]:
    items = sequence(value, place) if isinstance(value, list | tuple) else [value]
    if not items:
        raise InputError(f"{place}: empty; give at least one reward")
    numbers = tuple(fraction(item, f"{place}[{k}]") for k, item in enumerate(items))
    for k, number in enumerate(numbers):
        if not 0 <= number <= 1:
            raise InputError(f"{place}[{k}]: reward {show(number)} is outside [0, 1]; rescale the component")
    return numbers
