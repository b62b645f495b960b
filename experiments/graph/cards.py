"""What a process's graph shows: a card for every node, or for every step if the nodes are too many to read."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tamdp_theory import TAMDP, Policy, exact
from tamdp_theory.exact.passes import backward
from tamdp_theory.model import Floats

MAX_CARDS = 60
MAX_ROWS = 9  # of a card; further actions are summed up
MAX_STEPS = 4  # that a step's card names as next; further ones are summed up


@dataclass(frozen=True)
class Branch:
    """A card that an action may lead to. ``flow``: probability of getting there this way, over trajectories."""

    target: int
    flow: float
    label: str = ""


@dataclass(frozen=True)
class Row:
    """A line of a card: a text, and where it leads."""

    text: str
    branches: tuple[Branch, ...] = ()


@dataclass(frozen=True)
class Card:
    """A box of the graph. layer: from 0, the longest way that leads here; flow: probability of being here."""

    title: str
    layer: int
    flow: float
    rows: tuple[Row, ...]


def deal(env: TAMDP, policy: Policy) -> tuple[Card, ...]:
    """Cards with probabilities and values under a policy: of each node up to ``MAX_CARDS``, else of each step."""
    pi, visits = policy.pair_probability, exact.occupancy(env, policy)
    value = backward(env, pi[:, None], env.class_composite[:, None, None])[0][:, 0, 0]
    if env.n_nodes <= MAX_CARDS:
        return tuple(_node(env, x, layer, pi, visits, value) for x, layer in enumerate(env.node_rank.tolist()))
    return _steps(env, pi, visits, value)


# -- a card for each node -----------------------------------------------------------------------------------------


def _node(env: TAMDP, x: int, layer: int, pi: Floats, visits: Floats, value: Floats) -> Card:
    prompt = env.prompt_names[env.node_prompt[x]]
    name = env.node_ids[x].removeprefix(f"{prompt}/")
    chance = f"  ρ = {_exact(env.exact_prompt_probability[env.node_prompt[x]])}" if name == prompt else ""
    alike: dict[tuple[tuple[Fraction, int], ...], list[int]] = {}  # actions with the same outcomes share a line
    for pair in range(env.pair_start[x], env.pair_start[x] + env.pair_count[x]):
        alike.setdefault(_edges(env, pair), []).append(pair)
    groups = sorted(alike.values(), key=lambda pairs: -float(pi[pairs].sum()))
    shown = groups[:MAX_ROWS] if len(groups) > MAX_ROWS + 1 else groups
    rows = [Row(f"V = {_number(value[x])}{chance}")]
    for pairs in sorted(shown):
        share = float(pi[pairs].sum())
        names = _short(" ".join(env.action_names[pair] for pair in pairs), 24)
        rows.append(
            Row(f"{names}  π {_number(share)}{_ends(env, pairs[0])}", _branches(env, pairs[0], visits[x] * share))
        )
    if rest := [pair for pairs in groups if pairs not in shown for pair in pairs]:
        reached: dict[int, float] = {}
        for pair in rest:
            for branch in _branches(env, pair, visits[x] * pi[pair]):
                reached[branch.target] = reached.get(branch.target, 0.0) + branch.flow
        more = tuple(Branch(target, flow) for target, flow in reached.items())
        rows.append(Row(f"{len(rest)} more  π {_number(float(pi[rest].sum()))}", more))
    return Card(_short(name, 30), layer, float(visits[x]), tuple(rows))


def _edges(env: TAMDP, pair: int) -> tuple[tuple[Fraction, int], ...]:
    first, last = env.edge_pair.searchsorted([pair, pair + 1])
    return tuple((env.numbers[env.edge_number[e]], int(env.edge_target[e])) for e in range(first, last))


def _branches(env: TAMDP, pair: int, flow: float) -> tuple[Branch, ...]:
    return tuple(
        Branch(target, flow * float(p), "" if p == 1 else _exact(p))
        for p, target in _edges(env, pair)
        if target < env.n_nodes
    )


def _ends(env: TAMDP, pair: int) -> str:
    """How an action may end: rewards, each with its probability."""
    ends = [
        (p, env.exact_class_rewards[target - env.n_nodes]) for p, target in _edges(env, pair) if target >= env.n_nodes
    ]
    texts = [f"{'' if p == 1 else f'{_exact(p)}: '}({', '.join(map(_exact, rewards))})" for p, rewards in ends[:2]]
    return f"  → {'  '.join(texts)}{'  …' if len(ends) > 2 else ''}" if ends else ""


# -- a card for each step -----------------------------------------------------------------------------------------


def _steps(env: TAMDP, pi: Floats, visits: Floats, value: Floats) -> tuple[Card, ...]:
    layer, taken = env.node_rank, visits[env.pair_node] * pi
    count = int(layer.max()) + 1
    flow = taken[env.edge_pair] * np.array([float(number) for number in env.numbers])[env.edge_number]
    source, inside = layer[env.pair_node[env.edge_pair]], env.edge_target < env.n_nodes
    target = np.where(inside, layer[np.where(inside, env.edge_target, 0)], -1)
    cards = []
    for step in range(count):
        here = layer == step
        mass = float(visits[here].sum())
        rows = [Row(f"{_count(int(here.sum()), 'node')}, {_count(int(here[env.pair_node].sum()), 'action')}")]
        rows.append(Row(f"reached {_number(mass)}"))
        if mass > 0:
            rows.append(Row(f"mean V = {_number(float(visits[here] @ value[here]) / mass)}"))
        own = source == step
        onward = {after: float(flow[own & inside & (target == after)].sum()) for after in range(step + 1, count)}
        found = sorted((after for after in onward if onward[after] > 0), key=lambda after: -onward[after])
        rows += [
            Row(f"to step {k + 1}: {_number(onward[k])}", (Branch(k, onward[k]),)) for k in sorted(found[:MAX_STEPS])
        ]
        if rest := found[MAX_STEPS:]:
            share = sum(onward[after] for after in rest)
            rows.append(
                Row(f"to {_count(len(rest), 'step')} more: {_number(share)}", tuple(Branch(k, onward[k]) for k in rest))
            )
        ends = own & ~inside
        if ends.any():
            share = float(flow[ends].sum())
            pay = float(flow[ends] @ env.class_composite[env.edge_target[ends] - env.n_nodes])
            rows.append(Row(f"ends: {_number(share)}" + (f", mean c = {_number(pay / share)}" if share > 0 else "")))
        cards.append(Card(f"step {step + 1}", step, mass, tuple(rows)))
    return tuple(cards)


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _exact(value: Fraction) -> str:
    """A fraction as it is, if it is short."""
    return str(value) if value.denominator < 1000 else _number(float(value))


def _number(value: float) -> str:
    """Three digits, without a zero before the point."""
    text = f"{value:.3g}"
    return text[1:] if text.startswith("0.") else text


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def widths(cards: Sequence[Card]) -> list[int]:
    """Characters of each card's longest line."""
    return [max(len(card.title), *(len(row.text) for row in card.rows)) for card in cards]
