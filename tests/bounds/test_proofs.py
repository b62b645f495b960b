"""Proofs in full: each belongs to a claim, every formula is drawn, and every reader gets it."""

from importlib.resources import files

import pytest

from bounds import CLAIMS
from bounds.proofs import pieces, proof_of
from experiments import plain_math
from experiments.report import latex, mathml

WRITTEN = sorted(
    path.name.removesuffix(".md") for path in files("bounds.proofs").iterdir() if path.name.endswith(".md")
)


def test_each_belongs_to_a_claim() -> None:
    assert set(WRITTEN) <= set(CLAIMS) and len(WRITTEN) >= 13
    assert all(proof_of(claim) for claim in WRITTEN) and proof_of("L1") == ()


@pytest.mark.parametrize("claim_id", CLAIMS)
def test_every_formula_is_drawn_and_read(claim_id: str) -> None:
    for text in (CLAIMS[claim_id].proof, *proof_of(claim_id)):
        assert text.count("$") % 2 == 0
        for drawn, part in pieces(text):
            if drawn:
                assert mathml.formula(part).startswith("<math")
                assert "\\" not in plain_math.read(part), part
        assert "".join(f"${part}$" if drawn else part for drawn, part in pieces(text)) == text
        assert all(f"${part}$" in latex._text(text) for drawn, part in pieces(text) if drawn)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"\frac{1}{2}\|v\|^2", "1/2 ‖v‖²"),
        (r"\sum_{t<T}\mathbb{E}x_t", "Σ_(t<T) Ex_t"),
        (r"\hat g\le\sqrt{2}", "ĝ ≤ √2"),
        (r"x^{-1}+\theta_{ij}", "x⁻¹+θ_ij"),
        (r"F^{\star}-F(\theta_0)", "F*-F(θ₀)"),
    ],
)
def test_plain_text(written: str, read: str) -> None:
    assert plain_math.read(written) == read
