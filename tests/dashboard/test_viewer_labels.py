"""What marks say stays readable where they lie close together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from viewer_browser import Hands, serve

from tests.dashboard.test_viewer_tools import browser, page  # noqa: F401  (fixtures)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(Path(__file__).parents[1] / "viewer_app.py", tmp_path_factory.mktemp("labels")) as found:
        yield found


def test_no_label_lies_over_another(page: Page, address: str) -> None:  # noqa: F811
    """A length, two areas and an outline that end at the same place, in the middle and in the lowest right corner."""
    hands = Hands(page, "ramp", address)
    for right, bottom in ((120, 70), (199, 119)):
        hands.run("v.marks.clear()")
        box = [[right - 60, bottom - 30], [right, bottom]]
        for kind in ("length", "ellipse", "rectangle", "outline"):
            points = [*box, [right - 60, bottom]] if kind == "outline" else box
            hands.run("v.finish({kind: a[0], slice: 0, points: a[1], text: []})", [kind, points])
            hands.settle()
        labels = hands.run("v.panes[0].labels")
        assert len(labels) == 4 and all(right > left and bottom > top for left, top, right, bottom in labels)
        for (l1, t1, r1, b1), (l2, t2, r2, b2) in combinations(labels, 2):
            assert l1 >= r2 or l2 >= r1 or t1 >= b2 or t2 >= b1
        width, height = hands.run("[v.panes[0].canvas.clientWidth, v.panes[0].canvas.clientHeight]")
        assert all(left >= 0 and top >= 0 and r <= width and b <= height for left, top, r, b in labels)


def test_a_mark_that_was_kept_can_be_cleared_and_undone(page: Page, address: str) -> None:  # noqa: F811
    """The page was opened again: the mark came from the server, not from the reader's hand."""
    hands = Hands(page, "ramp", address)
    clear = page.get_by_role("button", name="Clear mark")
    expect(clear).to_be_hidden()
    for undo in ("u", "k"):
        hands.run("v.restore([60, 50, 90, 80, 0])")
        hands.settle()
        expect(clear).to_be_visible()
        hands.canvas().focus()
        hands.press(undo)
        expect(clear).to_be_hidden()
        assert hands.run("v.marks.lesion") is None and hands.run("v.cleared"), "the server is told"
