"""The analysis page: rehearse, look at every section, prepare the exports."""

from __future__ import annotations

import io
import math
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from small_studies import random_study
from streamlit.testing.v1 import AppTest

from dashboard.components.study_charts import alt_text, curves_figure, forest_figure, likert_figure
from mmxai_core.reader_study.analysis.charts import BarRow, Curve, Curves, DivergingBars, Forest, Point

PAGE = Path(__file__).resolve().parents[2] / "dashboard" / "views" / "analysis.py"


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppTest]:
    monkeypatch.setenv("MMXAI_STORE", str(tmp_path / "ratings.sqlite"))
    monkeypatch.delenv("MMXAI_COORDINATOR_CODE", raising=False)
    yield AppTest.from_file(str(PAGE), default_timeout=240).run()


def finish(page: AppTest) -> AppTest:
    """Waits for the work under way, then draws the page again."""
    desk = page.session_state["analysis-desk"]
    end = time.monotonic() + 240
    while desk.task is not None and not desk.task.done and time.monotonic() < end:  # None: it was ended already
        time.sleep(0.05)
    assert desk.task is None or desk.task.done
    return page.run()


def test_without_a_study_the_page_says_what_to_do(page: AppTest) -> None:
    assert not page.exception
    text = " ".join(m.value for m in page.markdown)
    assert "Study set-up" in text
    assert "Rehearse with simulated readers" in text
    page.button(key="analyse-study").click().run()
    finish(page)
    assert "The Survey page holds no ratings yet." in page.error[0].value.replace("\\", "")


def test_rehearse_every_section_and_the_exports(page: AppTest) -> None:
    page.segmented_control(key="analysis-kind").set_value("Rehearse with simulated readers").run()
    page.number_input(key="sim-readers").set_value(2)
    page.number_input(key="sim-positives").set_value(4)
    page.number_input(key="sim-negatives").set_value(4)
    page.number_input(key="analysis-replicates").set_value(200)
    page.button(key="analyse-study").click().run()
    finish(page)
    assert not page.exception
    assert page.warning[0].value.startswith("**SIMULATED READERS.**")
    radio = page.radio(key="analysis-section")
    assert len(radio.options) == 10
    for section in ("accuracy", "mrmc", "reliance", "likert", "questionnaires", "planning"):
        page.radio(key="analysis-section").set_value(section).run()
        assert not page.exception
        assert not page.error
        assert any(s.value for s in page.subheader)
    page.button(key="prepare").click().run()
    finish(page)
    assert not page.error
    files = page.session_state["analysis-desk"].files
    assert files["report.pdf"].startswith(b"%PDF")
    with zipfile.ZipFile(io.BytesIO(files[""])) as archive:
        assert "imrmc/stages.imrmc" in archive.namelist()


def test_what_is_not_defined_says_why_in_a_sentence(page: AppTest) -> None:
    page.segmented_control(key="analysis-kind").set_value("Rehearse with simulated readers").run()
    page.number_input(key="sim-readers").set_value(1)
    page.number_input(key="analysis-replicates").set_value(200)
    page.button(key="analyse-study").click().run()
    finish(page)
    radio = page.radio(key="analysis-section")
    said = dict(zip(radio.options, radio.proto.captions, strict=True))
    assert said["Accuracy"] == "" and said["Agreement between readers"].startswith("Not defined: no two readers")
    radio.set_value("agreement").run()
    assert page.info[0].value.startswith("Not defined: no two readers have rated a case in categories")
    assert not [t for t in (*said, *said.values()) if "ndefined" in t]


def test_tables_from_files_are_analysed_and_a_wrong_one_is_refused_in_a_sentence(page: AppTest) -> None:
    page.segmented_control(key="analysis-kind").set_value("Tables from files").run()
    good = pd.DataFrame(random_study(readers=2, cases=6)).to_csv(index=False).encode()
    for name, data, expected in (("readings.csv", b"reader\nr1\n", "stage is missing"), ("readings.csv", good, "")):
        page.file_uploader(key="analysis-files").set_value((name, data, "text/csv")).run()
        page.number_input(key="analysis-replicates").set_value(200)
        page.button(key="analyse-study").click().run()
        finish(page)
        if expected:
            assert "needs the columns" in page.error[0].value.replace("\\", "")
        else:
            assert not page.error
            assert not page.warning  # nothing here is simulated
            assert page.session_state["analysis-desk"].analysis.study == "test"


def test_the_coordinators_code_guards_the_truth(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMXAI_COORDINATOR_CODE", "open sesame")
    page.run()
    assert not [b for b in page.button if b.key == "analyse"]


def test_charts_hold_the_values_of_the_analysis() -> None:
    bars = DivergingBars(
        "Q", ("1", "2", "3", "4", "5"), (BarRow("a", "all", (1, 1, 2, 4, 2), 1), BarRow("b", "x", (0,) * 5))
    )
    figure = likert_figure(bars)
    # 10 answers: 1 and 2 lie left of the middle, half of the 2 neutral ones too, so that the first bar starts at -30 %.
    assert [t.base[0] for t in figure.data] == [-30, -20, -10, 10, 50]
    assert [t.x[0] for t in figure.data] == [10, 10, 20, 40, 20]
    assert "n = 10, 1 none" in [a.text for a in figure.layout.annotations]
    forest = Forest("F", "AUC", (Point("p", 0.8, 0.7, 0.95, "g"), Point("q", None, reason="why")), 0.5, "chance")
    drawn = forest_figure(forest, ("#fff",)).data[0]
    assert (drawn.x[0], drawn.error_x.array[0], drawn.error_x.arrayminus[0]) == pytest.approx((0.8, 0.15, 0.1))
    assert "q: not defined" in alt_text(forest)
    roc = Curves("R", "x", "y", (Curve("A, r1", (0, 1), (0, 1), True), Curve("A", (0, 1), (0, 1))), True, True)
    assert [t.name for t in curves_figure(roc, ("#fff",)).data] == ["A, r1", "A", "chance"]
    assert "A, r1" not in alt_text(roc)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(8, 640, "10 20 50 100 200 500"), (20, 12_000, "20 50 100 200 500 1,000 2,000 5,000 10,000"),
     (10, 1e6, "10 100 1,000 10,000 100,000 1,000,000")],
)  # fmt: skip
def test_a_logarithmic_axis_has_few_whole_numbers_with_room_beside_it(low: float, high: float, ticks: str) -> None:
    chart = Curves("Cases", "Readers", "Cases", (Curve("a", (2, 12), (high, low)),), markers=True)
    axis = curves_figure(chart, ("#fff",)).layout.yaxis
    assert axis.automargin and axis.type == "log" and list(axis.ticktext) == ticks.split()
    assert axis.range[0] < math.log10(low) and axis.range[1] > math.log10(high)
    linear = curves_figure(replace(chart, curves=(Curve("a", (2, 12), (30, 20)),)), ("#fff",)).layout.yaxis
    assert linear.automargin and linear.type is None


def test_the_settings_of_a_rehearsal_are_there_when_the_coordinator_comes_back(app: AppTest) -> None:
    app.switch_page("views/analysis.py").run()
    app.segmented_control(key="analysis-kind").set_value("Rehearse with simulated readers").run()
    app.number_input(key="sim-readers").set_value(7).run()
    app.number_input(key="analysis-replicates").set_value(400).run()
    app.switch_page("views/model.py").run()
    app.switch_page("views/analysis.py").run()
    assert app.segmented_control(key="analysis-kind").value == "Rehearse with simulated readers"
    assert app.number_input(key="sim-readers").value == 7
    assert app.number_input(key="analysis-replicates").value == 400
