"""The main job end to end, in a real headless Chromium against the real server and the shipped model."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = Path(os.environ.get("MMXAI_BUNDLE", ROOT / "pretrained" / "breast-us"))
#: Milliseconds; generous, because a test machine may be busy.
SLOW = 240_000

expect.set_options(timeout=SLOW)
pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app on a free port, with a ratings store of its own."""
    if not (BUNDLE / "metadata.json").is_file():
        pytest.skip(f"no model bundle at {BUNDLE}; the browser test needs the one that ships")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("server")
    # One thread: two that wait for each other on a busy machine are many times slower than one.
    environment = {"OMP_NUM_THREADS": "1", "MMXAI_DEADLINE_S": "220", **os.environ}
    environment |= {"MMXAI_STORE": str(folder / "ratings.sqlite"), "MMXAI_BUNDLE": str(BUNDLE)}
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py", "--server.port", str(port)]
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 180
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).read()
                break
            except OSError:
                assert process.poll() is None, (folder / "log.txt").read_text()
                time.sleep(0.3)
        yield address
        # The server itself logs a traceback when a browser hangs up in the middle of a message; ours are incidents.
        said = (folder / "log.txt").read_text()
        assert "incident" not in said and "mmxai_core" not in said, said
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:  # a job of a failed test may still be running
            process.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def sent() -> list[int]:
    """Grows with every message the page sends to the server."""
    return []


