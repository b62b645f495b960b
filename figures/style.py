"""One look for every figure: column widths, a palette that survives colour blindness and grey print, embedded fonts."""

from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from experiments.report.escaping import escaped
from tamdp_theory import storage

SINGLE, DOUBLE = 3.5, 7.2  # inches, column widths
MARKERS = ("o", "s", "^", "D", "v", "P")  # with PALETTE: colour is never the only difference
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")  # Okabe and Ito
_RC = {
    "font.size": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "pdf.fonttype": 42,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.dpi": 100,
    "savefig.dpi": 200,
}


def subplots(width: float = DOUBLE, height: float = 3.0) -> tuple[Figure, Axes]:
    """A figure with one axes in the house style; no global state is touched."""
    figure, axes = panels(1, 1, width, height)
    return figure, axes[0, 0]


def panels(rows: int, columns: int, width: float = DOUBLE, height: float = 3.0, **options: Any) -> tuple[Figure, Any]:
    """A figure with axes (rows, columns); options as of ``Figure.subplots`` (sharex, sharey, ...)."""
    with matplotlib.rc_context(_RC):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        return figure, figure.subplots(rows, columns, squeeze=False, **options)


def save(figure: Figure, stem: Path, caption: str) -> list[Path]:
    """Write PDF, PNG and the caption as text and as LaTeX; returns the pictures' paths. Byte-identical for
    equal input.
    """
    paths = []
    for kind, metadata in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
        content = BytesIO()
        with matplotlib.rc_context(_RC):
            figure.savefig(content, format=kind, metadata=metadata)
        paths.append(stem.with_suffix(f".{kind}"))
        storage.write_atomically(paths[-1], content.getvalue())
    storage.write_atomically(stem.with_suffix(".txt"), caption + "\n")
    storage.write_atomically(stem.with_suffix(".tex"), escaped(caption) + "\n")
    return paths
