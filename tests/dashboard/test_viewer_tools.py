"""Every tool of the viewer, in a real headless Chromium, asserted on values and pixels read back from its canvas."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from viewer_browser import GL, SLOW, Hands, serve

expect.set_options(timeout=SLOW)
pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(Path(__file__).parents[1] / "viewer_app.py", tmp_path_factory.mktemp("viewer")) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=GL)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark", has_touch=True)
    tab = context.new_page()
    problems: list[str] = []
    tab.on("console", lambda m: problems.append(m.text) if m.type == "error" and "404" not in m.text else None)
    tab.on("pageerror", lambda e: problems.append(str(e)))
    yield tab
    context.close()
    assert problems == []


def stored() -> np.ndarray:
    """The values of the scene "ramp", HU."""
    return (10.0 * np.arange(200)[None, :] + np.arange(120)[:, None]) - 1000


def test_window_zoom_pan_turn_and_values(page: Page, address: str) -> None:
    sent: list[int] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda _: sent.append(1)))
    hands = Hands(page, "ramp", address)
    messages = len(sent)
    root = hands.root
    # value and position under the cursor; row spacing 0.5, column spacing 0.25 mm
    hands.move(80.5, 60.5)
    assert "x 80, y 60 | 20.1, 30.3 mm | value -140 HU" in hands.readout()
    hands.move(0.5, 0.5)
    assert "no value (padding)" in hands.readout()
    # the stated window: -1000 is black, 1200 white
    grey = hands.colour(100.5, 60.5)
    assert grey == pytest.approx([(stored()[60, 100] + 1000) / 2200 * 255] * 3, abs=2)

    hands.click(100, 60)
    hands.drag_by(0, 60)
    low, high = hands.window()
    assert high - low == pytest.approx(2200) and (low + high) / 2 > 150, "down is darker"
    assert hands.colour(100.5, 60.5)[0] < grey[0] - 10
    hands.drag_by(-80, 0)
    assert hands.window()[1] - hands.window()[0] < 2000, "left is more contrast"
    root.locator("select[data-control=preset]").select_option(label="Lung")
    assert hands.window() == [-1350, 150]
    assert root.locator("input[data-control=level]").input_value() == "-600"
    for name, value in (("level", "100"), ("width", "400")):
        root.locator(f"input[data-control={name}]").fill(value)
        page.keyboard.press("Enter")
    hands.settle()
    assert hands.window() == [-100, 300]
    assert hands.colour(100.5, 60.5) == pytest.approx([(stored()[60, 100] + 100) / 400 * 255] * 3, abs=2)
    root.locator("input[data-control=width]").fill("-5")
    page.keyboard.press("Enter")
    assert hands.window() == [-100, 300], "a width below 0 is refused"
    hands.click(100, 60)
    hands.press("3")
    assert hands.window() == [-160, 240], "the second preset is soft tissue"
    hands.press("i")
    assert hands.colour(100.5, 60.5)[0] == pytest.approx(255 - (stored()[60, 100] + 160) / 400 * 255, abs=2)
    hands.press("0")
    assert hands.window() == [-1000, 1200] and not hands.view("invert")

    # zoom keeps what is under the cursor; the wheel works once the pane is clicked
    before = hands.at(150, 30)
    page.mouse.move(*before)
    page.mouse.wheel(0, -500)
    hands.settle()
    assert hands.view("zoom") > 1.5 and hands.at(150, 30) == pytest.approx(before, abs=1.5)
    hands.press("p")
    hands.drag_by(30, -20)
    assert hands.at(150, 30) == pytest.approx((before[0] + 30, before[1] - 20), abs=1)
    hands.press("w")
    zoom = hands.view("zoom")
    hands.drag_by(0, -60, button="right")
    assert hands.view("zoom") > zoom, "the right button zooms"
    window, x = hands.window(), hands.view("x")
    hands.drag_by(40, 0, button="middle")
    assert hands.window() == window and hands.view("x") < x, "the middle button pans"
    hands.press("1")
    assert hands.run("v.panes[0].frame(v.activeHead(), v.view).scale") == pytest.approx(1)
    hands.press("0")

    # flips and turns, on the screen: a bright right end goes left, then up
    page.mouse.move(5, 5)
    left = hands.at(0, 60)[0] < hands.at(200, 60)[0]
    hands.canvas().focus()
    hands.press("h")
    assert left and hands.at(0, 60)[0] > hands.at(200, 60)[0]
    hands.press("h", "t")
    assert hands.at(0, 60)[1] < hands.at(200, 60)[1] and hands.at(100, 0)[0] > hands.at(100, 120)[0]
    hands.press("h")
    assert hands.at(100, 0)[0] < hands.at(100, 120)[0], "mirrored on the screen, though turned"
    hands.press("v")
    assert hands.at(0, 60)[1] > hands.at(200, 60)[1]
    assert hands.colour(150.5, 60.5) == pytest.approx([(stored()[60, 150] + 1000) / 2200 * 255] * 3, abs=2)
    hands.press("0")

    # help and full screen
    hands.press("?")
    expect(page.locator("dialog.help")).to_be_visible()
    assert page.locator("dialog.help").get_by_text("Fit", exact=True).count() == 1
    hands.press("Escape")
    expect(page.locator("dialog.help")).to_be_hidden()
    hands.canvas().focus()
    hands.press("f")
    page.wait_for_function("document.fullscreenElement !== null")
    hands.press("f")
    page.wait_for_function("document.fullscreenElement === null")
    unnamed = root.evaluate(
        """r => [...r.querySelectorAll('button, select, input, canvas[tabindex]')]
        .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim())).length"""
    )
    assert unnamed == 0
    ring = hands.canvas().evaluate("c => { c.focus(); return getComputedStyle(c).outlineStyle; }")
    assert ring == "solid", "keyboard focus must be seen"
    assert len(sent) == messages, "no tool may cost a run of the server"


def test_measurements_and_the_marked_lesion(page: Page, address: str) -> None:
    hands = Hands(page, "ramp", address)
    values = stored()
    hands.click(100, 60)
    hands.press("l")
    hands.drag((40, 20), (120, 80))
    (length,) = hands.marks()
    assert float(length["text"][0].split()[0]) == pytest.approx(np.hypot(80 * 0.25, 60 * 0.5), abs=0.3)
    assert length["text"][0].endswith("mm")

    hands.press("r")
    hands.drag((20, 20), (60, 70))
    rectangle = hands.marks()[1]
    (x0, y0), (x1, y1) = rectangle["points"]
    columns, rows = np.arange(200) + 0.5, np.arange(120) + 0.5
    inside = ((columns >= x0) & (columns < x1))[None, :] & ((rows >= y0) & (rows < y1))[:, None]
    mean, sd = values[inside].mean(), values[inside].std()
    assert rectangle["text"][0] == f"Mean {mean:.1f}, SD {sd:.1f} HU"
    assert float(rectangle["text"][1].split()[1]) == pytest.approx((x1 - x0) * (y1 - y0) * 0.125, rel=0.01)

    hands.press("e")
    hands.drag((100, 30), (160, 90))
    ellipse = hands.marks()[2]
    (x0, y0), (x1, y1) = ellipse["points"]
    round_ = ((columns - (x0 + x1) / 2) / ((x1 - x0) / 2))[None, :] ** 2 + ((rows - (y0 + y1) / 2) / ((y1 - y0) / 2))[
        :, None
    ] ** 2 <= 1
    assert ellipse["text"][0] == f"Mean {values[round_].mean():.1f}, SD {values[round_].std():.1f} HU"
    assert float(ellipse["text"][1].split()[1]) == pytest.approx(np.pi / 4 * (x1 - x0) * (y1 - y0) * 0.125, rel=0.01)
    assert hands.colour(x1, (y0 + y1) / 2)[2] > 150, "the ellipse is drawn"

    # move one by its edge, undo, delete, delete the chosen one
    hands.press("w")
    hands.drag((20.2, 45), (30, 45))
    assert hands.marks()[1]["points"][0][0] == pytest.approx(30, abs=1.5)
    assert hands.marks()[1]["text"][0] != rectangle["text"][0]
    hands.press("u")
    assert hands.marks()[1]["text"][0] == rectangle["text"][0]
    hands.press("Delete")
    assert [m["kind"] for m in hands.marks()] == ["length", "rectangle"]
    hands.click(40, 20)
    hands.press("Delete", "u", "u")
    assert [m["kind"] for m in hands.marks()] == ["length", "rectangle", "ellipse"]

    # by keyboard alone: Enter sets a point, arrows move
    hands.press("l", "Enter", *["ArrowRight"] * 5, "Enter")
    keyed = hands.marks()[-1]
    assert keyed["kind"] == "length" and keyed["points"][1][0] > keyed["points"][0][0]

    # the lesion: a box, then an outline, each told to Python; the way back too
    hands.press("m")
    hands.drag((50, 40), (90, 100))
    hands.returned("region", lambda r: r == pytest.approx([50, 40, 90, 100], abs=1.5))
    hands.press("o")
    corners = [hands.at(*p) for p in ((110, 30), (150, 30), (150, 60), (110, 60))]
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*corner, steps=4)
    page.mouse.up()
    hands.returned("outline", lambda o: o is not None and len(o) > 6)
    hands.returned("region", lambda r: r == pytest.approx([110, 30, 150, 60], abs=1.5))
    hands.canvas().focus()
    hands.press("u")
    hands.returned("region", lambda r: r == pytest.approx([50, 40, 90, 100], abs=1.5))
    hands.press("k")
    hands.returned("region", None)
    assert all(m["kind"] not in ("region", "outline") for m in hands.marks())


def test_the_second_look_is_dashed_until_the_reader_marks_the_lesion(page: Page, address: str) -> None:
    hands = Hands(page, "ramp", address)

    def seen() -> bool:
        """Teal on the box's upper line; its dashes are longer than their gaps."""

        def teal(x: float) -> bool:
            return any(g - r > 40 and g > b for r, g, b in (hands.colour(x, y) for y in (29.8, 30, 30.2)))

        found = [teal(x) for x in np.linspace(45, 115, 40)]
        assert not all(found), "dashed, not a line"
        return any(found)

    assert not seen() and hands.run("v.look") is None
    page.get_by_text("Second look", exact=True).click()
    hands.until("v.look !== null")
    hands.settle()
    assert hands.run("v.look") == [40, 30, 120, 90, 0] and seen()
    hands.canvas().focus()
    hands.press("b")
    assert not seen()
    hands.press("b")
    assert seen()
    hands.press("m")
    hands.drag((60, 50), (90, 80))
    hands.returned("region", lambda r: r == pytest.approx([60, 50, 90, 80], abs=1.5))
    assert not seen(), "the reader's own region stands alone"
    hands.press("k")
    assert seen()


