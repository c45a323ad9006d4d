"""The Case page in a real browser, with two bundles on offer: nothing of the result is cut, and the bar is one line."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright
from viewer_browser import GL, ROOT, serve

BUNDLE = Path(os.environ.get("MMXAI_BUNDLE", ROOT / "pretrained" / "breast-us"))
#: Milliseconds; generous, because a test machine may be busy.
SLOW = 240_000
pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

_BAR = """() => { const box = e => e.getBoundingClientRect(), bar = document.querySelector(".st-key-case-bar");
    return {right: box(bar).right, parts: [...bar.children].map(e => ({top: box(e).top, bottom: box(e).bottom,
        left: box(e).left, right: box(e).right}))}; }"""
_CUT = """() => { const place = document.querySelector(".st-key-result"), box = place.getBoundingClientRect();
    const last = Math.max(...[...place.querySelectorAll("p, div")].map(e => e.getBoundingClientRect().bottom));
    return {last, bottom: box.bottom, scrolls: place.scrollHeight - place.clientHeight}; }"""


#: Texts of the page in which a number may be parted from its per cent sign, and how many cannot be.
_PERCENT = """() => { const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), loose = [];
    let joined = 0;
    while (texts.nextNode()) { const node = texts.currentNode;
        if (node.parentElement.closest("script, style, svg, code, textarea")) continue;
        if (/\\d %/.test(node.nodeValue)) loose.push(node.nodeValue);
        joined += /\\d\\u00a0%/.test(node.nodeValue); }
    return {loose, joined}; }"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """The app with the shipped bundle under two names."""
    if not (BUNDLE / "metadata.json").is_file():
        pytest.skip(f"no model bundle at {BUNDLE}; this test needs the one that ships")
    bundles = tmp_path / "bundles"
    bundles.mkdir()
    for name in (BUNDLE.name, "the-other-model"):
        (bundles / name).symlink_to(BUNDLE.resolve(), target_is_directory=True)
    for name, value in {
        "MMXAI_BUNDLE": bundles / BUNDLE.name, "MMXAI_STORE": tmp_path / "ratings.sqlite", "MMXAI_DEADLINE_S": 220,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    expect.set_options(timeout=SLOW)
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    with serve(ROOT / "dashboard" / "app.py", tmp_path) as address, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=GL)
        tab = chromium.new_context(viewport={"width": 1440, "height": 900}, base_url=address).new_page()
        tab.set_default_timeout(SLOW)
        yield tab
        chromium.close()


def test_a_warning_of_many_lines_cuts_nothing_and_the_bar_stays_one_line(page: Page, tmp_path: Path) -> None:
    name = "left-breast-upper-outer-quadrant-follow-up-after-six-months.png"
    noise = np.random.default_rng(0).integers(0, 255, (400, 500, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    page.goto("/case")
    page.locator("input[type=file]").first.set_input_files(tmp_path / name)
    page.locator(".viewer[data-ready='1']").wait_for()
    page.get_by_role("spinbutton", name="Age").fill("57")
    page.get_by_role("spinbutton", name="Age").press("Enter")
    before = page.locator(".st-key-form").bounding_box()
    assert before is not None and before["height"] >= 400, "until there is an answer its place is the form's"
    page.get_by_role("button", name=re.compile("^Analyse")).click()
    page.get_by_text("Analysed in").wait_for()
    expect(page.get_by_text("This is not the model's kind of input").first).to_be_visible()
    for width, height in ((1440, 900), (1024, 768)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(600)
        cut = page.evaluate(_CUT)
        assert cut["scrolls"] <= 1 and cut["last"] <= cut["bottom"] + 1, f"{width}: {cut}"
        form = page.locator(".st-key-form").bounding_box()
        assert form is not None and form["height"] >= 170, "the form keeps a place of its own"
        bar = page.evaluate(_BAR)
        assert len(bar["parts"]) == 6, "previous, next, which case, model, worklist, close"
        assert max(p["top"] for p in bar["parts"]) < min(p["bottom"] for p in bar["parts"]), f"{width}: {bar}"
        assert all(a["right"] <= b["left"] + 1 for a, b in zip(bar["parts"], bar["parts"][1:], strict=False)), bar
        assert bar["parts"][-1]["right"] <= bar["right"] + 1 <= width + 1
    shown = page.locator(".mmx-title")
    assert (shown.get_attribute("title") or "").startswith(f"{name} · case ")
    assert shown.locator("b").evaluate("e => e.scrollWidth > e.clientWidth"), "the name gives way"
    assert shown.locator("span").evaluate("e => e.scrollWidth <= e.clientWidth"), "the code and the place do not"
    page.set_viewport_size({"width": 640, "height": 768})  # a page magnified to more than double its size wraps
    page.wait_for_timeout(600)
    assert all(p["right"] <= 640 and p["right"] - p["left"] > 60 for p in page.evaluate(_BAR)["parts"])
    page.set_viewport_size({"width": 1024, "height": 768})
    steps = [page.get_by_role("button", name=re.compile(f"^{n}")) for n in ("Analyse", "Show the expl", "Compare")]
    tops = [box["y"] for s in steps if (box := s.bounding_box()) is not None]
    assert len(tops) == 3 and max(tops) - min(tops) < 2, f"the steps stand on one line: {tops}"
    page.set_viewport_size({"width": 1440, "height": 900})
    assert (told := page.evaluate(_PERCENT))["loose"] == [] and told["joined"] >= 4, told
    page.get_by_role("spinbutton", name="Age").fill("71")  # what is written anew on the same page is joined as well
    page.get_by_role("spinbutton", name="Age").press("Enter")
    page.get_by_role("button", name=re.compile("^Analyse")).click()
    expect(page.get_by_text("Out of date")).to_have_count(0)
    page.get_by_text("Analysed in").wait_for()
    page.wait_for_function(f"() => ({_PERCENT})().joined >= 4")  # the panel is drawn anew, and for a moment is empty
    assert (told := page.evaluate(_PERCENT))["loose"] == [] and told["joined"] >= 4, told
