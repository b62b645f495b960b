"""``tamdp lvlm check``: a model at rest plays an environment; every claim that its rollouts show, and the exact twin's
beside it.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.console import console, plain, progress_bar
from experiments.lvlm import twin, verdicts
from experiments.lvlm.quiet import quiet
from tamdp_theory import CapacityError, InputError, environments, storage
from tamdp_theory.environments import Environment
from tamdp_theory.exact import Scheme
from tamdp_theory.guards import check_inside_unit
from tamdp_theory.lvlm import loading
from tamdp_theory.lvlm.projection import Projection
from tamdp_theory.lvlm.source import Play, Settings, TransformersSource


def run(options: Any) -> int:
    """Load, play, judge, save; 1 if a claim is violated."""
    scheme = Scheme(options.group_size, options.normalization, options.eps, options.ddof)
    storage.check_writable(options.out)
    if options.lora_rank < 0 or options.projection < 0:
        raise InputError("lora-rank, projection: must not be negative")
    check_inside_unit("level", options.level)
    if options.groups < 1:
        raise InputError(f"groups: must be at least 1, got {options.groups}")
    if options.seed < 0:
        raise InputError(f"seed: must not be negative, got {options.seed}")
    scored = options.adapter is not None or options.lora_rank > 0
    projection = Projection(options.projection, options.seed) if scored and options.projection else None
    settings = Settings(
        options.max_new_tokens, options.temperature, options.batch_size, scored, projection, options.think_weight
    )
    with quiet():
        loaded = loading.load(options.model, options.device, options.dtype)
        if options.adapter is not None:
            loaded = loading.with_adapter(loaded, options.adapter)
        elif options.lora_rank:
            loaded = loading.with_lora(loaded, options.lora_rank, options.seed)
        task = environments.make(options.env, "tool" if "tool" in str(loaded.processor.chat_template) else "user")
        played = play(
            loaded, task, settings, group_size=2 * options.group_size, groups=options.groups, seed=options.seed
        )
    findings = report(played, scheme, options.level, seed=options.seed, process=task.twin, out=options.out)
    return int(verdicts.failed(findings.checks))


def play(loaded: Any, task: Environment, settings: Settings, group_size: int, groups: int, seed: int) -> Play:
    """Groups of rollouts with a progress bar."""
    with _progress(f"playing {task.name}", group_size * groups) as update:
        source = TransformersSource(loaded, task, settings, update)
        try:
            return source.play(group_size, groups, np.random.default_rng(seed))
        except (MemoryError, torch.OutOfMemoryError) as error:
            remedy = "smaller batches, fewer groups or a smaller projection need less"
            raise CapacityError(
                f"{task.name}: {group_size * groups} rollouts do not fit in memory; {remedy}"
            ) from error


def report(
    played: Play, scheme: Scheme, level: float, seed: int, process: Any, out: Path, **more: Any
) -> verdicts.Findings:
    """Judge, print, save."""
    policy = twin.fitted(process, (decision for group in played.decisions for said in group for decision in said))
    findings = verdicts.judge(played.groups, scheme, level, seed, policy=policy, **more)
    verdicts.save(findings, out)
    storage.write_atomically(out / "transcripts.json", json.dumps(_transcripts(played), indent=1) + "\n")
    screen = console()
    screen.print(verdicts.tables(findings))
    screen.print(f"files: {plain(str(out))}{drawing(out)}")
    return findings


def drawing(out: Path) -> str:
    """The command that draws what is in a folder, after the words that lead to it; figures are drawn from folders named
    lvlm.
    """
    if out.name != "lvlm":
        return ""
    return "; the picture: tamdp figures lvlm" + (
        "" if out.parent == Path("results") else f" --results {plain(str(out.parent))}"
    )


def _transcripts(played: Play) -> list[dict[str, Any]]:
    """What was said, rollout by rollout."""
    return [
        {
            "prompt": int(played.groups.prompt[n]),
            "texts": list(texts),
            "decisions": [[one.node, one.action] for one in played.decisions[n][i]],
            "rewards": played.groups.rewards[n, i].tolist(),
        }
        for n, group in enumerate(played.texts)
        for i, texts in enumerate(group)
    ]


@contextmanager
def _progress(text: str, total: int) -> Iterator[Callable[[int, int], None]]:
    with progress_bar() as bar:
        task = bar.add_task(text, total=total)
        yield lambda done, whole: bar.update(task, completed=done, total=whole)
