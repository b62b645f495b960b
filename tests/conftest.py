"""Drawn instances: the same in every run (profile ``fixed``), or fresh ones with a seed that is printed (``make
test-random``).
"""

import os

from hypothesis import settings

settings.register_profile("fixed", derandomize=True, database=None)
settings.register_profile("random", derandomize=False, database=None, print_blob=True)
settings.load_profile("fixed")


def pytest_report_header() -> str:
    seed = os.environ.get("TAMDP_TEST_SEED")
    return (
        "drawn instances: fixed"
        if seed is None
        else f"drawn instances: fresh, seed {seed} (again: make test-random SEED={seed})"
    )
