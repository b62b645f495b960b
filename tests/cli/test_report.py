"""tamdp report without a browser: the page and the LaTeX say everything, escape everything, and are the same for the
same results.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
import sympy as sp

from bounds import CLAIMS, Claim, certificates, symbols
from bounds.proofs import pieces, proof_of
from bounds.symbols import BinaryKL, KLInverse, Probability
from experiments.report import formulas, latex, markup, mathml, results
from experiments.report.breaking import broken
from experiments.report.escaping import escaped
from tamdp_theory import InputError
from tests.helpers.command import Captured, here, refused, script
from tests.helpers.saved import NASTY, check, png, save

MATH = "{http://www.w3.org/1998/Math/MathML}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save(tmp_path_factory.mktemp("report") / "results")
    done = script("report", "--results", str(folder), folder=folder)
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith(f"written: {folder}/report.html\n")
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> ElementTree.Element:
    """The page as XML, which it is but for style, script and doctype."""
    return tree((folder / "report.html").read_text())


def tree(text: str) -> ElementTree.Element:
    assert text.startswith("<!DOCTYPE html>\n")
    return ElementTree.fromstring(re.sub(r"<(style|script)>.*?</\1>", "", text.partition("\n")[2], flags=re.S))


def content(element: ElementTree.Element) -> str:
    return "".join(element.itertext())


def by_id(page: ElementTree.Element, name: str) -> ElementTree.Element:
    (found,) = (element for element in page.iter() if element.get("id") == name)
    return found


# -- the page ----------------------------------------------------------------------------------------------------------


def test_ids_are_unique_and_links_lead_to_them(page: ElementTree.Element) -> None:
    ids = [element.get("id") for element in page.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    targets = [element.get("href", "") for element in page.iter("a")]
    assert targets
    assert {target for target in targets if not target.startswith("#")} == set(), "nothing leaves the page"
    assert {target[1:] for target in targets} <= set(ids)


def test_the_page_asks_for_nothing(folder: Path) -> None:
    text = (folder / "report.html").read_text()
    addresses = re.findall(r'\b(?:src|href|srcset|action|data)="([^"#][^"]*)"', text)
    assert addresses
    assert all(address.startswith("data:") for address in addresses)
    assert not re.search(r"@import|url\(|https?://(?!www\.w3\.org/1998/Math)", text)
    assert "default-src &#x27;none&#x27;; img-src data:; style-src &#x27;sha256-" in text


@pytest.mark.parametrize("claim_id", CLAIMS)
def test_every_claim_has_a_row_and_a_section(claim_id: str, page: ElementTree.Element) -> None:
    claim = CLAIMS[claim_id]
    (row,) = (row for row in by_id(page, "table").iter("tr") if row.find(f".//a[@href='#{claim_id}']") is not None)
    cells = [content(cell) for cell in row]
    assert claim.title in cells[0]
    assert cells[1] == claim.standing
    assert cells[2].split(" ", 1)[1] == ("refuted" if claim.standing == "printed" else "holds")
    assert cells[-4:] == (
        ["2", "1", "1", "0"] if claim_id == "L9" else ["1", "1", "1", "1" if claim.standing == "printed" else "0"]
    )
    part = by_id(page, claim_id)
    text = content(part)
    for expected in (
        claim.title,
        claim.standing,
        *(markup.prose(words) for drawn, words in pieces(claim.proof) if not drawn),
        claim.reference,
        *(a.name for a in claim.assumptions),
        *claim.depends_on,
    ):
        assert markup.printable(expected) in text
    terms = part.findall("./dl[@class='symbols']/dt")
    assert len(terms) == len(claim.symbols), "every symbol with its meaning"
    assert part.find(f"./div[@class='formula']/{MATH}math") is not None
    formulas_drawn = [one.get("alttext") for one in part.findall(f".//{MATH}math")]
    proofs = (claim.proof, *proof_of(claim_id))
    said = {part for proof in proofs for drawn, latex_ in pieces(proof) if drawn for part in broken(latex_)}
    assert said <= set(formulas_drawn)
    assert ("in full" in text) == bool(proof_of(claim_id))
    assert ("Tightness" in text) == (claim.kind == "inequality")


def test_numbers_sort_as_numbers(page: ElementTree.Element) -> None:
    body = by_id(page, "table").find("tbody")
    assert body is not None
    for place, row in enumerate(body):
        assert row[0].get("data-value") == str(place)
        left, right, slack = (float(row[column].get("data-value", "")) for column in (4, 6, 7))
        assert slack == right - left


def test_certificates_are_shown(page: ElementTree.Element) -> None:
    shipped = certificates.shipped()
    assert shipped
    for name, path in shipped.items():
        found = json.loads(path.read_text())
        text = content(by_id(page, found["claim"]))
        assert f"tamdp certify bounds/certified/{name}.json" in text
        assert found["lhs"] in text and found["rhs"] in text


def test_texts_are_escaped(folder: Path, page: ElementTree.Element) -> None:
    text = (folder / "report.html").read_text()
    assert text.count("<script>") == 1
    assert "\x1b" not in text
    shown = NASTY.replace("\x1b", "\\x1b")
    assert shown in content(by_id(page, "table"))
    assert shown in content(by_id(page, "L9"))
    assert f"Tightness of {shown}" in content(by_id(page, "figure-verdicts"))


def test_markup_escapes_what_it_did_not_make() -> None:
    assert (
        markup.tag("p", "<b>", markup.tag("b", "&"), data_x='"<', hidden=True, title=None)
        == '<p data-x="&quot;&lt;" hidden="">&lt;b&gt;<b>&amp;</b></p>'
    )


def test_figures_are_inside_and_missing_ones_are_named(folder: Path, page: ElementTree.Element) -> None:
    picture = by_id(page, "figure-verdicts").find(".//img")
    assert picture is not None
    assert (picture.get("width"), picture.get("height")) == ("40", "20")
    assert "make it with `tamdp run transfer` and then `tamdp figures transfer`" in content(by_id(page, "figures"))
    found = results.load(folder)
    assert [figure.name for figure in found.figures] == ["verdicts"]


def test_damaged_figures_are_left_out(tmp_path: Path, capsys: Captured) -> None:
    folder = save(tmp_path / "results")
    (folder / "figures").mkdir()
    (folder / "figures" / "transfer.png").write_bytes(png()[:12])
    (folder / "figures" / "extra.png").write_bytes(png())
    done = here(capsys, "report", "--results", str(folder), "--out", str(tmp_path / "deep" / "page.html"))
    assert (done.code, done.err) == (0, "")
    assert f"left out {folder}/figures/transfer.png: damaged; make it again with `tamdp figures transfer`" in done.out
    assert 'id="figure-extra"' in (tmp_path / "deep" / "page.html").read_text()


def test_same_results_same_bytes(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    shutil.copytree(folder, other)
    for arguments, changes in (
        ([], {"PYTHONHASHSEED": "1"}),
        (["--latex"], {"PYTHONHASHSEED": "1"}),
        (["--latex", "--out", "again"], {"PYTHONHASHSEED": "2"}),
    ):
        assert script("report", "--results", ".", *arguments, folder=other, **changes).code == 0
    assert (other / "report.html").read_bytes() == (folder / "report.html").read_bytes()
    for name in ("theorems.tex", "verdicts.tex"):
        assert (other / "latex" / name).read_bytes() == (other / "again" / name).read_bytes()


def test_claims_that_were_not_checked(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "verify").mkdir()
    (tmp_path / "verify" / "checks.json").write_text(json.dumps({"checks": [check("L9", "x", 1, 2, "violated")]}))
    assert here(capsys, "report", "--results", str(tmp_path)).code == 0
    page = tree((tmp_path / "report.html").read_text())
    assert "✗ violated" in content(by_id(page, "L9"))
    assert "not checked in these results" in content(by_id(page, "L1"))
    assert "tamdp verify --claim L1" in content(by_id(page, "L1"))
    assert here(capsys, "report", "--latex", "--results", str(tmp_path)).code == 0
    assert "L1 & not checked & -- & $=$ & --" in (tmp_path / "latex" / "verdicts.tex").read_text()


# -- formulas ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=list(CLAIMS))
def test_every_formula_is_mathml(claim: Claim) -> None:
    symbols = formulas.symbols(claim)
    assert list(symbols.values()) == list(claim.symbols)
    for source in (formulas.statement(claim), *symbols):
        root = ElementTree.fromstring(mathml.formula(source, display=True))
        assert root.get("alttext") == source
        leaves = [leaf for leaf in root.iter() if leaf.tag.removeprefix(MATH) in ("mi", "mn", "mo", "mtext")]
        assert leaves
        for leaf in leaves:
            assert leaf.text and not re.search(
                r"[\\{}^_$]",
                leaf.text.replace("{", "", leaf.tag == f"{MATH}mo").replace("}", "", leaf.tag == f"{MATH}mo"),
            )
            assert (
                leaf.tag == f"{MATH}mi" or len(leaf.text) < 3 or leaf.text in ("max", "min") or leaf.tag != f"{MATH}mo"
            )
        for script_ in root.iter():
            wanted = {"msub": 2, "msup": 2, "mfrac": 2, "mover": 2, "munder": 2, "msubsup": 3, "munderover": 3}.get(
                script_.tag.removeprefix(MATH)
            )
            assert wanted is None or len(script_) == wanted


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=list(CLAIMS))
def test_products_keep_their_value(claim: Claim) -> None:
    opaque = (sp.Sum, sp.Indexed, Probability, BinaryKL, KLInverse)
    found = sp.Tuple(claim.statement.lhs, claim.statement.rhs)
    found = sp.Tuple(found, *(part for event in claim.statement.atoms(Probability) for part in event.args[0].args))
    for product in (part for part in sp.preorder_traversal(found) if part.is_Mul):
        names = sorted(
            product.atoms(*opaque) | {symbol for symbol in product.free_symbols if symbol.is_Symbol}, key=str
        )
        values = {name: sp.Rational(7 + place, 5) for place, name in enumerate(names)}
        values |= {symbols.p: sp.Rational(2, 5)}  # a probability
        written, given = (side.xreplace(values).evalf() for side in (formulas.split(product).value(), product))
        assert complex(written) == pytest.approx(complex(given)), product


def test_a_formula_in_full() -> None:
    assert formulas.statement(CLAIMS["L4"]) == r"J^{\star} - J(\theta) \leq C(\theta) \|\nabla J(\theta)\|"
    assert formulas.statement(CLAIMS["T2.gradient.tabular"]).endswith(r"\leq \sqrt{\frac{\kappa Q}{2}}")
    assert (
        formulas.statement(CLAIMS["T2.identity.spread"])
        == r"\sigma_c^{2} = \sum_{k,l=1}^{K} w_{k} w_{l} \sigma_{k} \sigma_{l} C_{kl}"
    )
    plain = re.sub(
        r' xmlns="[^"]*"| alttext="[^"]*"', "", mathml.formula(r"\max_i|A_i| \leq \operatorname{tr}\tfrac12 x'")
    )
    assert plain == (
        '<math display="inline"><munder><mo movablelimits="true" lspace="0" '
        'rspace="0">max</mo><mi>i</mi></munder><mo stretchy="false" lspace="0" rspace="0">|'
        '</mo><msub><mi>A</mi><mi>i</mi></msub><mo stretchy="false" lspace="0" '
        'rspace="0">|</mo><mo>≤</mo><mi>tr</mi><mspace width="0.1667em" />'
        '<mstyle displaystyle="false"><mfrac><mn>1</mn><mn>2</mn></mfrac></mstyle><msup><mi>x</mi><mo '
        'lspace="0" rspace="0">′</mo></msup></math>'
    )


@pytest.mark.parametrize(
    ("source", "says"),
    [(r"\fancy x", r"\fancy is not known"), (r"\frac{1}{", "found the end"), ("x^", "expected more")],
)
def test_a_formula_that_is_not_understood(source: str, says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        mathml.formula(source)


# -- LaTeX -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sources(folder: Path) -> dict[str, str]:
    found = results.load(folder, pictures=False)
    return {"theorems.tex": latex.theorems(found), "verdicts.tex": latex.verdicts(found)}


def test_the_sources_are_balanced(sources: dict[str, str]) -> None:
    for text in sources.values():
        assert text.isascii()
        depth = 0
        for token in re.findall(r"\\.|[{}]", text):
            depth += {"{": 1, "}": -1}.get(token, 0)
            assert depth >= 0
        assert depth == 0
        stack: list[str] = []
        for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
            stack.append(name) if kind == "begin" else None
            assert kind == "begin" or stack.pop() == name
        assert stack == []
        assert len(re.findall(r"\\left\b", text)) == len(re.findall(r"\\right\b", text))


def test_every_claim_is_a_theorem_and_a_row(sources: dict[str, str], folder: Path) -> None:
    for claim in CLAIMS.values():
        assert f"[{escaped(claim.id)}]\\label{{{claim.id}}}" in sources["theorems.tex"]
        assert f"\n  {formulas.statement(claim)}\n" in sources["theorems.tex"]
    for result in results.load(folder, pictures=False).claims:
        check = result.telling
        assert check is not None
        own = escaped(result.claim.id)
        assert f"{own} & {result.verdict} & {latex._number(check.lhs)} & " in sources["verdicts.tex"]


def test_texts_become_latex() -> None:
    assert (
        escaped("a_b & 5% of $x {^2} ~ \\x #1")
        == r"a\_\allowbreak{}b \& 5\% of \$x \{\textasciicircum{}2\} \textasciitilde{} \textbackslash{}x \#1"
    )
    assert escaped("Poincaré ≤ ‖x‖, 漢\n") == r"Poincar\'{e} $\leq$ $\|$x$\|$, ?\textbackslash{}n"
    for claim in CLAIMS.values():
        for text in (claim.title, claim.proof, claim.reference, *(a.text for a in claim.assumptions)):
            assert "?" not in escaped(text.replace("?", ""))


@pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="no LaTeX engine; braces and environments are checked above"
)
@pytest.mark.parametrize("name", ["theorems", "verdicts"])
def test_the_sources_compile(name: str, sources: dict[str, str], tmp_path: Path) -> None:
    for file, text in sources.items():
        (tmp_path / file).write_text(text)
    packages = r"\usepackage{amsmath,amssymb}" if name == "theorems" else ""
    (tmp_path / "a.tex").write_text(
        rf"\documentclass{{article}}{packages}\begin{{document}}\input{{{name}}}\end{{document}}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "a.tex"]
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="latin-1", timeout=60, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
    assert "undefined" not in done.stdout


# -- bad input ---------------------------------------------------------------------------------------------------------


def test_missing_checks_name_the_command(capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in (["report"], ["report", "--latex"]):
        assert refused(here(capsys, *arguments)) == "results/verify/checks.json: missing; make it with `tamdp verify`"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "damaged, not JSON"),
        ('{"checks": [', "damaged, not JSON"),
        ("[]", "damaged (expected `object`, got `array`)"),
        ("{}", "damaged (object missing required field `checks`)"),
        ('{"checks": []}', "holds no checks"),
        ('{"checks": [{"claim": "L9"}]}', "damaged (checks[0]: object missing required field `instance`)"),
        (json.dumps({"checks": [check("L99", "x", 1, 2, "holds")]}), "checks[0].claim: 'L99' is not in the registry"),
        (
            json.dumps({"checks": [check("L9", "x", 1, 2, "fine")]}),
            "damaged (checks[0].verdict: invalid enum value 'fine')",
        ),
        ('{"checks": [{"claim": "L9", "lhs": NaN}]}', "damaged, not JSON"),
        ("[" * 100000, "damaged"),
        ("\udcff", "damaged"),
    ],
)
def test_damaged_checks_are_one_line(text: str, says: str, capsys: Captured, tmp_path: Path) -> None:
    path = tmp_path / "verify" / "checks.json"
    path.parent.mkdir()
    path.write_bytes(text.encode(errors="surrogateescape"))
    for arguments in (["report"], ["report", "--latex"]):
        line = refused(here(capsys, *arguments, "--results", str(tmp_path)))
        assert line.startswith(f"{path}: {says}")
        assert line.endswith("make it again with `tamdp verify`")
    assert [child.name for child in tmp_path.iterdir()] == ["verify"]


def test_a_page_that_cannot_be_written(folder: Path, capsys: Captured, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    for out in (tmp_path, tmp_path / "file" / "page.html"):
        assert refused(here(capsys, "report", "--results", str(folder), "--out", str(out))).startswith(
            f"{out}: cannot write ("
        )
    line = refused(here(capsys, "report", "--results", str(folder), "--latex", "--out", str(tmp_path / "file")))
    assert line.startswith(f"{tmp_path}/file: cannot write there")
    assert (tmp_path / "file").read_text() == "kept"