@pytest.fixture
def page(browser: Browser, server: str, sent: list[int]) -> Iterator[Page]:
    """A fresh session at 1440 x 900, dark; the test fails where the console reports an error."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark", accept_downloads=True)
    tab = context.new_page()
    problems: list[str] = []
    # Streamlit looks for its health address below the page's path first, and gets a 404 there.
    tab.on("console", lambda m: problems.append(m.text) if m.type == "error" and "404" not in m.text else None)
    tab.on("pageerror", lambda e: problems.append(str(e)))
    tab.on("request", lambda r: problems.append(f"left this machine: {r.url}") if leaves(r.url) else None)
    tab.on("websocket", lambda socket: socket.on("framesent", lambda _: sent.append(1)))
    tab.set_default_timeout(SLOW)
    tab.goto(server)
    tab.get_by_role("button", name="Enter clinical data only").wait_for()
    yield tab
    context.close()
    assert problems == []


def leaves(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:"))


def upload(page: Page, path: Path) -> None:
    page.locator("input[type=file]").first.set_input_files(path)


def ready(page: Page) -> Locator:
    viewer = page.locator(".viewer[data-ready='1']")
    viewer.wait_for()
    page.wait_for_timeout(300)
    return viewer


def pixels(canvas: Locator) -> list[int]:
    """Red, green and blue of a grid of 40 x 40 points."""
    return canvas.evaluate(
        """c => { const g = c.getContext('2d'), out = [];
        for (let y = 0; y < 40; y++) for (let x = 0; x < 40; x++)
            out.push(...g.getImageData(Math.floor((x + .5) * c.width / 40), Math.floor((y + .5) * c.height / 40), 1, 1)
                .data.slice(0, 3));
        return out; }"""
    )


def colourful(values: list[int]) -> int:
    """How many points are not grey."""
    return sum(max(values[i : i + 3]) - min(values[i : i + 3]) > 24 for i in range(0, len(values), 3))


def choose(page: Page, label: str, option: str) -> None:
    """Pick an option of a yes/no field."""
    group = page.get_by_test_id("stButtonGroup").filter(has_text=label)
    group.get_by_text(option, exact=True).click()


def view(page: Page, name: str) -> None:
    """Open a view of the Explanation page."""
    page.locator(".st-key-explanation-view").get_by_text(name, exact=True).click()


def analyse(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Analyse")).click()
    page.get_by_role("button", name="Show the explanation").wait_for(timeout=SLOW)


def assert_no_traceback(page: Page) -> None:
    text = page.locator("body").inner_text()
    assert "Traceback" not in text and "Error:" not in text
    assert page.get_by_test_id("stException").count() == 0


def rate_and_reload(page: Page, reader: str) -> list[dict[str, str]]:
    """Rate the explanation, reload the browser, and return the rows of the downloaded CSV."""
    page.get_by_role("button", name="Rate this explanation").click()
    page.get_by_placeholder("R01").fill(reader)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Ratings kept for {reader}")).to_be_visible()
    questions = page.get_by_role("radiogroup")
    expect(questions).to_have_count(5)
    assert page.get_by_role("radio", checked=True).count() == 0
    page.get_by_role("button", name="Save rating").click()
    expect(page.get_by_text("5 questions left open")).to_be_visible()
    for i, answer in enumerate(("4", "3", "5 strongly agree", "2", "No answer")):
        questions.nth(i).get_by_text(answer, exact=True).click()
    page.get_by_role("textbox", name=re.compile("Anything that helped")).fill("=1+1 the margin")
    page.get_by_role("button", name="Save rating").click()
    expect(page.get_by_text(re.compile(r"Rating \d+ is saved"))).to_be_visible()
    assert f"reader={reader}" in page.url
    page.reload()
    expect(page.get_by_text(re.compile("You have rated this explanation"))).to_be_visible()  # the case came back
    expect(page.get_by_role("heading", name=f"Ratings kept for {reader}")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    content = Path(download.value.path()).read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(content)))


@pytest.mark.data
def test_a_real_image_from_upload_to_a_kept_rating(page: Page, sent: list[int], data_dir: Path) -> None:
    upload(page, data_dir / "breast_lesions_usg" / "originals_rgba" / "case001.png")
    viewer = ready(page)
    assert len(set(pixels(viewer.locator("canvas[data-pane=original]")))) > 40, "the image is blank"
    expect(page.get_by_text("Not stated by the file: modality")).to_be_visible()

    page.get_by_role("spinbutton", name="Age").fill("57")
    page.keyboard.press("Enter")
    choose(page, "Palpable lump", "Yes")
    analyse(page)
    expect(page.get_by_text(re.compile(r"Malignant(:| is) .*\d+\s%, .* the operating threshold"))).to_be_visible()
    expect(page.get_by_text("2 of 18 clinical fields known")).to_be_visible()
    choose(page, "Nipple discharge", "No")
    expect(page.get_by_text("Out of date")).to_be_visible()
    choose(page, "Nipple discharge", "Unknown")
    expect(page.get_by_text("Out of date")).to_have_count(0)

    page.get_by_role("button", name="Show the explanation").click()
    viewer = ready(page)
    original, overlay = (viewer.locator(f"canvas[data-pane={p}]") for p in ("original", "overlay"))
    assert colourful(pixels(overlay)) > colourful(pixels(original)) + 20, "the overlay shows no map"
    quiet = -1
    while quiet != len(sent):  # the last parts of the explanation still arrive
        quiet = len(sent)
        page.wait_for_timeout(3000)
    before, messages = pixels(overlay), len(sent)
    viewer.locator("input[data-control=opacity]").fill("0")
    page.wait_for_timeout(200)
    assert colourful(pixels(overlay)) < colourful(before), "opacity 0 must leave the image"
    viewer.locator("input[data-control=opacity]").fill("0.8")
    page.wait_for_timeout(200)
    assert len(sent) == messages, "opacity must not cost a run of the server"

    waterfall = page.locator(".st-key-waterfall .js-plotly-plot")
    expect(waterfall.locator(".bars .point")).to_have_count(5)  # age, palpable lump, three regions of the image
    expect(waterfall).to_contain_text("Age: 57 years")
    page.get_by_test_id("stButtonGroup").get_by_text("Probability", exact=True).click()
    # While the page is drawn again, the old chart may stand beside the new one for a moment.
    expect(waterfall.filter(has_text="points")).to_be_visible()
    expect(waterfall).to_have_count(1)

    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)  # a page that still changes loses the click
    cam = pixels(overlay)
    viewer.get_by_role("radio", name="Age").click()
    expect(page.get_by_text(re.compile(r"Age: 57 years\. It moves the prediction by"))).to_be_visible()
    assert viewer.get_attribute("data-layer") == "field:age"
    assert pixels(overlay) != cam, "a chosen field must light its own regions"

    view(page, "Attention")
    expect(page.locator(".st-key-image-to-clinical .bars .point")).to_have_count(2)
    page.get_by_role("button", name="Take away").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="explanation.json").click()
    assert b"Research use only" in Path(download.value.path()).read_bytes()
    assert_no_traceback(page)

    rows = rate_and_reload(page, "R11")
    assert [r["item"] for r in rows] == [
        "understanding", "confidence", "agree_prediction", "agree_region", "agree_factors", "comment",
    ]  # fmt: skip
    assert [r["value"] for r in rows] == ["4", "3", "5", "2", "", ""]
    assert rows[4]["state"] == "no_answer" and rows[5]["text"] == "'=1+1 the margin"
    assert len({r["bundle_sha256"] for r in rows}) == 1


def test_a_dicom_phantom_prefills_the_form_and_takes_a_drawn_region(page: Page) -> None:
    upload(page, ROOT / "assets" / "samples" / "phantom-b.dcm")
    viewer = ready(page)
    expect(page.get_by_text("Synthetic phantom, not a patient")).to_be_visible()
    expect(page.get_by_text("US (ultrasound)")).to_be_visible()
    expect(page.get_by_role("spinbutton", name="Age")).to_have_value("67")
    expect(page.get_by_text("from header")).to_have_count(1)

    viewer.get_by_role("button", name="Mark lesion").click()
    box = viewer.locator("canvas[data-pane=original]").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.3)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.6, steps=4)
    page.mouse.up()
    analyse(page)
    expect(page.get_by_text("the region you marked")).to_be_visible()
    page.get_by_role("button", name="Show the explanation").click()
    viewer = ready(page)
    assert colourful(pixels(viewer.locator("canvas[data-pane=overlay]"))) > 20
    view(page, "Reliability")
    expect(page.get_by_role("heading", name="How far to trust this explanation")).to_be_visible()
    rows = rate_and_reload(page, "R12")
    assert {r["reader"] for r in rows} == {"R12"}
    for name in ("Model", "Case"):
        page.get_by_role("link", name=name).click()
        expect(page.get_by_role("note")).to_contain_text("Research use only, not for diagnosis")
        assert_no_traceback(page)


@pytest.mark.parametrize(
    ("name", "content"),
    [("notes.dcm", b"this is a text file, renamed"), ("empty.png", b""), ("cut.dcm", None)],
)
def test_a_file_that_is_no_study_is_answered_by_one_sentence(
    page: Page, tmp_path: Path, name: str, content: bytes | None
) -> None:
    whole = (ROOT / "assets" / "samples" / "phantom-a.dcm").read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2] if content is None else content)
    upload(page, tmp_path / name)
    error = page.get_by_test_id("stAlert")
    expect(error).to_contain_text("This study cannot be opened.")
    expect(error).to_have_count(1)
    assert len(error.inner_text()) < 400
    assert_no_traceback(page)


def test_the_viewers_tools_work_without_the_server(page: Page, sent: list[int]) -> None:
    page.get_by_role("button", name="Open", exact=True).first.click()
    viewer = ready(page)
    canvas = viewer.locator("canvas[data-pane=original]")
    whole, messages = pixels(canvas), len(sent)
    canvas.click()
    page.mouse.wheel(0, -400)
    page.wait_for_timeout(200)
    assert float(viewer.get_attribute("data-zoom") or 0) > 1.3 and pixels(canvas) != whole
    page.keyboard.press("0")
    page.wait_for_timeout(200)
    assert viewer.get_attribute("data-zoom") == "1.00"
    page.keyboard.press("i")
    page.wait_for_timeout(200)
    assert sum(pixels(canvas)) > sum(whole) * 1.2, "inverted, a dark image is bright"
    viewer.get_by_role("button", name="Fit").click()
    page.wait_for_timeout(200)
    assert viewer.get_by_role("button", name="Invert").get_attribute("aria-pressed") == "false"
    assert len(sent) == messages, "no tool may cost a run of the server"


@pytest.mark.parametrize(("width", "height", "scheme"), [(1024, 768, "light"), (1440, 900, "dark")])
def test_nothing_is_wider_than_the_window(browser: Browser, server: str, width: int, height: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    context.add_init_script("""localStorage.setItem("mmxai-theme", '"System"')""")  # else it would be dark
    tab = context.new_page()
    tab.set_default_timeout(SLOW)
    tab.goto(server)
    tab.get_by_role("button", name="Open", exact=True).nth(1).click()
    ready(tab)
    for name in ("Case", "Explanation", "Survey", "Model"):
        tab.get_by_role("link", name=name).click()
        tab.wait_for_timeout(1200)
        past = "[...document.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > innerWidth + 2)"
        wide = tab.evaluate(f"() => {past}.length")
        assert wide == 0, f"{wide} elements past the right edge on {name} at {width}"
        expect(tab.get_by_role("note")).to_be_in_viewport()
    context.close()
