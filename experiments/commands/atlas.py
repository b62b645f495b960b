"""``tamdp atlas``: what every estimator optimises and distorts."""

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from rich.table import Table

from experiments import atlas, batch_atlas
from experiments.console import console, plain, progress_bar, write_json
from tamdp_theory import InputError, storage
from tamdp_theory.estimators import BatchScheme
from tamdp_theory.guards import check_integer

HEAD = ("estimator", "objective", "hard / even", "can lower J", "silent", "variance", "used by")


@dataclass(frozen=True)
class Atlas:
    """Does an estimator optimise anything, what, and what does it distort? Exact numbers for all of them.

    objective: what the expected update is the gradient of, or an exchange of rewards that shows that there is nothing.
    hard / even: how much more a prompt with success probability 0.01 weighs than an even one (leave_one_out: 1).
    can lower J: a process on which the expected step does, with the exact product. silent: share of groups that teach
    nothing, at p = 1/5. variance: of the step there, at equal slope, over that of leave_one_out. Estimators that look
    at the whole batch come last, in the limit of many prompts; their variance is that of batches of 8 groups.

    Example: tamdp atlas --reward graded --group-size 8
    """

    reward: atlas.Level = "graded"
    """Rewards that objectives are decided on: 0-1, levels (0, 1/2, 1) or graded (0, .3, .45, 1)."""
    group_size: int = 8
    """G, at least 2."""
    json: str | None = None
    """Write the entries as JSON to this file, or to the terminal with "-"."""
    latex: bool = False
    """Print a LaTeX table."""
    html: Path | None = None
    """Write the interactive page, all group sizes at once, to this file."""

    def run(self) -> int:
        """Print and return 0."""
        check_integer("group_size", self.group_size, 2)
        if self.group_size > 64:
            raise InputError(f"group_size: the atlas counts groups of up to 64, got {self.group_size}")
        if self.html is not None:
            from experiments.atlas_app import page

            storage.write_atomically(self.html, page())
            console().print(f"page: {self.html}")
            return 0
        found = []
        with progress_bar() as progress:
            task = progress.add_task("atlas", total=len(atlas.names(self.group_size)) + len(batch_atlas.names()))
            both = (atlas.atlas(self.group_size, self.reward), batch_atlas.entries(self.group_size, self.reward))
            for entry in chain(*both):
                found.append(entry)
                progress.advance(task)
        if self.json is not None:
            write_json(self.json, {"group_size": self.group_size, "reward": self.reward, "entries": _plain(found)})
            if self.json == "-":
                return 0
        if self.latex:
            print(latex_table(found))
            return 0
        table = Table(*HEAD, box=None, padding=(0, 2))
        for one in found:
            table.add_row(*map(plain, row(one)))
        console().print(table)
        return 0


def _plain(entries: list[atlas.Entry]) -> list[dict[str, Any]]:
    return [
        {
            **{key: value for key, value in vars(one).items() if key != "scheme"},
            "batch_level": of_batch(one),
            "scheme": {"group_size": one.scheme.group_size, "eps": one.scheme.eps, "ddof": one.scheme.ddof},
        }
        for one in entries
    ]


def of_batch(entry: atlas.Entry) -> bool:
    """Whether it looks at the whole batch, and is told in the limit of many prompts."""
    return isinstance(entry.scheme, BatchScheme)


def row(entry: atlas.Entry) -> tuple[str, ...]:
    """An entry as texts."""
    name = f"{entry.name} [batch]" if of_batch(entry) else entry.name
    objective = entry.climbs if entry.closed else f"none: {entry.witness}" if entry.closed is False else entry.witness
    hard, variance = ("-" if value is None else f"{value:.3g}" for value in (entry.hard, entry.variance))
    numbers = (hard, entry.lowers, f"{entry.silent:.3f}", variance)
    return name, objective, *numbers, "; ".join(entry.uses)


def latex_table(entries: list[atlas.Entry]) -> str:
    """A LaTeX table of the atlas, one line an estimator."""
    from experiments.report.escaping import escaped

    lines = [r"\begin{tabular}{llrlrrl}", r"\hline", " & ".join(map(escaped, HEAD)) + r" \\", r"\hline"]
    lines += [" & ".join(map(escaped, row(one))) + r" \\" for one in entries]
    return "\n".join([*lines, r"\hline", r"\end{tabular}"])


COMMAND = Atlas
