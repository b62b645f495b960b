"""How tight each inequality is: left over right side, one mark per check of a verification."""

import json
from pathlib import Path
from typing import Any

from matplotlib.lines import Line2D

from bounds import CLAIMS
from figures.style import PALETTE, save, subplots
from tamdp_theory import InputError, storage

CAPTION = (
    "Tightness of every inequality on the reference suite: left over right side of each check, log scale; the dashed "
    "line is equality. "
    "Filled circles hold, open diamonds are vacuous (the bound says nothing beyond the trivial one), crosses violate. "
    "The number of checks stands at the right. Identities and statements about signs have no ratio and are left out."
)
_MARKS = {
    "holds": ("o", PALETTE[0], PALETTE[0]),
    "vacuous": ("D", "none", PALETTE[1]),
    "violated": ("x", PALETTE[3], PALETTE[3]),
}


SOURCE, COMMAND = "verify/checks.json", "tamdp verify"


def draw(source: Path, out: Path) -> list[Path]:
    """Draw from the checks of a verification; returns the files written (none if no check has a ratio)."""
    try:
        rows = _ratios(json.loads(storage.read_bytes(source))["checks"])
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{source}: not a result of `tamdp verify`; run it again") from error
    if not rows:
        for kind in ("pdf", "png", "txt", "tex"):  # none is better than one of other checks
            (out / f"verdicts.{kind}").unlink(missing_ok=True)
        return []
    figure, axes = subplots(height=0.9 + 0.24 * len(rows))
    names = list(rows)[::-1]
    for y, name in enumerate(names):
        for verdict, (marker, face, edge) in _MARKS.items():
            ratios = [ratio for ratio, found in rows[name] if found == verdict]
            colour = {"color": edge} if marker == "x" else {"facecolor": face, "edgecolor": edge}
            axes.scatter(ratios, [y] * len(ratios), s=16, marker=marker, linewidths=0.8, alpha=0.75, zorder=3, **colour)
        axes.annotate(f"{len(rows[name])}", (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=7)
    axes.axvline(1.0, color="black", linestyle="--", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.7, len(names) - 0.3)
    axes.set_xlabel("left side / right side")
    axes.annotate("checks", (1.01, len(names) - 0.45), xycoords=("axes fraction", "data"), va="center", fontsize=7)
    axes.grid(axis="x", linewidth=0.4, alpha=0.5)
    handles = [
        Line2D([], [], linestyle="none", marker=m, markersize=4, markerfacecolor=face, markeredgecolor=edge)
        for m, face, edge in _MARKS.values()
    ]
    axes.legend(handles, ["holds", "vacuous", "violated"], loc="lower left", frameon=True, framealpha=1.0, fontsize=7)
    return save(figure, out / "verdicts", CAPTION)


def _ratios(checks: Any) -> dict[str, list[tuple[float, str]]]:
    """Left over right side and verdict of each check of an inequality, by claim."""
    rows: dict[str, list[tuple[float, str]]] = {}
    for check in checks:
        claim, verdict, lhs, rhs = (check[name] for name in ("claim", "verdict", "lhs", "rhs"))
        if CLAIMS[claim].kind == "inequality" and verdict in _MARKS and lhs > 0 and rhs > 0:
            rows.setdefault(claim, []).append((lhs / rhs, verdict))
    return rows
