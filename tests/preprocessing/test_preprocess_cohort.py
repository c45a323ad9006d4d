"""A whole cohort: in parallel as in one process, again without a pixel, on after a kill, with what was dropped."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from preprocessing.generated_pictures import cohort_of, ultrasound_cohort

from mmxai_core.cohorts.case import Cohort
from mmxai_core.errors import CancelledError, CohortError
from mmxai_core.preprocessing import run as run_module
from mmxai_core.preprocessing.cache import cached_path, read_prepared
from mmxai_core.preprocessing.run import preprocess_cohort, without_dropped
from mmxai_core.preprocessing.settings import PreprocessSettings
from mmxai_core.preprocessing.throughput import measure_throughput

SETTINGS = PreprocessSettings(on=True)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return ultrasound_cohort(tmp_path / "pictures")


def _files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_second_run_decodes_no_pixel(cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    first = preprocess_cohort(
        cohort, tmp_path / "cache", settings=SETTINGS, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(i, 6) for i in range(1, 7)]
    found = first.to_json()
    assert (found["made"], found["reused"], found["dropped"], found["modalities"]) == (6, 0, 0, {"US": 6})
    assert found["pictures_with_marks"] == 3 and found["mark_pixels"] > 30 and found["images_per_second"] > 0
    assert found["steps"]["burned-in marks removed"] == 3

    def refuse(*_: object) -> None:
        raise AssertionError("a pixel was read")

    monkeypatch.setattr(run_module, "prepare_case", refuse)
    monkeypatch.setattr("PIL.Image.open", refuse)
    second = preprocess_cohort(cohort, tmp_path / "cache", settings=SETTINGS)
    assert [o.status for o in second.outcomes] == ["reused"] * 6
    assert [o.account for o in second.outcomes] == [o.account for o in first.outcomes]
    monkeypatch.undo()
    changed = preprocess_cohort(cohort, tmp_path / "cache", settings=replace(SETTINGS, marks=False))
    assert [o.status for o in changed.outcomes] == ["made"] * 6
    assert changed.to_json()["mark_pixels"] == 0


def test_several_processes_make_the_same_files(cohort: Cohort, tmp_path: Path) -> None:
    one = preprocess_cohort(cohort, tmp_path / "one", settings=SETTINGS)
    two = preprocess_cohort(cohort, tmp_path / "two", settings=SETTINGS, workers=2)
    assert [o.key for o in two.outcomes] == [o.key for o in one.outcomes]
    assert _files(tmp_path / "one") == _files(tmp_path / "two") and two.workers == 2


def test_a_damaged_file_is_made_again_and_said(cohort: Cohort, tmp_path: Path) -> None:
    first = preprocess_cohort(cohort, tmp_path / "cache", settings=SETTINGS)
    whole = _files(tmp_path / "cache")
    path = cached_path(tmp_path / "cache", first.outcomes[2].key)
    path.write_bytes(path.read_bytes()[:-9])
    again = preprocess_cohort(cohort, tmp_path / "cache", settings=SETTINGS)
    assert [o.status for o in again.outcomes] == ["reused"] * 2 + ["repaired"] + ["reused"] * 3
    (why,) = again.to_json()["why"]
    assert why["case"] == "c2" and "is damaged" in why["reason"]
    assert _files(tmp_path / "cache") == whole


#: Dies in its third picture, after the bytes are written and before they are moved into place.
_DRIVER = """
import os, signal, sys
from pathlib import Path
from preprocessing.generated_pictures import ultrasound_cohort
from mmxai_core.preprocessing.run import preprocess_cohort
from mmxai_core.preprocessing.settings import PreprocessSettings
replace, moved = Path.replace, []
def dying(self, target):
    moved.append(target)
    if len(moved) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)
Path.replace = dying
root = Path(sys.argv[1])
preprocess_cohort(ultrasound_cohort(root / "pictures"), root / "cache", settings=PreprocessSettings(on=True))
"""


def test_a_killed_run_goes_on_where_it_was(cohort: Cohort, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _DRIVER, str(tmp_path)], cwd=ROOT, timeout=120, check=False, capture_output=True,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert len(list((tmp_path / "cache").rglob("*.part"))) == 1
    rest = preprocess_cohort(cohort, tmp_path / "cache", settings=SETTINGS)
    assert [o.status for o in rest.outcomes] == ["reused"] * 2 + ["made"] * 4
    preprocess_cohort(cohort, tmp_path / "whole", settings=SETTINGS)
    left = {k: v for k, v in _files(tmp_path / "cache").items() if not k.endswith(".part")}
    assert left == _files(tmp_path / "whole")


def test_a_cancelled_run_keeps_what_is_done(cohort: Cohort, tmp_path: Path) -> None:
    calls = iter([False, False, True])
    with pytest.raises(CancelledError, match="what is done is kept"):
        preprocess_cohort(cohort, tmp_path / "cache", settings=SETTINGS, cancelled=lambda: next(calls))
    assert len(_files(tmp_path / "cache")) == 2


@pytest.mark.parametrize("workers", [1, 2])
def test_pictures_that_cannot_be_read_are_dropped_and_counted(cohort: Cohort, tmp_path: Path, workers: int) -> None:
    cohort.cases[1].image.write_bytes(b"not a picture")
    cohort.cases[4].image.unlink()
    report = preprocess_cohort(cohort, tmp_path / "cache", settings=SETTINGS, workers=workers)
    assert [o.case_id for o in report.of("dropped")] == ["c1", "c4"]
    assert (
        "Cannot read image 1.png" in report.outcomes[1].reason
        and "Cannot read image 4.png" in report.outcomes[4].reason
    )
    rest = without_dropped(cohort, report)
    assert [c.case_id for c in rest.cases] == ["c0", "c2", "c3", "c5"]
    assert rest.dropped == (("picture cannot be prepared", 2),)


def test_a_cohort_of_which_nothing_can_be_made_is_refused(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"None of the 6 pictures.*Nothing states the modality of cohort generated"):
        preprocess_cohort(cohort_of(cohort.cases), tmp_path / "cache", settings=SETTINGS)
    with pytest.raises(CohortError, match="at least 1 worker; got 0"):
        preprocess_cohort(cohort, tmp_path / "cache", settings=SETTINGS, workers=0)


def test_the_cache_holds_the_picture_that_was_reported(cohort: Cohort, tmp_path: Path) -> None:
    report = preprocess_cohort(cohort, tmp_path / "cache", settings=SETTINGS)
    for case, outcome in zip(cohort.cases, report.outcomes, strict=True):
        back = read_prepared(tmp_path / "cache", outcome.key)
        assert back is not None and back.account == outcome.account and outcome.case_id == case.case_id
        assert back.levels.shape == (1, 96, 120) and back.lesion is not None and back.lesion.sum() == 600
        assert np.array_equal(back.levels % 257 == 0, np.ones((1, 96, 120), bool)) or int(case.case_id[1:]) % 2


def test_throughput_is_measured_for_each_modality() -> None:
    found = measure_throughput(pictures=1)
    assert list(found) == ["MR", "CT", "MG", "US"]
    for row in found.values():
        # How much faster is the benchmark's to say: one picture on a busy machine may take any time.
        fresh, cached = row["uncached_per_second"], row["cached_per_second"]
        assert fresh > 0 and row["times_faster_cached"] == pytest.approx(cached / fresh, rel=0.05)
