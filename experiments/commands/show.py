"""``tamdp show``: what a process is: its nodes, its graph, and what a model would see of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.table import Table
from rich.tree import Tree

from experiments.console import console, number, plain
from experiments.graph import deal, write
from experiments.options import environment_at, process_at
from experiments.sheet import episode_sheet
from tamdp_theory import TAMDP, InputError, TabularSoftmax, exact, load_policy, storage
from tamdp_theory.model import KINDS
from tamdp_theory.numbers import show as rational

MAX_NODES = 40


@dataclass(frozen=True)
class Show:
    """Show a process: sizes, components, prompts, and its nodes as a tree; its graph; an environment's pictures, as in
    tamdp show ez_points --picture ez-points.png

    Example: tamdp show examples/search-small.json
    """

    process: Annotated[str, tyro.conf.Positional]
    """A tamdp/1 file, or the name of an environment in pictures and text."""
    all: bool = False
    """Show every node, however many."""
    graph: Path | None = None
    """Draw the process to this file (svg, png, pdf, dot or tikz): up to 60 nodes with their actions, else its steps."""
    policy: str | None = None
    """A tamdp-policy/1 file for the graph and the picture; default: the uniform policy."""
    picture: Path | None = None
    """Play an episode of an environment and draw what the model sees, and what is written, to this PNG file."""
    prompt: str | None = None
    """Name of the prompt of the picture; default: drawn."""
    seed: int = 0
    """Of the picture's episode."""

    def run(self) -> int:
        """Print, write the pictures that are asked for, and return 0."""
        environment = environment_at(self.process)
        if self.picture is not None:
            if environment is None:
                from tamdp_theory.environments import names

                raise InputError(
                    f"--picture: {self.process} is no environment, so there is nothing to see; there are "
                    f"{', '.join(names())}"
                )
            if self.picture.suffix != ".png":
                raise InputError(f"--picture: {self.picture} should end in .png")
        env = process_at(self.process) if environment is None else environment.twin
        policy = TabularSoftmax(env) if self.policy is None else load_policy(env, self.policy)
        if self.graph is not None:
            write(deal(env, policy), env.name, self.graph)
        if self.picture is not None and environment is not None:
            storage.write_atomically(self.picture, episode_sheet(environment, policy, self.prompt, self.seed))
        self._print(env)
        for name, path in (("graph", self.graph), ("picture", self.picture)):
            if path is not None:
                console().print(f"{name}: {plain(str(path))}", soft_wrap=True)
        return 0

    def _print(self, env: TAMDP) -> None:
        out = console()
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
