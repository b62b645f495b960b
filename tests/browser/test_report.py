"""The report as a reader meets it: in a real Chromium, without a network, on a screen and on a phone, by day and by
night.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bounds import CLAIMS, certificates
from experiments.report import page, results
from tests.helpers.saved import save

pytestmark = pytest.mark.browser
Open = Callable[..., Any]
LUMINANCE = """
(selector) => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const linear = [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return light(colour);
    }
    return 1;
  };
  return Array.from(document.querySelectorAll(selector)).map(
    (e) => [light(parse(getComputedStyle(e).color)), behind(e), e.className || e.tagName]
  );
}
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = save(tmp_path_factory.mktemp("browser"))
    found = {name: certificates.verify(path) for name, path in certificates.shipped().items()}
    (folder / "report.html").write_text(page.page(results.load(folder), found), encoding="utf-8")
    return (folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert found is not None, "no chromium on the PATH; `make test-browser` installs it"
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Any, address: str) -> Iterator[Open]:
    """Opens the report; at the end nothing was complained about and nothing else was asked for."""
    contexts, complaints, requests = [], [], []

    def open_at(width: int = 1280, height: int = 900, anchor: str = "", **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(address + anchor)
        return tab

    yield open_at
    for context in contexts:
        context.close()
    assert complaints == []
    assert requests
    assert {url for url in requests if not url.startswith("data:")} <= {address}


def visible(tab: Any) -> list[str]:
    rows = "Array.from(document.querySelectorAll('#table tbody tr')).filter(r => r.checkVisibility())"
    found: list[str] = tab.evaluate(f"{rows}.map(r => r.querySelector('a').hash.slice(1))")
    return found


def column(tab: Any, index: int) -> list[float]:
    found: list[str] = tab.evaluate(
        "i => Array.from(document.querySelectorAll('#table tbody tr')).map(r => r.cells[i].dataset.value)", index
    )
    return [float(value) for value in found if value]


def test_every_claim_is_there_and_every_formula_has_a_size(open_page: Open) -> None:
    tab = open_page()
    assert visible(tab) == list(CLAIMS)
    drawn = tab.evaluate("document.querySelectorAll('.formula math, .symbols math').length")
    assert drawn == sum(1 + len(claim.symbols) for claim in CLAIMS.values())
    sizes = tab.evaluate(
        "Array.from(document.querySelectorAll('math')).map(m => m.getBoundingClientRect()).map(r => [r.width, "
        "r.height])"
    )
    assert len(sizes) > drawn  # proofs have theirs
    assert all(width > 3 and height > 3 for width, height in sizes)
    assert tab.evaluate("document.querySelectorAll('img').length") == 1
    assert tab.evaluate("Array.from(document.images).every(i => i.complete && i.naturalWidth > 0)")


def test_filters(open_page: Open) -> None:
    tab = open_page()
    assert tab.inner_text("#shown") == f"{len(CLAIMS)} claims"
    tab.select_option("#verdict", "refuted")
    printed = [claim.id for claim in CLAIMS.values() if claim.standing == "printed"]
    assert visible(tab) == printed
    assert tab.inner_text("#shown") == f"{len(printed)} of {len(CLAIMS)} claims"
    tab.select_option("#standing", "proved")
    assert visible(tab) == []
    tab.click("button[type=reset]")
    tab.wait_for_function("document.getElementById('shown').textContent.indexOf('of') < 0")
    assert visible(tab) == list(CLAIMS)
    tab.fill("#find", "VARIANCE centred")
    assert visible(tab) == [
        c.id for c in CLAIMS.values() if "variance" in c.title.lower() and "centred" in c.title.lower()
    ]
    tab.press("#find", "Enter")
    assert "L9" in visible(tab)


def test_sorting_by_click_and_by_keyboard(open_page: Open) -> None:
    tab = open_page()
    head = tab.locator("thead th", has_text="Left")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    values = column(tab, 4)
    assert values == sorted(values) and values[0] < values[-1]
    assert values != sorted(values, key=str), "as numbers"
    head.locator("button").focus()
    tab.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert column(tab, 4) == values[::-1]
    assert tab.locator("[aria-sort]").count() == 1
    tab.locator("thead th", has_text="Verdict").locator("button").press("Space")
    words = tab.evaluate("Array.from(document.querySelectorAll('#table tbody tr')).map(r => r.dataset.verdict)")
    assert words == sorted(words)
    tab.locator("thead th", has_text="Claim").locator("button").click()
    assert visible(tab) == list(CLAIMS)


def test_links_lead_to_sections(open_page: Open) -> None:
    tab = open_page(anchor="#L9")
    assert abs(tab.evaluate("document.getElementById('L9').getBoundingClientRect().top")) < 200
    tab.evaluate("document.querySelector('#table').scrollIntoView()")
    tab.click('tbody a[href="#T2.printed"]')
    assert tab.evaluate("location.hash") == "#T2.printed"
    assert abs(tab.evaluate("document.getElementById('T2.printed').getBoundingClientRect().top")) < 200


@pytest.mark.parametrize("width", [320, 360, 768, 1280, 1920])
def test_nothing_sticks_out_sideways(width: int, open_page: Open) -> None:
    tab = open_page(width=width)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    if width == 360:
        edges = tab.evaluate(
            "Array.from(document.querySelectorAll('td, th, h1, h2, h3, p, dd, .card')).map(e => "
            "e.getBoundingClientRect().right)"
        )
        assert max(edges) <= width, "cards and text fit; wide formulas and figures scroll in boxes of their own"
        tab.locator("thead button", has_text="Slack").click()
        assert column(tab, 7) == sorted(column(tab, 7))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(scheme: str, open_page: Open) -> None:
    tab = open_page(color_scheme=scheme)
    texts = (
        "body, h1, h2, h3, p, a, dt, dd, th, td, caption, figcaption, math, label span, input, select, button, "
        "span.verdict, .title, code"
    )
    found = tab.evaluate(LUMINANCE, texts)
    assert len(found) > 1000
    ink, paper, _ = found[0]
    assert (ink > paper) == (scheme == "dark")
    poor = {name for text, behind, name in found if (max(text, behind) + 0.05) / (min(text, behind) + 0.05) < 4.5}
    assert poor == set()
    card = tab.evaluate("getComputedStyle(document.querySelector('.card')).backgroundColor")
    assert card == "rgb(255, 255, 255)"


def test_focus_can_be_seen(open_page: Open) -> None:
    tab = open_page()
    for _ in range(12):
        tab.keyboard.press("Tab")
        style = tab.evaluate(
            "(s => [s.outlineStyle, parseFloat(s.outlineWidth)])(getComputedStyle(document.activeElement))"
        )
        assert style[0] != "none" and style[1] >= 1


def test_print_keeps_the_table_on_the_sheet(open_page: Open) -> None:
    tab = open_page(width=688, height=1000)  # A4 less its margins
    tab.emulate_media(media="print")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 688
    assert not tab.is_visible("#filters")
    assert tab.is_visible("#table")


def test_without_script_everything_can_be_read(open_page: Open) -> None:
    tab = open_page(java_script_enabled=False)
    assert tab.locator("#table tbody tr").count() == len(CLAIMS)
    assert not tab.is_visible("#filters")
