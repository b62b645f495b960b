"""What a training step does with a group: one file per estimator; ``named`` finds one by its name."""

from typing import Any

from tamdp_theory.estimators.base import Column, Estimator, Multiset, Place
from tamdp_theory.estimators.function import from_function
from tamdp_theory.estimators.names import families, named, names, options_of, resolve
from tamdp_theory.estimators.scheme import AGGREGATIONS, NORMALIZATIONS, Aggregation, Keep, Normalization, Scheme
from tamdp_theory.estimators.standardized import Contrast

__all__ = [
    "AGGREGATIONS",
    "NORMALIZATIONS",
    "Aggregation",
    "Column",
    "Contrast",
    "Estimator",
    "Keep",
    "Multiset",
    "Normalization",
    "Place",
    "Scheme",
    "families",
    "from_function",
    "named",
    "names",
    "objective",
    "options_of",
    "resolve",
]


def __getattr__(name: str) -> Any:
    if name == "objective":  # needs exact arithmetic, which itself is built on estimators
        from tamdp_theory.exact.objectives import objective

        return objective
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
