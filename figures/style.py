"""One look for every figure: column widths, a palette that survives colour blindness and grey print, embedded fonts."""

from io import BytesIO
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tamdp_theory import storage

DOUBLE = 7.2  # inches, a double column
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")  # Okabe and Ito
_RC = {
    "font.size": 8, "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7, "legend.fontsize": 7, "pdf.fonttype": 42,
    "axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 100, "savefig.dpi": 200,
}  # fmt: skip


def subplots(width: float = DOUBLE, height: float = 3.0) -> tuple[Figure, Axes]:
    """A figure with one axes in the house style; no global state is touched."""
    with matplotlib.rc_context(_RC):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        return figure, figure.add_subplot()


def save(figure: Figure, stem: Path, caption: str) -> list[Path]:
    """Write PDF, PNG and the caption; returns the paths. Byte-identical for equal input."""
    paths = []
    for kind, metadata in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
        content = BytesIO()
        with matplotlib.rc_context(_RC):
            figure.savefig(content, format=kind, metadata=metadata)
        paths.append(stem.with_suffix(f".{kind}"))
        storage.write_atomically(paths[-1], content.getvalue())
    storage.write_atomically(stem.with_suffix(".txt"), caption + "\n")
    return paths
