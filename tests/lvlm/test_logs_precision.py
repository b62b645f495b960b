"""Rewards of TRL's logs in low precision, from files made by hand; needs pyarrow alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
import pyarrow.parquet as pq  # noqa: E402

from tamdp_theory.exact import Groups  # noqa: E402
from tamdp_theory.lvlm import logs  # noqa: E402
from tamdp_theory.numbers import fraction  # noqa: E402

REWARDS = [(0.1, 0.2), (0.3, 0.0)]


@pytest.mark.parametrize("kind", [np.float32, np.float16, "widened", np.float64], ids=str)
def test_ties_are_ties(tmp_path: Path, kind: Any) -> None:
    """.1 + .2 against .3 + 0, in a column of floats, of halves, of floats widened to doubles as TRL writes them, and of
    doubles.
    """
    columns = [
        np.array(column, dtype=np.float32 if kind == "widened" else kind) for column in zip(*REWARDS, strict=True)
    ]
    first, second = (column.astype(np.float64) if kind == "widened" else column for column in columns)
    path = tmp_path / "completions_00001.parquet"
    pq.write_table(
        pa.table(
            {
                "step": [1, 1],
                "prompt": ["p", "p"],
                "completion": ["x", "y"],
                "a": first,
                "b": second,
                "advantage": [0.0, 0.0],
            }
        ),
        path,
    )
    (entry,) = logs.read(path, 2).steps
    assert entry.groups.rewards.tolist() == [[list(row) for row in REWARDS]]
    rows = tuple(tuple(fraction(float(v), "r") for v in row) for row in entry.groups.rewards[0])
    assert not Groups(np.array([[0, 1]]), rows, entry.groups.weights).composite.squares.any()
