"""``tamdp show``: what is in a tamdp/1 file."""

from dataclasses import dataclass
from typing import Annotated

import tyro
from rich.table import Table
from rich.tree import Tree

from experiments.console import console, number, plain
from tamdp_theory import TAMDP, exact
from tamdp_theory.model import KINDS
from tamdp_theory.numbers import show as rational

MAX_NODES = 40


@dataclass(frozen=True)
class Show:
    """Show a process: sizes, components, prompts, and its nodes as a tree.

    Example: tamdp show examples/search-small.json
    """

    file: Annotated[str, tyro.conf.Positional]
    """A tamdp/1 file."""
    all: bool = False
    """Show every node, however many."""

    def run(self) -> int:
        """Print and return 0."""
        env, out = TAMDP.load(self.file), console()
        out.print(f"[bold]{plain(env.name)}[/]")
        sizes = Table(box=None, show_header=False, padding=(0, 2))
        for label, value in (
            ("prompts", env.n_prompts),
            ("nodes", env.n_nodes),
            ("legal actions", env.n_pairs),
            ("edges", env.n_edges),
            ("trajectories", exact.count_trajectories(env)),
            ("horizon", env.horizon),
            ("tool depth", env.max_tool_depth),
        ):
            sizes.add_row(label, f"{value:,}")
        out.print(sizes)
        best = exact.optimal_values(env)
        components = Table("component", "weight", "largest J_k", box=None, padding=(0, 2))
        for k, name in enumerate(env.component_names):
            components.add_row(plain(name), rational(env.exact_weights[k]), number(float(best.components[k])))
        out.print(components)
        out.print(f"optimal composite value J* = {number(best.total)}")
        self._print_tree(env)
        return 0

    def _print_tree(self, env: TAMDP) -> None:
        out, limit = console(), env.n_nodes if self.all else MAX_NODES
        left = limit
        shown: set[int] = set()
        for q in range(env.n_prompts):
            x = int(env.prompt_start[q])
            root = Tree(
                f"[bold]{plain(env.prompt_names[q])}[/] probability {rational(env.exact_prompt_probability[q])}"
            )
            stack = [(root, x)]
            while stack and left > 0:
                tree, x = stack.pop()
                left -= 1
                shown.add(x)
                stack.extend(reversed(self._add_node(env, tree, x, shown)))
            out.print(root)
            if left <= 0 and limit < env.n_nodes:
                out.print(f"... {MAX_NODES} of {env.n_nodes:,} nodes shown; --all shows the rest")
                return

    def _add_node(self, env: TAMDP, tree: Tree, x: int, shown: set[int]) -> list[tuple[Tree, int]]:
        found = []
        node = tree.add(
            f"[cyan]{plain(env.node_ids[x])}[/] depth {env.node_depth[x]} [dim]{plain(env.observations[x])}[/]"
        )
        for pair in range(env.pair_start[x], env.pair_start[x] + env.pair_count[x]):
            action = node.add(f"{plain(env.action_names[pair])} [dim]{KINDS[env.pair_kind[pair]]}[/]")
            for edge in range(*env.edge_pair.searchsorted([pair, pair + 1])):
                p = rational(env.numbers[env.edge_number[edge]])
                target = int(env.edge_target[edge])
                if target >= env.n_nodes:
                    rewards = ", ".join(rational(r) for r in env.exact_class_rewards[target - env.n_nodes])
                    action.add(f"{p}: rewards ({rewards})")
                elif target in shown:
                    action.add(f"{p}: to [cyan]{plain(env.node_ids[target])}[/]")
                else:
                    shown.add(target)
                    found.append((action.add(f"{p}:"), target))
        return found


COMMAND = Show
