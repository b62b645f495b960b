"""Settings and results of a training run."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from tamdp_theory.errors import InputError
from tamdp_theory.estimators.scheme import Aggregation, Normalization, Scheme
from tamdp_theory.exact.surrogate import Ratio, check_ratio
from tamdp_theory.guards import check_integer
from tamdp_theory.model import Floats, Ints


@dataclass(frozen=True)
class Config:
    """How to train. Defaults are plain on-policy GRPO without clipping at work (one inner epoch)."""

    mode: Literal["exact", "sampled"] = "exact"
    """exact: the expected update; sampled: independent groups."""
    steps: int = 100
    """Number of rollout steps T."""
    learning_rate: float = 0.1
    """Step size eta of plain gradient ascent."""
    group_size: int = 8
    """G, rollouts per prompt and step."""
    normalization: Normalization = "sum_then_normalize"
    """Name of an estimator, or one: center (Dr. GRPO), sum_then_normalize (GRPO), normalize_then_sum (GDPO), ..."""
    eps: float = 0.0
    """Added to deviations; TRL uses 1e-4, verl 1e-6."""
    ddof: int = 0
    """Degrees of freedom removed in deviations; TRL and verl use 1."""
    aggregation: Aggregation = "trajectory"
    """What an advantage is multiplied by for its length: trajectory (1), sequence_mean, token_mean or constant."""
    keep: str = "all"
    """Groups that count: all, mixed (composites not all equal), mean_in(low=0, high=1) or std_above(least=1/1000000);
    sampled training takes all."""
    prompts_per_step: int | None = None
    """Prompts drawn from rho, with replacement, in each step; none: every prompt, weighted by rho."""
    inner_epochs: int = 1
    """Gradient steps on the clipped surrogate per batch of rollouts."""
    clip: tuple[float, float] = (0.2, 0.2)
    """Ratios are clipped to [1 - lo, 1 + hi]."""
    ratio: Ratio = "trajectory"
    """What is clipped: ratios of whole trajectories; in mode exact also of each decision, or of a sequence (GSPO)."""
    dual_clip: float | None = None
    """Above 1: what a ratio can at most cost under a negative advantage; mode exact."""
    cispo: bool = False
    """The clipped ratio is a weight that is not differentiated (CISPO); mode exact."""
    kl_coef: float = 0.0
    """Weight of the exact KL to the reference policy."""
    think_weight: float = 1.0
    """Weight of think actions in the score."""
    whiten: bool = False
    """Standardize the summed advantages over the whole batch (TRL's GDPO); sampled normalize_then_sum only."""
    record_every: int = 1
    """Steps between records; the last step is always recorded."""
    record_update: bool = False
    """Also record the exact ||m||^2 and <grad J, m> along the path."""
    record_variance: bool = False
    """Also record the exact V along the path (every prompt in the step)."""

    def __post_init__(self) -> None:
        _ = self.scheme
        for name, least in (("steps", 0), ("inner_epochs", 1), ("record_every", 1)):
            check_integer(name, getattr(self, name), least)
        if self.mode not in ("exact", "sampled"):
            raise InputError(f"mode: must be exact or sampled, got {self.mode!r}")
        if not (np.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise InputError(f"learning_rate: must be positive and finite, got {self.learning_rate}")
        if self.prompts_per_step is not None:
            check_integer("prompts_per_step", self.prompts_per_step, 1)
        if self.keep != "all" and self.mode == "sampled":
            raise InputError("keep: sampled training takes all groups; use mode exact for some of them")
        check_ratio(self.ratio, self.dual_clip, self.cispo)
        if self.mode == "sampled" and (self.ratio != "trajectory" or self.dual_clip is not None or self.cispo):
            raise InputError("ratio, dual_clip, cispo: sampled training clips trajectory ratios; use mode exact")
        if self.whiten and (self.normalization != "normalize_then_sum" or self.mode != "sampled"):
            raise InputError("whiten: batch whitening belongs to mode sampled with normalize_then_sum")

    @property
    def scheme(self) -> Scheme:
        """How groups become advantages."""
        return Scheme(self.group_size, self.normalization, self.eps, self.ddof, self.aggregation, self.keep)


@dataclass(frozen=True)
class History:
    """What training did; S seeds, R records, d parameters. Exact mode has S = 1.

    step (R,): t of each record, from 0 (before the first step) to T. total J (S, R); components J_k (S, R, K);
    gradient_norm2 ||grad J||^2 (S, R). With record_update also update_norm2 ||m||^2 and drift <grad J, m>, with
    record_variance also variance V (S, R), for all prompts in the step. parameters (S, d): where training ended.
    """

    config: Config
    step: Ints
    total: Floats
    components: Floats
    gradient_norm2: Floats
    parameters: Floats = field(repr=False)
    update_norm2: Floats | None = None
    drift: Floats | None = None
    variance: Floats | None = None
