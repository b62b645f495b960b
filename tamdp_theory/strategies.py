"""Hypothesis strategies for small processes, policies and group schemes: ``@given(tamdps())`` tests a claim of your
own.

Needs hypothesis, which loads only when this module is imported. Everything shrinks towards one prompt, one node, two
answers, rewards 0 and 1, one component of weight one, the uniform policy, and centred groups of two.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st

from tamdp_theory.estimators import NORMALIZATIONS, Normalization, Scheme, resolve
from tamdp_theory.model import TAMDP
from tamdp_theory.policies import LogLinear, Network, Policy, TabularSoftmax

TableShape = Literal["two_valued", "free", "ties", "comonotone", "complementary"]
Shape = Literal["two_valued", "free", "ties", "comonotone", "complementary", "independent"]
SHAPES: tuple[Shape, ...] = ("two_valued", "free", "ties", "comonotone", "complementary", "independent")

# repeats set how often; the first is what shrinking reaches
_PARTS = (1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1000)
_WEIGHTS = (Fraction(1, 5), Fraction(3, 5), Fraction(2, 7), Fraction(1), Fraction(1, 100))
_BITS = (Fraction(0), Fraction(1))
_GRADES = (*_BITS, Fraction(1, 2), Fraction(1, 4), Fraction(1, 3))
_CHANCE = dict(
    zip(_GRADES, (Fraction(0), Fraction(1, 2), Fraction(1, 2), Fraction(3, 4), Fraction(1, 20)), strict=True)
)
_QUARTERS = sorted((n / 4 for n in range(-8, 9)), key=abs)
_MAX_DEPTH = 2
_END = -1


def distributions(size: int) -> st.SearchStrategy[list[Fraction]]:
    """``size`` >= 1 positive fractions that sum to one; some are rare, below 1/1000. Shrinks to equal ones."""
    return st.lists(st.sampled_from(_PARTS), min_size=size, max_size=size).map(_shares)


def _shares(parts: list[int]) -> list[Fraction]:
    return [Fraction(part, sum(parts)) for part in parts]


@st.composite
def weights(draw: st.DrawFn, components: int) -> list[Fraction]:
    """``components`` >= 1 weights >= 0, not all zero: equal with sum one, all one, unequal, or unequal with one zero.

    Shrinks to equal ones with sum one.
    """
    kind = draw(st.sampled_from(["equal", "unit", "equal", "unequal", "unequal", "zero"]))
    if kind in ("equal", "unit"):
        return [Fraction(1, components if kind == "equal" else 1)] * components
    found = draw(st.lists(st.sampled_from(_WEIGHTS), min_size=components, max_size=components))
    if kind == "zero" and components > 1:
        found[draw(st.integers(0, components - 1))] = Fraction(0)
    return found


@st.composite
def reward_tables(
    draw: st.DrawFn, rows: int, components: int, shape: TableShape = "two_valued"
) -> list[list[Fraction]]:
    """``rows`` reward vectors of ``components`` values in [0, 1]. Shrinks to zeros.

    shape: "two_valued" 0 or 1; "free" 0, 1, 1/2, 1/4 or 1/3; "comonotone" 0 or 1, all components equal; "complementary"
    0 or 1, component 1 (and each further one, or not) is the opposite of component 0; "ties" rotations of one or two
    vectors, so that vectors are equal often and equally weighted sums more often.
    """
    cells = draw(st.lists(_cells(components), min_size=rows, max_size=rows))
    return _table(cells, draw(_flips(components)), shape)


def _cells(components: int) -> st.SearchStrategy[list[int]]:
    """What a row of any shape is made from: as all shapes read the same draws, shrinking can pass from one to a simpler
    one.
    """
    return st.lists(st.sampled_from(range(len(_GRADES))), min_size=components, max_size=components)


def _flips(components: int) -> st.SearchStrategy[list[bool]]:
    """Which components a complementary table turns round: the second, and any after it."""
    later = max(components - 2, 0)
    return st.lists(st.booleans(), min_size=later, max_size=later).map(lambda drawn: [False, True, *drawn][:components])


def _table(cells: list[list[int]], flips: list[bool], shape: TableShape) -> list[list[Fraction]]:
    if shape == "free":
        return [[_GRADES[cell] for cell in row] for row in cells]
    if shape == "ties":
        pool = _table(cells[:2], flips, "free")
        return [_rotated(pool[row[0] % len(pool)], sum(row)) for row in cells]
    if shape == "two_valued":
        return [[Fraction(cell % 2) for cell in row] for row in cells]
    return [[Fraction((row[0] + (flip and shape == "complementary")) % 2) for flip in flips] for row in cells]


def _rotated(vector: list[Fraction], by: int) -> list[Fraction]:
    by %= len(vector)
    return vector[by:] + vector[:by]


@st.composite
def documents(
    draw: st.DrawFn,
    max_prompts: int = 2,
    max_nodes: int = 3,
    max_components: int = 3,
    shape: Shape | None = None,
    one_decision: bool = False,
) -> dict[str, Any]:
    """The content of a tamdp/1 file: trees and DAGs with stochastic tools, thinking, tool depth at most 2.

    At most ``max_prompts`` prompts of ``max_nodes`` nodes each with one to three actions, and ``max_components`` reward
    components. shape: of the rewards, as for ``reward_tables``, or "independent": the outcomes of each action are 0/1
    vectors under a product law (at most 3 components, few of them constant), often with one law for all actions; None
    draws one. one_decision: every trajectory is one decision. Shrinks to one prompt, one node, two answers and one 0/1
    component.
    """
    most = min(max_components, 3) if shape == "independent" else max_components
    # one component alone has no relation to others
    count = draw(st.integers(1 if shape in (None, "two_valued", "free") else min(most, 2), most))
    chosen = (
        draw(st.sampled_from((*SHAPES, "complementary", "independent") if count > 1 else SHAPES[:2]))
        if shape is None
        else shape
    )
    importance, flips, shared = (
        draw(weights(count)),
        draw(_flips(count)),
        draw(st.sampled_from((True, True, True, False))),
    )
    parts, nodes = [], []
    for q in range(draw(st.sampled_from(range(1, max_prompts + 1)))):
        parts.append(draw(st.sampled_from(_PARTS)))
        nodes += draw(_nodes(f"q{q}", 1 if one_decision else max_nodes, most))
    ends = [
        (action, edge) for node in nodes for action in node["actions"] for edge in action["next"] if "node" not in edge
    ]
    # read backwards: shrinking clears the first draws first, and is then left with the first component
    cells = [edge["rewards"][::-1][:count] for _, edge in ends]
    for (_, edge), rewards in zip(
        ends, _table(cells, flips, "free" if chosen == "independent" else chosen), strict=True
    ):
        edge["rewards"] = rewards
    if chosen == "independent":
        common = ends[0][1]["rewards"] if shared else None
        for action in {id(action): action for action, _ in ends}.values():
            draw(_product_law(action, common))
    depth = max(node["depth"] + any(action["kind"] == "tool" for action in node["actions"]) for node in nodes)
    return {
        "schema": "tamdp/1",
        "name": "drawn",
        "max_tool_depth": depth,
        "components": [{"name": f"r{k}", "weight": w} for k, w in enumerate(importance)],
        "prompts": [{"name": f"q{q}", "probability": p, "start": f"q{q}/0"} for q, p in enumerate(_shares(parts))],
        "nodes": nodes,
    }


def tamdps(
    max_prompts: int = 2,
    max_nodes: int = 3,
    max_components: int = 3,
    shape: Shape | None = None,
    one_decision: bool = False,
) -> st.SearchStrategy[TAMDP]:
    """Processes: ``documents`` with the same arguments, compiled.

    Args:
        max_prompts, max_nodes, max_components: largest sizes.
        shape: of the rewards; None: any.
        one_decision: every trajectory is one decision.
    """
    return documents(max_prompts, max_nodes, max_components, shape, one_decision).map(TAMDP.from_dict)


def schemes(max_group: int = 4, names: Sequence[Normalization] = NORMALIZATIONS) -> st.SearchStrategy[Scheme]:
    """Group schemes: up to ``max_group`` members, the estimators of ``names`` (any that ``estimators.named`` knows),
    eps 0, 1e-4 or 0.3, ddof 0 or 1. Shrinks to the smallest groups of the first name. InputError for an unknown name,
    or one that needs larger groups.
    """
    for name in names:
        resolve(name).check_size(max_group)
    deviation = st.sampled_from([(0.0, 0), (0.0, 1), (1e-4, 1), (0.3, 0)])
    return st.sampled_from(names).flatmap(
        lambda name: st.builds(
            lambda size, d: Scheme(size, name, *d), st.integers(resolve(name).smallest, max_group), deviation
        )
    )


@st.composite
def tabular_policies(draw: st.DrawFn, env: TAMDP) -> TabularSoftmax:
    """Tabular policies: uniform; soft, logits of at most 2; nearly deterministic, logits -s and one s with s = 8 or 30
    at each node.

    Shrinks to the uniform one.
    """
    kind = draw(st.sampled_from(["uniform", "soft", "soft", "soft", "nearly deterministic"]))
    logits = np.zeros((env.n_nodes, env.n_actions))
    if kind == "soft":
        logits[env.pair_node, env.pair_action] = _quarters(draw, env.n_pairs)
    elif kind == "nearly deterministic":
        for x, actions in enumerate(env.pair_count.tolist()):
            strength = draw(st.sampled_from([8.0, 8.0, 30.0]))
            logits[x, :actions] = -strength
            logits[x, draw(st.integers(0, actions - 1))] = strength
    return TabularSoftmax(env, logits)


@st.composite
def policies(draw: st.DrawFn, env: TAMDP) -> Policy:
    """Policies: tabular mostly; log-linear, by observation and action name or with three normal features; a small
    network.

    Shrinks to the uniform tabular one.
    """
    kind = draw(st.sampled_from(["tabular"] * 6 + ["names", "features", "network"]))
    if kind == "tabular":
        return draw(tabular_policies(env))
    if kind == "names":
        policy = LogLinear(env)
        return policy.with_parameters(_quarters(draw, policy.n_parameters))
    generator = np.random.default_rng(draw(st.integers(0, 10**6)))
    if kind == "features":
        return LogLinear(env, generator.standard_normal((env.n_pairs, 3)), generator.standard_normal(3))
    return Network(env, hidden=2, generator=generator)


def _quarters(draw: st.DrawFn, size: int) -> list[float]:
    return draw(st.lists(st.sampled_from(_QUARTERS), min_size=size, max_size=size))


@st.composite
def _nodes(draw: st.DrawFn, prompt: str, most: int, components: int) -> list[dict[str, Any]]:
    """At most ``most`` nodes of one prompt, each reachable; the rewards of terminal edges are ``_cells`` yet."""
    size, depths = draw(st.sampled_from(range(1, most + 1))), [0]
    nodes: list[dict[str, Any]] = []
    while len(nodes) < len(depths):
        x, actions = len(nodes), []
        for a in range(draw(st.sampled_from((1, 2, 3) if x else (2, 3)))):
            kind = draw(st.sampled_from(["answer", "think", "tool"]))
            kind = "answer" if depths[x] == _MAX_DEPTH and kind == "tool" else kind
            lands = depths[x] + (kind == "tool")
            parts: list[int] = []
            edges: list[dict[str, Any]] = []
            for _ in range(draw(st.sampled_from((1, 2)))):
                parts.append(draw(st.sampled_from(_PARTS)))
                fresh = [len(depths)] if len(depths) < size else []
                target = draw(
                    st.sampled_from([_END, *(y for y in range(x + 1, len(depths)) if depths[y] == lands), *fresh])
                )
                if target == len(depths):
                    depths.append(lands)
                edges.append(
                    {"rewards": draw(_cells(components))} if target == _END else {"node": f"{prompt}/{target}"}
                )
            following = [{"probability": p, **edge} for p, edge in zip(_shares(parts), edges, strict=True)]
            actions.append({"name": f"a{a}", "kind": kind, "next": following})
        # nodes of one depth look alike, so that shared parameters meet on one trajectory
        nodes.append({"id": f"{prompt}/{x}", "depth": depths[x], "observation": f"o{depths[x]}", "actions": actions})
    return nodes


@st.composite
def _product_law(draw: st.DrawFn, action: dict[str, Any], grades: list[Fraction] | None) -> None:
    """Replace an action's terminal edges by one for each possible 0/1 vector, components independent, chances by
    ``grades``.
    """
    ends = [edge for edge in action["next"] if "node" not in edge]
    chances = [_CHANCE[grade] for grade in grades or ends[0]["rewards"]]
    total = sum((edge["probability"] for edge in ends), Fraction(0))
    law = []
    for bits in product(_BITS, repeat=len(chances)):
        p = prod((chance if bit else 1 - chance for bit, chance in zip(bits, chances, strict=True)), start=total)
        law += [{"probability": p, "rewards": list(bits)}] if p else []
    # drawing the order makes many edges cost many draws: shrinking then prefers laws and shapes with fewer
    action["next"] = [edge for edge in action["next"] if "node" in edge] + draw(st.permutations(law))
