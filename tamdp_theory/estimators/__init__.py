"""What a training step does with a group, or with a batch of groups: one file per estimator; ``named`` finds one by its
name.
"""

from typing import Any

from tamdp_theory.estimators.base import Column, Estimator, Multiset, Place
from tamdp_theory.estimators.batch.base import BatchEstimator
from tamdp_theory.estimators.batch.scheme import BatchScheme
from tamdp_theory.estimators.function import from_function
from tamdp_theory.estimators.keep import KeepRule
from tamdp_theory.estimators.names import (
    batch_families,
    batch_names,
    families,
    keep_rule,
    named,
    names,
    options_of,
    resolve,
    resolve_in_batch,
)
from tamdp_theory.estimators.scheme import AGGREGATIONS, NORMALIZATIONS, Aggregation, Keep, Normalization, Scheme
from tamdp_theory.estimators.standardized import Contrast

__all__ = [
    "AGGREGATIONS",
    "NORMALIZATIONS",
    "Aggregation",
    "BatchEstimator",
    "BatchScheme",
    "Column",
    "Contrast",
    "Estimator",
    "Keep",
    "KeepRule",
    "Multiset",
    "Normalization",
    "Place",
    "Scheme",
    "batch_families",
    "batch_names",
    "families",
    "from_function",
    "keep_rule",
    "named",
    "names",
    "objective",
    "options_of",
    "resolve",
    "resolve_in_batch",
]


def __getattr__(name: str) -> Any:
    if name == "objective":  # needs exact arithmetic, which itself is built on estimators
        from tamdp_theory.exact.objectives import objective

        return objective
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
