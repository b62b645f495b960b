"""Timing, peak memory and the rows of the table."""

import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table. ratio: peer over ours, so above one means that ours is faster (or smaller)."""

    what: str
    ours: str
    peer: str = ""
    ratio: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Timing:
    """Seconds of each repeat."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median seconds."""
        return statistics.median(self.seconds)

    @property
    def best(self) -> float:
        """Smallest seconds: what the machine can do when nothing else runs."""
        return min(self.seconds)

    def __str__(self) -> str:
        return f"{show_seconds(self.median)} (min {show_seconds(self.best)})"


def timed(*tasks: Callable[[], object], repeats: int) -> list[Timing]:
    """Time each task, in turns, so that a busy machine slows all of them alike."""
    seconds: list[list[float]] = [[] for _ in tasks]
    for _ in range(repeats):
        for task, own in zip(tasks, seconds, strict=True):
            start = time.perf_counter()
            task()
            own.append(time.perf_counter() - start)
    return [Timing(tuple(own)) for own in seconds]


def seconds_of(task: Callable[[], object]) -> float:
    """Seconds of one call."""
    return timed(task, repeats=1)[0].median


def peak_bytes(task: Callable[[], object]) -> int:
    """Largest memory that one call allocates on top of what is there, numpy arrays included."""
    tracemalloc.start()
    try:
        task()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def require(condition: bool, message: str) -> None:
    """Fail loudly: a benchmark of two programs that disagree means nothing."""
    if not condition:
        raise SystemExit(f"benchmark: {message}")


def show_seconds(seconds: float) -> str:
    """Seconds in the unit that fits, up to years."""
    units: Sequence[tuple[float, str]] = (
        (1e-6, "us"),
        (1e-3, "ms"),
        (1.0, "s"),
        (3600.0, "h"),
        (86400.0, "d"),
        (3.156e7, "y"),
    )
    scale, unit = next((u for u in reversed(units) if seconds >= u[0]), units[0])
    value = seconds / scale
    return f"{value:.3g} {unit}" if value < 1e5 else f"{value:.1e} {unit}"
