"""The samples that ship, by the kind of image that a bundle reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.sample_index import FOLDER, USUAL, Sample, of_cohorts, read_samples, truths
from mmxai_core.errors import BundleError

ULTRASOUND = Sample("u.dcm", "u", "", {}, "", "malignant")
BRAIN = Sample("b.dcm", "b", "", {}, "", cohort="tcga_lgg")


@pytest.mark.parametrize(
    ("cohorts", "expected"),
    [
        (("breast_lesions_usg", "bus_bra"), (ULTRASOUND,)),
        (("bus_bra",), (ULTRASOUND,)),
        (("tcga_lgg",), (BRAIN,)),
        (("cbis_ddsm",), ()),
        (("ours",), (ULTRASOUND,)),
        ((), (ULTRASOUND,)),
    ],
)
def test_a_bundle_is_shown_its_own_kind(cohorts: tuple[str, ...], expected: tuple[Sample, ...]) -> None:
    assert of_cohorts((ULTRASOUND, BRAIN), cohorts) == expected


def test_a_sample_without_a_class_has_no_truth() -> None:
    assert truths((ULTRASOUND, BRAIN)) == {"u.dcm": True}


def test_every_file_of_the_index_is_there_and_the_usual_come_first() -> None:
    found = read_samples()
    assert all((FOLDER / s.file).is_file() and s.note for s in found)
    assert [s.cohort for s in found[:6]] == [USUAL] * 6
    assert len(truths(found)) == 6


def test_no_folder_is_no_sample_and_a_bad_index_one_sentence(tmp_path: Path) -> None:
    assert read_samples(tmp_path) == ()
    (tmp_path / "samples.json").write_text('{"samples": [{"file": "x"}]}')
    with pytest.raises(BundleError, match=r"samples' index samples\.json is malformed"):
        read_samples(tmp_path)
