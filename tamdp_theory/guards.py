"""What arguments must be, told in one way: InputError with the name, what is wanted and what was given."""

from fractions import Fraction
from typing import Any

import numpy as np

from tamdp_theory.errors import InputError


def check_integer(name: str, value: Any, least: int) -> None:
    """InputError unless ``value`` is an integer (Python's or NumPy's; True is none) of at least ``least``."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < least:
        raise InputError(f"{name}: must be an integer of at least {least}, got {value!r}")


def check_unit(name: str, value: float | Fraction) -> None:
    """InputError unless 0 <= ``value`` <= 1."""
    if not 0 <= value <= 1:
        raise InputError(f"{name}: must be in [0, 1], got {value}")


def check_inside_unit(name: str, value: float) -> None:
    """InputError unless 0 < ``value`` < 1."""
    if not 0 < value < 1:
        raise InputError(f"{name}: must be in (0, 1), ends excluded, got {value}")
