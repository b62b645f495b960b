"""Verdicts on rollouts, with the exact twin's beside them: tables for the terminal, files for figures.

    results/lvlm/checks.json   every check, in the form of ``tamdp verify --json``, the twin's under "twin"
    results/lvlm/table.csv     every number: part, name, series, x, value, low, high, interval, twin

``interval`` says what low and high are worth: "valid" at this number of draws, "asymptotic" (a model's scores have no
known bound), or "exact". A check on an asymptotic interval is undecided, whatever it suggests, and its note says what
that is.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group
from rich.table import Table

from bounds import CLAIMS, Check, Claim, Evaluation, Evidence, Observation, Verdict
from bounds.claims.assumptions import CENTER, POTENTIAL
from bounds.rollouts import intervals
from bounds.rollouts import measures as observed
from bounds.rollouts.intervals import Estimate
from bounds.rollouts.statistics import Statistics
from experiments.commands.claims import RELATIONS
from experiments.console import COLOURS, number, plain
from experiments.lvlm import twin
from experiments.runner import Row, to_csv
from tamdp_theory import CapacityError, Policy, storage
from tamdp_theory.exact import Normalization, Scheme
from tamdp_theory.sources import RolloutGroups

NORMALIZATIONS: tuple[Normalization, ...] = ("center", "sum_then_normalize", "normalize_then_sum")
NAMES = {
    "objective": "J, composite reward",
    "silent": "share of silent groups",
    "gap": "Q, joint against decomposed",
    "score_energy": "E||s||²",
    "score_mean": "||E s||², 0 on-policy",
    "update": "||E g||²",
    "gradient": "||∇J||²",
    "update_gap": "||E g, joint - decomposed||²",
    "drift": "<∇J, E g>",
}


@dataclass(frozen=True, eq=False)
class Findings:
    """Checks on rollouts, the twin's checks of the same claims by id, and every number as rows for a table."""

    checks: tuple[Check, ...]
    twin_checks: dict[str, Check] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()


