"""Domains and settings that the tests of Theorem 3 share."""

from typing import Any

import numpy as np

from tamdp_theory import families

TWO = families.contextual_bandit([[["0"]], [["1"]]])


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
