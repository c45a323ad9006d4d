"""Linked brushing on the real Explanation page: from a bar to the picture, and from a place to the fields."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright
from viewer_browser import GL, ROOT, SLOW, serve

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


def test_a_bar_shows_its_map_and_a_place_lights_its_fields(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMXAI_BUNDLE", str(tiny_bundle))
    monkeypatch.setenv("MMXAI_STORE", str(tmp_path / "ratings.sqlite"))
    monkeypatch.setenv("MMXAI_DEADLINE_S", "600")
    expect.set_options(timeout=2 * SLOW)
    with serve(ROOT / "dashboard" / "app.py", tmp_path) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=GL)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(2 * SLOW)
        problems: list[str] = []
        page.on("pageerror", lambda e: problems.append(str(e)))
        page.goto(f"{address}/case")
        page.locator("input[type=file]").first.set_input_files(ROOT / "assets" / "samples" / "phantom-b.dcm")
        page.locator(".viewer[data-ready='1']").wait_for()
        group = page.get_by_test_id("stButtonGroup").filter(has_text="Palpable lump")
        group.get_by_text("Yes", exact=True).click()
        page.get_by_role("button", name=re.compile("^Analyse")).click()
        page.get_by_role("button", name="Show the explanation").click()
        expect(page.get_by_role("button", name="Cancel")).to_have_count(0)  # the page changes until all parts are there
        viewer = page.locator(".viewer[data-ready='1']")
        expect(viewer.get_by_role("radio", name="Joint map")).to_be_visible()
        expect(viewer).to_have_attribute("data-layer", "gradcam")

        waterfall = page.locator(".js-plotly-plot").first
        expect(waterfall.locator(".ytick", has_text="This prediction")).to_have_count(1)
        names = [t.strip() for t in waterfall.locator(".ytick").all_text_contents() if t.strip()]
        bars = waterfall.locator(".bars .point path")
        expect(bars).to_have_count(len(names) - 2)  # all but the two ends
        at = next(i for i, name in enumerate(names[1:-1]) if name.startswith("Palpable lump"))
        bars.nth(at).click(force=True)
        expect(viewer).to_have_attribute("data-layer", "field:palpable")
        expect(page.get_by_text(re.compile("Palpable lump: yes. It moves the prediction by"))).to_be_visible()

        canvas = viewer.locator("canvas[data-pane=original]")
        canvas.click()
        page.keyboard.press("g")
        titles = viewer.locator("figcaption .title")
        expect(titles).to_have_text(
            ["Original", re.compile("Grad-CAM"), "Palpable lump", "Difference without Palpable lump"]
        )
        rows = viewer.locator(".fields tr[data-row]")
        expect(rows).to_have_count(2)
        products = rows.locator("td:nth-of-type(3)").all_inner_texts()
        attention = rows.locator("td:nth-of-type(1)").all_inner_texts()
        contribution = rows.locator("td:nth-of-type(2)").all_inner_texts()

        def number(text: str) -> float:
            return float(text.replace("−", "-"))

        for a, c, p in zip(attention, contribution, products, strict=True):
            assert number(p) == pytest.approx(
                number(a) * number(c), abs=0.002 + 0.01 * abs(number(c)) + 0.001 * number(a)
            )
        browser.close()
        assert problems == []
