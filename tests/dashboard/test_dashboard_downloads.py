"""What is taken away: every file is made, named after the case, and holds no name of a patient."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pypdf import PdfReader
from tiny_bundle import SCHEMA, tiny_study, write_tiny_bundle

from dashboard.components.downloads import Download, downloads
from dashboard.jobs import Analysis
from mmxai_core.explain.explainer import Explainer
from mmxai_core.model.bundle import load_bundle
from mmxai_core.predict import Predictor
from mmxai_core.report.capsule import read_capsule


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Download]]:
    bundle = load_bundle(write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny"))
    predictor = Predictor(bundle, device="cpu")
    study, record = tiny_study(), SCHEMA.record({"age": 61, "palpable": "yes", "margin": "spiky"})
    explanation = Explainer(predictor).explain(study, record, parts=("joint", "attention"))
    analysis = Analysis(study, record, None, 0, None, explanation.prediction, explanation, 1.0)
    yield {d.key: d for d in downloads(analysis, bundle, predictor.device)}
    predictor.close()


def test_each_has_a_clear_name_and_says_what_it_is_for(offered: dict[str, Download]) -> None:
    names = [d.name for d in offered.values()]
    assert len(set(names)) == len(names) and all(n.startswith("mmxai-0000") for n in names)
    assert all(d.hint and d.label for d in offered.values())
    assert {"pdf", "capsule", "capsule-hashes", "csv-contributions", "csv-strip", "csv-values", "png-overlay.png",
            "png-waterfall.png", "json", "zip"} <= set(offered)  # fmt: skip


def test_the_report_is_one_page_of_this_case(offered: dict[str, Download]) -> None:
    reader = PdfReader(io.BytesIO(offered["pdf"].make()))
    text = " ".join(reader.pages[0].extract_text().split())
    assert len(reader.pages) == 1 and "61 years" in text and "temperature 1.50" in text and "weights SHA-256" in text


def test_the_capsules_hold_what_they_say(offered: dict[str, Download]) -> None:
    full, hashes = (read_capsule(offered[k].make()) for k in ("capsule", "capsule-hashes"))
    assert full.study is not None and full.record is not None and full.pictures
    assert hashes.study is None and hashes.record is None and not hashes.pictures
    assert full.settings == hashes.settings and full.settings.parts == ("joint", "attention")


def test_pictures_tables_and_files_open(offered: dict[str, Download]) -> None:
    for key, download in offered.items():
        data = download.make()
        if key.startswith("png-"):
            assert data.startswith(b"\x89PNG")
        elif key.startswith("csv-"):
            assert b"Research use only, not for diagnosis" in data
    content = json.loads(offered["json"].make())
    assert content["notice"].startswith("Research use only")
    with zipfile.ZipFile(io.BytesIO(offered["zip"].make())) as archive:
        assert {"explanation.json", "NOTICE.txt", "overlay.png"} <= set(archive.namelist())


def test_without_an_image_no_picture_of_one_is_offered(tmp_path: Path) -> None:
    bundle = load_bundle(write_tiny_bundle(tmp_path / "tiny"))
    predictor = Predictor(bundle, device="cpu")
    record = SCHEMA.record({"age": 61})
    explanation = Explainer(predictor).explain(None, record, parts=())
    analysis = Analysis(None, record, None, 0, None, explanation.prediction, explanation, 1.0)
    found = {d.key: d for d in downloads(analysis, bundle, predictor.device)}
    predictor.close()
    assert "png-overlay.png" not in found and "png-waterfall.png" in found
    assert found["pdf"].name.startswith("mmxai-clinical-")
    assert read_capsule(found["capsule"].make()).study_sha256 is None
