from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pypdf
import pytest
from PIL import Image
from small_studies import answers, golden, reading, tables

from mmxai_core.reader_study.analysis.study_analysis import Options, StudyAnalysis, analyse_study
from mmxai_core.reader_study.exports.chart_png import chart_png
from mmxai_core.reader_study.exports.checklists import AUTHOR, CLAIM, DECIDE_AI, FILLED, checklist
from mmxai_core.reader_study.exports.dictionary import dictionary_rows, instruments_json
from mmxai_core.reader_study.exports.imrmc_files import imrmc_files
from mmxai_core.reader_study.exports.package import export_files, table_files, write_folder, zip_bytes
from mmxai_core.reader_study.exports.palette import step_colours
from mmxai_core.reader_study.exports.report_pdf import report_pdf
from mmxai_core.reader_study.exports.tidy import csv_bytes, parquet_bytes
from mmxai_core.reader_study.rehearsal import Rehearsal, rehearse_study
from mmxai_core.reader_study.study_tables import COLUMNS, read_tables


@pytest.fixture(scope="module")
def simulated() -> StudyAnalysis:
    study = rehearse_study(Rehearsal(readers=3, positives=6, negatives=6))
    return analyse_study(study, Options(replicates=50))


@pytest.fixture(scope="module")
def files(simulated: StudyAnalysis) -> dict[str, bytes]:
    return export_files(simulated)


def test_every_export_opens(files: dict[str, bytes], simulated: StudyAnalysis) -> None:
    for name, data in files.items():
        if name.endswith(".csv") and not name.startswith("imrmc/"):
            frame = pd.read_csv(io.BytesIO(data))
            assert frame["notice"].str.startswith("SIMULATED READERS").all(), name
        elif name.endswith(".parquet"):
            assert "notice" in pd.read_parquet(io.BytesIO(data)).columns
        elif name.endswith(".json"):
            json.loads(data)
        elif name.endswith(".png"):
            with Image.open(io.BytesIO(data)) as picture:
                assert "SIMULATED READERS" in picture.info["Description"]
    for name in COLUMNS:
        rows = len(simulated.tables.frames()[name])
        assert len(pd.read_csv(io.BytesIO(files[f"tables/{name}.csv"]))) == rows
        assert len(pd.read_parquet(io.BytesIO(files[f"tables/{name}.parquet"]))) == rows


def test_the_report_has_the_banner_on_each_page_and_the_result_lines(
    files: dict[str, bytes], simulated: StudyAnalysis
) -> None:
    pages = [p.extract_text() for p in pypdf.PdfReader(io.BytesIO(files["report.pdf"])).pages]
    assert len(pages) > 5
    assert all("SIMULATED READERS: no evidence. Research use only, not for diagnosis." in p for p in pages)
    text = " ".join(" ".join(pages).split())
    for section in simulated.sections:
        assert section.title in text
    assert simulated["mrmc"].lines[0][:60] in text
    assert "Checklist: DECIDE-AI" in text


def test_imrmc_files_hold_the_ratings(files: dict[str, bytes]) -> None:
    text = files["imrmc/stages.imrmc"].decode()
    head, _, body = text.partition("BEGIN DATA:\n")
    assert "N0: 6\nN1: 6\nNR: 3\nNM: 3\n" in head
    assert "SIMULATED" in head.splitlines()[0]
    assert len(body.splitlines()) == 12 + 3 * 3 * 12
    frame = pd.read_csv(io.BytesIO(files["imrmc/stages.csv"]))
    assert list(frame.columns) == ["readerID", "caseID", "modalityID", "score"]


def test_a_design_that_is_not_crossed_has_its_imrmc_files_too(simulated: StudyAnalysis) -> None:
    """Each reader read a third of the cases: no Obuchowski-Rockette, but iMRMC takes it."""
    readings = simulated.tables.readings
    cases = sorted(readings["case"].unique())
    mine = {r: set(cases[i::3]) for i, r in enumerate(sorted(readings["reader"].unique()))}
    part = readings[[case in mine[reader] for reader, case in zip(readings["reader"], readings["case"], strict=True)]]
    analysis = analyse_study(replace(simulated.tables, readings=part.reset_index(drop=True)), Options(replicates=50))
    one = next(c for c in analysis.compared if c.comparison.id == "stages")
    assert one.crossed is None and one.reason
    made = imrmc_files(analysis)
    head, _, body = made["stages.imrmc"].decode().partition("BEGIN DATA:\n")
    assert (
        "Cases as each reader read them" in head.splitlines()[0]
        and one.reason[:30] in head
        and "N0: 6\nN1: 6\nNR: 3\nNM: 3\n" in head
    )
    lines = [line.split(",") for line in body.splitlines()]
    assert len(lines) == 12 + 12 * 3
    for reader, case, _, score in lines[12:]:
        assert case in mine[reader] and 0 <= float(score) <= 100
    frame = pd.read_csv(io.BytesIO(made["stages.csv"]))
    assert len(frame) == len(lines) and (frame["readerID"] == "truth").sum() == 12


