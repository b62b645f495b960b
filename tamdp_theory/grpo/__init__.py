"""GRPO: advantages, and training with the expected update or with sampled groups."""

from tamdp_theory.grpo.advantages import advantages
from tamdp_theory.grpo.batch import batch_advantages
from tamdp_theory.grpo.checkpoints import checkpoints
from tamdp_theory.grpo.config import Config, History
from tamdp_theory.grpo.trainer import train

__all__ = ["Config", "History", "advantages", "batch_advantages", "checkpoints", "train"]
