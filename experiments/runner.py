"""Runs the cells of a study in parallel, keeps each finished one on disk, and picks up where a broken run stopped.

    results/STUDY/cells/HASH.json   one cell: its config, the version of the code, its rows, and a digest of all that
    results/STUDY/table.csv         the rows of every cell, in the order of the sweep
    results/STUDY/manifest.json     configs, versions, commit, machine, time

A cell's name is the hash of its config and of the source code, so a changed program computes anew. The table has the
same bytes whatever the number of workers and however often the run was broken off.
"""

import csv
import hashlib
import io
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from experiments.workers import one_thread_each
from tamdp_theory import InputError, TamdpError, storage
from tamdp_theory.discovery import load, modules_with

Row = dict[str, Any]
LIBRARIES = ("numpy", "scipy", "sympy", "python-flint")


def studies() -> dict[str, str]:
    """Every study and the first line of its text: a module of ``experiments.studies`` with ``Config``,
    ``sweep(quick)``, the configs of its cells, and ``run(config)``, the rows of one.
    """
    return modules_with("experiments.studies", "sweep")


def study(name: str) -> Any:
    """A study by name. InputError, naming those that there are, for another one."""
    return load("experiments.studies", name, "sweep", "study")


@dataclass(frozen=True)
class Cell:
    """One config of a study, and the file that its rows are kept in."""

    study: str
    config: Any
    path: Path

    @property
    def key(self) -> dict[str, Any]:
        """What the rows depend on."""
        return {"study": self.study, "config": asdict(self.config), "code": code_version()}


@cache
def code_version() -> str:
    """Hash of the source of every room that a study computes with."""
    root, found = Path(__file__).parent.parent, hashlib.sha256()
    for room in ("tamdp_theory", "bounds", "experiments/studies"):
        for path in sorted((root / room).rglob("*.py")):
            found.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return found.hexdigest()[:16]


def cells(name: str, configs: Sequence[Any], folder: Path) -> list[Cell]:
    """A cell for each distinct config, in order."""
    made = {}
    for config in configs:
        key = _text({"study": name, "config": asdict(config), "code": code_version()})
        made[key] = Cell(name, config, folder / "cells" / f"{hashlib.sha256(key.encode()).hexdigest()[:20]}.json")
    return list(made.values())


def run(
    todo: Sequence[Cell],
    folder: Path,
    executor: Executor,
    progress: Callable[[int, int], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> Path:
    """Compute the cells that are not on disk, write each as it ends, then table and manifest; returns the table's path.

    progress(done, kept before). warn is told of damaged files, which are computed anew. A cell that fails stops the run
    with an error that names its config; what was finished stays.
    """
    storage.check_writable(folder / "cells")
    for left in (folder / "cells").glob(".*.json.*"):  # of a write that was killed
        left.unlink(missing_ok=True)
    started, rows = time.time(), {}
    for cell in todo:
        if cell.path.exists():
            try:
                rows[cell.path] = read_cell(cell)
            except InputError as error:
                if warn is not None:
                    warn(f"{error}; computed anew")
    kept = len(rows)
    waiting = {
        executor.submit(_compute, cell.study, asdict(cell.config)): cell for cell in todo if cell.path not in rows
    }
    if progress is not None:
        progress(kept, kept)
    try:
        pending: set[Future[list[Row]]] = set(waiting)
        while pending:
            ended, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in sorted(
                ended, key=lambda one: one.exception() is not None
            ):  # what was finished is kept before a failure ends the run
                cell = waiting[future]
                try:
                    rows[cell.path] = future.result()
                except TamdpError as error:
                    raise type(error)(f"{cell.study} {_text(asdict(cell.config))}: {error}") from error
                storage.write_atomically(cell.path, _sealed(cell.key | {"rows": rows[cell.path]}))
            if progress is not None:
                progress(len(rows), kept)
    except BaseException:
        for future in waiting:
            future.cancel()
        raise
    table = folder / "table.csv"
    storage.write_atomically(table, to_csv([row for cell in todo for row in rows[cell.path]]))
    storage.write_atomically(folder / "manifest.json", json.dumps(_manifest(todo, started, kept), indent=1) + "\n")
    return table


def _compute(name: str, config: Mapping[str, Any]) -> list[Row]:
    module = study(name)
    rows: list[Row] = json.loads(
        json.dumps(module.run(module.Config(**config)), allow_nan=False)
    )  # as they will be read back
    return rows


# -- files --------------------------------------------------------------------------------------------------------


def _text(content: Any) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def _sealed(content: Mapping[str, Any]) -> str:
    """JSON with a digest of itself."""
    body = _text(content)
    return json.dumps({"digest": hashlib.sha256(body.encode()).hexdigest(), **content}, indent=1) + "\n"


def read_cell(cell: Cell) -> list[Row]:
    """Rows of a finished cell; InputError if the file is damaged or not of this cell."""
    try:
        content = json.loads(storage.read_bytes(cell.path))
        digest = content.pop("digest")
        rows: list[Row] = content["rows"]
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise InputError(f"{cell.path}: damaged, not a finished cell of `tamdp run {cell.study}`") from error
    if hashlib.sha256(_text(content).encode()).hexdigest() != digest or {
        k: v for k, v in content.items() if k != "rows"
    } != json.loads(_text(cell.key)):
        raise InputError(f"{cell.path}: damaged, its content does not fit its digest or its name")
    return rows


def to_csv(rows: Sequence[Row]) -> str:
    """Rows as CSV, columns in the order of their first appearance; numbers with all digits."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def read_table(path: Path, command: str | None = None) -> dict[str, list[Any]]:
    """Columns of a study's table, numbers as floats; InputError naming the command that makes it if it is missing or
    damaged.
    """
    command = command or f"tamdp run {path.parent.name}"
    if not path.exists():
        raise InputError(f"{path}: missing; make it with `{command}`")
    try:
        rows = list(csv.DictReader(io.StringIO(storage.read_bytes(path).decode()), strict=True))
        if not rows or any(None in row or None in row.values() for row in rows):
            raise ValueError
    except (ValueError, csv.Error) as error:
        raise InputError(f"{path}: damaged; make it again with `{command}`") from error
    return {column: [_number(row[column]) for row in rows] for column in rows[0]}


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _manifest(todo: Sequence[Cell], started: float, kept: int) -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=Path(__file__).parent, check=False
    ).stdout.strip()
    return {
        "study": todo[0].study,
        "cells": [cell.path.name for cell in todo],
        "configs": [asdict(cell.config) for cell in todo],
        "code": code_version(),
        "commit": commit or None,
        "versions": {"tamdp-theory": version("tamdp-theory"), **{name: version(name) for name in LIBRARIES}},
        "python": sys.version.split()[0],
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": round(time.time() - started, 1),
        "kept_from_before": kept,
    }


# -- where cells run ----------------------------------------------------------------------------------------------


@contextmanager
def local(workers: int) -> Iterator[Executor]:
    """Worker processes on this machine, one thread each, so that bits do not depend on how many there are."""
    with one_thread_each(), ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """The workers of a Dask scheduler, for example tcp://host:8786. Needs the extra ``cluster``."""
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError(
            "scheduler: needs the extra `cluster`; install it with `pip install tamdp-theory[cluster]`"
        ) from error
    try:
        client = Client(address, timeout="5s")
    except (OSError, TimeoutError, ValueError) as error:
        raise InputError(
            f"scheduler: no Dask scheduler answers at {address} ({error}); start one with `dask scheduler`"
        ) from error
    with client:
        yield client.get_executor(pure=False)