def test_without_spacing_lengths_are_pixels_and_say_so(page: Page, address: str) -> None:
    hands = Hands(page, "plain", address)
    hands.move(60.5, 45.5)
    assert "no pixel spacing in the file" in hands.readout() and "red, green, blue" in hands.readout()
    hands.click(60, 45)
    hands.press("l")
    hands.drag((30, 45), (90, 45))
    assert hands.marks()[0]["text"][0].endswith("pixels (no spacing in the file)")
    hands.press("e")
    hands.drag((30, 30), (90, 60))
    assert hands.marks()[1]["text"][1].endswith("pixels (no spacing in the file)")
    red, green, blue = hands.colour(10.5, 10.5)
    assert len({red, green, blue}) == 3, "colour stays colour"


def test_linked_panes_maps_and_the_fields_of_a_place(page: Page, address: str) -> None:
    sent: list[int] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda _: sent.append(1)))
    hands = Hands(page, "evidence", address)
    root, messages = hands.root, len(sent)
    peak = (54, 24)  # of Grad-CAM++, 0.8 on a scale to 1
    assert root.locator(".panes canvas").count() == 2

    def tint(pane: int = 1) -> int:
        colour = hands.colour(peak[0] + 0.5, peak[1] + 0.5, pane)
        return max(colour) - min(colour)

    root.locator("[data-toggle=contours]").click()
    assert tint(0) < 3 < 40 < tint()
    outline = root.locator("[data-toggle=lesion]")
    assert outline.get_attribute("aria-pressed") == "true", "the lesion is outlined unless the reader takes it away"
    outlined = hands.canvas(0).evaluate("c => c.toDataURL()")
    outline.click()
    hands.settle()
    assert hands.canvas(0).evaluate("c => c.toDataURL()") != outlined
    root.locator("input[data-control=opacity]").fill("0")
    hands.settle()
    assert tint() < 3
    root.locator("input[data-control=opacity]").fill("0.9")
    root.locator("input[data-control=threshold]").fill("0.9")
    hands.settle()
    assert tint() < 3, "0.8 of the scale lies below a threshold of 0.9"
    root.locator("input[data-control=threshold]").fill("0")
    inferno = hands.colour(*peak, 1)
    root.locator("select[data-control=colours]").select_option("viridis")
    hands.settle()
    assert hands.colour(*peak, 1) != inferno
    legend = root.locator(".legend .scale")
    assert legend.count() == 1 and "1 or more" in legend.inner_text() and "evidence" in legend.inner_text()

    # window, zoom, pan and the cursor are shared
    hands.click(20, 20)
    grey = [hands.colour(10.5, 10.5, p) for p in (0, 1)]
    assert grey[0] == grey[1]
    hands.drag_by(0, 80)
    assert hands.colour(10.5, 10.5, 0) == hands.colour(10.5, 10.5, 1) != grey[0]
    page.mouse.move(*hands.at(30, 30))
    page.mouse.wheel(0, -300)
    hands.settle()
    box = [hands.canvas(p).bounding_box() for p in (0, 1)]
    shift = box[1]["x"] - box[0]["x"]  # type: ignore[index]  # both are on the page
    assert hands.at(40, 30, 1)[0] - hands.at(40, 30, 0)[0] == pytest.approx(shift, abs=0.5)
    without = hands.canvas(1).evaluate("c => c.toDataURL()")
    hands.move(32, 30)
    assert hands.canvas(1).evaluate("c => c.toDataURL()") != without, "the cursor shows in the other pane"
    assert "evidence" in hands.readout()

    # four panes, each with a choice of its own
    hands.press("0", "g")
    assert root.locator(".panes canvas").count() == 4
    titles = root.locator("figcaption .title").all_inner_texts()
    assert titles[:2] == ["Original", "Grad-CAM++ for malignant"] and titles[3].startswith("Difference without")
    root.locator("select.source").nth(0).select_option("lesion")
    assert root.locator("figcaption .title").first.inner_text() == "Lesion map"
    chance = root.locator(".legend .scale", has_text="probability of lesion")
    assert chance.locator(".high").inner_text() == "1", "nothing is more likely than certain"
    hands.press("g")
    assert root.locator(".panes canvas").count() == 1
    hands.press("g")

    # the fields of a place: attention there x contribution
    attention = hands.run("v.scene.layers.find(l => l.id === 'field:palpable').values[a]", 24 * 90 + 45)
    hands.click(45.5, 24.5)
    rows = root.locator(".fields tr[data-row]")
    assert rows.count() == 3
    first = rows.nth(0)
    assert first.get_attribute("data-row") == "palpable"
    cells = first.locator("td").all_inner_texts()
    assert float(cells[0]) == pytest.approx(attention, abs=0.01) and cells[1] == "−0.700"
    assert float(cells[2].replace("−", "-")) == pytest.approx(-0.7 * attention, abs=0.01)
    lit = root.locator(".layers .lit")
    assert "palpable" in [lit.nth(i).get_attribute("data-field") for i in range(lit.count())]
    assert len(sent) == messages, "none of this may cost a run of the server"
    hands.press("Escape")
    expect(root.locator(".fields")).to_be_hidden()
    assert root.locator(".layers .lit").count() == 0

    # a field chosen here is told to Python; one chosen there is shown here, with its difference map
    root.get_by_role("radio", name="Margin").click()
    hands.returned("layer", "field:margin")
    page.get_by_role("combobox", name="Layer").click()
    page.get_by_role("option", name="field:age").click()
    expect(page.locator(".viewer[data-layer='field:age']")).to_be_visible()
    assert hands.view("field") == "age"
    root.locator("select.source").nth(1).select_option("difference")
    hands.settle()
    away = hands.colour(18, 42, 1)  # the difference is negative there: blue
    assert away[2] > away[0] + 20


