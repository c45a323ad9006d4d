"""Every page in both themes under axe-core: nothing serious or critical (WCAG 2.2 A and AA, and axe's best practices).

Nothing is left out, not even what Streamlit draws itself: where its colours were too faint, chrome.css mends them. axe
looks into open shadow roots, so that the viewer is part of what it sees.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, expect, sync_playwright
from viewer_browser import GL, ROOT, serve

from dashboard.views.panels import VIEWS

#: Milliseconds; generous, because a test machine may be busy.
SLOW = 240_000
pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN = """async tags => (await axe.run(document, {runOnly: tags, resultTypes: ["violations"]})).violations.map(v => ({
    id: v.id, impact: v.impact, nodes: v.nodes.map(n => ({target: n.target.flat().join(" >> "), html: n.html,
    said: [...n.any, ...n.all, ...n.none].map(c => c.message).join("; ")}))}))"""

#: How many elements in shadow roots passed the rule that a button has a name.
_SHADOW = """async () => (await axe.run(document, {runOnly: ["button-name"]})).passes.flatMap(v => v.nodes)
    .filter(n => Array.isArray(n.target[0])).length"""


@pytest.fixture
def page(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """The app with the tiny bundle, in a browser whose system prefers light."""
    for name, value in {
        "MMXAI_BUNDLE": tiny_bundle, "MMXAI_STORE": tmp_path / "ratings.sqlite", "MMXAI_DEADLINE_S": 220,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    expect.set_options(timeout=SLOW)
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    with serve(ROOT / "dashboard" / "app.py", tmp_path) as address, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=GL)
        context = chromium.new_context(
            viewport={"width": 1440, "height": 900}, color_scheme="light", base_url=address, reduced_motion="reduce"
        )
        tab = context.new_page()
        tab.set_default_timeout(SLOW)
        yield tab
        chromium.close()


def settle(page: Page) -> None:
    """Wait until the script and what it started have ended, and nothing is faded because it is being made anew."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    expect(page.get_by_test_id("stSpinner")).to_have_count(0)
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    expect(page.locator("[data-stale=true]")).to_have_count(0)
    page.wait_for_timeout(400)
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()


def follow_system(page: Page) -> None:
    """Choose the system's theme, so that the test can switch it without loading the page again."""
    page.evaluate("""() => localStorage.setItem("mmxai-theme", '"System"')""")


