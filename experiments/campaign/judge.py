"""One instance through every claim that has an exact form: what floats alone say, what exact arithmetic says, and
whether they agree.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from flint import ctx

from bounds import CLAIMS, Claim, Instance, Standing, Verdict
from bounds.decision import Row, settle
from bounds.exact_instance import ExactInstance, exactly
from bounds.testing import describe
from experiments.campaign.instances import draw
from tamdp_theory import CapacityError, InputError
from tamdp_theory.estimators import resolve

ENCLOSED = tuple(claim for claim in CLAIMS.values() if claim.enclose is not None)
PROVED = (Standing.PROVED, Standing.LITERATURE)
NOTHING = "no exact verdict"


@dataclass
class Tally:
    """Counts by (claim, float verdict, exact verdict), by (family, the same two), and every contradiction in full."""

    claims: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    families: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    contradictions: list[str] = field(default_factory=list)

    @property
    def checks(self) -> int:
        """Instances times claims."""
        return sum(self.claims.values())


def contradicts(claim: Claim, floats: str, exact: str) -> str:
    """Why two verdicts cannot both be right, or why the exact one cannot; "" if they can."""
    if exact == Verdict.VIOLATED and claim.standing in PROVED:
        return "exact arithmetic violates what is proved"
    if (floats, exact) == (Verdict.HOLDS, Verdict.VIOLATED) or (floats, exact) == (Verdict.VIOLATED, Verdict.HOLDS):
        return "floats and exact arithmetic contradict each other"
    if floats in (Verdict.HOLDS, Verdict.VIOLATED) and exact == Verdict.VACUOUS:
        return "floats pass or fail where nothing could fail"
    if floats in (Verdict.HOLDS, Verdict.VIOLATED) and exact == Verdict.ASSUMPTION_UNMET:
        return "floats pass or fail where an assumption is not met"
    return ""


class Rows(dict[Any, list[Row]]):
    """Rows that several claims read, made once for each scheme and precision."""

    def of(self, enclose: Callable[[ExactInstance], list[Row]], instance: ExactInstance) -> list[Row]:
        """What ``enclose`` gives."""
        key = (enclose, instance.scheme, int(ctx.prec))
        if key not in self:
            self[key] = enclose(instance)
        return self[key]


def judge(claim: Claim, instance: Instance, subject: ExactInstance, rows: Rows) -> tuple[str, str]:
    """What floats alone say of a claim, and what exact arithmetic says of the same instance, ``subject``."""
    enclose = claim.enclose
    assert enclose is not None
    floats = str(replace(claim, enclose=None).check(instance).verdict)
    try:
        decision, _ = settle(replace(claim, enclose=lambda i: rows.of(enclose, i)), subject)
    except (InputError, CapacityError):
        return floats, NOTHING
    return floats, str(decision.verdict or Verdict.UNDECIDED)


def run(seed: int, chunk: int, instances: int, claims: Iterable[Claim] = ENCLOSED) -> Tally:
    """Check ``instances`` drawn instances on every claim; the same seed and chunk give the same tally."""
    tally, chosen = Tally(), tuple(claims)
    for place in range(instances):
        g = np.random.default_rng([seed, chunk, place])
        family, base = draw(g)
        subject, rows = exactly(base), Rows()
        for claim in chosen:
            # mostly what the claim speaks of
            own = (
                claim.schemes[g.integers(len(claim.schemes))].normalization
                if claim.schemes
                else base.scheme.normalization
            )
            size = max(base.scheme.group_size, resolve(own).smallest)
            scheme = replace(base.scheme, normalization=own, group_size=size)
            instance = replace(base, scheme=scheme)
            try:
                floats, exact = judge(claim, instance, replace(subject, scheme=scheme), rows)
            except CapacityError:
                floats, exact = "too large", NOTHING
            tally.claims[claim.id, floats, exact] += 1
            tally.families[family, floats, exact] += 1
            if reason := contradicts(claim, floats, exact):
                tally.contradictions.append(
                    f"{reason}: floats {floats}, exact {exact}\n{describe(claim.check(instance), instance)}"
                )
    return tally
