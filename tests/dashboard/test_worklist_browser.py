"""A whole case by keyboard alone, and two browsers side by side, in a real headless Chromium."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SLOW = 240_000
_FOCUS = """() => { let e = document.activeElement;
    while (e && e.shadowRoot && e.shadowRoot.activeElement) e = e.shadowRoot.activeElement;
    const group = e.closest('[role=radiogroup], [data-testid=stButtonGroup]');
    return { tag: e.tagName, role: e.getAttribute('role') || e.type || '', name: e.getAttribute('aria-label') || '',
             text: e.innerText || '', group: group ? group.getAttribute('aria-label') || group.innerText : '' }; }"""

expect.set_options(timeout=SLOW)
pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Iterator[str]:
    """The app with the tiny bundle, on a free port, with a store of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("server")
    environment = {"OMP_NUM_THREADS": "1", "MMXAI_DEADLINE_S": "220", **os.environ}
    environment |= {"MMXAI_STORE": str(folder / "ratings.sqlite"), "MMXAI_BUNDLE": str(tiny_bundle)}
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
            except OSError:  # refused, or slow to answer
                assert process.poll() is None, (folder / "log.txt").read_text()
                time.sleep(0.3)
        yield address
        assert "incident" not in (folder / "log.txt").read_text(), (folder / "log.txt").read_text()
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    gl = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", *gl])
        yield chromium
        chromium.close()


def opened(context: BrowserContext, address: str) -> Page:
    tab = context.new_page()
    tab.set_default_timeout(SLOW)
    tab.goto(address)
    tab.get_by_role("button", name="Open", exact=True).nth(5).wait_for()
    return tab


def tab_to(page: Page, wanted: Callable[[dict[str, str]], bool], what: str, *, most: int = 160) -> None:
    """Press Tab until the focus is where it should be."""
    seen = []
    for _ in range(most):
        page.keyboard.press("Tab")
        focus = page.evaluate(_FOCUS)
        if wanted(focus):
            return
        seen.append(f"{focus['tag']} {focus['name'] or focus['text'][:30]!r}")
    raise AssertionError(f"{what} cannot be reached by Tab; passed {seen}")


def settled(page: Page) -> None:
    """Until the page no longer runs: a key pressed while it is drawn again may be lost."""
    app = page.locator("[data-testid=stApp]")
    for _ in range(3):
        page.wait_for_timeout(250)
        expect(app).not_to_have_attribute("data-test-script-state", "running")


def test_a_whole_case_by_keyboard_alone(browser: Browser, server: str) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    page = opened(context, f"{server}/case")
    settled(page)
    tab_to(page, lambda f: f["tag"] == "BUTTON" and f["text"].strip() == "Open", "a sample")
    page.keyboard.press("Enter")
    analyse = page.get_by_role("button", name=re.compile("^Analyse"))
    expect(analyse).to_be_enabled()
    settled(page)

    tab_to(page, lambda f: f["tag"] == "INPUT" and f["name"].startswith("Age"), "the age")
    page.keyboard.press("Control+A")
    page.keyboard.type("57")
    page.keyboard.press("Enter")
    expect(page.get_by_text("changed", exact=True)).to_be_visible()  # the sample said another age
    settled(page)
    tab_to(page, lambda f: "Palpable" in f["group"], "a yes/no field")
    for _ in range(3):  # within a group the arrows lead on
        if page.evaluate(_FOCUS)["text"].strip() == "No":
            break
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_text("changed", exact=True)).to_have_count(2)
    settled(page)
    tab_to(page, lambda f: f["role"] == "combobox" or "Margin" in f["name"], "the margin")
    page.keyboard.type("Unknown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("combobox", name="Margin", exact=True)).to_have_value("Unknown")
    settled(page)
    assert page.evaluate(_FOCUS)["name"] == "Margin", "a field keeps its plain name and the focus"
    page.keyboard.press("Control+A")
    page.keyboard.type("Rough")
    page.keyboard.press("Enter")
    expect(page.get_by_text("entered", exact=True)).to_have_count(1)  # of the margin the sample said nothing
    expect(page.get_by_text("changed", exact=True)).to_have_count(2)
    settled(page)

    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("button", name="Show the explanation")).to_be_visible()
    expect(page.get_by_text("Analysed in")).to_be_visible()
    settled(page)
    page.keyboard.press("Control+Enter")
    expect(page).to_have_url(re.compile("/explanation"))
    rate = page.get_by_role("button", name=re.compile("Rate this explanation"))
    rate.wait_for()
    settled(page)
    tab_to(page, lambda f: f["tag"] == "BUTTON" and "Rate this explanation" in f["text"], "the way to the survey")
    page.keyboard.press("Enter")
    page.get_by_placeholder("R01").wait_for()
    settled(page)
    tab_to(page, lambda f: f["name"].startswith("Reader code"), "the reader code")
    page.keyboard.type("R31")
    page.keyboard.press("Enter")
    expect(page.get_by_role("radiogroup")).to_have_count(5)
    settled(page)
    for i in range(5):
        question = page.get_by_role("radiogroup").nth(i).get_attribute("aria-label") or ""
        tab_to(page, lambda f, q=question: f["role"] == "radio" and f["group"] == q, f"question {i + 1}")
        page.keyboard.press("Space")
    tab_to(page, lambda f: f["tag"] == "BUTTON" and "Save rating" in f["text"], "Save")
    page.keyboard.press("Enter")
    expect(page.get_by_text(re.compile(r"Rating \d+ is saved"))).to_be_visible()

    settled(page)
    tab_to(page, lambda f: f["tag"] == "A" and f["text"].strip().endswith("Worklist"), "the worklist", most=200)
    page.keyboard.press("Enter")
    expect(page.locator(".mmx-case .state.rated")).to_have_count(1)
    context.close()


