"""Saved results for reports: every claim with checks of every verdict, and texts that try to break out of
their place.
"""

import json
import struct
import zlib
from pathlib import Path
from typing import Any

from bounds import CLAIMS

NASTY = "<script>alert(1)</script> \"a\" 'b' & ]]> \\end{document} \x1b[31m ‖∇J‖²"
SIDES = ((0.5, 1.0, "holds"), (1e-7, 2.5, "vacuous"), (None, None, "assumption_unmet"))


def check(claim: str, instance: str, lhs: float | None, rhs: float | None, verdict: str) -> dict[str, Any]:
    slack = None if lhs is None or rhs is None else rhs - lhs
    return {
        "claim": claim,
        "instance": instance,
        "lhs": lhs,
        "rhs": rhs,
        "slack": slack,
        "verdict": verdict,
        "evidence": "exact",
        "assumptions": {},
        "error": 0.0,
        "note": "",
    }


def checks() -> list[dict[str, Any]]:
    found = []
    for place, claim in enumerate(CLAIMS.values()):
        found += [
            check(
                claim.id,
                f"tree {place} G={place + 2}",
                lhs and lhs * (place + 1) ** 2,
                rhs and rhs * (place + 1) ** 2,
                v,
            )
            for lhs, rhs, v in SIDES
        ]
        if claim.standing == "printed":
            found.append(check(claim.id, "stored", 1.0, 0.25, "violated"))
    found.append(check("L9", NASTY, 0.999, 1.0, "holds"))
    return found


def png(width: int = 40, height: int = 20) -> bytes:
    """A grey picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress((b"\0" + b"\x90" * width) * height))
        + chunk(b"IEND", b"")
    )


def save(folder: Path) -> Path:
    """Results with one figure in a folder; returns the folder."""
    (folder / "verify").mkdir(parents=True)
    (folder / "verify" / "checks.json").write_text(json.dumps({"checks": checks()}))
    (folder / "verify" / "verdicts.png").write_bytes(png())
    (folder / "verify" / "verdicts.txt").write_text(f"Tightness of {NASTY}\n")
    return folder
