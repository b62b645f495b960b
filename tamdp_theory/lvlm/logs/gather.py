"""Rows of a log as groups: sorted by key, incomplete ones left out and counted, rewards brought to [0, 1]."""

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamdp_theory.errors import InputError, quote
from tamdp_theory.lvlm.logs.base import Log, LoggedStep, Options, Rollout
from tamdp_theory.lvlm.logs.weights import infer_weights
from tamdp_theory.lvlm.ranges import Scale
from tamdp_theory.model import Floats
from tamdp_theory.numbers import fraction, narrow
from tamdp_theory.sources import RolloutGroups

NAN = math.nan


class _Table:
    """Rows as columns, so that a million of them fit."""

    def __init__(self, group_size: int | None, path: Path) -> None:
        self.group_size, self.path = group_size, path
        self.step, self.group, self.advantage = array("q"), array("q"), array("d")
        self.columns: dict[str, array[float]] = {}
        self.keys: dict[tuple[int, Any], int] = {}
        self.prompts: dict[Any, int] = {}
        self.prompt = array("q")  # of each group
        self.weights: dict[str, float] = {}
        self.unkeyed: Counter[int] = Counter()

    def add(self, one: Rollout) -> None:
        row = len(self.step)
        self.step.append(one.step)
        key = self._key(one)
        group = self.keys.setdefault((one.step, key), len(self.keys))
        self.group.append(group)
        if group == len(self.prompt):
            self.prompt.append(self.prompts.setdefault(key if one.prompt is None else one.prompt, len(self.prompts)))
        self.advantage.append(NAN if one.advantage is None else one.advantage)
        for name, value in one.rewards.items():
            column = self.columns.get(name)
            if column is None:
                column = self.columns[name] = array("d")
            if len(column) < row:
                column.extend([NAN] * (row - len(column)))
            column.append(NAN if value is None else value)
        for name, weight in (one.weights or {}).items():
            if self.weights.setdefault(name, weight) != weight:
                raise InputError(
                    f"{self.path}: the weight of {quote(name)} changes from {self.weights[name]:g} to {weight:g} at "
                    f"step {one.step}; read the steps before and after apart"
                )

    def _key(self, one: Rollout) -> Any:
        if one.group is not None:
            return one.group
        if self.group_size is None:
            raise InputError(
                f"{self.path}: this format does not say which rows are a group; give the group size, G consecutive rows"
            )
        place = self.unkeyed[one.step]
        self.unkeyed[one.step] += 1
        return (None, place // self.group_size)


def gather(
    path: Path,
    rollouts: Iterable[Rollout],
    options: Options,
    dropped: Counter[str],
    default: Sequence[str] | None = None,
) -> Log:
    """Groups of all rollouts of a log, step by step.

    Left out and counted in ``dropped``: rows without any reward; rows of groups that are not of the group size (the
    most frequent size, where none is given), and of groups whose rows do not all have the same rewards. A group is
    judged over the components that its rows have, each brought to [0, 1] (``ranges``).

    Args:
        path: of the log, for messages.
        rollouts: its rows, in any order.
        options: what the reader asks for.
        dropped: what was left out before.
        default: the rewards where none are named; None: all, (): the only one, or they have to be named.
    """
    table = _Table(options.group_size, path)
    for one in rollouts:
        table.add(one)
    if not len(table.step):
        raise InputError(f"{path}: no rollouts{_told(dropped)}; is it the log of a run that has begun?")
    notes: list[str] = []
    names = _chosen(table, options, default, notes)
    values = np.stack([_column(table, name) for name in names], axis=1)
    there = np.flatnonzero(np.isfinite(values).any(axis=1))
    if len(there) < len(values):
        dropped["without any reward"] += len(values) - len(there)
    if not len(there):
        raise InputError(f"{path}: no rewards{_told(dropped)}; name the reward columns in components")
    order = there[np.argsort(np.frombuffer(table.group, dtype=np.int64)[there], kind="stable")]
    group = np.frombuffer(table.group, dtype=np.int64)[order]
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    sizes = np.diff(starts, append=len(group))
    size = options.group_size or _usual(path, sizes)
    fitting = sizes == size
    if not fitting.all():
        counts = Counter(sizes[~fitting].tolist())
        several = ", ".join(f"{count} of {other}" for other, count in sorted(counts.items())[:6])
        dropped[f"in groups that are not of {size} ({several})"] += int(sizes[~fitting].sum())
    if not fitting.any():
        raise InputError(f"{path}: no group of {size} rollouts{_told(dropped)}; give another group size")
    rows = order[starts[fitting][:, None] + np.arange(size)]  # (n, G)
    rewards, present = values[rows], np.isfinite(values[rows])  # (n, G, K)
    kept = (present.any(axis=1) == present.all(axis=1)).all(axis=1)
    if not kept.all():
        dropped["in groups where some rows lack a reward"] += int((~kept).sum()) * size
    if not kept.any():
        raise InputError(f"{path}: no group whose rows have the same rewards{_told(dropped)}")
    rewards, rows, present = rewards[kept], rows[kept], present[kept].all(axis=1)
    step = np.frombuffer(table.step, dtype=np.int64)[rows[:, 0]]
    advantages = np.frombuffer(table.advantage, dtype=np.float64)[rows]
    weights, inferred = _weights(path, table, names, options, rewards, present, advantages, notes)
    if not any(weights):
        raise InputError("weights: some must not be 0")
    rewards, weights = _in_unit_range(path, names, rewards, weights, options)
    steps: list[LoggedStep] = []
    prompt = np.frombuffer(table.prompt, dtype=np.int64)
    patterns, which = np.unique(present, axis=0, return_inverse=True)
    for place, pattern in enumerate(patterns):
        own = np.flatnonzero(which.reshape(-1) == place)
        if not any(w for w, there in zip(weights, pattern, strict=True) if there):
            notes.append(f"{len(own)} groups have only rewards of weight 0 and are left out")
            continue
        own = own[np.argsort(step[own], kind="stable")]
        for chosen in np.split(own, np.flatnonzero(np.diff(step[own])) + 1):
            groups = RolloutGroups(
                tuple(name for name, there in zip(names, pattern, strict=True) if there),
                tuple(w for w, there in zip(weights, pattern, strict=True) if there),
                prompt[np.frombuffer(table.group, dtype=np.int64)[rows[chosen, 0]]],
                rewards[chosen][:, :, pattern],
            )
            known = advantages[chosen] if np.isfinite(advantages[chosen]).all() else None
            steps.append(LoggedStep(path, int(step[chosen[0]]), groups, known))
    steps.sort(key=lambda one: (-len(one.groups.weights), one.groups.component_names, one.step))
    return Log(tuple(steps), dict(dropped), tuple(notes), inferred)


def _told(dropped: Counter[str]) -> str:
    return f" ({'; '.join(f'{count} rows: {reason}' for reason, count in dropped.items())})" if dropped else ""


def _chosen(table: _Table, options: Options, default: Sequence[str] | None, notes: list[str]) -> list[str]:
    known = ", ".join(table.columns)
    for name in (*(options.components or ()), *options.ignore, *options.ranges):
        if name not in table.columns:
            raise InputError(f"{table.path}: no reward {quote(name)}; there are {known or 'none'}")
    if options.components:
        names = list(options.components)
    else:
        names = [
            name for name, column in table.columns.items() if name not in options.ignore and any(v == v for v in column)
        ]
        if default is not None and not options.ignore and len(names) > 1 and (not default or set(default) & set(names)):
            if not default:
                raise InputError(
                    f"{table.path}: which columns are rewards? name them in components, or leave out what is none in "
                    f"ignore; there are {known}"
                )
            others = [name for name in names if name not in default]
            names = [name for name in names if name in default]
            notes.append(
                f"rewards: {', '.join(names)} alone; also there: {', '.join(others)} (name them to count them)"
            )
    if not names or len(set(names)) < len(names):
        raise InputError(f"{table.path}: no numbers are left as rewards, or one is named twice; there are {known}")
    return names


def _column(table: _Table, name: str) -> Floats:
    column = table.columns[name]
    column.extend([NAN] * (len(table.step) - len(column)))
    return narrow(np.frombuffer(column, dtype=np.float64))


def _usual(path: Path, sizes: NDArray[np.int64]) -> int:
    counts = Counter(int(size) for size in sizes if size > 1)
    if not counts:
        raise InputError(f"{path}: every group has one row; give the group size, or another key of the groups")
    return max(counts, key=lambda size: (counts[size] * size, size))


def _weights(
    path: Path,
    table: _Table,
    names: Sequence[str],
    options: Options,
    rewards: Floats,
    present: NDArray[np.bool_],
    advantages: Floats,
    notes: list[str],
) -> tuple[list[Fraction], bool]:
    """As asked for, as logged, as the advantages tell (True), or 1 each."""
    if options.weights is not None:
        if len(options.weights) != len(names):
            raise InputError(f"weights: {len(options.weights)} given for {len(names)} rewards ({', '.join(names)})")
        return [fraction(w, f"weights[{k}]") for k, w in enumerate(options.weights)], False
    if table.weights:
        return [fraction(table.weights.get(name, 1), f"weight of {name}") for name in names], False
    if len(names) == 1:
        return [Fraction(1)], False
    whole = present.all(axis=1) & np.isfinite(advantages).all(axis=1)
    found = infer_weights(rewards[whole], advantages[whole]) if whole.any() else None
    told = ", ".join(f"{name} {w}" for name, w in zip(names, found or (), strict=False))
    notes.append(
        f"weights that reproduce the advantages, up to a factor: {told}"
        if found
        else f"weights: 1 for each of {', '.join(names)}, for want of others; give them if they differ"
    )
    return found or [Fraction(1)] * len(names), found is not None


def _in_unit_range(
    path: Path, names: Sequence[str], rewards: Floats, weights: Sequence[Fraction], options: Options
) -> tuple[Floats, list[Fraction]]:
    scaled, own = rewards.copy(), list(weights)
    for k, name in enumerate(names):
        column = rewards[:, :, k]
        seen = column[np.isfinite(column)]
        if not seen.size:
            continue
        scale = Scale.of(name, own[k], options.ranges)
        if scale.outside(seen).any():
            raise InputError(
                f"{path}: rewards {quote(name)} are in [{seen.min():g}, {seen.max():g}], not in [{scale.low}, "
                f"{scale.high}]; give their range, as {name}=LOW:HIGH, or ignore them"
            )
        scaled[:, :, k], own[k] = scale(column), scale.weight
    return scaled, own