def test_a_finger_a_pinch_and_two_fingers(page: Page, address: str) -> None:
    hands = Hands(page, "ramp", address)
    client = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        client.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]},
        )

    x, y = hands.at(100, 60)
    touch("touchStart", (x, y))
    touch("touchMove", (x, y + 40))
    touch("touchEnd")
    hands.settle()
    assert sum(hands.window()) / 2 > 150, "one finger windows"
    window = hands.window()
    touch("touchStart", (x - 40, y), (x + 40, y))
    for step in range(1, 6):
        touch("touchMove", (x - 40 - 8 * step, y), (x + 40 + 8 * step, y))
    touch("touchEnd")
    hands.settle()
    assert hands.view("zoom") == pytest.approx(2, rel=0.1) and hands.at(100, 60) == pytest.approx((x, y), abs=3)
    touch("touchStart", (x - 40, y), (x + 40, y))
    for step in range(1, 6):
        touch("touchMove", (x - 40 + 6 * step, y + 4 * step), (x + 40 + 6 * step, y + 4 * step))
    touch("touchEnd")
    hands.settle()
    assert hands.at(100, 60) == pytest.approx((x + 30, y + 20), abs=4) and hands.view("zoom") == pytest.approx(
        2, rel=0.1
    )
    assert hands.window() == window, "two fingers do not window"