def test_an_export_is_a_study_again(files: dict[str, bytes], simulated: StudyAnalysis, tmp_path: Path) -> None:
    written = write_folder(files, tmp_path / "out")
    assert len(written) == len(files)
    again = analyse_study(read_tables(tmp_path / "out"), Options(replicates=50))
    (tmp_path / "a.zip").write_bytes(zip_bytes(table_files(simulated.tables, notice="x")))
    zipped = analyse_study(read_tables(tmp_path / "a.zip"), Options(replicates=50))
    assert zipped.to_json() == simulated.to_json()
    # The package holds no maps; all else is the same.
    expected = simulated.to_json()["sections"]
    assert {n: s for n, s in again.to_json()["sections"].items() if n != "alignment"} == {
        n: s for n, s in expected.items() if n != "alignment"
    }


def test_the_same_study_gives_the_same_bytes(files: dict[str, bytes], simulated: StudyAnalysis) -> None:
    pictures = {n.removeprefix("figures/"): d for n, d in files.items() if n.startswith("figures/")}
    assert report_pdf(simulated, pictures=pictures) == files["report.pdf"]
    chart = simulated["mrmc"].charts[0]
    assert chart_png(chart, banner=simulated.banner) == files["figures/mrmc_1.png"]
    assert zip_bytes(files) == zip_bytes(dict(reversed(files.items())))
    with zipfile.ZipFile(io.BytesIO(zip_bytes(files))) as archive:
        assert archive.testzip() is None


def test_every_column_is_in_the_dictionary_with_its_meaning(simulated: StudyAnalysis) -> None:
    rows = dictionary_rows(simulated)
    known = {(r["file"], r["column"]) for r in rows}
    for name, columns in COLUMNS.items():
        assert {(f"tables/{name}", c) for c in (*columns, "notice")} <= known
    assert all(r["meaning"] for r in rows)
    kept = instruments_json()
    assert kept["sus"]["licence"]
    assert kept["jian_trust"]["items"][0]["text"] == "(wording to be supplied by the site)"


def test_no_cell_of_an_export_is_a_formula() -> None:
    frame = pd.DataFrame(
        {"text": ["=1+1", "@x", "plain", None], "n": [-1.5, np.nan, 0, 2], "mixed": ["-x", -2, None, 1.5]}
    )
    lines = csv_bytes(frame, notice="n").decode("utf-8-sig").splitlines()
    assert lines == ["text,n,mixed,notice", "'=1+1,-1.5,'-x,n", "'@x,,-2,n", "plain,0.0,,n", ",2.0,1.5,n"]
    typed = pd.read_parquet(io.BytesIO(parquet_bytes(frame, notice="n")))
    assert typed["n"].tolist()[0] == -1.5
    assert typed["mixed"].tolist()[:2] == ["-x", "-2"]


def test_checklists_fill_only_what_the_data_show(simulated: StudyAnalysis) -> None:
    assert {i.status for i in checklist(simulated, "DECIDE-AI")} == {AUTHOR}  # of simulated readers nothing is evidence
    items = [f"sus_{n}" for n in range(1, 11)]
    forms = [a for r in ("r1", "r2") for a in answers("sus", dict(zip(items, [4, 2] * 5, strict=True)), r)]
    rows = [r | {"bundle_sha256": "ab" * 32} for r in golden()]
    real = analyse_study(tables(rows, forms), Options(replicates=50))
    decide = {i.item: i for i in checklist(real, "DECIDE-AI")}
    assert set(decide) == set(DECIDE_AI)
    assert {i.item for i in decide.values() if i.status == FILLED} == {
        "4a",
        "IV",
        "6a",
        "V",
        "10a",
        "VII",
        "11",
        "12",
        "13a",
        "14a",
    }
    assert "System Usability Scale: 75" in decide["14a"].evidence
    assert decide["VI"] == type(decide["VI"])("VI", "Patient involvement", AUTHOR, "")
    claim = {i.item: i for i in checklist(real, "CLAIM")}
    assert len(claim) == len(CLAIM) == 44
    assert claim["18"].status == FILLED
    assert claim["44"].status == AUTHOR
    bare = analyse_study(tables([reading("r", "a", "unaided", 4, 1)]), Options(replicates=50))
    assert {i.item for i in checklist(bare, "CLAIM") if i.status == FILLED} <= {"12", "28", "35", "38"}


def test_charts_of_nothing_and_of_many_steps_are_drawn() -> None:
    for study in (tables([reading("r", "a", "unaided", 4, 1)]), tables(None, answers("unknown", {"x": 7, "y": None}))):
        for section in analyse_study(study, Options(replicates=50)).sections:
            for chart in section.charts:
                assert chart_png(chart, banner="x").startswith(b"\x89PNG")
    assert len(set(step_colours(7))) == 7
    assert len(set(step_colours(4))) == 4
