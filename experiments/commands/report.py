"""``tamdp report``: saved results as one page, or as LaTeX."""

from dataclasses import dataclass
from pathlib import Path

from bounds import certificates
from experiments.console import console, plain
from experiments.report import latex, page, results
from tamdp_theory import storage


@dataclass(frozen=True)
class Report:
    """Write saved results as one self-contained page: verdict table, figures, and every claim with its statement and
    proof.

    Read from the checks of `tamdp verify` and the figures beside them; nothing is computed anew but the certificates
    that come with the package, which are verified. A figure that is missing is left out, with a line naming the command
    that makes it.

    Example: tamdp report --out report.html

    Example: tamdp report --latex
    """

    results: Path = Path("results")
    """Folder of the results."""
    out: Path | None = None
    """The page to write, or with --latex the folder; default: report.html or latex in the folder of the results."""
    latex: bool = False
    """Write theorems.tex and verdicts.tex, to be included in an article, instead of the page."""

    def run(self) -> int:
        """Write and return 0."""
        out, found = console(), results.load(self.results, pictures=not self.latex)
        if self.latex:
            folder = self.out or self.results / "latex"
            texts = {"theorems.tex": latex.theorems(found), "verdicts.tex": latex.verdicts(found)}
            storage.check_writable(folder)
            for name, text in texts.items():
                storage.write_atomically(folder / name, text)
            out.print(f"written: {plain(', '.join(str(folder / name) for name in texts))}", soft_wrap=True)
            return 0
        path = self.out or self.results / "report.html"
        verified = {name: certificates.verify(file) for name, file in certificates.shipped().items()}
        storage.write_atomically(path, page.page(found, verified))
        for line in found.missing:
            out.print(f"[yellow]left out[/] {plain(line)}", soft_wrap=True)
        out.print(f"written: {plain(str(path))}", soft_wrap=True)
        return 0


COMMAND = Report
