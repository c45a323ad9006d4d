"""How a picture is looked at goes with it from the reading to the evidence and back, and into no reader study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from viewer_browser import Hands, serve

from tests.dashboard.test_viewer_tools import browser, page  # noqa: F401  (fixtures)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
LENGTH, OUTLINE = [[10, 10], [40, 10]], [[20, 20], [40, 20], [40, 40], [20, 40]]
#: Of the viewer `v`: how it is seen, and what is drawn.
SEEN = """({zoom: v.view.zoom, x: v.view.x, y: v.view.y, flip: v.view.flip, invert: v.view.invert,
    window: v.windowOf(v.activeHead()), own: v.activeHead().window, slice: v.view.slice,
    marks: v.marks.list.map(m => [m.kind, m.slice, m.points]), texts: v.marks.list.map(m => m.text),
    outlines: v.outlines.map(m => [m.slice, m.points, m.text]), height: v.panes[0].canvas.clientHeight})"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(Path(__file__).parents[1] / "viewer_app.py", tmp_path_factory.mktemp("follows")) as found:
        yield found


def go(hands: Hands, scene: str, *, pictures: int = 1, layers: int = 0, viewers: int = 1) -> None:
    """Another page of the same browser, until its viewers stand there."""
    hands.page.get_by_test_id("stButtonGroup").get_by_text(scene, exact=True).click()
    hands.page.wait_for_function(
        """([name, count, pictures, layers]) => {
          const inside = (e) => [e, ...(e.shadowRoot ? below(e.shadowRoot) : [])];
          const below = (root) => [...root.querySelectorAll('*')].flatMap(inside);
          const all = below(document).filter((e) => e.classList.contains('viewer'));
          const right = (s) => s?.pictures.length === pictures && Math.min(s.layers.length, 2) === layers;
          const idle = document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning';
          const at = document.querySelector('[data-testid=stButtonGroup] [aria-checked=true]')?.textContent === name;
          const ready = all.every((e) => right(e.viewer?.scene) && e.dataset.ready === '1');
          return idle && at && all.length === count && ready;
        }""",
        arg=[scene, viewers, pictures, layers],
    )
    if viewers == 1:
        hands.settle()


def read(hands: Hands) -> None:
    go(hands, "read", pictures=3)


def explain(hands: Hands) -> None:
    go(hands, "read-explained", layers=2)


def seen(hands: Hands) -> dict[str, Any]:
    return dict(hands.run(SEEN))


def draw(hands: Hands, kind: str, points: list[list[float]], slice_: int) -> None:
    hands.run("v.finish({kind: a[0], slice: a[2], points: a[1], text: []})", [kind, points, slice_])
    hands.settle()


def test_from_the_reading_to_the_evidence_and_back(page: Page, address: str) -> None:  # noqa: F811
    hands = Hands(page, "read", address)
    hands.run("(v.zoomAt(v.panes[0], 3, {u: 0.4, v: 0.6}), v.setWindow([50, 170]), v.mirror(0))")
    draw(hands, "length", LENGTH, 1)
    draw(hands, "length", LENGTH, 0)  # on another slice: the evidence does not show it
    draw(hands, "ellipse", [[20, 20], [50, 40]], 1)
    draw(hands, "outline", OUTLINE, 1)
    before = seen(hands)
    assert before["slice"] == 1 and before["own"] == [0, 200] and before["flip"]

    explain(hands)
    after = seen(hands)
    for name in ("zoom", "x", "y", "flip"):
        assert after[name] == before[name], name
    # The same shades: a fourth and 85 % of the picture's own scale. It is told in other values here, which fall.
    assert after["own"] == [0, 1000] and after["window"] == pytest.approx([150, 750])
    assert [m[:2] for m in after["marks"]] == [["length", 0], ["ellipse", 0]] and after["marks"][0][2] == LENGTH
    assert after["outlines"] == [[0, OUTLINE, ["Outlined by the reader on Case"]]] and not before["outlines"]
    assert after["texts"][1] != before["texts"][2] and after["texts"][1][0].startswith("Mean ")  # of the values here

    draw(hands, "rectangle", [[5, 5], [25, 30]], 0)
    hands.run("(v.marks.chosen = null, v.removeMark(), v.removeMark())")  # the newest two, not what is only shown
    assert [m[0] for m in seen(hands)["marks"]] == ["length"] and len(seen(hands)["outlines"]) == 1
    hands.run("v.undo()")
    draw(hands, "rectangle", [[5, 5], [25, 30]], 0)
    hands.run("(v.view.invert = true, v.zoomAt(v.panes[0], 0.5, {u: 0.5, v: 0.5}))")
    hands.settle()
    read(hands)
    back = seen(hands)
    assert back["zoom"] == before["zoom"] / 2 and back["invert"] and back["slice"] == 1
    assert back["window"] == pytest.approx([50, 170])
    kinds = sorted(m[0] for m in back["marks"])
    assert kinds == ["ellipse", "length", "length", "outline", "rectangle"]
    assert ["outline", 1, OUTLINE] in back["marks"] and ["length", 0, LENGTH] in back["marks"]


