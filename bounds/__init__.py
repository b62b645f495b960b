"""The claims of theory.md: symbolic statements, assumptions, proofs in a sentence, and checks.

    bounds.CLAIMS["L9"].check(env, policy, group_size=8)   # -> Check
"""

from bounds.claim import Assumption, Check, Claim, Evidence, Instance, Measured, Standing, Verdict
from bounds.generalization import Generalization
from bounds.observation import Evaluation, Observation
from bounds.registry import CLAIMS

__all__ = ["CLAIMS", "Assumption", "Check", "Claim", "Evaluation", "Evidence", "Generalization", "Instance", "Measured", "Observation", "Standing", "Verdict"]
