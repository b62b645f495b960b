"""``tamdp run``: the studies."""

import ast
import inspect
import itertools
import os
import sys
from collections.abc import Sequence
from dataclasses import field, fields, make_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import tyro

from experiments import runner
from experiments.console import console, plain, progress_bar
from experiments.options import listing, parse
from tamdp_theory import InputError


class Run:
    """Options that every study has; the rest are the axes of its sweep."""

    quick: bool
    workers: int | None
    scheduler: str | None
    out: Path
    study: str

    def run(self) -> int:
        """Compute what is missing, write the table, say where it is."""
        names = runner.studies() if self.study == "all" else (self.study,)
        for name in names:
            module = runner.study(name)
            configs = module.sweep(self.quick) if self.study == "all" else chosen(module, self.quick, self)
            run_study(name, configs, self.out / name, self.workers, self.scheduler)
        return 0


def run_study(name: str, configs: Sequence[Any], folder: Path, workers: int | None, scheduler: str | None) -> None:
    """Run the cells of one study with a progress bar and print what the study has to say."""
    if workers is not None and workers < 1:
        raise InputError(f"workers: must be at least 1, got {workers}")
    out, terminal = console(), console(stderr=True)
    todo = runner.cells(name, configs, folder)
    count = min(workers or os.cpu_count() or 1, len(todo))
    executor = runner.local(count) if scheduler is None else runner.cluster(scheduler)
    with executor as pool, progress_bar() as bar:
        task = bar.add_task(name, total=len(todo))
        before = 0

        def report(done: int, kept: int) -> None:
            nonlocal before
            before = kept
            bar.update(task, completed=done)

        table = runner.run(
            todo,
            folder,
            pool,
            report,
            lambda text: terminal.print(f"[yellow]warning:[/] {plain(text)}", soft_wrap=True),
        )
    kept = f", {before} of them from before" if before else ""
    summary = getattr(runner.study(name), "summary", None)
    if summary is not None:
        summary(runner.read_table(table), out)
    out.print(f"{name}: {len(todo)} cells{kept}; table: {plain(str(table))}", soft_wrap=True)


def chosen(module: Any, quick: bool, options: Any) -> list[Any]:
    """The sweep, with the values given on the command line in place of its own on each axis that has some."""
    configs = list(module.sweep(quick))
    for axis in (f.name for f in fields(module.Config)):
        if values := getattr(options, axis):
            configs = list(
                dict.fromkeys(replace(config, **{axis: value}) for config, value in itertools.product(configs, values))
            )
    return configs


def command(name: str) -> type:
    """The command of one study: its options come from its ``Config``."""
    module = runner.study(name)
    texts, hints, configs = attribute_texts(module.Config), get_type_hints(module.Config), module.sweep(False)
    axes: list[Any] = []
    for axis in (f.name for f in fields(module.Config)):
        shown = tyro.conf.arg(help=texts.get(axis, ""), help_behavior_hint=f"(default: {_values(configs, axis)})")
        axes.append((axis, Annotated[tuple[hints[axis], ...], shown], ()))
    return _make(
        name,
        [*axes, *_COMMON],
        f"{module.__doc__}\n\nSeveral values of an option make a grid.\n\nExample: tamdp run {name} --quick",
    )


def everything() -> type:
    """The command that runs every study."""
    return _make("all", _COMMON, "Run every study.\n\nExample: tamdp run all --quick")


_COMMON: list[Any] = [
    ("quick", Annotated[bool, tyro.conf.arg(help="A few cells, seconds.")], False),
    (
        "workers",
        Annotated[
            int | None, tyro.conf.arg(help="Worker processes; default one per core. The table does not depend on it.")
        ],
        None,
    ),
    (
        "scheduler",
        Annotated[str | None, tyro.conf.arg(help="Address of a Dask scheduler to run the cells on (extra cluster).")],
        None,
    ),
    ("out", Annotated[Path, tyro.conf.arg(help="Folder for results; each study has its own in it.")], Path("results")),
]


def _make(name: str, options: Sequence[Any], text: str) -> type:
    members = [(n, t, field(default=d)) for n, t, d in options]
    return make_dataclass(
        f"Run{name.title()}", members, bases=(Run,), namespace={"study": name, "__doc__": text}, frozen=True
    )


def _values(configs: Sequence[Any], axis: str) -> str:
    values = list(dict.fromkeys(getattr(config, axis) for config in configs))
    shown = [str(value) for value in values[:6]] + (["..."] if len(values) > 6 else [])
    return ", ".join(shown)


def attribute_texts(config: type) -> dict[str, str]:
    """The line below each attribute of a class."""
    body = ast.parse(inspect.getsource(config)).body[0].body  # type: ignore[attr-defined]
    return {
        one.target.id: two.value.value
        for one, two in itertools.pairwise(body)
        if isinstance(one, ast.AnnAssign) and isinstance(two, ast.Expr) and isinstance(two.value, ast.Constant)
    }


def choose(arguments: Sequence[str]) -> Run:
    """The command of the study that is named first, with its options; of no other study options are built."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"{_HELP}\n\nStudies:\n{listing({**runner.studies(), 'all': 'Every study.'})}")
        sys.exit(0)
    name = arguments[0]
    chosen = everything() if name == "all" else command(name)
    made: Run = parse(chosen, f"tamdp run {name}", arguments[1:])
    return made


_HELP = """usage: tamdp run STUDY [OPTIONS]        tamdp run STUDY --help says more

Run a study: compute its cells in parallel, keep each on disk as it ends, write one table.

A run that was broken off goes on where it stopped. Results are plain files in results/STUDY; figures are drawn from
them.

Example: tamdp run transfer --quick

Example: tamdp run transfer --depth 0 1 2 --seed 0 1 --workers 2"""

COMMAND = choose
