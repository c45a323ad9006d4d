from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmxai_core.clinical import ClinicalSchema, Field
from mmxai_core.errors import CohortError
from mmxai_core.worklist import SITE, WorklistStore
from mmxai_core.worklist.database import worklist_url
from mmxai_core.worklist.intake import Incoming, WatchedFolder, manifest_cases, take_in

SCHEMA = ClinicalSchema((Field("age", "Age", "numeric", "history", plausible=(0, 120)),))
SAMPLES = Path(__file__).resolve().parents[2] / "assets" / "samples"


def png(seed: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 50), np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WorklistStore]:
    made = WorklistStore(worklist_url(str(tmp_path / "r.sqlite")), tmp_path / "site")
    yield made
    made.close()


def incoming(name: str, data: bytes) -> Incoming:
    return Incoming(name, lambda: data)


def test_one_bad_file_never_spoils_the_others(store: WorklistStore) -> None:
    def gone() -> bytes:
        raise FileNotFoundError(2, "No such file")

    files = [
        incoming("a.png", png(1)), incoming("bad.dcm", b"plain text"), incoming("empty.png", b""),
        Incoming("gone.png", gone), incoming("b.png", png(2)), incoming("a copy.png", png(1)),
    ]  # fmt: skip
    told = list(take_in(files, store, SCHEMA, owner="R01", source="upload"))
    assert [o.case is not None for o in told] == [True, False, False, False, True, True]
    assert "plain text" in told[1].sentence and "empty" in told[2].sentence and "cannot be read" in told[3].sentence
    assert [o.fresh for o in told] == [True, False, False, False, True, False] and "already" in told[5].sentence
    assert len(store.cases(("R01",))) == 2


def test_age_comes_from_the_header_and_cancel_stops_between_two(store: WorklistStore) -> None:
    files = [incoming(p.name, p.read_bytes()) for p in sorted(SAMPLES.glob("phantom-*.dcm"))[1:3]]
    stop = iter([False, True])
    (only,) = take_in(files, store, SCHEMA, owner="R01", source="upload", cancelled=lambda: next(stop))
    assert only.case is not None and dict(only.case.values) == {"age": 67.0} and only.case.synthetic
    assert dict(only.case.prefilled) == {"age": "from header"} and only.case.modality == "US"


def test_a_manifest_brings_its_clinical_values_and_not_its_labels(store: WorklistStore, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(1))
    (tmp_path / "m.csv").write_text("case_id,patient_id,image,label,age\nSmith-1,Smith,a.png,malignant,61\n")
    cases = manifest_cases(tmp_path / "m.csv", SCHEMA, classes=("benign", "malignant"), positive="malignant")
    (told,) = take_in(cases, store, SCHEMA, owner=SITE, source="manifest")
    assert told.case is not None and dict(told.case.values) == {"age": 61.0}
    assert dict(told.case.prefilled) == {"age": "from manifest"}
    kept = (tmp_path / "worklist.sqlite").read_bytes() + (tmp_path / "worklist.sqlite-wal").read_bytes()
    assert b"Smith" not in kept and b"malignant" not in kept


def test_a_watched_folder_gives_each_whole_file_once(store: WorklistStore, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    watched = WatchedFolder(folder)
    with pytest.raises(CohortError, match="MMXAI_WATCH"):
        watched.look()
    folder.mkdir()
    (folder / "a.png").write_bytes(png(1))
    (folder / ".hidden").write_bytes(png(2))
    assert watched.look() == [], "a file just seen may still be growing"
    (folder / "a.png").write_bytes(png(1) + b"more")
    assert watched.look() == []
    assert [i.name for i in watched.look()] == ["a.png"]
    assert watched.look() == []

    fresh = WatchedFolder(folder)
    fresh.look()
    (told,) = take_in(fresh.look(), store, SCHEMA, owner=SITE, source="watch")
    assert told.case is not None and store.remove(told.case.code, (SITE,))
    again = WatchedFolder(folder)
    again.look()
    assert list(take_in(again.look(), store, SCHEMA, owner=SITE, source="watch")) == [], "removed stays removed"
