"""Hypothesis strategies for small processes, schemes and policies. Shrink towards one prompt, one decision, rewards 0 and 1."""

from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tamdp_theory import TAMDP, LogLinear, Network, Policy, TabularSoftmax
from tamdp_theory.exact import NORMALIZATIONS, Scheme

rewards_01 = st.sampled_from([Fraction(0), Fraction(1)])
rewards_graded = st.sampled_from([Fraction(0), Fraction(1), Fraction(1, 2), Fraction(1, 4), Fraction(1, 3)])


@st.composite
def distributions(draw: st.DrawFn, size: int) -> list[Fraction]:
    parts = draw(st.lists(st.integers(1, 5), min_size=size, max_size=size))
    return [Fraction(part, sum(parts)) for part in parts]


@st.composite
def documents(draw: st.DrawFn, max_nodes: int = 3, max_components: int = 3, two_valued: bool = False, one_decision: bool = False) -> dict[str, Any]:
    """The content of a tamdp/1 file: one or two prompts, at most ``max_nodes`` nodes each, DAGs included."""
    count = draw(st.integers(1, max_components))
    reward = st.lists(rewards_01 if two_valued else rewards_graded, min_size=count, max_size=count)
    weights = draw(st.lists(st.sampled_from([Fraction(1), Fraction(1, 5), Fraction(3, 5), Fraction(2, 7)]), min_size=count, max_size=count))
    prompts = draw(st.integers(1, 2))
    rho = draw(distributions(prompts))
    nodes: list[dict[str, Any]] = []
    for q in range(prompts):
        size = 1 if one_decision else draw(st.integers(1, max_nodes))
        depth = [0]
        for x in range(size):
            if x > 0 and len(depth) <= x:
                break
            actions = []
            for a in range(draw(st.integers(1 if x else 2, 3))):
                kind = draw(st.sampled_from(["answer", "think", "tool"]))
                kind = "answer" if kind == "tool" and depth[x] >= 2 else kind
                lands = depth[x] + (kind == "tool")
                edges: list[dict[str, Any]] = []
                for p in draw(distributions(draw(st.integers(1, 2)))):
                    later = [y for y in range(x + 1, len(depth)) if depth[y] == lands]
                    fresh = len(depth) < size
                    choice = draw(st.sampled_from(["end", "node"])) if later or fresh else "end"
                    if choice == "end":
                        edges.append({"probability": p, "rewards": draw(reward)})
                    else:
                        if fresh and (not later or draw(st.booleans())):
                            depth.append(lands)
                            later = [len(depth) - 1]
                        edges.append({"probability": p, "node": f"q{q}/{draw(st.sampled_from(later))}"})
                actions.append({"name": f"a{a}", "kind": kind, "next": edges})
            nodes.append({"id": f"q{q}/{x}", "depth": depth[x], "observation": f"o{x}", "actions": actions})
    return {
        "schema": "tamdp/1", "name": "drawn", "max_tool_depth": 2,
        "components": [{"name": f"r{k}", "weight": w} for k, w in enumerate(weights)],
        "prompts": [{"name": f"q{q}", "probability": rho[q], "start": f"q{q}/0"} for q in range(prompts)],
        "nodes": nodes,
    }  # fmt: skip


def processes(**settings: Any) -> st.SearchStrategy[TAMDP]:
    return documents(**settings).map(TAMDP.from_dict)


def schemes(max_group: int = 3) -> st.SearchStrategy[Scheme]:
    deviation = st.sampled_from([(0.0, 0), (0.0, 1), (1e-4, 1), (0.3, 0)])
    return st.tuples(st.integers(2, max_group), st.sampled_from(NORMALIZATIONS), deviation).map(lambda t: Scheme(t[0], t[1], *t[2]))


@st.composite
def tabular(draw: st.DrawFn, env: TAMDP) -> TabularSoftmax:
    """Uniform, soft or nearly deterministic."""
    scale = draw(st.sampled_from([0.0, 1.0, 4.0]))
    return TabularSoftmax.random(env, np.random.default_rng(draw(st.integers(0, 10**6))), scale)


@st.composite
def policies(draw: st.DrawFn, env: TAMDP) -> Policy:
    kind = draw(st.sampled_from(["tabular", "log-linear", "network"]))
    generator = np.random.default_rng(draw(st.integers(0, 10**6)))
    if kind == "log-linear":
        return LogLinear(env, generator.standard_normal((env.n_pairs, 3)), generator.standard_normal(3))
    if kind == "network":
        return Network(env, hidden=2, generator=generator)
    return draw(tabular(env))
