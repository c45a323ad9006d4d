"""Marks are taken out where they are, and nothing is touched where they are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from preprocessing.generated_pictures import cross, letters, speckle

from mmxai_core.cohorts.case import read_grey
from mmxai_core.preprocessing.burned_in import remove_marks


def test_a_picture_without_marks_is_the_very_same() -> None:
    grey = speckle()
    cleaned = remove_marks(grey)
    assert cleaned.grey is grey and (cleaned.inside, cleaned.outside, cleaned.callipers, cleaned.lines) == (0, 0, 0, 0)


def test_callipers_are_filled_from_around_them() -> None:
    clean = speckle((320, 420))
    marked = clean.copy()
    for y, x in ((100, 120), (100, 260)):
        cross(marked, y, x)
    cleaned = remove_marks(marked)
    assert cleaned.callipers >= 2 and cleaned.outside == 0
    changed = cleaned.grey != marked
    assert changed.sum() <= cleaned.inside < 500
    for y, x in ((100, 120), (100, 260)):
        arms = cleaned.grey[y, x - 4 : x + 5]
        assert arms.max() < 0.75 and abs(arms.mean() - clean[y, x - 4 : x + 5].mean()) < 0.15
    far = np.ones(clean.shape, bool)
    far[85:116, 105:276] = False
    assert np.array_equal(cleaned.grey[far], marked[far])


def test_a_line_of_text_goes_and_the_tissue_around_it_stays() -> None:
    clean = speckle((320, 440))
    marked = clean.copy()
    letters(marked, 250, 60, 8)
    cleaned = remove_marks(marked)
    assert cleaned.lines == 1
    burned = marked != clean
    assert (cleaned.grey[burned] < 0.8).mean() > 0.97
    assert not (cleaned.grey != marked)[:235].any()


def test_three_strokes_are_no_text() -> None:
    marked = speckle((320, 440))
    for x in (60, 90, 120):
        marked[250:259, x : x + 2] = 0.95
    assert remove_marks(marked).lines == 0


def test_what_shines_outside_the_scan_area_goes_black() -> None:
    grey = np.zeros((320, 440), np.float32)
    grey[30:280, 80:360] = speckle((250, 280))
    marked = grey.copy()
    letters(marked, 295, 100, 6)
    marked[100:130, 20:40] = 0.9  # a grey bar
    cleaned = remove_marks(marked)
    assert cleaned.outside > 600 and cleaned.grey[290:].max() == 0.0 and cleaned.grey[:, :60].max() == 0.0
    assert np.array_equal(cleaned.grey[30:280, 80:360], grey[30:280, 80:360])
    ringing = grey.copy()
    ringing[:30] = 12 / 255  # a JPEG's black
    assert remove_marks(ringing).outside == 0


@pytest.mark.data
def test_real_pictures_without_marks_stay_and_those_with_marks_change(data_dir: Path) -> None:
    """BrEaST carries no marks, BUS-BRA callipers and text on most pictures.

    Of all 205 BrEaST pictures 98.0 % stay as they are, to the bit; of every eighth of BUS-BRA's 1,599, 15 %.
    """
    breast = data_dir / "breast_lesions_usg" / "BrEaST-Lesions_USG-images_and_masks"
    clean = sorted(p for p in breast.iterdir() if "_" not in p.stem)[::5]
    marked = sorted((data_dir / "bus_bra" / "Images").iterdir())[::40]

    def changed(paths: list[Path]) -> float:
        found = []
        for path in paths:
            grey = read_grey(path)
            cleaned = remove_marks(grey)
            found.append(not np.array_equal(cleaned.grey, grey))
        return float(np.mean(found))

    assert len(clean) >= 40 and len(marked) >= 39
    assert changed(clean) <= 0.05
    assert changed(marked) >= 0.7
