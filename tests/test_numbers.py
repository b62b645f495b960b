"""Numbers in low precision are the shortest decimals of their own types."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tamdp_theory import InputError
from tamdp_theory.numbers import narrow, on_grid, reals

TYPES: list[Any] = [np.float64, np.float32, np.float16, torch.float64, torch.float32, torch.float16, torch.bfloat16]


def make(values: Any, kind: Any) -> Any:
    return torch.tensor(values, dtype=kind) if isinstance(kind, torch.dtype) else np.array(values, dtype=kind)


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_two_digits_are_read_back(kind: Any) -> None:
    """Every type holds two significant digits, so the shortest decimal that rounds to 0.37 in it is 0.37 (or a shorter
    one).
    """
    values = [n / 100 for n in range(101)] + [1e-3, 0.5, 2.0, 96.0]
    assert reals(make(values, kind), "x").tolist() == values
    assert reals(make([[0.1, 0.2], [0.3, 0.0]], kind), "x").tolist() == [[0.1, 0.2], [0.3, 0.0]]


@settings(max_examples=400, deadline=None)
@given(st.integers(1, 2**16 - 1))
def test_bfloat16_against_torch(bits: int) -> None:
    """What is read rounds to the same bfloat16, and no decimal of fewer digits does."""
    value = torch.tensor([bits if bits < 2**15 else bits - 2**16], dtype=torch.int16).view(torch.bfloat16)
    if not torch.isfinite(value).all() or value.item() == 0:
        return
    found = float(reals(value, "x")[0])
    assert (
        torch.equal(torch.tensor([found], dtype=torch.float64).to(torch.bfloat16), value) or abs(found) < 2e-38
    )  # torch flushes some subnormals
    digits = len(repr(found).split("e")[0].replace(".", "").replace("-", "").strip("0"))
    assert digits <= 4
    if digits > 1:
        shorter = float(f"{value.item():.{digits - 2}e}")
        assert not torch.equal(torch.tensor([shorter], dtype=torch.float64).to(torch.bfloat16), value)


@settings(max_examples=200, deadline=None)
@given(
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.floats(width=16, allow_nan=False, allow_infinity=False),
)
def test_numpy_types_against_numpy(single: float, half: float) -> None:
    for value, kind in ((single, np.float32), (half, np.float16)):
        found = float(reals(np.array([value], dtype=kind), "x")[0])
        assert kind(found) == kind(value)
        assert found == float(str(kind(value)))


def test_sequences() -> None:
    assert reals([0.1, 1, True, Fraction(1, 4)], "x").tolist() == [0.1, 1.0, 1.0, 0.25]
    assert reals([np.float32(0.1), 0.2, torch.tensor(0.3, dtype=torch.bfloat16)], "x").tolist() == [0.1, 0.2, 0.3]
    assert reals([torch.tensor([0.1, 0.2]), np.array([0.3, 0.4], dtype=np.float16)], "x").tolist() == [
        [0.1, 0.2],
        [0.3, 0.4],
    ]
    assert reals(np.array([1, 2], dtype=np.int8), "x").tolist() == [1, 2]
    assert reals(torch.tensor([0.1], requires_grad=True), "x").tolist() == [0.1]
    assert np.isnan(reals(np.array([np.nan], dtype=np.float32), "x")).all()
    assert reals(np.zeros((0, 3), dtype=np.float32), "x").shape == (0, 3)


@pytest.mark.parametrize(
    "bad", [[[1, 2], [3]], "a", ["a"], None, [None], {"a": 1}, [[1], 2], [1j], np.array(["a"]), [10**400]], ids=str
)
def test_what_is_no_array_of_numbers(bad: Any) -> None:
    with pytest.raises(InputError, match=r"^rewards"):
        reals(bad, "rewards")


def test_narrow() -> None:
    """A column that went through float32 is recognized as a whole."""
    assert narrow(np.array([0.1, 0.3, 1], dtype=np.float32).astype(float)).tolist() == [0.1, 0.3, 1]
    assert narrow(np.array([0.1, 0.25])).tolist() == [0.1, 0.25]
    assert narrow(np.array([float(np.float32(0.1)), 0.2])).tolist() == [float(np.float32(0.1)), 0.2]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.one_of(st.floats(-1, 1), st.sampled_from([0.1, 0.2, 0.3, 1e308, -1e308, 5e-324, 0.0])),
        min_size=1,
        max_size=6,
    )
)
def test_grids_are_exact(values: list[float]) -> None:
    integers, unit = on_grid(np.array(values))
    assert [int(n) * unit for n in integers] == [Fraction(repr(v)) for v in values]