def test_two_browsers_keep_apart_and_each_finds_its_case_after_a_reload(browser: Browser, server: str) -> None:
    contexts = [browser.new_context(viewport={"width": 1024, "height": 768}) for _ in range(2)]
    pages = [opened(c, f"{server}/case") for c in contexts]
    titles = ("Round, anechoic mass", "Irregular mass with calcifications")
    for page, number in zip(pages, (2, 3), strict=True):
        page.get_by_role("button", name="Open", exact=True).nth(number).click()
    ages = (33, 66)
    for turn in range(3):
        for i, page in enumerate(pages):
            age = page.get_by_role("spinbutton", name="Age")
            age.fill(str(ages[i] + turn))
            page.keyboard.press("Enter")
            expect(page.get_by_text("changed", exact=True)).to_be_visible()
            expect(page.get_by_text(titles[i]).first).to_be_visible()
            expect(page.get_by_text(titles[1 - i])).to_have_count(0)
    addresses = [page.url for page in pages]
    assert addresses[0] != addresses[1] and all("case=" in a for a in addresses)
    for i, page in enumerate(pages):
        settled(page)  # a reload stops the run that takes the last value
        page.reload()
        expect(page.get_by_role("spinbutton", name="Age")).to_have_value(str(ages[i] + 2))
        expect(page.get_by_text(titles[i]).first).to_be_visible()
    for i, context in enumerate(contexts):  # the same address in a new tab of the same browser, and in the other one
        mine = context.new_page()
        mine.set_default_timeout(SLOW)
        mine.goto(addresses[i])
        expect(mine.get_by_role("spinbutton", name="Age")).to_have_value(str(ages[i] + 2))
        mine.goto(addresses[1 - i])
        expect(mine.get_by_text("not in your worklist")).to_be_visible()
        assert titles[1 - i] not in mine.locator("[data-testid=stMain]").inner_text().split("Or start with a sample")[0]
        context.close()


def test_chosen_files_wait_while_the_samples_are_added(browser: Browser, server: str) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(SLOW)
    page.goto(f"{server}/worklist?reader=R41")
    chosen = ROOT / "assets" / "samples" / "phantom-a.dcm"
    page.get_by_role("button", name="Add the 6 samples").wait_for()
    page.locator("input[type=file]").first.set_input_files(chosen)
    page.get_by_role("button", name="Add 1 file").wait_for()
    page.get_by_role("button", name="Add the 6 samples").click()
    expect(page.get_by_text("6 of 6 done")).to_be_visible()
    settled(page)
    expect(page.get_by_text(chosen.name).first).to_be_visible()
    page.get_by_role("button", name="Add 1 file").click()
    expect(page.get_by_text("1 of 1 done")).to_be_visible()
    context.close()
