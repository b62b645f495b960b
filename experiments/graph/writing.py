"""A process's graph as a file: drawn (svg, png, pdf), or as text for Graphviz (dot) and LaTeX (tikz)."""

import html
import io
from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.graph.cards import Card
from experiments.graph.layout import CHARACTER, LINE, Layout, lay_out
from experiments.report.escaping import escaped
from tamdp_theory import InputError, storage


def write(cards: Sequence[Card], name: str, path: Path) -> Path:
    """Write the graph of a process called ``name`` in the format of the path's ending. InputError for another one."""
    ending = path.suffix.removeprefix(".")
    if ending not in FORMATS:
        raise InputError(f"--graph: {path} should end in one of {', '.join('.' + one for one in FORMATS)}")
    storage.write_atomically(path, FORMATS[ending](cards, name))
    return path


def dot(cards: Sequence[Card], name: str) -> str:
    """Graphviz: cards as tables, each row a port."""
    lines = [f"digraph {_quoted(name)} {{", "  rankdir=LR;", '  node [shape=plain, fontname="monospace", fontsize=9];']
    for i, card in enumerate(cards):
        cells = [f'<tr><td bgcolor="grey90"><b>{html.escape(card.title)}</b></td></tr>']
        cells += [
            f'<tr><td align="left" port="r{j}">{html.escape(row.text)}</td></tr>' for j, row in enumerate(card.rows)
        ]
        table = f'<table border="0" cellborder="1" cellspacing="0">{"".join(cells)}</table>'
        lines.append(f"  n{i} [label=<{table}>];")
    for i, card in enumerate(cards):
        for j, row in enumerate(card.rows):
            for branch in row.branches:
                label = f", label={_quoted(branch.label)}" if branch.label else ""
                lines.append(f"  n{i}:r{j} -> n{branch.target} [penwidth={0.4 + 3 * branch.flow:.2f}{label}];")
    return "\n".join([*lines, "}", ""])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'


def tikz(cards: Sequence[Card], name: str) -> str:
    """A tikzpicture, for ``\\input`` in a document that loads tikz."""
    layout = lay_out(cards)
    lines = [f"% {name}", r"\begin{tikzpicture}[x=1in, y=-1in, font=\scriptsize\ttfamily, inner sep=0pt]"]
    for card, place in zip(cards, layout.places, strict=True):
        right, low = place.x + place.width, place.y + place.height
        lines.append(rf"\draw[rounded corners=1pt] ({place.x:.3f},{place.y:.3f}) rectangle ({right:.3f},{low:.3f});")
        lines.append(
            rf"\node[anchor=west] at ({place.x + 0.06:.3f},{place.line(-1):.3f}) {{\textbf{{{escaped(card.title)}}}}};"
        )
        for j, row in enumerate(card.rows):
            lines.append(rf"\node[anchor=west] at ({place.x + 0.06:.3f},{place.line(j):.3f}) {{{escaped(row.text)}}};")
    for x0, y0, x1, y1, width, label, at in _lines(cards, layout):
        middle = (x0 + x1) / 2
        controls = f"({middle:.3f},{y0:.3f}) and ({middle:.3f},{y1:.3f})"
        curve = f"({x0:.3f},{y0:.3f}) .. controls {controls} .. ({x1:.3f},{y1:.3f})"
        note = rf" node[pos={at:.2f}, fill=white, font=\tiny] {{{escaped(label)}}}" if label else ""
        lines.append(rf"\draw[->, line width={width:.2f}pt] {curve}{note};")
    return "\n".join([*lines, r"\end{tikzpicture}", ""])


def _lines(cards: Sequence[Card], layout: Layout) -> list[tuple[float, float, float, float, float, str, float]]:
    """Ends of every line in inches, its width in points, its label and where on the line that stands, 0 to 1."""
    found = []
    for card, place in zip(cards, layout.places, strict=True):
        for j, row in enumerate(card.rows):
            for m, branch in enumerate(row.branches):
                to = layout.places[branch.target]
                ends = (place.x + place.width, place.line(j), to.x, to.line(-1))
                found.append((*ends, 0.35 + 2.4 * branch.flow, branch.label, (0.25, 0.5, 0.75)[(m + j) % 3]))
    return found


def _on(at: float, x0: float, y0: float, x1: float, y1: float) -> tuple[float, float]:
    """A point of the line: a Bezier curve that leaves and arrives level."""
    across = at**3 + 1.5 * at * (1 - at)
    return x0 + (x1 - x0) * across, y0 + (y1 - y0) * at * at * (3 - 2 * at)


def _drawn(kind: str) -> Callable[[Sequence[Card], str], bytes]:
    def draw(cards: Sequence[Card], name: str) -> bytes:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
        from matplotlib.patches import FancyBboxPatch, PathPatch
        from matplotlib.path import Path as Curve

        layout = lay_out(cards)
        with rc_context({"font.family": "DejaVu Sans Mono", "svg.hashsalt": name, "svg.fonttype": "none"}):
            figure = Figure(figsize=(layout.width, layout.height))
            axes = figure.add_axes((0, 0, 1, 1))
            axes.set(xlim=(0, layout.width), ylim=(layout.height, 0))
            axes.axis("off")
            size = 72 * CHARACTER / 0.602
            for x0, y0, x1, y1, width, label, at in _lines(cards, layout):
                middle = (x0 + x1) / 2
                curve = Curve([(x0, y0), (middle, y0), (middle, y1), (x1, y1)], [1, 4, 4, 4])
                axes.add_patch(PathPatch(curve, fill=False, linewidth=width, edgecolor="0.45", capstyle="butt"))
                axes.plot([x1 - 0.005], [y1], marker=">", markersize=3, color="0.25")
                if label:
                    axes.text(
                        *_on(at, x0, y0, x1, y1), label, fontsize=0.8 * size, va="center", ha="center",
                        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4},
                    )  # fmt: skip
            for card, place in zip(cards, layout.places, strict=True):
                shade = str(round(1 - 0.22 * min(card.flow, 1.0), 3))
                style = "round,pad=0,rounding_size=0.04"
                axes.add_patch(
                    FancyBboxPatch((place.x, place.y), place.width, place.height, style, facecolor="white", lw=0.6)
                )
                axes.add_patch(
                    FancyBboxPatch((place.x, place.y), place.width, LINE + 0.03, style, facecolor=shade, lw=0.6)
                )
                axes.text(place.x + 0.08, place.line(-1) - 0.02, card.title, fontsize=size, va="center", weight="bold")
                for j, row in enumerate(card.rows):
                    axes.text(place.x + 0.08, place.line(j), row.text, fontsize=size, va="center")
            content = io.BytesIO()
            stamp = {"Date": None} if kind == "svg" else {"CreationDate": None} if kind == "pdf" else {"Software": None}
            figure.savefig(content, format=kind, dpi=200, metadata=stamp)
        return content.getvalue()

    return draw


FORMATS: dict[str, Callable[[Sequence[Card], str], str | bytes]] = {
    "svg": _drawn("svg"),
    "png": _drawn("png"),
    "pdf": _drawn("pdf"),
    "dot": dot,
    "tikz": tikz,
}
