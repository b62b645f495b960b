"""``tamdp lvlm from-logs``: what a run's logs show, which is rewards alone."""

from typing import Any

import numpy as np

from experiments.console import console, plain
from experiments.lvlm import verdicts
from experiments.lvlm.trl_scheme import trl_scheme
from tamdp_theory import grpo, storage
from tamdp_theory.exact import Scheme
from tamdp_theory.lvlm import logs
from tamdp_theory.lvlm.logs import LoggedStep
from tamdp_theory.sources import rewards_of

ROUNDING = 4e-6  # of TRL's float32 sum of rewards, relative to their weight


def run(options: Any) -> int:
    """Read, judge, save; 1 if a claim is violated or the trainer's advantages are not those of the scheme."""
    steps = logs.read(options.files, options.group_size, options.components or None, options.weights or None)
    storage.check_writable(options.out)
    fresh = [step.groups for step in steps if not step.repeated]
    everything = rewards_of(fresh)
    scheme = trl_scheme(everything.group_size, options.normalization)
    findings = verdicts.judge(everything, scheme, options.level, training=fresh, label=f"{len(fresh)} logged batches")
    verdicts.save(findings, options.out)
    out = console()
    out.print(verdicts.tables(findings))
    far, worst = _disagreement([step for step in steps if not step.repeated], scheme)
    repeated = len(steps) - len(fresh)
    out.print(
        f"{len(everything.prompt)} groups of {scheme.group_size} from {len(fresh)} files"
        f"{f', {repeated} repeated ones left out' if repeated else ''}; intervals take them as independent draws"
    )
    if all(step.advantages is None for step in steps):
        out.print("advantages: this log has none of the trainer's to compare with")
    elif options.normalization == "normalize_then_sum":
        out.print("advantages: TRL whitens decomposed ones over the batch, so the logged ones are not compared")
    elif far:
        out.print(
            f"[bold red]advantages: {far} of {len(everything.prompt)} groups differ from "
            f"{plain(scheme.normalization)}, by up to {worst:.3g}[/]; "
            "wrong --weights, --normalization or --group-size, or an evaluation took the place of a file?"
        )
    else:
        out.print(f"advantages: the trainer's are those of {plain(scheme.normalization)}, within {worst:.1e}")
    return int(verdicts.failed(findings.checks) or far > 0)


def _disagreement(steps: list[LoggedStep], scheme: Scheme) -> tuple[int, float]:
    """Groups whose logged advantages are not the scheme's, rounding aside, and the largest difference."""
    if scheme.normalization == "normalize_then_sum":
        return 0, 0.0
    far, worst = 0, 0.0
    for step in steps:
        if step.advantages is None:
            continue
        weights = np.array([float(w) for w in step.groups.weights])
        gap = np.abs(
            grpo.advantages(step.groups.rewards, weights, scheme.normalization, scheme.eps, scheme.ddof)
            - step.advantages
        ).max(axis=1)
        spread = (step.groups.rewards @ weights).std(
            axis=1, ddof=scheme.ddof
        ) + scheme.eps  # what rounding is divided by
        allowed = ROUNDING * weights.sum() * (1.0 if scheme.normalization == "center" else 1 / spread + 1)
        far, worst = far + int((gap > allowed).sum()), max(worst, float(gap.max()))
    return far, worst
