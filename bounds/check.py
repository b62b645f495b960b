"""The result of one check."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bounds.verdicts import Evidence, Verdict


@dataclass(frozen=True, kw_only=True)
class Check:
    """The result of one check (theory.md section 8). slack = rhs - lhs; for identities -|rhs - lhs|."""

    claim_id: str
    instance: str
    lhs: float | None
    rhs: float | None
    slack: float | None
    verdict: Verdict
    evidence: Evidence
    assumptions: Mapping[str, bool]
    error: float = 0.0
    note: str = ""

    @property
    def is_doubtful(self) -> bool:
        """Whether floats alone see a violation, which exact arithmetic could not settle: no verdict, but a reason to
        look.
        """
        return self.verdict is Verdict.UNDECIDED and self.slack is not None and self.slack < -self.error

    def to_dict(self) -> dict[str, Any]:
        """Plain content for JSON."""
        return {
            "claim": self.claim_id,
            "instance": self.instance,
            "lhs": _finite(self.lhs),
            "rhs": _finite(self.rhs),
            "slack": _finite(self.slack),
            "verdict": str(self.verdict),
            "evidence": str(self.evidence),
            "assumptions": {name: bool(met) for name, met in self.assumptions.items()},
            "error": _finite(self.error),
            "note": self.note,
        }


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
