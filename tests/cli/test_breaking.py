"""Where long formulas in running text may be cut."""

import pytest

from bounds import CLAIMS
from bounds.proofs import pieces, proof_of
from experiments.report.breaking import broken


@pytest.mark.parametrize(
    ("latex", "parts"),
    [
        ("a=b", ["a=b"]),
        (r"f(x=1)+\sum_{x<y}S_xS_y\le\frac{a+b}{c}", [r"f(x=1)", r"+\sum_{x<y}S_xS_y", r"\le\frac{a+b}{c}"]),
        (
            r"\left[0, 1\right)\to\{a=b\}, s=2S+\sigma_{a}",
            [r"\left[0, 1\right)", r"\to\{a=b\},", "s", "=2S", r"+\sigma_{a}"],
        ),
        (r"g(w,z;s,f):=\min_{0\le t\le 1}\{t+s\}\psi", [r"g(w,z;s,f)", r":=\min_{0\le t\le 1}\{t+s\}\psi"]),
        (r"(a = b + c + d + e + f + g + h + i", [r"(a = b + c + d + e + f + g + h + i"]),
    ],
)
def test_cuts(latex: str, parts: list[str]) -> None:
    assert broken(latex) == parts


def test_nothing_is_lost_or_long() -> None:
    for claim in CLAIMS.values():
        for text in (claim.proof or "", *proof_of(claim.id)):
            for drawn, part in pieces(text):
                if drawn:
                    cut = broken(part)
                    assert "".join("".join(cut).split()) == "".join(part.split())
                    assert max(map(len, cut)) <= 120, (claim.id, cut)
