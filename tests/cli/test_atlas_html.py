"""The atlas as a page: self-contained, of all estimators, and the one in the documents."""

import json
import re
from html.parser import HTMLParser
from itertools import combinations_with_replacement
from pathlib import Path

import pytest

from experiments import atlas, atlas_app
from tests.helpers.command import here, refused

PAGE = atlas_app.page()


class Elements(HTMLParser):
    """Names and attributes of all elements, and those that stay open."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_it_is_whole_and_loads_nothing() -> None:
    parser = Elements()
    parser.feed(PAGE)
    assert parser.open == []
    for tag, attributes in parser.found:
        assert "src" not in attributes and tag not in ("link", "img", "iframe")
    assert "http:" not in PAGE and "https:" not in PAGE and "@import" not in PAGE and "fetch(" not in PAGE
    assert len(PAGE) < 400_000
    labelled = {attributes["for"] for tag, attributes in parser.found if tag == "label"}
    controls = {attributes["id"] for tag, attributes in parser.found if tag in ("input", "select")}
    assert labelled == controls == {"first", "second", "size", "p", "gap", "length", "aggregation"}
    chosen = [attributes["value"] for tag, attributes in parser.found if tag == "option"]
    assert set(atlas.names(4)) - {"length_baseline"} <= set(chosen)


def test_its_numbers_are_the_advantages() -> None:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', PAGE, re.S)
    data = json.loads(text)
    table = data["estimators"]["sum_then_normalize"]["binary"]["8"]
    assert table[2] == pytest.approx([3**0.5, -(1 / 3**0.5)], rel=1e-11) and table[0] == table[8] == [0, 0]
    groups = list(combinations_with_replacement(range(3), 4))
    centred = data["estimators"]["center"]["graded"]["4"][data["gaps"].index(0.3)]
    for group, row in zip(groups, centred, strict=True):
        rewards = [(0, 0.3, 1)[m] for m in group]
        for m in set(group):
            assert row[m] == pytest.approx((0, 0.3, 1)[m] - sum(rewards) / 4, abs=1e-11)
    assert data["estimators"]["pass_at_2"]["graded"] == {}


def test_the_page_in_the_documents_is_this_one() -> None:
    stored = Path(__file__).parents[2] / "docs" / "atlas.html"
    assert stored.read_text(encoding="utf-8") == PAGE


def test_the_command_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = here(capsys, "atlas", "--html", str(tmp_path / "deep" / "page.html"))
    assert (done.code, done.err) == (0, "")
    assert (tmp_path / "deep" / "page.html").read_text(encoding="utf-8") == PAGE
    (tmp_path / "file").touch()
    assert "file" in refused(here(capsys, "atlas", "--html", str(tmp_path / "file" / "page.html")))
