"""Files that are chosen on the Worklist and not added yet."""

from __future__ import annotations

import time
from pathlib import Path

from streamlit.testing.v1 import AppTest

from dashboard.components.worklist_tools import add_words

SAMPLES = Path(__file__).resolve().parents[2] / "assets" / "samples"


def button(app: AppTest, label: str):
    return next(b for b in app.button if b.label == label)


def ended(app: AppTest) -> AppTest:
    end = time.monotonic() + 120
    while not app.session_state["reading"].batch.done and time.monotonic() < end:
        time.sleep(0.05)
        app.run()
    app.run()
    assert not app.exception, app.exception
    return app


def add_box(app: AppTest):
    return next(e for e in app.expander if e.label == "Add studies")


def test_adding_the_samples_keeps_files_that_are_chosen_and_not_added_yet(app: AppTest) -> None:
    app.switch_page("views/worklist.py").run()
    file = sorted(SAMPLES.glob("phantom-*.dcm"))[0]
    app.file_uploader[0].set_value([(file.name, file.read_bytes(), "application/dicom")]).run()
    button(app, "Add the 6 samples").click().run()
    ended(app)
    assert [f.name for f in app.file_uploader[0].value] == [file.name]
    assert add_box(app).proto.expanded, "what waits is seen"
    assert not button(app, "Add 1 file").disabled
    button(app, "Add 1 file").click().run()
    ended(app)
    assert not app.file_uploader[0].value and not add_box(app).proto.expanded
    said = " ".join(m.value for kind in ("markdown", "caption") for m in getattr(app, kind))
    assert "**7** of 7 cases" in said or "**6** of 6 cases" in said, said


def test_adding_the_samples_alone_closes_the_box_as_before(app: AppTest) -> None:
    app.switch_page("views/worklist.py").run()
    assert add_box(app).proto.expanded
    button(app, "Add the 6 samples").click().run()
    assert not add_box(ended(app)).proto.expanded


def test_the_button_counts_the_chosen_files_in_words() -> None:
    assert [add_words(n) for n in (0, 1, 2)] == ["Add files", "Add 1 file", "Add 2 files"]
