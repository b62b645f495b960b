"""What tool depth says about horizon and divergence (T3.depth)."""

from dataclasses import replace

import numpy as np
import sympy as sp

from bounds import cost
from bounds import symbols as s
from bounds.claim import Claim
from bounds.claims.assumptions import LISTABLE
from bounds.claims.divergence import chain_bound
from bounds.comparison import Measured
from bounds.enclosed import depth as enclosed
from bounds.instance import Instance
from bounds.pac_bayes.formulas import BY_DEPTH, HORIZON
from bounds.suite import each
from bounds.verdicts import Standing
from tamdp_theory import TAMDP
from tamdp_theory.model import TOOL


def tool_runs(env: TAMDP) -> tuple[int, int]:
    """(D, B): most tool calls in a trajectory, and most decisions in a row that call no tool."""
    calls = env.pair_kind == TOOL
    depth = int(env.node_depth[env.pair_node[calls]].max()) + 1 if calls.any() else 0
    inside = env.edge_target < env.n_nodes
    source = env.node_rank[env.pair_node[env.edge_pair]]
    run, longest = np.zeros(env.n_nodes, dtype=np.int64), 0
    for rank, level in enumerate(env.levels):
        after = np.where(calls, 0, run[env.pair_node] + 1)
        longest = max(longest, int(after[level.pairs].max()))
        edges = np.flatnonzero(inside & (source == rank))
        np.maximum.at(run, env.edge_target[edges], after[env.edge_pair[edges]])
    return depth, longest


def _depth(instance: Instance) -> Measured:
    measured, (depth, run) = chain_bound(instance), tool_runs(instance.env)
    if not measured.numbers:
        return measured
    # one node, and as many decisions as calls and runs allow
    attained = bool(measured.attained) and instance.env.horizon == depth + (depth + 1) * run
    return replace(measured, numbers={**measured.numbers, s.D_tools: depth, s.B_run: run}, attained=attained)


def _horizon(instance: Instance) -> Measured:
    depth, run = tool_runs(instance.env)
    longest = depth + (depth + 1) * run
    return Measured(
        numbers={s.H: instance.env.horizon, s.D_tools: depth, s.B_run: run}, attained=instance.env.horizon == longest
    )


CLAIMS = (
    Claim(
        id="T3.depth.horizon",
        title="Tool depth bounds the horizon",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.H, HORIZON),
        measure=_horizon,
        reference="docs/theory.md",
        proof="D calls cut a trajectory into at most D + 1 runs. Depth alone bounds nothing: without calls H = B.",
        weighted=True,
        enclose=enclosed.runs_rows,
        cost=cost.nothing,
        instances=each,
        figure="depth",
    ),
    Claim(
        id="T3.depth",
        title="Trajectory divergence over tool depth",
        standing=Standing.PROVED,
        kind="inequality",
        statement=sp.Le(s.kl, BY_DEPTH),
        measure=_depth,
        reference="docs/theory.md",
        assumptions=(LISTABLE,),
        proof="L1 with T3.depth.horizon. Between policies, not between distributions over policies.",
        depends_on=("L1.bound", "T3.depth.horizon"),
        weighted=True,
        enclose=enclosed.depth_rows,
        cost=cost.passes,
        instances=each,
        needs_reference=True,
        figure="depth",
    ),
)