def test_views_stand_side_by_side(page: Page, address: str) -> None:
    hands = Hands(page, "views", address)
    assert hands.root.locator("figcaption .title").all_inner_texts() == ["R CC", "L CC"]
    assert hands.colour(50.5, 75.5, 0) != hands.colour(50.5, 75.5, 1)
    hands.click(50, 75)
    hands.press("g")
    assert hands.root.locator("figcaption .title").all_inner_texts() == ["R CC", "L CC", "R MLO", "L MLO"]


def test_the_processor_draws_what_the_graphics_card_draws(page: Page, address: str) -> None:
    hands = Hands(page, "evidence", address)
    places = [(x + 0.5, y + 0.5, p) for p in (0, 1) for x in range(5, 85, 16) for y in (9, 30, 50)]
    assert hands.root.get_attribute("data-renderer") == "canvas", "a card imitated in software is slower than we are"
    hands.run("v.drawWith('webgl2')")
    hands.settle()
    assert hands.root.get_attribute("data-renderer") == "webgl2"
    card = [hands.colour(*place) for place in places]
    hands.run("v.drawWith('canvas')")
    hands.settle()
    assert hands.root.get_attribute("data-renderer") == "canvas"
    processor = [hands.colour(*place) for place in places]
    assert np.abs(np.subtract(card, processor)).max() <= 3 and np.ptp(card) > 100
