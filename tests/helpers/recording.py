"""Two recordings compared."""

import numpy as np


def same(one, other):
    """The same groups, bit by bit."""
    assert one.component_names == other.component_names and one.weights == other.weights
    for name in ("prompt", "rewards", "log_probability", "scores"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
