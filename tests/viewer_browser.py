"""What the viewer's browser tests share: a server with one viewer on its page, and hands to move it with."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page

ROOT = Path(__file__).resolve().parents[1]
#: Software rendering, as on a machine without a graphics card.
GL = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
#: Milliseconds; generous, because a test machine may be busy.
SLOW = 120_000


@contextmanager
def serve(script: Path, folder: Path) -> Iterator[str]:
    """A Streamlit script on a free port; its log must hold no traceback of ours at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env={"OMP_NUM_THREADS": "1", **os.environ}, stdout=log, stderr=subprocess.STDOUT
        )
    address = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 180
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).read()
                break
            except OSError:  # not there yet, or too busy to answer
                assert process.poll() is None, (folder / "log.txt").read_text()
                time.sleep(0.3)
        yield address
        said = (folder / "log.txt").read_text()
        # The server itself logs a traceback when a browser hangs up in the middle of a message; ours name our files.
        assert "mmxai_core" not in said and "dashboard/" not in said and "viewer_app" not in said, said
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


class Hands:
    """A reader's hands on one viewer."""

    def __init__(self, page: Page, scene: str, address: str) -> None:
        self.page = page
        page.set_default_timeout(SLOW)
        page.goto(f"{address}/?scene={scene}")
        self.root: Locator = page.locator(".viewer[data-ready='1']")
        self.root.wait_for()
        self.settle()

    def run(self, script: str, argument: Any = None) -> Any:
        """JavaScript with `v`, the viewer, and `a`, the argument."""
        return self.root.evaluate(f"(r, a) => {{ const v = r.viewer; return ({script}); }}", argument)

    def settle(self) -> None:
        """Wait until what was asked for is drawn."""
        self.root.evaluate(
            """async r => { const v = r.viewer, frame = () => new Promise(d => requestAnimationFrame(d));
            await frame(); await frame();
            while (v.loader.running - v.loader.runningAhead > 0 || v.loader.now.length || v.pending) await frame(); }"""
        )

    def until(self, script: str) -> None:
        """Wait until JavaScript with `v`, the viewer, says yes."""
        self.page.wait_for_function(
            f"r => {{ const v = r.viewer; return ({script}); }}", arg=self.root.element_handle()
        )

    def canvas(self, pane: int = 0) -> Locator:
        return self.root.locator(".panes canvas").nth(pane)

    def at(self, x: float, y: float, pane: int = 0) -> tuple[float, float]:
        """Where a picture pixel's corner lies on the page."""
        place = self.run(
            """(() => { const p = v.panes[a.pane], h = p.head(v.scene, v.view), f = p.frame(h, v.view),
            b = p.canvas.getBoundingClientRect(), du = a.x / h.width - f.x, dv = a.y / h.height - f.y;
            return [b.left + f.cx + f.a * du + f.b * dv, b.top + f.cy + f.c * du + f.d * dv]; })()""",
            {"x": x, "y": y, "pane": pane},
        )
        return place[0], place[1]

    def move(self, x: float, y: float, pane: int = 0) -> None:
        self.page.mouse.move(*self.at(x, y, pane))
        self.settle()

    def click(self, x: float, y: float, pane: int = 0) -> None:
        self.page.mouse.click(*self.at(x, y, pane))
        self.settle()

    def drag(self, start: tuple[float, float], end: tuple[float, float], pane: int = 0, button: Any = "left") -> None:
        """Drag from one picture pixel to where another lies now."""
        (x0, y0), (x1, y1) = self.at(*start, pane), self.at(*end, pane)
        self.page.mouse.move(x0, y0)
        self.page.mouse.down(button=button)
        for step in (0.25, 0.5, 0.75, 1.0):
            self.page.mouse.move(x0 + step * (x1 - x0), y0 + step * (y1 - y0))
        self.page.mouse.up(button=button)
        self.settle()

    def drag_by(self, dx: float, dy: float, pane: int = 0, button: Any = "left") -> None:
        """Drag from the middle of a pane, CSS pixels."""
        box = self.canvas(pane).bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down(button=button)
        for step in (0.25, 0.5, 0.75, 1.0):
            self.page.mouse.move(x + dx * step, y + dy * step)
        self.page.mouse.up(button=button)
        self.settle()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def colour(self, x: float, y: float, pane: int = 0) -> list[int]:
        """Red, green, blue on the canvas at a picture position."""
        px, py = self.at(x, y, pane)
        found = self.canvas(pane).evaluate(
            """(c, [x, y]) => { const b = c.getBoundingClientRect(), k = c.width / b.width;
            return [...c.getContext('2d').getImageData(Math.floor((x - b.left) * k), Math.floor((y - b.top) * k), 1, 1)
                .data.slice(0, 3)]; }""",
            [px, py],
        )
        return list(found)

    def marks(self) -> list[dict[str, Any]]:
        return list(self.run("v.marks.list.map(m => ({...m}))"))

    def window(self) -> list[float]:
        return list(self.run("v.windowOf(v.activeHead())"))

    def view(self, name: str) -> Any:
        return self.run("v.view[a]", name)

    def readout(self) -> str:
        return self.root.locator(".readout").inner_text()

    def returned(self, key: str, wanted: Any) -> None:
        """Wait until Python was told.

        Raises:
            AssertionError: It was told something else.
        """
        end = time.monotonic() + SLOW / 1000
        found: Any = None
        while time.monotonic() < end:
            found = json.loads(self.page.get_by_test_id("stCode").inner_text()).get(key)
            if found == wanted or (callable(wanted) and wanted(found)):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"{key} is {found}")
