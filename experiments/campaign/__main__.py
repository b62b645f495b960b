"""``python -m experiments.campaign``: the campaign, chunk by chunk, and its summary.

A chunk that is done is a file; a run that was stopped goes on with the chunks that are missing. The summary holds
counts, and no times.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import tyro

from experiments.campaign.chunks import INSTANCES, key_of, make_chunk, summary, text
from experiments.campaign.judge import ENCLOSED
from experiments.console import console, fail, progress_bar
from experiments.workers import one_thread_each
from tamdp_theory import TamdpError, storage


@dataclass(frozen=True)
class Campaign:
    """Adversarial instances through every claim that has an exact form: the float verdict beside the exact one.

    Exit code 0 if no two verdicts contradict each other, 1 otherwise; the contradictions are in the chunks' files.

    Example: python -m experiments.campaign --checks 100000 --summary results/campaign/summary.json
    """

    checks: int = 1_000_000
    """Instances times claims, rounded up to whole chunks."""
    seed: int = 0
    """Seed of all draws."""
    workers: int | None = None
    """Worker processes; default one per core. The result does not depend on it."""
    out: Path = Path("results/campaign")
    """Folder for the chunks."""
    summary: Path = Path("benchmarks/campaign.json")
    """Where to write the summary."""

    def run(self) -> int:
        """Check what is missing, sum up, write; return the exit code."""
        storage.check_writable(self.out)
        chunks = range(-(-self.checks // (INSTANCES * len(ENCLOSED))))
        found = {chunk: content for chunk in chunks if (content := self._read(chunk)) is not None}
        with progress_bar() as bar:
            task = bar.add_task("chunks", total=len(chunks), completed=len(found))
            for chunk, content in self._missing([chunk for chunk in chunks if chunk not in found]):
                found[chunk] = content
                bar.update(task, advance=1)
        total = summary([found[chunk] for chunk in chunks], self.seed)
        storage.write_atomically(self.summary, json.dumps(total, indent=1, ensure_ascii=False) + "\n")
        console().print(text(total), soft_wrap=True)
        return 1 if total["contradictions"] else 0

    def _missing(self, chunks: Sequence[int]) -> Iterator[tuple[int, dict[str, Any]]]:
        workers = self.workers or os.cpu_count() or 1
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool, one_thread_each():
            waiting: dict[Future[dict[str, Any]], int] = {
                pool.submit(make_chunk, self.seed, chunk): chunk for chunk in chunks
            }
            pending = set(waiting)
            try:
                while pending:
                    ended, pending = wait(pending, return_when=FIRST_COMPLETED)
                    for future in ended:
                        content = future.result()
                        storage.write_atomically(self._path(waiting[future]), json.dumps(content) + "\n")
                        yield waiting[future], content
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _path(self, chunk: int) -> Path:
        return self.out / f"{self.seed}-{chunk:05}.json"

    def _read(self, chunk: int) -> dict[str, Any] | None:
        """A finished chunk of this version; None if there is none."""
        if not self._path(chunk).exists():
            return None
        try:
            content = json.loads(self._path(chunk).read_bytes())
        except ValueError:
            return None
        return content if isinstance(content, dict) and content.get("key") == key_of(self.seed, chunk) else None


def main() -> int:
    """Run the command; 2 on bad input."""
    try:
        return tyro.cli(Campaign, description=Campaign.__doc__).run()
    except TamdpError as error:
        return fail(str(error))


if __name__ == "__main__":
    sys.exit(main())
