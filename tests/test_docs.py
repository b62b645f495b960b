"""Documents that must not go stale: the claims page, the README's example, and the how-to's snippets."""

import re
from pathlib import Path

import pytest

from experiments import atlas_page, reference
from tamdp_theory import TAMDP

ROOT = Path(__file__).parent.parent


def test_claims_page_is_what_the_registry_says() -> None:
    current = (ROOT / "docs" / "theory.md").read_text()
    assert current == reference.page(current), "run: python -m experiments.reference docs/theory.md"


def test_the_atlas_page_is_what_the_numbers_say() -> None:
    current = (ROOT / "docs" / "atlas.md").read_text()
    assert current == atlas_page.page(current), "run: python -m experiments.atlas_page docs/atlas.md"


def blocks(path: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / path).read_text(), re.S)


@pytest.mark.parametrize("path", ["README.md", "docs/howto.md"])
def test_python_snippets_run(path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    found = blocks(path, "python")
    assert found
    for code in found:
        exec(compile(code, path, "exec"), {})
    assert "holds" in capsys.readouterr().out


def test_the_example_file_of_the_how_to_is_valid(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(blocks("docs/howto.md", "json")[0])
    assert TAMDP.load(tmp_path / "x.json").n_nodes == 2


@pytest.mark.parametrize("path", ["README.md", "docs/howto.md", "docs/lvlm.md", "docs/atlas.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(path: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / path).read_text()):
        assert (ROOT / path).parent.joinpath(target).exists() or (ROOT / target).exists(), target
