"""Reports of results: the same values in every form, the research-use line on every page and row."""

from __future__ import annotations

import csv
import io
import zipfile

import pytest
from pypdf import PdfReader

from mmxai_core.figures.performance_parts import Curve, Curves, Forest, Number, Point, Section, Table
from mmxai_core.figures.performance_plotly import chart_figure
from mmxai_core.figures.performance_print import chart_file
from mmxai_core.report.performance import PerformanceReport
from mmxai_core.report.performance_html import table_html
from mmxai_core.report.wording import RESEARCH_USE

AUC = Number(0.87654321, 0.81234567, 0.92345678)
TABLE = Table(
    "two", "Two models", ("Model", "AUC", "Remark"),
    (("=cmd|x", AUC, "<script>alert(1)</script>"), ("Rival", Number(None, why="not measured: 2 of 4 units"), "none")),
    "Computed from a/metrics.json, n = 87.", "partial: 2 of 4 units", ("A note.",),
)  # fmt: skip
FOREST = Forest(
    "auc", "AUC by model", "AUC",
    (Point("Ours: n = 87", AUC, "our variant"),
     Point("Rival", Number(None, why="not measured: 2 of 4 units"), "rival")),
    "Computed from a/metrics.json, n = 87.", 0.5, "chance", "partial: 2 of 4 units",
)  # fmt: skip
ROC = Curves(
    "roc", "ROC", "1 - specificity", "Sensitivity",
    (Curve("Ours, n = 87", (0.0, 0.25, 1.0), (0.0, 0.75, 1.0), (0.0, 0.5, 0.9), (0.1, 0.8, 1.0)),),
    "Computed from a/metrics.json.", "chance", missing="Not measured: Rival (2 of 4 units).",
)  # fmt: skip
REPORT = PerformanceReport(
    "Performance: LGG", ("Bundle x.",),
    (Section("one", "Who is ahead", ("A rival is ahead.",), (TABLE, FOREST, ROC)),
     Section("none", "Leakage", ("Not measured: run it.",), ())),
)  # fmt: skip


def test_pdf_says_values_and_what_is_missing_with_research_use_on_each_page() -> None:
    data = REPORT.pdf()
    pages = [p.extract_text() for p in PdfReader(io.BytesIO(data)).pages]
    assert all(RESEARCH_USE in p for p in pages)
    text = " ".join(" ".join(pages).split())
    for part in ("0.877", "0.812 to 0.923", "not measured", "A rival is ahead.", "Not measured: run it.", "n = 87"):
        assert part in text, part
    assert text.index("A rival is ahead.") < text.index("0.877")
    assert data == REPORT.pdf()


def test_html_is_one_file_that_runs_and_loads_nothing() -> None:
    text = REPORT.html().decode()
    assert text.count(RESEARCH_USE) >= 2 and "0.877<small>0.812 to 0.923</small>" in text
    assert "<script" not in text and "&lt;script&gt;" in text and "http" not in text.replace("http-equiv", "")
    assert text.count('src="data:image/svg+xml') == 2 and "Not measured: Rival (2 of 4 units)." in text
    assert "Partial: 2 of 4 units." in table_html(TABLE)


def test_csv_holds_all_digits_and_runs_no_formula() -> None:
    with zipfile.ZipFile(io.BytesIO(REPORT.csv_zip())) as archive:
        assert set(archive.namelist()) == {"two.csv", "auc.csv", "roc.csv", "README.txt"}
        assert archive.read("README.txt").decode().startswith(RESEARCH_USE)
        first, second = csv.DictReader(io.StringIO(archive.read("two.csv").decode(), newline=""))
        curve = list(csv.DictReader(io.StringIO(archive.read("roc.csv").decode(), newline="")))
    assert (first["AUC"], first["AUC, low"], first["AUC, high"]) == ("0.87654321", "0.81234567", "0.92345678")
    assert first["Model"] == "'=cmd|x" and {first["notice"], second["notice"]} == {RESEARCH_USE}
    assert (second["AUC"], second["AUC, remark"], second["status"]) == ("", "not measured: 2 of 4 units", TABLE.status)
    assert [float(r["Sensitivity"]) for r in curve] == [0.0, 0.75, 1.0]


@pytest.mark.parametrize("light", [True, False])
def test_page_charts_draw_the_values_and_name_what_is_missing(light: bool) -> None:
    figure = chart_figure(FOREST, light=light)
    assert [list(t.x) for t in figure.data] == [[AUC.value]]
    assert figure.data[0].error_x.array[0] == pytest.approx(AUC.high - AUC.value)
    assert "not measured: 2 of 4 units" in [a.text for a in figure.layout.annotations]
    curve = chart_figure(ROC, light=light).data[0]
    assert list(curve.y) == [0.0, 0.75, 1.0] and list(curve.error_y.arrayminus) == pytest.approx([0.0, 0.25, 0.1])


def test_printed_charts_carry_the_notice_and_are_the_same_each_time() -> None:
    svg = chart_file(FOREST, banner=RESEARCH_USE, kind="svg")
    assert RESEARCH_USE in svg.decode() and "0.877 (0.812 to 0.923)" in svg.decode() and b"partial: 2 of 4" in svg
    assert svg == chart_file(FOREST, banner=RESEARCH_USE, kind="svg")
    assert chart_file(ROC, banner=RESEARCH_USE).startswith(b"\x89PNG")
