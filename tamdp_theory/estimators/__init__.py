"""What a training step does with a group: one file per estimator; ``resolve`` finds one by its name."""

from tamdp_theory.estimators.base import Column, Estimator, Place, names, resolve
from tamdp_theory.estimators.scheme import NORMALIZATIONS, Normalization, Scheme
from tamdp_theory.estimators.standardized import Contrast

__all__ = ["NORMALIZATIONS", "Column", "Contrast", "Estimator", "Normalization", "Place", "Scheme", "names", "resolve"]
