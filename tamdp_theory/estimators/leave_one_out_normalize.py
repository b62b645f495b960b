"""Standardization by mean and deviation of the other members (NeMo-RL's ``grpo`` with leave-one-out).

Where the others agree the centred reward stays as it is, undivided: a rare success among failures is not scaled up. The
library's own constants are ddof 1 and eps 1e-6. With its dynamic sampling (``filtered``) members whose others agree are
left out and the rest computed anew: what is left of such a group is alike, so a single success or failure teaches
nothing.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from tamdp_theory.estimators.base import Estimator, Multiset


@dataclass(frozen=True, kw_only=True)
class LeaveOneOutNormalize(Estimator):
    """A_i = (c_i - b_i) / (s_i + eps), b_i and s_i of the others; c_i - b_i where s_i = 0, or, if filtered, all 0."""

    uses: ClassVar[tuple[str, ...]] = ("NeMo-RL grpo with leave-one-out (filtered: and use_dynamic_sampling)",)
    name: str = "leave_one_out_normalize"
    filtered: bool = False
    statistics: Any = "counts"

    @property
    def tilts(self) -> bool:
        return not self.filtered  # whether a group is left out hangs on the own reward too

    def gains(self, group: Multiset) -> Any:
        gap, others = group.difference, group.size - 1
        total = group.each(gap)  # of differences from oneself: one's own is 0
        # (G - 1)^2 times the variance of the others
        squares = (others * group.each(gap**2) - total**2) * (group.counts > 0)
        spread = group.root(group.quotient(squares, others * max(others - group.ddof, 1)))
        scaled = group.divide(group.quotient(total, 1), spread + group.eps)
        gains = np.where(squares == 0, group.reward(total), scaled) * group.quotient(1, others)
        if not self.filtered:
            return gains
        agree = ((squares == 0) & (group.counts > 0)).any(axis=-1)[..., None]
        return gains * ~agree


ESTIMATORS = (LeaveOneOutNormalize(),)
