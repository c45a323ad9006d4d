"""A whole reader study in a real browser: protocol, three readers, a kill, analysis; and what crosses the wire when."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, Locator, Page, WebSocket, expect, sync_playwright
from pypdf import PdfReader

from dashboard.components.arms_table import usual_arms
from mmxai_core.reader_study.protocol import Case, Protocol, Reader
from mmxai_core.reader_study.study_store import StudyStore

ROOT = Path(__file__).resolve().parents[2]
SLOW = 180_000
_SEND = re.compile("Commit|Save and go on")
pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
expect.set_options(timeout=SLOW)


@dataclass
class Server:
    """The app as a process of its own, that can be killed and started again on the same port."""

    folder: Path
    bundle: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def store(self) -> Path:
        return self.folder / "store.sqlite"

    def start(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MMXAI_STORE": str(self.store)}
        environment |= {"MMXAI_BUNDLE": str(self.bundle)}
        command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py", "--server.port", str(self.port)]
        with (self.folder / "log.txt").open("a") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(f"{self.address}/_stcore/health", timeout=2).read()
                return
            except OSError:
                time.sleep(0.3)
        raise AssertionError((self.folder / "log.txt").read_text())

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    one = Server(tmp_path_factory.mktemp("study"), tiny_bundle, port)
    one.start()
    yield one
    one.kill()
    assert "incident" not in (one.folder / "log.txt").read_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@dataclass
class Wire:
    """Every byte the server sent to one page: frames of its sockets, bodies of its responses."""

    parts: list[bytes] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("websocket", self._socket)
        page.on("requestfinished", lambda request: self._body(request))

    def _socket(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda data: self.parts.append(data if isinstance(data, bytes) else data.encode()))

    def _body(self, request: object) -> None:
        try:
            response = request.response()  # type: ignore[attr-defined]
            if response is not None and "/static/" not in response.url:
                self.parts.append(response.body())
        except Exception:  # noqa: BLE001  # the page has gone on; a body that is gone was no answer to it
            return

    def bytes(self) -> bytes:
        return b"".join(self.parts)


def button(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).first.click()


def at_step(page: Page) -> str:
    """Which step is on the page, once it is there."""
    marks = {
        "unaided": page.get_by_text("Your reading, without the AI"),
        "ai": page.get_by_text("With the AI's prediction"),
        "explanation": page.get_by_text("With the explanation"),
        "ratings": page.get_by_text("What did you make of it?"),
        "questionnaire": page.get_by_text("System Usability Scale"),
        "done": page.get_by_text("All cases are read."),
    }
    end = time.monotonic() + SLOW / 1000
    while time.monotonic() < end:
        # What is left of the step before is marked stale until the page has turned; a click on it would be lost.
        settled = page.locator("[data-testid='stStatusWidget'], [data-stale='true']").count() == 0
        there = [name for name, mark in marks.items() if mark.count() and mark.first.is_visible()]
        if settled and len(there) == 1 and (there[0] == "done" or page.get_by_role("button", name=_SEND).count()):
            return there[0]
        time.sleep(0.05)
    raise AssertionError(page.inner_text("body"))


def answer(page: Page, step: str, opinion: int) -> None:
    """Fill in the form of a step and send it; wait until the next step is there."""
    notice = page.get_by_text("Kept at").first
    before = notice.inner_text() if notice.count() else ""
    progress = page.locator("[data-testid='stProgress']").first.inner_text()
    if step in ("unaided", "ai", "explanation"):
        page.get_by_text("No lesion to mark").click()
        page.get_by_placeholder("0 to 100 %").fill(str(opinion))
        page.get_by_role("radiogroup", name="How sure are you?").get_by_text("4", exact=True).click()
    elif step == "ratings":
        for group in page.get_by_test_id("stRadio").all():
            group.get_by_text("4", exact=True).click()
        page.get_by_text("nothing", exact=True).first.click()
    else:
        for group in page.get_by_test_id("stRadio").all():
            group.get_by_text("3", exact=True).click()
    page.get_by_role("button", name=_SEND).click()
    end = time.monotonic() + SLOW / 1000
    while time.monotonic() < end:
        now = page.get_by_text("Kept at").first
        if (now.count() and now.inner_text() != before) or at_step(page) != step:
            return
        if page.locator("[data-testid='stProgress']").first.inner_text() != progress:
            return
        time.sleep(0.05)
    raise AssertionError(f"{step}: {page.inner_text('body')}")


def read_all(page: Page, opinion: int, *, most: int = 1000) -> int:
    """Answer step after step until all is done; returns how many."""
    for done in range(most):
        step = at_step(page)
        if step == "done":
            return done
        answer(page, step, opinion)
    return most


def test_a_whole_study(server: Server, browser: Browser) -> None:
    coordinator = browser.new_page(viewport={"width": 1440, "height": 900})
    coordinator.set_default_timeout(SLOW)
    coordinator.goto(f"{server.address}/studies")
    button(coordinator, "New study")
    expect(coordinator.get_by_text("Protocol of a new study")).to_be_visible()
    title = coordinator.get_by_label("Title")
    title.fill("Three readers")
    title.press("Enter")
    coordinator.get_by_role("button", name="Lock and start").click()
    dialog = coordinator.get_by_role("dialog")
    for said in ("Three readers (pilot), sequential", "Unaided → AI → AI with explanation (Grad-CAM++ map",
                 "5 cases: 3 malignant, 2 benign", "15 readings, 5 a reader"):  # fmt: skip
        expect(dialog.get_by_text(said)).to_be_visible()
    dialog.get_by_role("button", name="Lock and start").click()
    expect(coordinator.get_by_text("Open · sequential · 1 arm · 5 cases")).to_be_visible()

    # Reader 1, every byte on record: nothing of the AI before the unaided answer is kept, the AI after it.
    page, wire = browser.new_page(viewport={"width": 1440, "height": 900}), Wire()
    page.set_default_timeout(SLOW)
    wire.watch(page)
    page.goto(f"{server.address}/session?study=pilot&reader=R01")
    assert at_step(page) == "unaided"
    time.sleep(2)  # the AI has long answered on the server
    before = wire.bytes()
    assert len(before) > 10_000
    secrets = [b"study-ai", b"Grad-CAM", b"gradcam", b'mmx-gauge" role', b"AI: "]
    assert not [s for s in secrets if s in before]
    answer(page, "unaided", 30)
    assert at_step(page) == "ai"
    assert b"study-ai" in wire.bytes() and b"mmx-gauge" in wire.bytes()
    store = StudyStore(server.store)
    study = store.study("pilot")
    first = store.kept(study, "R01")
    revealed = store.events(study, "R01", kind="revealed")[0]
    assert first[0].saved_at <= revealed.at  # kept before it was shown
    answer(page, "ai", 40)
    for ids in {k.shown.explanation_id for k in store.kept(study, "R01")} - {""}:
        assert ids.encode() not in before

    # The server is killed in the middle of the case; the same link goes on at the same step.
    step, kept = at_step(page), store.kept(study, "R01")
    server.kill()
    server.start()
    page.goto(f"{server.address}/session?study=pilot&reader=R01")
    assert at_step(page) == step
    assert store.kept(study, "R01") == kept
    read_all(page, 55)

    # A second window of one reader: what the first answers is not answered again in the second.
    stale = browser.new_page()
    stale.set_default_timeout(SLOW)
    stale.goto(f"{server.address}/session?study=pilot&reader=R02")
    page.goto(f"{server.address}/session?study=pilot&reader=R02")
    assert (at_step(page), at_step(stale)) == ("unaided", "unaided")
    answer(page, "unaided", 20)
    stale.get_by_text("No lesion to mark").click()
    stale.get_by_placeholder("0 to 100 %").fill("99")
    stale.get_by_role("button", name=_SEND).click()
    expect(stale.get_by_text("answered in another window")).to_be_visible()
    stale.close()
    assert [k.answer("opinion").value for k in store.kept(study, "R02")] == [20.0]  # type: ignore[union-attr]
    read_all(page, 70)
    page.goto(f"{server.address}/session?study=pilot&reader=R03")
    read_all(page, 80)

    kept = store.kept(study)
    readings = [k for k in kept if k.slot.kind == "reading"]
    assert len({(k.reader, k.slot.assignment, k.slot.stage) for k in readings}) == len(readings)
    assert len([k for k in readings if k.slot.stage == "unaided"]) == 18
    assert {k.reader for k in kept} == {"R01", "R02", "R03"}
    assert all(k.times is not None and k.times.active_s < 600 for k in readings)
    coordinator.reload()  # the server it was opened on was killed since
    expect(coordinator.get_by_role("button", name="Tables (zip)")).to_be_visible()
    coordinator.wait_for_timeout(3000)
    with coordinator.expect_download() as download:
        coordinator.get_by_role("button", name="Tables (zip)").click()
    assert Path(download.value.path()).stat().st_size > 2000

    # The analysis opens on the study, and every export of it.
    coordinator.goto(f"{server.address}/analysis")
    coordinator.get_by_role("button", name="Analyse", exact=True).click()
    expect(coordinator.get_by_role("button", name="Prepare the exports")).to_be_enabled()
    sections = coordinator.get_by_test_id("stRadio").first.get_by_role("radio")
    expect(sections.nth(5)).to_be_attached()  # the page may just be drawn again
    assert coordinator.get_by_text("Traceback").count() == 0
    coordinator.get_by_role("button", name="Prepare the exports").click()
    with coordinator.expect_download() as download:
        coordinator.get_by_role("button", name="Everything (zip)").click()
    opened = open_everything(Path(download.value.path()))
    assert {"csv", "parquet", "imrmc", "pdf", "json"} <= opened


def open_everything(path: Path) -> set[str]:
    """Opens every file of an export with what reads its kind; returns the kinds."""
    kinds = set()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            data, kind = archive.read(name), name.rsplit(".", 1)[-1]
            kinds.add(kind)
            if kind == "csv":
                assert pd.read_csv(io.BytesIO(data)).shape[1] > 0
            elif kind == "parquet":
                assert pd.read_parquet(io.BytesIO(data)).shape[1] > 0
            elif kind == "json":
                json.loads(data)
            elif kind == "pdf":
                said = "".join(p.extract_text() for p in PdfReader(io.BytesIO(data)).pages)
                assert "Research use only" in said and "Three readers" in said
            else:
                assert data
    return kinds


def test_nothing_moves_between_steps_and_the_answer_stays_in_view(server: Server, browser: Browser) -> None:
    image = Case("C1", True, image="samples/phantom-b.dcm", clinical={"age": 61, "palpable": True})
    made = Protocol("places", "Places", usual_arms("sequential"), (image,), (Reader("R01"),))
    StudyStore(server.store).start(made.lock())
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(SLOW)
    page.goto(f"{server.address}/session?study=places&reader=R01")
    tops = []
    for step, title in (
        ("unaided", "Your reading, without the AI"),
        ("ai", "With the AI's"),
        ("explanation", "With the"),
    ):
        assert at_step(page) == step
        # The menu goes with the sign-in, and with it its room; the browser may take it away after the step is drawn.
        page.wait_for_function("() => !document.querySelector('[data-testid^=stTopNav]')")
        tops.append(box_of(page.get_by_text(title).first)["y"])
        for width, height in ((1024, 768), (1440, 900)):
            page.set_viewport_size({"width": width, "height": height})
            foot = box_of(page.locator(".mmx-foot"))["y"]
            send = box_of(page.get_by_role("button", name=_SEND))
            assert send["y"] + send["height"] <= foot, (step, width, send, foot)
        if step != "explanation":
            answer(page, step, 40)
    assert max(tops) - min(tops) < 1, tops  # “Kept at ...” is there from the second step on
    page.close()


def test_the_answer_leaves_a_low_window_to_the_evidence_and_an_error_of_the_clock_is_seen(
    server: Server, browser: Browser
) -> None:  # fmt: skip
    image = Case("C1", True, image="samples/phantom-b.dcm", clinical={"age": 61, "palpable": True})
    made = Protocol("low", "Low windows", usual_arms("sequential"), (image,), (Reader("R01"),))
    StudyStore(server.store).start(made.lock())
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(SLOW)
    page.goto(f"{server.address}/session?study=low&reader=R01")
    assert at_step(page) == "unaided"
    answer = page.locator(":has(> .st-key-study-answer)").last
    found = {}
    for width, height in ((1440, 900), (1024, 768), (1440, 600), (800, 900)):
        page.set_viewport_size({"width": width, "height": height})
        found[width, height] = answer.evaluate("e => getComputedStyle(e).position")
    assert [p == "sticky" for p in found.values()] == [True, True, False, False], found
    # The clock takes no place; what `boundary` says beside it does.
    page.set_viewport_size({"width": 1440, "height": 900})
    clock = page.locator(":has(> * > * > .st-key-study-clock)").last
    assert box_of(clock)["height"] == 0
    clock.evaluate("""e => {
        const said = Object.assign(document.createElement("div"), {textContent: "Something went wrong"});
        said.dataset.testid = "stAlert";
        e.append(said);
    }""")
    said = page.get_by_text("Something went wrong")
    assert box_of(said)["height"] > 10 and box_of(clock)["width"] > 100
    assert said.evaluate(
        "e => { const b = e.getBoundingClientRect();"
        " return document.elementFromPoint(b.x + 5, b.y + b.height / 2) === e; }"
    )
    page.close()


def box_of(place: Locator) -> dict[str, float]:
    box = place.bounding_box()
    assert box is not None
    return dict(box)
