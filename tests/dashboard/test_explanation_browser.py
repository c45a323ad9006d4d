"""Every view of the Explanation page in a real browser: nothing breaks, nothing is too wide, the figures are drawn."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from viewer_browser import GL, ROOT, serve

from dashboard.views.panels import VIEWS

#: Milliseconds; generous, because a test machine may be busy.
SLOW = 240_000
pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
#: Closer, another window and a length; and what of it is on screen. `r`: the viewer's element.
LOOK = """(r.viewer.zoomBy(2), r.viewer.setWindow([40, 180]),
    r.viewer.finish({kind: "length", slice: 0, points: [[30, 30], [90, 60]], text: []}))"""
LOOKED = "[r.viewer.view.zoom, r.viewer.windowOf(r.viewer.activeHead()), r.viewer.marks.list.map(m => m.kind)]"


@pytest.fixture
def page(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """The app with the tiny bundle, a fresh session at 1440 x 900; fails where the console reports an error."""
    for name, value in {
        "MMXAI_BUNDLE": tiny_bundle, "MMXAI_STORE": tmp_path / "ratings.sqlite", "MMXAI_DEADLINE_S": 220,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    expect.set_options(timeout=SLOW)
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    with serve(ROOT / "dashboard" / "app.py", tmp_path) as address, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=GL)
        tab = chromium.new_page(viewport={"width": 1440, "height": 900}, color_scheme="dark")
        problems: list[str] = []
        # Streamlit looks for its health address below the page's path first, and gets a 404 there.
        tab.on("console", lambda m: problems.append(m.text) if m.type == "error" and "404" not in m.text else None)
        tab.on("pageerror", lambda e: problems.append(str(e)))
        tab.set_default_timeout(SLOW)
        tab.goto(f"{address}/case")
        yield tab
        chromium.close()
        assert problems == []


def analyse(page: Page) -> None:
    page.locator("input[type=file]").first.set_input_files(ROOT / "assets" / "samples" / "phantom-b.dcm")
    page.locator(".viewer[data-ready='1']").wait_for()
    page.locator(".viewer").evaluate(f"r => {LOOK}")
    group = page.get_by_test_id("stButtonGroup").filter(has_text="Palpable lump")
    group.get_by_text("Yes", exact=True).click()
    page.get_by_role("button", name=re.compile("^Analyse")).click()
    page.get_by_role("button", name="Show the explanation").click()
    page.locator(".st-key-explanation-view").wait_for()


def open_view(page: Page, name: str) -> None:
    page.locator(".st-key-explanation-view").get_by_text(name, exact=True).click()


def drawn(page: Page, key: str) -> None:
    expect(page.locator(f".st-key-{key} .js-plotly-plot .main-svg").first).to_be_visible()


def choose(page: Page, name: str, option: str) -> None:
    """Takes an entry of a list. A run of the page that still draws closes an open list: it is opened again then."""
    found = page.get_by_role("option", name=option)
    for _ in range(10):
        page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
        page.get_by_role("combobox", name=name).click()
        try:
            found.click(timeout=20_000)
            return
        except PlaywrightTimeout:
            page.keyboard.press("Escape")
    raise AssertionError(f"The list {name!r} never showed {option!r}.")


def test_every_view_of_a_case(page: Page) -> None:
    analyse(page)
    body = page.locator(".st-key-explain-body")
    expect(body.locator(".viewer")).to_be_in_viewport()
    body.locator(".viewer[data-ready='1']").wait_for()
    assert body.locator(".viewer").evaluate(f"r => {LOOKED}") == [2, [40, 180], ["length"]]  # as it was left on Case
    drawn(page, "waterfall")
    expect(page.locator(".st-key-waterfall")).to_be_in_viewport()
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    expect(body).to_contain_text("Adds up to the prediction")
    for player in ("Age", "Palpable lump", "Image"):
        expect(page.locator(".st-key-waterfall")).to_contain_text(player)

    says = {
        "Interactions": "Strongest pairs", "Joint map": "Image and clinical data together",
        "Attention": "All fields", "Reliability": "How far to trust this explanation", "What-if": "As analysed",
        "Ask next": "What to ask next", "Similar": "MMXAI_DATA", "Methods": "Methods measure in different units",
        "In words": "What this cannot tell", "Account": "Adds up to the prediction",
    }  # fmt: skip
    assert set(says) == set(VIEWS.values())
    past = "[...document.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > innerWidth + 2).length"
    for name, words in says.items():
        open_view(page, name)
        expect(body).to_contain_text(words)
        expect(page.get_by_test_id("stException")).to_have_count(0)
        expect(body).not_to_contain_text("Something unexpected happened")
        assert page.evaluate(f"() => {past}") == 0, f"{name} is wider than the window"

    open_view(page, "Interactions")
    drawn(page, "interactions")
    open_view(page, "Joint map")
    page.locator(".st-key-joint-map-field").get_by_text(re.compile("^Age")).click()
    expect(body).to_contain_text("What Age adds")

    open_view(page, "What-if")
    expect(body).to_contain_text("analysed")
    drawn(page, "response")
    choose(page, "How the answer runs with", "BI-RADS")  # categories that read as numbers, and Unknown beside them
    expect(page.locator(".st-key-response .xtick")).to_have_text(["3", "4", "Unknown"])
    field = page.get_by_test_id("stButtonGroup").filter(has_text="Palpable lump").last
    field.get_by_text("No", exact=True).click()
    expect(body).to_contain_text(re.compile(r"instead of [\d.]+\s% \([+-][\d.]+ points\)"))
    expect(body).to_contain_text("Palpable lump: yes → no")
    drawn(page, "response")
    page.get_by_role("button", name="Reset to the case").click()
    expect(body).to_contain_text("As analysed")
    body.get_by_role("radio", name="What would turn the decision").click()
    page.get_by_role("button", name="Search").click()
    expect(body).to_contain_text(re.compile(r"\d changed records? tried\."))

    open_view(page, "Methods")
    expect(body.locator(".viewer[data-ready='1']")).to_have_count(2)  # computed, one a side
