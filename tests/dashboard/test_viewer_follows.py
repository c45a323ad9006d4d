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


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(Path(__file__).parents[1] / "viewer_app.py", tmp_path_factory.mktemp("follows")) as found:
        yield found


def go(hands: Hands, scene: str, pictures: int) -> None:
    """Another page of the same browser, until its viewer stands there."""
    hands.page.get_by_test_id("stButtonGroup").get_by_text(scene, exact=True).click()
    hands.page.wait_for_function(
        """([n, apart]) => {
          const inside = (e) => [e, ...(e.shadowRoot ? below(e.shadowRoot) : [])];
          const below = (root) => [...root.querySelectorAll('*')].flatMap(inside);
          const [one, ...more] = below(document).filter((e) => e.classList.contains('viewer'));
          const scene = one?.viewer?.scene;
          return !more.length && scene?.pictures.length === n && scene.follows !== apart && one.dataset.ready === '1';
        }""",
        arg=[pictures, scene == "read-apart"],
    )
    hands.settle()


def seen(hands: Hands) -> dict[str, Any]:
    return dict(
        hands.run(
            "({zoom: v.view.zoom, x: v.view.x, y: v.view.y, flip: v.view.flip, invert: v.view.invert,"
            " window: v.windowOf(v.activeHead()), own: v.activeHead().window, slice: v.view.slice,"
            " marks: v.marks.list.map(m => [m.kind, m.slice, m.points])})"
        )
    )


def draw(hands: Hands, kind: str, points: list[list[float]], slice_: int) -> None:
    hands.run("v.finish({kind: a[0], slice: a[2], points: a[1], text: []})", [kind, points, slice_])
    hands.settle()


def test_from_the_reading_to_the_evidence_and_back(page: Page, address: str) -> None:  # noqa: F811
    hands = Hands(page, "read", address)
    hands.run("(v.zoomAt(v.panes[0], 3, {u: 0.4, v: 0.6}), v.setWindow([50, 150]), v.mirror(0))")
    length, outline = [[10, 10], [40, 10]], [[20, 20], [40, 20], [40, 40], [20, 40]]
    draw(hands, "length", length, 1)
    draw(hands, "length", length, 0)  # on another slice: the evidence does not show it
    draw(hands, "outline", outline, 1)
    before = seen(hands)
    assert before["slice"] == 1 and before["own"] == [0, 200]

    go(hands, "read-explained", 1)
    after = seen(hands)
    for name in ("zoom", "x", "y", "flip", "invert"):
        assert after[name] == before[name], name
    # the same shades: a fourth and three fourths of the picture's own scale, which is told in other values here
    low, high = after["own"]
    assert after["own"] != before["own"]
    assert after["window"] == pytest.approx([low + (high - low) / 4, low + 3 * (high - low) / 4])
    assert after["marks"] == [["length", 0, length], ["outline", 0, outline]]

    hands.run("(v.marks.chosen = v.marks.list[1], v.removeMark())")  # the outline is only shown here
    draw(hands, "rectangle", [[5, 5], [25, 30]], 0)
    hands.run("v.view.invert = true")
    hands.run("v.zoomAt(v.panes[0], 0.5, {u: 0.5, v: 0.5})")
    there = seen(hands)
    go(hands, "read", 3)
    back = seen(hands)
    assert back["zoom"] == there["zoom"] == before["zoom"] / 2 and back["invert"] and back["slice"] == 1
    assert back["window"] == pytest.approx([50, 150])
    assert sorted(m[0] for m in back["marks"]) == ["length", "length", "outline", "rectangle"]
    assert ["outline", 1, outline] in back["marks"] and ["length", 0, length] in back["marks"]
    assert ["rectangle", 1, [[5, 5], [25, 30]]] in back["marks"]


def test_undo_goes_on_where_nothing_was_drawn_elsewhere(page: Page, address: str) -> None:  # noqa: F811
    hands = Hands(page, "read", address)
    draw(hands, "length", [[10, 10], [40, 10]], 1)
    draw(hands, "ellipse", [[20, 20], [50, 40]], 1)
    go(hands, "read-explained", 1)
    assert len(seen(hands)["marks"]) == 2
    go(hands, "read", 3)
    hands.run("v.undo()")
    assert [m[0] for m in seen(hands)["marks"]] == ["length"]


def test_a_study_starts_from_the_picture_as_it_is(page: Page, address: str) -> None:  # noqa: F811
    hands = Hands(page, "read", address)
    hands.run("(v.zoomBy(3), v.setWindow([50, 150]))")
    draw(hands, "length", [[10, 10], [40, 10]], 1)
    go(hands, "read-apart", 3)
    apart = seen(hands)
    assert apart["zoom"] == 1 and apart["window"] == apart["own"] and apart["marks"] == []
    hands.run("v.zoomBy(2)")
    go(hands, "read-explained", 1)  # nor does a study's view go anywhere
    assert seen(hands)["zoom"] == 3