def test_what_is_measured_on_the_evidence_is_kept_whichever_slice_is_read(page: Page, address: str) -> None:  # noqa: F811
    hands = Hands(page, "read", address)
    hands.run("v.toSlice(2)")
    hands.settle()
    explain(hands)
    draw(hands, "length", LENGTH, 0)
    read(hands)
    assert seen(hands)["slice"] == 2 and ["length", 1, LENGTH] in seen(hands)["marks"]
    explain(hands)
    assert seen(hands)["marks"] == [["length", 0, LENGTH]]


def test_undo_goes_on_where_nothing_was_drawn_elsewhere(page: Page, address: str) -> None:  # noqa: F811
    hands = Hands(page, "read", address)
    draw(hands, "length", LENGTH, 1)
    draw(hands, "ellipse", [[20, 20], [50, 40]], 1)
    explain(hands)
    assert len(seen(hands)["marks"]) == 2
    read(hands)
    hands.run("v.undo()")
    assert [m[0] for m in seen(hands)["marks"]] == ["length"]


def test_two_methods_stay_on_the_same_place(page: Page, address: str) -> None:  # noqa: F811
    hands = Hands(page, "read", address)
    draw(hands, "outline", OUTLINE, 1)
    go(hands, "read-methods", layers=1, viewers=2)
    left, right = (page.locator(".viewer").nth(i) for i in range(2))

    def state(side: Any) -> dict[str, Any]:
        page.wait_for_timeout(200)
        return dict(side.evaluate(f"r => {{ const v = r.viewer; return {SEEN}; }}"))

    def told(side: Any, name: str) -> Any:
        value = state(side)[name]
        return sorted(value) if name == "marks" else value

    assert [len(state(side)["outlines"]) for side in (left, right)] == [1, 1]
    before = state(left)
    left.evaluate("r => r.viewer.zoomAt(r.viewer.panes[0], 4, {u: 0.3, v: 0.7})")
    right.evaluate("r => r.viewer.finish({kind: 'length', slice: 0, points: [[10, 10], [40, 10]], text: []})")
    for name in ("zoom", "x", "y", "marks"):
        assert told(left, name) == told(right, name), name
    left.evaluate("r => { r.viewer.view.turn = 1; r.viewer.resize(); }")
    assert state(left)["height"] == state(right)["height"] != before["height"]
    assert state(right)["zoom"] == 4 and ["length", 0, LENGTH] in state(left)["marks"]
    explain(hands)
    assert seen(hands)["zoom"] == 4 and [m[0] for m in seen(hands)["marks"]] == ["length"]


def test_no_reading_of_a_study_shapes_another(page: Page, address: str) -> None:  # noqa: F811
    hands = Hands(page, "read", address)
    hands.run("(v.zoomBy(3), v.setWindow([50, 150]))")
    draw(hands, "length", LENGTH, 1)
    go(hands, "read-study-1")
    apart = seen(hands)
    assert apart["zoom"] == 1 and apart["window"] == apart["own"] and apart["marks"] == []
    hands.run("v.zoomBy(2)")
    draw(hands, "rectangle", [[5, 5], [25, 30]], 0)
    draw(hands, "region", [[20, 20], [50, 50]], 0)
    go(hands, "read-twin")  # another picture of the same size
    assert seen(hands)["zoom"] == 1 and seen(hands)["marks"] == []
    go(hands, "read-study-1")
    go(hands, "read-study-2")  # the same case, read again
    assert seen(hands)["zoom"] == 1 and seen(hands)["marks"] == []
    go(hands, "read-study-1")  # one reading itself is as it was left
    assert seen(hands)["zoom"] == 2 and [m[0] for m in seen(hands)["marks"]] == ["rectangle", "region"]
    read(hands)  # nor does what was done there go anywhere
    assert seen(hands)["zoom"] == 3 and [m[0] for m in seen(hands)["marks"]] == ["length"]
