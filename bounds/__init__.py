"""The claims of theory.md: symbolic statements, assumptions, proofs, and checks. Each name loads what it needs when it
is first read.

bounds.CLAIMS["L9"].check(env, policy, group_size=8)   # -> Check
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bounds.check import Check
    from bounds.claim import Assumption, Claim
    from bounds.comparison import Measured
    from bounds.instance import Instance
    from bounds.observation import Evaluation, Observation
    from bounds.pac_bayes.setting import Generalization
    from bounds.registry import CLAIMS
    from bounds.verdicts import Evidence, Standing, Verdict

__all__ = [
    "CLAIMS",
    "Assumption",
    "Check",
    "Claim",
    "Evaluation",
    "Evidence",
    "Generalization",
    "Instance",
    "Measured",
    "Observation",
    "Standing",
    "Verdict",
]
_HOMES = {
    "check": ("Check",),
    "claim": ("Assumption", "Claim"),
    "comparison": ("Measured",),
    "instance": ("Instance",),
    "observation": ("Evaluation", "Observation"),
    "pac_bayes.setting": ("Generalization",),
    "registry": ("CLAIMS",),
    "verdicts": ("Evidence", "Standing", "Verdict"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"bounds.{home}"), name)
    raise AttributeError(f"module 'bounds' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