def lightness(page: Page) -> float:
    """Of the page's background, 0 to 255."""
    colour = page.get_by_test_id("stApp").evaluate("e => getComputedStyle(e).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3


def audit(page: Page, name: str) -> list[str]:
    """One line for each element that fails a serious or critical rule, in either theme."""
    settle(page)
    page.evaluate(AXE_SCRIPT)
    lines = []
    for theme in ("dark", "light"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.wait_for_timeout(300)
        # The ink of a control changes at once and its ground by a transition: axe between the two sees neither theme.
        page.wait_for_function("() => document.getAnimations().every((a) => a.playState !== 'running')")
        assert (lightness(page) > 128) == (theme == "light")
        violations: list[dict[str, Any]] = page.evaluate(_RUN, TAGS)
        for rule in violations:
            for node in rule["nodes"]:
                if rule["impact"] in ("serious", "critical"):
                    lines.append(
                        f"{name}, {theme}: {rule['id']} ({rule['impact']}) {node['target']}: {node['said']}\n"
                        f"    {node['html'][:200]}"
                    )
    return lines


def test_dark_first_and_the_choice_is_kept(page: Page) -> None:
    page.goto("/model")
    settle(page)
    expect(page).to_have_title("Model · MMXAI reading room")
    assert lightness(page) < 64  # the browser asks for light
    page.get_by_test_id("stMainMenu").get_by_role("button").click()
    page.get_by_role("menuitemradio", name="Light").click()
    settle(page)
    assert lightness(page) > 192
    for path in ("/model", "/tour"):  # another page's address has a memory of its own in Streamlit
        page.goto(path)
        settle(page)
        assert lightness(page) > 192


def test_no_serious_violation_on_any_page_in_either_theme(page: Page) -> None:
    page.goto("/case")
    settle(page)
    follow_system(page)
    found: list[str] = []
    for path in ("case", "worklist", "explanation", "survey", "tour", "model", "performance",
                 "session", "studies", "analysis"):  # fmt: skip
        page.goto(f"/{path}")
        settle(page)
        found += audit(page, path)
        tabs = page.get_by_role("tab")  # what a closed tab holds is not rendered, and so not looked at
        for i in range(1, tabs.count()):
            tabs.nth(i).click()
            found += audit(page, f"{path}, tab {tabs.nth(i).inner_text()}")

    page.goto("/case")
    page.locator("input[type=file]").first.set_input_files(ROOT / "assets" / "samples" / "phantom-b.dcm")
    page.locator(".viewer[data-ready='1']").wait_for()
    found += audit(page, "case, opened")
    assert page.evaluate(_SHADOW) >= 15, "axe sees into the viewer"
    page.get_by_role("button", name=re.compile("^Analyse")).click()
    page.get_by_role("button", name="Show the explanation").wait_for()
    found += audit(page, "case, analysed")
    page.get_by_role("button", name="Show the explanation").click()
    for view in VIEWS.values():
        page.locator(".st-key-explanation-view").get_by_text(view, exact=True).click()
        settle(page)
        found += audit(page, f"explanation, {view}")
    for path in ("survey", "worklist"):
        page.goto(f"/{path}")
        found += audit(page, f"{path}, with a case")
    assert not found, f"{len(found)} serious or critical:\n" + "\n".join(found)


_FOCUSED = """() => {
    let e = document.activeElement;
    const menu = document.querySelector("header[data-testid=stHeader]");
    if (!e || !document.querySelector("[data-testid=stMain]").contains(e)) return null;
    while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
    let r = e.getBoundingClientRect();
    // A control without a size of its own (Streamlit's radio buttons) is drawn by its label.
    if (r.width < 2 || r.height < 2) r = (e.closest("label") ?? e.parentElement).getBoundingClientRect();
    const top = menu.getBoundingClientRect().bottom;
    const foot = document.querySelector(".mmx-foot").getBoundingClientRect().top;
    return {name: (e.getAttribute("aria-label") ?? e.textContent).trim().slice(0, 60), tag: e.tagName,
            hidden: r.bottom <= top || r.top >= foot, at: [r.top, r.bottom, top, foot]};
}"""


def test_the_page_scrolls_under_the_menu_and_no_focus_is_lost_there(page: Page) -> None:
    """WCAG 2.2, 2.4.11: what has the focus is not wholly under the menu above or the line at the foot."""
    page.set_viewport_size({"width": 1024, "height": 768})
    page.goto("/case")
    settle(page)
    follow_system(page)
    page.reload()
    settle(page)
    for theme in ("dark", "light"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.wait_for_timeout(500)
        ground = page.get_by_test_id("stApp").evaluate("e => getComputedStyle(e).backgroundColor")
        assert page.get_by_test_id("stHeader").evaluate("e => getComputedStyle(e).backgroundColor") == ground
    page.locator("input[type=file]").first.set_input_files(ROOT / "assets" / "samples" / "phantom-b.dcm")
    page.locator(".viewer[data-ready='1']").wait_for()
    settle(page)
    assert page.get_by_test_id("stMain").evaluate("e => e.scrollHeight - e.clientHeight") > 100
    lost, seen = [], set()
    for key, times in (("Tab", 90), ("Shift+Tab", 90)):
        for _ in range(times):
            page.keyboard.press(key)
            found = page.evaluate(_FOCUSED)
            if found is not None:
                seen.add(found["name"])
                lost += [found] if found["hidden"] else []
    assert len(seen) >= 15, seen
    assert not lost


def test_the_key_that_leads_on_works_from_a_button_of_a_field(page: Page) -> None:
    """Streamlit's groups of buttons keep Enter for themselves, where a reader stands who has just answered a field."""
    page.goto("/case")
    page.get_by_role("button", name="Enter clinical data only").click()
    settle(page)
    answer = page.get_by_test_id("stButtonGroup").first.get_by_role("radio", name="Yes", exact=True)
    answer.click()
    settle(page)
    answer.focus()
    page.keyboard.press("Control+Enter")
    page.get_by_text("Analysed in").wait_for()
    settle(page)
    answer.focus()
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/explanation**")
