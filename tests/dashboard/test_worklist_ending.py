"""Work that ends while the worklist is being drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.batch import Batch, Line
from mmxai_core.worklist import NewCase, WorklistStore

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"


@dataclass(eq=False)
class Ending(Batch):
    """Work that ends at the n-th time the page asks for it, and then puts its case into the list."""

    asked: int = 0
    ends: int = 1
    store: WorklistStore | None = None

    @property
    def done(self) -> bool:
        self.asked += 1
        if self.asked == self.ends and self.store is not None:
            case = self.store.add(NewCase("R07", "sample", None, {}, {}, "Late sample"))
            self.lines.append(Line("Late sample", True, f"In the list as {case.code}."))
        return self.asked >= self.ends


@pytest.mark.parametrize("ends", [1, 2, 3])
def test_work_that_ends_while_the_page_is_drawn_leaves_it_open_and_its_list_whole(
    store: WorklistStore, ends: int
) -> None:
    app = AppTest.from_file(str(APP), default_timeout=240)
    app.query_params["reader"] = "R07"
    app.switch_page("views/worklist.py").run()
    work = Ending("Adding samples", 1, ends=ends, store=store)
    app.session_state["reading"] = replace(app.session_state["reading"], batch=work)
    app.run()
    assert not app.exception, app.exception
    assert work.asked >= ends and len(store.cases(("R07",))) == 1
    samples = next(b for b in app.button if b.label == "Add the 6 samples")
    assert not samples.disabled, "the work has ended, so the page takes more"
    assert [b.label for b in app.button if b.label == "Put away"], "what came of it is told"
    assert any(b.key == f"open-{store.cases(('R07',))[0].code}" for b in app.button), "its case is in the list"