def judge(
    rollouts: RolloutGroups,
    scheme: Scheme,
    level: float,
    seed: int = 0,
    *,
    training: Sequence[RolloutGroups] = (),
    evaluation: Evaluation | None = None,
    label: str = "",
    policy: Policy | None = None,
    everything: RolloutGroups | None = None,
) -> Findings:
    """Check every claim that rollouts of one policy show, and its twin under ``policy`` where one is given.

    Groups of at least twice G show a variance; ``everything``: groups of any policies, for the claims about single
    groups.
    """
    base = Observation(rollouts, scheme, level, seed, label, training=tuple(training), evaluation=evaluation)
    centred = replace(
        base,
        scheme=replace(
            scheme, normalization="center", group_size=min(scheme.group_size, max(2, rollouts.group_size // 2))
        ),
    )
    single = everything or rollouts
    plain_groups = Observation(
        single, Scheme(min(scheme.group_size, single.group_size), scheme.normalization), level, seed
    )
    available = {"groups": plain_groups}
    available |= {"scores": base} if rollouts.scores is not None else {}
    available |= {"training": base} if training else {}
    available |= {"held-out": base} if evaluation is not None else {}
    chosen = [
        (claim, centred if CENTER in claim.assumptions else observation)
        for what, observation in available.items()
        for claim in CLAIMS.values()
        if claim.shown_on == what
    ]
    checks = tuple(claim.check(observation) for claim, observation in chosen)
    beside: dict[str, Check] = {}
    for claim, observation in chosen if policy is not None else ():
        if (one := _twin_check(claim, policy, observation.scheme)) is not None:
            beside[claim.id] = one
    rows = [
        *_numbers(base, policy),
        *_variances(base, policy),
        *_steps(base),
        *_windows(base),
        *_evaluations(evaluation, level),
    ]
    return Findings(checks, beside, tuple(rows))


def _twin_check(claim: Claim, policy: Policy, scheme: Scheme) -> Check | None:
    """The same claim on the process itself, by the exact engine; None where it is too large for a check.

    Examples are left out: whether a step is uphill depends on the parametrization, and enclosing it takes minutes on a
    large process.
    """
    if claim.kind == "example":
        return None
    settings: dict[str, Any] = {"steps": 50, "runs": 96} if claim.shown_on == "training" else {}
    if POTENTIAL in claim.assumptions:  # centred there is one whatever the rewards
        scheme = replace(scheme, normalization="center", eps=0.0, ddof=0)
    try:
        return claim.check(
            policy.env,
            policy,
            group_size=scheme.group_size,
            normalization=scheme.normalization,
            eps=scheme.eps,
            ddof=scheme.ddof,
            **settings,
        )
    except CapacityError:
        return None


# -- numbers ------------------------------------------------------------------------------------------------------


def _row(part: str, name: str, series: str, x: float, found: Estimate, exact: float | None = None) -> Row:
    def shown(value: float) -> Any:
        return value if np.isfinite(value) else ""

    return {
        "part": part,
        "name": name,
        "series": series,
        "x": x,
        "value": shown(found.value),
        "low": shown(found.low),
        "high": shown(found.high),
        "interval": "exact" if found.low == found.high else "valid" if found.valid else "asymptotic",
        "twin": "" if exact is None else exact,
    }


def _numbers(base: Observation, policy: Policy | None) -> list[Row]:
    statistics = Statistics(base.rollouts, base.scheme, base.level, base.seed)
    exact = {} if policy is None else twin.numbers(policy.env, policy, base.scheme)
    names = list(NAMES) if base.rollouts.scores is not None else ["objective", "silent", "gap"]
    if base.think_weight != 1:  # E[s r] of weighted scores is no gradient
        names = [name for name in names if name not in ("gradient", "drift")]
    rows = [_row("number", name, "", x=0, found=getattr(statistics, name), exact=exact.get(name)) for name in names]
    parts = zip(base.rollouts.component_names, statistics.components, strict=True)
    return [
        *rows,
        *(
            _row("number", f"component {name}", "", x=0, found=found, exact=exact.get(f"component {name}"))
            for name, found in parts
        ),
    ]


def _variances(base: Observation, policy: Policy | None) -> list[Row]:
    """Variance over score energy against G, for groups cut out of those drawn."""
    rows: list[Row] = []
    size = 2
    while base.rollouts.scores is not None and 2 * size <= base.rollouts.group_size:
        for normalization in NORMALIZATIONS:
            scheme = replace(base.scheme, normalization=normalization, group_size=size)
            statistics = Statistics(
                base.rollouts, scheme, (1 + base.level) / 2, base.seed
            )  # two intervals share the level
            variance, energy = statistics.variance, statistics.score_energy
            if energy.low > 0:
                exact = None if policy is None else twin.variance_share(policy.env, policy, scheme)
                valid = variance.valid and energy.valid
                found = Estimate(
                    variance.value / energy.value, variance.low / energy.high, variance.high / energy.low, valid
                )
                rows.append(_row("variance", "V/E||s||²", normalization, x=size, found=found, exact=exact))
        total = float(sum(base.rollouts.weights))
        rows.append(
            _row("variance", "V/E||s||²", "L9", size, Estimate.exact(((size - 1) / size) ** 2 * total**2 / size))
        )
        size *= 2
    return rows


def _steps(base: Observation) -> list[Row]:
    """Each recorded step, and the running mean of ||E g||^2."""
    rows: list[Row] = []
    squares: list[float] = []
    for t, step in enumerate(base.training):
        statistics = Statistics(step, base.scheme, base.level, base.seed)
        for name in ("objective", "silent", "gap"):
            rows.append(_row("step", name, "", t, getattr(statistics, name)))
        if step.scores is not None and len(step.prompt) > 1:
            squares.append(statistics.update.value)
            rows.append(_row("step", "update", "mean so far", t, intervals.mean(np.array(squares), base.level)))
            rows.append(_row("step", "drift", "", t, statistics.drift))
    return rows


def _windows(base: Observation) -> list[Row]:
    """Each component over stretches of steps with at least ``intervals.LEAST`` groups, the last ones joined to the
    stretch before.
    """
    stretches: list[list[int]] = [[]]
    for t in range(len(base.training)):
        if sum(len(base.training[u].prompt) for u in stretches[-1]) >= intervals.LEAST:
            stretches.append([])
        stretches[-1].append(t)
    if len(stretches) > 1 and sum(len(base.training[u].prompt) for u in stretches[-1]) < intervals.LEAST:
        last = stretches.pop()
        stretches[-1] += last
    rows: list[Row] = []
    for stretch in stretches if base.training else []:
        rewards = np.concatenate([base.training[t].rewards.mean(axis=1) for t in stretch])
        middle = (stretch[0] + stretch[-1]) / 2
        names = base.rollouts.component_names
        rows += [
            _row("stretch", f"component {name}", "", middle, intervals.bounded_mean(rewards[:, k], base.level))
            for k, name in enumerate(names)
        ]
    return rows


def _evaluations(evaluation: Evaluation | None, level: float) -> list[Row]:
    """Risk of each checkpoint on the held-out prompts and its bound, all at once by a union over the class."""
    if evaluation is None:
        return []
    rows: list[Row] = []
    for j, (losses, bound) in enumerate(
        zip(evaluation.losses, observed.risk_bounds(evaluation, evaluation.losses), strict=True), start=1
    ):
        rows += [
            _row("evaluation", "risk", "", j, intervals.bounded_mean(losses, level)),
            _row("evaluation", "bound", "", j, Estimate.exact(bound)),
        ]
    return rows


# -- for people ---------------------------------------------------------------------------------------------------

ASYMPTOTIC = (
    "asymptotic: the size of these scores has no known bound, so an interval from few draws may miss a rare large one; "
    "such a check decides nothing, "
    "and its note says what the interval suggests"
)


def tables(findings: Findings) -> Group:
    """Verdicts with the twin's, then numbers with intervals and the twin's exact ones."""
    verdicts = Table(
        "claim",
        "left",
        "",
        "right",
        "verdict",
        "evidence",
        *(["exact twin"] if findings.twin_checks else []),
        box=None,
        padding=(0, 1),
    )
    for check in findings.checks:
        relation = RELATIONS[type(CLAIMS[check.claim_id].statement).__name__]
        exact = [_short(findings.twin_checks.get(check.claim_id))] if findings.twin_checks else []
        evidence = "-" if check.lhs is None else str(check.evidence)
        verdicts.add_row(
            check.claim_id, number(check.lhs), relation, number(check.rhs), _word(check.verdict), evidence, *exact
        )
    notes = Table(box=None, padding=(0, 1), show_header=False)
    for check in findings.checks:
        if check.note:
            notes.add_row(check.claim_id, plain(check.note))
    found = Table(
        "number",
        "estimate",
        "low",
        "high",
        "interval",
        *(["exact twin"] if findings.twin_checks else []),
        box=None,
        padding=(0, 2),
    )
    for column in [*found.columns[1:4], *found.columns[5:]]:
        column.justify = "right"
    for row in findings.rows:
        if row["part"] == "number":
            exact = [number(row["twin"] if row["twin"] != "" else None)] if findings.twin_checks else []
            ends = (number(row[end]) if row[end] != "" else "-" for end in ("value", "low", "high"))
            found.add_row(plain(NAMES.get(row["name"], row["name"])), *ends, row["interval"], *exact)
    asymptotic = any(check.evidence is Evidence.ASYMPTOTIC and check.lhs is not None for check in findings.checks)
    return Group(
        verdicts, *(["", notes] if notes.row_count else []), *(["", ASYMPTOTIC] if asymptotic else []), "", found
    )


def _word(verdict: Verdict) -> str:
    return f"[{COLOURS[str(verdict)]}]{verdict}[/]"


def _short(check: Check | None) -> str:
    if check is None:
        return "-"
    sides = f" ({number(check.lhs)}, {number(check.rhs)})" if check.lhs is not None else ""
    return f"{_word(check.verdict)}{sides}"


def failed(checks: Iterable[Check]) -> bool:
    """Whether a claim is violated."""
    return any(check.verdict is Verdict.VIOLATED for check in checks)


def save(findings: Findings, folder: Path) -> None:
    """Write both files."""
    content = {
        "checks": [check.to_dict() for check in findings.checks],
        "twin": {name: check.to_dict() for name, check in findings.twin_checks.items()},
    }
    storage.write_atomically(folder / "checks.json", json.dumps(content, indent=1, allow_nan=False) + "\n")
    storage.write_atomically(folder / "table.csv", to_csv(list(findings.rows)))
