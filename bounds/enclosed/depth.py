"""The claims of claims/depth.py in rationals, square roots and balls."""

from itertools import groupby

from bounds import symbols as s
from bounds.decision import Row
from bounds.enclosed.divergence import divergence_rows
from bounds.exact_instance import ExactInstance
from tamdp_theory.model import TOOL


def runs_rows(i: ExactInstance) -> list[Row]:
    """Tool calls and runs without them, by walking every trajectory."""
    kinds = [[bool(i.env.pair_kind[pair] == TOOL) for pair in path.taken] for own in i.law.paths for path in own]
    runs = [len(list(group)) for path in kinds for is_tool, group in groupby(path) if not is_tool]
    return [{s.H: max(map(len, kinds)), s.D_tools: max(map(sum, kinds)), s.B_run: max(runs, default=0)}]


def depth_rows(i: ExactInstance) -> list[Row]:
    """T3.depth: the divergence with tool calls and runs."""
    return [{**one, **two} for one, two in zip(divergence_rows(i), runs_rows(i), strict=True)]
