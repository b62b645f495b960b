"""``tamdp lvlm from-logs``: what a run's logs show, which is rewards alone."""

from collections.abc import Sequence
from typing import Any

from experiments.console import console, plain, progress_bar
from experiments.lvlm import verdicts
from experiments.lvlm.trl_scheme import trl_scheme
from tamdp_theory import InputError, storage
from tamdp_theory.exact import Scheme
from tamdp_theory.lvlm import logs
from tamdp_theory.lvlm.logs import Log, LoggedStep
from tamdp_theory.lvlm.logs.fit import Fit, fit
from tamdp_theory.sources import rewards_of


def run(options: Any) -> int:
    """Read, judge, save; 1 if a claim is violated or the trainer's advantages are not those of the estimator."""
    storage.check_writable(options.out)
    log = _read(options)
    strata: dict[tuple[str, ...], list[LoggedStep]] = {}
    for step in log.steps:
        strata.setdefault(step.groups.component_names, []).append(step)
    ordered = sorted(strata.items(), key=lambda item: -sum(len(step.groups.prompt) for step in item[1]))
    out, failed = console(), False
    for place, (names, steps) in enumerate(ordered):
        folder = options.out if place == 0 else options.out / f"part-{place + 1}"
        if len(ordered) > 1:
            out.print(f"[bold]groups with {plain(', '.join(names))}[/]: {plain(str(folder))}", soft_wrap=True)
        failed |= _judge(steps, log, options, folder)
    for note in (*log.notes, *(f"left out: {count:,}, {reason}" for reason, count in log.dropped.items())):
        out.print(plain(note), soft_wrap=True)
    return int(failed)


def _read(options: Any) -> Log:
    ranges = {}
    for text in options.ranges:
        name, _, ends = text.rpartition("=")
        low, _, high = ends.partition(":")
        if not (name and low and high):
            raise InputError(f"--ranges: {text!r} should be NAME=LOW:HIGH, as in length=-1:0")
        ranges[name] = (low, high)
    files = [file for path in options.files for file in (path.rglob("*") if path.is_dir() else [path])]
    with progress_bar() as bar:
        task = bar.add_task("MB", total=sum(file.stat().st_size for file in files if file.is_file()) >> 20)
        return logs.read(
            options.files,
            options.group_size,
            options.components or None,
            options.weights or None,
            ignore=options.ignore,
            ranges=ranges,
            format=options.format,
            progress=lambda count: bar.update(task, completed=count >> 20),
        )


def _judge(steps: Sequence[LoggedStep], log: Log, options: Any, folder: Any) -> bool:
    """The verdicts on groups with the same components; whether something is violated, or disagrees."""
    groups = [step.groups for step in steps]
    everything, out = rewards_of(groups), console()
    found = fit(steps, log.inferred, options.normalization)
    scheme = _scheme(found, everything.group_size, options.normalization)
    findings = verdicts.judge(everything, scheme, options.level, training=groups, label=f"{len(steps)} logged steps")
    verdicts.save(findings, folder)
    out.print(verdicts.tables(findings))
    out.print(
        f"{len(everything.prompt):,} groups of {scheme.group_size} from {len(steps):,} steps; intervals take them as "
        "independent draws"
    )
    whitened = options.normalization == "normalize_then_sum"
    out.print(_advantages(found, options.normalization), soft_wrap=True)
    return verdicts.failed(findings.checks) or bool(found and not found[0].holds and not whitened)


def _scheme(found: Sequence[Fit], size: int, normalization: str | None) -> Scheme:
    """What fits; else what is asked for, or plain GRPO, with TRL's small numbers."""
    if found and found[0].holds:
        return found[0].scheme
    return trl_scheme(size, normalization or "sum_then_normalize")


def _advantages(found: Sequence[Fit], asked: str | None) -> str:
    if not found:
        return "advantages: this log has none of the trainer's to compare with"
    best = found[0]
    told = " or ".join(dict.fromkeys(_named(one) for one in found))
    if best.holds:
        return f"advantages: the trainer's are those of {told}, within {best.worst:.1e}"
    if asked == "normalize_then_sum":
        return "advantages: not those of single groups; TRL whitens decomposed ones over the batch"
    return (
        f"[bold red]advantages: {best.groups - best.agree} of {best.groups} groups differ from {told}, by up to "
        f"{best.worst:.3g}[/]{'' if asked else ', the estimator that is nearest'}; wrong --weights, --normalization or "
        "--group-size, an estimator of the whole batch, or an evaluation took the place of a file?"
    )


def _named(one: Fit) -> str:
    numbers = f" (eps {one.scheme.eps:g}, ddof {one.scheme.ddof})" if one.scheme.estimator.scales else ""
    times = f", times {one.factor:.6g} (of the weights)" if abs(one.factor - 1) > 1e-4 else ""
    return plain(f"{one.scheme.normalization}{numbers}{times}")
