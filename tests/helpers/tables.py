"""Tables of quick sweeps for tests of studies and of their figures."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from experiments import runner
from tamdp_theory import InputError


def quick_table(study: ModuleType, folder: Path) -> Path:
    """The table of the quick sweep, as ``tamdp run`` would write it."""
    rows = [row for config in study.sweep(True) for row in study.run(config)]
    json.dumps(rows, allow_nan=False)
    path = folder / study.__name__.rpartition(".")[2] / "table.csv"
    path.parent.mkdir(parents=True)
    path.write_text(runner.to_csv(rows))
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The table row by row."""
    table = runner.read_table(path)
    return [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]


def check_figure(figure: ModuleType, source: Path, out: Path, column: str) -> None:
    """It is drawn, alike twice, with embedded fonts; a table without ``column``, with a text in it, cut, or missing is
    an error.
    """
    stem = figure.__name__.rpartition(".")[2]
    assert (f"{stem}/table.csv", f"tamdp run {stem}") == (figure.SOURCE, figure.COMMAND)
    paths = figure.draw(source, out)
    assert [path.name for path in paths] == [f"{stem}.pdf", f"{stem}.png"]
    pdf, png = (path.read_bytes() for path in paths)
    assert pdf.startswith(b"%PDF") and b"/Type3" not in pdf and b"/FontFile2" in pdf and len(png) > 20_000
    assert [path.read_bytes() for path in figure.draw(source, out)] == [pdf, png]
    caption = (out / f"{stem}.txt").read_text()
    assert "n = " in caption and "log scale" in caption.lower()
    assert (out / f"{stem}.tex").read_text().isascii()
    lines = source.read_text().splitlines()
    place = lines[0].split(",").index(column)
    cells = [line.split(",") for line in lines]
    damaged = out / stem / "table.csv"
    damaged.parent.mkdir()
    without = [[cell for i, cell in enumerate(row) if i != place] for row in cells]
    text = [cells[0], [*cells[1][:place], "much", *cells[1][place + 1 :]], *cells[2:]]
    for rows, message in (
        (without, f"no column {column}"),
        (text, f"damaged, {column} of row 1 is 'much'"),
        ([*cells[:-1], cells[-1][:2]], "damaged"),
    ):
        damaged.write_text("\n".join(",".join(row) for row in rows) + "\n")
        with pytest.raises(InputError, match=message):
            figure.draw(damaged, out)
    damaged.unlink()
    with pytest.raises(InputError, match=f"missing; make it with `tamdp run {stem}`"):
        figure.draw(damaged, out)
