"""The claims of theory.md: symbolic statements, assumptions, proofs in a sentence, and checks.

bounds.CLAIMS["L9"].check(env, policy, group_size=8)   # -> Check
"""

from bounds.claim import Assumption, Check, Claim
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
