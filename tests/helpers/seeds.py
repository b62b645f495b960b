"""Seeds of tests that draw by themselves: fixed, unless ``make test-random`` moves them."""

import os


def moved(seed: int) -> int:
    """The seed itself, or one of the run's own."""
    return seed + 1000 * int(os.environ.get("TAMDP_TEST_SEED", "0"))
