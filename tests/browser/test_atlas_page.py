"""The atlas's page in Chromium: what its script sums against the package's exact numbers, on a screen and a phone."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from experiments import atlas, atlas_app
from tamdp_theory import TAMDP, TabularSoftmax, exact, families

pytestmark = pytest.mark.browser
SHOWN = ["sum_then_normalize", "center", "leave_one_out", "pass_at_2", "max_rl", "rank", "best_minus_second", "softmax"]

SET = """
([id, value]) => {
  const control = document.getElementById(id);
  control.value = value;
  control.dispatchEvent(new Event("input"));
}
"""


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


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("atlas") / "atlas.html"
    path.write_text(atlas_app.page(), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1000, "height": 900}, offline=True)
    opened, problems = context.new_page(), []
    opened.on("console", lambda message: problems.append(message.text))
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("request", lambda request: problems.append(request.url) if not request.url.startswith("file:") else None)
    opened.goto(address)
    yield opened
    assert problems == []
    context.close()


def choose(page: Any, **values: Any) -> None:
    for name, value in values.items():
        page.evaluate(SET, [name, str(value)])


def row(page: Any, table: str, name: str) -> list[float]:
    found = page.locator(f"#{table} tr").filter(has=page.locator(f"th:text-is('{name}')")).locator("td")
    return [float(x) for x in found.evaluate_all("cells => cells.map(c => c.dataset.value)") if x]


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.parametrize(("place", "p"), [(2, 0.2), (4, 0.05), (7, 0.9)])
def test_weights_are_the_exact_ones(page: Any, name: str, place: int, p: float) -> None:
    size = atlas_app.SIZES[place]
    choose(page, first=name, second=name, size=place, p=p)
    psi, whole, silent, noise = row(page, "numbers", name)
    scheme = atlas.scheme_of(name, size)
    assert psi == pytest.approx(float(atlas.slope_at(scheme, np.array([p]))[0]), rel=1e-9, abs=1e-11)
    x, w = np.polynomial.legendre.leggauss(40)
    assert whole == pytest.approx(float(w @ atlas.slope_at(scheme, (x + 1) / 2 * p)) * p / 2, rel=1e-9)
    env = families.bandit([("1",), ("0",)])
    policy = TabularSoftmax(env, np.log([[p, 1 - p]]))
    settings = (size, scheme.normalization, scheme.eps, scheme.ddof)
    variance = exact.update_moments(env, policy, *settings).variance
    assert noise == pytest.approx(variance * size / psi**2, rel=1e-7)
    assert 0 <= silent <= 1
    if name in ("sum_then_normalize", "center", "leave_one_out", "rank", "softmax"):
        assert silent == pytest.approx(p**size + (1 - p) ** size, rel=1e-9)


@pytest.mark.parametrize("name", ["sum_then_normalize", "center", "range", "softmax"])
@pytest.mark.parametrize(("place", "gap", "p"), [(0, 0, 0.3), (2, 4, 0.05), (4, 2, 0.2)])
def test_partial_credit(page: Any, name: str, place: int, gap: int, p: float) -> None:
    choose(page, first=name, second="center", size=place, p=p, gap=gap)
    size = max(G for G in atlas_app.GRADED_SIZES if atlas_app.SIZES[place] >= G)
    env = families.bandit([["0"], [str(atlas_app.GAPS[gap])], ["1"]])
    policy = TabularSoftmax(env, np.log([[(1 - p) / 2, (1 - p) / 2, p]]))
    scheme = atlas.scheme_of(name, size)
    mean = exact.update_moments(env, policy, size, scheme.normalization, scheme.eps, scheme.ddof).mean
    *push, cosine, along = row(page, "graded", name)
    np.testing.assert_allclose(push, mean, atol=1e-9)
    slope = exact.policy_gradient(env, policy)
    assert along == pytest.approx(float(slope @ mean), abs=1e-9)
    assert cosine == pytest.approx(float(slope @ mean / np.linalg.norm(slope) / np.linalg.norm(mean)), abs=1e-8)


def lengthy(long: int) -> TAMDP:
    answers = [("short", 1, 1), ("long", long, 1), ("wrong", 1, 0)]
    return TAMDP.from_dict(
        {
            "schema": "tamdp/1",
            "name": "lengths",
            "max_tool_depth": 0,
            "components": [{"name": "r", "weight": 1}],
            "prompts": [{"name": "q", "probability": 1, "start": "q"}],
            "nodes": [
                {
                    "id": "q",
                    "depth": 0,
                    "actions": [
                        {
                            "name": name,
                            "kind": "answer",
                            "tokens": tokens,
                            "next": [{"probability": 1, "rewards": [reward]}],
                        }
                        for name, tokens, reward in answers
                    ],
                }
            ],
        }
    )


@pytest.mark.parametrize("aggregation", ["trajectory", "sequence_mean", "token_mean", "constant", "baseline"])
@pytest.mark.parametrize(("long", "p"), [(10, 0.2), (100, 0.97)])
def test_lengths(page: Any, aggregation: str, long: int, p: float) -> None:
    choose(page, first="sum_then_normalize", second="center", size=2, p=p, length=long, aggregation=aggregation)
    env = lengthy(long)
    policy = TabularSoftmax(env, np.log([[p / 2, p / 2, 1 - p]]))
    name = "length_baseline" if aggregation == "baseline" else "sum_then_normalize"
    options: dict[str, Any] = {} if aggregation == "baseline" else {"aggregation": aggregation}
    mean = exact.update_moments(env, policy, 4, name, **options).mean
    *push, _, along = row(page, "lengths", name)
    np.testing.assert_allclose(push, mean, atol=1e-9)
    assert along == pytest.approx(float(exact.policy_gradient(env, policy) @ mean), abs=1e-9)


def test_keys_move_the_sliders(page: Any) -> None:
    before = row(page, "numbers", "center")
    page.locator("#p").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#p-shown").inner_text() == "0.21"
    assert row(page, "numbers", "center")[1] == pytest.approx(before[1] * 21 / 20)


def test_a_phone_needs_no_sideways_scrolling_and_ink_is_enough(browser: Any, address: str) -> None:
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 400, "height": 800}, color_scheme=scheme)
        opened = context.new_page()
        opened.goto(address)
        assert opened.evaluate("document.documentElement.scrollWidth") <= 400
        assert opened.locator("path.two").first.evaluate("e => getComputedStyle(e).strokeDasharray") != "none"
        context.close()


def test_too_small_groups_are_said(page: Any) -> None:
    choose(page, first="pass_at_2", second="center", size=0)
    assert "pass_at_2 needs larger groups." in page.locator("#about").inner_text()
    assert page.locator("#numbers tr").count() == 1
